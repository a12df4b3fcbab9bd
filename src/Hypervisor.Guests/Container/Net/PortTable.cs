namespace Hypervisor.Guests.Container.Net;

/// <summary>
/// Who has which port of IPv4 and IPv6. Sockets may share one where their addresses have nothing in common, or where they all
/// agreed to (SO_REUSEADDR, SO_REUSEPORT; socket(7)).
/// </summary>
internal sealed class PortTable
{
    private const int FirstEphemeral = 32768;
    private const int LastEphemeral = 60999;

    private readonly Dictionary<(int Protocol, ushort Port), List<SocketFile>> _ports = [];
    private ushort _last = FirstEphemeral;

    /// <summary>All that have a port.</summary>
    public IEnumerable<SocketFile> Sockets => _ports.Values.SelectMany(sockets => sockets);

    /// <summary>Gives a socket the port of an address, 0 for any that is free; 0 or a negated error.</summary>
    public int Bind(SocketFile socket, SocketAddress address)
    {
        ushort port = address.Port;
        for (int tries = FirstEphemeral; tries <= LastEphemeral && port == 0; tries++)
        {
            _last = (ushort)(_last == LastEphemeral ? FirstEphemeral : _last + 1);
            if (!_ports.ContainsKey((socket.Protocol, _last)))
                port = _last;
        }

        if (port == 0)
            return -Errno.EADDRINUSE;
        address = address with { Port = port };
        if (_ports.TryGetValue((socket.Protocol, port), out List<SocketFile>? others))
        {
            if (others.Any(other => Overlap(socket, address, other) && !MayShare(socket, other)))
                return -Errno.EADDRINUSE;
        }
        else
        {
            _ports.Add((socket.Protocol, port), others = []);
        }

        others.Add(socket);
        socket.Local = address;
        return 0;
    }

    /// <summary>Whether a socket may listen at the port it has: one listens for each address, unless all agreed.</summary>
    public bool MayListen(SocketFile socket)
        => !_ports.TryGetValue((socket.Protocol, socket.Local.Port), out List<SocketFile>? others)
            || !others.Any(other => other != socket && other.IsListening && Overlap(socket, socket.Local, other) && !(Reuses(socket, SocketOption.ReusePort) && Reuses(other, SocketOption.ReusePort)));

    /// <summary>Who gets what is sent to an address, and from one: whoever asked for just that before who takes any.</summary>
    public SocketFile? Find(int protocol, SocketAddress to, SocketAddress? from)
    {
        if (!_ports.TryGetValue((protocol, to.Port), out List<SocketFile>? sockets))
            return null;
        SocketFile? best = null;
        int most = 0;
        foreach (SocketFile socket in sockets)
        {
            int score = Score(socket, to, from);
            if (score > 0 && score >= most)
                (best, most) = (socket, score);
        }

        return best;
    }

    public bool Unbind(SocketFile socket)
    {
        if (!_ports.TryGetValue((socket.Protocol, socket.Local.Port), out List<SocketFile>? sockets) || !sockets.Remove(socket))
            return false;
        if (sockets.Count == 0)
            _ports.Remove((socket.Protocol, socket.Local.Port));
        return true;
    }

    private static int Score(SocketFile socket, SocketAddress to, SocketAddress? from)
    {
        if (socket.Type == SocketKind.Stream && !socket.IsListening)
            return 0;
        int score = 1;
        if (socket.Type != SocketKind.Stream && socket.Peer is { } peer)
        {
            if (from is not { } sender || peer.Port != sender.Port || !peer.OrLoopback.Equals(sender.OrLoopback))
                return 0;
            score += 4;
        }

        SocketAddress local = socket.Local;
        if (local.Family == to.Family)
            return local.IsAnyHost ? score + 1 : local.Host == to.OrLoopback.Host && local.High6 == to.OrLoopback.High6 && local.Low6 == to.OrLoopback.Low6 ? score + 2 : 0;
        return local.IsAnyHost && socket.IsDual ? score : 0;
    }

    private static bool Overlap(SocketFile one, SocketAddress address, SocketFile other)
    {
        if (address.Family == other.Local.Family)
            return address.IsAnyHost || other.Local.IsAnyHost || (address.Host == other.Local.Host && address.High6 == other.Local.High6 && address.Low6 == other.Local.Low6);
        (SocketFile wide, SocketAddress all) = address.Family == SocketKind.Internet6 ? (one, address) : (other, other.Local);
        return all.IsAnyHost && wide.IsDual;
    }

    private static bool MayShare(SocketFile one, SocketFile other)
        => (Reuses(one, SocketOption.ReuseAddress) && Reuses(other, SocketOption.ReuseAddress) && !other.IsListening)
            || (Reuses(one, SocketOption.ReusePort) && Reuses(other, SocketOption.ReusePort));

    private static bool Reuses(SocketFile socket, int option) => socket.Has(SocketOption.Socket, option);
}
