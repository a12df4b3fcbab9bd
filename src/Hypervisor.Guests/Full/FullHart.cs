using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Time;
using Hypervisor.Guests.Common;

namespace Hypervisor.Guests.Full;

/// <summary>
/// One deprivileged hart: the virtual privileged state that its guest believes in, beside the physical one, which stands in
/// user mode for ever and is only told what user mode may do by itself.
/// </summary>
/// <remarks>Invariant for the unsafe code: the hart's state lives as long as its vCPU, which holds this object.</remarks>
internal sealed unsafe class FullHart
{
    private const ulong Interrupt = 1UL << 63;

    private readonly VCpu _vcpu;
    private readonly SupervisorTimer _timer;
    private ulong _translationBits;

    /// <summary>What the guest sees in its CSRs.</summary>
    public PrivilegedState Virtual;

    public FullHart(VCpu vcpu, ShadowTables shadows, ulong number)
    {
        _vcpu = vcpu;
        Shadows = shadows;
        CsrFile.Reset(ref Virtual, number);
        _timer = new SupervisorTimer(vcpu.Machine, TimerDue);
        SyncMode();
        SyncRights();
    }

    public ShadowTables Shadows { get; }

    /// <summary>Exceptions given to the guest, by cause.</summary>
    public long[] Reflected { get; } = new long[64];

    /// <summary>Interrupts given to the guest, by number.</summary>
    public long[] Injected { get; } = new long[64];

    public HartContext Hart => _vcpu.Hart;

    public HartState* State => _vcpu.Hart.State;

    /// <summary>The counters as the guest's instruction that just left the engine reads them.</summary>
    public CsrCounters Counters => Hart.Counters;

    /// <summary>Sets or clears bits of the virtual mip. Any thread.</summary>
    public void SetInterrupt(ulong mask, bool pending)
    {
        if (!pending)
        {
            Interlocked.And(ref Virtual.Mip, ~mask);
            return;
        }

        Interlocked.Or(ref Virtual.Mip, mask);
        _vcpu.Wake();
    }

    /// <summary>Gives an exception to the guest's own handler. The program counter stands at the instruction.</summary>
    public void Reflect(ulong cause, ulong value)
    {
        Reflected[cause & 63]++;
        TrapUnit.Enter(State, ref Virtual, cause, value);
        State->UsedBefore++;
        State->TrapsTaken++;
        SyncMode();
    }

    /// <summary>Gives the guest the most urgent interrupt that it would take now, if any.</summary>
    public void Inject()
    {
        int number = Hart.HoldsInterrupts ? -1 : TrapUnit.PendingInterrupt(in Virtual);
        if (number < 0)
            return;
        Injected[number & 63]++;
        TrapUnit.Enter(State, ref Virtual, Interrupt | (uint)number, 0);
        SyncMode();
    }

    /// <summary>Follows a CSR write of the guest.</summary>
    public void Apply(int csr, CsrEffects effects)
    {
        if (csr is CsrNumber.Mcounteren or CsrNumber.Scounteren or CsrNumber.Menvcfg or CsrNumber.Senvcfg
            or CsrNumber.Mcountinhibit or CsrNumber.Mcycle or CsrNumber.Minstret)
            SyncRights();
        if (effects == CsrEffects.None)
            return;
        if ((effects & CsrEffects.ContextChanged) != 0)
            SyncMode();
        if ((effects & CsrEffects.TranslationChanged) != 0)
        {
            if (csr == CsrNumber.Satp)
                SwitchSpace();
            else
                Fence(null, null);
        }

        if ((effects & CsrEffects.TimerChanged) != 0)
            _timer.Follow(in Virtual);
        if ((effects & CsrEffects.InterruptsChanged) != 0)
            Inject();
    }

    /// <summary>Drops shadow entries, and with them what the engine's TLB made of them.</summary>
    public void Fence(ulong? address, ulong? asid)
    {
        bool all = Shadows.Fence(address, asid) || address is null;
        switch (all, asid)
        {
            case (true, null):
                Hart.FlushTlb();
                break;
            case (true, { } identifier):
                Hart.FlushTlb(identifier, Shadows.Satp);
                break;
            default:
                Hart.FlushTlbPage(address!.Value, asid, Shadows.Satp);
                break;
        }
    }

    /// <summary>Puts the virtual mode's address context in force, after the mode or its status bits changed.</summary>
    public void SyncMode()
    {
        ulong status = Virtual.Mstatus;
        TlbContext context = Virtual.Mode switch
        {
            PrivilegeMode.User => TlbContext.User,
            PrivilegeMode.Supervisor => (status & MstatusBits.Sum) != 0 ? TlbContext.SupervisorUserMemory : TlbContext.Supervisor,
            _ => TlbContext.Machine,
        };
        bool moved = Hart.ForcedContext is not { } old || old != context;
        if (moved)
            Hart.ForcedContext = context;
        ulong bits = status & MstatusBits.Mxr;
        if ((status & MstatusBits.Mprv) != 0)
            bits |= status & (MstatusBits.Mprv | MstatusBits.Mpp | MstatusBits.Sum);
        if (bits != _translationBits)
            ChangeTranslationBits(bits);
        if (moved)
            SyncRights();
    }

    /// <summary>Lets the physical hart read counters and use cache-block instructions exactly where the virtual one may.</summary>
    private void SyncRights()
    {
        ref PrivilegedState physical = ref State->Privileged;
        (physical.Mcounteren, physical.Menvcfg) = Virtual.Mode switch
        {
            PrivilegeMode.Machine => (ulong.MaxValue, ulong.MaxValue & ~CsrFile.EnvTimerCompare),
            PrivilegeMode.Supervisor => (Virtual.Mcounteren, Virtual.Menvcfg & ~CsrFile.EnvTimerCompare),
            _ => (Virtual.Mcounteren & Virtual.Scounteren, Virtual.Menvcfg & Virtual.Senvcfg),
        };
        physical.Scounteren = physical.Mcounteren;
        physical.Senvcfg = physical.Menvcfg;
        physical.Mcountinhibit = Virtual.Mcountinhibit;
        physical.McycleOffset = Virtual.McycleOffset;
        physical.MinstretOffset = Virtual.MinstretOffset;
    }

    private void ChangeTranslationBits(ulong bits)
    {
        ulong changed = bits ^ _translationBits;
        _translationBits = bits;
        if ((changed & MstatusBits.Mxr) != 0)
        {
            Fence(null, null);
            return;
        }

        Shadows.DropMachine();
        Hart.FlushTlb();
    }

    private void SwitchSpace()
    {
        ulong left = Shadows.Satp;
        Shadows.Switch(Virtual.Satp);
        Hart.SwitchSpace(left, Virtual.Satp);

        // Machine mode's entries hold the old space's addresses only if it borrowed them.
        if ((Virtual.Mstatus & MstatusBits.Mprv) != 0)
        {
            Shadows.DropMachine();
            Hart.FlushTlb();
        }
    }

    private void TimerDue()
    {
        // The guest may have turned Sstc off since: then the bit is software's again.
        if (CsrFile.TimerDeadline(in Virtual) != ulong.MaxValue)
            SetInterrupt(InterruptBits.Sti, true);
    }
}
