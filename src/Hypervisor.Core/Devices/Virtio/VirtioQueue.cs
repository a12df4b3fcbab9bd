using Hypervisor.Core.Memory;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// The device's side of a split virtqueue (virtio 1.2 §2.7), with indirect descriptors and event indexes. The rings are guest
/// memory that a hostile or racing guest may change at any time: each value is read once, checked, and every loop is bounded.
/// What breaks the rules sets <see cref="IsBroken"/>, and the queue rests until the driver resets the device.
/// </summary>
internal sealed class VirtioQueue(GuestMemory memory, ushort maximumSize)
{
    private const int UsedEntrySize = 8;
    private const int RingHeader = 4;
    private const long BytesPerRound = 16 << 20;

    private bool _indirect;
    private bool _eventIndex;
    private ushort _nextAvailable;
    private ushort _usedIndex;
    private ushort _signalled;
    private int _quota;
    private long _byteQuota;

    /// <summary>The most entries the driver may choose.</summary>
    public ushort MaximumSize => maximumSize;

    /// <summary>The entries the driver chose.</summary>
    public uint Size { get; set; }

    /// <summary>Where the driver put the descriptors.</summary>
    public ulong DescriptorTable { get; set; }

    /// <summary>Where the driver put the available ring.</summary>
    public ulong AvailableRing { get; set; }

    /// <summary>Where the driver put the used ring.</summary>
    public ulong UsedRing { get; set; }

    /// <summary>Whether the driver put the queue in use.</summary>
    public bool IsReady { get; private set; }

    /// <summary>Whether the driver broke the rules.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Whether processing stopped only because it had its share: more may wait.</summary>
    public bool QuotaUsed => _quota == 0 || _byteQuota <= 0;

    /// <summary>Puts the queue in use where its shape is sound; breaks it where not.</summary>
    public void Enable(ulong features)
    {
        IsReady = Size > 0 && Size <= maximumSize && (Size & (Size - 1)) == 0
            && (DescriptorTable & 15) == 0 && (AvailableRing & 1) == 0 && (UsedRing & 3) == 0
            && memory.Contains(DescriptorTable, Size * VirtioFormat.DescriptorSize)
            && memory.Contains(AvailableRing, RingHeader + (Size * 2) + 2)
            && memory.Contains(UsedRing, RingHeader + (Size * UsedEntrySize) + 2);
        IsBroken = !IsReady;
        _indirect = (features & VirtioFormat.FeatureIndirect) != 0;
        _eventIndex = (features & VirtioFormat.FeatureEventIndex) != 0;
    }

    /// <summary>Takes the queue out of use.</summary>
    public void Disable() => IsReady = false;

    /// <summary>Forgets everything, as after a reset of the device.</summary>
    public void Reset()
    {
        IsReady = false;
        IsBroken = false;
        Size = maximumSize;
        DescriptorTable = 0;
        AvailableRing = 0;
        UsedRing = 0;
        _nextAvailable = 0;
        _usedIndex = 0;
        _signalled = 0;
    }

    /// <summary>
    /// Gives the queue its share of requests for one round of processing. The driver can have no more than the queue's size
    /// outstanding; a guest that adds more from another hart meanwhile, or whose requests are huge, must not keep this hart in
    /// the device for long.
    /// </summary>
    public void BeginRound()
    {
        _quota = 2 * maximumSize;
        _byteQuota = BytesPerRound;
    }

    /// <summary>Takes the next request; false where none waits, where the round's share is used, or where the queue is broken.</summary>
    public bool TryPop(VirtioChain chain)
    {
        if (!IsReady || IsBroken || QuotaUsed || !HasAvailable())
            return false;
        _quota--;
        if (!memory.TryRead(AvailableRing + RingHeader + (2 * ((ulong)_nextAvailable & (Size - 1))), out ushort head)
            || !TryCollect(head, chain))
        {
            IsBroken = true;
            return false;
        }

        _byteQuota -= chain.ReadableLength + chain.WritableLength;
        _nextAvailable++;
        return true;
    }

    /// <summary>Returns a request to the driver.</summary>
    /// <param name="head">The request's <see cref="VirtioChain.Head"/>.</param>
    /// <param name="written">How many bytes of its writable part the device wrote, from the start.</param>
    public void Push(ushort head, uint written)
    {
        ulong entry = UsedRing + RingHeader + (UsedEntrySize * ((ulong)_usedIndex & (Size - 1)));
        _usedIndex++;
        if (!memory.TryWrite(entry, head | ((ulong)written << 32)))
        {
            IsBroken = true;
            return;
        }

        // The entry must be visible before the index that shows it.
        Interlocked.MemoryBarrier();
        IsBroken |= !memory.TryWrite(UsedRing + 2, _usedIndex);
    }

    /// <summary>Whether the driver wants to hear of what was returned since it last did (§2.7.7, §2.7.10).</summary>
    public bool TakeInterrupt()
    {
        ushort old = _signalled;
        if (!IsReady || old == _usedIndex)
            return false;
        _signalled = _usedIndex;

        // The index must be visible before the driver's wish is read.
        Interlocked.MemoryBarrier();
        if (!_eventIndex)
            return !memory.TryRead(AvailableRing, out ushort flags) || (flags & VirtioFormat.NoInterrupt) == 0;
        if (!memory.TryRead(AvailableRing + RingHeader + (2 * (ulong)Size), out ushort wanted))
            return true;
        return (ushort)(_usedIndex - wanted - 1) < (ushort)(_usedIndex - old);
    }

    public void Save(StateWriter writer)
    {
        writer.Write(Size);
        writer.Write(DescriptorTable);
        writer.Write(AvailableRing);
        writer.Write(UsedRing);
        writer.Write(IsReady);
        writer.Write(IsBroken);
        writer.Write(_nextAvailable);
        writer.Write(_usedIndex);
        writer.Write(_signalled);
    }

    public void Load(StateReader reader, ulong features)
    {
        Size = reader.ReadUInt32();
        DescriptorTable = reader.ReadUInt64();
        AvailableRing = reader.ReadUInt64();
        UsedRing = reader.ReadUInt64();
        bool ready = reader.ReadBool();
        bool broken = reader.ReadBool();
        _nextAvailable = reader.ReadUInt16();
        _usedIndex = reader.ReadUInt16();
        _signalled = reader.ReadUInt16();
        IsReady = false;
        if (ready)
        {
            Enable(features);
            if (!IsReady)
                throw reader.Damaged("a virtqueue in use whose rings do not lie in memory");
        }

        IsBroken = broken;
    }

    /// <summary>
    /// Whether a request waits. Where none does, and the driver wants event indexes, it is asked to tell of the next one
    /// before looking again: one added in between would be missed otherwise.
    /// </summary>
    private bool HasAvailable()
    {
        if (!TryReadAvailable(out ushort waiting))
            return false;
        if (waiting > 0 || !_eventIndex)
            return waiting > 0;
        if (!memory.TryWrite(UsedRing + RingHeader + (UsedEntrySize * (ulong)Size), _nextAvailable))
        {
            IsBroken = true;
            return false;
        }

        Interlocked.MemoryBarrier();
        return TryReadAvailable(out waiting) && waiting > 0;
    }

    private bool TryReadAvailable(out ushort waiting)
    {
        bool read = memory.TryRead(AvailableRing + 2, out ushort index);

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
        ulong table = DescriptorTable;
        uint entries = Size;
        uint index = head;
        for (uint steps = 0; steps < entries; steps++)
        {
            if (index >= entries || !TryReadDescriptor(table + (index * VirtioFormat.DescriptorSize), out Descriptor descriptor))
                return false;
            if ((descriptor.Flags & VirtioFormat.DescriptorIndirect) != 0)
            {
                // Allowed once, at the end of a chain in the queue's own table (§2.7.5.3).
                uint count = descriptor.Length / VirtioFormat.DescriptorSize;
                if (!_indirect || table != DescriptorTable || (descriptor.Flags & VirtioFormat.DescriptorNext) != 0
                    || descriptor.Length % VirtioFormat.DescriptorSize != 0 || count is 0 or > VirtioChain.MaximumBuffers
                    || !memory.Contains(descriptor.Address, descriptor.Length))
                    return false;
                return TryCollectIndirect(descriptor.Address, count, chain);
            }

            if (!chain.TryAdd(descriptor.Address, descriptor.Length, (descriptor.Flags & VirtioFormat.DescriptorWrite) != 0))
                return false;
            if ((descriptor.Flags & VirtioFormat.DescriptorNext) == 0)
                return true;
            index = descriptor.Next;
        }

        return false;
    }

    private bool TryCollectIndirect(ulong table, uint entries, VirtioChain chain)
    {
        uint index = 0;
        for (uint steps = 0; steps < entries; steps++)
        {
            if (index >= entries || !TryReadDescriptor(table + (index * VirtioFormat.DescriptorSize), out Descriptor descriptor)
                || (descriptor.Flags & VirtioFormat.DescriptorIndirect) != 0
                || !chain.TryAdd(descriptor.Address, descriptor.Length, (descriptor.Flags & VirtioFormat.DescriptorWrite) != 0))
                return false;
            if ((descriptor.Flags & VirtioFormat.DescriptorNext) == 0)
                return true;
            index = descriptor.Next;
        }

        return false;
    }

    private bool TryReadDescriptor(ulong address, out Descriptor descriptor)
    {
        bool read = memory.TryRead(address, out ulong buffer) & memory.TryRead(address + 8, out ulong rest);
        descriptor = new Descriptor(buffer, (uint)rest, (ushort)(rest >> 32), (ushort)(rest >> 48));
        return read;
    }

    private readonly record struct Descriptor(ulong Address, uint Length, ushort Flags, ushort Next);
}
