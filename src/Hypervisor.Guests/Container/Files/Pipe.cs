using System.Runtime.CompilerServices;

namespace Hypervisor.Guests.Container.Files;

/// <summary>What the pipes of a container may hold together (pipe(7)): beyond it, new ones are small and none grows.</summary>
internal sealed class PipeBudget
{
    private const long Most = 64 << 20;

    private long _used;

    /// <summary>Takes room, where there is some or where the smallest size is asked for.</summary>
    public bool TryTake(long bytes, bool always = false)
    {
        if (!always && _used + bytes > Most)
            return false;
        _used += bytes;
        return true;
    }

    public void Give(long bytes) => _used -= bytes;
}

/// <summary>
/// A pipe: a ring between writers and readers, 64 KiB if it is not made another size. Writes of up to a page are whole or not
/// at all. Memory is taken as bytes come.
/// </summary>
/// <param name="ready">Woken when it changes; a queue of its own where none is given.</param>
/// <param name="budget">What it takes its size from; null for a pipe that keeps its size.</param>
internal sealed class Pipe(WaitQueue? ready = null, PipeBudget? budget = null)
{
    /// <summary>The most that a pipe may be without privileges.</summary>
    public const int Largest = 1 << 20;

    private const int Usual = 65536;
    private const int Smallest = 4096;
    private const int Atomic = 4096;

    private byte[] _ring = [];
    private int _start;
    private int _count;

    /// <summary>Bytes it holds at the most.</summary>
    public int Capacity { get; private set; } = budget is null || budget.TryTake(Usual) ? Usual : TakeSmallest(budget);

    public int Readers { get; set; }

    public int Writers { get; set; }

    public WaitQueue Ready { get; } = ready ?? new WaitQueue();

    public int Available => _count;

    /// <summary>Bytes that fit.</summary>
    public int Room => Capacity - _count;

    /// <summary>Whether some bytes fit.</summary>
    public bool HasRoom => _count < Capacity;

    /// <summary>Makes it another size (F_SETPIPE_SZ): the new size, or a negated error.</summary>
    public int Resize(ulong size, bool mayExceed)
    {
        if (size > 1UL << 31)
            return -Errno.EINVAL;
        long wanted = Math.Max(Smallest, (long)System.Numerics.BitOperations.RoundUpToPowerOf2(size));
        if (wanted > Capacity && wanted > Largest && !mayExceed)
            return -Errno.EPERM;
        if (wanted < _count)
            return -Errno.EBUSY;
        if (wanted > int.MaxValue || (wanted > Capacity && budget?.TryTake(wanted - Capacity) != true))
            return -Errno.EPERM;
        if (wanted < Capacity)
            budget?.Give(Capacity - wanted);
        Capacity = (int)wanted;
        if (_ring.Length > Capacity)
            Reshape(Capacity);
        Ready.WakeAll();
        return Capacity;
    }

    /// <summary>Nobody has it open any more.</summary>
    public void Forget()
    {
        _ring = [];
        _start = _count = 0;
        if (Capacity <= Smallest)
            return;
        budget?.Give(Capacity - Smallest);
        Capacity = budget is null ? Capacity : Smallest;
    }

    /// <summary>Somebody opened it again by its name.</summary>
    public void Remember()
    {
        if (Capacity == Smallest && budget?.TryTake(Usual - Smallest) == true)
            Capacity = Usual;
    }

    /// <summary>It is gone for good.</summary>
    public void Dispose() => budget?.Give(Capacity);

    public PollEvents Poll(bool reading)
    {
        if (reading)
            return (_count > 0 ? PollEvents.In : PollEvents.None) | (Writers == 0 ? PollEvents.HangUp : PollEvents.None);
        return (Capacity - _count >= Atomic ? PollEvents.Out : PollEvents.None) | (Readers == 0 ? PollEvents.Error : PollEvents.None);
    }

    /// <summary>Copies what a read would give, and leaves it there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Peek(Span<byte> buffer)
    {
        if (_count == 0)
            return Writers == 0 || buffer.Length == 0 ? 0 : -Errno.EAGAIN;
        int count = Math.Min(buffer.Length, _count);
        int first = Math.Min(count, _ring.Length - _start);
        _ring.AsSpan(_start, first).CopyTo(buffer);
        if (first < count)
            _ring.AsSpan(0, count - first).CopyTo(buffer[first..]);
        return count;
    }

    public int Read(Span<byte> buffer)
    {
        int count = Peek(buffer);
        if (count <= 0)
            return count;
        _start = (_start + count) % _ring.Length;
        _count -= count;
        Ready.WakeAll();
        return count;
    }

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
        if (_count + count > _ring.Length)
            Reshape(Math.Min(Capacity, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(Atomic, _count + count))));
        int end = (_start + _count) % Math.Max(1, _ring.Length);
        int first = Math.Min(count, _ring.Length - end);
        data[..first].CopyTo(_ring.AsSpan(end));
        if (first < count)
            data[first..count].CopyTo(_ring);
        _count += count;
        Ready.WakeAll();
        return count;
    }

    private static int TakeSmallest(PipeBudget budget)
    {
        budget.TryTake(Smallest, always: true);
        return Smallest;
    }

    private void Reshape(int size)
    {
        var ring = new byte[size];
        int first = Math.Min(_count, _ring.Length - _start);
        _ring.AsSpan(_start, first).CopyTo(ring);
        _ring.AsSpan(0, _count - first).CopyTo(ring.AsSpan(first));
        (_ring, _start) = (ring, 0);
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
        pipe.Remember();
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
        if (_pipe is { Readers: 0, Writers: 0 })
            _pipe.Forget();
        _pipe.Ready.WakeAll();
    }
}

/// <summary>A pipe that has a name, or the inode behind a nameless one.</summary>
internal sealed class FifoInode(FileStore store, uint permissions) : Inode(store.NextNumber(), InodeMode.Fifo | permissions, store.Now)
{
    private readonly WaitQueue _opened = new();
    private long _readersEver;
    private long _writersEver;

    public Pipe Pipe { get; } = new(null, store.Pipes);

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

    protected override void Forgotten() => Pipe.Dispose();
}
