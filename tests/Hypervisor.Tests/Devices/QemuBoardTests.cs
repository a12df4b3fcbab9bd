using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Devices;

/// <summary>The same accesses on QEMU's board and on our devices at the same addresses must read the same.</summary>
public sealed class QemuBoardTests
{
    private const ulong Uart = 0x1000_0000;
    private const ulong PlicBase = 0x0c00_0000;
    private const ulong ClintBase = 0x0200_0000;
    private const ulong Slot = 0x1000_1000;

    private static (MmioBus Bus, GuestMemory Memory) Board(IBlockBackend? disk = null)
    {
        var bus = new MmioBus();
        var timers = new FakeTimers();
        var memory = new GuestMemory(new MemoryRegion(0x8000_0000, 1 << 20));
        var plic = new Plic(95, [new FakeLine(), new FakeLine()]);
        bus.Add(ClintBase, new Clint(timers, [new ClintHart(new FakeLine(), new FakeLine())]), "clint");
        bus.Add(PlicBase, plic, "plic");
        bus.Add(Uart, new Uart16550(plic.Line(10), new FakeSink()), "uart");
        for (var i = 0; i < 8; i++)
        {
            var device = i == 7 && disk is not null ? new VirtioBlock(disk, "disk") : null;
            bus.Add(Slot + ((ulong)i * 0x1000), new VirtioMmio(memory, timers, plic.Line(1 + i), device), $"virtio{i}");
        }

        return (bus, memory);
    }

    private static void Same(QemuBoard qemu, MmioBus bus, ulong address, int size, string after, ulong mask = ulong.MaxValue)
    {
        Assert.True(bus.TryRead(address, size, out var ours));
        ours &= mask;
        var theirs = qemu.Read(address, size) & mask;
        Assert.True(theirs == ours, $"0x{address:x}: QEMU {theirs:x}, ours {ours:x}, after {after}");
    }

    private static void Write(QemuBoard qemu, MmioBus bus, ulong address, int size, ulong value)
    {
        qemu.Write(address, size, value);
        Assert.True(bus.TryWrite(address, size, value));
    }

    [PeerFact("qemu-system-riscv64")]
    public void Uart_RandomAccesses_ReadAsOnQemu()
    {
        const int seed = 20250817;
        var random = new Random(seed);
        using var qemu = new QemuBoard();
        var (bus, memory) = Board();
        using var _ = memory;
        Write(qemu, bus, PlicBase + (4 * 10), 4, 1);
        var trail = new Queue<string>();
        for (var i = 0; i < 4000; i++)
        {
            var register = (ulong)random.Next(8);
            var after = $"seed {seed}, step {i}: {string.Join(' ', trail)}";
            if (random.Next(2) == 0)
            {
                // QEMU notes no modem changes in loopback, as the data sheet says it should.
                Same(qemu, bus, Uart + register, 1, after, register == 6 ? 0xf0u : 0xff);
                trail.Enqueue($"r{register}");
            }
            else if (register is not (5 or 6))
            {
                // Breaks are not modelled; FIFO control stays on one mode, as QEMU's timeout needs a running clock.
                ulong value = register switch
                {
                    0 => (ulong)random.Next(256),
                    1 => (ulong)random.Next(256) & ~9u,
                    2 => 0xc1u | (random.Next(4) == 0 ? 2u : 0u),
                    3 => (ulong)random.Next(256) & ~0x40u,
                    _ => (ulong)random.Next(256),
                };
                Write(qemu, bus, Uart + register, 1, value);
                trail.Enqueue($"w{register}={value:x}");
            }

            if (trail.Count > 12)
            {
                trail.Dequeue();
            }

            Same(qemu, bus, PlicBase + 0x1000, 4, after);
        }
    }

    [PeerFact("qemu-system-riscv64")]
    public void Plic_UartInterrupt_ClaimsAndCompletesAsOnQemu()
    {
        using var qemu = new QemuBoard();
        var (bus, memory) = Board();
        using var _ = memory;
        const ulong enableS = PlicBase + 0x2080;
        const ulong contextS = PlicBase + 0x20_1000;
        void Look(string after)
        {
            Same(qemu, bus, PlicBase + 0x1000, 4, after);
            Same(qemu, bus, contextS + 4, 4, after);
            Same(qemu, bus, PlicBase + 0x1000, 4, after);
        }

        Look("reset");
        Write(qemu, bus, PlicBase + 40, 4, 3);
        Write(qemu, bus, enableS, 4, 1 << 10);
        Look("enabled");
        Write(qemu, bus, Uart + 1, 1, 2);
        Look("raised");
        Same(qemu, bus, Uart + 2, 1, "served");
        Write(qemu, bus, contextS + 4, 4, 10);
        Look("completed");
        Write(qemu, bus, Uart, 1, 'x');
        Same(qemu, bus, Uart + 2, 1, "sent");
        Look("lowered before the claim");
        Write(qemu, bus, contextS + 4, 4, 11);
        Write(qemu, bus, contextS + 4, 4, 0xffff_ffff);
        Look("senseless completions");
    }

    [PeerFact("qemu-system-riscv64")]
    public void Plic_RandomRegisters_ReadAsOnQemu()
    {
        const int seed = 4711;
        var random = new Random(seed);
        using var qemu = new QemuBoard();
        var (bus, memory) = Board();
        using var _ = memory;
        for (var i = 0; i < 1500; i++)
        {
            var (address, value) = random.Next(3) switch
            {
                0 => (PlicBase + (4 * (ulong)random.Next(1, 96)), (ulong)random.Next(8)),
                1 => (PlicBase + 0x2000 + (0x80 * (ulong)random.Next(2)) + (4 * (ulong)random.Next(3)), (ulong)random.NextInt64(1L << 32) & ~1u),
                _ => (PlicBase + 0x20_0000 + (0x1000 * (ulong)random.Next(2)), (ulong)random.Next(8)),
            };
            Write(qemu, bus, address, 4, value);
            Same(qemu, bus, address, 4, $"seed {seed}, step {i}: write {value:x}");
        }
    }

    [PeerFact("qemu-system-riscv64")]
    public void Clint_SoftwareAndCompare_ReadAsOnQemu()
    {
        using var qemu = new QemuBoard();
        var (bus, memory) = Board();
        using var _ = memory;
        foreach (var value in (ulong[])[1, 0, 0xffff_ffff, 0xfffe])
        {
            Write(qemu, bus, ClintBase, 4, value);
            Same(qemu, bus, ClintBase, 4, $"msip {value:x}");
        }

        Write(qemu, bus, ClintBase + 0x4000, 8, 0x0123_4567_89ab_cdef);
        Write(qemu, bus, ClintBase + 0x4004, 4, 0x7654_3210);
        Same(qemu, bus, ClintBase + 0x4000, 8, "mtimecmp");
        Same(qemu, bus, ClintBase + 0x4000, 4, "mtimecmp");
        Same(qemu, bus, ClintBase + 0x4004, 4, "mtimecmp");
    }

    [PeerFact("qemu-system-riscv64")]
    public void VirtioMmio_EmptySlotAndDiskSetup_ReadAsOnQemu()
    {
        using var folder = new TemporaryFolder();
        var image = folder.Write("disk", new byte[1 << 20]);
        using var qemu = new QemuBoard("-drive", $"file={image},format=raw,if=none,id=d", "-device", "virtio-blk-device,drive=d,bus=virtio-mmio-bus.7,queue-size=256");
        var (bus, memory) = Board(new MemoryBlockBackend(new byte[1 << 20]));
        using var _ = memory;
        foreach (var register in (ulong[])[0, 4, 8])
        {
            Same(qemu, bus, Slot + register, 4, "empty slot");
            Same(qemu, bus, Slot + 0x7000 + register, 4, "disk");
        }

        const ulong disk = Slot + 0x7000;
        void Step(ulong register, ulong value) => Write(qemu, bus, disk + register, 4, value);
        void Look(ulong register) => Same(qemu, bus, disk + register, 4, $"setup, register {register:x}");
        Step(0x70, 0);
        Step(0x70, 1);
        Step(0x70, 3);
        Look(0x70);
        Step(0x14, 1);
        Assert.True(bus.TryRead(disk + 0x10, 4, out var high));
        Assert.Equal(1u, high & qemu.Read(disk + 0x10, 4));
        Step(0x14, 0);
        Assert.True(bus.TryRead(disk + 0x10, 4, out var low));
        var theirs = qemu.Read(disk + 0x10, 4);
        Assert.True((low & ~theirs) == 0, $"we offer {low:x}, QEMU {theirs:x}");
        Step(0x24, 0);
        Step(0x20, 1 << 9);
        Step(0x24, 1);
        Step(0x20, 1);
        Step(0x70, 11);
        Look(0x70);
        Step(0x30, 0);
        Look(0x44);
        Step(0x38, 8);
        Step(0x80, 0x8000_0000);
        Step(0x84, 0);
        Step(0x90, 0x8000_1000);
        Step(0x94, 0);
        Step(0xa0, 0x8000_2000);
        Step(0xa4, 0);
        Step(0x44, 1);
        Look(0x44);
        Step(0x70, 15);
        Look(0x70);
        Look(0x60);
        Same(qemu, bus, disk + 0x100, 8, "capacity");
        Same(qemu, bus, disk + 0x114, 4, "block size");
        Step(0x30, 5);
        Look(0x34);
        Step(0x70, 0);
        Look(0x70);
        Step(0x30, 0);
        Look(0x44);
    }
}
