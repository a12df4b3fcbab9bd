using System.Runtime.CompilerServices;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Memory;

/// <summary>Something that holds frames it can do without.</summary>
internal interface IFrameCache
{
    /// <summary>Gives back the frames that nobody else uses and whose content can be had again; how many.</summary>
    int Reclaim();
}

/// <summary>
/// The page frames of a container host: handed out zeroed, counted by reference, returned when the last reference goes.
/// Freed frames are cleared when they are given out again, through the memory's own write path, so that code cached from
/// them is dropped.
/// </summary>
/// <remarks>
/// A frame that another hart may still reach through its TLB is not given out again before that hart has dropped its
/// translations (<see cref="Settle"/>).
/// </remarks>
internal sealed class FrameAllocator
{
    private readonly GuestMemory _memory;
    private readonly int[] _references;
    private readonly Stack<int> _freed = new();
    private readonly Queue<(int Frame, long Flush)> _held = new(capacity: 16);
    private readonly List<KernelTask> _owing = [];
    private readonly List<IFrameCache> _caches = [];
    private long _flush;
    private int _fresh;

    public FrameAllocator(GuestMemory memory, LightLock kernel)
    {
        _memory = memory;
        _references = new int[memory.Region.Size / GuestMemory.PageSize];
        Kernel = kernel;
    }

    /// <summary>The kernel's lock, under which frames are given and taken.</summary>
    public LightLock Kernel { get; }

    public GuestMemory Memory => _memory;

    /// <summary>Frames in use.</summary>
    public int Used { get; private set; }

    /// <summary>Frames there are.</summary>
    public int Count => _references.Length;

    public void Register(IFrameCache cache) => _caches.Add(cache);

    public void Unregister(IFrameCache cache) => _caches.Remove(cache);

    /// <summary>Takes a zeroed frame; false where there is none left.</summary>
    public bool TryAllocate(out ulong address)
    {
        if (_freed.Count == 0 && _fresh == _references.Length)
            Reclaim();
        if (_freed.TryPop(out int frame))
        {
            address = AddressOf(frame);
            _memory.WritableWindow(address, GuestMemory.PageSize).Clear();
        }
        else if (_fresh < _references.Length)
        {
            frame = _fresh++;
            address = AddressOf(frame);
        }
        else
        {
            address = 0;
            return false;
        }

        _references[frame] = 1;
        Used++;
        return true;
    }

    /// <summary>Takes back the frames whose content can be had again and that nobody has mapped.</summary>
    public void Reclaim()
    {
        foreach (IFrameCache cache in _caches)
            cache.Reclaim();
    }

    /// <summary>One more reference.</summary>
    public void Share(ulong address) => _references[IndexOf(address)]++;

    /// <summary>Whether only one reference is left, so that its holder may write.</summary>
    public bool IsSole(ulong address) => _references[IndexOf(address)] == 1;

    /// <summary>Gives a reference back; whether it was the last. The frame is free once <see cref="Settle"/> finds that no hart can reach it.</summary>
    public bool Release(ulong address)
    {
        int frame = IndexOf(address);
        if (--_references[frame] != 0)
            return false;
        Used--;
        _held.Enqueue((frame, _flush + 1));
        return true;
    }

    /// <summary>A hart that may be in guest code is to drop its translations before it goes on.</summary>
    public void Owe(KernelTask task)
    {
        long number = ++_flush;
        if (task.FlushOwed == 0)
        {
            task.FlushOwed = number;
            _owing.Add(task);
        }

        task.Hart.RequestAttention();
    }

    /// <summary>A task's hart has dropped its translations, or will never run again.</summary>
    public void Paid(KernelTask task)
    {
        task.FlushOwed = 0;
        _owing.Remove(task);
    }

    /// <summary>At the end of an entry into the kernel: frees what was released and no hart can reach any more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Settle()
    {
        if (_held.Count != 0)
            FreeHeld();
    }

    private void FreeHeld()
    {
        long oldest = long.MaxValue;
        foreach (KernelTask task in _owing)
            oldest = Math.Min(oldest, task.FlushOwed);
        while (_held.TryPeek(out (int Frame, long Flush) held) && held.Flush < oldest)
            _freed.Push(_held.Dequeue().Frame);
    }

    private ulong AddressOf(int frame) => _memory.Region.Base + (ulong)frame * GuestMemory.PageSize;

    private int IndexOf(ulong address) => _memory.PageIndex(address);
}
