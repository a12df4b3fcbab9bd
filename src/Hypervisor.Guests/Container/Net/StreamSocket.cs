using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Net;

/// <summary>A stream socket, Unix or TCP over the loopback: two pipes between two ends, or a queue of ends that wait to be accepted.</summary>
internal sealed class StreamSocket(Inode inode, int flags, int family, int protocol, ContainerNetwork network) : SocketFile(inode, flags, family, SocketKind.Stream, protocol, network)
{
    private Queue<Mark> _marks = new();
    private Pipe? _in;
    private Pipe? _out;
    private StreamSocket? _other;
    private SenderIdentity _markedSender = SenderIdentity.None;
    private SenderIdentity _sender = SenderIdentity.None;
    private long _read;
    private long _written;
    private bool _readsShut;
    private bool _writesShut;
    private bool _wasTold;
    private bool _wasLost;

    /// <summary>A place in the bytes of a Unix stream from which on they are of a sender, or at which files came.</summary>
    private readonly record struct Mark(long At, OpenFile[]? Files, SenderIdentity Sender);

    public override int Available => _in?.Available ?? 0;

    public bool IsConnected => _in is not null;

    /// <summary>What carries its bytes to and from the network; null where its other end is in the container.</summary>
    public RemoteEnd? Remote { get; set; }

    /// <summary>What came and what goes, for whoever carries it.</summary>
    public (Pipe? Incoming, Pipe? Outgoing) Pipes => (_in, _out);

    /// <summary>The connection it asked for is there.</summary>
    public (Pipe Incoming, Pipe Outgoing) JoinRemote()
    {
        _in = new Pipe { Readers = 1, Writers = 1 };
        _out = new Pipe { Readers = 1, Writers = 1 };
        Ready.WakeAll();
        return (_in, _out);
    }

    /// <summary>The connection it asked for will not come.</summary>
    public void Failed(int error)
    {
        Failure = error;
        Remote = null;
        Ready.WakeAll();
    }

    /// <summary>A connection from the network for a listener; null where too many wait.</summary>
    public StreamSocket? Offer(SocketAddress local, SocketAddress peer)
    {
        if (Listener is not { IsFull: false })
            return null;
        StreamSocket end = MakeEnd(local);
        end.Peer = peer;
        Listener.Add(end);
        Ready.WakeAll();
        return end;
    }

    /// <summary>Connects two ends with each other.</summary>
    public static void Join(StreamSocket one, StreamSocket other)
    {
        one._in = other._out = new Pipe { Readers = 1, Writers = 1 };
        one._out = other._in = new Pipe { Readers = 1, Writers = 1 };
        one._other = other;
        other._other = one;
        one.Peer = other.Local;
        other.Peer = one.Local;
    }

    public override int Listen(int backlog)
    {
        if (IsConnected)
            return -Errno.EINVAL;
        if (IsInternet && !IsListening && !Network.MayListen(this))
            return -Errno.EADDRINUSE;
        if (Network.Listen(this) is < 0 and int error)
            return error;
        Listener ??= new ListenQueue();
        Listener.Backlog = backlog;
        PeerIdentity = Network.Owner;
        return 0;
    }

    public override int Connect(SocketAddress address, SocketFile? target)
    {
        if (IsListening)
            return IsInternet ? -Errno.EISCONN : -Errno.EINVAL;
        if (IsInternet && !Network.IsOwn(address))
            return ConnectRemote(address);
        if (IsConnected)
            return -Errno.EISCONN;
        if (target is not StreamSocket { Listener: { } queue } listener)
            return -Errno.ECONNREFUSED;
        if (queue.IsFull)
            return -Errno.EAGAIN;
        if (IsInternet)
        {
            if (Local.Port == 0 && Network.Bind(this, Network.SourceFor(address)) is < 0 and int error)
                return error;
            if (Local.IsAnyHost)
                Local = Network.SourceFor(address) with { Port = Local.Port };
        }

        StreamSocket end = listener.MakeEnd(IsInternet ? address.OrLoopback : listener.Local);
        (end.PeerIdentity, PeerIdentity) = (Network.Owner, listener.PeerIdentity);
        Join(this, end);
        queue.Add(end);
        listener.Ready.WakeAll();
        Ready.WakeAll();
        return 0;
    }

    /// <summary>A connection is given up as if it had been lost; a listener listens no more.</summary>
    public override int Disconnect()
    {
        if (Family == SocketKind.Unix)
            return -Errno.EINVAL;
        DropWaiting();
        Network.Unlisten(this);
        Listener = null;
        Hang(resets: true);
        (_in, _out, _other, Peer) = (null, null, null, null);
        (_readsShut, _writesShut, _wasTold, _wasLost) = (false, false, false, false);
        Remote?.Connection.Abort();
        Remote = null;
        return 0;
    }

    /// <summary>Asks for a connection in the network; EAGAIN while the answer is not there, 0 for who waited for it.</summary>
    private int ConnectRemote(SocketAddress address)
    {
        if (Failure != 0)
            return TakeFailure();
        if (Remote is not null && Peer == address)
            return IsConnected ? _wasTold ? -Errno.EISCONN : Told() : -Errno.EAGAIN;
        if (IsConnected)
            return -Errno.EISCONN;
        int error = Network.Connect(this, address, out RemoteEnd? remote);
        if (error != 0)
            return error;
        (Remote, Peer) = (remote, address);
        return -Errno.EAGAIN;
    }

    private int Told()
    {
        _wasTold = true;
        return 0;
    }

    public override int Shutdown(bool reads, bool writes)
    {
        if (!IsConnected)
        {
            if (!IsListening || !IsInternet)
                return IsListening ? 0 : -Errno.ENOTCONN;
            if (reads)
                Disconnect();
            Ready.WakeAll();
            return 0;
        }

        _readsShut |= reads;
        if (reads && Family == SocketKind.Unix && _in is not null)
            _in.Readers = 0;
        if (writes && !_writesShut)
        {
            _writesShut = true;
            _out!.Writers = 0;
        }

        Tell();
        return 0;
    }

    public override int Send(ReadOnlySpan<byte> data, in Outgoing with)
    {
        if (IsInternet && Failure != 0 && Remote is null)
            return TakeFailure();
        if (_out is null)
            return IsListening && Family != SocketKind.Unix ? -Errno.EPIPE : Family == SocketKind.Unix ? -Errno.ENOTCONN : -Errno.EPIPE;
        if (_writesShut)
            return -Errno.EPIPE;
        if (data.IsEmpty)
            return 0;

        // A stream takes what fits: it has no writes that are whole or not at all.
        int written = _out.WritePart(data);
        if (written == -Errno.EPIPE && IsInternet && Remote is null && !_wasLost)
        {
            // TCP learns that nobody is there by what it sent: that is lost, and only the next finds out.
            _wasLost = true;
            return data.Length;
        }

        if (written <= 0)
            return written;
        if (Family == SocketKind.Unix && _other is { } other)
            MarkSent(other, in with);
        _written += written;
        Tell();
        return written;
    }

    private void MarkSent(StreamSocket other, in Outgoing with)
    {
        bool tells = with.Sender is not null || Has(SocketOption.Socket, SocketOption.PassIdentity) || other.Has(SocketOption.Socket, SocketOption.PassIdentity);
        SenderIdentity sender = !tells ? SenderIdentity.None : with.Sender ?? Network.Sender;
        if (with.Files is null && sender == _markedSender)
            return;
        _markedSender = sender;
        other._marks.Enqueue(new Mark(_written, with.Files?.Send(), sender));
    }

    public override int Receive(Span<byte> buffer, bool peek, out Incoming with)
    {
        with = default;
        if (_in is null)
            return Failure != 0 ? TakeFailure() : Family == SocketKind.Unix ? -Errno.EINVAL : -Errno.ENOTCONN;
        if (_in.Available == 0 && Failure != 0)
            return TakeFailure();
        if (_in.Available == 0 && _readsShut)
            return 0;

        // What is marked comes with the byte it was sent with, and one read crosses no mark.
        SenderIdentity sender = _sender;
        OpenFile[]? files = null;
        bool marked = false;
        foreach (Mark mark in _marks)
        {
            if (mark.At <= _read)
            {
                (sender, files, marked) = (mark.Sender, mark.Files, true);
                continue;
            }

            if (mark.At - _read < buffer.Length)
                buffer = buffer[..(int)(mark.At - _read)];
            break;
        }

        int count = peek ? _in.Peek(buffer) : _in.Read(buffer);
        if (count < 0)
            return count;
        if (count > 0 && !peek)
        {
            if (marked)
            {
                _sender = sender;
                _marks.Dequeue();
            }

            _read += count;
            Tell();
        }
        else if (files is not null)
        {
            // Who only looks gets the files, too, and they stay.
            foreach (OpenFile file in count > 0 ? files : [])
                file.Acquire();
            files = count > 0 ? files : null;
        }

        with = new Incoming { From = Family == SocketKind.Unix && Peer is { Name.Length: > 0 } ? Peer : null, Whole = count, Files = files, Sender = sender };
        return count;
    }

    public override PollEvents Poll()
    {
        if (Listener is not null)
            return Listener.Count > 0 ? PollEvents.In : PollEvents.None;
        if (Failure != 0 && _in is null)
            return PollEvents.In | PollEvents.Out | PollEvents.Error | PollEvents.HangUp;
        if (Remote is not null && _in is null)
            return PollEvents.None; // Asked, and not answered yet.
        if (_in is null || _out is null)
            return PollEvents.Out | PollEvents.HangUp;
        bool ended = _in.Writers == 0 || _readsShut;
        bool broken = _out.Readers == 0 || _writesShut;
        return (_in.Available > 0 || ended ? PollEvents.In : PollEvents.None)
            | (ended ? PollEvents.ReadHangUp : PollEvents.None)
            | (ended && broken ? PollEvents.HangUp : PollEvents.None)
            | (Failure != 0 ? PollEvents.Error : PollEvents.None)
            | (broken || _out.HasRoom ? PollEvents.Out : PollEvents.None);
    }

    protected override void Closed()
    {
        base.Closed();
        DropWaiting();
        if (Remote is not null && (_in is null || Aborts))
            Remote.Connection.Abort();
        Hang(resets: _in is { Available: > 0 } || Aborts);
        foreach (Mark mark in _marks)
        {
            foreach (OpenFile file in mark.Files ?? [])
                file.Release();
        }

        _marks = new Queue<Mark>();
        Ready.WakeAll();
    }

    /// <summary>Whether closing gives up what was not sent yet, and says so (SO_LINGER of no time).</summary>
    private bool Aborts => IsInternet && Options.TryGetValue((SocketOption.Socket, SocketOption.Linger), out int seconds) && seconds == 0;

    private StreamSocket MakeEnd(SocketAddress local)
    {
        var end = new StreamSocket(new NamelessInode(Network.Store, InodeMode.Socket | 0x1FF), 0, Family, Protocol, Network) { Local = local };
        foreach (((int, int) option, int value) in Options)
            end.Options[option] = value;
        return end;
    }

    /// <summary>Ends that nobody accepted are lost to those who connected them.</summary>
    private void DropWaiting()
    {
        while (Listener?.Take() is StreamSocket end)
        {
            end.Hang(resets: true);
            end.Release();
        }
    }

    /// <summary>Ends the bytes in both directions; who had some that were not read is told that they were lost.</summary>
    private void Hang(bool resets)
    {
        if (_in is null || _out is null)
            return;
        if (resets && _other is { _in.Writers: > 0 } other)
            (other.Failure, other._wasLost) = (-Errno.ECONNRESET, true);
        _in.Readers = 0;
        _out.Writers = 0;
        Tell();
    }

    private void Tell()
    {
        Remote?.Progress();
        Ready.WakeAll();
        _other?.Ready.WakeAll();
    }
}
