namespace Hypervisor.Guests.Container.Files;

/// <summary>A pipe: a ring of 64 KiB between writers and readers. Writes of up to a page are whole or not at all.</summary>
/// <param name="ready">Woken when it changes; a queue of its own where none is given.</param>
internal sealed class Pipe(WaitQueue? ready = null)
{
    public const int Capacity = 65536;

    private const int Atomic = 4096;

    private readonly byte[] _ring = new byte[Capacity];
    private int _start;
    private int _count;

    public int Readers { get; set; }

    public int Writers { get; set; }

    public WaitQueue Ready { get; } = ready ?? new WaitQueue();

    public int Available => _count;

    public PollEvents Poll(bool reading)
    {
        if (reading)
            return (_count > 0 ? PollEvents.In : PollEvents.None) | (Writers == 0 ? PollEvents.HangUp : PollEvents.None);
        return (Capacity - _count >= Atomic ? PollEvents.Out : PollEvents.None) | (Readers == 0 ? PollEvents.Error : PollEvents.None);
    }

    /// <summary>Copies what a read would give, and leaves it there.</summary>
    public int Peek(Span<byte> buffer)
    {
        if (_count == 0)
            return Writers == 0 || buffer.Length == 0 ? 0 : -Errno.EAGAIN;
        int count = Math.Min(buffer.Length, _count);
        int first = Math.Min(count, Capacity - _start);
        _ring.AsSpan(_start, first).CopyTo(buffer);
        _ring.AsSpan(0, count - first).CopyTo(buffer[first..]);
        return count;
    }

    public int Read(Span<byte> buffer)
    {
        int count = Peek(buffer);
        if (count <= 0)
            return count;
        _start = (_start + count) % Capacity;
        _count -= count;
        Ready.WakeAll();
        return count;
    }

    /// <summary>Bytes that fit.</summary>
    public int Room => Capacity - _count;

    /// <summary>Whether some bytes fit.</summary>
    public bool HasRoom => _count < Capacity;

    public int Write(ReadOnlySpan<byte> data)
        => Readers > 0 && data.Length <= Atomic && Capacity - _count < data.Length ? -Errno.EAGAIN : WritePart(data);

    /// <summary>Writes what fits.</summary>
    public int WritePart(ReadOnlySpan<byte> data)
    {
        if (Readers == 0)
            return -Errno.EPIPE;
        int room = Capacity - _count;
        if (room == 0)
            return -Errno.EAGAIN;
        int count = Math.Min(room, data.Length);
        int end = (_start + _count) % Capacity;
        int first = Math.Min(count, Capacity - end);
        data[..first].CopyTo(_ring.AsSpan(end));
        data[first..count].CopyTo(_ring);
        _count += count;
        Ready.WakeAll();
        return count;
    }
}

/// <summary>One end of a pipe.</summary>
internal sealed class PipeFile : OpenFile
{
    private readonly Pipe _pipe;

    public PipeFile(Inode inode, Pipe pipe, int flags) : base(inode, flags)
    {
        _pipe = pipe;
        if (CanRead)
            pipe.Readers++;
        if (CanWrite)
            pipe.Writers++;
        pipe.Ready.WakeAll();
    }

    public override WaitQueue Ready => _pipe.Ready;

    public Pipe Pipe => _pipe;

    public int Available => _pipe.Available;

    public override int Read(Span<byte> buffer) => _pipe.Read(buffer);

    public override int Write(ReadOnlySpan<byte> data) => _pipe.Write(data);

    public override PollEvents Poll()
        => (CanRead ? _pipe.Poll(reading: true) : PollEvents.None) | (CanWrite ? _pipe.Poll(reading: false) : PollEvents.None);

    protected override void Closed()
    {
        if (CanRead)
            _pipe.Readers--;
        if (CanWrite)
            _pipe.Writers--;
        _pipe.Ready.WakeAll();
    }
}

/// <summary>A pipe that has a name, or the inode behind a nameless one.</summary>
internal sealed class FifoInode(FileStore store, uint permissions) : Inode(store.NextNumber(), InodeMode.Fifo | permissions, store.Now)
{
    private readonly WaitQueue _opened = new();
    private long _readersEver;
    private long _writersEver;

    public Pipe Pipe { get; } = new();

    /// <summary>A pipe without a name, which opening again by way of /proc waits for nobody.</summary>
    public bool IsNameless { get; init; }

    public override WaitQueue OpenReady => _opened;

    /// <summary>Opens one end by name, which waits for the other end to be opened (fifo(7)).</summary>
    public override int TryOpen(Kernel.KernelTask task, int flags, out OpenFile? file)
    {
        file = null;
        if (IsNameless)
            return base.TryOpen(task, flags, out file);
        bool wantsRead = (flags & OpenFlags.AccessMode) == 0;
        bool wantsWrite = (flags & OpenFlags.AccessMode) == OpenFlags.WriteOnly;
        if (task.Held is null)
        {
            if (wantsWrite && (flags & OpenFlags.NonBlock) != 0 && Pipe.Readers == 0)
                return -Errno.ENXIO;
            task.Held = Open(flags);
            task.HeldSince = wantsRead ? _writersEver : _readersEver;
            _readersEver += wantsWrite ? 0 : 1;
            _writersEver += wantsRead ? 0 : 1;
            _opened.WakeAll();
        }

        bool isMet = wantsRead
            ? Pipe.Writers > 0 || _writersEver != task.HeldSince || (flags & OpenFlags.NonBlock) != 0
            : !wantsWrite || Pipe.Readers > 0 || _readersEver != task.HeldSince;
        if (!isMet)
            return -Errno.EAGAIN;
        file = task.Held;
        task.Held = null;
        return 0;
    }

    public override OpenFile Open(int flags) => new PipeFile(this, Pipe, flags);
}
