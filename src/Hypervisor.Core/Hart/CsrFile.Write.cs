using Hypervisor.Core.Isa;

namespace Hypervisor.Core.Hart;

/// <content>Writes: each register keeps only the values that the specification or this hart allows (WARL).</content>
internal static unsafe partial class CsrFile
{
    private const ulong SstatusWritable = MstatusBits.Sie | MstatusBits.Spie | MstatusBits.Spp | MstatusBits.Fs
        | MstatusBits.Sum | MstatusBits.Mxr;

    private const ulong SstatusReadable = SstatusWritable | MstatusBits.Uxl | MstatusBits.Sd;

    private const ulong MstatusWritable = SstatusWritable | MstatusBits.Mie | MstatusBits.Mpie | MstatusBits.Mpp
        | MstatusBits.Mprv | MstatusBits.Tvm | MstatusBits.Tw | MstatusBits.Tsr;

    /// <summary>All exceptions that exist but environment calls from machine mode (10 and 14 are reserved).</summary>
    private const ulong DelegableExceptions = 0xB3FF;

    /// <summary>satp.MODE: Bare, Sv39, Sv48, Sv57.</summary>
    private const ulong SatpModes = (1UL << 0) | (1UL << 8) | (1UL << 9) | (1UL << 10);

    private const ulong EnvCacheInvalidate = 3 << 4;

    private const ulong SenvcfgWritable = EnvFenceIo | EnvCacheInvalidate | EnvCacheClean | EnvCacheZero;

    /// <summary>The bits of menvcfg that change what a page-table entry means.</summary>
    private const ulong EnvTranslation = EnvMemoryTypes | EnvSetsAccessedAndDirty;

    private const ulong AllCounters = 0xFFFF_FFFF;

    /// <summary>Writes a register with the rights of the mode in <paramref name="p"/>.</summary>
    public static bool TryWrite(HartState* s, ref PrivilegedState p, int csr, ulong value, in CsrCounters counters, out CsrEffects effects)
    {
        effects = CsrEffects.None;
        if ((int)p.Mode < ((csr >> 8) & 3) || (csr & 0xC00) == 0xC00)
            return false;
        switch (csr)
        {
            case CsrNumber.Fflags: return WriteFcsr(s, s->Frm, (uint)value & 31);
            case CsrNumber.Frm: return WriteFcsr(s, (uint)value & 7, s->Fflags);
            case CsrNumber.Fcsr: return WriteFcsr(s, (uint)(value >> 5) & 7, (uint)value & 31);

            case CsrNumber.Vstart: return VectorUnit.IsEnabled(s) && VectorUnit.Write(s, ref s->Vstart, value & ((ulong)s->Vlenb * 8 - 1));
            case CsrNumber.Vxsat: return VectorUnit.IsEnabled(s) && VectorUnit.WriteFixedPoint(s, s->Vxrm, (byte)(value & 1));
            case CsrNumber.Vxrm: return VectorUnit.IsEnabled(s) && VectorUnit.WriteFixedPoint(s, (byte)(value & 3), s->Vxsat);
            case CsrNumber.Vcsr: return VectorUnit.IsEnabled(s) && VectorUnit.WriteFixedPoint(s, (byte)(value >> 1 & 3), (byte)(value & 1));

            case CsrNumber.Seed: return Entropy.MayUse(in p);

            case CsrNumber.Sstatus: effects = WriteStatus(s, ref p, SstatusWritable, value); return true;
            case CsrNumber.Sie: effects = WriteMie(ref p, p.Mideleg, value); return true;
            case CsrNumber.Stvec: p.Stvec = TrapVector(p.Stvec, value); return true;
            case CsrNumber.Scounteren: p.Scounteren = value & AllCounters; return true;
            case CsrNumber.Senvcfg: p.Senvcfg = Environment(p.Senvcfg, value, SenvcfgWritable); return true;
            case CsrNumber.Sscratch: p.Sscratch = value; return true;
            case CsrNumber.Sepc: p.Sepc = value & ~1UL; return true;
            case CsrNumber.Scause: p.Scause = value; return true;
            case CsrNumber.Stval: p.Stval = value; return true;
            case CsrNumber.Sip: effects = WriteMip(ref p, InterruptBits.Ssi & p.Mideleg, value); return true;
            case CsrNumber.Stimecmp: return WriteTimerCompare(ref p, value, in counters, out effects);
            case CsrNumber.Satp: return WriteSatp(ref p, value, out effects);

            case CsrNumber.Mstatus: effects = WriteStatus(s, ref p, MstatusWritable, value); return true;
            case CsrNumber.Misa: return true;
            case CsrNumber.Medeleg: p.Medeleg = value & DelegableExceptions; return true;
            case CsrNumber.Mideleg: effects = WriteMideleg(ref p, value); return true;
            case CsrNumber.Mie: effects = WriteMie(ref p, InterruptBits.All, value); return true;
            case CsrNumber.Mtvec: p.Mtvec = TrapVector(p.Mtvec, value); return true;
            case CsrNumber.Mcounteren: p.Mcounteren = value & AllCounters; return true;
            case CsrNumber.Menvcfg: effects = WriteMenvcfg(ref p, value, in counters); return true;
            case CsrNumber.Mseccfg: p.Mseccfg = value & Entropy.Enables; return true;
            case CsrNumber.Mcountinhibit: WriteCountInhibit(ref p, value, in counters); return true;
            case CsrNumber.Mscratch: p.Mscratch = value; return true;
            case CsrNumber.Mepc: p.Mepc = value & ~1UL; return true;
            case CsrNumber.Mcause: p.Mcause = value; return true;
            case CsrNumber.Mtval: p.Mtval = value; return true;
            case CsrNumber.Mip: effects = WriteMachineMip(ref p, value); return true;

            default: return TryWriteFamily(ref p, csr, value, in counters, out effects);
        }
    }

    private static bool TryWriteFamily(ref PrivilegedState p, int csr, ulong value, in CsrCounters counters, out CsrEffects effects)
    {
        effects = CsrEffects.None;
        switch (csr & ~0x1F)
        {
            case CsrNumber.Mcycle:
                if (csr == CsrNumber.Mcycle)
                    p.McycleOffset = (p.Mcountinhibit & 1) != 0 ? value : value - counters.Cycle;
                else if (csr == CsrNumber.Minstret)
                    // The write itself retires, but the value written is what the next instruction reads.
                    p.MinstretOffset = (p.Mcountinhibit & 4) != 0 ? value : value - counters.Retired - 1;
                return csr != CsrNumber.Mcycle + 1;
            case CsrNumber.Mcountinhibit:
                return csr >= CsrNumber.Mhpmevent3;
            case 0x3A0:
                bool changed;
                if (csr >= CsrNumber.Pmpaddr0)
                    changed = Pmp.WriteAddress(ref p, csr - CsrNumber.Pmpaddr0, value);
                else if (csr is CsrNumber.Pmpcfg0 or CsrNumber.Pmpcfg0 + 2)
                    changed = Pmp.WriteConfig(ref p, csr - CsrNumber.Pmpcfg0, value);
                else
                    return false;
                effects = changed ? CsrEffects.TranslationChanged : CsrEffects.None;
                return true;
            default:
                return false;
        }
    }

    private static bool WriteFcsr(HartState* s, uint rounding, uint flags)
    {
        if (s->FpEnabled == 0)
            return false;
        s->Frm = rounding;
        s->Fflags = flags;
        s->FpDirty = 1;
        return true;
    }

    private static CsrEffects WriteStatus(HartState* s, ref PrivilegedState p, ulong writable, ulong value)
    {
        ulong old = p.Mstatus;
        if (s->Vlenb != 0)
            writable |= MstatusBits.Vs;
        ulong status = (old & ~writable) | (value & writable);
        if ((status & MstatusBits.Mpp) == 2UL << MstatusBits.MppShift)
            status = (status & ~MstatusBits.Mpp) | (old & MstatusBits.Mpp);
        p.Mstatus = status;
        // What was dirty before this write is as clean as the write says.
        s->FpDirty = 0;
        s->VectorDirty = 0;
        SyncUnits(s, in p);

        ulong changed = old ^ status;
        CsrEffects effects = CsrEffects.None;
        if ((changed & (MstatusBits.Sum | MstatusBits.Mxr | MstatusBits.Mprv | MstatusBits.Mpp | MstatusBits.Fs | MstatusBits.Vs)) != 0)
            effects |= CsrEffects.ContextChanged;
        if ((changed & status & (MstatusBits.Sie | MstatusBits.Mie)) != 0)
            effects |= CsrEffects.InterruptsChanged;
        return effects;
    }

    private static CsrEffects WriteMie(ref PrivilegedState p, ulong writable, ulong value)
    {
        p.Mie = (p.Mie & ~writable) | (value & writable);
        return CsrEffects.InterruptsChanged;
    }

    private static CsrEffects WriteMideleg(ref PrivilegedState p, ulong value)
    {
        p.Mideleg = value & InterruptBits.Supervisor;
        return CsrEffects.InterruptsChanged;
    }

    private static CsrEffects WriteMachineMip(ref PrivilegedState p, ulong value)
    {
        p.SoftwareSeip = value & InterruptBits.Sei;
        // With Sstc the timer bit only shows the comparison's outcome.
        ulong timer = (p.Menvcfg & EnvTimerCompare) != 0 ? 0 : InterruptBits.Sti;
        return WriteMip(ref p, InterruptBits.Ssi | timer, value);
    }

    private static CsrEffects WriteMip(ref PrivilegedState p, ulong writable, ulong value)
    {
        SetPending(ref p, value & writable, ~value & writable);
        return CsrEffects.InterruptsChanged;
    }

    private static void SetPending(ref PrivilegedState p, ulong set, ulong clear)
    {
        if (clear != 0)
            Interlocked.And(ref p.Mip, ~clear);
        if (set != 0)
            Interlocked.Or(ref p.Mip, set);
    }

    /// <summary>A trap vector: reserved modes are not written (the base is aligned to 4 bytes by its encoding).</summary>
    private static ulong TrapVector(ulong old, ulong value) => (value & 2) != 0 ? old : value;

    private static bool WriteSatp(ref PrivilegedState p, ulong value, out CsrEffects effects)
    {
        effects = CsrEffects.None;
        if (!MayUseSatp(in p))
            return false;
        if (((SatpModes >> (int)(value >> 60)) & 1) == 0 || p.Satp == value)
            return true;
        p.Satp = value;
        effects = CsrEffects.TranslationChanged;
        return true;
    }

    private static bool WriteTimerCompare(ref PrivilegedState p, ulong value, in CsrCounters counters, out CsrEffects effects)
    {
        effects = CsrEffects.None;
        if (!MayUseTimerCompare(in p))
            return false;
        p.Stimecmp = value;
        if ((p.Menvcfg & EnvTimerCompare) != 0)
            effects = CompareTimer(ref p, in counters);
        return true;
    }

    private static CsrEffects WriteMenvcfg(ref PrivilegedState p, ulong value, in CsrCounters counters)
    {
        ulong old = p.Menvcfg;
        p.Menvcfg = Environment(old, value, SenvcfgWritable | EnvTranslation | EnvTimerCompare);
        ulong changed = old ^ p.Menvcfg;
        CsrEffects effects = (changed & EnvTranslation) != 0 ? CsrEffects.TranslationChanged : CsrEffects.None;
        if ((changed & EnvTimerCompare) != 0)
            effects |= (p.Menvcfg & EnvTimerCompare) != 0 ? CompareTimer(ref p, in counters) : CsrEffects.TimerChanged;
        return effects;
    }

    /// <summary>An envcfg register: FIOM, the cache-block bits (CBIE 2 is reserved and not written), and what the level adds.</summary>
    private static ulong Environment(ulong old, ulong value, ulong writable)
        => (value & EnvCacheInvalidate) == 2 << 4 ? (value & writable & ~EnvCacheInvalidate) | (old & EnvCacheInvalidate) : value & writable;

    private static CsrEffects CompareTimer(ref PrivilegedState p, in CsrCounters counters)
    {
        bool due = counters.Time >= p.Stimecmp;
        SetPending(ref p, due ? InterruptBits.Sti : 0, due ? 0 : InterruptBits.Sti);
        return CsrEffects.TimerChanged | CsrEffects.InterruptsChanged;
    }

    /// <summary>Stops or lets run one counter, 0 for cycles or 2 for instructions, from outside the guest, and gives it a value.</summary>
    public static void SetCounter(ref PrivilegedState p, int counter, bool inhibited, ulong? value, in CsrCounters counters)
    {
        ulong bit = 1UL << counter;
        WriteCountInhibit(ref p, inhibited ? p.Mcountinhibit | bit : p.Mcountinhibit & ~bit, in counters);
        if (value is not { } wanted)
            return;
        if (counter == 0)
            p.McycleOffset = inhibited ? wanted : wanted - counters.Cycle;
        else
            p.MinstretOffset = inhibited ? wanted : wanted - counters.Retired;
    }

    /// <summary>An inhibited counter keeps its value in its offset; one let go again counts on from there.</summary>
    private static void WriteCountInhibit(ref PrivilegedState p, ulong value, in CsrCounters counters)
    {
        ulong changed = (p.Mcountinhibit ^ value) & 5;
        if ((changed & 1) != 0)
            p.McycleOffset = (value & 1) != 0 ? p.McycleOffset + counters.Cycle : p.McycleOffset - counters.Cycle;
        if ((changed & 4) != 0)
            p.MinstretOffset = (value & 4) != 0 ? p.MinstretOffset + counters.Retired : p.MinstretOffset - counters.Retired;
        p.Mcountinhibit = value & 5;
    }
}
