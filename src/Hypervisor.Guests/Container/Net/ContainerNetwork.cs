using Hypervisor.Core.Network.Routing;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Net;

/// <summary>
/// What the sockets of one container share: ports of its loopback, names of Unix sockets that no directory has, and its station
/// in a network, if it is in one. Another container is reached by way of that network only.
/// </summary>
/// <param name="store">Counts the inodes of its sockets.</param>
internal sealed class ContainerNetwork(Files.FileStore store)
{
    private const uint Loopback = 127u << 24;

    // Each made when it is first asked for: most containers have no sockets, and making these takes a tenth of a container's start.
    private PortTable Ports => field ??= new PortTable();

    private Dictionary<(int Type, string Name), SocketFile> Names => field ??= [];

    private Dictionary<uint, SocketFile> Netlinks => field ??= [];

    private Dictionary<StationConnection, RemoteEnd> Remotes => field ??= [];

    /// <summary>Counts the inodes of its sockets.</summary>
    public Files.FileStore Store => store;

    /// <summary>Who makes the call that is being served; null for nobody.</summary>
    public required Func<KernelTask?> Caller { get; init; }

    /// <summary>Who sends what is being sent (SCM_CREDENTIALS).</summary>
    public SenderIdentity Sender => Caller()?.Process is { } process ? new SenderIdentity(process.Id, process.Credentials.Uid, process.Credentials.Gid) : SenderIdentity.None;

    /// <summary>Who makes a connection, as its other end is told (SO_PEERCRED).</summary>
    public SenderIdentity Owner => Caller()?.Process is { } process ? new SenderIdentity(process.Id, process.Credentials.EffectiveUid, process.Credentials.EffectiveGid) : SenderIdentity.None;

    /// <summary>Its station in a network; null where it has its loopback only.</summary>
    public IpStation? Station { get; init; }

    /// <summary>Its interfaces: the loopback, and its link to a network if it has one.</summary>
    public required IReadOnlyList<NetworkInterface> Interfaces { get; init; }

    /// <summary>Whether an address is the container's own, or of no host in particular.</summary>
    public bool IsOwn(SocketAddress address) => address.Family == SocketKind.Internet6
        ? address is { High6: 0, Low6: <= 1 }
        : address.Host == 0 || (address.Host & 0xFF00_0000) == Loopback || address.Host == Station?.Address;

    /// <summary>Where somebody who is bound to no host sends from, to an address.</summary>
    public SocketAddress SourceFor(SocketAddress to)
        => to.Family == SocketKind.Internet6 ? new SocketAddress(SocketKind.Internet6, Low6: 1)
            : SocketAddress.Of4(Station is { } station && (!IsOwn(to) || to.Host == station.Address) ? station.Address : 0x7F00_0001);

    /// <summary>Asks somebody in the network for a connection, which the socket has once it is there; 0 or a negated error.</summary>
    public int Connect(StreamSocket socket, SocketAddress address, out RemoteEnd? remote)
    {
        remote = null;
        if (Station is not { } station || address.Family != SocketKind.Internet)
            return -Errno.ENETUNREACH;
        if (socket.Local.Port == 0 && Bind(socket, SocketAddress.Of4(0)) is < 0 and int error)
            return error;
        socket.Local = SocketAddress.Of4(station.Address, socket.Local.Port);
        if (station.Connect(address.Host, address.Port, socket.Local.Port) is not { } connection)
            return -Errno.EADDRNOTAVAIL;
        remote = new RemoteEnd(socket, connection);
        Remotes.Add(connection, remote);
        return 0;
    }

    /// <summary>Asked before a port of its station listens, and told when it no longer does; whether it may.</summary>
    public Func<ushort, bool, bool>? Listening { get; init; }

    /// <summary>Takes connections from the network at a socket's port; 0 or a negated error.</summary>
    public int Listen(SocketFile socket)
    {
        if (Station is not { } station || !IsReached(socket))
            return 0;
        if (!socket.IsListening && Listening?.Invoke(socket.Local.Port, true) == false)
            return -Errno.EADDRINUSE;
        station.Listen(socket.Local.Port, true);
        return 0;
    }

    /// <summary>Takes connections for a socket no more.</summary>
    public void Unlisten(SocketFile socket)
    {
        if (!socket.IsListening || !IsReached(socket))
            return;
        Station?.Listen(socket.Local.Port, listens: false);
        Listening?.Invoke(socket.Local.Port, false);
    }

    /// <summary>Handles what came from the network. Under the kernel's lock.</summary>
    public void Drain()
    {
        if (Station is not { } station)
            return;
        (List<StationConnection> changed, List<StationConnection> offered, List<StationDatagram> datagrams) = station.TakeNews();
        foreach (StationConnection connection in offered)
        {
            SocketAddress local = SocketAddress.Of4(station.Address, connection.LocalPort);
            StreamSocket? end = (Find(SocketKind.Tcp, local) as StreamSocket)?.Offer(local, SocketAddress.Of4(connection.Remote, connection.RemotePort));
            if (end is null)
            {
                connection.Abort();
                continue;
            }

            end.Remote = new RemoteEnd(end, connection);
            Remotes.Add(connection, end.Remote);
            end.Remote.Progress();
        }

        foreach (StationConnection connection in changed)
        {
            if (Remotes.TryGetValue(connection, out RemoteEnd? remote))
                remote.Progress();
            if (connection.IsClosed)
                Remotes.Remove(connection);
        }

        foreach (StationDatagram datagram in datagrams)
        {
            SocketAddress to = SocketAddress.Of4(station.Address, datagram.TargetPort), from = SocketAddress.Of4(datagram.Source, datagram.SourcePort);
            (Find(SocketKind.Udp, to, from) as DatagramSocket)?.Arrive(datagram.Data, to, from);
        }
    }

    /// <summary>Binds to a port, 0 for any that is free; 0 or a negated error.</summary>
    public int Bind(SocketFile socket, SocketAddress address)
    {
        if (!IsOwn(address))
            return -Errno.EADDRNOTAVAIL;
        int error = Ports.Bind(socket, address);
        if (error == 0 && socket.Protocol == SocketKind.Udp && IsReached(socket))
            Station?.Bind(socket.Local.Port, isBound: true);
        return error;
    }

    /// <summary>Whether a socket may listen at the port it has.</summary>
    public bool MayListen(SocketFile socket) => Ports.MayListen(socket);

    /// <summary>Gives a netlink socket its number: its process's where nobody has that, or the one it asks for.</summary>
    public int BindNetlink(SocketFile socket, SocketAddress address)
    {
        uint number = address.Host;
        if (socket.Local.Host != 0)
            return number == 0 || number == socket.Local.Host ? 0 : -Errno.EINVAL;
        if (number == 0)
        {
            number = (uint)(Caller()?.Process.Id ?? 0);
            for (uint other = uint.MaxValue; number == 0 || Netlinks.ContainsKey(number); other--)
                number = other;
        }

        if (!Netlinks.TryAdd(number, socket))
            return -Errno.EADDRINUSE;
        socket.Local = new SocketAddress(SocketKind.Netlink, Host: number, Scope: address.Scope);
        return 0;
    }

    /// <summary>Binds to a name that no directory has; an empty one is made up.</summary>
    public int BindName(SocketFile socket, string name)
    {
        for (int number = 0; name.Length == 0; number++)
        {
            string made = "\0" + number.ToString("x5", System.Globalization.CultureInfo.InvariantCulture);
            if (!Names.ContainsKey((socket.Type, made)))
                name = made;
        }

        if (!Names.TryAdd((socket.Type, name), socket))
            return -Errno.EADDRINUSE;
        socket.Local = new SocketAddress(SocketKind.Unix, name);
        return 0;
    }

    /// <summary>Who gets what is sent to an address; null for nobody.</summary>
    public SocketFile? Find(int protocol, SocketAddress to, SocketAddress? from = null) => Ports.Find(protocol, to, from);

    /// <summary>Who has a name that no directory has; null for nobody.</summary>
    public SocketFile? FindName(int type, string name) => Names.GetValueOrDefault((type, name));

    /// <summary>Sockets that have a port or a name.</summary>
    public IEnumerable<SocketFile> Bound => Ports.Sockets.Concat(Names.Values);

    /// <summary>Gives back what a socket was bound to.</summary>
    public void Unbind(SocketFile socket)
    {
        if (Ports.Unbind(socket) && IsReached(socket))
        {
            if (socket.Protocol == SocketKind.Udp)
                Station?.Bind(socket.Local.Port, isBound: false);
            else
                Unlisten(socket);
        }

        if (socket.Family == SocketKind.Netlink && Netlinks.GetValueOrDefault(socket.Local.Host) == socket)
            Netlinks.Remove(socket.Local.Host);
        if (Names.GetValueOrDefault((socket.Type, socket.Local.Name)) == socket)
            Names.Remove((socket.Type, socket.Local.Name));
    }

    /// <summary>Whether what the network brings for its port is a bound socket's.</summary>
    private bool IsReached(SocketFile socket) => Station is not null && socket.Local is { Port: not 0 } local
        && (local.Family == SocketKind.Internet ? local.Host == 0 || local.Host == Station?.Address : local.IsAnyHost && socket.IsDual);
}
