using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Ipc;

/// <summary>All objects of interprocess communication of a namespace. What they hold counts as the container's files do.</summary>
internal sealed class IpcObjects(FileStore store)
{
    public const int MostSegments = 4096, MostSets = 32000, MostQueues = 32000, MostPosixQueues = 256;

    public FileStore Store => store;

    public IpcTable<SharedSegment> Segments { get; } = new(MostSegments);

    public IpcTable<SemaphoreSet> Sets { get; } = new(MostSets);

    public IpcTable<MessageQueue> Messages { get; } = new(MostQueues);

    /// <summary>POSIX message queues by name.</summary>
    public Dictionary<string, PosixQueue> Queues { get; } = [];

    /// <summary>What each user's POSIX queues count for.</summary>
    public Dictionary<uint, long> QueueCharges { get; } = [];

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
