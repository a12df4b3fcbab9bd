using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Core.Network;
using Hypervisor.Core.Network.Routing;
using Hypervisor.Tests.Devices;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Network;

public sealed class VirtualRouterTests : IDisposable
{
    private readonly FakeTimers _timers = new();
    private readonly VirtualRouter _router;
    private readonly VirtualSwitch _red;
    private readonly VirtualSwitch _blue;
    private readonly Station _a;
    private readonly Station _b;

    public VirtualRouterTests()
    {
        _router = new VirtualRouter(_timers);
        _red = new VirtualSwitch(_timers);
        _blue = new VirtualSwitch(_timers);
        RouterLeg red = _router.Join(_red.Plug("router"), "red", Ipv4Network.Parse("10.1.0.0/24"));
        RouterLeg blue = _router.Join(_blue.Plug("router"), "blue", Ipv4Network.Parse("10.2.0.0/16"));
        _a = new Station(_red.Plug("a"), red, 1, 0x0a01_000a);
        _b = new Station(_blue.Plug("b"), blue, 2, 0x0a02_000a);
        _a.Announce();
        _b.Announce();
    }

    public void Dispose()
    {
        _router.Dispose();
        _red.Dispose();
        _blue.Dispose();
    }

    [Fact]
    public void Arp_ForTheRouter_IsAnswered()
    {
        byte[] answer = Assert.Single(_a.Exchange(_a.Arp(1, _a.Leg.Address)));
        Assert.Equal(Packet.TypeArp, Packet.U16(answer, 12));
        Assert.Equal(2, Packet.U16(answer, 20));
        Assert.Equal(_a.Leg.Station, MacAddress.Read(answer.AsSpan(22)));
        Assert.Equal(_a.Leg.Address, Packet.U32(answer, 28));
        Assert.Empty(_a.Exchange(_a.Arp(1, _a.Leg.Address + 5)));
    }

    [Fact]
    public void Dhcp_WholeConversation_GivesTheReservedAddress()
    {
        Lease lease = _a.Leg.Dhcp.Reserve(_a.Mac, 0x0a01_0042, "Alpha");
        byte[] offer = Assert.Single(_a.Exchange(_a.Dhcp(1, null)));
        Assert.Equal(lease.Address, Packet.U32(offer, 14 + 20 + 8 + 16));
        byte[] ack = Assert.Single(_a.Exchange(_a.Dhcp(3, lease.Address)));
        Assert.Equal(5, ack[14 + 20 + 8 + 240 + 2]);
        byte[] refused = Assert.Single(_a.Exchange(_a.Dhcp(3, lease.Address + 1)));
        Assert.Equal(6, refused[14 + 20 + 8 + 240 + 2]);
        Assert.Equal("alpha", lease.Name);
        Assert.Throws<HypervisorException>(() => _a.Leg.Dhcp.Reserve(new MacAddress(77), lease.Address, "other"));
        Assert.Throws<HypervisorException>(() => _a.Leg.Dhcp.Reserve(new MacAddress(77), 0x0a02_0001, "other"));
        Assert.Throws<HypervisorException>(() => _a.Leg.Dhcp.Reserve(new MacAddress(77), _a.Leg.Address, "other"));
    }

    [Fact]
    public void Dhcp_MoreStationsThanAddresses_AnswersThoseItCan()
    {
        using var network = new VirtualSwitch(_timers);
        RouterLeg leg = _router.Join(network.Plug("router"), "tiny", Ipv4Network.Parse("10.3.0.0/29"));
        var given = new HashSet<uint>();
        for (int i = 0; i < 20; i++)
        {
            var station = new Station(network.Plug($"s{i}"), leg, (uint)(100 + i), 0);
            foreach (byte[] offer in station.Exchange(station.Dhcp(1, null)).Where(frame => Packet.U16(frame, 12) == Packet.TypeIpv4))
                Assert.True(given.Add(Packet.U32(offer, 14 + 20 + 8 + 16)));
            network.Unplug(network.Ports[^1]);
        }

        Assert.Equal([6u], given.Select(address => address & 7));
        Assert.DoesNotContain(leg.Address, given);
    }

    /// <summary>Stations made up by one guest, each with a wish of its own, in a network that has room for all.</summary>
    [Fact]
    public void Dhcp_StationsWithoutEnd_AreGivenUpAtABound()
    {
        for (uint i = 0; i < 6000; i++)
        {
            var station = new Station(_blue.Plug("s"), _b.Leg, 1000 + i, 0);
            station.Exchange(station.Dhcp(1, 0x0a02_4000 + i));
            _blue.Unplug(_blue.Ports[^1]);
        }

        _b.Heard();
        _b.Announce();
        Assert.Equal(4096, _b.Leg.Dhcp.Leases.Count());
        Assert.Single(_b.Exchange(_b.Echo()), reply => reply[14 + 9] == Packet.ProtocolIcmp);
    }

    [Fact]
    public void Route_WithoutRule_NothingPasses()
    {
        _a.Exchange(_a.Udp(_b.Address, 1000, 53));
        Assert.Empty(_b.Heard());
        _router.Allow(new RouteRule("blue", "red"));
        _a.Exchange(_a.Udp(_b.Address, 1000, 53));
        Assert.Empty(_b.Heard());
    }

    [Fact]
    public void Route_WithRule_PassesThatAndItsAnswersOnly()
    {
        _router.Allow(new RouteRule("red", "blue", Packet.ProtocolUdp, 53));
        byte[] sent = _a.Udp(_b.Address, 1000, 53);
        _a.Exchange(sent);
        byte[] passed = Assert.Single(_b.Heard());
        Assert.Equal(_b.Mac, MacAddress.Read(passed));
        Assert.Equal(_b.Leg.Station, MacAddress.Read(passed.AsSpan(6)));
        Assert.Equal(63, passed[14 + 8]);
        Assert.True(Packet.IsSoundIpv4(passed.AsSpan(14), out _, out _));
        Assert.Equal(sent[34..], passed[34..]);
        _b.Exchange(_b.Udp(_a.Address, 53, 1000));
        Assert.Single(_a.Heard());
        foreach (byte[] other in (byte[][])[_b.Udp(_a.Address, 54, 1000), _b.Udp(_a.Address, 53, 1001), _b.Udp(_a.Address + 1, 53, 1000)])
            _b.Exchange(other);
        Assert.DoesNotContain(_a.Heard(), frame => Packet.U16(frame, 12) == Packet.TypeIpv4);
        foreach (byte[] other in (byte[][])[_a.Udp(_b.Address, 1000, 54), _a.Udp(0x0a02_ffff, 1000, 53), _a.Udp(_b.Leg.Address, 1000, 53), _a.Spoofed(_b.Address)])
            _a.Exchange(other);
        Assert.Empty(_b.Heard());
    }

    [Fact]
    public void Route_LastHop_IsToldToTheSender()
    {
        _router.Allow(new RouteRule("red", "blue"));
        byte[] frame = _a.Udp(_b.Address, 1000, 53, hops: 1);
        byte[] told = Assert.Single(_a.Exchange(frame));
        Assert.Equal(Packet.ProtocolIcmp, told[14 + 9]);
        Assert.Equal(11, told[34]);
        Assert.Equal(frame[14..42], told[42..70]);
        Assert.Empty(_b.Heard());
    }

    [Fact]
    public void Tcp_ToTheRouter_IsRefused()
    {
        byte[] answer = Assert.Single(_a.Exchange(_a.Tcp(_a.Leg.Address, 4000, 80, 2)));
        Assert.Equal(0x14, answer[34 + 13]);
        Assert.Equal(_a.Sequence + 1, Packet.U32(answer, 34 + 8));
        Assert.True(Packet.IsSoundSegment(answer.AsSpan(34), _a.Leg.Address, _a.Address, Packet.ProtocolTcp));
    }

    [Fact]
    public void Join_NamesOrAddressesOfAnother_IsRefused()
    {
        using var network = new VirtualSwitch(_timers);
        Assert.Throws<HypervisorException>(() => _router.Join(network.Plug("x"), "red", Ipv4Network.Parse("10.9.0.0/24")));
        Assert.Throws<HypervisorException>(() => _router.Join(network.Plug("x"), "green", Ipv4Network.Parse("10.2.7.0/24")));
        Assert.Throws<HypervisorException>(() => _router.Allow(new RouteRule("red", "green")));
        foreach (string text in (string[])["10.0.0.1/24", "10.0.0.0", "10.0.0.0/31", "10.0.0.0/7", "10.0.0/24", "x/24", "::/24"])
            Assert.Throws<HypervisorException>(() => Ipv4Network.Parse(text));
    }

    /// <summary>Frames of every kind with bytes changed, cut or made up: the router lives, and nothing crosses without a rule.</summary>
    [Fact]
    public void Handle_AnyFrame_IsContained() => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
    {
        var random = new Random(seed);
        byte[][] sound =
        [
            _a.Arp(1, _a.Leg.Address), _a.Arp(2, _a.Address), _a.Dhcp(1, null), _a.Dhcp(3, 0x0a01_0020), _a.Dns("a"), _a.Dns("gateway.internal"), _a.Echo(),
            _a.Tcp(_a.Leg.Address, 1, 80, 2), _a.Tcp(_a.Leg.Address, 80, 32768, 0x12), _a.Udp(_b.Address, 1, 2), _a.Udp(uint.MaxValue, 68, 67),
        ];
        for (int i = 0; i < 60; i++)
        {
            byte[] frame = (byte[])sound[random.Next(sound.Length)].Clone();
            for (int change = random.Next(6); change > 0; change--)
                frame[random.Next(6, frame.Length)] = (byte)random.Next(256);
            if (random.Next(4) == 0)
                Array.Resize(ref frame, random.Next(0, INetworkPort.MaximumFrame + 1));
            if (random.Next(2) == 0)
                Station.Mend(frame);
            _a.Exchange(frame);
            if (random.Next(10) == 0)
                _timers.AdvanceTo(_timers.NowNanoseconds + random.Next(1_000_000_000));
        }

        Assert.DoesNotContain(_b.Heard(), heard => Packet.U16(heard, 12) == Packet.TypeIpv4);
        Assert.Single(_a.Exchange(_a.Echo()), reply => reply.Length > 34 && reply[14 + 9] == Packet.ProtocolIcmp);
        return true;
    }, cases: 300);
}
