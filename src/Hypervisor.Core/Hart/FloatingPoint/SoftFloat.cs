using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>
/// Exact arithmetic in integers: every operand, rounding mode and flag. This half holds the number line: taking values
/// apart, rounding, and putting them together again. Bit patterns travel in the low bits of a <see cref="ulong"/>.
/// </summary>
/// <remarks>
/// A finite non-zero value is (sign, exponent, significand) with bit 63 of the significand set, and means
/// significand × 2^(exponent − 63). Bits that fall off the right end are "jammed": or-ed into the lowest bit kept, which
/// lies far below the rounding position and so still tells exact from inexact and tie from beyond a tie.
/// </remarks>
internal static partial class SoftFloat<TFormat>
    where TFormat : struct, IFormat
{
    private static int Bias => (1 << (TFormat.ExponentBits - 1)) - 1;

    private static ulong FractionMask => (1UL << TFormat.FractionBits) - 1;

    private static ulong SignBit => 1UL << (TFormat.FractionBits + TFormat.ExponentBits);

    /// <summary>Positive infinity: the bits of an all-ones exponent.</summary>
    private static ulong Infinity => ((1UL << TFormat.ExponentBits) - 1) << TFormat.FractionBits;

    private static ulong QuietBit => 1UL << (TFormat.FractionBits - 1);

    /// <summary>The only NaN that arithmetic produces (RISC-V F, "NaN Generation and Propagation").</summary>
    public static ulong CanonicalNaN => Infinity | QuietBit;

    private static bool IsNegative(ulong a) => (a & SignBit) != 0;

    private static ulong Magnitude(ulong a) => a & (SignBit - 1);

    private static bool IsNaN(ulong a) => Magnitude(a) > Infinity;

    private static bool IsSignaling(ulong a) => IsNaN(a) && (a & QuietBit) == 0;

    private static bool IsInfinite(ulong a) => Magnitude(a) == Infinity;

    private static bool IsZero(ulong a) => Magnitude(a) == 0;

    private static ulong Signed(bool negative, ulong magnitude) => negative ? SignBit | magnitude : magnitude;

    private static ulong Invalid(ref uint flags)
    {
        flags |= FpFlags.NV;
        return CanonicalNaN;
    }

    /// <summary>The result of an operation that has a NaN among its operands.</summary>
    private static ulong PropagateNaN(bool anySignaling, ref uint flags)
    {
        if (anySignaling)
            flags |= FpFlags.NV;
        return CanonicalNaN;
    }

    /// <summary>Takes a finite non-zero value apart; subnormals come out normalised.</summary>
    private static (int Exponent, ulong Significand) Unpack(ulong a)
    {
        var fraction = a & FractionMask;
        var biased = (int)(Magnitude(a) >> TFormat.FractionBits);
        if (biased != 0)
            return (biased - Bias, (fraction | (FractionMask + 1)) << (63 - TFormat.FractionBits));
        var shift = BitOperations.LeadingZeroCount(fraction);
        return (1 - Bias + (63 - TFormat.FractionBits) - shift, fraction << shift);
    }

    /// <summary>Whether a magnitude whose discarded part is <paramref name="rest"/> (of <paramref name="half"/> × 2) rounds away from zero.</summary>
    private static bool RoundsUp(int rm, bool negative, bool odd, ulong rest, ulong half) => rm switch
    {
        FpRounding.RNE => rest > half || (rest == half && odd),
        FpRounding.RTZ => false,
        FpRounding.RDN => negative && rest != 0,
        FpRounding.RUP => !negative && rest != 0,
        FpRounding.RMM => rest >= half,
        _ => throw new UnreachableException($"Rounding mode {rm} was not resolved before arithmetic."),
    };

    /// <summary>Rounds significand × 2^(exponent − 63) to the format and raises what that raises.</summary>
    private static ulong RoundAndPack(bool negative, int exponent, ulong significand, int rm, ref uint flags)
    {
        var discarded = 63 - TFormat.FractionBits;
        var half = 1UL << (discarded - 1);
        var restMask = (1UL << discarded) - 1;
        var biased = exponent + Bias;
        var tiny = false;
        if (biased <= 0)
        {
            // Tininess is judged after rounding as if the exponent were unbounded: a value just below the smallest
            // normal that such rounding lifts to it is not tiny, though its bits are rounded further right below.
            var unbounded = significand >> discarded;
            if (RoundsUp(rm, negative, (unbounded & 1) != 0, significand & restMask, half))
                unbounded++;
            tiny = biased < 0 || unbounded >> (TFormat.FractionBits + 1) == 0;
            significand = ShiftRightJam(significand, 1 - biased);
            biased = 1;
        }

        var kept = significand >> discarded;
        var rest = significand & restMask;
        if (RoundsUp(rm, negative, (kept & 1) != 0, rest, half))
            kept++;

        // The hidden bit of a normal adds one to the exponent field; a subnormal has none, and a carry out of the
        // significand moves to the next exponent (or to infinity) by itself.
        var magnitude = ((ulong)(biased - 1) << TFormat.FractionBits) + kept;
        if (magnitude >= Infinity || biased > 2 * Bias)
            return Overflow(negative, rm, ref flags);
        if (rest != 0)
            flags |= tiny ? FpFlags.NX | FpFlags.UF : FpFlags.NX;
        return Signed(negative, magnitude);
    }

    private static ulong Overflow(bool negative, int rm, ref uint flags)
    {
        flags |= FpFlags.OF | FpFlags.NX;
        var toInfinity = rm switch
        {
            FpRounding.RTZ => false,
            FpRounding.RDN => negative,
            FpRounding.RUP => !negative,
            _ => true,
        };
        return Signed(negative, toInfinity ? Infinity : Infinity - 1);
    }

    /// <summary>Rounds a 128-bit non-zero significand × 2^(exponent − 127), normalised or not.</summary>
    private static ulong RoundAndPack(bool negative, int exponent, UInt128 significand, int rm, ref uint flags)
    {
        var shift = (int)UInt128.LeadingZeroCount(significand);
        significand <<= shift;
        var upper = (ulong)(significand >> 64);
        if ((ulong)significand != 0)
            upper |= 1;
        return RoundAndPack(negative, exponent - shift, upper, rm, ref flags);
    }

    private static ulong ShiftRightJam(ulong value, int count)
    {
        if (count >= 64)
            return value != 0 ? 1UL : 0;
        var kept = value >> count;
        return kept << count == value ? kept : kept | 1;
    }

    private static UInt128 ShiftRightJam(UInt128 value, int count)
    {
        if (count >= 128)
            return value != 0 ? UInt128.One : UInt128.Zero;
        var kept = value >> count;
        return kept << count == value ? kept : kept | UInt128.One;
    }
}
