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

    /// <inheritdoc cref="Fp64.TryToInt32"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryToInt32(uint a, int rm, ref uint flags, out ulong result) =>
        Fp64.TryToInt32(Widen(a), rm, ref flags, out result);

    /// <summary>FCVT.WU.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToUInt32(uint a, int rm, ref uint flags) => Fp64.ToUInt32(Widen(a), rm, ref flags);

    /// <inheritdoc cref="Fp64.TryToUInt32"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryToUInt32(uint a, int rm, ref uint flags, out ulong result) =>
        Fp64.TryToUInt32(Widen(a), rm, ref flags, out result);

    /// <summary>FCVT.L.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToInt64(uint a, int rm, ref uint flags) => Fp64.ToInt64(Widen(a), rm, ref flags);

    /// <inheritdoc cref="Fp64.TryToInt64"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryToInt64(uint a, int rm, ref uint flags, out ulong result) =>
        Fp64.TryToInt64(Widen(a), rm, ref flags, out result);

    /// <summary>FCVT.LU.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ToUInt64(uint a, int rm, ref uint flags) => Fp64.ToUInt64(Widen(a), rm, ref flags);

    /// <inheritdoc cref="Fp64.TryToUInt64"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryToUInt64(uint a, int rm, ref uint flags, out ulong result) =>
        Fp64.TryToUInt64(Widen(a), rm, ref flags, out result);

    /// <summary>FCVT.S.W.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint FromInt32(int value, int rm, ref uint flags) => FromInt64(value, rm, ref flags);

    /// <summary>FCVT.S.WU.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint FromUInt32(uint value, int rm, ref uint flags) => FromInt64(value, rm, ref flags);

    /// <summary>FCVT.S.L.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint FromInt64(long value, int rm, ref uint flags) =>
        TryFromInt64(value, out var result) ? result : FromInt64Checked(value, rm, ref flags);

    /// <summary>FCVT.S.LU.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint FromUInt64(ulong value, int rm, ref uint flags) =>
        TryFromUInt64(value, out var result) ? result : FromUInt64Checked(value, rm, ref flags);

    /// <summary>FCVT.S.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint FromDouble(ulong a, int rm, ref uint flags) =>
        TryFromDouble(a, rm, ref flags, out var result) ? result : FromDoubleChecked(a, rm, ref flags);

    /// <summary>The first step of <see cref="FromInt64"/>, for 32-bit integers too: a value that is exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryFromInt64(long value, out uint result)
    {
        result = SingleToUInt32Bits((int)value);
        return (ulong)(value + ExactIntegers) <= 2 * (ulong)ExactIntegers;
    }

    /// <summary>The first step of <see cref="FromUInt64"/>: a value that is exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryFromUInt64(ulong value, out uint result)
    {
        result = SingleToUInt32Bits((int)value);
        return value <= (ulong)ExactIntegers;
    }

    /// <summary>The first step of <see cref="FromDouble"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryFromDouble(ulong a, int rm, ref uint flags, out uint result)
    {
        var exact = UInt64BitsToDouble(a);
        var rounded = (float)exact;
        result = SingleToUInt32Bits(rounded);
        if (rm != FpRounding.RNE || !HostArithmetic.IsOrdinary(result))
            return false;
        if (rounded != exact)
            flags |= FpFlags.NX;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Widen(uint a) => DoubleToUInt64Bits(UInt32BitsToSingle(a));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint FromInt64Checked(long value, int rm, ref uint flags) =>
        (uint)SoftFloat<Binary32>.FromInteger(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, rm, ref flags);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint FromUInt64Checked(ulong value, int rm, ref uint flags) =>
        (uint)SoftFloat<Binary32>.FromInteger(false, value, rm, ref flags);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint FromDoubleChecked(ulong a, int rm, ref uint flags) =>
        (uint)SoftFloat<Binary32>.From<Binary64>(a, rm, ref flags);
}
