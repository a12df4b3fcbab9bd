using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Hypervisor.Core.Network;

/// <summary>An IPv4 network: its first address and how many bits of it all members share.</summary>
/// <param name="Address">The first address, as a number.</param>
/// <param name="Prefix">8 to 30.</param>
internal readonly record struct Ipv4Network(uint Address, int Prefix)
{
    /// <summary>The bits all members share.</summary>
    public uint Mask => uint.MaxValue << (32 - Prefix);

    /// <summary>The address for all members.</summary>
    public uint Broadcast => Address | ~Mask;

    /// <summary>Whether an address lies in it.</summary>
    public bool Contains(uint address) => (address & Mask) == Address;

    /// <summary>Whether they have an address in common.</summary>
    public bool Overlaps(Ipv4Network other) => Contains(other.Address) || other.Contains(Address);

    /// <summary>Reads <c>10.0.2.0/24</c>.</summary>
    /// <exception cref="HypervisorException">It is not a network.</exception>
    public static Ipv4Network Parse(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash > 0 && TryParseAddress(text[..slash], out uint address)
            && int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int prefix) && prefix is >= 8 and <= 30)
        {
            var network = new Ipv4Network(address, prefix);
            if ((address & ~network.Mask) == 0)
                return network;
        }

        throw new HypervisorException($"'{text}' is not an IPv4 network: its first address and 8 to 30 bits, such as 10.0.2.0/24.");
    }

    /// <summary>Reads an address in four decimal parts.</summary>
    public static bool TryParseAddress(string text, out uint address)
    {
        bool sound = IPAddress.TryParse(text, out IPAddress? parsed) && parsed.AddressFamily == AddressFamily.InterNetwork && text.Count(c => c == '.') == 3;
        address = sound ? BinaryPrimitives.ReadUInt32BigEndian(parsed!.GetAddressBytes()) : 0;
        return sound;
    }

    /// <summary>An address in four decimal parts.</summary>
    public static string Format(uint address) => $"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}";

    /// <summary>The usual notation.</summary>
    public override string ToString() => $"{Format(Address)}/{Prefix}";
}
