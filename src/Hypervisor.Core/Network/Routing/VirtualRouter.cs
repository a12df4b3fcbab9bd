using Hypervisor.Core.Time;

namespace Hypervisor.Core.Network.Routing;

/// <summary>What may pass from one network to another. Answers to what passed may come back.</summary>
/// <param name="From">The name of the network it comes from.</param>
/// <param name="To">The name of the network it goes to.</param>
/// <param name="Protocol">Its IPv4 protocol; null for any.</param>
/// <param name="Port">Its target port; null for any. Only of TCP and UDP.</param>
internal sealed record RouteRule(string From, string To, byte? Protocol = null, ushort? Port = null);

/// <summary>
/// Joins networks: gateway, DHCP and name server of each, and the only way from one to another. Nothing passes unless a rule
/// allows it; nothing reaches the host's own network but from one that was opened to it.
/// </summary>
internal sealed class VirtualRouter : IDisposable
{
    private const int MaximumFlows = 16_384;
    private const long FlowNanoseconds = 300_000_000_000;

    private readonly List<RouterLeg> _legs = [];
    private readonly List<RouteRule> _rules = [];
    private readonly Dictionary<Flow, long> _flows = [];
    private readonly byte[] _frame = new byte[INetworkPort.MaximumFrame];
    private uint _sequence;

    /// <summary>Makes a router with no networks.</summary>
    /// <param name="timers">The time of the networks.</param>
    public VirtualRouter(ITimerService timers) => Timers = timers;

    internal Lock Gate { get; } = new();

    internal ITimerService Timers { get; }

    /// <summary>Joins a network.</summary>
    /// <param name="port">A port of the network's switch.</param>
    /// <param name="name">The network's name.</param>
    /// <param name="network">The network's addresses; the router takes the second.</param>
    /// <exception cref="HypervisorException">Name or addresses are another network's.</exception>
    public RouterLeg Join(INetworkPort port, string name, Ipv4Network network)
    {
        lock (Gate)
        {
            foreach (RouterLeg other in _legs)
            {
                if (other.Name == name)
                    throw new HypervisorException($"There are two networks named '{name}'; give each its own name.");
                if (other.Network.Overlaps(network))
                    throw new HypervisorException($"The networks '{other.Name}' ({other.Network}) and '{name}' ({network}) overlap; give each its own addresses.");
            }

            var leg = new RouterLeg(this, port, name, network, new MacAddress(0x0248_ff00_0000UL | (uint)_legs.Count));
            _legs.Add(leg);
            port.Arrived = () => Arrived(leg);
            return leg;
        }
    }

    /// <summary>Lets something pass from one network to another.</summary>
    /// <exception cref="HypervisorException">There is no such network.</exception>
    public void Allow(RouteRule rule)
    {
        lock (Gate)
        {
            foreach (string name in (string[])[rule.From, rule.To])
            {
                if (!_legs.Exists(leg => leg.Name == name))
                    throw new HypervisorException($"A route names the network '{name}', which does not exist; there are: {string.Join(", ", _legs.Select(leg => leg.Name))}.");
            }

            _rules.Add(rule);
        }
    }

    /// <summary>Opens the way from a network out to the host's own.</summary>
    public void OpenOutside(RouterLeg leg)
    {
        lock (Gate)
            leg.Outbound ??= new Outbound(this, leg);
    }

    /// <summary>Ends all connections.</summary>
    public void Dispose()
    {
        lock (Gate)
        {
            foreach (RouterLeg leg in _legs)
            {
                leg.Port.Arrived = null;
                leg.Close();
            }
        }
    }

    /// <summary>A number to begin a connection with (RFC 9293 §3.4.1 asks for one that grows with time).</summary>
    internal uint NextSequence() => _sequence += 64_000 + (uint)(Timers.NowNanoseconds / 4000);

    /// <summary>The address of a name in a network; 0 where there is none. The router itself is "gateway".</summary>
    internal uint Find(RouterLeg leg, string name)
        => name == "gateway" ? leg.Address : leg.Dhcp.Leases.FirstOrDefault(lease => lease.Name.Length > 0 && lease.Name == name)?.Address ?? 0;

    /// <summary>Passes a packet on to another network, where a rule lets it. Under the lock.</summary>
    internal void Route(RouterLeg from, ReadOnlySpan<byte> packet, int header)
    {
        uint source = Packet.U32(packet, 12);
        uint target = Packet.U32(packet, 16);
        RouterLeg? to = _legs.Find(leg => leg != from && leg.Network.Contains(target));

        if (to is null && from.Outbound is { } outbound && from.Network.Contains(source) && target != from.Address && !from.Network.Contains(target))
            outbound.Handle(packet, header);

        // A station speaks for itself only, and none for a whole network.
        if (to is null || target == to.Network.Broadcast || target == to.Address || !from.Network.Contains(source) || packet.Length > INetworkPort.MaximumPayload)
            return;
        if (!MayPass(from, to, packet, header))
            return;
        Span<byte> copy = _frame.AsSpan(0, packet.Length);
        packet.CopyTo(copy);
        if (copy[8] <= 1)
        {
            SendTimeExceeded(from, packet, header, source);
            return;
        }

        copy[8]--;
        Packet.Put16(copy, 10, 0);
        Packet.Put16(copy, 10, Packet.Fold(Packet.Sum(copy[..header])));
        to.Send(copy, target);
    }

    private void Arrived(RouterLeg leg)
    {
        Span<byte> frame = stackalloc byte[INetworkPort.MaximumFrame];
        lock (Gate)
        {
            while (leg.Port.Receive(frame) is > 0 and int length)
                leg.Handle(frame[..length]);
        }

        foreach (RouterLeg each in _legs)
            each.Port.Flush();
    }

    private bool MayPass(RouterLeg from, RouterLeg to, ReadOnlySpan<byte> packet, int header)
    {
        byte protocol = packet[9];
        bool first = (Packet.U16(packet, 6) & 0x1fff) == 0;
        bool ported = protocol is Packet.ProtocolTcp or Packet.ProtocolUdp && first && packet.Length >= header + 4;
        ushort sourcePort = ported ? Packet.U16(packet, header) : (ushort)0;
        ushort targetPort = ported ? Packet.U16(packet, header + 2) : (ushort)0;
        var flow = new Flow(Packet.U32(packet, 12), Packet.U32(packet, 16), protocol, sourcePort, targetPort);
        long now = Timers.NowNanoseconds;
        if (_flows.TryGetValue(flow.Reverse, out long heard) && now - heard < FlowNanoseconds)
            return true;
        bool allowed = _rules.Exists(rule => rule.From == from.Name && rule.To == to.Name
            && (rule.Protocol is null || rule.Protocol == protocol) && (rule.Port is null || (ported && rule.Port == targetPort)));
        if (!allowed)
            return false;
        if (_flows.Count >= MaximumFlows)
            _flows.Clear();
        _flows[flow] = now;
        return true;
    }

    /// <summary>Tells a station that its packet went round too long (RFC 792).</summary>
    private static void SendTimeExceeded(RouterLeg leg, ReadOnlySpan<byte> packet, int header, uint source)
    {
        int quoted = Math.Min(packet.Length, header + 8);
        Span<byte> answer = stackalloc byte[Packet.Ipv4Header + 8 + quoted];
        Span<byte> message = answer[Packet.Ipv4Header..];
        message.Clear();
        message[0] = 11;
        packet[..quoted].CopyTo(message[8..]);
        Packet.Put16(message, 2, Packet.Fold(Packet.Sum(message)));
        leg.SendPayload(answer, Packet.ProtocolIcmp, leg.Address, source);
    }

    private readonly record struct Flow(uint Source, uint Target, byte Protocol, ushort SourcePort, ushort TargetPort)
    {
        public Flow Reverse => new(Target, Source, Protocol, TargetPort, SourcePort);
    }
}
