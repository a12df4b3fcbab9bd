using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using unsafe Next = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, long, void>;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>How translated code is left, by jumps; and what it calls at its beginning.</summary>
/// <remarks>Invariant for the unsafe code: pointers come from region code, which has them from the interpreter's own chain.</remarks>
internal static unsafe class RegionExits
{
    private const MethodImplOptions Hot = MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining;

    /// <summary>Goes on at an address, in whatever tier has code for it.</summary>
    [MethodImpl(Hot)]
    public static void ContinueAt(ulong target, HartState* s, TlbEntry* tlb, long budget)
    {
        JumpCacheEntry* entry = JumpCacheEntry.For(s, target);
        if (entry->Key != (target | s->KeyBits) || budget < s->Limit)
        {
            s->Pc = target;
            s->Budget = budget;
            s->Event = (int)EngineEvent.Lookup;
            return;
        }

        Op* op = entry->Op;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>Returns to the dispatcher; the event is set.</summary>
    [MethodImpl(Hot)]
    public static void LeaveAt(ulong target, HartState* s, TlbEntry* tlb, long budget)
    {
        s->Pc = target;
        s->Budget = budget;
    }

    /// <summary>The same from within a block. A window that did not hold an access is moved to it, for the next time.</summary>
    [MethodImpl(Hot)]
    public static void LeaveBlock(ulong target, HartState* s, TlbEntry* tlb, long budget)
    {
        s->Pc = target;
        s->Budget = budget;
        var leave = (RegionLeave*)s->Leave;
        if (leave->Window >= 0)
            MoveWindow(leave, (RegionCell*)s->LeaveCell, s->LeaveDistance, tlb);
    }

    /// <summary>Makes a window of the run or the TLB's entry that holds all of a range.</summary>
    private static void MoveWindow(RegionLeave* leave, RegionCell* cell, ulong distance, TlbEntry* tlb)
    {
        ref ulong bias = ref ((ulong*)((byte*)tlb + Tlb.WindowBiases))[leave->Window];
        ref nint host = ref ((nint*)((byte*)tlb + Tlb.WindowHosts))[leave->Window];
        ref long limit = ref ((long*)((byte*)tlb + Tlb.WindowLimits))[leave->Window];
        ulong address = distance - bias;
        ulong last = address + (ulong)leave->Size - 1;
        TlbRun* run = Tlb.Run(tlb, address, leave->IsStore != 0);
        TlbEntry* entry = leave->IsStore != 0 ? Tlb.StoreEntry(tlb, address) : Tlb.LoadEntry(tlb, address);
        ulong page = address & ~0xFFFUL;
        long runLimit = Volatile.Read(ref run->Limit);
        bool inRun = address - run->Start < (ulong)runLimit && last - run->Start < (ulong)runLimit + 7;
        if (!inRun && (Volatile.Read(ref entry->Tag) != page || (last & ~0xFFFUL) != page))
        {
            cell->GroupsLeft += leave->IsGroup;
            return;
        }

        cell->Misses[leave->Counter]++;
        *(long*)((byte*)tlb + Tlb.WindowsMade) = 1;
        bias = inRun ? 0 - run->Start : 0 - page;
        host = inRun ? run->Host : (nint)page + entry->Addend;
        Volatile.Write(ref limit, inRun ? runLimit : Tlb.WindowLimit);
        if (leave->IsStore == 0)
            return;

        // Another thread may be dropping what this was made from: it then drops the windows, of which this may have been none yet.
        Interlocked.MemoryBarrier();
        if (inRun ? Volatile.Read(ref run->Limit) == 0 : Volatile.Read(ref entry->Tag) != page)
            Volatile.Write(ref limit, 0);
    }

    /// <summary>Finds out which of the region's pages are mapped as they were, for the hart as it is now.</summary>
    /// <param name="cell">The region's.</param>
    /// <param name="s">The hart.</param>
    /// <param name="op">The first op of the block by which the region is entered: its page was just fetched from.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Validate(RegionCell* cell, HartState* s, Op* op)
    {
        ulong valid = 0;
        ulong entered = BlockHeader.Of(op)->Pc & ~0xFFFUL;
        for (ulong i = 0; i < cell->PageCount; i++)
        {
            ulong page = cell->Pages[2 * i];
            FetchEntry* entry = FetchEntry.For(s, page);
            if (page == entered || (entry->Page == page && entry->Epoch == s->FetchEpoch && entry->Physical == cell->Pages[2 * i + 1]))
                valid |= 1UL << (int)i;
        }

        cell->ValidPages = valid;
        cell->Epoch = s->FetchEpoch;
    }

    /// <summary>Does one instruction by the interpreter's own handler; false, with nothing done, where only the dispatcher can.</summary>
    /// <param name="op">The op, and behind it one that returns.</param>
    /// <param name="s">The hart, with the registers that the instruction reads in their places.</param>
    /// <param name="tlb">The TLB in force.</param>
    [MethodImpl(Hot)]
    public static bool RunStep(Op* op, HartState* s, TlbEntry* tlb)
    {
        const int none = -1;
        s->Event = none;
        ((Next)op->Handler)(op, s, tlb, 0);
        return s->Event == none;
    }

    /// <summary>The handler of the op behind a step.</summary>
    [MethodImpl(Hot)]
    public static void Return(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
    }
}
