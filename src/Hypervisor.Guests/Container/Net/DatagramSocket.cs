using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Net;

/// <summary>
/// A socket of messages: UDP over the loopback, or of the Unix family, where a full receiver makes senders wait; in sequence
/// (SOCK_SEQPACKET) it listens and accepts as streams do.
/// </summary>
internal sealed class DatagramSocket(Inode inode, int flags, int family, int type, int protocol, ContainerNetwork network) : SocketFile(inode, flags, family, type, protocol, network)
{
    private const int MostBytes = 212_992;
    private const int LongestMessage = 65_507;
    private const int DefaultHops = 64;

    private readonly Queue<Message> _messages = new();
    private readonly List<DatagramSocket> _senders = [];
    private DatagramSocket? _other;
    private int _bytes;
    private bool _closed;
    private bool _readsShut;
    private bool _writesShut;

    private sealed record Message(byte[] Data, Incoming With);

    public override int Available => _messages.TryPeek(out Message? next) ? next.Data.Length : 0;

    /// <summary>Whether messages of several senders arrive at it.</summary>
    private bool IsInSequence => Type == SocketKind.SequencedPacket;

    /// <summary>Whether its other end is gone for good.</summary>
    private bool IsEnded => _readsShut || (IsInSequence && _other is { _closed: true });

    /// <summary>Connects two ends with each other.</summary>
    public static void Join(DatagramSocket one, DatagramSocket other)
    {
        (one._other, other._other) = (other, one);
        (one.Peer, other.Peer) = (other.Local, one.Local);
    }

    public override int Listen(int backlog)
    {
        if (!IsInSequence)
            return -Errno.EOPNOTSUPP;
        if (Peer is not null)
            return -Errno.EINVAL;
        Listener ??= new ListenQueue();
        Listener.Backlog = backlog;
        PeerIdentity = Network.Owner;
        return 0;
    }

    public override int Connect(SocketAddress address, SocketFile? target)
    {
        if (target is not null && (target is not DatagramSocket || target.Type != Type))
            return -Errno.EPROTOTYPE;
        if (IsInSequence)
            return ConnectInSequence(target as DatagramSocket);
        if (Family == SocketKind.Unix)
        {
            if (target is not DatagramSocket receiver)
                return -Errno.ECONNREFUSED;
            if (receiver.Peer is not null && receiver._other != this)
                return -Errno.EPERM;
            Disconnect();
            (Peer, _other) = (address, receiver);
            receiver._senders.Add(this);
            return 0;
        }

        SocketAddress source = Network.SourceFor(address);
        if (Local.Port == 0 && Network.Bind(this, source) is < 0 and int error)
            return error;
        if (Local.IsAnyHost)
            Local = source with { Port = Local.Port };
        Peer = address.OrLoopback;
        return 0;
    }

    private int ConnectInSequence(DatagramSocket? target)
    {
        if (IsListening)
            return -Errno.EINVAL;
        if (Peer is not null)
            return -Errno.EISCONN;
        if (target?.Listener is not { } queue)
            return -Errno.ECONNREFUSED;
        if (queue.IsFull)
            return -Errno.EAGAIN;
        var end = new DatagramSocket(new NamelessInode(Network.Store, InodeMode.Socket | 0x1FF), 0, Family, Type, Protocol, Network) { Local = target.Local };
        foreach (((int, int) option, int value) in target.Options)
            end.Options[option] = value;
        (end.PeerIdentity, PeerIdentity) = (Network.Owner, target.PeerIdentity);
        Join(this, end);
        queue.Add(end);
        target.Ready.WakeAll();
        return 0;
    }

    public override int Disconnect()
    {
        if (IsInSequence)
            return -Errno.EINVAL;
        _other?._senders.Remove(this);
        (Peer, _other) = (null, null);
        return 0;
    }

    public override int Shutdown(bool reads, bool writes)
    {
        // A Unix socket of datagrams needs nobody to be connected with.
        if (Peer is null && (IsInternet || IsInSequence) && !IsListening)
            return -Errno.ENOTCONN;
        _readsShut |= reads;
        _writesShut |= writes;
        if (IsInSequence && _other is { } other)
        {
            other._readsShut |= writes;
            other._writesShut |= reads;
        }

        Ready.WakeAll();
        _other?.Ready.WakeAll();
        return 0;
    }

    public override int Send(ReadOnlySpan<byte> data, in Outgoing with)
    {
        if (Failure != 0)
            return TakeFailure();
        if (_writesShut)
            return -Errno.EPIPE;
        if (with.To is null && Peer is null)
            return IsInternet ? -Errno.EDESTADDRREQ : -Errno.ENOTCONN;
        return IsInternet ? SendInternet(data, in with) : SendUnix(data, in with);
    }

    private int SendInternet(ReadOnlySpan<byte> data, in Outgoing with)
    {
        if (data.Length > LongestMessage)
            return -Errno.EMSGSIZE;
        SocketAddress to = (with.To ?? Peer!.Value).OrLoopback;
        if (to.Port == 0)
            return -Errno.EINVAL;
        if (Local.Port == 0 && Network.Bind(this, new SocketAddress(Family)) is < 0 and int error)
            return error;
        if (!Network.IsOwn(to))
        {
            if (Network.Station is not { } station || to.Family != SocketKind.Internet)
                return -Errno.ENETUNREACH;
            if (data.Length > Core.Network.Routing.IpStation.MaximumDatagram)
                return -Errno.EMSGSIZE;
            station.SendDatagram(to.Host, to.Port, Local.Port, data);
            return data.Length;
        }

        // A socket of no address in particular sends from the loopback's where it reaches its own host.
        SocketAddress from = Local.IsAnyHost || Local.Family != to.Family ? Network.SourceFor(to) with { Port = Local.Port } : Local;
        if (Network.Find(Protocol, to, from) is not DatagramSocket receiver)
        {
            // The host says that nobody is there; who is connected learns of it with the next call.
            if (Peer is not null)
            {
                Failure = -Errno.ECONNREFUSED;
                Ready.WakeAll();
            }

            return data.Length;
        }

        if (receiver._readsShut || receiver._bytes + data.Length > MostBytes)
            return data.Length;
        bool isVersion6 = to.Family == SocketKind.Internet6;
        int hops = with.Hops ?? (isVersion6 ? Options.GetValueOrDefault((SocketOption.Version6, SocketOption.Hops6), -1) : Options.GetValueOrDefault((SocketOption.Version4, SocketOption.Hops4), -1));
        int trafficClass = with.TrafficClass ?? (isVersion6 ? Options.GetValueOrDefault((SocketOption.Version6, SocketOption.TrafficClass6)) : Options.GetValueOrDefault((SocketOption.Version4, SocketOption.TypeOfService4)));
        receiver.Take(new Message(data.ToArray(), new Incoming { From = from, To = to, Whole = data.Length, Hops = hops < 0 ? DefaultHops : hops, TrafficClass = Math.Max(trafficClass, 0) }));
        return data.Length;
    }

    private int SendUnix(ReadOnlySpan<byte> data, in Outgoing with)
    {
        if (data.Length > MostBytes - 32)
            return -Errno.EMSGSIZE;
        DatagramSocket? receiver = with.To is null ? _other : with.Target as DatagramSocket;
        if (receiver is null || receiver._closed)
        {
            if (IsInSequence)
                return -Errno.EPIPE;
            if (with.To is null)
                Disconnect();
            return -Errno.ECONNREFUSED;
        }

        if (receiver.Peer is not null && receiver._other != this)
            return -Errno.EPERM;
        if (receiver._readsShut)
            return -Errno.EPIPE;
        if (receiver._bytes + data.Length > MostBytes && receiver._messages.Count > 0)
            return -Errno.EAGAIN;
        receiver.Take(new Message(data.ToArray(), new Incoming
        {
            From = Local.Name.Length > 0 ? Local : null,
            Whole = data.Length,
            Files = with.Files?.Send(),
            Sender = with.Sender ?? (Has(SocketOption.Socket, SocketOption.PassIdentity) || receiver.Has(SocketOption.Socket, SocketOption.PassIdentity) ? Network.Sender : SenderIdentity.None),
        }));
        return data.Length;
    }

    /// <summary>A datagram came from the network; one too many, or from whom the socket is not connected with, is dropped.</summary>
    public void Arrive(byte[] data, SocketAddress to, SocketAddress from)
    {
        if (!_closed && !_readsShut && _bytes + data.Length <= MostBytes)
            Take(new Message(data, new Incoming { From = from, To = to, Whole = data.Length, Hops = DefaultHops }));
    }

    private void Take(Message message)
    {
        _messages.Enqueue(message);
        _bytes += message.Data.Length;
        Ready.WakeAll();
    }

    public override int Receive(Span<byte> buffer, bool peek, out Incoming with)
    {
        with = default;
        if (Failure != 0)
            return TakeFailure();
        if (!_messages.TryPeek(out Message? message))
            return IsInSequence && Peer is null ? -Errno.ENOTCONN : IsEnded ? 0 : -Errno.EAGAIN;
        with = message.With;
        int count = Math.Min(message.Data.Length, buffer.Length);
        message.Data.AsSpan(0, count).CopyTo(buffer);
        if (peek)
        {
            // Who only looks gets the files, too, and they stay.
            foreach (OpenFile file in with.Files ?? [])
                file.Acquire();
            return count;
        }

        _messages.Dequeue();
        _bytes -= message.Data.Length;

        // Senders wait where they are: at their own sockets.
        Ready.WakeAll();
        TellSenders();
        return count;
    }

    private void TellSenders()
    {
        _other?.Ready.WakeAll();
        foreach (DatagramSocket sender in _senders)
            sender.Ready.WakeAll();
    }

    public override PollEvents Poll()
    {
        if (Listener is not null)
            return Listener.Count > 0 ? PollEvents.In : PollEvents.None;
        bool full = _other is { _closed: false } other && !IsInternet && other._bytes >= MostBytes;
        bool gone = IsInSequence && _other is { _closed: true };
        return (_messages.Count > 0 || IsEnded ? PollEvents.In : PollEvents.None)
            | (full ? PollEvents.None : PollEvents.Out)
            | (IsEnded ? PollEvents.ReadHangUp : PollEvents.None)
            | (gone || (_readsShut && _writesShut) || (IsInSequence && Peer is null) ? PollEvents.HangUp : PollEvents.None)
            | (Failure != 0 ? PollEvents.Error : PollEvents.None);
    }

    protected override void Closed()
    {
        base.Closed();
        _closed = true;
        while (Listener?.Take() is { } end)
            end.Release();
        bool lost = IsInSequence && _messages.Count > 0;
        foreach (Message message in _messages)
            message.With.ReleaseFiles();
        _messages.Clear();
        if (lost && _other is { } other)
            other.Failure = -Errno.ECONNRESET;
        TellSenders();
        _other?._senders.Remove(this);
    }
}
