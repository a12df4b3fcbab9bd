using System.Numerics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>Rounding as vxrm says, and saturation, noted in vxsat (unprivileged specification, sections 30.3.8 and 30.3.9).</summary>
internal interface IFixedPoint
{
    static abstract T Apply<T>(T a, T b, int rounding, ref byte saturated) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>;
}

internal static class Rounding
{
    /// <summary>value / 2^shift, rounded: to nearest with ties up or to even, down, or to odd.</summary>
    public static Int128 Shift(Int128 value, int shift, int mode)
    {
        if (shift == 0)
            return value;
        Int128 result = value >> shift;
        Int128 lost = value & ((Int128.One << shift) - 1);
        Int128 half = Int128.One << shift - 1;
        bool up = mode switch
        {
            0 => lost >= half,
            1 => lost > half || (lost == half && (result & 1) != 0),
            2 => false,
            _ => lost != 0 && (result & 1) == 0,
        };
        return up ? result + 1 : result;
    }

    /// <summary>The nearest number that an element holds.</summary>
    public static T Saturate<T>(Int128 value, ref byte saturated) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        if (value > Int128.CreateTruncating(T.MaxValue))
        {
            saturated = 1;
            return T.MaxValue;
        }

        if (value < Int128.CreateTruncating(T.MinValue))
        {
            saturated = 1;
            return T.MinValue;
        }

        return T.CreateTruncating(value);
    }
}

internal readonly struct SaturatingAdd : IFixedPoint
{
    public static T Apply<T>(T a, T b, int rounding, ref byte saturated) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => Rounding.Saturate<T>(Int128.CreateTruncating(a) + Int128.CreateTruncating(b), ref saturated);
}

internal readonly struct SaturatingSubtract : IFixedPoint
{
    public static T Apply<T>(T a, T b, int rounding, ref byte saturated) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => Rounding.Saturate<T>(Int128.CreateTruncating(a) - Int128.CreateTruncating(b), ref saturated);
}

internal readonly struct AveragingAdd : IFixedPoint
{
    public static T Apply<T>(T a, T b, int rounding, ref byte saturated) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => T.CreateTruncating(Rounding.Shift(Int128.CreateTruncating(a) + Int128.CreateTruncating(b), 1, rounding));
}

internal readonly struct AveragingSubtract : IFixedPoint
{
    public static T Apply<T>(T a, T b, int rounding, ref byte saturated) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => T.CreateTruncating(Rounding.Shift(Int128.CreateTruncating(a) - Int128.CreateTruncating(b), 1, rounding));
}

/// <summary>The product of two fractions.</summary>
internal readonly struct SaturatingMultiply : IFixedPoint
{
    public static T Apply<T>(T a, T b, int rounding, ref byte saturated) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => Rounding.Saturate<T>(Rounding.Shift(Int128.CreateTruncating(a) * Int128.CreateTruncating(b), Unsafe.SizeOf<T>() * 8 - 1, rounding), ref saturated);
}

internal readonly struct RoundingShift : IFixedPoint
{
    public static T Apply<T>(T a, T b, int rounding, ref byte saturated) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => T.CreateTruncating(Rounding.Shift(Int128.CreateTruncating(a), int.CreateTruncating(b) & Unsafe.SizeOf<T>() * 8 - 1, rounding));
}

internal static unsafe class FixedPoint
{
    public static bool Run<F, T>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IFixedPoint
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        if (!VectorRules.Plain(op, s))
            return false;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        T scalar;
        T* b = VectorOp.Operand(op, s, &scalar, out nint step);
        byte* mask = VectorOp.Mask(op, s);
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                d[i] = F.Apply(a[i], b[i * step], s->Vxrm, ref s->Vxsat);
        }

        return VectorOp.Done(s);
    }
}
