using System.Buffers.Binary;

namespace Hypervisor.Core.Network.Routing;

/// <summary>Where things are in Ethernet, ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792), UDP (RFC 768) and TCP (RFC 9293).</summary>
internal static class Packet
{
    public const int Ethernet = INetworkPort.HeaderSize;
    public const int Ipv4Header = 20;
    public const int UdpHeader = 8;
    public const int TcpHeader = 20;

    public const ushort TypeIpv4 = 0x0800;
    public const ushort TypeArp = 0x0806;

    public const byte ProtocolIcmp = 1;
    public const byte ProtocolTcp = 6;
    public const byte ProtocolUdp = 17;

    public static ushort U16(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt16BigEndian(bytes[offset..]);

    public static uint U32(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32BigEndian(bytes[offset..]);

    public static void Put16(Span<byte> bytes, int offset, int value) => BinaryPrimitives.WriteUInt16BigEndian(bytes[offset..], (ushort)value);

    public static void Put32(Span<byte> bytes, int offset, uint value) => BinaryPrimitives.WriteUInt32BigEndian(bytes[offset..], value);

    /// <summary>The sum of 16-bit words in ones' complement, to go on with or to <see cref="Fold"/> (RFC 1071).</summary>
    public static ulong Sum(ReadOnlySpan<byte> bytes, ulong start = 0)
    {
        while (bytes.Length >= 4)
        {
            start += BinaryPrimitives.ReadUInt32BigEndian(bytes);
            bytes = bytes[4..];
        }

        if (bytes.Length >= 2)
        {
            start += BinaryPrimitives.ReadUInt16BigEndian(bytes);
            bytes = bytes[2..];
        }

        return bytes.Length == 0 ? start : start + ((ulong)bytes[0] << 8);
    }

    /// <summary>The checksum a sum makes.</summary>
    public static ushort Fold(ulong sum)
    {
        while (sum >> 16 != 0)
            sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~sum;
    }

    /// <summary>The sum over what UDP and TCP see of the addresses.</summary>
    public static ulong PseudoHeader(uint source, uint target, byte protocol, int length)
        => (source >> 16) + (source & 0xffff) + (target >> 16) + (target & 0xffff) + protocol + (ulong)length;

    /// <summary>Whether an IPv4 packet's header is sound and lies in what was received.</summary>
    public static bool IsSoundIpv4(ReadOnlySpan<byte> packet, out int headerLength, out int length)
    {
        headerLength = 0;
        length = 0;
        if (packet.Length < Ipv4Header || packet[0] >> 4 != 4)
            return false;
        headerLength = (packet[0] & 15) * 4;
        length = U16(packet, 2);
        return headerLength >= Ipv4Header && length >= headerLength && length <= packet.Length && Fold(Sum(packet[..headerLength])) == 0;
    }

    /// <summary>Writes an IPv4 header without options for a payload that follows it.</summary>
    public static void WriteIpv4(Span<byte> packet, int payload, byte protocol, uint source, uint target, ushort id)
    {
        packet[..Ipv4Header].Clear();
        packet[0] = 0x45;
        Put16(packet, 2, Ipv4Header + payload);
        Put16(packet, 4, id);
        Put16(packet, 6, 0x4000);
        packet[8] = 64;
        packet[9] = protocol;
        Put32(packet, 12, source);
        Put32(packet, 16, target);
        Put16(packet, 10, Fold(Sum(packet[..Ipv4Header])));
    }

    /// <summary>Whether the checksum of UDP or TCP is right; the segment begins at their header.</summary>
    public static bool IsSoundSegment(ReadOnlySpan<byte> segment, uint source, uint target, byte protocol)
        => Fold(Sum(segment, PseudoHeader(source, target, protocol, segment.Length))) == 0;

    /// <summary>The UDP datagram at the start of a payload, with its header; false where its length or its sum is wrong.</summary>
    public static bool TryDatagram(ReadOnlySpan<byte> payload, uint source, uint target, out ReadOnlySpan<byte> datagram)
    {
        datagram = default;
        if (payload.Length < UdpHeader)
            return false;
        int length = U16(payload, 4);
        if (length < UdpHeader || length > payload.Length)
            return false;
        datagram = payload[..length];
        return U16(datagram, 6) == 0 || IsSoundSegment(datagram, source, target, ProtocolUdp);
    }

    /// <summary>Writes the header of a UDP datagram, whose bytes stand behind room for it.</summary>
    public static void WriteUdp(Span<byte> datagram, int from, int to, uint source, uint target)
    {
        Put16(datagram, 0, from);
        Put16(datagram, 2, to);
        Put16(datagram, 4, datagram.Length);
        Put16(datagram, 6, 0);
        Put16(datagram, 6, WrittenSum(Sum(datagram, PseudoHeader(source, target, ProtocolUdp, datagram.Length))));
    }

    /// <summary>The checksum as it is written: of the two that mean the same, zero is what UDP reads as none.</summary>
    public static ushort WrittenSum(ulong sum)
    {
        ushort folded = Fold(sum);
        return folded == 0 ? ushort.MaxValue : folded;
    }

    /// <summary>Makes the answer to an echo request (RFC 792) of the same length; false where it is none.</summary>
    public static bool TryAnswerEcho(ReadOnlySpan<byte> echo, Span<byte> reply)
    {
        if (echo.Length < 8 || echo[0] != 8 || echo[1] != 0 || Fold(Sum(echo)) != 0)
            return false;
        echo.CopyTo(reply);
        Put32(reply, 0, 0);
        Put16(reply, 2, Fold(Sum(reply)));
        return true;
    }
}
