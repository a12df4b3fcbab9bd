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

    private const double TwoTo63 = 9223372036854775808.0;

    /// <summary>FCVT.W.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToInt32(ulong a, int rm, ref uint flags)
    {
        var x = UInt64BitsToDouble(a);
        var rounded = HostArithmetic.RoundToIntegral(x, rm);
        if (!(rounded >= int.MinValue && rounded <= int.MaxValue))
            return ToIntegerSaturating(a, 32, signed: true, rm, ref flags);
        AccrueInexact(rounded, x, ref flags);
        return (ulong)double.ConvertToIntegerNative<long>(rounded);
    }

    /// <summary>FCVT.WU.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToUInt32(ulong a, int rm, ref uint flags)
    {
        var x = UInt64BitsToDouble(a);
        var rounded = HostArithmetic.RoundToIntegral(x, rm);
        if (!(rounded >= 0 && rounded <= uint.MaxValue))
            return ToIntegerSaturating(a, 32, signed: false, rm, ref flags);
        AccrueInexact(rounded, x, ref flags);
        return (ulong)(int)double.ConvertToIntegerNative<long>(rounded);
    }

    /// <summary>FCVT.L.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToInt64(ulong a, int rm, ref uint flags)
    {
        // 2^63 is the first double beyond the largest integer, which itself is none.
        var x = UInt64BitsToDouble(a);
        var rounded = HostArithmetic.RoundToIntegral(x, rm);
        if (!(rounded >= -TwoTo63 && rounded < TwoTo63))
            return ToIntegerSaturating(a, 64, signed: true, rm, ref flags);
        AccrueInexact(rounded, x, ref flags);
        return (ulong)double.ConvertToIntegerNative<long>(rounded);
    }

    /// <summary>FCVT.LU.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToUInt64(ulong a, int rm, ref uint flags)
    {
        var x = UInt64BitsToDouble(a);
        var rounded = HostArithmetic.RoundToIntegral(x, rm);
        if (!(rounded >= 0 && rounded < TwoTo63))
            return ToIntegerSaturating(a, 64, signed: false, rm, ref flags);
        AccrueInexact(rounded, x, ref flags);
        return (ulong)double.ConvertToIntegerNative<long>(rounded);
    }

    /// <summary>FCVT.D.W: always exact; takes mode and flags only to have its siblings' shape.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FromInt32(int value, int rm, ref uint flags) => DoubleToUInt64Bits(value);

    /// <summary>FCVT.D.WU: always exact; takes mode and flags only to have its siblings' shape.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FromUInt32(uint value, int rm, ref uint flags) => DoubleToUInt64Bits(value);

    /// <summary>FCVT.D.L.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FromInt64(long value, int rm, ref uint flags) =>
        (ulong)(value + ExactIntegers) <= 2 * (ulong)ExactIntegers
            ? DoubleToUInt64Bits(value)
            : FromIntegerChecked(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, rm, ref flags);

    /// <summary>FCVT.D.LU.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FromUInt64(ulong value, int rm, ref uint flags) =>
        value <= (ulong)ExactIntegers
            ? DoubleToUInt64Bits((long)value)
            : FromIntegerChecked(false, value, rm, ref flags);

    /// <summary>FCVT.D.S: exact for all but NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FromSingle(uint a, ref uint flags)
    {
        var x = UInt32BitsToSingle(a);
        return float.IsNaN(x) ? FromSingleNaN(a, ref flags) : DoubleToUInt64Bits(x);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AccrueInexact(double rounded, double x, ref uint flags)
    {
        if (rounded != x)
            flags |= FpFlags.NX;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong ToIntegerSaturating(ulong a, int width, bool signed, int rm, ref uint flags) =>
        SoftFloat<Binary64>.ToInteger(a, width, signed, rm, ref flags);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong FromIntegerChecked(bool negative, ulong magnitude, int rm, ref uint flags) =>
        SoftFloat<Binary64>.FromInteger(negative, magnitude, rm, ref flags);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong FromSingleNaN(uint a, ref uint flags) =>
        SoftFloat<Binary64>.From<Binary32>(a, FpRounding.RNE, ref flags);
}
