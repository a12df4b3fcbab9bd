using System.Buffers.Binary;
using Hypervisor.Core.Network;

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

    private const int Ethernet = INetworkPort.HeaderSize;
    private const int Ipv4Header = 20;
    private const int TcpHeader = 20;
    private const ushort TypeIpv4 = 0x0800;
    private const byte Tcp = 6;
    private const byte Udp = 17;
    private const byte FinAndPush = 1 | 8;
    private const byte CongestionReduced = 0x80;

    /// <summary>Takes a frame to send. Valid during the call only.</summary>
    public delegate void Sender(ReadOnlySpan<byte> frame);

    /// <summary>Puts the sum over a frame from a place on where the guest wants it; false where that is not in the frame.</summary>
    public static bool TryComplete(Span<byte> frame, int start, int offset)
    {
        if (start > frame.Length || start + offset + 2 > frame.Length)
            return false;

        // Of two sums that mean the same, none at all is the one that UDP reads as no sum.
        ushort sum = Fold(Sum(frame[start..], 0));
        BinaryPrimitives.WriteUInt16BigEndian(frame[(start + offset)..], sum == 0 ? ushort.MaxValue : sum);
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
        uint sequence = BinaryPrimitives.ReadUInt32BigEndian(frame[(ip + 4)..]);
        ushort id = BinaryPrimitives.ReadUInt16BigEndian(frame[(Ethernet + 4)..]);
        byte flags = frame[ip + 13];
        Span<byte> part = stackalloc byte[INetworkPort.MaximumFrame];
        header.CopyTo(part);
        for (int done = 0; done < data.Length; done += piece)
        {
            ReadOnlySpan<byte> bytes = data.Slice(done, Math.Min(piece, data.Length - done));
            bool last = done + bytes.Length == data.Length;
            Span<byte> one = part[..(tcp + bytes.Length)];
            bytes.CopyTo(one[tcp..]);
            BinaryPrimitives.WriteUInt16BigEndian(one[(Ethernet + 2)..], (ushort)(one.Length - Ethernet));
            BinaryPrimitives.WriteUInt16BigEndian(one[(Ethernet + 4)..], id++);
            one[(Ethernet + 10)..(Ethernet + 12)].Clear();
            BinaryPrimitives.WriteUInt16BigEndian(one[(Ethernet + 10)..], Fold(Sum(one[Ethernet..ip], 0)));
            BinaryPrimitives.WriteUInt32BigEndian(one[(ip + 4)..], sequence + (uint)done);
            one[ip + 13] = (byte)(flags & ~((last ? 0 : FinAndPush) | (done == 0 ? 0 : CongestionReduced)));
            one[(ip + 16)..(ip + 18)].Clear();
            BinaryPrimitives.WriteUInt16BigEndian(one[(ip + 16)..], Fold(Sum(one[ip..], PseudoHeader(one, ip))));
            send(one);
        }

        return true;
    }

    /// <summary>Whether a frame holds a whole TCP or UDP packet of IPv4 whose sum is right.</summary>
    public static bool IsSound(ReadOnlySpan<byte> frame)
    {
        if (!IsIpv4(frame, out int ip) || frame[Ethernet + 9] is not (Tcp or Udp))
            return false;
        int end = Ethernet + BinaryPrimitives.ReadUInt16BigEndian(frame[(Ethernet + 2)..]);
        int least = frame[Ethernet + 9] == Tcp ? TcpHeader : 8;
        return end <= frame.Length && end - ip >= least && Fold(Sum(frame[ip..end], PseudoHeader(frame[..end], ip))) == 0;
    }

    private static bool IsTcp(ReadOnlySpan<byte> frame, out int ip, out int tcp)
    {
        tcp = 0;
        if (!IsIpv4(frame, out ip) || frame[Ethernet + 9] != Tcp || frame.Length < ip + TcpHeader)
            return false;
        int length = (frame[ip + 12] >> 4) * 4;
        tcp = ip + length;
        return length >= TcpHeader && tcp < frame.Length;
    }

    /// <summary>Whether a frame is an IPv4 packet that is no fragment; where what it carries begins.</summary>
    private static bool IsIpv4(ReadOnlySpan<byte> frame, out int payload)
    {
        payload = 0;
        if (frame.Length < Ethernet + Ipv4Header || BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) != TypeIpv4 || frame[Ethernet] >> 4 != 4)
            return false;
        payload = Ethernet + ((frame[Ethernet] & 15) * 4);
        return payload >= Ethernet + Ipv4Header && payload <= frame.Length && (BinaryPrimitives.ReadUInt16BigEndian(frame[(Ethernet + 6)..]) & 0x3FFF) == 0;
    }

    private static ulong PseudoHeader(ReadOnlySpan<byte> frame, int payload)
        => Sum(frame.Slice(Ethernet + 12, 8), (ulong)frame[Ethernet + 9] + (ulong)(frame.Length - payload));

    /// <summary>The sum of 16-bit words, to be folded (RFC 1071): it does not matter in what portions they are added.</summary>
    private static ulong Sum(ReadOnlySpan<byte> bytes, ulong start)
    {
        ulong sum = start;
        while (bytes.Length >= 4)
        {
            sum += BinaryPrimitives.ReadUInt32BigEndian(bytes);
            bytes = bytes[4..];
        }

        if (bytes.Length >= 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes);
            bytes = bytes[2..];
        }

        return bytes.IsEmpty ? sum : sum + ((ulong)bytes[0] << 8);
    }

    private static ushort Fold(ulong sum)
    {
        while (sum >> 16 != 0)
            sum = (sum & 0xFFFF) + (sum >> 16);
        return (ushort)~sum;
    }
}
