using Hypervisor.Core.Network;
using Hypervisor.Core.Network.Routing;

namespace Hypervisor.Tests.Network;

/// <summary>A station that is all by hand: it makes frames to its router and keeps what it hears.</summary>
internal sealed class Station(SwitchPort port, RouterLeg leg, uint number, uint address)
{
    private const int Ip = 14;
    private const int Transport = 34;

    public MacAddress Mac { get; } = MacAddress.Local(number);

    public RouterLeg Leg => leg;

    public uint Address => address;

    public uint Sequence => 0x1000_0000 + number;

    /// <summary>Lets the router know where the address is.</summary>
    public void Announce() => Exchange(Arp(2, address));

    /// <summary>Sends a frame; what came back at once.</summary>
    public List<byte[]> Exchange(byte[] frame)
    {
        port.Send(frame);
        port.Flush();
        return Heard();
    }

    public List<byte[]> Heard() => Frames.Drain(port);

    public byte[] Arp(ushort operation, uint target)
    {
        byte[] frame = Ethernet(42, Packet.TypeArp, MacAddress.Broadcast);
        Packet.Put32(frame, 14, 0x0001_0800);
        Packet.Put16(frame, 18, 0x0604);
        Packet.Put16(frame, 20, operation);
        Mac.Write(frame.AsSpan(22));
        Packet.Put32(frame, 28, address);
        Packet.Put32(frame, 38, target);
        return frame;
    }

    public byte[] Echo()
    {
        byte[] frame = Ipv4(Packet.ProtocolIcmp, leg.Address, 16, 64);
        frame[Transport] = 8;
        Packet.Put16(frame, Transport + 2, Packet.Fold(Packet.Sum(frame.AsSpan(Transport))));
        return frame;
    }

    public byte[] Udp(uint target, int from, int to, int hops = 64, byte[]? payload = null)
    {
        payload ??= [1, 2, 3];
        byte[] frame = Ipv4(Packet.ProtocolUdp, target, 8 + payload.Length, hops);
        Packet.Put16(frame, Transport, from);
        Packet.Put16(frame, Transport + 2, to);
        Packet.Put16(frame, Transport + 4, 8 + payload.Length);
        payload.CopyTo(frame, Transport + 8);
        return frame;
    }

    /// <summary>A datagram that claims to come from outside the sender's network.</summary>
    public byte[] Spoofed(uint target)
    {
        byte[] frame = Udp(target, 1000, 53);
        Packet.Put32(frame, Ip + 12, 0x0808_0808);
        Mend(frame);
        return frame;
    }

    public byte[] Tcp(uint target, int from, int to, byte flags)
    {
        byte[] frame = Ipv4(Packet.ProtocolTcp, target, 20, 64);
        Packet.Put16(frame, Transport, from);
        Packet.Put16(frame, Transport + 2, to);
        Packet.Put32(frame, Transport + 4, Sequence);
        frame[Transport + 12] = 5 << 4;
        frame[Transport + 13] = flags;
        Mend(frame);
        return frame;
    }

    public byte[] Dhcp(byte kind, uint? wanted)
    {
        var message = new byte[300];
        message[0] = 1;
        message[1] = 1;
        message[2] = 6;
        Packet.Put32(message, 4, 0x1234_5678);
        Mac.Write(message.AsSpan(28));
        Packet.Put32(message, 236, 0x6382_5363);
        byte[] options = [53, 1, kind, 12, 2, (byte)'h', (byte)('0' + (number % 10)), 255];
        if (wanted is { } ip)
            options = [.. options[..3], 50, 4, (byte)(ip >> 24), (byte)(ip >> 16), (byte)(ip >> 8), (byte)ip, .. options[3..]];
        options.CopyTo(message, 240);
        byte[] frame = Udp(uint.MaxValue, 68, 67, payload: message);
        MacAddress.Broadcast.Write(frame);
        Packet.Put32(frame, Ip + 12, 0);
        Mend(frame);
        return frame;
    }

    public byte[] Dns(string name)
    {
        byte[] labels = [.. name.Split('.').SelectMany(label => new[] { (byte)label.Length }.Concat(System.Text.Encoding.ASCII.GetBytes(label)))];
        return Udp(leg.Address, 5353, 53, payload: [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. labels, 0, 0, 1, 0, 1]);
    }

    /// <summary>Makes the checksums of a frame right, as far as it has any.</summary>
    public static void Mend(byte[] frame)
    {
        if (frame.Length < Transport)
            return;
        Packet.Put16(frame, Ip + 10, 0);
        Packet.Put16(frame, Ip + 10, Packet.Fold(Packet.Sum(frame.AsSpan(Ip, 20))));
        if (frame[Ip + 9] != Packet.ProtocolTcp || frame.Length < Transport + 20)
            return;
        Packet.Put16(frame, Transport + 16, 0);
        ulong pseudo = Packet.PseudoHeader(Packet.U32(frame, Ip + 12), Packet.U32(frame, Ip + 16), Packet.ProtocolTcp, frame.Length - Transport);
        Packet.Put16(frame, Transport + 16, Packet.Fold(Packet.Sum(frame.AsSpan(Transport), pseudo)));
    }

    private byte[] Ipv4(byte protocol, uint target, int payload, int hops)
    {
        byte[] frame = Ethernet(Transport + payload, Packet.TypeIpv4, leg.Station);
        Packet.WriteIpv4(frame.AsSpan(Ip), payload, protocol, address, target, 1);
        frame[Ip + 8] = (byte)hops;
        Mend(frame);
        return frame;
    }

    private byte[] Ethernet(int size, ushort type, MacAddress to)
    {
        var frame = new byte[size];
        to.Write(frame);
        Mac.Write(frame.AsSpan(6));
        Packet.Put16(frame, 12, type);
        return frame;
    }
}
