using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Container.Memory;

/// <summary>
/// The page frames of a container host: handed out zeroed, counted by reference, returned when the last reference goes.
/// Freed frames are cleared when they are given out again, through the memory's own write path, so that code cached from
/// them is dropped.
/// </summary>
internal sealed class FrameAllocator
{
    private readonly GuestMemory _memory;
    private readonly ushort[] _references;
    private readonly Stack<int> _freed = new();
    private int _fresh;

    public FrameAllocator(GuestMemory memory)
    {
        _memory = memory;
        _references = new ushort[memory.Region.Size / GuestMemory.PageSize];
    }

    /// <summary>Frames in use.</summary>
    public int Used { get; private set; }

    /// <summary>Takes a zeroed frame; false where there is none left.</summary>
    public bool TryAllocate(out ulong address)
    {
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

    /// <summary>One more reference; false where a frame has as many as can be counted.</summary>
    public bool TryShare(ulong address)
    {
        ref ushort count = ref _references[IndexOf(address)];
        if (count == ushort.MaxValue)
            return false;
        count++;
        return true;
    }

    /// <summary>Whether only one reference is left, so that its holder may write.</summary>
    public bool IsSole(ulong address) => _references[IndexOf(address)] == 1;

    /// <summary>Gives a reference back.</summary>
    public void Release(ulong address)
    {
        int frame = IndexOf(address);
        if (--_references[frame] != 0)
            return;
        Used--;
        _freed.Push(frame);
    }

    private ulong AddressOf(int frame) => _memory.Region.Base + (ulong)frame * GuestMemory.PageSize;

    private int IndexOf(ulong address) => _memory.PageIndex(address);
}
