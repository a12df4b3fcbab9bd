using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Kernel;

/// <summary>What names a futex: a word of a process's own memory, or of a file's page that several share.</summary>
internal readonly record struct FutexKey(object Home, ulong Offset)
{
    /// <summary>The key of an address of a task. The caller knows that it can be read.</summary>
    public static FutexKey Of(KernelTask task, ulong address, bool isPrivate)
    {
        AddressSpace space = task.Process.Space;
        return !isPrivate && space.Find(address) is { Shared: true, File.Pages: { } pages } mapping
            ? new FutexKey(pages, (ulong)mapping.FileOffset + (address - mapping.Start))
            : new FutexKey(space, address);
    }
}

/// <summary>A task that sleeps on a futex.</summary>
internal sealed class FutexWaiter(KernelTask task, FutexKey key, uint bits)
{
    public KernelTask Task => task;

    public FutexKey Key { get; set; } = key;

    /// <summary>It is woken by whoever names one of these.</summary>
    public uint Bits => bits;

    /// <summary>Somebody woke it; it is on no queue any more.</summary>
    public bool IsWoken { get; set; }

    /// <summary>It waits for a lock that the one before hands over (FUTEX_LOCK_PI).</summary>
    public bool IsForLock { get; init; }
}

/// <summary>Who sleeps on the futexes of a container, in the order in which they came.</summary>
internal sealed class FutexQueues
{
    // Made when somebody first sleeps.
    private Dictionary<FutexKey, LinkedList<FutexWaiter>>? _queues;

    private Dictionary<FutexKey, LinkedList<FutexWaiter>> Queues => _queues ??= [];

    public void Add(FutexWaiter waiter)
    {
        if (!Queues.TryGetValue(waiter.Key, out LinkedList<FutexWaiter>? queue))
            Queues.Add(waiter.Key, queue = []);
        queue.AddLast(waiter);
        waiter.Task.Futexes.Add(waiter);
    }

    /// <summary>Takes a task off all it waits on.</summary>
    public void Leave(KernelTask task)
    {
        foreach (FutexWaiter waiter in task.Futexes)
        {
            if (!waiter.IsWoken)
                Remove(waiter);
        }

        task.Futexes.Clear();
    }

    /// <summary>Wakes up to a number of those that wait for one of some bits.</summary>
    public int Wake(FutexKey key, int count, uint bits = uint.MaxValue) => _queues is null ? 0 : WakeSleepers(key, count, bits);

    private int WakeSleepers(FutexKey key, int count, uint bits)
    {
        if (!Queues.TryGetValue(key, out LinkedList<FutexWaiter>? queue))
            return 0;
        int woken = 0;
        for (LinkedListNode<FutexWaiter>? node = queue.First; node is not null && woken < count;)
        {
            LinkedListNode<FutexWaiter>? next = node.Next;
            if ((node.Value.Bits & bits) != 0)
            {
                queue.Remove(node);
                node.Value.IsWoken = true;
                node.Value.Task.WokenInKernel();
                woken++;
            }

            node = next;
        }

        if (queue.Count == 0)
            Queues.Remove(key);
        return woken;
    }

    /// <summary>The first that waits, and whether more do; null for nobody.</summary>
    public FutexWaiter? First(FutexKey key, out bool more)
    {
        more = Queues.TryGetValue(key, out LinkedList<FutexWaiter>? queue) && queue.Count > 1;
        return queue?.First?.Value;
    }

    /// <summary>Moves up to a number of those that wait to another futex.</summary>
    public int Move(FutexKey from, FutexKey to, int count)
    {
        if (from == to || !Queues.TryGetValue(from, out LinkedList<FutexWaiter>? queue))
            return 0;
        int moved = 0;
        while (moved < count && queue.First is { } node)
        {
            queue.RemoveFirst();
            node.Value.Key = to;
            if (!Queues.TryGetValue(to, out LinkedList<FutexWaiter>? other))
                Queues.Add(to, other = []);
            other.AddLast(node);
            moved++;
        }

        if (queue.Count == 0)
            Queues.Remove(from);
        return moved;
    }

    private void Remove(FutexWaiter waiter)
    {
        if (!Queues.TryGetValue(waiter.Key, out LinkedList<FutexWaiter>? queue))
            return;
        queue.Remove(waiter);
        if (queue.Count == 0)
            Queues.Remove(waiter.Key);
    }
}
