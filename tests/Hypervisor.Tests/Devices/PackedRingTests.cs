using System.Buffers.Binary;
using FsCheck.Fluent;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Devices;

/// <summary>Packed queues (virtio 1.2 §2.8) against a driver written from the specification.</summary>
public sealed class PackedRingTests
{
    private const ulong Ram = VirtioDriver.Ram;
    private const ulong Ring = Ram;
    private const ulong DriverArea = Ram + 0x8000;
    private const ulong DeviceArea = Ram + 0x8010;
    private const ulong Tables = Ram + 0x1_0000;
    private const ulong Buffers = Ram + 0x4_0000;
    private const ulong Packed = 1UL << 34;

    /// <summary>Whatever requests come, in whatever cuts and rings: each comes back once, in order, with its bytes, and heard of when asked.</summary>
    [Fact]
    public void Queue_AnyRequests_AreReturnedOnceWithTheirBytes() => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
    {
        var random = new Random(seed);
        ulong features = VirtioDriver.Version1 | Packed | (random.Next(2) == 0 ? VirtioDriver.Indirect : 0) | (random.Next(2) == 0 ? VirtioDriver.EventIndex : 0);
        using var memory = new GuestMemory(new MemoryRegion(Ram, 1 << 20));
        var line = new FakeLine();
        var mmio = new VirtioMmio(memory, new FakeTimers(), line, new Reverser());
        var driver = new Driver(memory, mmio, (ushort)random.Next(1, 65), features);
        int outstanding = 0;
        for (int step = 0; step < 120; step++)
        {
            int parts = random.Next(1, 5);
            if (random.Next(3) != 0 && driver.Offer(random, parts))
                outstanding++;
            if (random.Next(3) == 0)
            {
                bool mustRing = driver.MustNotify;
                if (random.Next(4) == 0 || mustRing)
                    VirtioDriver.Set(mmio, 0x50, 0);
                else if (outstanding > 0 && (features & VirtioDriver.EventIndex) == 0)
                    Assert.Fail("a device without event indexes never asks for silence");
            }

            if (random.Next(4) == 0)
            {
                VirtioDriver.Set(mmio, 0x50, 0);
                bool expected = driver.WillHear;
                Assert.True(!expected || line.Raised, "what the driver asked to hear of was returned in silence");
                outstanding -= driver.TakeAll();
                Assert.Equal(0, outstanding);
                VirtioDriver.Set(mmio, 0x64, 3);
                driver.Wish(random);
            }
        }

        Assert.Equal(15u, VirtioDriver.Get(mmio, 0x70));
        return true;
    }, cases: 300);

    [Fact]
    public void Queue_SavedInMidLap_GoesOnWhereItStood()
    {
        using var memory = new GuestMemory(new MemoryRegion(Ram, 1 << 20));
        var mmio = new VirtioMmio(memory, new FakeTimers(), new FakeLine(), new Reverser());
        var random = new Random(5);
        var driver = new Driver(memory, mmio, 7, VirtioDriver.Version1 | Packed);
        for (int i = 0; i < 5; i++)
        {
            Assert.True(driver.Offer(random, 2));
            VirtioDriver.Set(mmio, 0x50, 0);
            Assert.Equal(1, driver.TakeAll());
        }

        var other = new VirtioMmio(memory, new FakeTimers(), new FakeLine(), new Reverser());
        DeviceState.Load(other, DeviceState.Of(mmio));
        Assert.Equal(DeviceState.Of(mmio), DeviceState.Of(other));
        Assert.True(driver.Offer(random, 3));
        VirtioDriver.Set(other, 0x50, 0);
        Assert.Equal(1, driver.TakeAll());
    }

    /// <summary>Rings of noise, changed while they are used: the device asks for a reset or goes on, and touches nothing but its buffers.</summary>
    [Fact]
    public void Queue_HostileRing_IsContained() => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
    {
        var random = new Random(seed);
        using var memory = new GuestMemory(new MemoryRegion(Ram, 1 << 20));
        var mmio = new VirtioMmio(memory, new FakeTimers(), new FakeLine(), new Reverser());
        var driver = new Driver(memory, mmio, (ushort)random.Next(1, 65), VirtioDriver.Version1 | Packed | VirtioDriver.Indirect | VirtioDriver.EventIndex);
        ulong[] places = [0, Ram - 1, Ram, Ring, DriverArea, Tables, Buffers, Ram + (1 << 20) - 1, ulong.MaxValue - 7];
        byte[] descriptor = new byte[16];
        for (int step = 0; step < 60; step++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(descriptor, random.Next(3) == 0 ? places[random.Next(places.Length)] : Buffers + (ulong)random.Next(4096));
            BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(8), random.Next(8) switch { 0 => uint.MaxValue, 1 => 0u, 2 => 1u << 31, _ => (uint)random.Next(256) });
            BinaryPrimitives.WriteUInt16LittleEndian(descriptor.AsSpan(12), (ushort)random.Next(65536));
            BinaryPrimitives.WriteUInt16LittleEndian(descriptor.AsSpan(14), (ushort)(random.Next(8) | (random.Next(2) << 7) | (random.Next(2) << 15)));
            Assert.True(memory.TryWrite(Ring + (16 * (ulong)random.Next(64)), descriptor));
            Assert.True(memory.TryWrite(DriverArea, (uint)random.Next()));
            VirtioDriver.Set(mmio, 0x50, 0);
            if ((VirtioDriver.Get(mmio, 0x70) & 64) != 0)
                driver.Restart();
        }

        return true;
    }, cases: 300);

    /// <summary>Answers each request with its readable bytes in reverse order.</summary>
    private sealed class Reverser : VirtioDevice
    {
        public override uint DeviceId => 42;

        public override ulong Features => 0;

        public override int QueueCount => 1;

        public override bool Process(int index, VirtioQueue queue, VirtioChain chain)
        {
            while (queue.TryPop(chain))
            {
                byte[] bytes = new byte[Math.Min(chain.ReadableLength, 1 << 16)];
                chain.CopyReadable(0, bytes);
                bytes.AsSpan().Reverse();
                queue.Push(chain.Head, (uint)chain.CopyWritable(0, bytes));
            }

            return true;
        }
    }

    /// <summary>The driver's side.</summary>
    private sealed class Driver
    {
        private readonly GuestMemory _memory;
        private readonly VirtioMmio _mmio;
        private readonly ushort _size;
        private readonly ulong _features;
        private readonly Queue<(ushort Id, int Slots, byte[] Sent, List<(ulong Address, int Length)> Room)> _sent = new();
        private ushort _next;
        private ushort _used;
        private bool _nextLap = true;
        private bool _usedLap = true;
        private int _free;
        private ushort _id;
        private int _offeredBeforeLast;
        private int _offered;
        private uint _wish;
        private int _wishedAfter;

        public Driver(GuestMemory memory, VirtioMmio mmio, ushort size, ulong features)
        {
            (_memory, _mmio, _size, _features, _free) = (memory, mmio, size, features, size);
            Restart();
        }

        /// <summary>Whether the device asked to be rung for what was offered last.</summary>
        public bool MustNotify
        {
            get
            {
                uint asked = Read<uint>(DeviceArea);
                if (asked >> 16 == 0)
                    return true;
                int place = (int)(asked & 0x7fff);
                if ((asked >> 15 & 1) != (_nextLap ? 1u : 0))
                    place -= _size;
                return (ushort)(_next - place - 1) < (ushort)(_offered - _offeredBeforeLast);
            }
        }

        /// <summary>Whether, by what the driver wished, an interrupt is due once all that was offered is returned.</summary>
        public bool WillHear => _sent.Count > 0 && (_wish >> 16) switch
        {
            0 => true,
            2 => _sent.Sum(request => request.Slots) > _wishedAfter,
            _ => false,
        };

        public void Restart()
        {
            VirtioDriver.Negotiate(_mmio, _features);
            _memory.TryWrite(Ring, new byte[16 * 64]);
            _memory.TryWrite(DriverArea, 0UL);
            _memory.TryWrite(DeviceArea, 0UL);
            VirtioDriver.Set(_mmio, 0x30, 0);
            VirtioDriver.Set(_mmio, 0x38, _size);
            foreach ((ulong register, ulong address) in ((ulong, ulong)[])[(0x80, Ring), (0x90, DriverArea), (0xa0, DeviceArea)])
            {
                VirtioDriver.Set(_mmio, register, address & 0xffffffff);
                VirtioDriver.Set(_mmio, register + 4, address >> 32);
            }

            VirtioDriver.Set(_mmio, 0x44, 1);
            VirtioDriver.Set(_mmio, 0x70, 15);
        }

        public bool Offer(Random random, int parts)
        {
            bool indirect = (_features & VirtioDriver.Indirect) != 0 && random.Next(2) == 0;
            int slots = indirect ? 1 : parts;
            if (slots > _free)
                return false;
            ulong at = Buffers + (ulong)(_id % 64 * 4096);
            int readable = random.Next(0, parts);
            var sent = new List<byte>();
            var room = new List<(ulong, int)>();
            var descriptors = new List<(ulong Address, uint Length, ushort Flags)>();
            for (int i = 0; i < parts; i++)
            {
                int length = random.Next(1, 300);
                if (i < readable)
                {
                    byte[] bytes = new byte[length];
                    random.NextBytes(bytes);
                    Assert.True(_memory.TryWrite(at, bytes));
                    sent.AddRange(bytes);
                }
                else
                {
                    room.Add((at, length));
                }

                descriptors.Add((at, (uint)length, (ushort)(i < readable ? 0 : 2)));
                at += 512;
            }

            ushort id = (ushort)(_id * 7);
            if (indirect)
            {
                ulong table = Tables + (ulong)(_id % 64 * 256);
                for (int i = 0; i < parts; i++)
                    Describe(table + (16 * (ulong)i), descriptors[i].Address, descriptors[i].Length, 0, descriptors[i].Flags);
                Put(table, (uint)(16 * parts), 4, id, first: true, out ulong head, out ushort flags);
                Publish(head, flags);
            }
            else
            {
                ulong firstAt = 0;
                ushort firstFlags = 0;
                for (int i = 0; i < parts; i++)
                {
                    (ulong address, uint length, ushort kind) = descriptors[i];
                    Put(address, length, (ushort)(kind | (i < parts - 1 ? 1 : 0)), id, i == 0, out ulong place, out ushort flags);
                    if (i == 0)
                        (firstAt, firstFlags) = (place, flags);
                }

                Publish(firstAt, firstFlags);
            }

            _free -= slots;
            _offeredBeforeLast = _offered;
            _offered += slots;
            _sent.Enqueue((id, slots, [.. sent], room));
            _id++;
            return true;
        }

        /// <summary>Takes what was returned, and checks it; how many requests.</summary>
        public int TakeAll()
        {
            int taken = 0;
            while (_sent.TryPeek(out var request))
            {
                ulong place = Ring + (16 * (ulong)_used);
                ushort flags = Read<ushort>(place + 14);
                if ((flags & 0x80) != 0 != _usedLap || (flags & 0x8000) != 0 != _usedLap)
                    break;
                _sent.Dequeue();
                Assert.Equal(request.Id, Read<ushort>(place + 12));
                int expected = Math.Min(request.Sent.Length, request.Room.Sum(each => each.Length));
                Assert.Equal((uint)expected, Read<uint>(place + 8));
                byte[] answer = [.. request.Sent.Reverse().Take(expected)];
                int at = 0;
                foreach ((ulong address, int length) in request.Room)
                {
                    byte[] bytes = new byte[Math.Min(length, expected - at)];
                    Assert.True(_memory.TryRead(address, bytes));
                    Assert.Equal(answer[at..(at + bytes.Length)], bytes);
                    at += bytes.Length;
                }

                _used += (ushort)request.Slots;
                if (_used >= _size)
                {
                    _used -= _size;
                    _usedLap = !_usedLap;
                }

                _free += request.Slots;
                taken++;
            }

            return taken;
        }

        /// <summary>Says when to be interrupted next: always, never, or at a place in the ring.</summary>
        public void Wish(Random random)
        {
            uint kind = (uint)random.Next((_features & VirtioDriver.EventIndex) != 0 ? 3 : 2);
            _wishedAfter = random.Next(_size);
            int place = _used + _wishedAfter;
            bool lap = _usedLap;
            if (place >= _size)
            {
                place -= _size;
                lap = !lap;
            }

            _wish = kind << 16 | (lap ? 1u << 15 : 0) | (uint)place;
            Assert.True(_memory.TryWrite(DriverArea, _wish));
        }

        private void Put(ulong address, uint length, ushort kind, ushort id, bool first, out ulong place, out ushort flags)
        {
            place = Ring + (16 * (ulong)_next);
            flags = (ushort)(kind | (_nextLap ? 0x80 : 0x8000));
            ushort hidden = first ? Read<ushort>(place + 14) : flags;
            Describe(place, address, length, id, hidden);
            if (++_next == _size)
            {
                _next = 0;
                _nextLap = !_nextLap;
            }
        }

        private void Publish(ulong place, ushort flags) => Assert.True(_memory.TryWrite(place + 14, flags));

        private void Describe(ulong place, ulong address, uint length, ushort id, ushort flags)
        {
            Assert.True(_memory.TryWrite(place, address) && _memory.TryWrite(place + 8, length) && _memory.TryWrite(place + 12, id) && _memory.TryWrite(place + 14, flags));
        }

        private T Read<T>(ulong address) where T : unmanaged
        {
            Assert.True(_memory.TryRead(address, out T value));
            return value;
        }
    }
}
