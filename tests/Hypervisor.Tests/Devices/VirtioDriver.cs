using System.Buffers.Binary;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Memory;

namespace Hypervisor.Tests.Devices;

/// <summary>A buffer of a request.</summary>
internal readonly record struct GuestBuffer(ulong Address, uint Length, bool Writable);

/// <summary>The driver's side of one queue of a virtio-mmio device, written from virtio 1.2 §2.7 and §3.1.1.</summary>
internal sealed class VirtioDriver
{
    public const ulong Ram = 0x8000_0000;
    public const ulong Version1 = 1UL << 32;
    public const ulong Indirect = 1UL << 28;
    public const ulong EventIndex = 1UL << 29;

    private readonly GuestMemory _memory;
    private readonly VirtioMmio _mmio;
    private readonly uint _queue;
    private readonly uint _size;
    private readonly bool _indirect;
    private readonly bool _eventIndex;
    private readonly ulong _base;
    private ushort _nextDescriptor;
    private ushort _added;
    private ushort _seen;

    public VirtioDriver(GuestMemory memory, VirtioMmio mmio, uint queue, uint size, ulong features)
    {
        _memory = memory;
        _mmio = mmio;
        _queue = queue;
        _size = size;
        _indirect = (features & Indirect) != 0;
        _eventIndex = (features & EventIndex) != 0;
        _base = Ram + (0x10000 * (ulong)queue);
    }

    public ulong Descriptors => _base;

    public ulong Available => _base + 0x4000;

    public ulong Used => _base + 0x5000;

    public ulong IndirectTable => _base + 0x8000;

    public ushort UsedIndex => Read<ushort>(Used + 2);

    public ushort AvailableEvent => Read<ushort>(Used + 4 + (8 * (ulong)_size));

    public static uint Get(VirtioMmio mmio, ulong register) => (uint)mmio.Read(register, 4);

    public static void Set(VirtioMmio mmio, ulong register, ulong value) => mmio.Write(register, 4, (uint)value);

    /// <summary>Brings a device up to FEATURES_OK.</summary>
    public static void Negotiate(VirtioMmio mmio, ulong features)
    {
        Set(mmio, 0x70, 0);
        Set(mmio, 0x70, 1);
        Set(mmio, 0x70, 3);
        Set(mmio, 0x24, 0);
        Set(mmio, 0x20, features & 0xffffffff);
        Set(mmio, 0x24, 1);
        Set(mmio, 0x20, features >> 32);
        Set(mmio, 0x70, 11);
        Assert.Equal(11u, Get(mmio, 0x70));
    }

    public VirtioDriver Configure()
    {
        Set(_mmio, 0x30, _queue);
        Set(_mmio, 0x38, _size);
        Set(_mmio, 0x80, Descriptors & 0xffffffff);
        Set(_mmio, 0x84, Descriptors >> 32);
        Set(_mmio, 0x90, Available & 0xffffffff);
        Set(_mmio, 0x94, Available >> 32);
        Set(_mmio, 0xa0, Used & 0xffffffff);
        Set(_mmio, 0xa4, Used >> 32);
        Set(_mmio, 0x44, 1);
        Assert.Equal(1u, Get(_mmio, 0x44));
        return this;
    }

    /// <summary>Makes one queue and the device live.</summary>
    public static VirtioDriver Start(GuestMemory memory, VirtioMmio mmio, uint queue = 0, uint size = 8, ulong features = 0)
    {
        Negotiate(mmio, features | Version1);
        var driver = new VirtioDriver(memory, mmio, queue, size, features).Configure();
        Set(mmio, 0x70, 15);
        return driver;
    }

    /// <summary>Offers a chain; returns its head.</summary>
    public ushort Add(params ReadOnlySpan<GuestBuffer> buffers)
    {
        var head = _nextDescriptor;
        if (_indirect)
        {
            for (var i = 0; i < buffers.Length; i++)
            {
                Describe(IndirectTable + (16 * (ulong)i), buffers[i].Address, buffers[i].Length, Flags(buffers, i), (ushort)(i + 1));
            }

            Describe(Descriptors + (16 * (ulong)head), IndirectTable, (uint)buffers.Length * 16, 4, 0);
            _nextDescriptor = (ushort)((head + 1) % _size);
        }
        else
        {
            for (var i = 0; i < buffers.Length; i++)
            {
                var next = (ushort)((_nextDescriptor + 1) % _size);
                Describe(Descriptors + (16 * (ulong)_nextDescriptor), buffers[i].Address, buffers[i].Length, Flags(buffers, i), next);
                _nextDescriptor = next;
            }
        }

        Offer(head);
        return head;
    }

    public void Offer(ushort head)
    {
        Write(Available + 4 + (2 * (ulong)(_added % _size)), head);
        _added++;
        Write(Available + 2, _added);
    }

    /// <summary>Rings the doorbell.</summary>
    public void Notify() => Set(_mmio, 0x50, _queue);

    /// <summary>Whether, by the event index, the driver would have to ring for what it added last.</summary>
    public bool MustNotify => !_eventIndex || (ushort)(_added - AvailableEvent - 1) < 1;

    /// <summary>Asks for an interrupt once the used index passes a value.</summary>
    public void WantInterruptAfter(ushort used) => Write(Available + 4 + (2 * (ulong)_size), used);

    public void SuppressInterrupts(bool suppress) => Write<ushort>(Available, suppress ? (ushort)1 : (ushort)0);

    /// <summary>Takes the next used entry where there is one.</summary>
    public bool TryTake(out uint head, out uint written)
    {
        (head, written) = _seen == UsedIndex ? (0, 0) : Take();
        return written != 0;
    }

    /// <summary>Takes the next used entry.</summary>
    public (uint Head, uint Written) Take()
    {
        Assert.NotEqual(_seen, UsedIndex);
        var entry = Read<ulong>(Used + 4 + (8 * (ulong)(_seen % _size)));
        _seen++;
        return ((uint)entry, (uint)(entry >> 32));
    }

    public void Describe(ulong at, ulong address, uint length, ushort flags, ushort next)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, address);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], length);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[12..], flags);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[14..], next);
        Assert.True(_memory.TryWrite(at, bytes));
    }

    private static ushort Flags(ReadOnlySpan<GuestBuffer> buffers, int index)
        => (ushort)((buffers[index].Writable ? 2 : 0) | (index < buffers.Length - 1 ? 1 : 0));

    private T Read<T>(ulong address) where T : unmanaged
    {
        Assert.True(_memory.TryRead(address, out T value));
        return value;
    }

    private void Write<T>(ulong address, T value) where T : unmanaged => Assert.True(_memory.TryWrite(address, value));
}
