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
