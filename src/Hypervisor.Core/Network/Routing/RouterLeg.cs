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
    private readonly Dictionary<uint, MacAddress> _neighbours = [];
    private readonly Dictionary<uint, List<byte[]>> _held = [];
    private readonly Dictionary<ulong, TcpConnection> _connections = [];
    private readonly byte[] _frame = new byte[INetworkPort.MaximumFrame];
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
        MacAddress to = MacAddress.Read(frame);
        if (to != Station && to != MacAddress.Broadcast)
            return;
        ReadOnlySpan<byte> packet = frame[Packet.Ethernet..];
        switch (Packet.U16(frame, 12))
        {
            case Packet.TypeArp:
                HandleArp(packet);
                break;
            case Packet.TypeIpv4 when Packet.IsSoundIpv4(packet, out int header, out int length):
                HandleIpv4(packet[..length], header, MacAddress.Read(frame[6..]));
                break;
        }
    }

    /// <summary>Sends an IPv4 packet to a neighbour; one whose station is not known yet waits for it to answer.</summary>
    public void Send(ReadOnlySpan<byte> packet, uint neighbour)
    {
        if (neighbour == uint.MaxValue || neighbour == Network.Broadcast)
        {
            SendFrame(packet, MacAddress.Broadcast, Packet.TypeIpv4);
            return;
        }

        if (_neighbours.TryGetValue(neighbour, out MacAddress station))
        {
            SendFrame(packet, station, Packet.TypeIpv4);
            return;
        }

        if (!_held.TryGetValue(neighbour, out List<byte[]>? held))
        {
            if (_held.Count == MaximumNeighbours)
                _held.Clear();
            _held[neighbour] = held = [];
        }

        if (held.Count < MaximumHeld)
            held.Add(packet.ToArray());
        SendArp(1, neighbour, new MacAddress(0), MacAddress.Broadcast);
    }

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

    private void SendFrame(ReadOnlySpan<byte> payload, MacAddress to, ushort type)
    {
        to.Write(_frame);
        Station.Write(_frame.AsSpan(6));
        Packet.Put16(_frame, 12, type);
        payload.CopyTo(_frame.AsSpan(Packet.Ethernet));
        Port.Send(_frame.AsSpan(0, Packet.Ethernet + payload.Length));
    }

    private void HandleArp(ReadOnlySpan<byte> arp)
    {
        if (arp.Length < 28 || Packet.U32(arp, 0) != 0x0001_0800 || arp[4] != 6 || arp[5] != 4)
            return;
        MacAddress station = MacAddress.Read(arp[8..]);
        uint sender = Packet.U32(arp, 14);
        if (!station.IsGroup && sender != Address && Network.Contains(sender))
            Learn(sender, station);
        if (Packet.U16(arp, 6) == 1 && Packet.U32(arp, 24) == Address)
            SendArp(2, sender, station, station);
    }

    private void SendArp(ushort operation, uint target, MacAddress targetStation, MacAddress to)
    {
        Span<byte> arp = stackalloc byte[28];
        Packet.Put32(arp, 0, 0x0001_0800);
        Packet.Put16(arp, 4, 0x0604);
        Packet.Put16(arp, 6, operation);
        Station.Write(arp[8..]);
        Packet.Put32(arp, 14, Address);
        targetStation.Write(arp[18..]);
        Packet.Put32(arp, 24, target);
        SendFrame(arp, to, Packet.TypeArp);
    }

    private void Learn(uint address, MacAddress station)
    {
        if (_neighbours.Count == MaximumNeighbours && !_neighbours.ContainsKey(address))
            _neighbours.Clear();
        _neighbours[address] = station;
        if (!_held.Remove(address, out List<byte[]>? held))
            return;
        foreach (byte[] packet in held)
            Send(packet, address);
    }

    private void HandleIpv4(ReadOnlySpan<byte> packet, int header, MacAddress station)
    {
        uint source = Packet.U32(packet, 12);
        uint target = Packet.U32(packet, 16);
        bool toAll = target == uint.MaxValue || target == Network.Broadcast;
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
        if (echo.Length < 8 || echo[0] != 8 || echo[1] != 0 || Packet.Fold(Packet.Sum(echo)) != 0)
            return;
        Span<byte> packet = stackalloc byte[Packet.Ipv4Header + echo.Length];
        Span<byte> reply = packet[Packet.Ipv4Header..];
        echo.CopyTo(reply);
        Packet.Put32(reply, 0, 0);
        Packet.Put16(reply, 2, Packet.Fold(Packet.Sum(reply)));
        SendPayload(packet, Packet.ProtocolIcmp, Address, source);
    }

    private void HandleUdp(ReadOnlySpan<byte> datagram, uint source, uint target, MacAddress station)
    {
        if (datagram.Length < Packet.UdpHeader)
            return;
        int length = Packet.U16(datagram, 4);
        if (length < Packet.UdpHeader || length > datagram.Length)
            return;
        datagram = datagram[..length];
        if (Packet.U16(datagram, 6) != 0 && !Packet.IsSoundSegment(datagram, source, target, Packet.ProtocolUdp))
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
                    Learn(address, station);
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
        Span<byte> datagram = packet[Packet.Ipv4Header..];
        Packet.Put16(datagram, 0, from);
        Packet.Put16(datagram, 2, to);
        Packet.Put16(datagram, 4, datagram.Length);
        Packet.Put16(datagram, 6, 0);
        ushort sum = Packet.Fold(Packet.Sum(datagram, Packet.PseudoHeader(source, target, Packet.ProtocolUdp, datagram.Length)));
        Packet.Put16(datagram, 6, sum == 0 ? 0xffff : sum);
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
