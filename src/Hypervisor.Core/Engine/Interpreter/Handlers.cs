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

/// <summary>
/// An operation that takes part in fused handlers. Its slot is told by a number that is a constant where it is called, and not by
/// a pointer to it: so the JIT reaches the slot's parts by their distance from the first one.
/// </summary>
internal unsafe interface IFusable : IStep
{
    /// <summary>Whether <see cref="ExecuteAt"/> may be false.</summary>
    static abstract bool CanFail { get; }

    static abstract bool ExecuteAt(Op* op, int at, HartState* s, TlbEntry* tlb);
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
        where A : struct, IFusable
        where B : struct, IFusable
    {
        if (!A.ExecuteAt(op, 0, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        if (!B.ExecuteAt(op, 1, s, tlb))
        {
            Slow(op + 1, s, tlb, budget);
            return;
        }

        op += 2;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>Three operations of which one at most may need the dispatcher; see <see cref="FusedSequences"/>.</summary>
    /// <remarks>One test, and what it tests is not used behind it: then the JIT leaves it where it falls out, and needs no frame.</remarks>
    [MethodImpl(Hot)]
    public static void Step3<A, B, C>(Op* op, HartState* s, TlbEntry* tlb, long budget)
        where A : struct, IFusable
        where B : struct, IFusable
        where C : struct, IFusable
    {
        if (!All<A, B, C>(op, s, tlb))
        {
            Slow(op + FirstToFail<A, B>(), s, tlb, budget);
            return;
        }

        op += 3;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>Three operations of which several may need the dispatcher.</summary>
    [MethodImpl(Hot)]
    public static void Step3Failing<A, B, C>(Op* op, HartState* s, TlbEntry* tlb, long budget)
        where A : struct, IFusable
        where B : struct, IFusable
        where C : struct, IFusable
    {
        if (!A.ExecuteAt(op, 0, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        if (!B.ExecuteAt(op, 1, s, tlb))
        {
            Slow(op + 1, s, tlb, budget);
            return;
        }

        if (!C.ExecuteAt(op, 2, s, tlb))
        {
            Slow(op + 2, s, tlb, budget);
            return;
        }

        op += 3;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>
    /// Two loads of one size with one base register, as functions end: one look into the TLB where both lie in one page. The first must
    /// not change the base.
    /// </summary>
    [MethodImpl(Hot)]
    public static void LoadTwice<T>(Op* op, HartState* s, TlbEntry* tlb, long budget) where T : struct, ILoad
    {
        if (!JoinedAccesses.TryLoad2<T>(op, s, tlb))
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
        if (!JoinedAccesses.TryStore2<T>(op, s, tlb))
        {
            Step2<Store<T>, Store<T>>(op, s, tlb, budget);
            return;
        }

        op += 2;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>Three loads of one size with one base register, which the first two leave as it is.</summary>
    [MethodImpl(Hot)]
    public static void LoadThrice<T>(Op* op, HartState* s, TlbEntry* tlb, long budget) where T : struct, ILoad
    {
        if (!JoinedAccesses.TryLoad3<T>(op, s, tlb))
        {
            Step2<Load<T>, Load<T>>(op, s, tlb, budget);
            return;
        }

        op += 3;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>Three stores of one size with one base register.</summary>
    [MethodImpl(Hot)]
    public static void StoreThrice<T>(Op* op, HartState* s, TlbEntry* tlb, long budget) where T : struct, IStore
    {
        if (!JoinedAccesses.TryStore3<T>(op, s, tlb))
        {
            Step2<Store<T>, Store<T>>(op, s, tlb, budget);
            return;
        }

        op += 3;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>A branch.</summary>
    /// <remarks>
    /// Whether the budget or attention wants a look decides which handler goes on, not which op: the handler is foretold by the host, the
    /// op is what all that follows waits for. So there are three basic blocks and no more, and the JIT needs no frame.
    /// </remarks>
    [MethodImpl(Hot)]
    public static void Branch<C>(Op* op, HartState* s, TlbEntry* tlb, long budget) where C : struct, ICondition
    {
        if (Holds<C>(op, 0, s))
        {
            budget = Charge(op, 0, budget);
            op = Target(op, 0);
            Entered(op, s, budget)(op, s, tlb, budget);
            return;
        }

        op += 3;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>An operation that cannot fail, and a branch.</summary>
    [MethodImpl(Hot)]
    public static void StepBranch<A, C>(Op* op, HartState* s, TlbEntry* tlb, long budget)
        where A : struct, IFusable
        where C : struct, ICondition
    {
        A.ExecuteAt(op, 0, s, tlb);
        if (Holds<C>(op, 1, s))
        {
            budget = Charge(op, 1, budget);
            op = Target(op, 1);
            Entered(op, s, budget)(op, s, tlb, budget);
            return;
        }

        op += 4;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>Two operations that cannot fail, and a branch.</summary>
    [MethodImpl(Hot)]
    public static void Step2Branch<A, B, C>(Op* op, HartState* s, TlbEntry* tlb, long budget)
        where A : struct, IFusable
        where B : struct, IFusable
        where C : struct, ICondition
    {
        Both<A, B>(op, s, tlb);
        if (Holds<C>(op, 2, s))
        {
            budget = Charge(op, 2, budget);
            op = Target(op, 2);
            Entered(op, s, budget)(op, s, tlb, budget);
            return;
        }

        op += 5;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>An operation that may need the dispatcher, and a branch.</summary>
    [MethodImpl(Hot)]
    public static void StepBranchFailing<A, C>(Op* op, HartState* s, TlbEntry* tlb, long budget)
        where A : struct, IFusable
        where C : struct, ICondition
    {
        if (!A.ExecuteAt(op, 0, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        if (Holds<C>(op, 1, s))
        {
            budget = Charge(op, 1, budget);
            op = Target(op, 1);
            Entered(op, s, budget)(op, s, tlb, budget);
            return;
        }

        op += 4;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    /// <summary>Two operations, of which some may need the dispatcher, and a branch.</summary>
    [MethodImpl(Hot)]
    public static void Step2BranchFailing<A, B, C>(Op* op, HartState* s, TlbEntry* tlb, long budget)
        where A : struct, IFusable
        where B : struct, IFusable
        where C : struct, ICondition
    {
        if (!A.ExecuteAt(op, 0, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        if (!B.ExecuteAt(op, 1, s, tlb))
        {
            Slow(op + 1, s, tlb, budget);
            return;
        }

        if (Holds<C>(op, 2, s))
        {
            budget = Charge(op, 2, budget);
            op = Target(op, 2);
            Entered(op, s, budget)(op, s, tlb, budget);
            return;
        }

        op += 5;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    [MethodImpl(Hot)]
    public static void Jump(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        budget = Charge(op, 0, budget);
        if (budget < s->Limit)
        {
            Leave(op, s, tlb, budget);
            return;
        }

        op = Target(op, 0);
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    [MethodImpl(Hot)]
    public static void StepJump<A>(Op* op, HartState* s, TlbEntry* tlb, long budget) where A : struct, IFusable
    {
        if (!A.ExecuteAt(op, 0, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        budget = Charge(op, 1, budget);
        if (budget < s->Limit)
        {
            Leave(op + 1, s, tlb, budget);
            return;
        }

        op = Target(op, 1);
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    [MethodImpl(Hot)]
    public static void Step2Jump<A, B>(Op* op, HartState* s, TlbEntry* tlb, long budget)
        where A : struct, IFusable
        where B : struct, IFusable
    {
        if (!A.ExecuteAt(op, 0, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        if (!B.ExecuteAt(op, 1, s, tlb))
        {
            Slow(op + 1, s, tlb, budget);
            return;
        }

        budget = Charge(op, 2, budget);
        if (budget < s->Limit)
        {
            Leave(op + 2, s, tlb, budget);
            return;
        }

        op = Target(op, 2);
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
    public static void StepJumpRegister<A>(Op* op, HartState* s, TlbEntry* tlb, long budget) where A : struct, IFusable
    {
        if (!A.ExecuteAt(op, 0, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        ulong target = TargetOf(op + 1, s);
        LinkRegister(op + 1, s);
        budget -= ((OpPayload*)(op + 2))->Count;
        JumpCacheEntry* entry = JumpCacheEntry.For(s, target);
        if (Misses(entry, target, s, budget))
        {
            LeaveTo(target, s, tlb, budget);
            return;
        }

        op = entry->Op;
        ((Next)op->Handler)(op, s, tlb, budget);
    }

    [MethodImpl(Hot)]
    public static void Step2JumpRegister<A, B>(Op* op, HartState* s, TlbEntry* tlb, long budget)
        where A : struct, IFusable
        where B : struct, IFusable
    {
        if (!A.ExecuteAt(op, 0, s, tlb))
        {
            Slow(op, s, tlb, budget);
            return;
        }

        if (!B.ExecuteAt(op, 1, s, tlb))
        {
            Slow(op + 1, s, tlb, budget);
            return;
        }

        ulong target = TargetOf(op + 2, s);
        LinkRegister(op + 2, s);
        budget -= ((OpPayload*)(op + 3))->Count;
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
        s->Pc = BlockHeader.Of(op)->Pc + (ulong)(long)op->Imm;
        s->Budget = budget;
        s->EventOp = op;
        s->Event = (int)EngineEvent.Link;
    }

    /// <summary>In place of the handler of a trace's first op, until the trace was used often enough to be made host code.</summary>
    [MethodImpl(Hot)]
    public static void Warm(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        BlockHeader* header = (BlockHeader*)op - 1;
        if (--header->Countdown <= 0)
        {
            LeaveWarm(op, s, tlb, budget);
            return;
        }

        ((Next)header->Own)(op, s, tlb, budget);
    }

    [MethodImpl(Hot | MethodImplOptions.NoInlining)]
    private static void LeaveWarm(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        s->Budget = budget;
        s->EventOp = op;
        s->Event = (int)EngineEvent.Warm;
    }

    /// <summary>The first op of a block whose memory was changed.</summary>
    [MethodImpl(Hot)]
    public static void Stale(Op* op, HartState* s, TlbEntry* tlb, long budget)
        => LeaveTo(BlockHeader.Of(op)->Pc, s, tlb, budget);

    /// <summary>In place of the handler of a branch's target: the first op of a block, or the stub of a link.</summary>
    [MethodImpl(Hot)]
    public static void LeaveAt(Op* op, HartState* s, TlbEntry* tlb, long budget)
        => LeaveTo(op->Index == 0 ? BlockHeader.Of(op)->Pc : LinkTarget(op), s, tlb, budget);

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

    /// <summary>Does two operations that cannot fail.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Both<A, B>(Op* op, HartState* s, TlbEntry* tlb)
        where A : struct, IFusable
        where B : struct, IFusable
    {
        A.ExecuteAt(op, 0, s, tlb);
        B.ExecuteAt(op, 1, s, tlb);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Holds<C>(Op* op, int at, HartState* s) where C : struct, ICondition => C.Holds(X(s)[op[at].Rs1], X(s)[op[at].Rs2]);

    /// <summary>The handler that goes on at a branch's target: its own, unless the budget or attention wants a look.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Next Entered(Op* op, HartState* s, long budget)
    {
        nint own = op->Handler;
        nint leave = s->LeaveHandler;
        return (Next)(budget < s->Limit ? leave : own);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool All<A, B, C>(Op* op, HartState* s, TlbEntry* tlb)
        where A : struct, IFusable
        where B : struct, IFusable
        where C : struct, IFusable
        => A.ExecuteAt(op, 0, s, tlb) && B.ExecuteAt(op, 1, s, tlb) && C.ExecuteAt(op, 2, s, tlb);

    /// <summary>Which of three operations, of which one may fail, is that one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int FirstToFail<A, B>()
        where A : struct, IFusable
        where B : struct, IFusable
        => A.CanFail ? 0 : B.CanFail ? 1 : 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Charge(Op* op, int at, long budget) => budget - ((OpLink*)op)[at + 1].Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Op* Target(Op* op, int at) => ((OpLink*)op)[at + 1].Target;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong TargetOf(Op* op, HartState* s) => (X(s)[op->Rs1] + (ulong)(long)op->Imm) & ~1UL;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LinkRegister(Op* op, HartState* s) => X(s)[op->Rd] = ((OpPayload*)(op + 1))->Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong LinkTarget(Op* op) => BlockHeader.Of(op)->Pc + (ulong)(long)op->Imm;

    /// <summary>Whether an entry is not the target's, or the budget or attention wants a look.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Misses(JumpCacheEntry* entry, ulong target, HartState* s, long budget)
        => ((entry->Key ^ (target | s->KeyBits)) | (budget < s->Limit ? 1UL : 0)) != 0;

    [MethodImpl(Hot | MethodImplOptions.NoInlining)]
    private static void Leave(Op* op, HartState* s, TlbEntry* tlb, long budget)
    {
        s->Pc = BlockHeader.Of(op)->Pc + (ulong)(long)op[2].Imm;
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
