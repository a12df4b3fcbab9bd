using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>
/// When the host's own arithmetic, which always rounds to nearest even and whose flags .NET cannot read, may stand in for
/// the guest's; and the error-free transformations that tell whether it rounded.
/// </summary>
internal static class HostArithmetic
{
    private const ulong Magnitude64 = long.MaxValue;
    private const ulong MinNormal64 = 0x0010_0000_0000_0000;
    private const ulong Infinity64 = 0x7ff0_0000_0000_0000;
    private const uint Magnitude32 = int.MaxValue;
    private const uint MinNormal32 = 0x0080_0000;
    private const uint Infinity32 = 0x7f80_0000;

    /// <summary>The exponent fields of 2^−900 and 2^1022: between them the error of a product is a double too.</summary>
    private const ulong Low64 = (1023UL - 900) << 52;
    private const ulong High64 = (1023UL + 1022) << 52;

    /// <summary>
    /// Whether fused multiply-add is one host instruction. Without it the C runtime's would be called, whose quality
    /// varies between systems; the integer path is used instead.
    /// </summary>
    public static bool HasFusedMultiplyAdd
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Fma.IsSupported || AdvSimd.Arm64.IsSupported;
    }

    /// <summary>
    /// Rounding to nearest with inexact already accrued: the flags are sticky, so an operation that can raise nothing
    /// else need not find out whether it was exact. This is the state almost all guest code runs in.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsNearestAndInexact(int rm, uint flags) => ((uint)rm | (~flags & FpFlags.NX)) == 0;

    /// <summary>
    /// A finite result above the smallest normal magnitude: neither overflow, underflow, division by zero nor invalid can
    /// have been raised. The smallest normal itself is left out, as a tiny value may have been rounded up to it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsOrdinary(ulong bits) => (bits & Magnitude64) - (MinNormal64 + 1) < Infinity64 - (MinNormal64 + 1);

    /// <inheritdoc cref="IsOrdinary(ulong)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsOrdinary(uint bits) => (bits & Magnitude32) - (MinNormal32 + 1) < Infinity32 - (MinNormal32 + 1);

    /// <summary>A magnitude in [2^−900, 2^1022): its rounding error, and the product's, neither underflows nor overflows.</summary>
    public static bool IsModerate(double value) => (BitConverter.DoubleToUInt64Bits(value) & Magnitude64) - Low64 < High64 - Low64;

    /// <summary>A magnitude below 2^1022, zero and subnormals included: sums of two such do not overflow.</summary>
    public static bool IsBelowHuge(double value) => (BitConverter.DoubleToUInt64Bits(value) & Magnitude64) < High64;

    /// <summary>
    /// Whether <paramref name="sum"/> = a + b was rounded, for a and b <see cref="IsBelowHuge"/>. Knuth's TwoSum: the
    /// error of a sum is a double, also among subnormals, and these six operations find it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsSumInexact(double a, double b, double sum)
    {
        var partOfB = sum - a;
        var partOfA = sum - partOfB;
        return (a - partOfA) + (b - partOfB) != 0;
    }

    /// <summary>x rounded to an integral value; NaN and infinities stay.</summary>
    public static double RoundToIntegral(double x, int rm)
    {
        switch (rm)
        {
            case FpRounding.RNE:
                return Math.Round(x);
            case FpRounding.RTZ:
                return Math.Truncate(x);
            case FpRounding.RDN:
                return Math.Floor(x);
            case FpRounding.RUP:
                return Math.Ceiling(x);
            case FpRounding.RMM:
                // The fraction is exact, so half is told from just below half, which adding 0.5 first would not.
                var truncated = Math.Truncate(x);
                return Math.Abs(x - truncated) >= 0.5 ? truncated + Math.CopySign(1, x) : truncated;
            default:
                throw new UnreachableException($"Rounding mode {rm} was not resolved before a conversion.");
        }
    }
}
