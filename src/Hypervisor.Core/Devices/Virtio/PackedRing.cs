using Hypervisor.Core.Memory;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// The packed format (virtio 1.2 §2.8): one ring of descriptors, which the driver makes available and the device overwrites
/// with what it used; two bits and a counter that turns with each lap tell which is which.
/// </summary>
internal sealed class PackedRing(GuestMemory memory) : VirtioRing(memory)
{
    private const ushort Available = 1 << 7;
    private const ushort Used = 1 << 15;
    private const int IdOffset = 12;
    private const int FlagsOffset = 14;

    // Event suppression (§2.8.10): a place in the ring with its lap, then what it means.
    private const uint EventsOff = 1;
    private const uint EventAtPlace = 2;
    private const int LapBit = 15;

    private ushort _next;
    private ushort _used;
    private bool _nextLap = true;
    private bool _usedLap = true;
    private ushort _taken;
    private ushort _unsignalled;

    public override bool TryPop(VirtioChain chain)
    {
        if (!HasAvailable() || !TryCollect(chain))
            return false;
        _next += _taken;
        if (_next >= Size)
        {
            _next -= (ushort)Size;
            _nextLap = !_nextLap;
        }

        return true;
    }

    public override void Push(ushort head, uint written)
    {
        ulong entry = Descriptors + ((ulong)_used * VirtioFormat.DescriptorSize);
        var flags = (ushort)((_usedLap ? Available | Used : 0) | (written > 0 ? VirtioFormat.DescriptorWrite : 0));
        if (!Memory.TryWrite(entry + 8, written) || !Memory.TryWrite(entry + IdOffset, head))
        {
            IsBroken = true;
            return;
        }

        // The rest must be visible before the flags that show it.
        Interlocked.MemoryBarrier();
        IsBroken |= !Memory.TryWrite(entry + FlagsOffset, flags);
        _unsignalled += _taken;
        _used += _taken;
        if (_used >= Size)
        {
            _used -= (ushort)Size;
            _usedLap = !_usedLap;
        }
    }

    public override bool TakeInterrupt()
    {
        ushort count = _unsignalled;
        if (count == 0)
            return false;
        _unsignalled = 0;

        // What was used must be visible before the driver's wish is read.
        Interlocked.MemoryBarrier();
        if (!Memory.TryRead(DriverArea, out uint wish))
            return true;
        uint kind = wish >> 16 & 3;
        if (kind == EventsOff)
            return false;
        if (kind != EventAtPlace || !UsesEventIndex)
            return true;
        int place = (int)(wish & ((1 << LapBit) - 1));
        if ((wish >> LapBit & 1) != (_usedLap ? 1u : 0))
            place -= (int)Size;
        return (ushort)(_used - place - 1) < count;
    }

    public override void Reset()
    {
        IsBroken = false;
        _next = 0;
        _used = 0;
        _nextLap = true;
        _usedLap = true;
        _taken = 0;
        _unsignalled = 0;
    }

    public override void Save(StateWriter writer)
    {
        writer.Write(_next);
        writer.Write(_used);
        writer.Write(_nextLap);
        writer.Write(_usedLap);
        writer.Write(_unsignalled);
    }

    public override void Load(StateReader reader)
    {
        _next = reader.ReadUInt16();
        _used = reader.ReadUInt16();
        _nextLap = reader.ReadBool();
        _usedLap = reader.ReadBool();
        _unsignalled = reader.ReadUInt16();
    }

    protected override bool IsSound()
        => _next < Size && _used < Size && (DriverArea & 3) == 0 && (DeviceArea & 3) == 0 && Memory.Contains(DriverArea, 4) && Memory.Contains(DeviceArea, 4);

    /// <summary>Whether a request waits; where none does, the driver is asked to tell of the next before looking again.</summary>
    private bool HasAvailable()
    {
        if (IsAvailable(_next, _nextLap))
            return true;
        if (IsBroken || !UsesEventIndex)
            return false;
        uint wish = _next | (_nextLap ? 1u << LapBit : 0) | EventAtPlace << 16;
        if (!Memory.TryWrite(DeviceArea, wish))
        {
            IsBroken = true;
            return false;
        }

        Interlocked.MemoryBarrier();
        return IsAvailable(_next, _nextLap);
    }

    private bool IsAvailable(uint index, bool lap)
    {
        if (!Memory.TryRead(Descriptors + (index * VirtioFormat.DescriptorSize) + FlagsOffset, out ushort flags))
        {
            IsBroken = true;
            return false;
        }

        // Nothing the flags show may be read before them.
        Interlocked.MemoryBarrier();
        return (flags & Available) != 0 == lap && (flags & Used) != 0 != lap;
    }

    /// <summary>Takes the descriptors of the next request, which follow each other round the ring; the last one has its id.</summary>
    private bool TryCollect(VirtioChain chain)
    {
        chain.Start(0);
        uint index = _next;
        for (ushort count = 1; count <= Size; count++)
        {
            if (!TryRead(Descriptors + (index * VirtioFormat.DescriptorSize), out Descriptor descriptor))
                break;
            _taken = count;
            if ((descriptor.Flags & VirtioFormat.DescriptorIndirect) != 0)
            {
                // Not together with others (§2.8.8).
                if (count > 1 || !TryCollectIndirect(in descriptor, chain, linked: false))
                    break;
                chain.Name(descriptor.Last);
                return true;
            }

            if (!chain.TryAdd(descriptor.Address, descriptor.Length, (descriptor.Flags & VirtioFormat.DescriptorWrite) != 0))
                break;
            if ((descriptor.Flags & VirtioFormat.DescriptorNext) == 0)
            {
                chain.Name(descriptor.Last);
                return true;
            }

            index = index + 1 == Size ? 0 : index + 1;
        }

        IsBroken = true;
        return false;
    }
}
