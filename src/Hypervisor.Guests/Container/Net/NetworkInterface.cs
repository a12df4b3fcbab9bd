using Hypervisor.Core.Network;

namespace Hypervisor.Guests.Container.Net;

/// <summary>An interface as a container's programs see it.</summary>
/// <param name="Index">Its number.</param>
/// <param name="Name">Its name.</param>
/// <param name="Flags">IFF_ flags (netdevice(7)).</param>
/// <param name="Mtu">Bytes of a packet.</param>
/// <param name="HardwareKind">ARPHRD_ kind.</param>
/// <param name="HardwareAddress">Its address on the link.</param>
/// <param name="Address">Its IPv4 address.</param>
/// <param name="PrefixLength">How many bits of that are the network's.</param>
/// <param name="Gateway">Where what is not of its network goes; 0 for nowhere.</param>
internal sealed record NetworkInterface(int Index, string Name, uint Flags, int Mtu, ushort HardwareKind, byte[] HardwareAddress, uint Address, int PrefixLength, uint Gateway)
{
    private const uint Up = 1, HasBroadcast = 2, IsLoopback = 8, Running = 0x40, HasMulticast = 0x1000, LinkUp = 0x10000;

    public bool Loops => (Flags & IsLoopback) != 0;

    public uint Mask => PrefixLength == 0 ? 0 : uint.MaxValue << (32 - PrefixLength);

    public uint Broadcast => Address | ~Mask;

    public static NetworkInterface Loopback { get; } = new(1, "lo", Up | IsLoopback | Running | LinkUp, 65536, 772, new byte[6], 0x7F00_0001, 8, 0);

    public static NetworkInterface OfStation(Core.Network.Routing.StationLink link)
    {
        var address = new byte[6];
        link.Station.Write(address);
        return new(2, "eth0", Up | HasBroadcast | Running | HasMulticast | LinkUp, 1500, 1, address, link.Address, link.Network.Prefix, link.Gateway);
    }
}
