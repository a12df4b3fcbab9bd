using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>A comparison of two elements.</summary>
internal interface IComparison
{
    static abstract bool Holds<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>;

    static abstract Vector128<T> Compare<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged;
}

internal readonly struct Equal : IComparison
{
    public static bool Holds<T>(T a, T b) where T : unmanaged, IBinaryInteger<T> => a == b;

    public static Vector128<T> Compare<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => Vector128.Equals(a, b);
}

internal readonly struct NotEqual : IComparison
{
    public static bool Holds<T>(T a, T b) where T : unmanaged, IBinaryInteger<T> => a != b;

    public static Vector128<T> Compare<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => ~Vector128.Equals(a, b);
}

internal readonly struct Less : IComparison
{
    public static bool Holds<T>(T a, T b) where T : unmanaged, IBinaryInteger<T> => a < b;

    public static Vector128<T> Compare<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => Vector128.LessThan(a, b);
}

internal readonly struct LessOrEqual : IComparison
{
    public static bool Holds<T>(T a, T b) where T : unmanaged, IBinaryInteger<T> => a <= b;

    public static Vector128<T> Compare<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => Vector128.LessThanOrEqual(a, b);
}

internal readonly struct Greater : IComparison
{
    public static bool Holds<T>(T a, T b) where T : unmanaged, IBinaryInteger<T> => a > b;

    public static Vector128<T> Compare<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => Vector128.GreaterThan(a, b);
}

/// <summary>Comparisons and carries, whose results are masks.</summary>
internal static unsafe class Comparisons
{
    /// <summary>vd.mask = vs2 compared with the operand.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Run<F, T>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IComparison
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.ToMask(op, s))
            return false;
        byte* kept = stackalloc byte[MaskBits.Bytes];
        int count = (int)s->Vl;
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        T scalar;
        T* b = VectorOp.Operand(op, s, &scalar, out nint step);

        // Whole bytes go straight to where they belong: over an operand, only over elements that were compared already.
        byte* d = VectorOp.Register(s, op->Rd);
        byte* mask = VectorOp.Mask(op, s);
        bool isWhole = mask == null && s->Vstart == 0 && (count & 7) == 0;
        byte* bits = isWhole ? d : kept;
        int i = 0;
        for (; Vector128.IsHardwareAccelerated && count - i >= 64; i += 64)
        {
            // One word, which vfirst.m will read as one.
            ulong found = 0;
            for (int k = 0; k < 64; k += Vector128<T>.Count)
            {
                Vector128<T> right = step != 0 ? Vector128.Load(b + i + k) : Vector128.Create(scalar);
                found |= (ulong)F.Compare(Vector128.Load(a + i + k), right).ExtractMostSignificantBits() << k;
            }

            *(ulong*)(bits + (i >> 3)) = found;
        }

        for (; Vector128.IsHardwareAccelerated && count - i >= 16; i += 16)
        {
            uint found = 0;
            for (int k = 0; k < 16; k += Vector128<T>.Count)
            {
                Vector128<T> right = step != 0 ? Vector128.Load(b + i + k) : Vector128.Create(scalar);
                found |= F.Compare(Vector128.Load(a + i + k), right).ExtractMostSignificantBits() << k;
            }

            *(ushort*)(bits + (i >> 3)) = (ushort)found;
        }

        for (; i < count; i += 8)
        {
            int eight = 0;
            for (int k = 0; k < 8 && i + k < count; k++)
                eight |= F.Holds(a[i + k], b[(i + k) * step]) ? 1 << k : 0;
            bits[i >> 3] = (byte)eight;
        }

        if (!isWhole)
            MaskBits.Store(d, bits, mask, (int)s->Vstart, count);
        return VectorOp.Done(s);
    }

    /// <summary>vmadc and vmsbc: the carry or borrow out, with a carry in from v0 where the operation is masked.</summary>
    [SkipLocalsInit]
    public static bool Carry<T>(Op* op, HartState* s, bool borrows) where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.ToMask(op, s))
            return false;
        byte* bits = stackalloc byte[MaskBits.Bytes];
        int count = (int)s->Vl;
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        T scalar;
        T* b = VectorOp.Operand(op, s, &scalar, out nint step);
        bool carries = VectorOp.IsMasked(op);
        for (int i = 0; i < count; i += 8)
        {
            int eight = 0;
            for (int k = 0; k < 8 && i + k < count; k++)
            {
                T left = a[i + k], right = b[(i + k) * step];
                bool carry = carries && VectorOp.IsActive(s->V, i + k);
                bool outgoing = borrows
                    ? carry ? left <= right : left < right
                    : carry ? left + right + T.One <= left : left + right < left;
                eight |= outgoing ? 1 << k : 0;
            }

            bits[i >> 3] = (byte)eight;
        }

        MaskBits.Store(VectorOp.Register(s, op->Rd), bits, null, (int)s->Vstart, count);
        return VectorOp.Done(s);
    }

    public static bool CarryOut<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T> => Carry<T>(op, s, borrows: false);

    public static bool BorrowOut<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T> => Carry<T>(op, s, borrows: true);

    public static bool AddCarry<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T> => WithCarry<T>(op, s, subtracts: false);

    public static bool SubtractBorrow<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T> => WithCarry<T>(op, s, subtracts: true);

    /// <summary>vadc and vsbc: every element, with the carry that v0 has for it.</summary>
    private static bool WithCarry<T>(Op* op, HartState* s, bool subtracts) where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.Plain(op, s))
            return false;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        T scalar;
        T* b = VectorOp.Operand(op, s, &scalar, out nint step);
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            T carry = VectorOp.IsActive(s->V, i) ? T.One : T.Zero;
            d[i] = subtracts ? a[i] - b[i * step] - carry : a[i] + b[i * step] + carry;
        }

        return VectorOp.Done(s);
    }
}

/// <summary>d = f(d, operand, vs2), the sums of products.</summary>
internal interface IAccumulation
{
    static abstract T Apply<T>(T d, T b, T a) where T : unmanaged, IBinaryInteger<T>;

    static abstract Vector128<T> Apply<T>(Vector128<T> d, Vector128<T> b, Vector128<T> a) where T : unmanaged;
}

internal readonly struct MultiplyAccumulate : IAccumulation
{
    public static T Apply<T>(T d, T b, T a) where T : unmanaged, IBinaryInteger<T> => d + b * a;

    public static Vector128<T> Apply<T>(Vector128<T> d, Vector128<T> b, Vector128<T> a) where T : unmanaged => d + b * a;
}

internal readonly struct NegatedMultiplyAccumulate : IAccumulation
{
    public static T Apply<T>(T d, T b, T a) where T : unmanaged, IBinaryInteger<T> => d - b * a;

    public static Vector128<T> Apply<T>(Vector128<T> d, Vector128<T> b, Vector128<T> a) where T : unmanaged => d - b * a;
}

internal readonly struct MultiplyAdd : IAccumulation
{
    public static T Apply<T>(T d, T b, T a) where T : unmanaged, IBinaryInteger<T> => d * b + a;

    public static Vector128<T> Apply<T>(Vector128<T> d, Vector128<T> b, Vector128<T> a) where T : unmanaged => d * b + a;
}

internal readonly struct NegatedMultiplySubtract : IAccumulation
{
    public static T Apply<T>(T d, T b, T a) where T : unmanaged, IBinaryInteger<T> => a - d * b;

    public static Vector128<T> Apply<T>(Vector128<T> d, Vector128<T> b, Vector128<T> a) where T : unmanaged => a - d * b;
}

internal static unsafe class Accumulations
{
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Run<F, T>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IAccumulation
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.Plain(op, s))
            return false;
        nint start = (nint)s->Vstart;
        nint count = (nint)s->Vl - start;
        if (count <= 0)
            return VectorOp.Done(s);
        T* d = (T*)VectorOp.Register(s, op->Rd) + start;
        T* a = (T*)VectorOp.Register(s, op->Rs2) + start;
        T scalar;
        T* b = VectorOp.Operand(op, s, &scalar, out nint step);
        b += start * step;
        byte* mask = VectorOp.Mask(op, s);
        byte* all = stackalloc byte[VectorUnit.MaximumGroupBytes];
        T* target = mask == null ? d : (T*)all;
        nint i = 0;
        for (; Vector128.IsHardwareAccelerated && count - i >= Vector128<T>.Count; i += Vector128<T>.Count)
        {
            Vector128<T> right = step != 0 ? Vector128.Load(b + i) : Vector128.Create(scalar);
            Vector128.Store(F.Apply(Vector128.Load(d + i), right, Vector128.Load(a + i)), target + i);
        }

        for (; i < count; i++)
            target[i] = F.Apply(d[i], b[i * step], a[i]);
        if (mask != null)
            Elementwise.Blend(d, target, mask, start, count);
        return VectorOp.Done(s);
    }
}
