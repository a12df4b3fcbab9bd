using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>What is not plain computation: environment calls, CSRs, returns from traps, fences, cache blocks.</summary>
internal sealed unsafe partial class Interpreter
{
    private const int CacheBlockBytes = 64;

    /// <summary>Does the op at which a chain left.</summary>
    private SlowOutcome DoSlow(HartContext hart, CodeCache code, Op* op, out VmExit exit)
    {
        HartState* s = hart.State;
        ref PrivilegedState p = ref s->Privileged;
        Opcode opcode = BlockHeader.InfoOf(op)->Opcode;
        exit = default;
        switch (opcode)
        {
            case >= Opcode.Csrrw and <= Opcode.Csrrci:
                return DoCsr(hart, op, opcode, out exit);

            case Opcode.Ebreak:
                return Trap(hart, op, TrapCause.Breakpoint, AddressOf(op, BlockHeader.InfoOf(op)), out exit);

            case Opcode.Mret:
            case Opcode.Sret:
            {
                long budget = s->Budget;
                SettleAt(s, op);
                bool legal = opcode == Opcode.Mret ? TrapUnit.MachineReturn(s, ref p) : TrapUnit.SupervisorReturn(s, ref p);
                if (!legal)
                {
                    s->Budget = budget;
                    return Illegal(hart, op, out exit);
                }

                s->Budget--;
                return AfterStatusChange(hart);
            }

            case Opcode.Wfi:
                if (!TrapUnit.WaitIsLegal(in p))
                    return Illegal(hart, op, out exit);
                if (TrapUnit.HasWakeup(in p))
                    return Retire(s, op);
                SettleAt(s, op);
                exit = new VmExit(VmExitReason.WaitForInterrupt, Account(hart), length: 4, opcode: (ushort)opcode);
                return SlowOutcome.Exit;

            case Opcode.Pause:
            case Opcode.WrsNto:
            case Opcode.WrsSto:
                hart.ProgressInRun = s->BudgetAtEntry - s->Budget + BlockHeader.InfoOf(op)->Retired;
                if (!hart.Controls.SpinningExits || !hart.NoteSpin())
                    return SlowOutcome.Next;
                Retire(s, op);
                exit = Leave(hart, VmExitReason.Spinning);
                return SlowOutcome.Exit;

            case Opcode.SfenceVma:
            case Opcode.SinvalVma:
                if (!TrapUnit.FenceIsLegal(in p))
                    return Illegal(hart, op, out exit);
                Fence(hart, op);
                return Retire(s, op);

            case Opcode.SfenceWInval:
            case Opcode.SfenceInvalIr:
                return p.Mode == PrivilegeMode.User ? Illegal(hart, op, out exit) : Retire(s, op);

            case Opcode.FenceI:
                code.Settle(_handlers.Stale, fence: true);
                return Retire(s, op);

            case Opcode.CboZero:
            case Opcode.CboClean:
            case Opcode.CboFlush:
            case Opcode.CboInval:
                return DoCacheBlock(hart, code, op, opcode, out exit);
        }

        if (opcode >= Opcode.Vsetvli)
            return DoVector(hart, code, op, opcode, out exit);
        return MemoryShape.Of(opcode).Size != 0 ? DoMemory(hart, code, op, opcode, out exit) : Illegal(hart, op, out exit);
    }

    /// <summary>
    /// SFENCE.VMA (privileged specification, section 12.2.1). With an identifier, what global entries map may stay, in the address
    /// spaces of others.
    /// </summary>
    private static void Fence(HartContext hart, Op* op)
    {
        HartState* s = hart.State;
        ulong satp = s->Privileged.Satp;
        switch (op->Rs1 != 0, op->Rs2 != 0)
        {
            case (false, false):
                hart.FlushTlb();
                break;
            case (false, true):
                hart.FlushTlb(s->X[op->Rs2], satp);
                break;
            case (true, false):
                hart.FlushTlbPage(s->X[op->Rs1]);
                break;
            case (true, true):
                hart.FlushTlbPage(s->X[op->Rs1], s->X[op->Rs2], satp);
                break;
        }
    }

    private SlowOutcome Trap(HartContext hart, Op* op, TrapCause cause, ulong value, out VmExit exit)
        => Raise(hart, op, cause, value, out exit) ? SlowOutcome.Exit : SlowOutcome.Lookup;

    private SlowOutcome Illegal(HartContext hart, Op* op, out VmExit exit)
        => Trap(hart, op, TrapCause.IllegalInstruction, BlockHeader.InfoOf(op)->Raw, out exit);

    /// <summary>Status bits changed: a new context from the next instruction on, and interrupts may have become deliverable.</summary>
    private static SlowOutcome AfterStatusChange(HartContext hart)
    {
        hart.ContextStale = true;
        if (hart.Controls.DeliverInterrupts)
            TakeInterrupt(hart);
        return SlowOutcome.Lookup;
    }

    private SlowOutcome DoCsr(HartContext hart, Op* op, Opcode opcode, out VmExit exit)
    {
        HartState* s = hart.State;
        ref PrivilegedState p = ref s->Privileged;
        exit = default;
        int csr = op->Imm;
        var operation = (CsrOperation)(opcode >= Opcode.Csrrwi ? opcode - Opcode.Csrrwi : opcode - Opcode.Csrrw);
        ulong operand = opcode >= Opcode.Csrrwi ? op->Rs1 : s->X[op->Rs1];
        bool reads = operation != CsrOperation.Write || op->Rd != HartState.Sink;
        bool writes = operation == CsrOperation.Write || op->Rs1 != 0;
        ulong satp = p.Satp;
        CsrCounters counters = CsrFile.UsesCounters(csr) ? CountersAt(hart, op) : default;
        if (!CsrFile.TryAccess(s, ref p, csr, operation, operand, reads, writes, in counters, out ulong old, out CsrEffects effects))
            return Illegal(hart, op, out exit);
        s->X[op->Rd] = old;
        if (effects == CsrEffects.None)
            return SlowOutcome.Next;

        if ((effects & CsrEffects.TranslationChanged) != 0)
        {
            if (csr == CsrNumber.Satp)
                hart.SwitchSpace(satp, p.Satp);
            else
                hart.FlushTlb();
        }

        if ((effects & CsrEffects.TimerChanged) != 0)
        {
            hart.ProgressInRun = s->BudgetAtEntry - s->Budget + BlockHeader.InfoOf(op)->Retired;
            hart.ReportTimer();
        }

        Retire(s, op);
        return AfterStatusChange(hart);
    }

    /// <summary>The counters as the instruction at an op reads them.</summary>
    private static CsrCounters CountersAt(HartContext hart, Op* op)
    {
        HartState* s = hart.State;
        long used = s->BudgetAtEntry - s->Budget + BlockHeader.InfoOf(op)->Retired;
        ulong total = s->UsedBefore + (ulong)used;
        return new CsrCounters(
            Cycle: total,
            Time: (ulong)hart.Nanoseconds(used) / HartContext.NanosecondsPerTick,
            Retired: total - s->TrapsTaken);
    }

    /// <summary>Zicboz and Zicbom: the block is 64 bytes; with coherent memory clean, flush and inval have nothing to do.</summary>
    private SlowOutcome DoCacheBlock(HartContext hart, CodeCache code, Op* op, Opcode opcode, out VmExit exit)
    {
        HartState* s = hart.State;
        if (!CacheBlockIsLegal(in s->Privileged, opcode))
            return Illegal(hart, op, out exit);

        // Management needs only the right to load, but whatever goes wrong is a store's fault, at the address as given (section 2.5).
        ulong address = s->X[op->Rs1];
        AccessKind kind = opcode == Opcode.CboZero ? AccessKind.Store : AccessKind.Load;
        TranslationStatus status = hart.Translator.Translate(s, address, kind, hart.Context, out Translation page);
        if (status == TranslationStatus.Exit)
        {
            exit = LeaveOnMiss(hart, page.ExitValue, kind, op);
            return SlowOutcome.Exit;
        }

        if (status == TranslationStatus.PageFault)
            return Trap(hart, op, TrapCause.StorePageFault, address, out exit);
        if (status != TranslationStatus.Ok || page.HostPage == null)
            return Trap(hart, op, TrapCause.StoreAccessFault, address, out exit);
        exit = default;
        if (opcode == Opcode.CboZero)
        {
            ulong block = address & 0xFFF & ~(ulong)(CacheBlockBytes - 1);
            new Span<byte>(page.HostPage + block, CacheBlockBytes).Clear();
            NoteStore(hart, (page.GuestPhysical & ~0xFFFUL) | block, CacheBlockBytes);
            bool changed = code.Settle(_handlers.Stale, fence: false);
            if (hart.Watches is { } watches && watches.TryHit(address & ~(ulong)(CacheBlockBytes - 1), CacheBlockBytes, kind, out ulong watched))
                return LeaveAtWatch(hart, op, watched, kind, out exit);
            if (changed)
                return Retire(s, op);
        }

        return SlowOutcome.Next;
    }

    /// <summary>The enable bits of menvcfg and, for user mode, senvcfg (CMO specification, section 2.6).</summary>
    private static bool CacheBlockIsLegal(in PrivilegedState p, Opcode opcode)
    {
        ulong mask = opcode switch
        {
            Opcode.CboZero => CsrFile.EnvCacheZero,
            Opcode.CboInval => 3UL << 4,
            _ => CsrFile.EnvCacheClean,
        };
        return p.Mode switch
        {
            PrivilegeMode.Machine => true,
            PrivilegeMode.Supervisor => (p.Menvcfg & mask) != 0,
            _ => (p.Menvcfg & mask) != 0 && (p.Senvcfg & mask) != 0,
        };
    }
}
