using FsCheck.Fluent;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Network;
using Hypervisor.Core.Network.Routing;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Devices;

/// <summary>What the card does for a guest's network stack, against the router's own reading of packets.</summary>
public sealed class NetOffloadTests
{
    private const int Headers = Packet.Ethernet + Packet.Ipv4Header + Packet.TcpHeader;

    [Fact]
    public void Cut_AnyData_GivesSoundFramesThatHoldAllOfIt() => Property.ForAll(
        from length in Gen.Choose(1, 20_000)
        from piece in Gen.Choose(256, 1448)
        from options in Gen.Choose(0, 3)
        from seed in Gen.Choose(0, 1 << 30)
        select (length, piece, options, seed), test =>
    {
        (int length, int piece, int options, int seed) = test;
        byte[] data = new byte[length];
        new Random(seed).NextBytes(data);
        byte[] frame = Frame(data, options * 4, flags: 0x10 | 8 | 1 | 0x80, sequence: 0xFFFF_F000);
        var got = new List<byte>();
        uint next = 0xFFFF_F000;
        int frames = 0;
        bool sound = true;
        int wanted = (length + piece - 1) / piece;
        bool cut = NetOffload.TryCut(frame, piece, one =>
        {
            ReadOnlySpan<byte> packet = one[Packet.Ethernet..];
            sound &= Packet.IsSoundIpv4(packet, out int header, out int size) && size == packet.Length && one.Length <= INetworkPort.MaximumFrame;
            ReadOnlySpan<byte> segment = packet[header..size];
            sound &= Packet.IsSoundSegment(segment, Packet.U32(packet, 12), Packet.U32(packet, 16), Packet.ProtocolTcp) && NetOffload.IsSound(one);
            sound &= Packet.U32(segment, 4) == next && Packet.U16(packet, 4) == (ushort)(0xFFFE + frames);
            bool last = ++frames == wanted;
            sound &= segment[13] == (byte)(0x10 | (last ? 9 : 0) | (frames == 1 ? 0x80 : 0));
            ReadOnlySpan<byte> bytes = segment[((segment[12] >> 4) * 4)..];
            next += (uint)bytes.Length;
            got.AddRange(bytes);
        });
        return cut && sound && frames == wanted && got.SequenceEqual(data);
    });

    [Fact]
    public void Complete_OverAnyFrame_MakesTheSumRight() => Property.ForAll(Gen.Choose(1, 1400).SelectMany(length => Gen.Choose(0, 1 << 30).Select(seed => (length, seed))), test =>
    {
        byte[] data = new byte[test.length];
        new Random(test.seed).NextBytes(data);
        byte[] frame = Frame(data, 0, 0x10, 1);

        // As a stack leaves it: the sum over the addresses where the sum is to be.
        Span<byte> packet = frame.AsSpan(Packet.Ethernet);
        int length = packet.Length - Packet.Ipv4Header;
        Packet.Put16(packet, Packet.Ipv4Header + 16, (ushort)~Packet.Fold(Packet.PseudoHeader(Packet.U32(packet, 12), Packet.U32(packet, 16), Packet.ProtocolTcp, length)));
        bool before = NetOffload.IsSound(frame);
        return !before && NetOffload.TryComplete(frame, Packet.Ethernet + Packet.Ipv4Header, 16) && NetOffload.IsSound(frame);
    });

    [Theory]
    [InlineData(2000, 0)]
    [InlineData(60, 30_000)]
    [InlineData(99, 0)]
    [InlineData(100, 0)]
    public void Complete_OutsideTheFrame_IsRefused(int start, int offset) => Assert.False(NetOffload.TryComplete(new byte[100], start, offset));

    [Fact]
    public void AnyBytes_AreCutOrRefusedWithoutHarm() => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
    {
        var random = new Random(seed);
        byte[] frame = random.Next(2) == 0 ? new byte[random.Next(200)] : Frame(new byte[random.Next(1, 3000)], 0, 0, 0);
        if (random.Next(2) == 0)
            random.NextBytes(frame);
        for (int i = 0; i < 8 && frame.Length > 0; i++)
            frame[random.Next(Math.Min(frame.Length, Headers + 4))] = (byte)random.Next(256);
        NetOffload.IsSound(frame);
        NetOffload.TryComplete((byte[])frame.Clone(), random.Next(65536), random.Next(65536));
        bool whole = true;
        NetOffload.TryCut(frame, random.Next(65536), one => whole &= one.Length is >= INetworkPort.HeaderSize and <= INetworkPort.MaximumFrame);
        return whole;
    }, 2000);

    private static byte[] Frame(byte[] data, int options, byte flags, uint sequence)
    {
        var frame = new byte[Headers + options + data.Length];
        Packet.Put16(frame, 12, Packet.TypeIpv4);
        Span<byte> packet = frame.AsSpan(Packet.Ethernet);
        Packet.WriteIpv4(packet, packet.Length - Packet.Ipv4Header, Packet.ProtocolTcp, 0x0A00_020A, 0x0A00_020B, 0xFFFE);
        Span<byte> segment = packet[Packet.Ipv4Header..];
        Packet.Put16(segment, 0, 5000);
        Packet.Put16(segment, 2, 80);
        Packet.Put32(segment, 4, sequence);
        segment[12] = (byte)((Packet.TcpHeader + options) / 4 << 4);
        segment[13] = flags;
        data.CopyTo(segment[(Packet.TcpHeader + options)..]);
        return frame;
    }
}
