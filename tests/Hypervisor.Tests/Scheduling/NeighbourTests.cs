using Hypervisor.Core.Devices;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Para;
using Hypervisor.Tests.Machine;
using Hypervisor.Tests.Modes;

namespace Hypervisor.Tests.Scheduling;

/// <summary>Running guests that do the worst they can, as groups beside others whose shares must not move; and what guests are told of time stolen from them.</summary>
public sealed class NeighbourTests
{
    private const string Spin = "_start:\n addi x1, x1, 1\n j _start\n";

    // Each process makes another and then goes on doing so: until the container has no more tasks, and after.
    private const string ForkBomb = "_start:\n li a0, 17\n li a1, 0\n li a2, 0\n li a3, 0\n li a4, 0\n li a7, 220\n ecall\n j _start\n";

    // Writes to standard output without end.
    private const string Writer = "_start:\n li a0, 1\n la a1, _start\n li a2, 64\n li a7, 64\n ecall\n j _start\n";

    // Prints at its serial port without end.
    private const string Serial = "_start:\n li t0, 0x10000000\n li t1, 65\n1: sb t1, 0(t0)\n j 1b\n";

    private static readonly HostOptions s_slow = new() { PicosecondsPerInstruction = 20_000, Groups = true };

    public static TheoryData<string> Nuisances => ["fork bomb", "writer", "printer", .. HostileProgram.Storms];

    // Two quiet neighbours with weights 1 : 2 beside a nuisance with weight 1, each a group: a quarter, a half and a quarter, to the
    // slice in progress; and a machine of three vCPUs among them has one machine's share.
    [Theory]
    [MemberData(nameof(Nuisances))]
    public void Nuisance_InAGroup_MovesNoShareOutside(string kind)
    {
        using var host = new HypervisorHost(s_slow);
        using var guests = new Guests(host);
        VirtualMachine nuisance = guests.Nuisance(kind);
        VirtualMachine small = guests.Machine("bare", Spin);
        VirtualMachine large = guests.Machine("assisted", Spin, harts: 3);
        foreach ((VirtualMachine machine, int weight) in new[] { (nuisance, 100), (small, 100), (large, 200) })
            host.Add(machine, SchedulingParameters.Default with { Group = new SchedulingGroup(machine.Name) { Weight = weight } });
        host.RunFor(2_000_000_000);
        Assert.InRange(Ran(small), 498_000_000, 502_000_000);
        Assert.InRange(Ran(large), 998_000_000, 1_002_000_000);
        if (kind == "fork bomb")
            Assert.True(nuisance.VCpus.Count >= 40, $"{nuisance.VCpus.Count} tasks");
        Assert.Null(small.Exit);
        Assert.Null(large.Exit);
    }

    // Without groups every task counts, and the bomb takes what it has tasks for: what groups are there for.
    [Fact]
    public void ForkBomb_WithoutGroups_TakesOver()
    {
        using var host = new HypervisorHost(s_slow with { Groups = false });
        using var guests = new Guests(host);
        host.Add(guests.Nuisance("fork bomb"), SchedulingParameters.Default);
        VirtualMachine small = guests.Machine("bare", Spin);
        host.Add(small, SchedulingParameters.Default);
        host.RunFor(2_000_000_000);
        Assert.InRange(Ran(small), 1, 400_000_000);
    }

    [Fact]
    public void LimitAndReservation_OfRunningMachines_HoldBesideAForkBomb()
    {
        using var host = new HypervisorHost(s_slow with { PhysicalCpus = 2 });
        using var guests = new Guests(host);
        VirtualMachine limited = guests.Machine("bare", Spin, harts: 2);
        VirtualMachine promised = guests.Machine("full", Spin);
        host.Add(limited, SchedulingParameters.Default with { Group = new SchedulingGroup("limited") { Weight = 10_000, Limit = new Bandwidth(5_000_000, 10_000_000) } });
        host.Add(promised, SchedulingParameters.Default with { Group = new SchedulingGroup("promised") { Weight = 1, Reservation = new Bandwidth(7_000_000, 10_000_000) } });
        host.Add(guests.Nuisance("fork bomb"), SchedulingParameters.Default with { Group = new SchedulingGroup("bomb") { Weight = 10_000 } });
        host.RunFor(1_000_000_000);
        Assert.InRange(Ran(limited), 480_000_000, 505_000_000);
        Assert.InRange(Ran(promised), 690_000_000, 1_000_000_000);
        Assert.InRange(host.PhysicalCpus.Sum(cpu => cpu.BusyNanoseconds), 1_990_000_000, 2_002_000_000);
    }

    [Fact]
    public void Add_ReservationThatDoesNotFit_IsRefusedAndTheHostGoesOn()
    {
        using var host = new HypervisorHost(s_slow);
        using var guests = new Guests(host);
        VirtualMachine greedy = guests.Machine("bare", Spin, harts: 2);
        VirtualMachine small = guests.Machine("bare", Spin);
        host.Add(small, SchedulingParameters.Default with { Group = new SchedulingGroup("small") { Reservation = new Bandwidth(6_000_000, 10_000_000) } });
        var refusal = Assert.Throws<Core.HypervisorException>(() => host.Add(greedy, SchedulingParameters.Default with { Group = new SchedulingGroup("greedy") { Reservation = new Bandwidth(6_000_000, 10_000_000) } }));
        Assert.Contains("'greedy' asks for 0.6 CPUs, which makes 1.2 reserved of 1: 0.2 too much", refusal.Message, StringComparison.Ordinal);
        Assert.NotNull(greedy.Exit);
        host.RunFor(10_000_000);
        Assert.Equal(10_000_000, Ran(small));
    }

    // A machine's vCPUs run together: with as many CPUs as vCPUs nobody's sibling waits, beside other machines.
    [Fact]
    public void Gang_OfRunningMachines_RunsTheirVCpusTogether()
    {
        var policy = new RecordingPolicy(Schedulers.Create("gang:eevdf", 2));
        using var host = new HypervisorHost(s_slow with { PhysicalCpus = 2, Groups = false }, policy);
        using var guests = new Guests(host);
        VirtualMachine[] machines = [guests.Machine("bare", Spin, harts: 2), guests.Machine("assisted", Spin, harts: 2), guests.Machine("full", Spin)];
        foreach (VirtualMachine machine in machines)
            host.Add(machine, SchedulingParameters.Default);

        // All harts but the first of a machine with no firmware start at once, too.
        host.RunFor(300_000_000);
        foreach (int first in new[] { 0, 2 })
        {
            List<long>[] starts = [.. Enumerable.Range(first, 2).Select(id => policy.Runs.Where(run => run.VCpu == id).Select(run => run.At).ToList())];
            int common = starts[0].Intersect(starts[1]).Count();
            Assert.True(common >= starts[0].Count - 1 && common > 30, $"{common} of {starts[0].Count} and {starts[1].Count} dispatches were together");
        }

        Assert.All(machines, machine => Assert.InRange(Ran(machine), 90_000_000, 300_000_000));
    }

    // STA's figure in a para guest's memory is the scheduler's own: what passed until its last slice and it did not run.
    [Theory]
    [InlineData("eevdf")]
    [InlineData("stride")]
    [InlineData("lottery")]
    [InlineData("sfq")]
    [InlineData("credit2")]
    [InlineData("partitioned:eevdf")]
    [InlineData("gang:eevdf")]
    public void StolenTime_ToldToAGuest_AgreesWithTheBooks(string name)
    {
        var policy = new RecordingPolicy(Schedulers.Create(name, 1));
        using var host = new HypervisorHost(s_slow with { Groups = false }, policy);
        using var guests = new Guests(host);
        const ulong Page = 0x8040_0000;
        VirtualMachine guest = guests.Para($"_start:\n li a0, {Page}\n li a1, 0\n li a2, 0\n li a6, 0\n li a7, 0x535441\n ecall\n1: addi x1, x1, 1\n j 1b\n");
        host.Add(guest, SchedulingParameters.Default with { Weight = 300 });
        for (int i = 0; i < 3; i++)
            host.Add(guests.Machine("bare", Spin), SchedulingParameters.Default);
        host.RunFor(700_000_000);
        Assert.True(guest.Memory.TryRead(Page + 8, out ulong told));
        var own = policy.Runs.Where(run => run.VCpu == 0).ToList();
        Assert.Equal(own[^1].At - own.SkipLast(1).Sum(run => run.Used), (long)told);
        Assert.Equal(guest.VCpus[0].Meter.WaitNanoseconds, (long)told);
        Assert.InRange((long)told, 250_000_000, 450_000_000);
    }

    // Weights 1:2:4:8:2 in real time, one guest of each mode: a busy host takes threads away for a while, and the scheduler evens that
    // out, so that there is a time at which all have their shares within 4 %, unless shares are wrong.
    [Theory]
    [InlineData("eevdf")]
    [InlineData("stride")]
    [InlineData("sfq")]
    public void RealTime_AllModesWithWeightsOneToEight_GetSharesWithinFourPercent(string name)
    {
        using var host = new HypervisorHost(new HostOptions { Clock = HostClock.Real, Scheduler = name });
        using var guests = new Guests(host);
        VirtualMachine[] machines = [guests.Machine("bare", Spin), guests.Machine("full", Spin), guests.Machine("assisted", Spin), guests.Container(Spin, taskLimit: 4), guests.Para(Spin)];
        int[] weights = [100, 200, 400, 800, 200];
        for (int i = 0; i < machines.Length; i++)
            host.Add(machines[i], SchedulingParameters.Default with { Weight = weights[i] });
        host.Start();
        double[] shares = [];
        for (int looks = 0; looks < 60; looks++)
        {
            Assert.Null(host.WaitFor(machines[0], TimeSpan.FromMilliseconds(500)));
            double all = machines.Sum(Ran);
            shares = [.. machines.Select((machine, i) => Ran(machine) / all * weights.Sum() / weights[i])];
            if (shares.All(share => share is > 0.96 and < 1.04))
                break;
        }

        Assert.All(shares, share => Assert.InRange(share, 0.96, 1.04));
    }

    // What a guest that wakes every 10 ms waits for, wake by wake, beside 100 that never sleep: a slice at most under EEVDF, where a
    // tenth of a millisecond for its own slice makes that its deadline.
    [Theory]
    [InlineData("eevdf", 0.5, 1_000_000)]
    [InlineData("eevdf", 0.99, 1_100_000)]
    public void InteractiveGuest_BesideHundredSpinners_IsServedWithinASlice(string name, double fraction, long most)
    {
        using var host = new HypervisorHost(s_slow with { Scheduler = name, Groups = false, PicosecondsPerInstruction = 100_000 });
        (VirtualMachine machine, List<long> waits) = HypervisorHostTests.TimedSleeper(host, 10_000_000);
        host.Add(machine, SchedulingParameters.Default with { SliceNanoseconds = 100_000 });
        for (int i = 0; i < 100; i++)
            host.Add(HypervisorHostTests.Spinner(host), SchedulingParameters.Default);
        host.RunFor(5_000_000_000);
        Assert.InRange(waits.Count, 400, 501);
        Assert.InRange(waits.Order().ElementAt((int)(fraction * (waits.Count - 1))), 0, most);
    }

    private static long Ran(VirtualMachine machine) => machine.EndedVCpus.RunNanoseconds + machine.VCpus.Sum(vcpu => vcpu.Meter.RunNanoseconds);

    private sealed class Guests(HypervisorHost host) : IDisposable
    {
        private const ulong RamBytes = 16 << 20;

        private readonly Interpreter _engine = new();
        private readonly List<IDisposable> _owned = [];

        public VirtualMachine Nuisance(string kind) => kind switch
        {
            "fork bomb" => Container(ForkBomb, taskLimit: 50),
            "writer" => Container(Writer, taskLimit: 4),
            "printer" => Machine("full", Serial),
            _ => Machine("full", HostileProgram.Storm(kind)),
        };

        public VirtualMachine Machine(string mode, string source, int harts = 1)
        {
            BoardGuest guest = MachineFactory.Create(mode, new BoardGuestOptions { Engine = _engine, Console = new Nowhere(), Harts = harts, RamBytes = RamBytes }, host.Timers);
            _owned.Add(guest);
            guest.Boot(new BootImages { Kernel = Assembler.Assemble(source, new AssemblerOptions { Name = mode, TextBase = Board.RamAddress }).ToElf() });
            return guest.Machine;
        }

        public VirtualMachine Container(string source, int taskLimit)
        {
            var containers = new ContainerHost("container", 256 << 20, host.Timers, _engine) { SetParameters = host.SetParameters };
            _owned.Add(containers);
            containers.Create(new ContainerOptions
            {
                Program = "/program",
                ProgramImage = BuiltInGuests.AssembleProgram(source, "program").ToElf(),
                Arguments = ["program"],
                TaskLimit = taskLimit,
                Weight = 800,
            });
            return containers.Machine;
        }

        public VirtualMachine Para(string source)
        {
            AssembledProgram program = Assembler.Assemble(source, new AssemblerOptions { Name = "para", TextBase = 0x8020_0000 });
            var machine = new VirtualMachine("para", new GuestMemory(new MemoryRegion(Board.RamAddress, RamBytes)), host.Timers);
            _owned.Add(new ParaGuest(machine, new ParaGuestOptions { Engine = _engine, Console = new Nowhere(), Entry = program.Entry, Opaque = 0 }));
            _owned.Add(machine);
            machine.Memory.TryWrite(program.ImageBase, program.ToImage());
            return machine;
        }

        public void Dispose()
        {
            foreach (IDisposable owned in _owned)
                owned.Dispose();
        }
    }

    private sealed class Nowhere : IConsoleSink
    {
        public void Write(ReadOnlySpan<byte> bytes)
        {
        }
    }
}
