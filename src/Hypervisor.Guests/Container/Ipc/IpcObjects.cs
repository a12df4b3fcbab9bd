using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Ipc;

/// <summary>All objects of interprocess communication of a namespace. What they hold counts as the container's files do.</summary>
internal sealed class IpcObjects(FileStore store)
{
    public const int MostSegments = 4096, MostSets = 32000, MostQueues = 32000, MostPosixQueues = 256;

    public FileStore Store => store;

    // Each made when it is first asked for: few containers use any.
    private IpcTable<SharedSegment>? _segments;
    private IpcTable<SemaphoreSet>? _sets;
    private IpcTable<MessageQueue>? _messages;
    private Dictionary<string, PosixQueue>? _queues;

    public IpcTable<SharedSegment> Segments => _segments ??= new IpcTable<SharedSegment>(MostSegments);

    public IpcTable<SemaphoreSet> Sets => _sets ??= new IpcTable<SemaphoreSet>(MostSets);

    public IpcTable<MessageQueue> Messages => _messages ??= new IpcTable<MessageQueue>(MostQueues);

    /// <summary>POSIX message queues by name.</summary>
    public Dictionary<string, PosixQueue> Queues => _queues ??= [];

    /// <summary>What each user's POSIX queues count for.</summary>
    public Dictionary<uint, long> QueueCharges => field ??= [];

    /// <summary>Pages of all segments.</summary>
    public long SegmentPages => Segments.All.Sum(segment => (segment.Size + 4095) >> 12);

    public void Remove(SemaphoreSet set)
    {
        set.IsRemoved = true;
        Sets.Remove(set);
        store.Give((long)SemaphoreSet.BytesEach * set.Semaphores.Length);
        set.Changed.WakeAll();
    }

    public void Remove(MessageQueue queue)
    {
        queue.IsRemoved = true;
        Messages.Remove(queue);
        store.Give(queue.Room + MessageQueue.BytesBeside);
        queue.Changed.WakeAll();
    }

    /// <summary>The namespace is gone.</summary>
    public void Close()
    {
        if (_segments is not null || _sets is not null || _messages is not null || _queues is not null)
            CloseAll();
    }

    private void CloseAll()
    {
        foreach (SharedSegment segment in Segments.All.ToArray())
            segment.Doom();
        foreach (SemaphoreSet set in Sets.All.ToArray())
            Remove(set);
        foreach (MessageQueue queue in Messages.All.ToArray())
            Remove(queue);
        foreach (PosixQueue queue in Queues.Values.ToArray())
            queue.Unlinked();
        Queues.Clear();
    }
}
