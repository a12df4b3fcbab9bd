using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>vsetvli, vsetivli and vsetvl (section 30.6).</summary>
internal static unsafe class Configuration
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool SetRegister(Op* op, HartState* s, TlbEntry* tlb) => Set(op, s, VectorOp.Type(op));

    public static bool SetFromRegister(Op* op, HartState* s, TlbEntry* tlb) => Set(op, s, X(s)[op->Rs2]);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool SetImmediate(Op* op, HartState* s, TlbEntry* tlb)
    {
        VectorUnit.Configure(s, VectorOp.Type(op), op->Rs1);
        X(s)[op->Rd] = s->Vl;
        return true;
    }

    /// <summary>Register x0 for the length means all there is; where the result goes to x0 too, what it was.</summary>
    private static bool Set(Op* op, HartState* s, ulong type)
    {
        ulong length = op->Rs1 != 0 ? X(s)[op->Rs1] : op->Rd == HartState.Sink ? s->Vl : ulong.MaxValue;
        VectorUnit.Configure(s, type, length);
        X(s)[op->Rd] = s->Vl;
        return true;
    }
}
