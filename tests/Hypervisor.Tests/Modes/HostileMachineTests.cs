using FsCheck.Fluent;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Network;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Modes;

/// <summary>Whole machines that misuse their devices and interrupts, beside one that must not notice.</summary>
public sealed class HostileMachineTests
{
    public static TheoryData<string> Modes => [.. MachineFactory.Modes];

    public static TheoryData<string, string> Storms
    {
        get
        {
            var storms = new TheoryData<string, string>();
            foreach (string mode in MachineFactory.Modes)
            {
                foreach (string storm in HostileProgram.Storms)
                    storms.Add(mode, storm);
            }

            return storms;
        }
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Devices_UsedAtRandom_AreContained(string mode)
    {
        long touched = 0;
        Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
        {
            using var host = new HypervisorHost(new HostOptions { SliceNanoseconds = 50_000 });
            using BoardGuest hostile = Create(mode, HostileProgram.Devices(seed), host, harts: 2);
            using BoardGuest neighbour = Create(mode, HostileProgram.Neighbour, host);
            host.Add(hostile.Machine, SchedulingParameters.Default);
            host.Add(neighbour.Machine, SchedulingParameters.Default);
            host.RunFor(6_000_000);
            AssertUnharmed(neighbour, hostile, host.NowNanoseconds);
            touched += hostile.Machine.VCpus.Sum(vcpu => vcpu.Meter.Retired);
            return true;
        }, cases: 40);

        // Ends of the guest's own choice are allowed; a program that never gets going would show nothing.
        Assert.True(touched > 40 * 1_000_000, $"{touched} instructions in all");
    }

    [Theory]
    [MemberData(nameof(Storms))]
    public void Storm_InVirtualTime_TakesItsShareAndNoMore(string mode, string storm)
    {
        using var host = new HypervisorHost(new HostOptions { SliceNanoseconds = 50_000 });
        using BoardGuest hostile = Create(mode, HostileProgram.Storm(storm), host);
        using BoardGuest neighbour = Create(mode, HostileProgram.Neighbour, host);
        host.Add(hostile.Machine, SchedulingParameters.Default);
        host.Add(neighbour.Machine, SchedulingParameters.Default);
        host.RunFor(20_000_000);
        AssertUnharmed(neighbour, hostile, host.NowNanoseconds);
    }

    [Theory]
    [MemberData(nameof(Storms))]
    public void Storm_InRealTime_TakesItsShareAndNoMore(string mode, string storm)
    {
        using var host = new HypervisorHost(new HostOptions { Clock = HostClock.Real });
        using BoardGuest hostile = Create(mode, HostileProgram.Storm(storm), host);
        using BoardGuest neighbour = Create(mode, HostileProgram.Neighbour, host);
        host.Add(hostile.Machine, SchedulingParameters.Default);
        host.Add(neighbour.Machine, SchedulingParameters.Default);
        host.Start();
        VCpuMeter mine = neighbour.Machine.VCpus[0].Meter, other = hostile.Machine.VCpus[0].Meter;

        // The host takes the thread away for tens of milliseconds when it is busy, from either guest: the scheduler evens that
        // out, so that there is a time at which the neighbour has its share, unless it is starved.
        long ran = 0, stormed = 0;
        for (int looks = 0; looks < 20 && ran <= stormed * 0.9; looks++)
        {
            Assert.Null(host.WaitFor(neighbour.Machine, TimeSpan.FromMilliseconds(400)));
            (ran, stormed) = (mine.RunNanoseconds, other.RunNanoseconds);
        }

        host.Remove(hostile.Machine);
        Assert.Null(neighbour.Machine.Exit);
        Assert.True(mine.Retired > 1_000_000, $"the neighbour retired {mine.Retired}");
        Assert.True(ran > stormed * 0.9, $"{ran} ns beside {stormed} ns of the storm");
    }

    /// <summary>Machines come and go while their timers fire and somebody types; the host does not outlive them by order.</summary>
    [Theory]
    [MemberData(nameof(Modes))]
    public void Dispose_OfAMachineInAStorm_LeavesTheHostWhole(string mode)
    {
        using var host = new HypervisorHost(new HostOptions { Clock = HostClock.Real, PhysicalCpus = 2 });
        using BoardGuest neighbour = Create(mode, HostileProgram.Neighbour, host);
        host.Add(neighbour.Machine, SchedulingParameters.Default);
        host.Start();
        for (int i = 0; i < 60; i++)
        {
            BoardGuest hostile = Create(mode, i % 2 == 0 ? HostileProgram.Storm("rearm") : HostileProgram.Devices(i), host, harts: 2);
            host.Add(hostile.Machine, SchedulingParameters.Default);
            Thread.Sleep(2);
            hostile.Dispose();
            Assert.NotNull(hostile.Machine.Exit);
            hostile.Input("typed too late"u8);
            hostile.Machine.VCpus[0].Wake();
        }

        Assert.Null(neighbour.Machine.Exit);
        Assert.Single(host.Machines);
    }

    private static void AssertUnharmed(BoardGuest neighbour, BoardGuest hostile, long elapsed)
    {
        Assert.Null(neighbour.Machine.Exit);
        VCpuMeter meter = neighbour.Machine.VCpus[0].Meter;
        Assert.True(meter.Retired > elapsed / 4, $"the neighbour retired {meter.Retired} in {elapsed} ns");
        int competitors = 1 + hostile.Machine.VCpus.Count;
        Assert.True(meter.RunNanoseconds >= (elapsed / competitors) - 100_000, $"the neighbour ran {meter.RunNanoseconds} of {elapsed} ns");
    }

    private static BoardGuest Create(string mode, string source, HypervisorHost host, int harts = 1)
    {
        AssembledProgram program = Assembler.Assemble(source, new AssemblerOptions { Name = "guest", TextBase = Board.RamAddress });
        var network = new VirtualSwitch(host.Timers);
        BoardGuest guest = MachineFactory.Create(mode, new BoardGuestOptions
        {
            Engine = Support.TestEngine.Create(),
            Console = new ConsoleText(),
            Harts = harts,
            RamBytes = 1 << 20,
            Devices = [new VirtioBlock(new MemoryBlockBackend(new byte[64 << 10], readOnly: false), "disk"), new VirtioConsole(new ConsoleText()), new VirtioRng(new byte[32]),
                new VirtioNet(network.Plug("one"), MacAddress.Local(1)), new VirtioNet(network.Plug("other"), MacAddress.Local(2))],
        }, host.Timers);
        guest.Boot(new BootImages { Kernel = program.ToElf() });
        return guest;
    }
}
