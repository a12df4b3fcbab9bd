using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Net;

/// <summary>A stream socket, Unix or TCP over the loopback: two pipes between two ends, or a queue of ends that wait to be accepted.</summary>
internal sealed class StreamSocket(Inode inode, int flags, int family, ContainerNetwork network) : SocketFile(inode, flags, family, SocketKind.Stream, network)
{
    private const int MostWaiting = 4096;

    private readonly Queue<StreamSocket> _waiting = new();
    private Queue<PassedFiles> _passed = new();
    private Pipe? _in;
    private Pipe? _out;
    private StreamSocket? _other;
    private int _backlog = -1;
    private long _read;
    private long _written;
    private bool _readsShut;
    private bool _writesShut;
    private bool _wasTold;

    public override int Available => _in?.Available ?? 0;

    public override bool IsListening => _backlog >= 0;

    public bool IsConnected => _in is not null;

    /// <summary>What carries its bytes to and from the network; null where its other end is in the container.</summary>
    public RemoteEnd? Remote { get; set; }

    /// <summary>What came and what goes, for whoever carries it.</summary>
    public (Pipe? Incoming, Pipe? Outgoing) Pipes => (_in, _out);

    /// <summary>Why the connection it asked for did not come, as a negated error; taken by whoever asks.</summary>
    public int Failure { get; set; }

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
        if (_waiting.Count > _backlog)
            return null;
        var end = new StreamSocket(new NamelessInode(Network.Store, InodeMode.Socket | 0x1FF), 0, Family, Network) { Local = local, Peer = peer };
        _waiting.Enqueue(end);
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
        int error = Network.Listen(this);
        if (error == 0)
            _backlog = Math.Clamp(backlog, 1, MostWaiting);
        return error;
    }

    public override int Connect(SocketAddress address, SocketFile? target)
    {
        if (Family == SocketKind.Internet && !Network.IsOwn(address.Host))
            return ConnectRemote(address);
        if (IsConnected)
            return -Errno.EISCONN;
        if (IsListening)
            return -Errno.EOPNOTSUPP;
        if (target is not StreamSocket { IsListening: true } listener || listener.Family != Family)
            return -Errno.ECONNREFUSED;
        if (listener._waiting.Count > listener._backlog)
            return -Errno.EAGAIN;
        if (Family == SocketKind.Internet)
        {
            if (Local.Port == 0 && Network.Bind(this, new SocketAddress(Family, "", address.Host == 0 ? 0x7F00_0001 : address.Host)) is < 0 and int error)
                return error;
            if (Local.Host == 0)
                Local = Local with { Host = 0x7F00_0001 };
        }

        var end = new StreamSocket(new NamelessInode(Network.Store, InodeMode.Socket | 0x1FF), 0, Family, Network)
        {
            Local = Family == SocketKind.Internet ? address with { Host = address.Host == 0 ? 0x7F00_0001 : address.Host } : listener.Local,
        };
        Join(this, end);
        listener._waiting.Enqueue(end);
        listener.Ready.WakeAll();
        Ready.WakeAll();
        return 0;
    }

    /// <summary>Asks for a connection in the network; EAGAIN while the answer is not there, 0 for who waited for it.</summary>
    private int ConnectRemote(SocketAddress address)
    {
        if (IsListening)
            return -Errno.EOPNOTSUPP;
        if (Failure != 0)
        {
            int failure = Failure;
            Failure = 0;
            return failure;
        }

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

    /// <summary>The listener's queue, on which a connection that found it full waits.</summary>
    public override StreamSocket? Accept(int flags)
    {
        if (!_waiting.TryDequeue(out StreamSocket? end))
            return null;
        end.Flags = (end.Flags & ~OpenFlags.NonBlock) | (flags & OpenFlags.NonBlock);
        Ready.WakeAll();
        return end;
    }

    public override int Shutdown(bool reads, bool writes)
    {
        if (!IsConnected)
            return -Errno.ENOTCONN;
        _readsShut |= reads;
        if (writes && !_writesShut)
        {
            _writesShut = true;
            _out!.Writers = 0;
        }

        Tell();
        return 0;
    }

    public override int Send(ReadOnlySpan<byte> data, SocketAddress? to, SocketFile? target, OpenFile[]? files)
    {
        if (_out is null)
            return _backlog >= 0 || Family == SocketKind.Unix ? -Errno.ENOTCONN : -Errno.EPIPE;
        if (to is not null)
            return -Errno.EISCONN;
        if (_writesShut)
            return -Errno.EPIPE;
        if (data.IsEmpty)
            return 0;

        // A stream takes what fits: it has no writes that are whole or not at all.
        int written = _out.WritePart(data);
        if (written <= 0)
            return written;
        if (files is not null && _other is { } other)
            other._passed.Enqueue(new PassedFiles(_written, files));
        _written += written;
        Tell();
        return written;
    }

    public override int Receive(Span<byte> buffer, bool peek, out SocketAddress? from, out int whole, out OpenFile[]? files)
    {
        from = Family == SocketKind.Internet ? null : Peer;
        whole = 0;
        files = null;
        if (_in is null)
            return Family == SocketKind.Unix ? -Errno.EINVAL : -Errno.ENOTCONN;
        if (_readsShut && _in.Available == 0)
            return 0;

        // Files come with the byte they were sent with, and one read gives one lot of them.
        if (_passed.TryPeek(out PassedFiles? next) && next.At > _read && next.At - _read < buffer.Length)
            buffer = buffer[..(int)(next.At - _read)];
        int count = peek ? _in.Peek(buffer) : _in.Read(buffer);
        if (count > 0 && !peek)
        {
            if (next is not null && next.At < _read + count)
                files = _passed.Dequeue().Files;
            _read += count;
            Tell();
        }

        whole = Math.Max(0, count);
        return count;
    }

    public override PollEvents Poll()
    {
        if (IsListening)
            return _waiting.Count > 0 ? PollEvents.In : PollEvents.None;
        if (Failure != 0)
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
            | (broken || _out.HasRoom ? PollEvents.Out : PollEvents.None);
    }

    protected override void Closed()
    {
        base.Closed();
        foreach (StreamSocket end in _waiting)
            end.Release();
        _waiting.Clear();
        foreach (PassedFiles passed in _passed)
        {
            foreach (OpenFile file in passed.Files)
                file.Release();
        }

        _passed = new Queue<PassedFiles>();
        if (Remote is not null && _in is null)
            Remote.Connection.Abort();
        if (_in is not null && _out is not null)
        {
            _in.Readers = 0;
            _out.Writers = 0;
            Tell();
        }

        Ready.WakeAll();
    }

    private void Tell()
    {
        Remote?.Progress();
        Ready.WakeAll();
        _other?.Ready.WakeAll();
    }
}
