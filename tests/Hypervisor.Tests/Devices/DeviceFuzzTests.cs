using Hypervisor.Core;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Network;
using Hypervisor.Core.State;

namespace Hypervisor.Tests.Devices;

/// <summary>A guest may do anything to its devices and rings: nothing throws, nothing runs for ever, nothing outside RAM moves.</summary>
public sealed class DeviceFuzzTests
{
    private const int RamSize = 1 << 18;

    private static readonly ulong[] s_awkward =
        [0, 1, 2, 3, 4, 8, 15, 16, 0xff, 0x100, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80001000, 0x8003fff0, 0x80040000, 0xffffffff, ulong.MaxValue];

    private sealed class Machine : IDisposable
    {
        public readonly FakeTimers Timers = new();
        public readonly GuestMemory Memory = new(new MemoryRegion(VirtioDriver.Ram, RamSize));
        public readonly MmioBus Bus = new();
        public readonly Uart16550 Uart;
        public readonly VirtioConsole Console = new(new NullSink());

        public Machine()
        {
            var plic = new Plic(95, [new FakeLine(), new FakeLine(), new FakeLine()]);
            Uart = new Uart16550(plic.Line(10), new NullSink());
            Bus.Add(0, new Clint(Timers, [new(new FakeLine(), new FakeLine()), new(new FakeLine(), new FakeLine())]), "clint");
            Bus.Add(0x100_0000, plic, "plic");
            Bus.Add(0x1_0000, Uart, "uart");
            Bus.Add(0x2_0000, new TestFinisher((_, _) => { }), "finisher");
            Bus.Add(0x3_0000, new GoldfishRtc(Timers, plic.Line(11), 1), "rtc");
            Bus.Add(0x4_0000, new VirtioMmio(Memory, Timers, plic.Line(1), new VirtioBlock(new MemoryBlockBackend(new byte[1 << 16]), "d")), "disk");
            Bus.Add(0x5_0000, new VirtioMmio(Memory, Timers, plic.Line(2), Console), "console");
            Bus.Add(0x6_0000, new VirtioMmio(Memory, Timers, plic.Line(3), new VirtioRng(new byte[32])), "rng");
            Bus.Add(0x7_0000, new VirtioMmio(Memory, Timers, plic.Line(4), null), "empty");
            var network = new VirtualSwitch(Timers);
            Bus.Add(0x8_0000, new VirtioMmio(Memory, Timers, plic.Line(5), new VirtioNet(network.Plug("one"), MacAddress.Local(1))), "one card");
            Bus.Add(0x9_0000, new VirtioMmio(Memory, Timers, plic.Line(6), new VirtioNet(network.Plug("other"), MacAddress.Local(2))), "other card");
            Bus.Add(0xa_0000, new VirtioMmio(Memory, Timers, plic.Line(7), new VirtioBalloon(Memory)), "balloon");
            Bus.Add(0xb_0000, new VirtioMmio(Memory, Timers, plic.Line(8), new VirtioVsock(3)), "streams");
            var port = new VirtioConsolePort("port") { IsOpen = true };
            Bus.Add(0xc_0000, new VirtioMmio(Memory, Timers, plic.Line(9), new VirtioConsole(new NullSink(), port)), "ports");
            port.Send([1, 2, 3]);
        }

        public void Dispose() => Memory.Dispose();
    }

    private sealed class NullSink : IConsoleSink
    {
        public void Write(ReadOnlySpan<byte> bytes)
        {
        }
    }

    private static ulong Value(Random random)
        => random.Next(3) == 0 ? (ulong)random.NextInt64() : s_awkward[random.Next(s_awkward.Length)];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Bus_RandomAccesses_NeverThrow(int seed)
    {
        var random = new Random(seed);
        using var machine = new Machine();
        var mappings = machine.Bus.Mappings;
        for (var i = 0; i < 200_000; i++)
        {
            var mapping = mappings[random.Next(mappings.Count)];

            // Half of the accesses to the first registers, where most devices have theirs.
            var offset = random.Next(2) == 0 ? (ulong)random.NextInt64((long)Math.Min(mapping.Size, 0x120)) : (ulong)random.NextInt64((long)mapping.Size + 8);
            var size = 1 << random.Next(4);
            offset &= ~(ulong)(random.Next(8) == 0 ? 0 : size - 1);
            if (random.Next(2) == 0)
                machine.Bus.TryRead(mapping.Address + offset, size, out _);
            else
                machine.Bus.TryWrite(mapping.Address + offset, size, Value(random));
            if (random.Next(64) == 0)
                machine.Uart.Receive([1, 2, 3]);
            if (random.Next(64) == 0)
                machine.Timers.AdvanceTo(machine.Timers.NowNanoseconds + random.Next(100_000));
        }
    }

    [Fact]
    public async Task Bus_ManyThreads_NeitherDeadlocksNorThrows()
    {
        using var machine = new Machine();
        var mappings = machine.Bus.Mappings;
        var harts = Enumerable.Range(0, 4).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            for (var i = 0; i < 30_000; i++)
            {
                var mapping = mappings[random.Next(mappings.Count)];
                var address = mapping.Address + (ulong)(random.Next(0x120) & ~3);
                if (random.Next(2) == 0)
                    machine.Bus.TryRead(address, 4, out _);
                else
                    machine.Bus.TryWrite(address, 4, Value(random));
            }
        }));
        var console = Task.Run(() =>
        {
            for (var i = 0; i < 10_000; i++)
            {
                machine.Uart.Receive([1]);
                machine.Console.Receive([1]);
            }
        });
        var clock = Task.Run(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                machine.Timers.AdvanceTo(i * 1_000L);
            }
        });
        await Task.WhenAll([.. harts, console, clock]).WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Theory]
    [InlineData(0, 11)]
    [InlineData(1, 12)]
    [InlineData(2, 13)]
    public void Virtio_HostileRings_NeverThrow(int device, int seed)
    {
        var random = new Random(seed);
        using var machine = new Machine();
        var mmio = (VirtioMmio)machine.Bus.Mappings.First(mapping => mapping.Address == 0x4_0000 + (0x1_0000 * (ulong)device)).Device;
        var queue = device == 1 ? (uint)(seed & 1) : 0;
        var live = 0;
        for (var round = 0; round < 3_000; round++)
        {
            var features = (random.Next(2) == 0 ? VirtioDriver.Indirect : 0) | (random.Next(2) == 0 ? VirtioDriver.EventIndex : 0);
            var driver = VirtioDriver.Start(machine.Memory, mmio, queue, 8, features);
            for (ushort i = 0; i < 8; i++)
            {
                Describe(random, driver, driver.Descriptors + (16u * i), driver.IndirectTable);
                Describe(random, driver, driver.IndirectTable + (16u * i), driver.IndirectTable);
                machine.Memory.TryWrite(driver.Available + 4 + (2u * i), (ushort)random.Next(random.Next(8) == 0 ? 65536 : 8));
            }

            machine.Memory.TryWrite(driver.Available + 2, (ushort)random.Next(random.Next(8) == 0 ? 65536 : 9));
            machine.Console.Receive([1, 2, 3, 4, 5]);
            driver.Notify();
            machine.Timers.AdvanceTo(machine.Timers.NowNanoseconds + 1);
            live += (VirtioDriver.Get(mmio, 0x70) & 64) == 0 ? 1 : 0;
        }

        // The fuzz must reach the devices, not only the first check.
        Assert.InRange(live, 20, 2_980);
    }

    private static void Describe(Random random, VirtioDriver driver, ulong at, ulong indirectTable)
    {
        var inRam = VirtioDriver.Ram + 0x20000 + (ulong)random.Next(RamSize - 0x20000 - 0x2000);
        var address = random.Next(40) == 0 ? Value(random) : random.Next(6) == 0 ? indirectTable : inRam;
        var length = random.Next(40) == 0 ? (uint)Value(random) : random.Next(2) == 0 ? 16u : (uint)random.Next(1, 3) * 512;
        var flags = random.Next(30) == 0 ? random.Next(65536) : random.Next(10) == 0 ? 4 : random.Next(3);
        driver.Describe(at, address, length, (ushort)flags, (ushort)random.Next(random.Next(30) == 0 ? 65536 : 8));
    }

    [Fact]
    public void Load_DamagedState_OnlySaysWhyNot()
    {
        var random = new Random(5);
        using var machine = new Machine();
        VirtioDriver.Start(machine.Memory, (VirtioMmio)machine.Bus.Mappings.First(mapping => mapping.Address == 0x4_0000).Device);
        machine.Uart.Receive([1, 2, 3]);
        foreach (var mapping in machine.Bus.Mappings)
        {
            var valid = DeviceState.Of(mapping.Device);
            for (var i = 0; i < 500 && valid.Length > 0; i++)
            {
                var damaged = valid[..random.Next(random.Next(2) == 0 ? valid.Length : valid.Length + 1)];
                for (var j = 0; j < 3 && damaged.Length > 0; j++)
                {
                    damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
                }

                try
                {
                    mapping.Device.Load(new StateReader(damaged));
                }
                catch (HypervisorException error)
                {
                    Assert.Contains("saved state", error.Message, StringComparison.Ordinal);
                }

                mapping.Device.Read(0, 4);
                mapping.Device.Write(0x50, 4, 0);
                machine.Timers.AdvanceTo(machine.Timers.NowNanoseconds + 1);
            }
        }
    }
}
