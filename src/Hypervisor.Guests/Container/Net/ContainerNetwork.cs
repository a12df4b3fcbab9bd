using Hypervisor.Core.Network.Routing;

namespace Hypervisor.Guests.Container.Net;

/// <summary>
/// What the sockets of one container share: ports of its loopback, names of Unix sockets that no directory has, and its station
/// in a network, if it is in one. Another container is reached by way of that network only.
/// </summary>
/// <param name="store">Counts the inodes of its sockets.</param>
internal sealed class ContainerNetwork(Files.FileStore store)
{
    private const int FirstEphemeral = 32768;
    private const int LastEphemeral = 60999;
    private const uint Loopback = 127u << 24;

    private readonly Dictionary<(int Type, ushort Port), SocketFile> _ports = [];
    private readonly Dictionary<(int Type, string Name), SocketFile> _names = [];
    private readonly Dictionary<StationConnection, RemoteEnd> _remotes = [];
    private ushort _last = FirstEphemeral;

    /// <summary>Counts the inodes of its sockets.</summary>
    public Files.FileStore Store => store;

    /// <summary>Its station in a network; null where it has its loopback only.</summary>
    public IpStation? Station { get; init; }

    /// <summary>Whether an address is the container's own.</summary>
    public bool IsOwn(uint host) => host == 0 || (host & 0xFF00_0000) == Loopback || host == Station?.Address;

    /// <summary>Asks somebody in the network for a connection, which the socket has once it is there; 0 or a negated error.</summary>
    public int Connect(StreamSocket socket, SocketAddress address, out RemoteEnd? remote)
    {
        remote = null;
        if (Station is not { } station)
            return -Errno.ENETUNREACH;
        if (socket.Local.Port == 0 && Bind(socket, new SocketAddress(SocketKind.Internet)) is < 0 and int error)
            return error;
        socket.Local = socket.Local with { Host = station.Address };
        if (station.Connect(address.Host, address.Port, socket.Local.Port) is not { } connection)
            return -Errno.EADDRNOTAVAIL;
        remote = new RemoteEnd(socket, connection);
        _remotes.Add(connection, remote);
        return 0;
    }

    /// <summary>Asked before a port of its station listens, and told when it no longer does; whether it may.</summary>
    public Func<ushort, bool, bool>? Listening { get; init; }

    /// <summary>Takes connections from the network at a socket's port; 0 or a negated error.</summary>
    public int Listen(SocketFile socket)
    {
        if (Station is not { } station || socket.Local is not { Family: SocketKind.Internet, Port: not 0 } local || (local.Host != 0 && local.Host != station.Address))
            return 0;
        if (!socket.IsListening && Listening?.Invoke(local.Port, true) == false)
            return -Errno.EADDRINUSE;
        station.Listen(local.Port, true);
        return 0;
    }

    /// <summary>Handles what came from the network. Under the kernel's lock.</summary>
    public void Drain()
    {
        if (Station is not { } station)
            return;
        (List<StationConnection> changed, List<StationConnection> offered, List<StationDatagram> datagrams) = station.TakeNews();
        foreach (StationConnection connection in offered)
        {
            var end = Find(SocketKind.Stream, new SocketAddress(SocketKind.Internet, "", station.Address, connection.LocalPort)) is StreamSocket { IsListening: true } listener
                ? listener.Offer(new SocketAddress(SocketKind.Internet, "", station.Address, connection.LocalPort), new SocketAddress(SocketKind.Internet, "", connection.Remote, connection.RemotePort))
                : null;
            if (end is null)
            {
                connection.Abort();
                continue;
            }

            end.Remote = new RemoteEnd(end, connection);
            _remotes.Add(connection, end.Remote);
            end.Remote.Progress();
        }

        foreach (StationConnection connection in changed)
        {
            if (_remotes.TryGetValue(connection, out RemoteEnd? remote))
                remote.Progress();
            if (connection.IsClosed)
                _remotes.Remove(connection);
        }

        foreach (StationDatagram datagram in datagrams)
            (Find(SocketKind.Datagram, new SocketAddress(SocketKind.Internet, "", station.Address, datagram.TargetPort)) as DatagramSocket)?
                .Arrive(datagram.Data, new SocketAddress(SocketKind.Internet, "", datagram.Source, datagram.SourcePort));
    }

    /// <summary>Binds to a port, 0 for any that is free; 0 or a negated error.</summary>
    public int Bind(SocketFile socket, SocketAddress address)
    {
        if (!IsOwn(address.Host))
            return -Errno.EADDRNOTAVAIL;
        ushort port = address.Port;
        if (port == 0)
        {
            for (int tries = FirstEphemeral; tries <= LastEphemeral && port == 0; tries++)
            {
                _last = (ushort)(_last == LastEphemeral ? FirstEphemeral : _last + 1);
                if (!_ports.ContainsKey((socket.Type, _last)))
                    port = _last;
            }

            if (port == 0)
                return -Errno.EADDRINUSE;
        }

        if (!_ports.TryAdd((socket.Type, port), socket))
            return -Errno.EADDRINUSE;
        socket.Local = address with { Port = port };
        if (socket.Type == SocketKind.Datagram && (address.Host == 0 || address.Host == Station?.Address))
            Station?.Bind(port, isBound: true);
        return 0;
    }

    /// <summary>Binds to a name that no directory has; an empty one is made up.</summary>
    public int BindName(SocketFile socket, string name)
    {
        for (int number = 0; name.Length == 0; number++)
        {
            string made = "\0" + number.ToString("x5", System.Globalization.CultureInfo.InvariantCulture);
            if (!_names.ContainsKey((socket.Type, made)))
                name = made;
        }

        if (!_names.TryAdd((socket.Type, name), socket))
            return -Errno.EADDRINUSE;
        socket.Local = new SocketAddress(SocketKind.Unix, name);
        return 0;
    }

    /// <summary>Who is bound to an address; null for nobody.</summary>
    public SocketFile? Find(int type, SocketAddress address) => address.Family == SocketKind.Internet
        ? _ports.GetValueOrDefault((type, address.Port))
        : _names.GetValueOrDefault((type, address.Name));

    /// <summary>Sockets that have a port or a name.</summary>
    public IEnumerable<SocketFile> Bound => _ports.Values.Concat(_names.Values);

    /// <summary>Gives back what a socket was bound to.</summary>
    public void Unbind(SocketFile socket)
    {
        if (_ports.GetValueOrDefault((socket.Type, socket.Local.Port)) == socket)
        {
            _ports.Remove((socket.Type, socket.Local.Port));
            if (socket.Type == SocketKind.Datagram)
                Station?.Bind(socket.Local.Port, isBound: false);
            else if (socket.IsListening)
            {
                Station?.Listen(socket.Local.Port, listens: false);
                Listening?.Invoke(socket.Local.Port, false);
            }
        }

        if (_names.GetValueOrDefault((socket.Type, socket.Local.Name)) == socket)
            _names.Remove((socket.Type, socket.Local.Name));
    }
}
