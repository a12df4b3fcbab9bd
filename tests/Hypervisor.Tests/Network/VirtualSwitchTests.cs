using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Core.Network;
using Hypervisor.Tests.Devices;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Network;

public sealed class VirtualSwitchTests
{
    private readonly FakeTimers _timers = new();

    [Fact]
    public void Send_ToAStationThatSpoke_ReachesItAlone()
    {
        using var network = new VirtualSwitch(_timers);
        SwitchPort a = network.Plug("a"), b = network.Plug("b"), c = network.Plug("c");
        a.Send(Frames.Make(from: 1, to: 2));
        Assert.Single(Frames.Drain(b));
        Assert.Single(Frames.Drain(c));
        b.Send(Frames.Make(from: 2, to: 1, size: 777));
        Assert.Equal(777, Assert.Single(Frames.Drain(a)).Length);
        Assert.Empty(Frames.Drain(c));
        c.Send(Frames.Make(from: 3, to: null));
        Assert.Single(Frames.Drain(a));
        Assert.Single(Frames.Drain(b));
        Assert.Empty(Frames.Drain(c));
    }

    [Fact]
    public void Send_ToAStationThatMovedOrFellSilent_IsLearntAnew()
    {
        using var network = new VirtualSwitch(_timers);
        SwitchPort a = network.Plug("a"), b = network.Plug("b"), c = network.Plug("c");
        b.Send(Frames.Make(from: 2, to: 9));
        c.Send(Frames.Make(from: 2, to: 9));
        Frames.Drain(a, b, c);
        a.Send(Frames.Make(from: 1, to: 2));
        Assert.Empty(Frames.Drain(b));
        Assert.Single(Frames.Drain(c));
        _timers.AdvanceTo(VirtualSwitch.AgeingNanoseconds + 1);
        a.Send(Frames.Make(from: 1, to: 2));
        Assert.Single(Frames.Drain(b));
        Assert.Single(Frames.Drain(c));
        network.Unplug(c);
        a.Send(Frames.Make(from: 1, to: 2));
        Assert.Single(Frames.Drain(b));
        Assert.False(c.IsUp);
        c.Send(Frames.Make(from: 2, to: 1));
        Assert.Empty(Frames.Drain(a));
    }

    /// <summary>Whatever is sent, by whomever: nobody hears himself, nobody hears another switch, and what arrives was sent.</summary>
    [Fact]
    public void Send_AnyTraffic_StaysOnItsSwitchAndWhole() => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
    {
        var random = new Random(seed);
        using var one = new VirtualSwitch(_timers);
        using var other = new VirtualSwitch(_timers);
        SwitchPort[] mine = [.. Enumerable.Range(0, 4).Select(i => one.Plug($"p{i}"))];
        SwitchPort[] theirs = [.. Enumerable.Range(0, 3).Select(i => other.Plug($"q{i}"))];
        for (int i = 0; i < 50; i++)
        {
            int from = random.Next(mine.Length);
            byte[] frame = new byte[random.Next(0, 1600)];
            random.NextBytes(frame);
            if (frame.Length >= 14 && random.Next(4) != 0)
                Frames.Make(random.Next(1, 8), random.Next(1, 8), frame.Length).AsSpan(0, 14).CopyTo(frame);
            mine[from].Send(frame);
            bool sound = frame.Length is >= 14 and <= INetworkPort.MaximumFrame && (frame[6] & 1) == 0;
            for (int port = 0; port < mine.Length; port++)
            {
                List<byte[]> got = Frames.Drain(mine[port]);
                Assert.True(got.Count <= (sound && port != from ? 1 : 0));
                Assert.All(got, each => Assert.Equal(frame, each));
            }

            Assert.All(theirs, port => Assert.Empty(Frames.Drain(port)));
        }

        Assert.Equal(50, mine.Sum(port => port.Counters.FramesIn));
        return true;
    }, cases: 100);

    [Fact]
    public void Link_WithLatencyAndRate_DeliversAtThoseTimes()
    {
        using var network = new VirtualSwitch(_timers);
        SwitchPort a = network.Plug("a");
        SwitchPort b = network.Plug("b", new LinkOptions { LatencyNanoseconds = 5_000, BitsPerSecond = 8_000_000 }); // a byte a µs
        var heard = new List<long>();
        b.Arrived = () =>
        {
            foreach (byte[] _ in Frames.Drain(b))
                heard.Add(_timers.NowNanoseconds);
        };
        for (int i = 0; i < 3; i++)
            a.Send(Frames.Make(1, 2, size: 100));
        a.Flush();
        Assert.Empty(heard);
        _timers.AdvanceTo(104_999);
        Assert.Empty(heard);
        _timers.AdvanceTo(1_000_000);
        Assert.Equal([105_000, 205_000, 305_000], heard);
    }

    [Fact]
    public void Link_WithLoss_LosesTheSameFramesForTheSameSeed()
    {
        List<int> Arrivals(ulong seed)
        {
            using var network = new VirtualSwitch(_timers, seed);
            SwitchPort a = network.Plug("a");
            SwitchPort b = network.Plug("b", new LinkOptions { Loss = 0.25 });
            var arrived = new List<int>();
            for (int i = 0; i < 4000; i++)
            {
                a.Send(Frames.Make(1, 2, size: 60 + (i % 100)));
                arrived.Add(Frames.Drain(b).Count);
            }

            Assert.Equal(4000, arrived.Sum() + b.Counters.Dropped);
            return arrived;
        }

        List<int> first = Arrivals(7);
        Assert.Equal(first, Arrivals(7));
        Assert.NotEqual(first, Arrivals(8));
        Assert.InRange(first.Sum(), 2850, 3150);
    }

    [Fact]
    public void Link_ThatNobodyReads_DropsAndCounts()
    {
        using var network = new VirtualSwitch(_timers);
        SwitchPort a = network.Plug("a");
        SwitchPort b = network.Plug("b", new LinkOptions { QueueBytes = 10_000 });
        for (int i = 0; i < 100; i++)
            a.Send(Frames.Make(1, 2, size: 1000));
        Assert.Equal(9, b.Counters.FramesOut);
        Assert.Equal(91, b.Counters.Dropped);
        Assert.Equal(9, Frames.Drain(b).Count);
        a.Send(Frames.Make(1, 2, size: 1000));
        Assert.Single(Frames.Drain(b));
    }

    [Fact]
    public void Send_InSteadyState_AllocatesNothing()
    {
        using var network = new VirtualSwitch(_timers);
        SwitchPort a = network.Plug("a"), b = network.Plug("b");
        byte[] frame = Frames.Make(1, 2, size: 1500);
        byte[] buffer = new byte[INetworkPort.MaximumFrame];
        long Exchange(int times)
        {
            long bytes = 0;
            for (int i = 0; i < times; i++)
            {
                a.Send(frame);
                a.Flush();
                bytes += b.Receive(buffer);
            }

            return bytes;
        }

        Exchange(1000);
        long passed = 0;
        Assert.Equal(0, Allocations.Of(() => passed = Exchange(10_000)));
        Assert.Equal(15_000_000, passed);
    }

    [Theory]
    [InlineData(-1, 0, 0, 4096)]
    [InlineData(0, 999, 0, 4096)]
    [InlineData(0, 0, 1.5, 4096)]
    [InlineData(0, 0, double.NaN, 4096)]
    [InlineData(0, 0, 0, 100)]
    public void Plug_LinkThatCannotBe_SaysWhy(long latency, long rate, double loss, int queue)
    {
        using var network = new VirtualSwitch(_timers);
        Assert.Throws<HypervisorException>(() => network.Plug("x", new LinkOptions { LatencyNanoseconds = latency, BitsPerSecond = rate, Loss = loss, QueueBytes = queue }));
        Assert.Empty(network.Ports);
    }

    [Theory]
    [InlineData("01:00:00:00:00:01")]
    [InlineData("00:00:00:00:00:00")]
    [InlineData("2:48:0:0:0:1")]
    [InlineData("")]
    public void MacAddress_OfNoStation_IsRefused(string text) => Assert.Throws<HypervisorException>(() => MacAddress.Parse(text));

    [Fact]
    public void MacAddress_Parsed_IsWrittenTheSame() => Assert.Equal("02:48:ab:00:00:1f", MacAddress.Parse("02:48:AB:00:00:1F").ToString());
}

/// <summary>Frames, and what came of them.</summary>
internal static class Frames
{
    public static byte[] Make(int from, int? to, int size = 60)
    {
        byte[] frame = new byte[size];
        (to is { } station ? MacAddress.Local((uint)station) : MacAddress.Broadcast).Write(frame);
        MacAddress.Local((uint)from).Write(frame.AsSpan(6));
        for (int i = 12; i < size; i++)
            frame[i] = (byte)(i * from);
        return frame;
    }

    public static List<byte[]> Drain(params INetworkPort[] ports)
    {
        var frames = new List<byte[]>();
        byte[] buffer = new byte[INetworkPort.MaximumFrame];
        foreach (INetworkPort port in ports)
        {
            while (port.Receive(buffer) is > 0 and int length)
                frames.Add(buffer[..length]);
        }

        return frames;
    }
}
