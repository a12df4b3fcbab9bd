using Hypervisor.Core.Devices;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Common.Sbi;

/// <summary>
/// The SBI served by the hypervisor beneath a kernel that owns the rest of its board, in whichever mode hosts it: firmware
/// without guest code and without machine mode, as a hypervisor for S-mode guests offers it. It stands before the mode's own
/// personality, takes the kernel's environment calls and keeps the harts' states; everything else is the mode's.
/// </summary>
/// <remarks>Invariant for the unsafe code: a hart's state lives as long as its vCPU.</remarks>
internal sealed unsafe class BuiltInFirmware : ISbiPlatform, IPersonality
{
    /// <summary>All exceptions that S-mode can take; an environment call from S-mode is ours.</summary>
    private const ulong DelegatedExceptions = 0xB1FF;

    private const ulong CacheBlocks = 0xF0;
    private const ulong Environment = CacheBlocks | CsrFile.EnvMemoryTypes | CsrFile.EnvSetsAccessedAndDirty | CsrFile.EnvTimerCompare;
    private const ulong AllCounters = uint.MaxValue;
    private const ulong SupervisorCounters = 7;
    private const int EcallLength = 4;

    private readonly VirtualMachine _machine;
    private readonly IBoardMode _mode;
    private readonly IPersonality _inner;
    private readonly SbiRegistry _sbi;
    private readonly StealTimeExtension _stealTime;
    private readonly HartRecord[] _harts;
    private readonly Lock _lock = new();

    /// <summary>Where a hart stands, and what it was told.</summary>
    private sealed class HartRecord
    {
        public volatile int Status = (int)SbiHartStatus.Stopped;
        public ulong Address, Opaque;
        public bool ResumesAnew;
        public int FencesOrdered, FencesObeyed;
        public volatile bool FencesInstructions;
    }

    /// <summary>Takes a machine whose harts are there and have not run; all are stopped until <see cref="Boot"/>.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="mode">How it is hosted.</param>
    /// <param name="console">Where the console calls go.</param>
    public BuiltInFirmware(VirtualMachine machine, IBoardMode mode, ISbiConsole console)
    {
        _machine = machine;
        _mode = mode;
        _inner = machine.VCpus[0].Personality;
        _harts = [.. machine.VCpus.Select(_ => new HartRecord())];
        _stealTime = new StealTimeExtension(this);
        _sbi = StandardExtensions.Create(this, console, _stealTime);
        foreach (VCpu vcpu in machine.VCpus)
        {
            vcpu.Personality = this;

            // Modes whose harts own their S-mode let this call through to machine mode, where there is nobody.
            vcpu.Hart.Controls.Exceptions |= 1UL << (int)TrapCause.EcallFromS;
        }
    }

    /// <inheritdoc/>
    public string Name => _inner.Name;

    /// <inheritdoc/>
    public GuestMemory Memory => _machine.Memory;

    /// <inheritdoc/>
    public int HartCount => _harts.Length;

    /// <summary>Starts hart 0 in supervisor mode, as the SBI says a hart is started.</summary>
    public void Boot(ulong entry, ulong deviceTree)
    {
        Enter(_machine.VCpus[0], entry, deviceTree);
        Set(0, SbiHartStatus.Started);
    }

    /// <inheritdoc/>
    public ExitVerdict BeforeSlice(VCpu vcpu)
    {
        HartRecord hart = _harts[vcpu.Id];
        switch ((SbiHartStatus)hart.Status)
        {
            case SbiHartStatus.Stopped:
            case SbiHartStatus.Suspended when !_inner.HasPendingWork(vcpu):
                return ExitVerdict.Block;
            case SbiHartStatus.StartPending:
            case SbiHartStatus.Suspended when hart.ResumesAnew:
                Enter(vcpu, hart.Address, hart.Opaque);
                Set(vcpu.Id, SbiHartStatus.Started);
                break;
            case SbiHartStatus.Suspended:
                Set(vcpu.Id, SbiHartStatus.Started);
                break;
        }

        _stealTime.Update(vcpu.Id, vcpu.Meter);
        return _inner.BeforeSlice(vcpu);
    }

    /// <inheritdoc/>
    public void PrepareRun(VCpu vcpu)
    {
        ObeyFences(vcpu);
        _inner.PrepareRun(vcpu);
    }

    /// <inheritdoc/>
    public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
        => exit.Reason == VmExitReason.EnvironmentCall && _mode.StateOf(vcpu).Mode == PrivilegeMode.Supervisor
            ? Call(vcpu)
            : _inner.OnExit(vcpu, in exit);

    /// <inheritdoc/>
    public bool HasPendingWork(VCpu vcpu) => (SbiHartStatus)_harts[vcpu.Id].Status switch
    {
        SbiHartStatus.Stopped => false,
        SbiHartStatus.StartPending => true,
        _ => _inner.HasPendingWork(vcpu),
    };

    /// <inheritdoc/>
    public bool IsAccessible(ulong address, ulong length, bool write) => Memory.Contains(address, length);

    /// <inheritdoc/>
    public void SetTimer(int hart, ulong deadlineTicks)
    {
        VCpu vcpu = _machine.VCpus[hart];
        _mode.StateOf(vcpu).Stimecmp = deadlineTicks;
        _mode.SetInterrupt(vcpu, InterruptBits.Sti, deadlineTicks <= (ulong)(vcpu.Hart.NowInRun / HartContext.NanosecondsPerTick));
        _mode.Follow(vcpu, CsrNumber.Stimecmp, CsrEffects.TimerChanged);
    }

    /// <inheritdoc/>
    public void SendSoftwareInterrupt(int hart) => _mode.SetInterrupt(_machine.VCpus[hart], InterruptBits.Ssi, true);

    /// <inheritdoc/>
    public void Fence(int hart, in SbiFence fence)
    {
        HartRecord target = _harts[hart];
        if (fence.Kind == SbiFenceKind.Instructions)
            target.FencesInstructions = true;
        Interlocked.Increment(ref target.FencesOrdered);
        _machine.VCpus[hart].Hart.RequestAttention();
    }

    /// <inheritdoc/>
    public void AwaitFences(int caller)
    {
        VCpu self = _machine.VCpus[caller];
        ObeyFences(self);

        // In virtual time nothing else runs now, and each hart obeys before it runs next.
        if (self.Hart.RealClock is null)
            return;
        var spin = new SpinWait();
        for (int i = 0; i < _harts.Length; i++)
        {
            // A hart that waits for us in the same way obeys while it waits, and so do we: none waits for ever.
            HartRecord other = _harts[i];
            while (Volatile.Read(ref other.FencesOrdered) != Volatile.Read(ref other.FencesObeyed)
                && _machine.VCpus[i].Status == VCpuStatus.Running && _machine.Exit is null)
            {
                ObeyFences(self);
                spin.SpinOnce();
            }
        }
    }

    /// <inheritdoc/>
    public SbiHartStatus StatusOf(int hart) => (SbiHartStatus)_harts[hart].Status;

    /// <inheritdoc/>
    public bool TryStartHart(int hart, ulong address, ulong opaque)
    {
        lock (_lock)
        {
            HartRecord target = _harts[hart];
            if (target.Status != (int)SbiHartStatus.Stopped)
                return false;
            target.Address = address;
            target.Opaque = opaque;
            Set(hart, SbiHartStatus.StartPending);
        }

        _machine.VCpus[hart].Wake();
        return true;
    }

    /// <inheritdoc/>
    public void StopHart(int hart) => Set(hart, SbiHartStatus.Stopped);

    /// <inheritdoc/>
    public void SuspendHart(int hart, ulong? resumeAddress, ulong opaque)
    {
        HartRecord target = _harts[hart];
        target.ResumesAnew = resumeAddress is not null;
        target.Address = resumeAddress ?? 0;
        target.Opaque = opaque;
        Set(hart, SbiHartStatus.Suspended);
    }

    /// <inheritdoc/>
    public bool TryReadVirtual(int hart, ulong address, out ulong value)
    {
        value = 0;
        return GuestWalk.TryTranslate(Memory, in _mode.StateOf(_machine.VCpus[hart]), address, out ulong physical) && Memory.TryRead(physical, out value);
    }

    /// <inheritdoc/>
    public VCpuMeter MeterOf(int hart) => _machine.VCpus[hart].Meter;

    /// <inheritdoc/>
    public void SetCounter(int hart, int counter, bool inhibited, ulong? value)
    {
        VCpu vcpu = _machine.VCpus[hart];
        CsrCounters counters = vcpu.Hart.Counters;
        CsrFile.SetCounter(ref _mode.StateOf(vcpu), counter, inhibited, value, in counters);
        _mode.Follow(vcpu, CsrNumber.Mcountinhibit, CsrEffects.None);
    }

    /// <inheritdoc/>
    public bool SetsAccessedAndDirty(int hart, bool? value)
    {
        VCpu vcpu = _machine.VCpus[hart];
        ref PrivilegedState p = ref _mode.StateOf(vcpu);
        if (value is { } wanted)
        {
            p.Menvcfg = wanted ? p.Menvcfg | CsrFile.EnvSetsAccessedAndDirty : p.Menvcfg & ~CsrFile.EnvSetsAccessedAndDirty;
            _mode.Follow(vcpu, CsrNumber.Menvcfg, CsrEffects.ContextChanged | CsrEffects.TranslationChanged);
        }

        return (p.Menvcfg & CsrFile.EnvSetsAccessedAndDirty) != 0;
    }

    /// <inheritdoc/>
    public void ClearSoftwareInterrupt(int hart) => _mode.SetInterrupt(_machine.VCpus[hart], InterruptBits.Ssi, false);

    /// <inheritdoc/>
    public void End(MachineExit exit) => _machine.PowerOff(exit);

    private void Set(int hart, SbiHartStatus status) => _harts[hart].Status = (int)status;

    private ExitVerdict Call(VCpu vcpu)
    {
        HartState* s = vcpu.Hart.State;
        ulong* x = RegisterFile.X(s);
        SbiResult result = _sbi.Call(new SbiCall(vcpu.Id, x[17], x[16], x[10], x[11], x[12], x[13], x[14], x[15]));
        x[10] = (ulong)result.Error;
        if (result.Completion != SbiCompletion.ResumeLegacy)
            x[11] = result.Value;
        MmioEmulation.Retire(s, EcallLength);
        return result.Completion switch
        {
            SbiCompletion.Resume or SbiCompletion.ResumeLegacy => ExitVerdict.Resume,
            SbiCompletion.Yield => ExitVerdict.Yield,
            SbiCompletion.Block => ExitVerdict.Block,
            _ => ExitVerdict.Stop,
        };
    }

    private void ObeyFences(VCpu vcpu)
    {
        HartRecord hart = _harts[vcpu.Id];
        int ordered = Volatile.Read(ref hart.FencesOrdered);
        if (ordered == hart.FencesObeyed)
            return;
        if (hart.FencesInstructions)
        {
            hart.FencesInstructions = false;
            vcpu.Hart.InstructionFencePending = true;
        }

        _mode.Follow(vcpu, CsrNumber.Mstatus, CsrEffects.TranslationChanged);
        Volatile.Write(ref hart.FencesObeyed, ordered);
    }

    /// <summary>Puts a hart where the SBI says a started one is (SBI 2.0, section 9.1): S-mode, paging and interrupts off.</summary>
    private void Enter(VCpu vcpu, ulong address, ulong opaque)
    {
        HartState* s = vcpu.Hart.State;
        ref PrivilegedState p = ref _mode.StateOf(vcpu);
        ulong pending = Volatile.Read(ref p.Mip);
        CsrFile.Reset(ref p, (ulong)vcpu.Id);
        p.Mip = pending & ~(InterruptBits.Ssi | InterruptBits.Sti);
        p.Medeleg = DelegatedExceptions;
        p.Mideleg = InterruptBits.Supervisor;
        p.Mcounteren = AllCounters;

        // What user mode may read is the supervisor's choice, which Linux leaves to firmware: its vDSO reads the time.
        p.Scounteren = SupervisorCounters;
        p.Menvcfg = Environment;
        p.Mseccfg = Entropy.SupervisorEnable;
        p.Mode = PrivilegeMode.Supervisor;
        Pmp.OpenAll(ref p);
        CsrFile.SyncUnits(s, in p);
        RegisterFile.X(s)[10] = (ulong)vcpu.Id;
        RegisterFile.X(s)[11] = opaque;
        s->Pc = address;
        _mode.Follow(vcpu, CsrNumber.Menvcfg, CsrEffects.ContextChanged | CsrEffects.TranslationChanged | CsrEffects.TimerChanged);
        _mode.Follow(vcpu, CsrNumber.Satp, CsrEffects.TranslationChanged);
    }
}
