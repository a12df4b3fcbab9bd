using Hypervisor.Core.Network;
using Hypervisor.Core.Network.Routing;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// What a guest's network stack leaves to its card (virtio 1.2 §5.1.6.2): sums that native code adds up many times faster than
/// guest code does, and cutting what TCP sends into frames.
/// </summary>
internal static class NetOffload
{
    /// <summary>Most bytes that a guest gives to be cut: an IPv4 packet and its Ethernet header.</summary>
    public const int LargestToCut = INetworkPort.HeaderSize + 65_535;

    // Smaller pieces would make many frames of one request.
    private const int SmallestPiece = 256;

    private const int Ethernet = Packet.Ethernet;
    private const byte FinAndPush = 1 | 8;
    private const byte CongestionReduced = 0x80;

    /// <summary>Takes a frame to send. Valid during the call only.</summary>
    public delegate void Sender(ReadOnlySpan<byte> frame);

    /// <summary>Puts the sum over a frame from a place on where the guest wants it; false where that is not in the frame.</summary>
    public static bool TryComplete(Span<byte> frame, int start, int offset)
    {
        if (start > frame.Length || start + offset + 2 > frame.Length)
            return false;
        Packet.Put16(frame, start + offset, Packet.WrittenSum(Packet.Sum(frame[start..])));
        return true;
    }

    /// <summary>Cuts a TCP packet of IPv4 into frames; false where it is none, or the pieces are too small.</summary>
    /// <param name="frame">Ethernet, IPv4 and TCP headers and all the data. Changed.</param>
    /// <param name="piece">Most bytes of data in a frame.</param>
    /// <param name="send">Takes each frame.</param>
    public static bool TryCut(Span<byte> frame, int piece, Sender send)
    {
        if (!IsTcp(frame, out int ip, out int tcp) || piece < SmallestPiece || tcp + piece > INetworkPort.MaximumFrame)
            return false;
        Span<byte> header = frame[..tcp];
        ReadOnlySpan<byte> data = frame[tcp..];
        uint sequence = Packet.U32(frame, ip + 4);
        ushort id = Packet.U16(frame, Ethernet + 4);
        byte flags = frame[ip + 13];
        Span<byte> part = stackalloc byte[INetworkPort.MaximumFrame];
        header.CopyTo(part);
        for (int done = 0; done < data.Length; done += piece)
        {
            ReadOnlySpan<byte> bytes = data.Slice(done, Math.Min(piece, data.Length - done));
            bool last = done + bytes.Length == data.Length;
            Span<byte> one = part[..(tcp + bytes.Length)];
            bytes.CopyTo(one[tcp..]);
            Packet.Put16(one, Ethernet + 2, one.Length - Ethernet);
            Packet.Put16(one, Ethernet + 4, id++);
            Packet.Put16(one, Ethernet + 10, 0);
            Packet.Put16(one, Ethernet + 10, Packet.Fold(Packet.Sum(one[Ethernet..ip])));
            Packet.Put32(one, ip + 4, sequence + (uint)done);
            one[ip + 13] = (byte)(flags & ~((last ? 0 : FinAndPush) | (done == 0 ? 0 : CongestionReduced)));
            Packet.Put16(one, ip + 16, 0);
            Packet.Put16(one, ip + 16, Packet.Fold(Packet.Sum(one[ip..], PseudoHeader(one, one.Length - ip))));
            send(one);
        }

        return true;
    }

    /// <summary>Whether a frame holds a whole TCP or UDP packet of IPv4 whose sum is right.</summary>
    public static bool IsSound(ReadOnlySpan<byte> frame)
    {
        if (!IsIpv4(frame, out int ip) || frame[Ethernet + 9] is not (Packet.ProtocolTcp or Packet.ProtocolUdp))
            return false;
        int end = Ethernet + Packet.U16(frame, Ethernet + 2);
        int least = frame[Ethernet + 9] == Packet.ProtocolTcp ? Packet.TcpHeader : Packet.UdpHeader;
        return end <= frame.Length && end - ip >= least && Packet.Fold(Packet.Sum(frame[ip..end], PseudoHeader(frame, end - ip))) == 0;
    }

    private static bool IsTcp(ReadOnlySpan<byte> frame, out int ip, out int tcp)
    {
        tcp = 0;
        if (!IsIpv4(frame, out ip) || frame[Ethernet + 9] != Packet.ProtocolTcp || frame.Length < ip + Packet.TcpHeader)
            return false;
        int length = (frame[ip + 12] >> 4) * 4;
        tcp = ip + length;
        return length >= Packet.TcpHeader && tcp < frame.Length;
    }

    private static ulong PseudoHeader(ReadOnlySpan<byte> frame, int length)
        => Packet.PseudoHeader(Packet.U32(frame, Ethernet + 12), Packet.U32(frame, Ethernet + 16), frame[Ethernet + 9], length);

    /// <summary>Whether a frame is an IPv4 packet that is no fragment; where what it carries begins.</summary>
    private static bool IsIpv4(ReadOnlySpan<byte> frame, out int payload)
    {
        payload = 0;
        if (frame.Length < Ethernet + Packet.Ipv4Header || Packet.U16(frame, 12) != Packet.TypeIpv4 || frame[Ethernet] >> 4 != 4)
            return false;
        payload = Ethernet + ((frame[Ethernet] & 15) * 4);
        return payload >= Ethernet + Packet.Ipv4Header && payload <= frame.Length && (Packet.U16(frame, Ethernet + 6) & 0x3FFF) == 0;
    }
}
