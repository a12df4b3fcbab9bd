using System.Globalization;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Ipc;

/// <summary>Who is signalled when a message comes to an empty queue (mq_notify(3)).</summary>
internal sealed record QueueNotice(Process Process, OpenFile File, int Signal, ulong Value);

/// <summary>A POSIX message queue (mq_overview(7)): messages by priority, the highest first, and in order within one.</summary>
internal sealed class PosixQueue(FileStore store, uint mode, long most, long longest) : Inode(store.NextNumber(), InodeMode.Regular | mode, store.Now)
{
    private const int BytesBeside = 96;

    private readonly SortedDictionary<uint, Queue<byte[]>> _messages = new(Comparer<uint>.Create(static (a, b) => b.CompareTo(a)));
    private long _bytes;

    public override long Size => 80;

    /// <summary>Messages it holds at the most.</summary>
    public long Most => most;

    /// <summary>Bytes of its longest message.</summary>
    public long Longest => longest;

    /// <summary>What it counts for against the maker's limit (RLIMIT_MSGQUEUE).</summary>
    public long Charge => ChargeOf(most, longest);

    public int Count { get; private set; }

    /// <summary>Tasks that wait for a message.</summary>
    public int Receivers { get; set; }

    public QueueNotice? Notice { get; set; }

    /// <summary>Called when it is gone.</summary>
    public Action? Gone { get; init; }

    /// <summary>Woken when a message comes or goes.</summary>
    public WaitQueue Changed { get; } = new();

    /// <summary>What a queue of a size counts for.</summary>
    public static long ChargeOf(long most, long longest)
    {
        const long message = 48, node = 48, priorities = 32768;
        return (most * message) + (Math.Min(most, priorities) * node) + (most * longest);
    }

    /// <summary>Adds a message; false where the container has no room for it.</summary>
    public bool TryAdd(uint priority, byte[] data)
    {
        if (!store.TryTake(data.Length + BytesBeside))
            return false;
        if (!_messages.TryGetValue(priority, out Queue<byte[]>? queue))
            _messages.Add(priority, queue = []);
        queue.Enqueue(data);
        _bytes += data.Length;
        Count++;
        Changed.WakeAll();
        return true;
    }

    public bool TryTake(out uint priority, out byte[] data)
    {
        (priority, data) = (0, []);
        if (Count == 0)
            return false;
        (priority, Queue<byte[]> queue) = _messages.First();
        data = queue.Dequeue();
        if (queue.Count == 0)
            _messages.Remove(priority);
        _bytes -= data.Length;
        Count--;
        store.Give(data.Length + BytesBeside);
        Changed.WakeAll();
        return true;
    }

    public override OpenFile Open(int flags) => new PosixQueueFile(this, flags);

    public string Tell() => string.Create(CultureInfo.InvariantCulture, $"QSIZE:{_bytes,-10} NOTIFY:{0,-5} SIGNO:{Notice?.Signal ?? 0,-5} NOTIFY_PID:{Notice?.Process.Id ?? 0,-6}\n");

    protected override void Forgotten()
    {
        while (TryTake(out _, out _))
            continue;
        Gone?.Invoke();
    }
}

/// <summary>An open POSIX message queue.</summary>
internal sealed class PosixQueueFile(PosixQueue queue, int flags) : OpenFile(queue, flags)
{
    public PosixQueue Queue => queue;

    public override WaitQueue Ready => queue.Changed;

    public override bool CanSeek => true;

    public override int Read(Span<byte> buffer)
    {
        byte[] text = KernelText.Encode(queue.Tell());
        if (Position >= text.Length)
            return 0;
        int count = Math.Min(buffer.Length, text.Length - (int)Position);
        text.AsSpan((int)Position, count).CopyTo(buffer);
        Position += count;
        return count;
    }

    public override int Write(ReadOnlySpan<byte> data) => -Errno.EINVAL;

    public override PollEvents Poll() => (queue.Count > 0 ? PollEvents.In : PollEvents.None) | (queue.Count < queue.Most ? PollEvents.Out : PollEvents.None);

    protected override void Closed()
    {
        if (queue.Notice?.File == this)
            queue.Notice = null;
    }
}

/// <summary>The message queues of a namespace as a directory (mqueue).</summary>
internal sealed class QueueDirectory(IpcObjects objects, FileStore store) : Inode(store.NextNumber(), InodeMode.Directory | 0x3FF, store.Now)
{
    public override Inode? Lookup(string name) => objects.Queues.GetValueOrDefault(name);

    public override IEnumerable<(string Name, Inode Inode)> Entries() => objects.Queues.OrderBy(each => each.Key, StringComparer.Ordinal).Select(each => (each.Key, (Inode)each.Value)).ToList();

    public override int Remove(string name)
    {
        objects.Queues.Remove(name);
        return 0;
    }

    public override OpenFile Open(int flags) => new DirectoryFile(this, flags, this);
}
