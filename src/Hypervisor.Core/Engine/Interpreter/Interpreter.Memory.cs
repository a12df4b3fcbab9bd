using System.Diagnostics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine.Interpreter.Steps;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Hart.FloatingPoint;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>The slow half of memory accesses: translations, misaligned accesses, stores to pages with code, devices.</summary>
internal sealed unsafe partial class Interpreter
{
    /// <summary>A load, store or atomic whose TLB entry did not hit.</summary>
    private SlowOutcome DoMemory(HartContext hart, CodeCache code, Op* op, Opcode opcode, out VmExit exit)
    {
        HartState* s = hart.State;
        exit = default;
        MemoryShape shape = MemoryShape.Of(opcode);
        ulong address = s->X[op->Rs1] + (shape.IsAtomic ? 0 : (ulong)(long)op->Imm);
        if (shape.IsFloat && s->FpEnabled == 0)
            return Illegal(hart, op, out exit);

        AccessKind kind = shape.IsStore ? AccessKind.Store : AccessKind.Load;
        bool aligned = (address & (uint)(shape.Size - 1)) == 0;
        if (!aligned && !shape.IsAtomic && TryMisaligned(s, op, shape, address))
            return SlowOutcome.Next;
        if (!Translate(hart, op, address, kind, out Translation first, out SlowOutcome outcome, out exit))
            return outcome;

        // Where misaligned loads and stores pass, misaligned atomics must be access faults: software is not to emulate them
        // (privileged specification, section 3.6.3.3).
        if (!aligned && shape.IsAtomic)
            return Trap(hart, op, shape.IsStore ? TrapCause.StoreAccessFault : TrapCause.LoadAccessFault, address, out exit);
        bool crosses = (address & 0xFFF) + (uint)shape.Size > GuestMemory.PageSize;
        Translation second = default;
        if (crosses && !Translate(hart, op, (address | 0xFFF) + 1, kind, out second, out outcome, out exit))
            return outcome;

        if (first.HostPage == null || (crosses && second.HostPage == null))
        {
            hart.UncachedAccesses++;
            if (!aligned || shape.IsAtomic)
                return Trap(hart, op, shape.IsStore ? TrapCause.StoreAccessFault : TrapCause.LoadAccessFault, address, out exit);
            return DoDevice(hart, op, shape, first.GuestPhysical, address, out exit);
        }

        if (aligned && (shape.IsStore ? FillStore(hart, address, in first) : FillLoad(hart, address, in first)))
        {
            hart.CountRefill();
            return SlowOutcome.Again;
        }

        hart.UncachedAccesses++;
        if (!aligned && !shape.IsAtomic)
            FillForMisaligned(hart, shape, address, in first, in second, crosses);

        byte* host = first.HostPage + (address & 0xFFF);
        if (shape.IsAtomic)
        {
            DoAtomic(s, op, opcode, host, address);
        }
        else if (shape.IsStore)
        {
            ulong value = shape.IsFloat ? s->F[op->Rs2] : s->X[op->Rs2];
            if (crosses)
                CopySplit((byte*)&value, host, second.HostPage, shape.Size, toGuest: true);
            else
                Buffer.MemoryCopy(&value, host, 8, shape.Size);
        }
        else
        {
            ulong value = 0;
            if (crosses)
                CopySplit((byte*)&value, host, second.HostPage, shape.Size, toGuest: false);
            else
                Buffer.MemoryCopy(host, &value, 8, shape.Size);
            WriteLoaded(s, op, shape, value);
        }

        if (shape.IsStore)
        {
            int firstPart = crosses ? GuestMemory.PageSize - (int)(address & 0xFFF) : shape.Size;
            NoteStore(hart, first.GuestPhysical, firstPart);
            if (crosses)
                NoteStore(hart, second.GuestPhysical, shape.Size - firstPart);
        }

        bool changed = shape.IsStore && code.Settle(_handlers.Stale, fence: false);
        if (hart.Watches is { } watches && watches.TryHit(address, shape.Size, kind, out ulong watched))
            return LeaveAtWatch(hart, op, watched, kind, out exit);

        // The store may have changed the very trace that goes on: what follows is looked up anew.
        return changed ? Retire(s, op) : SlowOutcome.Next;
    }

    /// <summary>
    /// A misaligned access to pages whose entries are there: entries of aligned accesses say all that it needs, so that it takes
    /// no walk. False, with nothing done, where one is missing.
    /// </summary>
    private static bool TryMisaligned(HartState* s, Op* op, MemoryShape shape, ulong address)
    {
        var tlb = (TlbEntry*)s->Tlb;
        ulong last = address + (ulong)shape.Size - 1;
        TlbEntry* first = shape.IsStore ? Tlb.StoreEntry(tlb, address) : Tlb.LoadEntry(tlb, address);
        TlbEntry* second = shape.IsStore ? Tlb.StoreEntry(tlb, last) : Tlb.LoadEntry(tlb, last);
        if (first->Tag != (address & ~0xFFFUL) || second->Tag != (last & ~0xFFFUL))
            return false;
        var host = (byte*)(address + (ulong)first->Addend);
        var next = (byte*)((last & ~0xFFFUL) + (ulong)second->Addend);
        ulong value = 0;
        if (shape.IsStore)
        {
            value = shape.IsFloat ? s->F[op->Rs2] : s->X[op->Rs2];
            if (first != second)
                CopySplit((byte*)&value, host, next, shape.Size, toGuest: true);
            else
                Buffer.MemoryCopy(&value, host, 8, shape.Size);
            return true;
        }

        if (first != second)
            CopySplit((byte*)&value, host, next, shape.Size, toGuest: false);
        else
            Buffer.MemoryCopy(host, &value, 8, shape.Size);
        WriteLoaded(s, op, shape, value);
        return true;
    }

    /// <summary>Makes the entries with which the next misaligned access finds its pages. Where one cannot be made, it walks again.</summary>
    private static void FillForMisaligned(HartContext hart, MemoryShape shape, ulong address, in Translation first, in Translation second, bool crosses)
    {
        _ = shape.IsStore ? FillStore(hart, address, in first) : FillLoad(hart, address, in first);
        if (crosses)
            _ = shape.IsStore ? FillStore(hart, (address | 0xFFF) + 1, in second) : FillLoad(hart, (address | 0xFFF) + 1, in second);
    }

    /// <summary>A watched access was made: the instruction retires, and the debugger is told.</summary>
    private static SlowOutcome LeaveAtWatch(HartContext hart, Op* op, ulong address, AccessKind kind, out VmExit exit)
    {
        Retire(hart.State, op);
        exit = new VmExit(VmExitReason.Debug, Account(hart), value: address, access: kind);
        return SlowOutcome.Exit;
    }

    private bool Translate(HartContext hart, Op* op, ulong address, AccessKind kind, out Translation translation,
        out SlowOutcome outcome, out VmExit exit)
    {
        outcome = SlowOutcome.Next;
        exit = default;
        if (hart.TryRecall(address, kind, out translation))
            return true;
        TranslationStatus status = hart.Translator.Translate(hart.State, address, kind, hart.Context, out translation);
        switch (status)
        {
            case TranslationStatus.Ok:
                hart.NotePageSize(address, translation.PageShift);
                hart.Remember(address, kind, in translation);
                return true;
            case TranslationStatus.Exit:
                exit = LeaveOnMiss(hart, translation.ExitValue, kind, op);
                outcome = SlowOutcome.Exit;
                return false;
            case TranslationStatus.PageFault:
                outcome = Trap(hart, op, kind == AccessKind.Store ? TrapCause.StorePageFault : TrapCause.LoadPageFault, address, out exit);
                return false;
            default:
                outcome = Trap(hart, op, kind == AccessKind.Store ? TrapCause.StoreAccessFault : TrapCause.LoadAccessFault, address, out exit);
                return false;
        }
    }

    /// <summary>Installs a load entry, if the translation lets loads pass.</summary>
    private static bool FillLoad(HartContext hart, ulong address, in Translation translation)
    {
        if (!translation.Readable || hart.Watches?.Touches(address) == true)
            return false;
        TlbEntry* entry = Tlb.LoadEntry((TlbEntry*)hart.State->Tlb, address);
        ulong page = address & ~0xFFFUL;
        hart.NoteFill(entry);
        entry->Addend = (nint)translation.HostPage - (nint)page;
        entry->Tag = page;
        return true;
    }

    /// <summary>Installs a store entry, unless the page holds cached code or is protected: see <see cref="CodeTracker"/> for the order of steps.</summary>
    private static bool FillStore(HartContext hart, ulong address, in Translation translation)
    {
        if (!translation.Writable || hart.Watches?.Touches(address) == true)
            return false;
        int page = hart.Memory.PageIndex(translation.GuestPhysical);
        if ((hart.Memory.FlagsOf(page) & (PageFlag.Code | PageFlag.Protected)) != 0)
            return false;
        ulong number = hart.StoreNumber;
        hart.Memory.ChangeFlags(page, PageFlag.WriteMapped | PageFlag.Dirty, PageFlag.None);
        TlbEntry* entry = Tlb.StoreEntry((TlbEntry*)hart.State->Tlb, address);
        ulong start = address & ~0xFFFUL;
        hart.NoteFill(entry);
        hart.NoteStoreFill();
        entry->Addend = (nint)translation.HostPage - (nint)start;
        Volatile.Write(ref entry->Tag, start);
        Interlocked.MemoryBarrier();
        if ((hart.Memory.FlagsOf(page) & (PageFlag.Code | PageFlag.Protected)) == 0)
        {
            hart.AllowStores(address, number);
            return true;
        }

        Volatile.Write(ref entry->Tag, Tlb.Invalid);
        return false;
    }

    private static void NoteStore(HartContext hart, ulong physical, int length)
    {
        int page = hart.Memory.PageIndex(physical);
        PageFlag before = hart.Memory.ChangeFlags(page, PageFlag.Dirty, PageFlag.None);
        if ((before & PageFlag.Code) != 0)
            hart.Memory.Code.Store(page, (int)(physical & 0xFFF), length);
    }

    private static void CopySplit(byte* value, byte* first, byte* secondPage, int size, bool toGuest)
    {
        int firstPart = GuestMemory.PageSize - (int)((ulong)first & 0xFFF);
        for (int i = 0; i < size; i++)
        {
            byte* guest = i < firstPart ? first + i : secondPage + (i - firstPart);
            if (toGuest)
                *guest = value[i];
            else
                value[i] = *guest;
        }
    }

    private static void WriteLoaded(HartState* s, Op* op, MemoryShape shape, ulong value)
    {
        if (shape.IsFloat)
        {
            s->F[op->Rd] = NanBox.BoxLoaded(value, shape.Size);
            s->FpDirty = 1;
            return;
        }

        s->X[op->Rd] = shape.Extend(value);
    }

    /// <summary>Device space: an exit, or straight to the bus where the hart owns its devices.</summary>
    private SlowOutcome DoDevice(HartContext hart, Op* op, MemoryShape shape, ulong physical, ulong address, out VmExit exit)
    {
        HartState* s = hart.State;
        ulong value = shape.IsFloat ? s->F[op->Rs2] : s->X[op->Rs2];
        if (shape.Size < 8)
            value &= (1UL << shape.Size * 8) - 1;
        if (hart.Controls.DeviceAccessExits)
        {
            OpInfo info = *BlockHeader.InfoOf(op);
            SettleAt(s, op);
            exit = new VmExit(shape.IsStore ? VmExitReason.MmioWrite : VmExitReason.MmioRead, Account(hart), value: physical,
                data: shape.IsStore ? value : 0, instruction: info.Raw, length: info.Length, size: (byte)shape.Size,
                access: shape.IsStore ? AccessKind.Store : AccessKind.Load, opcode: (ushort)info.Opcode);
            return SlowOutcome.Exit;
        }

        hart.ProgressInRun = s->BudgetAtEntry - s->Budget + BlockHeader.InfoOf(op)->Retired;
        bool answered;
        if (shape.IsStore)
        {
            answered = hart.Bus?.TryWrite(physical, shape.Size, value) ?? false;
        }
        else
        {
            value = 0;
            answered = hart.Bus?.TryRead(physical, shape.Size, out value) ?? false;
            if (answered)
                WriteLoaded(s, op, shape, value);
        }

        if (!answered)
            return Trap(hart, op, shape.IsStore ? TrapCause.StoreAccessFault : TrapCause.LoadAccessFault, address, out exit);
        exit = default;
        return SlowOutcome.Next;
    }

    /// <summary>An atomic on a page that may not have a store entry.</summary>
    private static void DoAtomic(HartState* s, Op* op, Opcode opcode, byte* host, ulong address)
    {
        // A TLB with the one entry makes the step's own code do the work, atomically as ever.
        TlbEntry* tlb = stackalloc TlbEntry[Tlb.EntriesPerContext];
        ulong page = address & ~0xFFFUL;
        var entry = new TlbEntry { Tag = page, Addend = (nint)(host - (address & 0xFFF)) - (nint)page };
        *Tlb.LoadEntry(tlb, address) = entry;
        *Tlb.StoreEntry(tlb, address) = entry;
        bool done = opcode switch
        {
            Opcode.LrW => LoadReserved<LoadW>.Execute(op, s, tlb),
            Opcode.LrD => LoadReserved<LoadD>.Execute(op, s, tlb),
            Opcode.ScW => StoreConditionalWord.Execute(op, s, tlb),
            Opcode.ScD => StoreConditionalDouble.Execute(op, s, tlb),
            Opcode.AmoSwapW => Amo<Steps.AmoSwapW>.Execute(op, s, tlb),
            Opcode.AmoAddW => Amo<Steps.AmoAddW>.Execute(op, s, tlb),
            Opcode.AmoXorW => Amo<AmoLoopW<Xor>>.Execute(op, s, tlb),
            Opcode.AmoAndW => Amo<Steps.AmoAndW>.Execute(op, s, tlb),
            Opcode.AmoOrW => Amo<Steps.AmoOrW>.Execute(op, s, tlb),
            Opcode.AmoMinW => Amo<AmoLoopW<Min>>.Execute(op, s, tlb),
            Opcode.AmoMaxW => Amo<AmoLoopW<Max>>.Execute(op, s, tlb),
            Opcode.AmoMinuW => Amo<AmoLoopW<Minu>>.Execute(op, s, tlb),
            Opcode.AmoMaxuW => Amo<AmoLoopW<Maxu>>.Execute(op, s, tlb),
            Opcode.AmoSwapD => Amo<Steps.AmoSwapD>.Execute(op, s, tlb),
            Opcode.AmoAddD => Amo<Steps.AmoAddD>.Execute(op, s, tlb),
            Opcode.AmoXorD => Amo<AmoLoopD<Xor>>.Execute(op, s, tlb),
            Opcode.AmoAndD => Amo<Steps.AmoAndD>.Execute(op, s, tlb),
            Opcode.AmoOrD => Amo<Steps.AmoOrD>.Execute(op, s, tlb),
            Opcode.AmoMinD => Amo<AmoLoopD<Min>>.Execute(op, s, tlb),
            Opcode.AmoMaxD => Amo<AmoLoopD<Max>>.Execute(op, s, tlb),
            Opcode.AmoMinuD => Amo<AmoLoopD<Minu>>.Execute(op, s, tlb),
            Opcode.AmoMaxuD => Amo<AmoLoopD<Maxu>>.Execute(op, s, tlb),
            _ => false,
        };
        if (!done)
            throw new UnreachableException($"{opcode} is no atomic");
    }
}

/// <summary>What kind of memory access an opcode makes.</summary>
internal readonly struct MemoryShape
{
    /// <summary>By opcode, up to the last that makes an access: the slow path of every access asks.</summary>
    private static readonly MemoryShape[] s_all = All();

    private readonly bool _isSigned;

    private MemoryShape(int size, bool store = false, bool signed = false, bool isFloat = false, bool atomic = false)
    {
        Size = size;
        IsStore = store;
        _isSigned = signed;
        IsFloat = isFloat;
        IsAtomic = atomic;
    }

    private static MemoryShape[] All()
    {
        var all = new MemoryShape[(int)Opcode.Fsh + 1];
        for (int opcode = 0; opcode < all.Length; opcode++)
            all[opcode] = Find((Opcode)opcode);
        return all;
    }

    /// <summary>Bytes; 0 where the opcode makes no access.</summary>
    public int Size { get; }

    public bool IsStore { get; }

    public bool IsFloat { get; }

    public bool IsAtomic { get; }

    /// <summary>Sign- or zero-extends a loaded value as the opcode says.</summary>
    public ulong Extend(ulong value) => (Size, _isSigned) switch
    {
        (1, true) => (ulong)(sbyte)value,
        (2, true) => (ulong)(short)value,
        (4, true) => (ulong)(int)value,
        (1, false) => (byte)value,
        (2, false) => (ushort)value,
        (4, false) => (uint)value,
        _ => value,
    };

    public static MemoryShape Of(Opcode opcode) => (int)opcode < s_all.Length ? s_all[(int)opcode] : default;

    private static MemoryShape Find(Opcode opcode) => opcode switch
    {
        Opcode.Lb => new(1, signed: true),
        Opcode.Lbu => new(1),
        Opcode.Lh => new(2, signed: true),
        Opcode.Lhu => new(2),
        Opcode.Lw => new(4, signed: true),
        Opcode.Lwu => new(4),
        Opcode.Ld => new(8),
        Opcode.Sb => new(1, store: true),
        Opcode.Sh => new(2, store: true),
        Opcode.Sw => new(4, store: true),
        Opcode.Sd => new(8, store: true),
        Opcode.Flh => new(2, isFloat: true),
        Opcode.Flw => new(4, isFloat: true),
        Opcode.Fld => new(8, isFloat: true),
        Opcode.Fsh => new(2, store: true, isFloat: true),
        Opcode.Fsw => new(4, store: true, isFloat: true),
        Opcode.Fsd => new(8, store: true, isFloat: true),
        Opcode.LrW => new(4, atomic: true, signed: true),
        Opcode.LrD => new(8, atomic: true),
        >= Opcode.ScW and <= Opcode.AmoMaxuW => new(4, store: true, atomic: true, signed: true),
        >= Opcode.ScD and <= Opcode.AmoMaxuD => new(8, store: true, atomic: true),
        _ => default,
    };
}
