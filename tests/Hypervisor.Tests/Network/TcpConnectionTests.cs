using FsCheck.Fluent;
using Hypervisor.Core.Network;
using Hypervisor.Core.Network.Routing;
using Hypervisor.Tests.Devices;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Network;

/// <summary>The router's TCP against a peer of the test's own, over a line that loses, doubles, delays and reorders.</summary>
public sealed class TcpConnectionTests
{
    private const long Tick = 1_000_000;

    [Fact]
    public void Streams_OverAnyLine_ArriveWholeAndEnd() => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
    {
        var random = new Random(seed);
        double loss = random.Next(3) * 0.04;
        long took = Run(random, loss, delay: random.Next(0, 40), jitter: random.Next(2) * random.Next(0, 30), doubled: random.Next(2) * 0.05,
            toStation: random.Next(0, 120_000), fromStation: random.Next(0, 120_000), reads: random.Next(2) == 0 ? 40_000 : 1000, limit: 600);
        return took > 0;
    }, cases: 60);

    /// <summary>A round trip longer than the first timeout: the timeout must follow it, or all is sent twice for ever.</summary>
    [Fact]
    public void Streams_OverALongLine_AreNotSentAgain()
        => Assert.InRange(Run(new Random(1), 0, delay: 400, jitter: 0, doubled: 0, toStation: 200_000, fromStation: 0, reads: 40_000, limit: 60), 1, 30_000);

    [Fact]
    public void Streams_AcknowledgementsLost_GoOnAfterTheTimeout()
        => Assert.InRange(Run(new Random(2), 0.1, delay: 5, jitter: 0, doubled: 0, toStation: 300_000, fromStation: 0, reads: 40_000, limit: 120), 1, 60_000);

    /// <summary>Milliseconds until both streams had arrived.</summary>
    private static long Run(Random random, double loss, int delay, int jitter, double doubled, int toStation, int fromStation, int reads, int limit)
    {
        var timers = new FakeTimers();
        using var router = new VirtualRouter(timers);
        using var network = new VirtualSwitch(timers);
        RouterLeg leg = router.Join(network.Plug("router"), "net", Ipv4Network.Parse("10.1.0.0/24"));
        SwitchPort port = network.Plug("station");
        var station = new Station(port, leg, 1, 0x0a01_000a);
        station.Announce();
        byte[] there = new byte[toStation], back = new byte[fromStation];
        random.NextBytes(there);
        random.NextBytes(back);
        var line = new PriorityQueue<(byte[] Frame, bool ToPeer), (long, int)>();
        int order = 0;
        void Travel(byte[] frame, bool toPeer)
        {
            for (int copies = random.NextDouble() < loss ? 0 : random.NextDouble() < doubled ? 2 : 1; copies > 0; copies--)
                line.Enqueue((frame, toPeer), (timers.NowNanoseconds + ((delay + (jitter == 0 ? 0 : random.Next(jitter))) * Tick), order++));
        }

        var peer = new TcpPeer(station, back, random, frame => Travel(frame, toPeer: false));
        var client = new Client();
        TcpConnection connection;
        lock (router.Gate)
            connection = leg.Connect(station.Address, 80, client);
        var received = new List<byte>();
        byte[] buffer = new byte[8192];
        int written = 0;
        for (long step = 1; step < limit * 1000L; step++)
        {
            timers.AdvanceTo(step * Tick);
            foreach (byte[] frame in station.Heard())
                Travel(frame, toPeer: true);
            while (line.TryPeek(out (byte[] Frame, bool ToPeer) next, out (long Due, int) key) && key.Due <= timers.NowNanoseconds)
            {
                line.Dequeue();
                if (next.ToPeer)
                {
                    peer.Handle(next.Frame, timers.NowNanoseconds);
                    continue;
                }

                port.Send(next.Frame);
                port.Flush();
            }

            peer.Tick(timers.NowNanoseconds, reads);
            lock (router.Gate)
            {
                int count = Math.Min(connection.Room, there.Length - written);
                if (client.IsConnected && count > 0)
                {
                    connection.Write(there.AsSpan(written, count));
                    written += count;
                }

                if (client.IsConnected && written == there.Length)
                    connection.Finish();
                received.AddRange(buffer.AsSpan(0, connection.Read(buffer.AsSpan(0, Math.Min(buffer.Length, reads)))));
            }

            Assert.False(peer.WasReset, $"reset after {step} ms, {peer.Incoming.Count} of {there.Length} bytes there, {received.Count} of {back.Length} back");
            if (!client.IsClosed || connection.Available > 0 || !peer.SawEnd)
                continue;
            Assert.Equal(there, peer.Incoming);
            Assert.Equal(back, received);
            Assert.Equal(0, leg.Connections);
            return step;
        }

        Assert.Fail($"not whole after {limit} s: {peer.Incoming.Count} of {there.Length} bytes there, {received.Count} of {back.Length} back; end seen {peer.SawEnd}, {connection.IsEnded}");
        return 0;
    }

    private sealed class Client : ITcpClient
    {
        public bool IsConnected { get; private set; }

        public bool IsClosed { get; private set; }

        public void Connected() => IsConnected = true;

        public void Progressed()
        {
        }

        public void Closed() => IsClosed = true;
    }
}
