namespace Hypervisor.Guests.Container.Net;

/// <summary>
/// What the sockets of one container share: ports of its loopback, and names of Unix sockets that no directory has. Nothing
/// of another container is reachable from here.
/// </summary>
/// <param name="store">Counts the inodes of its sockets.</param>
internal sealed class ContainerNetwork(Files.FileStore store)
{
    private const int FirstEphemeral = 32768;
    private const int LastEphemeral = 60999;
    private const uint Loopback = 127u << 24;

    private readonly Dictionary<(int Type, ushort Port), SocketFile> _ports = [];
    private readonly Dictionary<(int Type, string Name), SocketFile> _names = [];
    private ushort _last = FirstEphemeral;

    /// <summary>Counts the inodes of its sockets.</summary>
    public Files.FileStore Store => store;

    /// <summary>Whether an address is the container's own.</summary>
    public static bool IsOwn(uint host) => host == 0 || (host & 0xFF00_0000) == Loopback;

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
            _ports.Remove((socket.Type, socket.Local.Port));
        if (_names.GetValueOrDefault((socket.Type, socket.Local.Name)) == socket)
            _names.Remove((socket.Type, socket.Local.Name));
    }
}
