using System.Buffers.Binary;
using System.Globalization;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Devices;

/// <summary>The same requests through the same rings on QEMU's virtio disk and on ours must be answered the same.</summary>
public sealed class QemuDiskTests
{
    private const ulong Slot = 0x1000_8000;
    private const ulong Descriptors = 0x8000_0000;
    private const ulong Available = 0x8000_1000;
    private const ulong Used = 0x8000_2000;
    private const ulong Header = 0x8000_3000;
    private const ulong Status = 0x8000_4000;
    private const ulong Data = 0x8001_0000;
    private const int DiskSize = 64 * 512;
    private const int QueueSize = 16;

    /// <summary>One board as a driver sees it.</summary>
    private abstract class Side
    {
        private ushort _added;

        public abstract void WriteRegister(ulong register, uint value);

        public abstract uint ReadRegister(ulong register);

        public abstract void WriteMemory(ulong address, byte[] bytes);

        public abstract byte[] ReadMemory(ulong address, int length);

        public void Start()
        {
            foreach (var (register, value) in ((ulong, uint)[])
            [
                (0x70, 0), (0x70, 1), (0x70, 3), (0x24, 0), (0x20, (1 << 9) | (1 << 28)), (0x24, 1), (0x20, 1), (0x70, 11), (0x30, 0), (0x38, QueueSize),
                (0x80, (uint)Descriptors), (0x84, 0), (0x90, (uint)Available), (0x94, 0), (0xa0, (uint)Used), (0xa4, 0), (0x44, 1), (0x70, 15),
            ])
            {
                WriteRegister(register, value);
            }
        }

        /// <summary>Sends one request and tells all that a driver can see of the answer.</summary>
        public string Request(uint type, ulong sector, (uint Length, bool Writable)[] cuts)
        {
            var header = new byte[16];
            BinaryPrimitives.WriteUInt32LittleEndian(header, type);
            BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sector);
            WriteMemory(Header, header);
            WriteMemory(Status, [0xee]);
            var table = new List<byte>();
            void Describe(ulong address, uint length, bool writable, bool last)
            {
                var bytes = new byte[16];
                BinaryPrimitives.WriteUInt64LittleEndian(bytes, address);
                BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), length);
                BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(12), (ushort)((writable ? 2 : 0) | (last ? 0 : 1)));
                BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(14), (ushort)((table.Count / 16) + 1));
                table.AddRange(bytes);
            }

            Describe(Header, 16, false, false);
            var data = Data;
            foreach (var (length, writable) in cuts)
            {
                Describe(data, length, writable, false);
                data += length;
            }

            Describe(Status, 1, true, true);
            WriteMemory(Descriptors, [.. table]);
            WriteMemory(Available + 4 + (2 * (ulong)(_added % QueueSize)), [0, 0]);
            _added++;
            WriteMemory(Available + 2, BitConverter.GetBytes(_added));
            WriteRegister(0x50, 0);
            for (var tries = 0; BitConverter.ToUInt16(ReadMemory(Used + 2, 2)) != _added; tries++)
            {
                Assert.True(tries < 5000, "no answer");
                Thread.Sleep(1);
            }

            var used = ReadMemory(Used + 4 + (8 * (ulong)((_added - 1) % QueueSize)), 8);
            var pending = ReadRegister(0x60);
            WriteRegister(0x64, pending);
            var total = (int)(data - Data);
            return string.Create(CultureInfo.InvariantCulture,
                $"status {ReadMemory(Status, 1)[0]}, head {BitConverter.ToUInt32(used)}, interrupt {pending}, written {(ReadMemory(Status, 1)[0] == 0 ? BitConverter.ToUInt32(used, 4) : 0)}, data {(total > 0 ? Convert.ToHexString(ReadMemory(Data, total)) : "")}");
        }
    }

    private sealed class QemuSide(QemuBoard board) : Side
    {
        public override void WriteRegister(ulong register, uint value) => board.Write(Slot + register, 4, value);

        public override uint ReadRegister(ulong register) => (uint)board.Read(Slot + register, 4);

        public override void WriteMemory(ulong address, byte[] bytes) => board.WriteMemory(address, bytes);

        public override byte[] ReadMemory(ulong address, int length) => board.ReadMemory(address, length);
    }

    private sealed class OurSide(GuestMemory memory, VirtioMmio mmio) : Side
    {
        public override void WriteRegister(ulong register, uint value) => mmio.Write(register, 4, value);

        public override uint ReadRegister(ulong register) => (uint)mmio.Read(register, 4);

        public override void WriteMemory(ulong address, byte[] bytes) => Assert.True(memory.TryWrite(address, bytes));

        public override byte[] ReadMemory(ulong address, int length)
        {
            var bytes = new byte[length];
            Assert.True(memory.TryRead(address, bytes));
            return bytes;
        }
    }

    [PeerFact("qemu-system-riscv64")]
    public void VirtioBlock_RandomRequests_AreAnsweredAsByQemu()
    {
        const int seed = 99;
        var random = new Random(seed);
        var content = new byte[DiskSize];
        random.NextBytes(content);
        using var folder = new TemporaryFolder();
        var image = folder.Write("disk.img", content);
        // Twenty letters: of a shorter name QEMU leaves the rest of the answer unwritten.
        using var qemu = new QemuBoard("-drive", $"file={image},format=raw,if=none,id=d", "-device", "virtio-blk-device,drive=d,bus=virtio-mmio-bus.7,serial=disk-of-twenty-lettr");
        using var memory = new GuestMemory(new MemoryRegion(0x8000_0000, 1 << 20));
        var disk = new MemoryBlockBackend((byte[])content.Clone());
        Side theirs = new QemuSide(qemu);
        Side ours = new OurSide(memory, new VirtioMmio(memory, new FakeTimers(), new FakeLine(), new VirtioBlock(disk, "disk-of-twenty-lettr")));
        theirs.Start();
        ours.Start();
        for (var i = 0; i < 250; i++)
        {
            var type = random.Next(12) switch { < 5 => 0u, < 9 => 1u, 9 => 4u, 10 => 8u, _ => 77u };
            var sector = random.Next(8) == 0 ? (ulong)random.NextInt64() : (ulong)random.Next(70);
            (uint, bool)[] cuts = type switch
            {
                4 => [],
                8 => [(20, true)],
                _ => Cut(random, type != 1),
            };
            var fill = new byte[8 * 512];
            random.NextBytes(fill);
            theirs.WriteMemory(Data, fill);
            ours.WriteMemory(Data, fill);
            var what = $"seed {seed}, request {i}: type {type}, sector {sector}, {string.Join(' ', cuts)}";
            Assert.Equal((what, theirs.Request(type, sector, cuts)), (what, ours.Request(type, sector, cuts)));
        }

        Assert.Equal(theirs.Request(4, 0, []), ours.Request(4, 0, []));
        var stored = new byte[DiskSize];
        Assert.True(disk.TryRead(0, stored));
        Assert.Equal(File.ReadAllBytes(image), stored);
    }

    /// <summary>One to four sectors, now and then not whole ones, cut into buffers anywhere.</summary>
    private static (uint Length, bool Writable)[] Cut(Random random, bool writable)
    {
        var left = random.Next(1, 5) * 512;
        left -= random.Next(12) == 0 ? random.Next(1, 500) : 0;
        var cuts = new List<(uint, bool)>();
        while (left > 0)
        {
            var part = cuts.Count == 5 ? left : Math.Min(left, random.Next(3) == 0 ? random.Next(1, 700) : 512);
            cuts.Add(((uint)part, writable));
            left -= part;
        }

        return [.. cuts];
    }
}
