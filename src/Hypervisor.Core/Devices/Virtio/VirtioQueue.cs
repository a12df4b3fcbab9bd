using Hypervisor.Core.Memory;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// The device's side of a virtqueue, split or packed as the driver negotiated. The rings are guest memory that a hostile or
/// racing guest may change at any time: each value is read once, checked, and every loop is bounded. What breaks the rules
/// sets <see cref="IsBroken"/>, and the queue rests until the driver resets the device. A device returns each request before
/// it takes the next.
/// </summary>
internal sealed class VirtioQueue(GuestMemory memory, ushort maximumSize)
{
    private const long BytesPerRound = 16 << 20;

    private readonly SplitRing _split = new(memory);
    private readonly PackedRing _packed = new(memory);
    private VirtioRing? _ring;
    private int _quota;
    private long _byteQuota;

    /// <summary>The most entries the driver may choose.</summary>
    public ushort MaximumSize => maximumSize;

    /// <summary>The entries the driver chose.</summary>
    public uint Size { get; set; }

    /// <summary>Where the driver put the descriptors.</summary>
    public ulong DescriptorTable { get; set; }

    /// <summary>Where the driver put its own area: the available ring, or its event suppression.</summary>
    public ulong DriverArea { get; set; }

    /// <summary>Where the driver put the device's area: the used ring, or the device's event suppression.</summary>
    public ulong DeviceArea { get; set; }

    /// <summary>Whether the driver put the queue in use.</summary>
    public bool IsReady { get; private set; }

    /// <summary>Whether the driver broke the rules.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Whether processing stopped only because it had its share: more may wait.</summary>
    public bool QuotaUsed => _quota == 0 || _byteQuota <= 0;

    /// <summary>Puts the queue in use where its shape is sound; breaks it where not.</summary>
    public void Enable(ulong features)
    {
        _ring = (features & VirtioFormat.FeaturePacked) != 0 ? _packed : _split;
        IsReady = Size > 0 && Size <= maximumSize && _ring.TryPlace(Size, DescriptorTable, DriverArea, DeviceArea, features);
        IsBroken = !IsReady;
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
        DriverArea = 0;
        DeviceArea = 0;
        _split.Reset();
        _packed.Reset();
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
        if (!IsReady || IsBroken || QuotaUsed || _ring is null)
            return false;
        bool taken = _ring.TryPop(chain);
        IsBroken = _ring.IsBroken;
        if (!taken || IsBroken)
            return false;
        _quota--;
        _byteQuota -= chain.ReadableLength + chain.WritableLength;
        return true;
    }

    /// <summary>Returns the request taken last to the driver.</summary>
    /// <param name="head">The request's <see cref="VirtioChain.Head"/>.</param>
    /// <param name="written">How many bytes of its writable part the device wrote, from the start.</param>
    public void Push(ushort head, uint written)
    {
        _ring!.Push(head, written);
        IsBroken |= _ring.IsBroken;
    }

    /// <summary>Whether the driver wants to hear of what was returned since it last did (§2.7.7, §2.7.10, §2.8.10).</summary>
    public bool TakeInterrupt() => IsReady && _ring!.TakeInterrupt();

    public void Save(StateWriter writer)
    {
        writer.Write(Size);
        writer.Write(DescriptorTable);
        writer.Write(DriverArea);
        writer.Write(DeviceArea);
        writer.Write(IsReady);
        writer.Write(IsBroken);
        _split.Save(writer);
        _packed.Save(writer);
    }

    public void Load(StateReader reader, ulong features)
    {
        Size = reader.ReadUInt32();
        DescriptorTable = reader.ReadUInt64();
        DriverArea = reader.ReadUInt64();
        DeviceArea = reader.ReadUInt64();
        bool ready = reader.ReadBool();
        bool broken = reader.ReadBool();
        _split.Load(reader);
        _packed.Load(reader);
        IsReady = false;
        if (ready)
        {
            Enable(features);
            if (!IsReady)
                throw reader.Damaged("a virtqueue in use whose rings do not lie in memory");
        }

        IsBroken = broken;
    }
}
