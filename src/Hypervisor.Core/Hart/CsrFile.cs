using System.Runtime.CompilerServices;
using Hypervisor.Core.Isa;

namespace Hypervisor.Core.Hart;

/// <summary>
/// The control and status registers of an RV64 hart with machine, supervisor and user modes: which exist, who may touch
/// them, and what writes leave in them (privileged specification, chapters 2, 3 and 12; Sstc).
/// </summary>
/// <remarks>
/// It works on whatever <see cref="PrivilegedState"/> it is given: the hart's own, or the virtual one of a deprivileged
/// guest. False means that the access raises an illegal-instruction exception.
/// </remarks>
internal static unsafe partial class CsrFile
{
    /// <summary>RV64 with A, C, D, F, I, M, S and U.</summary>
    public const ulong IsaValue = (2UL << 62) | (1 << 0) | (1 << 2) | (1 << 3) | (1 << 5) | (1 << 8) | (1 << 12) | (1 << 18) | (1 << 20);

    private const ulong IsaVectors = 1 << 21;

    /// <summary>menvcfg.STCE: stimecmp drives the supervisor timer interrupt.</summary>
    public const ulong EnvTimerCompare = 1UL << 63;

    /// <summary>menvcfg.PBMTE: page-table entries may name memory types (Svpbmt).</summary>
    public const ulong EnvMemoryTypes = 1UL << 62;

    /// <summary>menvcfg.ADUE: the hart sets A and D bits itself (Svadu); clear, it faults where they need be set (Svade).</summary>
    public const ulong EnvSetsAccessedAndDirty = 1UL << 61;

    /// <summary>CBCFE: cbo.clean and cbo.flush are allowed at the level below.</summary>
    public const ulong EnvCacheClean = 1 << 6;

    /// <summary>CBZE: cbo.zero is allowed at the level below.</summary>
    public const ulong EnvCacheZero = 1 << 7;

    private const ulong EnvFenceIo = 1;
    private const ulong Xlen64 = (2UL << 32) | (2UL << 34);

    /// <summary>Puts the registers into the state that a hart has after reset, in machine mode.</summary>
    public static void Reset(ref PrivilegedState p, ulong hart)
    {
        p = default;
        p.Misa = IsaValue;
        p.Mstatus = Xlen64;
        p.Mhartid = hart;
        // A kernel that never heard of the bit may count on either: only hardware that sets A and D serves both.
        p.Menvcfg = EnvSetsAccessedAndDirty;
        p.Stimecmp = ulong.MaxValue;
        p.Mode = PrivilegeMode.Machine;
    }

    /// <summary>When the supervisor timer interrupt is due, in ticks of the time CSR; <see cref="ulong.MaxValue"/> for never.</summary>
    public static ulong TimerDeadline(in PrivilegedState p)
        => (p.Menvcfg & EnvTimerCompare) != 0 ? p.Stimecmp : ulong.MaxValue;

    /// <summary>Whether an access reads counters, so that callers need not take the time for all the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool UsesCounters(int csr)
        => (csr & ~0x101F) is 0xC00 or 0xB00 || csr is CsrNumber.Stimecmp or CsrNumber.Menvcfg or CsrNumber.Mcountinhibit;

    /// <summary>Lets floating-point and vector instructions run exactly while mstatus.FS and VS allow it. Called after mstatus changed.</summary>
    public static void SyncUnits(HartState* s, in PrivilegedState p)
    {
        s->FpEnabled = (p.Mstatus & MstatusBits.Fs) != 0 ? (byte)1 : (byte)0;
        VectorUnit.Enable(s, (p.Mstatus & MstatusBits.Vs) != 0);
    }

    /// <summary>
    /// One CSR instruction: reads the old value unless <paramref name="reads"/> is false (csrrw to x0), writes unless
    /// <paramref name="writes"/> is false (csrrs or csrrc from x0).
    /// </summary>
    public static bool TryAccess(HartState* s, ref PrivilegedState p, int csr, CsrOperation operation, ulong operand,
        bool reads, bool writes, in CsrCounters counters, out ulong old, out CsrEffects effects)
    {
        effects = CsrEffects.None;
        old = 0;
        if (writes && (csr & 0xC00) == 0xC00)
            return false;

        // A read alone could be speculative, and would use up entropy (scalar cryptography, section 31.5).
        if (!writes && csr == CsrNumber.Seed)
            return false;
        if ((reads || operation != CsrOperation.Write) && !TryRead(s, ref p, csr, counters, out old))
            return false;
        if (!writes)
            return true;
        ulong basis = csr == CsrNumber.Mip ? MipForModify(in p) : old;
        ulong value = operation switch
        {
            CsrOperation.Set => basis | operand,
            CsrOperation.Clear => basis & ~operand,
            _ => operand,
        };
        return TryWrite(s, ref p, csr, value, counters, out effects);
    }

    /// <summary>Reads a register with the rights of the mode in <paramref name="p"/>.</summary>
    public static bool TryRead(HartState* s, ref PrivilegedState p, int csr, in CsrCounters counters, out ulong value)
    {
        value = 0;
        if ((int)p.Mode < ((csr >> 8) & 3))
            return false;
        switch (csr)
        {
            case CsrNumber.Fflags: value = s->Fflags; return s->FpEnabled != 0;
            case CsrNumber.Frm: value = s->Frm; return s->FpEnabled != 0;
            case CsrNumber.Fcsr: value = s->Fflags | (s->Frm << 5); return s->FpEnabled != 0;

            case CsrNumber.Vstart: value = s->Vstart; return VectorUnit.IsEnabled(s);
            case CsrNumber.Vxsat: value = s->Vxsat; return VectorUnit.IsEnabled(s);
            case CsrNumber.Vxrm: value = s->Vxrm; return VectorUnit.IsEnabled(s);
            case CsrNumber.Vcsr: value = s->Vxsat | (uint)s->Vxrm << 1; return VectorUnit.IsEnabled(s);
            case CsrNumber.Vl: value = s->Vl; return VectorUnit.IsEnabled(s);
            case CsrNumber.Vtype: value = s->Vtype; return VectorUnit.IsEnabled(s);
            case CsrNumber.Vlenb: value = (uint)s->Vlenb; return VectorUnit.IsEnabled(s);

            case CsrNumber.Seed:
                if (!Entropy.MayUse(in p))
                    return false;
                value = Entropy.Draw(s);
                return true;

            case CsrNumber.Sstatus: value = Status(s, in p) & (SstatusReadable | MstatusBits.Vs); return true;
            case CsrNumber.Sie: value = p.Mie & p.Mideleg; return true;
            case CsrNumber.Stvec: value = p.Stvec; return true;
            case CsrNumber.Scounteren: value = p.Scounteren; return true;
            case CsrNumber.Senvcfg: value = p.Senvcfg; return true;
            case CsrNumber.Sscratch: value = p.Sscratch; return true;
            case CsrNumber.Sepc: value = p.Sepc; return true;
            case CsrNumber.Scause: value = p.Scause; return true;
            case CsrNumber.Stval: value = p.Stval; return true;
            case CsrNumber.Sip: value = PendingBits(in p) & p.Mideleg; return true;
            case CsrNumber.Stimecmp: value = p.Stimecmp; return MayUseTimerCompare(in p);
            case CsrNumber.Satp: value = p.Satp; return MayUseSatp(in p);

            case CsrNumber.Mstatus: value = Status(s, in p); return true;
            case CsrNumber.Misa: value = s->Vlenb != 0 ? p.Misa | IsaVectors : p.Misa; return true;
            case CsrNumber.Medeleg: value = p.Medeleg; return true;
            case CsrNumber.Mideleg: value = p.Mideleg; return true;
            case CsrNumber.Mie: value = p.Mie; return true;
            case CsrNumber.Mtvec: value = p.Mtvec; return true;
            case CsrNumber.Mcounteren: value = p.Mcounteren; return true;
            case CsrNumber.Menvcfg: value = p.Menvcfg; return true;
            case CsrNumber.Mcountinhibit: value = p.Mcountinhibit; return true;
            case CsrNumber.Mscratch: value = p.Mscratch; return true;
            case CsrNumber.Mepc: value = p.Mepc; return true;
            case CsrNumber.Mcause: value = p.Mcause; return true;
            case CsrNumber.Mtval: value = p.Mtval; return true;
            case CsrNumber.Mip: value = PendingBits(in p); return true;
            case CsrNumber.Mseccfg: value = p.Mseccfg; return true;
            case CsrNumber.Mhartid: value = p.Mhartid; return true;
            case CsrNumber.Mvendorid or CsrNumber.Marchid or CsrNumber.Mimpid or CsrNumber.Mconfigptr: return true;

            default: return TryReadFamily(in p, csr, in counters, out value);
        }
    }

    /// <summary>The register families: PMP, counters and event selectors.</summary>
    private static bool TryReadFamily(in PrivilegedState p, int csr, in CsrCounters counters, out ulong value)
    {
        value = 0;
        switch (csr & ~0x1F)
        {
            case CsrNumber.Cycle:
                int counter = csr & 0x1F;
                value = Counter(in p, counter, in counters);
                return MayUseCounter(in p, counter);
            case CsrNumber.Mcycle:
                value = Counter(in p, csr & 0x1F, in counters);
                return csr != CsrNumber.Mcycle + 1;
            case CsrNumber.Mcountinhibit:
                return csr >= CsrNumber.Mhpmevent3;
            case 0x3A0:
                if (csr >= CsrNumber.Pmpaddr0)
                    value = Pmp.ReadAddress(in p, csr - CsrNumber.Pmpaddr0);
                else if (csr is CsrNumber.Pmpcfg0 or CsrNumber.Pmpcfg0 + 2)
                    value = Pmp.ReadConfig(in p, csr - CsrNumber.Pmpcfg0);
                else
                    return false;
                return true;
            default:
                return false;
        }
    }

    /// <summary>mstatus as software sees it: writes to floating-point and vector registers since the last look count as Dirty.</summary>
    private static ulong Status(HartState* s, in PrivilegedState p)
    {
        ulong status = p.Mstatus;
        if (s->FpDirty != 0 && s->FpEnabled != 0)
            status |= MstatusBits.Fs;
        if (s->VectorDirty != 0 && VectorUnit.IsEnabled(s))
            status |= MstatusBits.Vs;
        return (status & MstatusBits.Fs) == MstatusBits.Fs || (status & MstatusBits.Vs) == MstatusBits.Vs ? status | MstatusBits.Sd : status;
    }

    private static ulong PendingBits(in PrivilegedState p)
        => Volatile.Read(ref Unsafe.AsRef(in p.Mip)) | p.SoftwareSeip;

    /// <summary>The value of mip that csrrs and csrrc modify: the controller's SEIP line is not part of it.</summary>
    private static ulong MipForModify(in PrivilegedState p)
        => (Volatile.Read(ref Unsafe.AsRef(in p.Mip)) & ~InterruptBits.Sei) | p.SoftwareSeip;

    private static bool MayUseSatp(in PrivilegedState p)
        => p.Mode != PrivilegeMode.Supervisor || (p.Mstatus & MstatusBits.Tvm) == 0;

    private static bool MayUseTimerCompare(in PrivilegedState p)
        => p.Mode == PrivilegeMode.Machine || ((p.Menvcfg & EnvTimerCompare) != 0 && (p.Mcounteren & 2) != 0);

    private static bool MayUseCounter(in PrivilegedState p, int counter)
    {
        ulong bit = 1UL << counter;
        return p.Mode switch
        {
            PrivilegeMode.Machine => true,
            PrivilegeMode.Supervisor => (p.Mcounteren & bit) != 0,
            _ => (p.Mcounteren & p.Scounteren & bit) != 0,
        };
    }

    /// <summary>A counter's value. An inhibited one stands still at its offset; hardware performance counters count nothing.</summary>
    private static ulong Counter(in PrivilegedState p, int counter, in CsrCounters counters) => counter switch
    {
        0 => (p.Mcountinhibit & 1) != 0 ? p.McycleOffset : counters.Cycle + p.McycleOffset,
        1 => counters.Time,
        2 => (p.Mcountinhibit & 4) != 0 ? p.MinstretOffset : counters.Retired + p.MinstretOffset,
        _ => 0,
    };
}
