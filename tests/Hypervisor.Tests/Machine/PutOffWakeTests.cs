using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Machine;

/// <summary>Wakes that wait for the end of the waker's slice: for no longer than a few instructions or its next exit, and never for ever.</summary>
public sealed unsafe class PutOffWakeTests
{
    private const uint Ecall = 0x0000_0073;
    private const uint Count = 0x0010_8093; // addi x1, x1, 1
    private const uint Back = 0xffdf_f06f; // j -4
    private const int Budget = 100_000;

    [Fact]
    public void WakeSoon_WakerComputesOn_IsToldWithinAFewInstructions()
    {
        using Pair pair = new(Ecall, Count, Back);
        SliceEnd end = pair.Run(mayPutOff: true);
        Assert.Equal(SliceEnd.Expired, end);
        Assert.InRange(Assert.Single(pair.Told), 500, 2000);

        // The budget's parts are no ends of slices.
        Assert.Equal(1, pair.Waker.Meter.Exits(VmExitReason.BudgetExpired));
        Assert.Equal(Budget - 1, pair.Waker.Meter.Retired);
    }

    [Fact]
    public void WakeSoon_NotAllowed_IsToldAtOnce()
    {
        using Pair pair = new(Ecall, Count, Back);
        pair.Run(mayPutOff: false);
        Assert.InRange(Assert.Single(pair.Told), 0, 1);
    }

    [Fact]
    public void WakeSoon_WakerExitsAgain_IsToldThen()
    {
        using Pair pair = new(Count, Ecall, Count, Ecall, Count, Back);
        pair.WakesAt = 1;
        pair.Run(mayPutOff: true);
        Assert.InRange(Assert.Single(pair.Told), 3, 5);
    }

    [Fact]
    public void WakeSoon_WakerSleepsNext_IsLeftToTheHostLoop()
    {
        using Pair pair = new(Count, Ecall, Count, Ecall, Count, Back);
        pair.WakesAt = 1;
        pair.SleepsAt = 2;
        Assert.Equal(SliceEnd.Blocked, pair.Run(mayPutOff: true));
        Assert.Empty(pair.Told);
        Assert.Same(pair.Woken, pair.Waker.PutOffWake);
    }

    // Each wakes the other and sleeps: a wake that got lost would end it.
    [Theory]
    [InlineData(1, 2)]
    [InlineData(1, 3)]
    [InlineData(2, 2)]
    [InlineData(2, 3)]
    public void WakeSoon_VCpusThatHandOn_GoOnInRealTime(int cpus, int vcpus)
    {
        using var host = new HypervisorHost(new HostOptions { Clock = HostClock.Real, PhysicalCpus = cpus });
        var ring = new HandOn();
        VirtualMachine machine = Guest(host.Timers, ring, vcpus, Ecall, Count, Back - 0x0040_0000); // ecall; count; j to the ecall
        host.Add(machine, SchedulingParameters.Default);
        host.Start();
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref ring.Turns) > 20_000, TimeSpan.FromSeconds(60)), $"{ring.Turns} turns");
        host.Remove(machine);
    }

    private static VirtualMachine Guest(Core.Time.ITimerService timers, IPersonality personality, int vcpus, params ReadOnlySpan<uint> code)
    {
        var machine = new VirtualMachine("test", new GuestMemory(new MemoryRegion(0x1000, 0x1000)), timers);
        for (int i = 0; i < code.Length; i++)
            machine.Memory.TryWrite(0x1000 + (ulong)i * 4, code[i]);
        for (int i = 0; i < vcpus; i++)
        {
            var hart = new HartContext(machine.Memory, new FlatTranslator(machine.Memory), new ExitControls { Exceptions = ExitControls.AllExceptions }, singleContext: true);
            hart.State->Pc = 0x1000;
            machine.AddVCpu(hart, personality, TestEngine.Create());
        }

        return machine;
    }

    /// <summary>One vCPU that wakes another at a call, by itself; and when the host loop was told.</summary>
    private sealed class Pair : IPersonality, IDisposable
    {
        private readonly HypervisorHost _host = new(new HostOptions());
        private readonly VirtualMachine _machine;
        private int _calls;

        public Pair(params ReadOnlySpan<uint> code)
        {
            _machine = Guest(_host.Timers, this, 2, code);
            Woken.WakeRequested = _ => Told.Add(Waker.Hart.UsedInSlice);
        }

        public VCpu Waker => _machine.VCpus[0];

        public VCpu Woken => _machine.VCpus[1];

        public List<long> Told { get; } = [];

        public int WakesAt { get; set; } = 1;

        public int SleepsAt { get; set; }

        public string Name => "test";

        public SliceEnd Run(bool mayPutOff)
        {
            Waker.MayPutOffWakes = mayPutOff;
            SliceEnd end = Waker.RunSlice(Budget, _machine.CodeCacheFor(0), out long retired);
            if (end == SliceEnd.Expired)
                Assert.Equal(Budget, retired);
            return end;
        }

        public ExitVerdict BeforeSlice(VCpu vcpu) => ExitVerdict.Resume;

        public void PrepareRun(VCpu vcpu)
        {
        }

        public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
        {
            vcpu.Hart.State->Pc += 4;
            if (++_calls == WakesAt)
                Woken.WakeSoon(vcpu);
            return _calls == SleepsAt ? ExitVerdict.Block : ExitVerdict.Resume;
        }

        public bool HasPendingWork(VCpu vcpu) => false;

        public void Dispose()
        {
            _machine.Dispose();
            _host.Dispose();
        }
    }

    /// <summary>A baton goes around: who has it gives it to the next and sleeps.</summary>
    private sealed class HandOn : IPersonality
    {
        private readonly Lock _lock = new();

        public int Turns;

        public string Name => "test";

        public ExitVerdict BeforeSlice(VCpu vcpu) => ExitVerdict.Resume;

        public void PrepareRun(VCpu vcpu)
        {
        }

        public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
        {
            lock (_lock)
            {
                IReadOnlyList<VCpu> all = vcpu.Machine.VCpus;
                if (Turns % all.Count != vcpu.Id)
                    return ExitVerdict.Block;
                Turns++;
                vcpu.Hart.State->Pc += 4;
                all[Turns % all.Count].WakeSoon(vcpu);
                return ExitVerdict.Resume;
            }
        }

        public bool HasPendingWork(VCpu vcpu) => Turns % vcpu.Machine.VCpus.Count == vcpu.Id;
    }
}
