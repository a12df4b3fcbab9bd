using Hypervisor.Core.Memory;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>The split format (virtio 1.2 §2.7): a table of descriptors, a ring of what is available and one of what was used.</summary>
internal sealed class SplitRing(GuestMemory memory) : VirtioRing(memory)
{
    private const int UsedEntrySize = 8;
    private const int RingHeader = 4;

    private ushort _nextAvailable;
    private ushort _usedIndex;
    private ushort _signalled;

    public override bool TryPop(VirtioChain chain)
    {
        if (!HasAvailable())
            return false;
        if (!Memory.TryRead(DriverArea + RingHeader + (2 * ((ulong)_nextAvailable & (Size - 1))), out ushort head) || !TryCollect(head, chain))
        {
            IsBroken = true;
            return false;
        }

        _nextAvailable++;
        return true;
    }

    public override void Push(ushort head, uint written)
    {
        ulong entry = DeviceArea + RingHeader + (UsedEntrySize * ((ulong)_usedIndex & (Size - 1)));
        _usedIndex++;
        if (!Memory.TryWrite(entry, head | ((ulong)written << 32)))
        {
            IsBroken = true;
            return;
        }

        // The entry must be visible before the index that shows it.
        Interlocked.MemoryBarrier();
        IsBroken |= !Memory.TryWrite(DeviceArea + 2, _usedIndex);
    }

    public override bool TakeInterrupt()
    {
        ushort old = _signalled;
        if (old == _usedIndex)
            return false;
        _signalled = _usedIndex;

        // The index must be visible before the driver's wish is read.
        Interlocked.MemoryBarrier();
        if (!UsesEventIndex)
            return !Memory.TryRead(DriverArea, out ushort flags) || (flags & VirtioFormat.NoInterrupt) == 0;
        if (!Memory.TryRead(DriverArea + RingHeader + (2 * (ulong)Size), out ushort wanted))
            return true;
        return (ushort)(_usedIndex - wanted - 1) < (ushort)(_usedIndex - old);
    }

    public override void Reset()
    {
        IsBroken = false;
        _nextAvailable = 0;
        _usedIndex = 0;
        _signalled = 0;
    }

    public override void Save(StateWriter writer)
    {
        writer.Write(_nextAvailable);
        writer.Write(_usedIndex);
        writer.Write(_signalled);
    }

    public override void Load(StateReader reader)
    {
        _nextAvailable = reader.ReadUInt16();
        _usedIndex = reader.ReadUInt16();
        _signalled = reader.ReadUInt16();
    }

    protected override bool IsSound()
        => (Size & (Size - 1)) == 0 && (DriverArea & 1) == 0 && (DeviceArea & 3) == 0
            && Memory.Contains(DriverArea, RingHeader + (Size * 2) + 2)
            && Memory.Contains(DeviceArea, RingHeader + (Size * UsedEntrySize) + 2);

    /// <summary>
    /// Whether a request waits. Where none does, and the driver wants event indexes, it is asked to tell of the next one
    /// before looking again: one added in between would be missed otherwise.
    /// </summary>
    private bool HasAvailable()
    {
        if (!TryReadAvailable(out ushort waiting))
            return false;
        if (waiting > 0 || !UsesEventIndex)
            return waiting > 0;
        if (!Memory.TryWrite(DeviceArea + RingHeader + (UsedEntrySize * (ulong)Size), _nextAvailable))
        {
            IsBroken = true;
            return false;
        }

        Interlocked.MemoryBarrier();
        return TryReadAvailable(out waiting) && waiting > 0;
    }

    private bool TryReadAvailable(out ushort waiting)
    {
        bool read = Memory.TryRead(DriverArea + 2, out ushort index);

        // Nothing the index shows may be read before it.
        Interlocked.MemoryBarrier();
        waiting = (ushort)(index - _nextAvailable);
        IsBroken |= !read || waiting > Size;
        return !IsBroken;
    }

    /// <summary>Follows a request's descriptors. A table of n entries ends after n steps, whatever its links say.</summary>
    private bool TryCollect(ushort head, VirtioChain chain)
    {
        chain.Start(head);
        uint index = head;
        for (uint steps = 0; steps < Size; steps++)
        {
            if (index >= Size || !TryRead(Descriptors + (index * VirtioFormat.DescriptorSize), out Descriptor descriptor))
                return false;
            if ((descriptor.Flags & VirtioFormat.DescriptorIndirect) != 0)
                return TryCollectIndirect(in descriptor, chain, linked: true);
            if (!chain.TryAdd(descriptor.Address, descriptor.Length, (descriptor.Flags & VirtioFormat.DescriptorWrite) != 0))
                return false;
            if ((descriptor.Flags & VirtioFormat.DescriptorNext) == 0)
                return true;
            index = descriptor.Last;
        }

        return false;
    }
}
