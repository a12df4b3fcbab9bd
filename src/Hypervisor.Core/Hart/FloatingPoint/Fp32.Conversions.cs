using System.Runtime.CompilerServices;
using static System.BitConverter;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <content>
/// Conversions. Every single is a double, so conversions to integers are <see cref="Fp64"/>'s: the host may quieten a
/// signalling NaN on the way, but they treat all NaNs alike.
/// </content>
internal static partial class Fp32
{
    /// <summary>Up to this magnitude every integer is a single.</summary>
    private const long ExactIntegers = 1L << 24;

    /// <summary>FCVT.W.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToInt32(uint a, int rm, ref uint flags) => Fp64.ToInt32(Widen(a), rm, ref flags);

    /// <summary>FCVT.WU.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToUInt32(uint a, int rm, ref uint flags) => Fp64.ToUInt32(Widen(a), rm, ref flags);

    /// <summary>FCVT.L.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToInt64(uint a, int rm, ref uint flags) => Fp64.ToInt64(Widen(a), rm, ref flags);

    /// <summary>FCVT.LU.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToUInt64(uint a, int rm, ref uint flags) => Fp64.ToUInt64(Widen(a), rm, ref flags);

    /// <summary>FCVT.S.W.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint FromInt32(int value, int rm, ref uint flags) => FromInt64(value, rm, ref flags);

    /// <summary>FCVT.S.WU.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint FromUInt32(uint value, int rm, ref uint flags) => FromInt64(value, rm, ref flags);

    /// <summary>FCVT.S.L.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint FromInt64(long value, int rm, ref uint flags) =>
        (ulong)(value + ExactIntegers) <= 2 * (ulong)ExactIntegers
            ? SingleToUInt32Bits((int)value)
            : FromIntegerChecked(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, rm, ref flags);

    /// <summary>FCVT.S.LU.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint FromUInt64(ulong value, int rm, ref uint flags) =>
        value <= (ulong)ExactIntegers
            ? SingleToUInt32Bits((int)value)
            : FromIntegerChecked(false, value, rm, ref flags);

    /// <summary>FCVT.S.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint FromDouble(ulong a, int rm, ref uint flags)
    {
        var x = UInt64BitsToDouble(a);
        return rm == FpRounding.RNE && HostArithmetic.IsOrdinary(SingleToUInt32Bits((float)x))
            ? Round(x, ref flags)
            : FromDoubleChecked(a, rm, ref flags);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Widen(uint a) => DoubleToUInt64Bits(UInt32BitsToSingle(a));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint FromIntegerChecked(bool negative, ulong magnitude, int rm, ref uint flags) =>
        (uint)SoftFloat<Binary32>.FromInteger(negative, magnitude, rm, ref flags);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint FromDoubleChecked(ulong a, int rm, ref uint flags) =>
        (uint)SoftFloat<Binary32>.From<Binary64>(a, rm, ref flags);
}
