using System.Runtime.CompilerServices;
using static System.BitConverter;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <content>
/// Conversions. To integers the host rounds in any mode, and the rounded value tells both whether it fits and whether it
/// was exact; NaN and out-of-range values take the integer path. 32-bit results, unsigned ones too, come sign-extended.
/// </content>
internal static partial class Fp64
{
    /// <summary>Up to this magnitude every integer is a double.</summary>
    private const long ExactIntegers = 1L << 53;

    /// <summary>The first double beyond the largest 64-bit signed integer, which itself is none.</summary>
    private const double TwoTo63 = 9223372036854775808.0;

    /// <summary>FCVT.W.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToInt32(ulong a, int rm, ref uint flags) =>
        TryToInt32(a, rm, ref flags, out var result) ? result : ToIntegerChecked(a, 32, signed: true, rm, ref flags);

    /// <summary>FCVT.WU.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToUInt32(ulong a, int rm, ref uint flags) =>
        TryToUInt32(a, rm, ref flags, out var result) ? result : ToIntegerChecked(a, 32, signed: false, rm, ref flags);

    /// <summary>FCVT.L.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToInt64(ulong a, int rm, ref uint flags) =>
        TryToInt64(a, rm, ref flags, out var result) ? result : ToIntegerChecked(a, 64, signed: true, rm, ref flags);

    /// <summary>FCVT.LU.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToUInt64(ulong a, int rm, ref uint flags) =>
        TryToUInt64(a, rm, ref flags, out var result) ? result : ToIntegerChecked(a, 64, signed: false, rm, ref flags);

    /// <summary>FCVT.D.W: always exact; takes mode and flags only to have its siblings' shape.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FromInt32(int value, int rm, ref uint flags) => DoubleToUInt64Bits(value);

    /// <summary>FCVT.D.WU: always exact; takes mode and flags only to have its siblings' shape.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FromUInt32(uint value, int rm, ref uint flags) => DoubleToUInt64Bits(value);

    /// <summary>FCVT.D.L.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FromInt64(long value, int rm, ref uint flags) =>
        TryFromInt64(value, out var result) ? result : FromInt64Checked(value, rm, ref flags);

    /// <summary>FCVT.D.LU.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FromUInt64(ulong value, int rm, ref uint flags) =>
        TryFromUInt64(value, out var result) ? result : FromUInt64Checked(value, rm, ref flags);

    /// <summary>FCVT.D.S: exact for all but NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FromSingle(uint a, ref uint flags)
    {
        var x = UInt32BitsToSingle(a);
        if (!float.IsNaN(x))
            return DoubleToUInt64Bits(x);
        if ((a & Fp32.CanonicalNaN) != Fp32.CanonicalNaN)
            flags |= FpFlags.NV;
        return CanonicalNaN;
    }

    /// <summary>The first step of <see cref="ToInt32"/>: truncation, as compilers ask for, of a value in range.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryToInt32(ulong a, int rm, ref uint flags, out ulong result)
    {
        var x = UInt64BitsToDouble(a);
        var truncated = Math.Truncate(x);
        result = (ulong)double.ConvertToIntegerNative<long>(truncated);
        return rm == FpRounding.RTZ && truncated >= int.MinValue && truncated <= int.MaxValue && AccrueInexact(truncated, x, ref flags);
    }

    /// <summary>The first step of <see cref="ToUInt32"/>: truncation, as compilers ask for, of a value in range.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryToUInt32(ulong a, int rm, ref uint flags, out ulong result)
    {
        var x = UInt64BitsToDouble(a);
        var truncated = Math.Truncate(x);
        result = (ulong)(int)double.ConvertToIntegerNative<long>(truncated);
        return rm == FpRounding.RTZ && truncated >= 0 && truncated <= uint.MaxValue && AccrueInexact(truncated, x, ref flags);
    }

    /// <summary>The first step of <see cref="ToInt64"/>: truncation, as compilers ask for, of a value in range.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryToInt64(ulong a, int rm, ref uint flags, out ulong result)
    {
        var x = UInt64BitsToDouble(a);
        var truncated = Math.Truncate(x);
        result = (ulong)double.ConvertToIntegerNative<long>(truncated);
        return rm == FpRounding.RTZ && truncated >= -TwoTo63 && truncated < TwoTo63 && AccrueInexact(truncated, x, ref flags);
    }

    /// <summary>The first step of <see cref="ToUInt64"/>: truncation, as compilers ask for, of a value in range.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryToUInt64(ulong a, int rm, ref uint flags, out ulong result)
    {
        var x = UInt64BitsToDouble(a);
        var truncated = Math.Truncate(x);
        result = (ulong)double.ConvertToIntegerNative<long>(truncated);
        return rm == FpRounding.RTZ && truncated >= 0 && truncated < TwoTo63 && AccrueInexact(truncated, x, ref flags);
    }

    /// <summary>The first step of <see cref="FromInt64"/>: a value that is exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryFromInt64(long value, out ulong result)
    {
        result = DoubleToUInt64Bits(value);
        return (ulong)(value + ExactIntegers) <= 2 * (ulong)ExactIntegers;
    }

    /// <summary>The first step of <see cref="FromUInt64"/>: a value that is exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryFromUInt64(ulong value, out ulong result)
    {
        result = DoubleToUInt64Bits((long)value);
        return value <= (ulong)ExactIntegers;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong ToIntegerChecked(ulong a, int width, bool signed, int rm, ref uint flags)
    {
        var x = UInt64BitsToDouble(a);
        var rounded = HostArithmetic.RoundToIntegral(x, rm);
        if (Math.Abs(rounded) < TwoTo63)
        {
            var integer = double.ConvertToIntegerNative<long>(rounded);
            var fits = signed
                ? width == 64 || integer == (int)integer
                : integer >= 0 && (width == 64 || integer == (uint)integer);
            if (fits)
            {
                AccrueInexact(rounded, x, ref flags);
                return width == 32 ? (ulong)(int)integer : (ulong)integer;
            }
        }

        return SoftFloat<Binary64>.ToInteger(a, width, signed, rm, ref flags);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong FromInt64Checked(long value, int rm, ref uint flags) =>
        SoftFloat<Binary64>.FromInteger(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, rm, ref flags);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong FromUInt64Checked(ulong value, int rm, ref uint flags) =>
        SoftFloat<Binary64>.FromInteger(false, value, rm, ref flags);

    /// <summary>Accrues inexact if rounding changed x. Always true, to stand last in a condition.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool AccrueInexact(double rounded, double x, ref uint flags)
    {
        if (rounded != x)
            flags |= FpFlags.NX;
        return true;
    }
}
