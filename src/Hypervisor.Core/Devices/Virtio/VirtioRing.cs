using Hypervisor.Core.Memory;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>What the two formats of a virtqueue have in common: where its parts lie, and how a request is collected.</summary>
internal abstract class VirtioRing(GuestMemory memory)
{
    private bool _indirect;

    /// <summary>Whether the driver broke the rules.</summary>
    public bool IsBroken { get; protected set; }

    protected GuestMemory Memory { get; } = memory;

    protected uint Size { get; private set; }

    protected ulong Descriptors { get; private set; }

    protected ulong DriverArea { get; private set; }

    protected ulong DeviceArea { get; private set; }

    protected bool UsesEventIndex { get; private set; }

    /// <summary>Takes a shape; false where it is not sound.</summary>
    public bool TryPlace(uint size, ulong descriptors, ulong driverArea, ulong deviceArea, ulong features)
    {
        Size = size;
        Descriptors = descriptors;
        DriverArea = driverArea;
        DeviceArea = deviceArea;
        _indirect = (features & VirtioFormat.FeatureIndirect) != 0;
        UsesEventIndex = (features & VirtioFormat.FeatureEventIndex) != 0;
        IsBroken = (descriptors & 15) != 0 || !Memory.Contains(descriptors, size * VirtioFormat.DescriptorSize) || !IsSound();
        return !IsBroken;
    }

    /// <summary>Takes the next request; false where none waits or where the rules are broken.</summary>
    public abstract bool TryPop(VirtioChain chain);

    /// <summary>Returns the request taken last.</summary>
    public abstract void Push(ushort head, uint written);

    /// <summary>Whether the driver wants to hear of what was returned since it last did.</summary>
    public abstract bool TakeInterrupt();

    public abstract void Reset();

    public abstract void Save(StateWriter writer);

    public abstract void Load(StateReader reader);

    /// <summary>Whether the parts that are the format's own lie well.</summary>
    protected abstract bool IsSound();

    /// <summary>Adds what an indirect descriptor names. Allowed once, at the end of a request (§2.7.5.3, §2.8.19).</summary>
    protected bool TryCollectIndirect(in Descriptor indirect, VirtioChain chain, bool linked)
    {
        uint entries = indirect.Length / VirtioFormat.DescriptorSize;
        if (!_indirect || (indirect.Flags & VirtioFormat.DescriptorNext) != 0 || indirect.Length % VirtioFormat.DescriptorSize != 0
            || entries is 0 or > VirtioChain.MaximumBuffers || !Memory.Contains(indirect.Address, indirect.Length))
            return false;
        uint index = 0;
        for (uint steps = 0; steps < entries; steps++)
        {
            if (index >= entries || !TryRead(indirect.Address + (index * VirtioFormat.DescriptorSize), out Descriptor descriptor)
                || (descriptor.Flags & VirtioFormat.DescriptorIndirect) != 0
                || !chain.TryAdd(descriptor.Address, descriptor.Length, (descriptor.Flags & VirtioFormat.DescriptorWrite) != 0))
                return false;

            // A split table is linked; a packed one is used from its first entry to its last.
            if (linked && (descriptor.Flags & VirtioFormat.DescriptorNext) == 0)
                return true;
            index = linked ? descriptor.Last : index + 1;
        }

        return !linked;
    }

    protected bool TryRead(ulong address, out Descriptor descriptor)
    {
        bool read = Memory.TryRead(address, out ulong buffer) & Memory.TryRead(address + 8, out ulong rest);
        uint low = (uint)(rest >> 32);
        descriptor = this is PackedRing
            ? new Descriptor(buffer, (uint)rest, (ushort)(low >> 16), (ushort)low)
            : new Descriptor(buffer, (uint)rest, (ushort)low, (ushort)(low >> 16));
        return read;
    }

    /// <summary>A descriptor of either format; the last field is the next one's index, or the buffer's id.</summary>
    protected readonly record struct Descriptor(ulong Address, uint Length, ushort Flags, ushort Last);
}
