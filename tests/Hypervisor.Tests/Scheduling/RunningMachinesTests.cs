using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Para;
using Hypervisor.Guests;
using Hypervisor.Host.Compare;
using Hypervisor.Tests.Machine;

namespace Hypervisor.Tests.Scheduling;

/// <summary>What the policies promise, on running machines of all modes under one host loop.</summary>
public sealed class RunningMachinesTests
{
    private const ulong RamBytes = 64 << 20;

    // One instruction in 100 ns: ten seconds are a hundred million instructions.
    private static readonly HostOptions Slow = new() { PicosecondsPerInstruction = 100_000 };

    public static TheoryData<string> FairPolicies => ["eevdf", "stride", "sfq", "credit2"];

    [Theory]
    [MemberData(nameof(FairPolicies))]
    public void AllModes_Weighted_GetTheirSharesWithinOnePercentOverTenSeconds(string name)
    {
        using var host = new HypervisorHost(Slow with { Scheduler = name });
        using var guests = new Spinners(host);
        int[] weights = [100, 200, 400, 800, 100];
        VirtualMachine[] machines = [guests.Board("bare"), guests.Board("full"), guests.Board("assisted"), guests.Para(), guests.Container()];
        for (int i = 0; i < machines.Length; i++)
            host.Add(machines[i], SchedulingParameters.Default with { Weight = weights[i] });
        host.RunFor(10_000_000_000);
        Assert.Equal(host.PhysicalCpus[0].BusyNanoseconds, machines.Sum(machine => machine.VCpus.Sum(vcpu => vcpu.Meter.RunNanoseconds)));
        for (int i = 0; i < machines.Length; i++)
        {
            double share = machines[i].VCpus.Sum(vcpu => vcpu.Meter.RunNanoseconds) / 1e10;
            double due = weights[i] / 1600.0;
            Assert.InRange(share, due * 0.99, due * 1.01);
        }
    }

    public static TheoryData<string> FairInGroups => ["eevdf", "stride", "sfq", "partitioned:eevdf", "partitioned:stride", "gang:eevdf", "gang:sfq"];

    // Tenants 1:2:4:8 with machines of all modes in them, of other weights: the tenants' shares, and those of machines within theirs.
    [Theory]
    [MemberData(nameof(FairInGroups))]
    public void AllModes_InWeightedGroups_GetTheirSharesWithinOnePercentOverTenSeconds(string name)
    {
        using var host = new HypervisorHost(Slow with { Scheduler = name, Groups = true });
        using var guests = new Spinners(host);
        SchedulingGroup[] tenants = [.. Enumerable.Range(0, 4).Select(i => new SchedulingGroup($"tenant {i}") { Weight = 100 << i })];
        (VirtualMachine Machine, int Tenant, int Weight)[] all =
        [
            (guests.Board("bare"), 0, 100), (guests.Board("full"), 1, 300), (guests.Container(), 1, 100), (guests.Board("assisted"), 2, 100), (guests.Para(), 2, 100), (guests.Board("full"), 3, 700), (guests.Para(), 3, 100),
        ];
        foreach ((VirtualMachine machine, int tenant, int weight) in all)
            host.Add(machine, SchedulingParameters.Default with { Group = new SchedulingGroup(machine.Name) { Parent = tenants[tenant], Weight = weight } });
        host.RunFor(10_000_000_000);
        foreach ((VirtualMachine machine, int tenant, int weight) in all)
        {
            double share = machine.VCpus.Sum(vcpu => vcpu.Meter.RunNanoseconds) / 1e10;
            double due = (1 << tenant) / 15.0 * weight / all.Where(each => each.Tenant == tenant).Sum(each => each.Weight);
            Assert.InRange(share, due * 0.99, due * 1.01);
        }
    }

    [Fact]
    public void Cap_OnARunningMachine_HoldsInTheHostLoop()
    {
        using var host = new HypervisorHost(Slow);
        using var guests = new Spinners(host);
        VirtualMachine capped = guests.Board("full");
        host.Add(capped, SchedulingParameters.Default with { Cap = new Bandwidth(2_000_000, 10_000_000) });
        host.RunFor(1_000_000_000);

        // Alone on its CPU: the loop comes back to it when a period begins.
        Assert.InRange(capped.VCpus[0].Meter.RunNanoseconds, 199_000_000, 201_000_000);
        Assert.InRange(host.PhysicalCpus[0].IdleNanoseconds, 799_000_000, 801_000_000);
    }

    [Fact]
    public void Reservation_OnARunningMachine_IsMetBesideHeavyNeighbours()
    {
        using var host = new HypervisorHost(Slow with { Scheduler = "reservation" });
        using var guests = new Spinners(host);
        VirtualMachine promised = guests.Board("assisted");
        host.Add(promised, SchedulingParameters.Default with { Reservation = new Bandwidth(3_000_000, 10_000_000) });
        for (int i = 0; i < 3; i++)
            host.Add(guests.Board("full"), SchedulingParameters.Default with { Weight = 1_000_000 });
        host.RunFor(1_000_000_000);
        Assert.InRange(promised.VCpus[0].Meter.RunNanoseconds, 299_000_000, 301_000_000);
    }

    // Of a guest that wakes every 10 ms beside 100 that never sleep: with EEVDF it waits for the slice in progress at most.
    // Stride and SFQ put it level with those that are least ahead and behind them in turn; a queue makes it wait for everybody.
    [Theory]
    [InlineData("eevdf", 0, 1_100_000)]
    [InlineData("stride", 10_000_000, 101_000_000)]
    [InlineData("sfq", 10_000_000, 101_000_000)]
    [InlineData("round-robin", 90_000_000, 101_000_000)]
    public void InteractiveGuest_BesideHundredSpinners_WaitsAsThePolicyPromises(string name, long least, long most)
    {
        using var host = new HypervisorHost(Slow with { Scheduler = name });
        (VirtualMachine machine, Func<int> wakes) = HypervisorHostTests.Sleeper(host, 10_000_000);
        host.Add(machine, SchedulingParameters.Default);
        for (int i = 0; i < 100; i++)
            host.Add(HypervisorHostTests.Spinner(host), SchedulingParameters.Default);
        host.RunFor(3_000_000_000);
        Assert.InRange(wakes(), 20, 301);
        Assert.InRange(machine.VCpus[0].Meter.WaitNanoseconds / (wakes() + 1), least, most);
    }

    /// <summary>Guests of each mode that compute for longer than any test.</summary>
    private sealed class Spinners(HypervisorHost host) : IDisposable
    {
        private readonly BuiltInGuests _guests = new();
        private readonly Interpreter _engine = new();
        private readonly List<IDisposable> _owned = [];

        private string Workload => BuiltInGuests.Workloads[0].Name;

        public VirtualMachine Board(string mode)
        {
            ReadOnlyMemory<byte> program = _guests.WorkloadElf(Workload);
            BoardGuest guest = MachineFactory.Create(mode, new BoardGuestOptions { Engine = _engine, Console = new TextCollector(), RamBytes = RamBytes }, host.Timers);
            _owned.Add(guest);
            BootParameters parameters = Boot(program);
            guest.Boot(new BootImages
            {
                Kernel = _guests.PrivilegedKernel().ToElf(),
                KernelName = "built-in kernel",
                Blobs = [(BootParameters.Address, parameters.ToBytes()), (parameters.ProgramAddress, program)],
            });
            return guest.Machine;
        }

        public VirtualMachine Para()
        {
            ReadOnlyMemory<byte> program = _guests.WorkloadElf(Workload);
            var kernel = _guests.ParaKernel();
            var machine = new VirtualMachine("para", new GuestMemory(new MemoryRegion(Guests.Common.Board.RamAddress, RamBytes)), host.Timers);
            var guest = new ParaGuest(machine, new ParaGuestOptions { Engine = _engine, Console = new TextCollector(), Entry = kernel.Entry, Opaque = BootParameters.Address });
            _owned.Add(guest);
            _owned.Add(machine);
            BootParameters parameters = Boot(program);
            machine.Memory.TryWrite(kernel.ImageBase, kernel.ToImage());
            machine.Memory.TryWrite(BootParameters.Address, parameters.ToBytes());
            machine.Memory.TryWrite(parameters.ProgramAddress, program.Span);
            return machine;
        }

        public VirtualMachine Container()
        {
            var containers = new ContainerHost("container", RamBytes, host.Timers, _engine);
            _owned.Add(containers);
            containers.Create(new ContainerOptions
            {
                Program = "/" + Workload,
                ProgramImage = _guests.WorkloadElf(Workload),
                Arguments = [Workload, long.MaxValue.ToString(System.Globalization.CultureInfo.InvariantCulture)],
            });
            return containers.Machine;
        }

        public void Dispose()
        {
            foreach (IDisposable owned in _owned)
                owned.Dispose();
        }

        private static BootParameters Boot(ReadOnlyMemory<byte> program)
            => new() { Iterations = long.MaxValue, RamBytes = RamBytes, ProgramBytes = program.Length };
    }
}
