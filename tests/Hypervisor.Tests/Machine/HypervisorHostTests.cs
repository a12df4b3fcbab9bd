using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;
using Hypervisor.Tests.Scheduling;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Machine;

/// <summary>The host loop in both kinds of time, over real engine vCPUs.</summary>
public sealed unsafe class HypervisorHostTests
{
    private const uint Ecall = 0x0000_0073;

    [Fact]
    public void RunFor_WeightedSpinners_GetTheirShares()
    {
        using var host = new HypervisorHost(new HostOptions());
        VirtualMachine[] machines = [.. new[] { 1, 2, 4 }.Select(weight =>
        {
            VirtualMachine machine = Spinner(host);
            host.Add(machine, SchedulingParameters.Default with { Weight = weight * 100 });
            return machine;
        })];
        host.RunFor(700_000_000);
        long[] ran = [.. machines.Select(machine => machine.VCpus[0].Meter.RunNanoseconds)];
        Assert.Equal(700_000_000, ran.Sum());
        Assert.InRange(ran[0], 99_000_000, 101_000_000);
        Assert.InRange(ran[1], 198_000_000, 202_000_000);
        Assert.InRange(ran[2], 396_000_000, 404_000_000);
        Assert.Equal(700_000_000, host.NowNanoseconds);
    }

    [Fact]
    public void RunFor_AnySlice_EndsInTheSameGuestState()
    {
        ulong Expected(long slice)
        {
            using var host = new HypervisorHost(new HostOptions { SliceNanoseconds = slice, PhysicalCpus = 2 });
            VirtualMachine[] machines = [Spinner(host), Spinner(host)];
            foreach (VirtualMachine machine in machines)
                host.Add(machine, SchedulingParameters.Default);
            host.RunFor(1_000_000);
            return machines[0].VCpus[0].Hart.State->X[1] * 1_000_003 + machines[1].VCpus[0].Hart.State->X[1];
        }

        ulong expected = Expected(1_000_000);
        Property.ForAll(Gen.Choose(1000, 500_000), slice => Expected(slice) == expected, cases: 30);
    }

    [Fact]
    public void Timers_InVirtualTime_FireToTheNanosecond()
    {
        using var host = new HypervisorHost(new HostOptions());
        host.Add(Spinner(host), SchedulingParameters.Default);
        var fired = new List<long>();
        int timer = 0;
        timer = host.Timers.CreateTimer(() =>
        {
            fired.Add(host.NowNanoseconds);
            if (fired.Count < 5)
                host.Timers.Arm(timer, host.NowNanoseconds + 12_345);
        });
        host.Timers.Arm(timer, 777);
        host.RunFor(1_000_000);
        Assert.Equal([777, 13_122, 25_467, 37_812, 50_157], fired);
    }

    [Fact]
    public void Block_ThenWakeByTimer_IdlesTheCpuMeanwhile()
    {
        using var host = new HypervisorHost(new HostOptions());
        var sleeper = new SleepOnCall(host, 1_000_000);
        VirtualMachine machine = Guest(host, sleeper, Ecall, 0xffdf_f06f); // ecall; j back
        host.Add(machine, SchedulingParameters.Default);
        host.RunFor(100_500_000);
        Assert.InRange(sleeper.Calls, 99, 101);
        Assert.InRange(host.PhysicalCpus[0].IdleNanoseconds, 99_000_000, 100_500_000);
        Assert.Equal(100_500_000, host.PhysicalCpus[0].IdleNanoseconds + host.PhysicalCpus[0].BusyNanoseconds);
    }

    [Fact]
    public void RunUntilIdle_EveryoneSleeps_Returns()
    {
        using var host = new HypervisorHost(new HostOptions());
        host.Add(Guest(host, new SleepOnCall(host, 0), Ecall), SchedulingParameters.Default);
        host.RunUntilIdle();
        Assert.True(host.NowNanoseconds < 1_000_000);
        Assert.False(host.Step());
    }

    // One hart waits for another that has no CPU: it makes way long before its slice is over. Alone it keeps its slice.
    [Theory]
    [InlineData(2)]
    [InlineData(8)]
    [InlineData(1)]
    public void RunFor_HartSpinsForAnotherWithoutACpu_MakesWayForIt(int harts)
    {
        const string source = """
                bnez a0, other
            wait:
                pause
                lw t0, 0x100(a1)
                beqz t0, wait
                ecall
            other:
                addi t1, a0, -1
                beqz t1, last
                pause
                j other
            last:
                sw a0, 0x100(a1)
            rest:
                j rest
            """;
        using var host = new HypervisorHost(new HostOptions());
        VirtualMachine machine = Guest(host, new EndOnCall());
        machine.Memory.TryWrite(0x1000, Assembler.Assemble(source, new AssemblerOptions { Name = "spin", TextBase = 0x1000 }).ToImage());
        for (int i = 1; i < harts; i++)
            AddVCpu(machine, new EndOnCall());
        for (int i = 0; i < harts; i++)
        {
            // The first one waits, the last one has the word set, the others spin in vain.
            HartState* state = machine.VCpus[i].Hart.State;
            (state->X[10], state->X[11]) = (i == 0 ? 0UL : (ulong)(harts - i), 0x1000);
        }

        host.Add(machine, SchedulingParameters.Default);
        host.RunFor(10_000_000);
        if (harts == 1)
        {
            Assert.Null(machine.Exit);
            Assert.Equal(0, machine.VCpus[0].Meter.Exits(VmExitReason.Spinning));
            return;
        }

        Assert.Equal(7, machine.Exit?.Code);
        Assert.True(machine.VCpus.Sum(vcpu => vcpu.Meter.Exits(VmExitReason.Spinning)) > 0);

        // All slices have gone to spinning for a few hundred instructions but that of the one which set the word, then spins without a hint.
        Assert.True(machine.VCpus[0].Meter.RunNanoseconds < 20_000, $"{machine.VCpus[0].Meter.RunNanoseconds} ns");
    }

    [Fact]
    public void PowerOff_FromAnExit_EndsTheMachineAndFreesTheCpu()
    {
        using var host = new HypervisorHost(new HostOptions());
        VirtualMachine ending = Guest(host, new EndOnCall(), Ecall);
        VirtualMachine other = Spinner(host);
        host.Add(ending, SchedulingParameters.Default);
        host.Add(other, SchedulingParameters.Default);
        host.RunFor(10_000_000);
        Assert.Equal(new MachineExit(7, "asked"), ending.Exit);
        Assert.Equal(VCpuStatus.Stopped, ending.VCpus[0].Status);
        Assert.Single(host.Machines);
        Assert.True(other.VCpus[0].Meter.RunNanoseconds > 9_990_000);
    }

    [Fact]
    public void ThousandMachines_AllMakeProgress()
    {
        using var host = new HypervisorHost(new HostOptions { SliceNanoseconds = 10_000, PhysicalCpus = 4 });
        VirtualMachine[] machines = [.. Enumerable.Range(0, 1000).Select(_ =>
        {
            VirtualMachine machine = Spinner(host);
            host.Add(machine, SchedulingParameters.Default);
            return machine;
        })];
        host.RunFor(10_000_000);
        Assert.All(machines, machine => Assert.InRange(machine.VCpus[0].Meter.RunNanoseconds, 30_000, 50_000));
        foreach (VirtualMachine machine in machines)
        {
            host.Remove(machine);
            machine.Dispose();
        }
    }

    [Fact]
    public void Real_StartRunWakeAndStop_WithoutDeadlock()
    {
        using var host = new HypervisorHost(new HostOptions { Clock = HostClock.Real, PhysicalCpus = 2 });
        var sleeper = new SleepOnCall(host, 200_000);
        VirtualMachine sleeping = Guest(host, sleeper, Ecall, 0xffdf_f06f);
        VirtualMachine spinning = Spinner(host);
        VirtualMachine ending = Guest(host, new EndOnCall(), Ecall);
        host.Start();
        host.Add(sleeping, SchedulingParameters.Default);
        host.Add(spinning, SchedulingParameters.Default);
        host.Add(ending, SchedulingParameters.Default);
        Assert.Equal(7, host.WaitFor(ending, TimeSpan.FromSeconds(30))?.Code);
        Assert.True(SpinWait.SpinUntil(() => sleeper.Calls >= 20, TimeSpan.FromSeconds(30)), $"woken {sleeper.Calls} times");
        Assert.Null(host.WaitFor(spinning, TimeSpan.FromMilliseconds(20)));
        host.Remove(spinning);
        Assert.Equal(VCpuStatus.Stopped, spinning.VCpus[0].Status);
        Assert.True(spinning.VCpus[0].Meter.Retired > 0);
    }

    // Two vCPUs that hand each other the CPU by name, every few instructions, beside two that never yield: the one named runs next
    // as long as the pair is owed something, and the others lose nothing by it.
    [Theory]
    [InlineData("eevdf")]
    [InlineData("stride")]
    [InlineData("sfq")]
    [InlineData("credit2")]
    [InlineData("lottery")]
    [InlineData("round-robin")]
    [InlineData("reservation")]
    public void Yield_ToANamedVCpu_RunsThatOneNextAndTakesNothingFromOthers(string name)
    {
        var policy = new RecordingPolicy(Schedulers.Create(name, 1));
        using var host = new HypervisorHost(new HostOptions { PicosecondsPerInstruction = 10_000 }, policy);
        var personality = new YieldOnCall();
        uint[] code = [.. Enumerable.Repeat(0x0000_0013u, 500), Ecall, 0x82df_f06f]; // 500 × nop; ecall; j back
        VirtualMachine yielding = Guest(host, personality, code);
        AddVCpu(yielding, personality);
        personality.Target = vcpu => yielding.VCpus[1 - vcpu.Id];
        host.Add(yielding, SchedulingParameters.Default);
        VirtualMachine[] others = [Spinner(host), Spinner(host)];
        foreach (VirtualMachine other in others)
            host.Add(other, SchedulingParameters.Default);
        host.RunFor(200_000_000);
        var next = policy.Runs.Zip(policy.Runs.Skip(1)).Where(pair => pair.First is { VCpu: < 2, Used: < 10_000 }).ToList();
        Assert.InRange(next.Count, 100, int.MaxValue);
        Assert.InRange(next.Count(pair => pair.Second.VCpu == 1 - pair.First.VCpu) / (double)next.Count, 0.5, 1);
        Assert.All(others, other => Assert.InRange(other.VCpus[0].Meter.RunNanoseconds, name == "lottery" ? 40_000_000 : 48_000_000, 200_000_000));
    }

    [Fact]
    public void Yield_ToAnothersVCpu_IsAPlainYield()
    {
        using var host = new HypervisorHost(new HostOptions { Scheduler = "round-robin" });
        var personality = new YieldOnCall();
        VirtualMachine yielding = Guest(host, personality, Ecall, 0xffdf_f06f);
        VirtualMachine[] others = [Spinner(host), Spinner(host)];
        personality.Target = _ => others[1].VCpus[0];
        host.Add(yielding, SchedulingParameters.Default);
        foreach (VirtualMachine other in others)
            host.Add(other, SchedulingParameters.Default);
        host.RunFor(100_000_000);
        Assert.InRange(others[0].VCpus[0].Meter.RunNanoseconds - others[1].VCpus[0].Meter.RunNanoseconds, -1_000_000, 1_000_000);
    }

    [Fact]
    public void Options_OutOfRange_AreRefused()
    {
        Assert.Throws<HypervisorException>(() => new HypervisorHost(new HostOptions { PhysicalCpus = 0 }));
        Assert.Throws<HypervisorException>(() => new HypervisorHost(new HostOptions { PhysicalCpus = 65 }));
        Assert.Throws<HypervisorException>(() => new HypervisorHost(new HostOptions { Scheduler = "none" }));
        Assert.Throws<HypervisorException>(() => new HypervisorHost(new HostOptions { PicosecondsPerInstruction = 0 }));
        using var real = new HypervisorHost(new HostOptions { Clock = HostClock.Real });
        Assert.Throws<HypervisorException>(() => real.RunFor(1));
        using var simulated = new HypervisorHost(new HostOptions());
        Assert.Throws<HypervisorException>(simulated.Start);
    }

    /// <summary>A machine that only counts.</summary>
    internal static VirtualMachine Spinner(HypervisorHost host) => Guest(host, new EndOnCall(), 0x0010_8093, 0xffdf_f06f); // addi x1, x1, 1; j back

    /// <summary>A machine that sleeps for a time, wakes for two instructions, and sleeps again; how often it did.</summary>
    internal static (VirtualMachine Machine, Func<int> Wakes) Sleeper(HypervisorHost host, long nanoseconds)
    {
        var personality = new SleepOnCall(host, nanoseconds);
        return (Guest(host, personality, Ecall, 0xffdf_f06f), () => personality.Calls); // ecall; j back
    }

    /// <summary>The same, and how long after each wake it ran.</summary>
    internal static (VirtualMachine Machine, List<long> Waits) TimedSleeper(HypervisorHost host, long nanoseconds)
    {
        var personality = new SleepOnCall(host, nanoseconds);
        return (Guest(host, personality, Ecall, 0xffdf_f06f), personality.Waits);
    }

    private static VirtualMachine Guest(HypervisorHost host, IPersonality personality, params ReadOnlySpan<uint> code)
    {
        var machine = new VirtualMachine("test", new GuestMemory(new MemoryRegion(0x1000, 0x1000)), host.Timers);
        for (int i = 0; i < code.Length; i++)
            machine.Memory.TryWrite(0x1000 + (ulong)i * 4, code[i]);
        AddVCpu(machine, personality);
        return machine;
    }

    private static void AddVCpu(VirtualMachine machine, IPersonality personality)
    {
        var hart = new HartContext(machine.Memory, new FlatTranslator(machine.Memory), new ExitControls { Exceptions = ExitControls.AllExceptions }, singleContext: true);
        hart.State->Pc = 0x1000;
        machine.AddVCpu(hart, personality, Support.TestEngine.Create());
    }

    /// <summary>Ends the machine at a call.</summary>
    private sealed class EndOnCall : IPersonality
    {
        public string Name => "test";

        public ExitVerdict BeforeSlice(VCpu vcpu) => ExitVerdict.Resume;

        public void PrepareRun(VCpu vcpu)
        {
        }

        public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
        {
            vcpu.Machine.PowerOff(new MachineExit(7, "asked"));
            return ExitVerdict.Stop;
        }

        public bool HasPendingWork(VCpu vcpu) => false;
    }

    /// <summary>Yields at a call, to one of its choice.</summary>
    private sealed class YieldOnCall : IPersonality
    {
        public Func<VCpu, VCpu?> Target { get; set; } = _ => null;

        public int Yields { get; private set; }

        public string Name => "test";

        public ExitVerdict BeforeSlice(VCpu vcpu) => ExitVerdict.Resume;

        public void PrepareRun(VCpu vcpu)
        {
        }

        public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
        {
            Yields++;
            vcpu.Hart.State->Pc += 4;
            vcpu.YieldTarget = Target(vcpu);
            return ExitVerdict.Yield;
        }

        public bool HasPendingWork(VCpu vcpu) => false;
    }

    /// <summary>Sleeps at a call, until a timer or for ever.</summary>
    private sealed class SleepOnCall(HypervisorHost host, long nanoseconds) : IPersonality
    {
        private int _timer = -1;
        private long _woken = -1;

        public List<long> Waits { get; } = [];

        public int Calls { get; private set; }

        public string Name => "test";

        public ExitVerdict BeforeSlice(VCpu vcpu) => ExitVerdict.Resume;

        public void PrepareRun(VCpu vcpu)
        {
        }

        public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
        {
            Calls++;
            vcpu.Hart.State->Pc += 4;
            if (_woken >= 0)
                Waits.Add(vcpu.Hart.TimeAtEntry - _woken);
            _woken = host.NowNanoseconds + nanoseconds;
            if (nanoseconds == 0)
                return ExitVerdict.Block;
            if (_timer < 0)
                _timer = host.Timers.CreateTimer(vcpu.Wake);
            host.Timers.Arm(_timer, host.NowNanoseconds + nanoseconds);
            return ExitVerdict.Block;
        }

        public bool HasPendingWork(VCpu vcpu) => false;
    }
}
