using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Hart.FloatingPoint;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>
/// Floating point (section 30.13), element by element with the scalar instructions' arithmetic and flags. P is the operands'
/// format, T an integer of its size, W one of twice.
/// </summary>
internal static unsafe class FloatKernels
{
    /// <summary>Notes flags, which are state of the scalar unit.</summary>
    private static bool Done(HartState* s)
    {
        s->FpDirty = 1;
        return VectorOp.Done(s);
    }

    private static ulong Read<T>(T* a, nint i) where T : unmanaged, IBinaryInteger<T> => ulong.CreateTruncating(a[i]);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Binary<F, P, T>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IFloatBinary
        where P : struct, IFloat
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.Float(s, sizeof(T)) || !VectorRules.Plain(op, s))
            return false;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        T scalar;
        T* b = VectorOp.Operand(op, s, &scalar, out nint step);
        byte* mask = VectorOp.Mask(op, s);
        int rm = (int)s->Frm;
        nint i = (nint)s->Vstart;
        if (F.HasVectors && sizeof(T) >= 4 && mask == null && HostVectors.MayServe(rm, s->Fflags))
        {
            for (; (nint)s->Vl - i >= Vector128<T>.Count; i += Vector128<T>.Count)
            {
                Vector128<T> right = step != 0 ? Vector128.Load(b + i) : Vector128.Create(scalar);
                Vector128<T> result = sizeof(T) == 4
                    ? F.Apply(Vector128.Load(a + i).AsSingle(), right.AsSingle()).As<float, T>()
                    : F.Apply(Vector128.Load(a + i).AsDouble(), right.AsDouble()).As<double, T>();
                if (HostVectors.AreOrdinary(result))
                {
                    Vector128.Store(result, d + i);
                    continue;
                }

                for (nint k = i; k < i + Vector128<T>.Count; k++)
                    d[k] = T.CreateTruncating(F.Apply<P>(Read(a, k), Read(b, k * step), rm, ref s->Fflags));
            }
        }

        for (; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                d[i] = T.CreateTruncating(F.Apply<P>(Read(a, i), Read(b, i * step), rm, ref s->Fflags));
        }

        return Done(s);
    }

    /// <summary>Results of twice the width, from operands of which both, or only the second, are widened.</summary>
    public static bool Wide<F, P, Q, T, W>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IFloatBinary
        where P : struct, IFloat
        where Q : struct, IFloat
        where T : unmanaged, IBinaryInteger<T>
        where W : unmanaged, IBinaryInteger<W>
        => RunWide<F, P, Q, T, W>(op, s, wideSource: false);

    public static bool WideSource<F, P, Q, T, W>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IFloatBinary
        where P : struct, IFloat
        where Q : struct, IFloat
        where T : unmanaged, IBinaryInteger<T>
        where W : unmanaged, IBinaryInteger<W>
        => RunWide<F, P, Q, T, W>(op, s, wideSource: true);

    private static bool RunWide<F, P, Q, T, W>(Op* op, HartState* s, bool wideSource)
        where F : struct, IFloatBinary
        where P : struct, IFloat
        where Q : struct, IFloat
        where T : unmanaged, IBinaryInteger<T>
        where W : unmanaged, IBinaryInteger<W>
    {
        if (!VectorRules.Float(s, sizeof(T)) || !VectorRules.Widening(op, s, wideSource))
            return false;
        W* d = (W*)VectorOp.Register(s, op->Rd);
        byte* a = VectorOp.Register(s, op->Rs2);
        T scalar;
        T* b = VectorOp.Operand(op, s, &scalar, out nint step);
        byte* mask = VectorOp.Mask(op, s);
        int rm = (int)s->Frm;
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (!VectorOp.IsActive(mask, i))
                continue;
            ulong left = wideSource ? Read((W*)a, i) : P.Widen(Read((T*)a, i), rm, ref s->Fflags);
            ulong right = P.Widen(Read(b, i * step), rm, ref s->Fflags);
            d[i] = W.CreateTruncating(F.Apply<Q>(left, right, rm, ref s->Fflags));
        }

        return Done(s);
    }

    /// <summary>Fused multiply-add: G tells the signs, and whether vd is the addend or a factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Fused<G, P, T>(Op* op, HartState* s, TlbEntry* tlb)
        where G : struct, IFusedForm
        where P : struct, IFloat
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.Float(s, sizeof(T)) || !VectorRules.Plain(op, s))
            return false;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        T scalar;
        T* b = VectorOp.Operand(op, s, &scalar, out nint step);
        byte* mask = VectorOp.Mask(op, s);
        int rm = (int)s->Frm;
        nint i = (nint)s->Vstart;
        if (sizeof(T) >= 4 && mask == null && HostArithmetic.HasFusedMultiplyAdd && HostVectors.MayServe(rm, s->Fflags))
        {
            T sign = T.One << sizeof(T) * 8 - 1;
            for (; (nint)s->Vl - i >= Vector128<T>.Count; i += Vector128<T>.Count)
            {
                Vector128<T> product = step != 0 ? Vector128.Load(b + i) : Vector128.Create(scalar);
                Vector128<T> other = Vector128.Load((G.Accumulates ? a : d) + i);
                Vector128<T> sum = Vector128.Load((G.Accumulates ? d : a) + i);
                if (G.NegateProduct)
                    product ^= Vector128.Create(sign);
                if (G.NegateAddend)
                    sum ^= Vector128.Create(sign);
                Vector128<T> result = sizeof(T) == 4
                    ? Vector128.FusedMultiplyAdd(product.AsSingle(), other.AsSingle(), sum.AsSingle()).As<float, T>()
                    : Vector128.FusedMultiplyAdd(product.AsDouble(), other.AsDouble(), sum.AsDouble()).As<double, T>();
                if (!HostVectors.AreOrdinary(result))
                {
                    FusedElements<G, P, T>(s, d, a, b, step, null, i, i + Vector128<T>.Count);
                    continue;
                }

                Vector128.Store(result, d + i);
            }
        }

        FusedElements<G, P, T>(s, d, a, b, step, mask, i, (nint)s->Vl);
        return Done(s);
    }

    private static void FusedElements<G, P, T>(HartState* s, T* d, T* a, T* b, nint step, byte* mask, nint from, nint to)
        where G : struct, IFusedForm
        where P : struct, IFloat
        where T : unmanaged, IBinaryInteger<T>
    {
        int rm = (int)s->Frm;
        for (nint i = from; i < to; i++)
        {
            if (!VectorOp.IsActive(mask, i))
                continue;
            ulong factor = G.Accumulates ? Read(a, i) : Read(d, i);
            ulong addend = G.Accumulates ? Read(d, i) : Read(a, i);
            d[i] = T.CreateTruncating(P.MultiplyAdd(Read(b, i * step), factor, addend, G.NegateProduct, G.NegateAddend, rm, ref s->Fflags));
        }
    }

    public static bool WideFused<G, P, Q, T, W>(Op* op, HartState* s, TlbEntry* tlb)
        where G : struct, IFusedForm
        where P : struct, IFloat
        where Q : struct, IFloat
        where T : unmanaged, IBinaryInteger<T>
        where W : unmanaged, IBinaryInteger<W>
    {
        if (!VectorRules.Float(s, sizeof(T)) || !VectorRules.Widening(op, s, wideSource: false))
            return false;
        W* d = (W*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        T scalar;
        T* b = VectorOp.Operand(op, s, &scalar, out nint step);
        byte* mask = VectorOp.Mask(op, s);
        int rm = (int)s->Frm;
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (!VectorOp.IsActive(mask, i))
                continue;
            ulong left = P.Widen(Read(a, i), rm, ref s->Fflags);
            ulong right = P.Widen(Read(b, i * step), rm, ref s->Fflags);
            d[i] = W.CreateTruncating(Q.MultiplyAdd(left, right, Read(d, i), G.NegateProduct, G.NegateAddend, rm, ref s->Fflags));
        }

        return Done(s);
    }

    [SkipLocalsInit]
    public static bool Compare<F, P, T>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IFloatComparison
        where P : struct, IFloat
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.Float(s, sizeof(T)) || !VectorRules.ToMask(op, s))
            return false;
        byte* bits = stackalloc byte[MaskBits.Bytes];
        int count = (int)s->Vl;
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        T scalar;
        T* b = VectorOp.Operand(op, s, &scalar, out nint step);
        byte* mask = VectorOp.Mask(op, s);
        for (nint i = 0; i < count; i += 8)
        {
            int eight = 0;
            for (nint k = i; k < i + 8 && k < count; k++)
            {
                // Elements that are not compared raise no flags.
                if (k >= (nint)s->Vstart && VectorOp.IsActive(mask, k) && F.Holds<P>(Read(a, k), Read(b, k * step), ref s->Fflags))
                    eight |= 1 << (int)(k - i);
            }

            bits[i >> 3] = (byte)eight;
        }

        MaskBits.Store(VectorOp.Register(s, op->Rd), bits, mask, (int)s->Vstart, count);
        return Done(s);
    }

    public static bool Unary<F, P, T>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IFloatUnary
        where P : struct, IFloat
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.Float(s, sizeof(T)) || !VectorRules.PlainUnary(op, s))
            return false;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        byte* mask = VectorOp.Mask(op, s);
        int rm = (int)s->Frm;
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                d[i] = T.CreateTruncating(F.Apply<P>(Read(a, i), rm, ref s->Fflags));
        }

        return Done(s);
    }

    /// <summary>Sums in order, also where the order is left open, and the least and the largest.</summary>
    public static bool Reduce<F, P, T>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IFloatBinary
        where P : struct, IFloat
        where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.Float(s, sizeof(T)) || s->Vstart != 0 || (op->Rs2 & s->GroupMask) != 0)
            return false;
        if (s->Vl == 0)
            return VectorOp.Done(s);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        ulong result = Read((T*)VectorOp.Register(s, op->Rs1), 0);
        byte* mask = VectorOp.Mask(op, s);
        int rm = (int)s->Frm;
        for (nint i = 0; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                result = F.Apply<P>(result, Read(a, i), rm, ref s->Fflags);
        }

        *(T*)VectorOp.Register(s, op->Rd) = T.CreateTruncating(result);
        return Done(s);
    }

    public static bool ReduceWide<P, Q, T, W>(Op* op, HartState* s, TlbEntry* tlb)
        where P : struct, IFloat
        where Q : struct, IFloat
        where T : unmanaged, IBinaryInteger<T>
        where W : unmanaged, IBinaryInteger<W>
    {
        if (!VectorRules.Float(s, sizeof(T)) || s->Vstart != 0 || (op->Rs2 & s->GroupMask) != 0)
            return false;
        if (s->Vl == 0)
            return VectorOp.Done(s);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        ulong result = Read((W*)VectorOp.Register(s, op->Rs1), 0);
        byte* mask = VectorOp.Mask(op, s);
        int rm = (int)s->Frm;
        for (nint i = 0; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                result = Q.Add(result, P.Widen(Read(a, i), rm, ref s->Fflags), rm, ref s->Fflags);
        }

        *(W*)VectorOp.Register(s, op->Rd) = W.CreateTruncating(result);
        return Done(s);
    }

    /// <summary>Conversions: elements of S become elements of D, of the same, twice or half the width.</summary>
    public static bool Convert<C, P, S, D>(Op* op, HartState* s, TlbEntry* tlb)
        where C : struct, IFloatConversion
        where P : struct, IFloat
        where S : unmanaged, IBinaryInteger<S>
        where D : unmanaged, IBinaryInteger<D>
    {
        if (!VectorRules.Float(s, P.Bytes))
            return false;
        bool legal = sizeof(S) == sizeof(D) ? VectorRules.PlainUnary(op, s)
            : sizeof(S) < sizeof(D) ? VectorRules.WideningUnary(op, s) : VectorRules.Narrowing(op, s, unary: true);
        if (!legal)
            return false;
        D* d = (D*)VectorOp.Register(s, op->Rd);
        S* a = (S*)VectorOp.Register(s, op->Rs2);
        byte* mask = VectorOp.Mask(op, s);
        int rm = (int)s->Frm;
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                d[i] = D.CreateTruncating(C.Apply<P>(Read(a, i), sizeof(S) * 8, sizeof(D) * 8, rm, ref s->Fflags));
        }

        return Done(s);
    }
}

/// <summary>The form of a fused multiply-add.</summary>
internal interface IFusedForm
{
    static abstract bool NegateProduct { get; }

    static abstract bool NegateAddend { get; }

    /// <summary>Whether vd is the addend, not a factor.</summary>
    static abstract bool Accumulates { get; }
}

internal readonly struct Fmadd : IFusedForm { public static bool NegateProduct => false; public static bool NegateAddend => false; public static bool Accumulates => false; }
internal readonly struct Fnmadd : IFusedForm { public static bool NegateProduct => true; public static bool NegateAddend => true; public static bool Accumulates => false; }
internal readonly struct Fmsub : IFusedForm { public static bool NegateProduct => false; public static bool NegateAddend => true; public static bool Accumulates => false; }
internal readonly struct Fnmsub : IFusedForm { public static bool NegateProduct => true; public static bool NegateAddend => false; public static bool Accumulates => false; }
internal readonly struct Fmacc : IFusedForm { public static bool NegateProduct => false; public static bool NegateAddend => false; public static bool Accumulates => true; }
internal readonly struct Fnmacc : IFusedForm { public static bool NegateProduct => true; public static bool NegateAddend => true; public static bool Accumulates => true; }
internal readonly struct Fmsac : IFusedForm { public static bool NegateProduct => false; public static bool NegateAddend => true; public static bool Accumulates => true; }
internal readonly struct Fnmsac : IFusedForm { public static bool NegateProduct => true; public static bool NegateAddend => false; public static bool Accumulates => true; }

/// <summary>A conversion of an element from or to the format P.</summary>
internal interface IFloatConversion { static abstract ulong Apply<P>(ulong a, int sourceBits, int resultBits, int rm, ref uint flags) where P : struct, IFloat; }

internal readonly struct ToUnsigned : IFloatConversion { public static ulong Apply<P>(ulong a, int sourceBits, int resultBits, int rm, ref uint flags) where P : struct, IFloat => P.ToInteger(a, resultBits, signed: false, rm, ref flags); }
internal readonly struct ToSigned : IFloatConversion { public static ulong Apply<P>(ulong a, int sourceBits, int resultBits, int rm, ref uint flags) where P : struct, IFloat => P.ToInteger(a, resultBits, signed: true, rm, ref flags); }
internal readonly struct ToUnsignedTruncated : IFloatConversion { public static ulong Apply<P>(ulong a, int sourceBits, int resultBits, int rm, ref uint flags) where P : struct, IFloat => P.ToInteger(a, resultBits, signed: false, FpRounding.RTZ, ref flags); }
internal readonly struct ToSignedTruncated : IFloatConversion { public static ulong Apply<P>(ulong a, int sourceBits, int resultBits, int rm, ref uint flags) where P : struct, IFloat => P.ToInteger(a, resultBits, signed: true, FpRounding.RTZ, ref flags); }
internal readonly struct FromUnsigned : IFloatConversion { public static ulong Apply<P>(ulong a, int sourceBits, int resultBits, int rm, ref uint flags) where P : struct, IFloat => P.FromInteger(a, signed: false, rm, ref flags); }
internal readonly struct FromSigned : IFloatConversion { public static ulong Apply<P>(ulong a, int sourceBits, int resultBits, int rm, ref uint flags) where P : struct, IFloat => P.FromInteger((ulong)((long)(a << 64 - sourceBits) >> 64 - sourceBits), signed: true, rm, ref flags); }
internal readonly struct FormatWider : IFloatConversion { public static ulong Apply<P>(ulong a, int sourceBits, int resultBits, int rm, ref uint flags) where P : struct, IFloat => P.Widen(a, rm, ref flags); }
internal readonly struct FormatNarrower : IFloatConversion { public static ulong Apply<P>(ulong a, int sourceBits, int resultBits, int rm, ref uint flags) where P : struct, IFloat => P.Narrow(a, rm, ref flags); }

/// <summary>To half the width, where what is inexact becomes odd: another rounding to less then rounds rightly.</summary>
internal readonly struct FormatNarrowerToOdd : IFloatConversion
{
    public static ulong Apply<P>(ulong a, int sourceBits, int resultBits, int rm, ref uint flags) where P : struct, IFloat
    {
        uint raised = 0;
        ulong result = P.Narrow(a, FpRounding.RTZ, ref raised);
        flags |= raised;
        return (raised & FpFlags.NX) != 0 ? result | 1 : result;
    }
}

/// <summary>When the host's vectors of floating point may stand in for the guest's: see <see cref="HostArithmetic"/>.</summary>
internal static class HostVectors
{
    /// <summary>Rounding to nearest, with inexact raised already.</summary>
    public static bool MayServe(int rm, uint flags) => Vector128.IsHardwareAccelerated && HostArithmetic.IsNearestAndInexact(rm, flags);

    /// <summary>Whether all elements are finite and above the smallest normal magnitude, so that nothing else can have been raised.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AreOrdinary<T>(Vector128<T> bits) where T : unmanaged
    {
        if (Unsafe.SizeOf<T>() == 4)
        {
            Vector128<uint> magnitude = bits.AsUInt32() & Vector128.Create(0x7fff_ffffu);
            return Vector128.LessThanAll(magnitude - Vector128.Create(0x0080_0001u), Vector128.Create(0x7f80_0000u - 0x0080_0001u));
        }

        Vector128<ulong> wide = bits.AsUInt64() & Vector128.Create(0x7fff_ffff_ffff_fffful);
        return Vector128.LessThanAll(wide - Vector128.Create(0x0010_0000_0000_0001ul), Vector128.Create(0x7ff0_0000_0000_0000ul - 0x0010_0000_0000_0001ul));
    }
}
