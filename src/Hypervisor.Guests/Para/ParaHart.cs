using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common.Sbi;

namespace Hypervisor.Guests.Para;

/// <summary>What the paravirtual personality keeps for one hart, beside the hart itself.</summary>
/// <remarks>Invariant for the unsafe code: the hart's state is unmanaged memory that lives as long as its vCPU.</remarks>
internal sealed unsafe class ParaHart
{
    // All exceptions that S-mode can take; an environment call from S-mode is not among them, it leaves the engine.
    private const ulong DelegatedExceptions = 0xB1FF;

    // Cache-block instructions and memory types are allowed in S-mode, and the hart sets A and D bits; no Sstc (timers are set by call).
    private const ulong Environment = 0xF0 | CsrFile.EnvMemoryTypes | CsrFile.EnvSetsAccessedAndDirty;
    private const ulong AllCounters = uint.MaxValue;
    private const ulong SupervisorCounters = 7;

    private readonly AddressTranslator _translator;
    private int _status = (int)SbiHartStatus.Stopped;
    private int _fencesOrdered;
    private int _fencesObeyed;
    private int _sleeping;

    /// <summary>Takes a vCPU as a stopped hart.</summary>
    public ParaHart(VCpu vcpu)
    {
        VCpu = vcpu;
        _translator = vcpu.Hart.Translator;
        Park();
        Sleeping = true;
    }

    public VCpu VCpu { get; }

    public int Id => VCpu.Id;

    public HartContext Hart => VCpu.Hart;

    /// <summary>The shared-info page in use, or null. Changed under the channels' lock, read from any thread.</summary>
    public volatile SharedInfoPage? SharedInfo;

    /// <summary>The level of the platform's own external interrupt (the PLIC's): it shares SEIP with the upcall line.</summary>
    public volatile bool PlatformLine;

    /// <summary>Where the hart stands with HSM.</summary>
    public SbiHartStatus Status
    {
        get => (SbiHartStatus)Volatile.Read(ref _status);
        set => Volatile.Write(ref _status, (int)value);
    }

    /// <summary>Where a hart that is starting or resuming begins, and what it finds in a1.</summary>
    public ulong StartAddress { get; set; }

    /// <inheritdoc cref="StartAddress"/>
    public ulong StartOpaque { get; set; }

    /// <summary>Whether a suspended hart lost its registers and goes on at <see cref="StartAddress"/>.</summary>
    public bool ResumesAnew { get; set; }

    /// <summary>The timer behind SBI set_timer.</summary>
    public int Timer { get; set; }

    /// <summary>The timer behind the deadline of block.</summary>
    public int BlockTimer { get; set; }

    /// <summary>Whether the hart sleeps in a block call, whose value is still to be given.</summary>
    public bool InBlock { get; set; }

    /// <summary>When that call gives up, in ticks.</summary>
    public ulong BlockDeadline { get; set; }

    /// <summary>The page-table root it set by hypercall, or 0.</summary>
    public ulong Root { get; set; }

    /// <summary>Whether the hart asked to sleep and has not run since: others that have something for it must wake it.</summary>
    public bool Sleeping
    {
        get => Volatile.Read(ref _sleeping) != 0;
        set => Interlocked.Exchange(ref _sleeping, value ? 1 : 0);
    }

    /// <summary>Whether a fence another hart ordered is still to be obeyed.</summary>
    public bool FencePending => Volatile.Read(ref _fencesOrdered) != Volatile.Read(ref _fencesObeyed);

    /// <summary>Whether an interrupt that the hart enabled is pending, whatever its global enable says.</summary>
    public bool HasInterrupt => (Volatile.Read(ref Hart.State->Privileged.Mip) & Hart.State->Privileged.Mie) != 0;

    /// <summary>The value of satp in force.</summary>
    public ulong Satp => Hart.State->Privileged.Satp;

    /// <summary>The current time in ticks of the time CSR.</summary>
    public ulong NowTicks => (ulong)(Hart.Nanoseconds(0) / HartContext.NanosecondsPerTick);

    /// <summary>Orders a fence. Any thread.</summary>
    public void OrderFence()
    {
        Interlocked.Increment(ref _fencesOrdered);
        Hart.RequestAttention();
    }

    /// <summary>An event was put into the hart's page: interrupts or wakes the hart as it asked. Any thread.</summary>
    public void EventArrived(SharedInfoPage page)
    {
        bool sleeping = Sleeping;
        if (page.LineRaised)
            Hart.SetInterruptPending(InterruptBits.Sei, true);
        if (sleeping)
            VCpu.Wake();
    }

    /// <summary>Puts the external interrupt where the upcall line and the platform's line now stand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void EvaluateLine()
    {
        if (SharedInfo is { } page)
            SetExternal(page.LineRaised || PlatformLine);
    }

    /// <summary>The platform's own external interrupt changed. Any thread.</summary>
    public void SetPlatformLine(bool raised)
    {
        PlatformLine = raised;
        SetExternal(raised || SharedInfo is { LineRaised: true });
        if (raised && Sleeping)
            VCpu.Wake();
    }

    /// <summary>Sets or clears one supervisor interrupt and wakes a hart that sleeps. Any thread.</summary>
    public void SetInterrupt(ulong mask, bool pending)
    {
        Hart.SetInterruptPending(mask, pending);
        if (pending && Sleeping)
            VCpu.Wake();
    }

    /// <summary>Makes a page-table root, given as a value of satp, the address space in force, and satp the hypervisor's to write.</summary>
    public void SetAddressSpace(ulong satp)
    {
        HartState* state = Hart.State;
        state->Privileged.Mstatus |= MstatusBits.Tvm;
        if (state->Privileged.Satp == satp)
            return;
        Hart.SwitchSpace(state->Privileged.Satp, satp);
        state->Privileged.Satp = satp;
    }

    /// <summary>Stops the hart: whatever wakes it, it cannot fetch an instruction.</summary>
    public void Park()
    {
        Hart.Translator = ParkedTranslator.Instance;
        Hart.FlushTlb();
    }

    /// <summary>Puts the hart where the SBI says a started one is (SBI 2.0, section 9.1): S-mode, paging and interrupts off.</summary>
    public void Reset(ulong address, ulong opaque)
    {
        HartState* state = Hart.State;
        new Span<ulong>(RegisterFile.X(state), 32).Clear();
        new Span<ulong>(RegisterFile.F(state), 32).Clear();
        state->Fflags = 0;
        state->Frm = 0;
        state->FpDirty = 0;
        ref PrivilegedState privileged = ref state->Privileged;
        ulong pending = Volatile.Read(ref privileged.Mip);
        CsrFile.Reset(ref privileged, (ulong)Id);
        privileged.Medeleg = DelegatedExceptions;
        privileged.Mideleg = InterruptBits.Supervisor;
        privileged.Mcounteren = AllCounters;

        // What user mode may read is the supervisor's choice, which Linux leaves to firmware: its vDSO reads the time.
        privileged.Scounteren = SupervisorCounters;
        privileged.Menvcfg = Environment;
        privileged.Mseccfg = Entropy.SupervisorEnable;
        privileged.Mip = pending;
        CsrFile.SyncUnits(state, in privileged);
        VectorUnit.Reset(state);
        Root = 0;
        InBlock = false;
        Enter(address, opaque);
        Hart.Translator = _translator;
    }

    /// <summary>Starts the machine's first hart.</summary>
    public void Boot(ulong address, ulong opaque)
    {
        Reset(address, opaque);
        Status = SbiHartStatus.Started;
        Sleeping = false;
    }

    /// <summary>Takes up a hart that was suspended and lost its registers (SBI 2.0, section 9.4): only its supervisor CSRs are left.</summary>
    public void ResumeAnew()
    {
        Root = 0;
        Enter(StartAddress, StartOpaque);
    }

    private void Enter(ulong address, ulong opaque)
    {
        HartState* state = Hart.State;
        state->Pc = address;
        RegisterFile.X(state)[10] = (ulong)Id;
        RegisterFile.X(state)[11] = opaque;
        state->Privileged.Mode = PrivilegeMode.Supervisor;
        state->Privileged.Satp = 0;
        state->Privileged.Mstatus &= ~(MstatusBits.Sie | MstatusBits.Tvm);
        Hart.ContextStale = true;
        Hart.FlushTlb();
    }

    private void SetExternal(bool raised)
    {
        bool isRaised = (Volatile.Read(ref Hart.State->Privileged.Mip) & InterruptBits.Sei) != 0;
        if (isRaised != raised)
            Hart.SetInterruptPending(InterruptBits.Sei, raised);
    }

    /// <summary>Obeys ordered fences. Only on the thread that runs the hart.</summary>
    public void ObeyFences()
    {
        int ordered = Volatile.Read(ref _fencesOrdered);
        if (ordered == _fencesObeyed)
            return;
        Hart.FlushTlb();
        Hart.InstructionFencePending = true;
        Volatile.Write(ref _fencesObeyed, ordered);
    }
}
