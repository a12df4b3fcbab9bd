using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine.Interpreter.Steps;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;
using unsafe Next = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, long, void>;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>A plain operation: computes, and goes on. False where only the dispatcher can do it.</summary>
internal unsafe interface IStep
{
    static abstract bool Execute(Op* op, HartState* s, TlbEntry* tlb);
}

/// <summary>The condition of a branch.</summary>
internal interface ICondition
{
    static abstract bool Holds(ulong a, ulong b);
}

/// <summary>
/// The handlers: one generic method for each shape of control flow, instantiated over the operations. All have one
/// signature and end in a call through the next op's pointer, which the JIT makes a jump, so that the four arguments stay in
/// registers and the stack does not grow. Each operation's dispatch is its own indirect jump, which host CPUs predict well.
/// </summary>
/// <remarks>
/// Invariants for the unsafe code: <c>op</c> points into a live arena of the code cache, blocks end in an op that does not
/// fall through, register numbers are below 33 by decoding, and memory is touched only through a TLB entry that hit.
/// Optimisation is forced: without it these are ordinary calls (see <see cref="TailCallProbe"/>).
/// </remarks>
internal static unsafe class Handlers
{
    private const MethodImplOptions Hot = MethodImplOptions.AggressiveOptimization;

    [MethodImpl(Hot)]
    public static void Step<A>(Op* op, HartState* s, TlbEntry* tlb, long budget) where A : struct, IStep
    {
        if (!A.Execute(op, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        op++;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    [MethodImpl(Hot)]
    public static void Step2<A, B>(Op* op, HartState* s, TlbEntry* tlb, long budget)
        where A : struct, IStep
        where B : struct, IStep
    {
        if (!A.Execute(op, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        op++;
        if (!B.Execute(op, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        op++;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>
    /// Two loads of one size with one base register, as functions end: one look into the TLB where both lie in one page. The first must
    /// not change the base.
    /// </summary>
    [MethodImpl(Hot)]
    public static void LoadTwice<T>(Op* op, HartState* s, TlbEntry* tlb, long budget) where T : struct, ILoad
    {
        if (!TwoAccesses.TryLoad<T>(op, s, tlb))
        {
            Step2<Load<T>, Load<T>>(op, s, tlb, budget);
            return;
        }

        op += 2;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>Two stores of one size with one base register, as functions begin.</summary>
    [MethodImpl(Hot)]
    public static void StoreTwice<T>(Op* op, HartState* s, TlbEntry* tlb, long budget) where T : struct, IStore
    {
        if (!TwoAccesses.TryStore<T>(op, s, tlb))
        {
            Step2<Store<T>, Store<T>>(op, s, tlb, budget);
            return;
        }

        op += 2;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    [MethodImpl(Hot)]
    public static void Branch<C>(Op* op, HartState* s, TlbEntry* tlb, long budget) where C : struct, ICondition
    {
        if (C.Holds(X(s)[op->Rs1], X(s)[op->Rs2]))
        {
            budget -= ((OpLink*)(op + 1))->Count;
            if (budget < s->Limit)
            {
                Leave(op, s, tlb, budget);
                return;
            }

            op = ((OpLink*)(op + 1))->Target;
        }
        else
        {
            op += 3;
        }

        ((Next)op->Handler)(op, s, tlb, budget);
    }

    [MethodImpl(Hot)]
    public static void StepBranch<A, C>(Op* op, HartState* s, TlbEntry* tlb, long budget)
        where A : struct, IStep
        where C : struct, ICondition
    {
        if (!A.Execute(op, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        op++;
        if (C.Holds(X(s)[op->Rs1], X(s)[op->Rs2]))
        {
            budget -= ((OpLink*)(op + 1))->Count;
            if (budget < s->Limit)
            {
                Leave(op, s, tlb, budget);
                return;
            }

            op = ((OpLink*)(op + 1))->Target;
        }
        else
        {
            op += 3;
        }

        ((Next)op->Handler)(op, s, tlb, budget);
    }

    [MethodImpl(Hot)]
    public static void Jump(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        budget = Charge(op, budget);
        if (budget < s->Limit)
        {
            Leave(op, s, tlb, budget);
            return;
        }

        op = Target(op);
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    [MethodImpl(Hot)]
    public static void StepJump<A>(Op* op, HartState* s, TlbEntry* tlb, long budget) where A : struct, IStep
    {
        if (!A.Execute(op, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        op++;
        budget = Charge(op, budget);
        if (budget < s->Limit)
        {
            Leave(op, s, tlb, budget);
            return;
        }

        op = Target(op);
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>jalr: the target's block comes from the jump cache.</summary>
    /// <remarks>
    /// The JIT gives a frame to a method of more than three basic blocks or more than 100 bytes of IL: hence one condition, and parts
    /// in methods of their own.
    /// </remarks>
    [MethodImpl(Hot)]
    public static void JumpRegister(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        ulong target = TargetOf(op, s);
        LinkRegister(op, s);
        budget -= ((OpPayload*)(op + 1))->Count;
        JumpCacheEntry* entry = JumpCacheEntry.For(s, target);
        if (Misses(entry, target, s, budget))
        {
            LeaveTo(target, s, tlb, budget);
            return;
        }

        op = entry->Op;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>What functions return by: the stack pointer goes back, and jalr.</summary>
    [MethodImpl(Hot)]
    public static void StepJumpRegister<A>(Op* op, HartState* s, TlbEntry* tlb, long budget) where A : struct, IStep
    {
        A.Execute(op, s, tlb);
        op++;
        ulong target = TargetOf(op, s);
        LinkRegister(op, s);
        budget -= ((OpPayload*)(op + 1))->Count;
        JumpCacheEntry* entry = JumpCacheEntry.For(s, target);
        if (Misses(entry, target, s, budget))
        {
            LeaveTo(target, s, tlb, budget);
            return;
        }

        op = entry->Op;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>A constant wider than an immediate, from the next slot.</summary>
    [MethodImpl(Hot)]
    public static void WideConstant(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        X(s)[op->Rd] = ((OpPayload*)(op + 1))->Value;
        op += 2;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>The stub of a link into another page: mappings may change under it, so the jump cache is asked each time.</summary>
    [MethodImpl(Hot)]
    public static void CrossPage(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        ulong target = LinkTarget(op);
        JumpCacheEntry* entry = JumpCacheEntry.For(s, target);
        if (entry->Key != (target | s->KeyBits))
        {
            LeaveTo(target, s, tlb, budget);
            return;
        }

        op = entry->Op;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>The stub of a link within the page, until the dispatcher made it.</summary>
    [MethodImpl(Hot)]
    public static void LinkMiss(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        s->Pc = BlockHeader.Of(op)->Pc + (ulong)(long)((OpLink*)(op - 1))->PcDelta;
        s->Budget = budget;
        s->EventOp = op;
        s->Event = (int)EngineEvent.Link;
    }

    /// <summary>The first op of a block whose memory was changed.</summary>
    [MethodImpl(Hot)]
    public static void Stale(Op* op, HartState* s, TlbEntry* tlb, long budget)
        => LeaveTo(BlockHeader.Of(op)->Pc, s, tlb, budget);

    /// <summary>An op that the dispatcher must do, or finish.</summary>
    [MethodImpl(Hot | MethodImplOptions.NoInlining)]
    public static void Slow(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        s->Budget = budget;
        s->EventOp = op;
        s->Event = (int)EngineEvent.Slow;
    }

    /// <summary>An environment call.</summary>
    [MethodImpl(Hot)]
    public static void Call(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        s->Budget = budget;
        s->EventOp = op;
        s->Event = (int)EngineEvent.Call;
    }

    /// <summary>Before an access, in code decoded to count them.</summary>
    [MethodImpl(Hot)]
    public static void Count(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        s->CountedAccesses++;
        op++;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>A debugger's breakpoint.</summary>
    [MethodImpl(Hot)]
    public static void Break(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        s->Budget = budget;
        s->EventOp = op;
        s->Event = (int)EngineEvent.Break;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Charge(Op* op, long budget) => budget - ((OpLink*)(op + 1))->Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Op* Target(Op* op) => ((OpLink*)(op + 1))->Target;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong TargetOf(Op* op, HartState* s) => (X(s)[op->Rs1] + (ulong)(long)op->Imm) & ~1UL;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LinkRegister(Op* op, HartState* s) => X(s)[op->Rd] = ((OpPayload*)(op + 1))->Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong LinkTarget(Op* op) => BlockHeader.Of(op)->Pc + (ulong)(long)((OpLink*)(op - 1))->PcDelta;

    /// <summary>Whether an entry is not the target's, or the budget or attention wants a look.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Misses(JumpCacheEntry* entry, ulong target, HartState* s, long budget)
        => ((entry->Key ^ (target | s->KeyBits)) | (budget < s->Limit ? 1UL : 0)) != 0;

    [MethodImpl(Hot | MethodImplOptions.NoInlining)]
    private static void Leave(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        s->Pc = BlockHeader.Of(op)->Pc + (ulong)(long)((OpLink*)(op + 1))->PcDelta;
        s->Budget = budget;
        s->Event = (int)EngineEvent.Lookup;
    }

    [MethodImpl(Hot | MethodImplOptions.NoInlining)]
    private static void LeaveTo(ulong target, HartState* s, TlbEntry* tlb, long budget)
    {
        s->Pc = target;
        s->Budget = budget;
        s->Event = (int)EngineEvent.Lookup;
    }
}
