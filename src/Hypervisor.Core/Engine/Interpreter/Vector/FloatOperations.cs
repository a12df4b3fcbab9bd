using System.Numerics;
using System.Runtime.Intrinsics;
using Hypervisor.Core.Hart.FloatingPoint;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>An operation on two floating-point elements, the first of vs2.</summary>
internal interface IFloatBinary
{
    /// <summary>Whether host vectors do the same where nothing but inexact can be raised.</summary>
    static virtual bool HasVectors => false;

    static abstract ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat;

    static virtual Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => a;
}

internal readonly struct FAdd : IFloatBinary
{
    public static bool HasVectors => true;

    public static ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat => P.Add(a, b, rm, ref flags);

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => a + b;
}

internal readonly struct FSubtract : IFloatBinary
{
    public static bool HasVectors => true;

    public static ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat => P.Subtract(a, b, rm, ref flags);

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => a - b;
}

internal readonly struct FSubtractReversed : IFloatBinary { public static ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat => P.Subtract(b, a, rm, ref flags); }

internal readonly struct FMultiply : IFloatBinary
{
    public static bool HasVectors => true;

    public static ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat => P.Multiply(a, b, rm, ref flags);

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => a * b;
}

internal readonly struct FDivide : IFloatBinary { public static ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat => P.Divide(a, b, rm, ref flags); }
internal readonly struct FDivideReversed : IFloatBinary { public static ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat => P.Divide(b, a, rm, ref flags); }
internal readonly struct FMinimum : IFloatBinary { public static ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat => P.Minimum(a, b, ref flags); }
internal readonly struct FMaximum : IFloatBinary { public static ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat => P.Maximum(a, b, ref flags); }

internal readonly struct FSign : IFloatBinary
{
    public static ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat => (a & ~Bit<P>()) | (b & Bit<P>());

    public static ulong Bit<P>() where P : struct, IFloat => 1UL << P.Bytes * 8 - 1;
}

internal readonly struct FSignNegated : IFloatBinary { public static ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat => (a & ~FSign.Bit<P>()) | (~b & FSign.Bit<P>()); }
internal readonly struct FSignXor : IFloatBinary { public static ulong Apply<P>(ulong a, ulong b, int rm, ref uint flags) where P : struct, IFloat => a ^ (b & FSign.Bit<P>()); }

/// <summary>A comparison of two floating-point elements.</summary>
internal interface IFloatComparison { static abstract bool Holds<P>(ulong a, ulong b, ref uint flags) where P : struct, IFloat; }

internal readonly struct FEqual : IFloatComparison { public static bool Holds<P>(ulong a, ulong b, ref uint flags) where P : struct, IFloat => P.IsEqual(a, b, ref flags); }
internal readonly struct FNotEqual : IFloatComparison { public static bool Holds<P>(ulong a, ulong b, ref uint flags) where P : struct, IFloat => !P.IsEqual(a, b, ref flags); }
internal readonly struct FLess : IFloatComparison { public static bool Holds<P>(ulong a, ulong b, ref uint flags) where P : struct, IFloat => P.IsLess(a, b, ref flags); }
internal readonly struct FLessOrEqual : IFloatComparison { public static bool Holds<P>(ulong a, ulong b, ref uint flags) where P : struct, IFloat => P.IsLessOrEqual(a, b, ref flags); }
internal readonly struct FGreater : IFloatComparison { public static bool Holds<P>(ulong a, ulong b, ref uint flags) where P : struct, IFloat => P.IsLess(b, a, ref flags); }
internal readonly struct FGreaterOrEqual : IFloatComparison { public static bool Holds<P>(ulong a, ulong b, ref uint flags) where P : struct, IFloat => P.IsLessOrEqual(b, a, ref flags); }

/// <summary>An operation on one floating-point element.</summary>
internal interface IFloatUnary { static abstract ulong Apply<P>(ulong a, int rm, ref uint flags) where P : struct, IFloat; }

internal readonly struct FSquareRoot : IFloatUnary { public static ulong Apply<P>(ulong a, int rm, ref uint flags) where P : struct, IFloat => P.SquareRoot(a, rm, ref flags); }
internal readonly struct FClass : IFloatUnary { public static ulong Apply<P>(ulong a, int rm, ref uint flags) where P : struct, IFloat => P.Classify(a); }

/// <summary>The bits of a format, for the estimates.</summary>
internal static class FloatBits
{
    public static ulong Fraction<P>(ulong a) where P : struct, IFloat => a & (1UL << P.FractionBits) - 1;

    public static int Exponent<P>(ulong a) where P : struct, IFloat => (int)(a >> P.FractionBits & (1UL << P.ExponentBits) - 1);

    public static ulong Infinity<P>() where P : struct, IFloat => (1UL << P.ExponentBits) - 1 << P.FractionBits;

    public static ulong CanonicalNaN<P>() where P : struct, IFloat => Infinity<P>() | 1UL << P.FractionBits - 1;

    public static int Bias<P>() where P : struct, IFloat => (1 << P.ExponentBits - 1) - 1;

    /// <summary>Shifts a subnormal's fraction until its hidden bit is set, and tells the exponent that goes with it.</summary>
    public static (int Exponent, ulong Fraction) Normalise<P>(ulong fraction) where P : struct, IFloat
    {
        int shift = BitOperations.LeadingZeroCount(fraction) - (63 - P.FractionBits);
        return (1 - shift, fraction << shift & (1UL << P.FractionBits) - 1);
    }
}

/// <summary>vfrsqrt7: seven bits of the reciprocal of the square root (section 30.13.9).</summary>
internal readonly struct FReciprocalRoot : IFloatUnary
{
    private static ReadOnlySpan<byte> Table =>
    [
        52, 51, 50, 48, 47, 46, 44, 43, 42, 41, 40, 39, 38, 36, 35, 34, 33, 32, 31, 30, 30, 29, 28, 27, 26, 25, 24, 23, 23, 22, 21, 20,
        19, 19, 18, 17, 16, 16, 15, 14, 14, 13, 12, 12, 11, 10, 10, 9, 9, 8, 7, 7, 6, 6, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0,
        127, 125, 123, 121, 119, 118, 116, 114, 113, 111, 109, 108, 106, 105, 103, 102, 100, 99, 97, 96, 95, 93, 92, 91, 90, 88, 87, 86, 85, 84, 83, 82,
        80, 79, 78, 77, 76, 75, 74, 73, 72, 71, 70, 70, 69, 68, 67, 66, 65, 64, 63, 63, 62, 61, 60, 59, 59, 58, 57, 56, 56, 55, 54, 53,
    ];

    public static ulong Apply<P>(ulong a, int rm, ref uint flags) where P : struct, IFloat
    {
        ulong sign = FSign.Bit<P>();
        uint kind = (uint)P.Classify(a);
        if ((kind & 0x100) != 0 || (kind & 0x7) != 0)
        {
            flags |= FpFlags.NV;
            return FloatBits.CanonicalNaN<P>();
        }

        if ((kind & 0x200) != 0)
            return FloatBits.CanonicalNaN<P>();
        if ((kind & 0x80) != 0)
            return 0;
        if ((kind & 0x18) != 0)
        {
            flags |= FpFlags.DZ;
            return (a & sign) | FloatBits.Infinity<P>();
        }

        int exponent = FloatBits.Exponent<P>(a);
        ulong fraction = FloatBits.Fraction<P>(a);
        if (exponent == 0)
            (exponent, fraction) = FloatBits.Normalise<P>(fraction);
        int index = (exponent & 1) << 6 | (int)(fraction >> P.FractionBits - 6);
        ulong result = (ulong)Table[index] << P.FractionBits - 7;
        return result | (ulong)((3 * FloatBits.Bias<P>() - 1 - exponent) / 2) << P.FractionBits;
    }
}

/// <summary>vfrec7: seven bits of the reciprocal (section 30.13.10).</summary>
internal readonly struct FReciprocal : IFloatUnary
{
    private static ReadOnlySpan<byte> Table =>
    [
        127, 125, 123, 121, 119, 117, 116, 114, 112, 110, 109, 107, 105, 104, 102, 100, 99, 97, 96, 94, 93, 91, 90, 88, 87, 85, 84, 83, 81, 80, 79, 77,
        76, 75, 74, 72, 71, 70, 69, 68, 66, 65, 64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43,
        42, 41, 40, 40, 39, 38, 37, 36, 35, 35, 34, 33, 32, 31, 31, 30, 29, 28, 28, 27, 26, 25, 25, 24, 23, 23, 22, 21, 21, 20, 19, 19,
        18, 17, 17, 16, 15, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9, 9, 8, 8, 7, 7, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0,
    ];

    public static ulong Apply<P>(ulong a, int rm, ref uint flags) where P : struct, IFloat
    {
        ulong sign = a & FSign.Bit<P>();
        uint kind = (uint)P.Classify(a);
        if ((kind & 0x300) != 0)
        {
            flags |= (kind & 0x100) != 0 ? FpFlags.NV : 0;
            return FloatBits.CanonicalNaN<P>();
        }

        if ((kind & 0x81) != 0)
            return sign;
        if ((kind & 0x18) != 0)
        {
            flags |= FpFlags.DZ;
            return sign | FloatBits.Infinity<P>();
        }

        int exponent = FloatBits.Exponent<P>(a);
        ulong fraction = FloatBits.Fraction<P>(a);
        if (exponent == 0)
        {
            if (fraction >> P.FractionBits - 2 == 0)
            {
                // Too small: the reciprocal overflows.
                flags |= FpFlags.NX | FpFlags.OF;
                bool finite = rm == FpRounding.RTZ || (rm == FpRounding.RDN && sign == 0) || (rm == FpRounding.RUP && sign != 0);
                return sign | (FloatBits.Infinity<P>() - (finite ? 1UL : 0));
            }

            (exponent, fraction) = FloatBits.Normalise<P>(fraction);
        }

        ulong result = (ulong)Table[(int)(fraction >> P.FractionBits - 7)] << P.FractionBits - 7;
        int resultExponent = 2 * FloatBits.Bias<P>() - 1 - exponent;
        if (resultExponent <= 0)
        {
            // Subnormal, and exact: nothing is lost that the estimate has.
            result = result >> 1 | 1UL << P.FractionBits - 1;
            if (resultExponent < 0)
                result >>= 1;
            resultExponent = 0;
        }

        return sign | (ulong)resultExponent << P.FractionBits | result;
    }
}
