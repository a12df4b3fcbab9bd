namespace Hypervisor.Core.Network.Routing;

/// <summary>
/// The router's station in one network: it answers ARP, echo requests, DHCP and DNS, hands what is for other networks to the
/// router, and carries the TCP connections that come from the host.
/// </summary>
/// <remarks>All calls come under the router's lock.</remarks>
internal sealed class RouterLeg : ITcpRoute
{
    private const int MaximumNeighbours = 4096;
    private const int MaximumHeld = 4;

    private readonly VirtualRouter _router;
    private readonly LinkLayer _layer;
    private readonly Dictionary<ulong, TcpConnection> _connections = [];
    private ushort _id;
    private ushort _lastPort = 32767;

    public RouterLeg(VirtualRouter router, INetworkPort port, string name, Ipv4Network network, MacAddress station)
    {
        _router = router;
        Port = port;
        Name = name;
        Network = network;
        Station = station;
        Address = network.Address + 1;
        Dhcp = new DhcpServer(network, Address);
        _layer = new LinkLayer(port, station, Address, network, MaximumNeighbours, MaximumHeld);
    }

    public INetworkPort Port { get; }

    /// <summary>The router's lock.</summary>
    public Lock Gate => _router.Gate;

    /// <summary>The network's name, by which rules speak of it.</summary>
    public string Name { get; }

    public Ipv4Network Network { get; }

    public MacAddress Station { get; }

    /// <summary>The router's address: the network's second.</summary>
    public uint Address { get; }

    public DhcpServer Dhcp { get; }

    /// <summary>The way out to the host's own network; null where it is shut, as it is unless it is opened.</summary>
    public Outbound? Outbound { get; set; }

    /// <summary>Handles a frame from the network.</summary>
    public void Handle(ReadOnlySpan<byte> frame)
    {
        if (!_layer.IsForUs(frame))
            return;
        ReadOnlySpan<byte> packet = frame[Packet.Ethernet..];
        switch (Packet.U16(frame, 12))
        {
            case Packet.TypeArp:
                _layer.HandleArp(packet);
                break;
            case Packet.TypeIpv4 when Packet.IsSoundIpv4(packet, out int header, out int length):
                HandleIpv4(packet[..length], header, MacAddress.Read(frame[6..]));
                break;
        }
    }

    /// <summary>Sends an IPv4 packet to a neighbour; one whose station is not known yet waits for it to answer.</summary>
    public void Send(ReadOnlySpan<byte> packet, uint neighbour) => _layer.Send(packet, neighbour);

    /// <summary>Writes an IPv4 header and sends the packet; the payload stands behind room for the header.</summary>
    public void SendPayload(Span<byte> packet, byte protocol, uint source, uint target)
    {
        Packet.WriteIpv4(packet, packet.Length - Packet.Ipv4Header, protocol, source, target, _id++);
        Send(packet, target);
    }

    /// <inheritdoc/>
    public void Flush() => Port.Flush();

    /// <summary>Opens a connection to a station, on behalf of somebody outside.</summary>
    public TcpConnection Connect(uint target, ushort port, ITcpClient client)
    {
        ushort local;
        ulong key;
        do
        {
            local = _lastPort = (ushort)(_lastPort == 65535 ? 32768 : _lastPort + 1);
            key = KeyOf(target, port, local);
        }
        while (_connections.ContainsKey(key));
        var connection = new TcpConnection(this, _router.Timers, _router.NextSequence(), new TcpAddresses(Address, local, target, port), client, () => _connections.Remove(key));
        _connections.Add(key, connection);
        connection.Open();
        return connection;
    }

    /// <summary>How many connections there are.</summary>
    public int Connections => _connections.Count;

    /// <summary>Ends all connections.</summary>
    public void Close()
    {
        foreach (TcpConnection connection in _connections.Values.ToArray())
            connection.Abort();
        Outbound?.Dispose();
    }

    private static ulong KeyOf(uint target, ushort port, ushort local) => (ulong)target << 32 | (uint)port << 16 | local;

    private void HandleIpv4(ReadOnlySpan<byte> packet, int header, MacAddress station)
    {
        uint source = Packet.U32(packet, 12);
        uint target = Packet.U32(packet, 16);
        bool toAll = _layer.IsToAll(target);
        if (target != Address && !toAll)
        {
            _router.Route(this, packet, header);
            return;
        }

        // Fragments are for stations; nothing the router itself answers is large.
        if ((Packet.U16(packet, 6) & 0x3fff) != 0)
            return;
        ReadOnlySpan<byte> payload = packet[header..];
        switch (packet[9])
        {
            case Packet.ProtocolIcmp when !toAll:
                HandleIcmp(payload, source);
                break;
            case Packet.ProtocolUdp:
                HandleUdp(payload, source, target, station);
                break;
            case Packet.ProtocolTcp when !toAll && payload.Length >= Packet.TcpHeader && Packet.IsSoundSegment(payload, source, target, Packet.ProtocolTcp):
                HandleTcp(payload, source, target);
                break;
        }
    }

    private void HandleIcmp(ReadOnlySpan<byte> echo, uint source)
    {
        Span<byte> packet = stackalloc byte[Packet.Ipv4Header + echo.Length];
        if (Packet.TryAnswerEcho(echo, packet[Packet.Ipv4Header..]))
            SendPayload(packet, Packet.ProtocolIcmp, Address, source);
    }

    private void HandleUdp(ReadOnlySpan<byte> payload, uint source, uint target, MacAddress station)
    {
        if (!Packet.TryDatagram(payload, source, target, out ReadOnlySpan<byte> datagram))
            return;
        int from = Packet.U16(datagram, 0);
        Span<byte> packet = stackalloc byte[Packet.Ipv4Header + Packet.UdpHeader + 1024];
        Span<byte> answer = packet[(Packet.Ipv4Header + Packet.UdpHeader)..];
        switch (Packet.U16(datagram, 2))
        {
            case DhcpServer.ServerPort when from == DhcpServer.ClientPort:
                int offered = Dhcp.Answer(datagram[Packet.UdpHeader..], answer, out uint address);
                bool direct = address != 0 && source == address;
                if (address != 0 && Network.Contains(address) && !station.IsGroup)
                    _layer.Learn(address, station);
                SendUdp(packet, offered, DhcpServer.ServerPort, from, direct ? address : uint.MaxValue);
                break;
            case DnsServer.Port:
                AnswerName(datagram[Packet.UdpHeader..], packet, from, source);
                break;
        }
    }

    /// <summary>Answers for a name; one that is none of ours is the host's to find, where there is a way out.</summary>
    private void AnswerName(ReadOnlySpan<byte> query, Span<byte> packet, int from, uint source)
    {
        string? unknown = null;
        Span<byte> answer = packet[(Packet.Ipv4Header + Packet.UdpHeader)..];
        int length = DnsServer.Answer(query, answer, name =>
        {
            uint address = _router.Find(this, name);
            if (address == 0)
                unknown = name;
            return address;
        });
        if (unknown is not null && Outbound is { } outbound && unknown.Contains('.'))
            outbound.Resolve(unknown, query.ToArray(), from, source);
        else
            SendUdp(packet, length, DnsServer.Port, from, source);
    }

    private void SendUdp(Span<byte> packet, int length, int from, int to, uint target)
    {
        if (length > 0)
            SendUdp(packet, length, from, to, Address, target);
    }

    /// <summary>Sends a datagram whose bytes stand behind room for its headers.</summary>
    public void SendUdp(Span<byte> packet, int length, int from, int to, uint source, uint target)
    {
        packet = packet[..(Packet.Ipv4Header + Packet.UdpHeader + length)];
        Packet.WriteUdp(packet[Packet.Ipv4Header..], from, to, source, target);
        SendPayload(packet, Packet.ProtocolUdp, source, target);
    }

    private void HandleTcp(ReadOnlySpan<byte> segment, uint source, uint target)
    {
        ulong key = KeyOf(source, Packet.U16(segment, 0), Packet.U16(segment, 2));
        if (_connections.TryGetValue(key, out TcpConnection? connection))
            connection.Handle(segment);
        else
            TcpConnection.Refuse(this, segment, source, target);
    }
}
