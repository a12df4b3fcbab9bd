using Hypervisor.Core.Time;

namespace Hypervisor.Core.Network.Routing;

/// <summary>Where a station is in its network.</summary>
/// <param name="Port">The end of its link.</param>
/// <param name="Station">Its Ethernet address.</param>
/// <param name="Address">Its IPv4 address.</param>
/// <param name="Network">Its network's addresses.</param>
/// <param name="Gateway">The router, which is the name server, too.</param>
internal sealed record StationLink(INetworkPort Port, MacAddress Station, uint Address, Ipv4Network Network, uint Gateway);

/// <summary>A datagram that came.</summary>
internal sealed record StationDatagram(uint Source, ushort SourcePort, ushort TargetPort, byte[] Data);

/// <summary>
/// A station of a network with IPv4, UDP and TCP of its own: for guests without a network card, whose sockets a kernel of ours
/// serves. It answers ARP and echo requests.
/// </summary>
/// <remarks>
/// One lock guards it all, and is held while frames are made, never while anybody is told. Its user may hold a lock of its own when
/// calling, and calls <see cref="Flush"/> without it.
/// </remarks>
internal sealed class IpStation : ITcpRoute, IDisposable
{
    private const int MaximumNeighbours = 1024;
    private const int MaximumHeld = 16;
    private const int MaximumDatagrams = 512;
    private const int MaximumConnections = 16384;

    private readonly StationLink _link;
    private readonly ITimerService _timers;
    private readonly LinkLayer _layer;
    private readonly Dictionary<(uint Remote, ushort RemotePort, ushort LocalPort), StationConnection> _connections = [];
    private readonly HashSet<ushort> _listening = [];
    private readonly HashSet<ushort> _bound = [];
    private readonly Queue<StationDatagram> _datagrams = new();
    private readonly Queue<StationConnection> _offered = new();
    private readonly HashSet<StationConnection> _changed = [];
    private readonly Random _random;
    private ushort _id;
    private bool _hasNews;
    private volatile bool _owesFlush;

    /// <summary>Makes a station at the end of a link.</summary>
    /// <param name="link">The link and the station's addresses.</param>
    /// <param name="timers">The time of its host.</param>
    /// <param name="seed">Of the numbers its connections begin with.</param>
    public IpStation(StationLink link, ITimerService timers, int seed)
    {
        _link = link;
        _layer = new LinkLayer(link.Port, link.Station, link.Address, link.Network, MaximumNeighbours, MaximumHeld);
        _timers = timers;
        _random = new Random(seed);
        link.Port.Arrived = Arrived;
    }

    /// <summary>Called without a lock when there are changed connections, new ones or datagrams.</summary>
    public Action? Changed { get; set; }

    /// <inheritdoc/>
    public Lock Gate { get; } = new();

    public uint Address => _link.Address;

    public uint Gateway => _link.Gateway;

    /// <summary>Most bytes of a datagram: it is never sent in pieces.</summary>
    public static int MaximumDatagram => INetworkPort.MaximumPayload - Packet.Ipv4Header - Packet.UdpHeader;

    /// <summary>Whether something was sent, or changed, since the last <see cref="Flush"/>.</summary>
    public bool OwesFlush => _owesFlush;

    /// <summary>Asks for a connection; null where there are too many or the two ports are in use between the two.</summary>
    public StationConnection? Connect(uint remote, ushort remotePort, ushort localPort)
    {
        lock (Gate)
        {
            if (_connections.Count >= MaximumConnections || _connections.ContainsKey((remote, remotePort, localPort)))
                return null;
            StationConnection connection = Add(remote, remotePort, localPort, isOffered: false);
            connection.Tcp.Open();
            return connection;
        }
    }

    /// <summary>Takes connections to a port from now on, or no more.</summary>
    public void Listen(ushort port, bool listens)
    {
        lock (Gate)
        {
            if (listens)
                _listening.Add(port);
            else
                _listening.Remove(port);
        }
    }

    /// <summary>Takes datagrams to a port from now on, or no more.</summary>
    public void Bind(ushort port, bool isBound)
    {
        lock (Gate)
        {
            if (isBound)
                _bound.Add(port);
            else
                _bound.Remove(port);
        }
    }

    /// <summary>Sends a datagram of at most <see cref="MaximumDatagram"/> bytes.</summary>
    public void SendDatagram(uint target, ushort targetPort, ushort sourcePort, ReadOnlySpan<byte> data)
    {
        lock (Gate)
        {
            Span<byte> packet = stackalloc byte[Packet.Ipv4Header + Packet.UdpHeader + data.Length];
            Span<byte> datagram = packet[Packet.Ipv4Header..];
            data.CopyTo(datagram[Packet.UdpHeader..]);
            Packet.WriteUdp(datagram, sourcePort, targetPort, Address, target);
            SendPayload(packet, Packet.ProtocolUdp, Address, target);
        }
    }

    /// <summary>Takes what changed since it was last asked.</summary>
    public (List<StationConnection> Changed, List<StationConnection> New, List<StationDatagram> Datagrams) TakeNews()
    {
        lock (Gate)
        {
            _hasNews = false;
            (List<StationConnection>, List<StationConnection>, List<StationDatagram>) news = ([.. _changed], [.. _offered], [.. _datagrams]);
            _changed.Clear();
            _offered.Clear();
            _datagrams.Clear();
            return news;
        }
    }

    /// <inheritdoc/>
    public void SendPayload(Span<byte> packet, byte protocol, uint source, uint target)
    {
        Packet.WriteIpv4(packet, packet.Length - Packet.Ipv4Header, protocol, source, target, _id++);
        bool isNear = _link.Network.Contains(target) || target == uint.MaxValue;
        _owesFlush = true;
        _layer.Send(packet, isNear ? target : Gateway);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        _owesFlush = false;
        _link.Port.Flush();
        bool hasNews;
        lock (Gate)
            hasNews = _hasNews;
        if (hasNews)
            Changed?.Invoke();
    }

    /// <summary>Ends all connections.</summary>
    public void Dispose()
    {
        lock (Gate)
        {
            _link.Port.Arrived = null;
            _listening.Clear();
            _bound.Clear();
            foreach (StationConnection connection in _connections.Values.ToArray())
                connection.Tcp.Abort();
        }
    }

    /// <summary>Notes that a connection changed. Under the lock.</summary>
    internal void Note(StationConnection connection, bool isNew)
    {
        _hasNews = true;
        _owesFlush = true;
        if (isNew)
            _offered.Enqueue(connection);
        else
            _changed.Add(connection);
    }

    private StationConnection Add(uint remote, ushort remotePort, ushort localPort, bool isOffered)
    {
        var key = (remote, remotePort, localPort);
        var connection = new StationConnection(this, remote, remotePort, localPort) { IsOffered = isOffered };
        connection.Tcp = new TcpConnection(this, _timers, (uint)_random.NextInt64(1L << 32), new TcpAddresses(Address, localPort, remote, remotePort), connection, () => _connections.Remove(key));
        _connections.Add(key, connection);
        return connection;
    }

    private void Arrived()
    {
        lock (Gate)
        {
            Span<byte> frame = stackalloc byte[INetworkPort.MaximumFrame];
            for (int length; (length = _link.Port.Receive(frame)) > 0;)
                Handle(frame[..length]);
        }

        Flush();
    }

    private void Handle(ReadOnlySpan<byte> frame)
    {
        if (!_layer.IsForUs(frame))
            return;
        ReadOnlySpan<byte> packet = frame[Packet.Ethernet..];
        switch (Packet.U16(frame, 12))
        {
            case Packet.TypeArp:
                _owesFlush = true;
                _layer.HandleArp(packet);
                break;
            case Packet.TypeIpv4 when Packet.IsSoundIpv4(packet, out int header, out int length):
                HandleIpv4(packet[..length], header);
                break;
        }
    }

    private void HandleIpv4(ReadOnlySpan<byte> packet, int header)
    {
        uint source = Packet.U32(packet, 12);
        uint target = Packet.U32(packet, 16);
        bool toAll = _layer.IsToAll(target);

        // What came in pieces is not put together: nothing here ever sends it so.
        if ((target != Address && !toAll) || (Packet.U16(packet, 6) & 0x3fff) != 0)
            return;
        ReadOnlySpan<byte> payload = packet[header..];
        switch (packet[9])
        {
            case Packet.ProtocolIcmp when !toAll:
                HandleEcho(payload, source);
                break;
            case Packet.ProtocolUdp:
                HandleUdp(payload, source, target);
                break;
            case Packet.ProtocolTcp when !toAll && payload.Length >= Packet.TcpHeader && Packet.IsSoundSegment(payload, source, target, Packet.ProtocolTcp):
                HandleTcp(payload, source);
                break;
        }
    }

    private void HandleEcho(ReadOnlySpan<byte> echo, uint source)
    {
        Span<byte> packet = stackalloc byte[Packet.Ipv4Header + echo.Length];
        if (Packet.TryAnswerEcho(echo, packet[Packet.Ipv4Header..]))
            SendPayload(packet, Packet.ProtocolIcmp, Address, source);
    }

    private void HandleUdp(ReadOnlySpan<byte> payload, uint source, uint target)
    {
        if (!Packet.TryDatagram(payload, source, target, out ReadOnlySpan<byte> datagram))
            return;
        ushort port = Packet.U16(datagram, 2);
        if (!_bound.Contains(port) || _datagrams.Count >= MaximumDatagrams)
            return;
        _datagrams.Enqueue(new StationDatagram(source, Packet.U16(datagram, 0), port, datagram[Packet.UdpHeader..].ToArray()));
        _hasNews = true;
    }

    private void HandleTcp(ReadOnlySpan<byte> segment, uint source)
    {
        const byte synOnly = 2, synAckRst = 2 | 16 | 4;
        (ushort from, ushort to) = (Packet.U16(segment, 0), Packet.U16(segment, 2));
        int header = (segment[12] >> 4) * 4;
        if (_connections.TryGetValue((source, from, to), out StationConnection? connection))
        {
            connection.Tcp.Handle(segment);
        }
        else if ((segment[13] & synAckRst) == synOnly && _listening.Contains(to) && _connections.Count < MaximumConnections && header >= Packet.TcpHeader && header <= segment.Length)
        {
            Add(source, from, to, isOffered: true).Tcp.Accept(segment);
        }
        else
        {
            TcpConnection.Refuse(this, segment, source, Address);
        }
    }
}
