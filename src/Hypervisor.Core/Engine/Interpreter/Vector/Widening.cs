using System.Numerics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>Operations whose result is of twice the width: A and B are the operands' types, signed or not, and W the result's.</summary>
/// <remarks>A result may stand over the part of a source that is read before it; going upwards, no element is written before it was read.</remarks>
internal static unsafe class Widening
{
    /// <summary>vd = f(vs2, operand), both widened.</summary>
    [SkipLocalsInit]
    public static bool Run<F, A, B, W>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IElements
        where A : unmanaged, IBinaryInteger<A>
        where B : unmanaged, IBinaryInteger<B>
        where W : unmanaged, IBinaryInteger<W>, IMinMaxValue<W>
    {
        if (!VectorRules.Widening(op, s, wideSource: false))
            return false;
        Loop<F, A, B, W>(op, s);
        return VectorOp.Done(s);
    }

    /// <summary>vd = f(vs2, operand), vs2 being wide already.</summary>
    public static bool RunWide<F, B, W>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IElements
        where B : unmanaged, IBinaryInteger<B>
        where W : unmanaged, IBinaryInteger<W>, IMinMaxValue<W>
    {
        if (!VectorRules.Widening(op, s, wideSource: true))
            return false;
        Loop<F, W, B, W>(op, s);
        return VectorOp.Done(s);
    }

    private static void Loop<F, A, B, W>(Op* op, HartState* s)
        where F : struct, IElements
        where A : unmanaged, IBinaryInteger<A>
        where B : unmanaged, IBinaryInteger<B>
        where W : unmanaged, IBinaryInteger<W>, IMinMaxValue<W>
    {
        W* d = (W*)VectorOp.Register(s, op->Rd);
        A* a = (A*)VectorOp.Register(s, op->Rs2);
        B scalar;
        B* b = VectorOp.Operand(op, s, &scalar, out nint step);
        byte* mask = VectorOp.Mask(op, s);
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                d[i] = F.Apply(W.CreateTruncating(a[i]), W.CreateTruncating(b[i * step]));
        }
    }

    /// <summary>vd += operand × vs2, both widened.</summary>
    public static bool Accumulate<A, B, W>(Op* op, HartState* s, TlbEntry* tlb)
        where A : unmanaged, IBinaryInteger<A>
        where B : unmanaged, IBinaryInteger<B>
        where W : unmanaged, IBinaryInteger<W>
    {
        if (!VectorRules.Widening(op, s, wideSource: false))
            return false;
        W* d = (W*)VectorOp.Register(s, op->Rd);
        A* a = (A*)VectorOp.Register(s, op->Rs2);
        B scalar;
        B* b = VectorOp.Operand(op, s, &scalar, out nint step);
        byte* mask = VectorOp.Mask(op, s);
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                d[i] += W.CreateTruncating(a[i]) * W.CreateTruncating(b[i * step]);
        }

        return VectorOp.Done(s);
    }

    /// <summary>vzext and vsext: elements of a part of the width, extended.</summary>
    public static bool Extend<A, W>(Op* op, HartState* s, TlbEntry* tlb)
        where A : unmanaged, IBinaryInteger<A>
        where W : unmanaged, IBinaryInteger<W>
    {
        int group = s->VectorGroup;
        int source = group - BitOperations.Log2((uint)(sizeof(W) / sizeof(A)));
        if (op->Rd == op->Rs2 || !VectorRules.IsSize(source) || !VectorRules.IsGroup(op->Rd, group) || !VectorRules.IsGroup(op->Rs2, source)
            || !VectorRules.MaskIsFree(op) || !VectorRules.Apart(op->Rd, group, op->Rs2, source))
            return false;
        W* d = (W*)VectorOp.Register(s, op->Rd);
        A* a = (A*)VectorOp.Register(s, op->Rs2);
        byte* mask = VectorOp.Mask(op, s);
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                d[i] = W.CreateTruncating(a[i]);
        }

        return VectorOp.Done(s);
    }
}

/// <summary>From an element of twice the width, shifted right, to one.</summary>
internal interface INarrowing
{
    static abstract T Apply<T>(Int128 a, int shift, int rounding, ref byte saturated) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>;
}

internal readonly struct NarrowShift : INarrowing
{
    public static T Apply<T>(Int128 a, int shift, int rounding, ref byte saturated) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => T.CreateTruncating(a >> shift);
}

internal readonly struct NarrowClip : INarrowing
{
    public static T Apply<T>(Int128 a, int shift, int rounding, ref byte saturated) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => Rounding.Saturate<T>(Rounding.Shift(a, shift, rounding), ref saturated);
}

internal static unsafe class Narrowing
{
    public static bool Run<F, T, W>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, INarrowing
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        where W : unmanaged, IBinaryInteger<W>
    {
        if (!VectorRules.Narrowing(op, s))
            return false;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        W* a = (W*)VectorOp.Register(s, op->Rs2);
        T scalar;
        T* b = VectorOp.Operand(op, s, &scalar, out nint step);
        byte* mask = VectorOp.Mask(op, s);
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                d[i] = F.Apply<T>(Int128.CreateTruncating(a[i]), int.CreateTruncating(b[i * step]) & sizeof(W) * 8 - 1, s->Vxrm, ref s->Vxsat);
        }

        return VectorOp.Done(s);
    }
}

/// <summary>Reductions: element 0 of vd from element 0 of vs1 and all active elements of vs2.</summary>
internal static unsafe class Reductions
{
    public static bool Run<F, T>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IElements
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => Run<F, T, T>(op, s);

    /// <summary>vwredsum and vwredsumu.</summary>
    public static bool RunWide<A, W>(Op* op, HartState* s, TlbEntry* tlb)
        where A : unmanaged, IBinaryInteger<A>
        where W : unmanaged, IBinaryInteger<W>, IMinMaxValue<W>
        => s->VectorSelect <= 2 && Run<Add, A, W>(op, s);

    private static bool Run<F, A, W>(Op* op, HartState* s)
        where F : struct, IElements
        where A : unmanaged, IBinaryInteger<A>
        where W : unmanaged, IBinaryInteger<W>, IMinMaxValue<W>
    {
        if (s->Vstart != 0 || (op->Rs2 & s->GroupMask) != 0)
            return false;
        if (s->Vl == 0)
            return VectorOp.Done(s);
        A* a = (A*)VectorOp.Register(s, op->Rs2);
        W result = *(W*)VectorOp.Register(s, op->Rs1);
        byte* mask = VectorOp.Mask(op, s);
        for (nint i = 0; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                result = F.Apply(result, W.CreateTruncating(a[i]));
        }

        *(W*)VectorOp.Register(s, op->Rd) = result;
        return VectorOp.Done(s);
    }
}
