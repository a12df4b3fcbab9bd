using System.Numerics;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <content>Conversions from and to integers and the other format; comparison, minimum, maximum, classification.</content>
internal static partial class SoftFloat<TFormat>
{
    /// <summary>
    /// The integer nearest to <paramref name="a"/> under <paramref name="rm"/>, saturated as RISC-V F's table "Domains of
    /// float-to-integer conversions" says; a 32-bit result, signed or not, comes sign-extended.
    /// </summary>
    public static ulong ToInteger(ulong a, int width, bool signed, int rm, ref uint flags)
    {
        var max = ulong.MaxValue >> (signed ? 65 - width : 64 - width);
        var min = signed ? max + 1 : 0;
        var negative = IsNegative(a);
        if (IsZero(a))
            return 0;
        var outOfRange = true;
        var integer = 0UL;
        var rest = 0UL;
        if (IsNaN(a))
        {
            negative = false;
        }
        else if (!IsInfinite(a))
        {
            var (exponent, significand) = Unpack(a);
            if (exponent < 64)
            {
                // Integer part, and the fraction as 64 bits right of the point.
                integer = exponent < 0 ? 0 : significand >> (63 - exponent);
                rest = exponent switch
                {
                    < 0 => ShiftRightJam(significand, -1 - exponent),
                    63 => 0,
                    _ => significand << (exponent + 1),
                };
                if (RoundsUp(rm, negative, (integer & 1) != 0, rest, 1UL << 63))
                    integer++;
                outOfRange = integer > (negative ? min : max);
            }
        }

        if (outOfRange)
        {
            flags |= FpFlags.NV;
            integer = negative ? min : max;
        }
        else if (rest != 0)
        {
            flags |= FpFlags.NX;
        }

        var result = negative ? 0 - integer : integer;
        return width == 32 ? (ulong)(int)result : result;
    }

    /// <summary>The value nearest to ±<paramref name="magnitude"/>.</summary>
    public static ulong FromInteger(bool negative, ulong magnitude, int rm, ref uint flags)
    {
        if (magnitude == 0)
            return 0;
        var shift = BitOperations.LeadingZeroCount(magnitude);
        return RoundAndPack(negative, 63 - shift, magnitude << shift, rm, ref flags);
    }

    /// <summary>The value of this format nearest to <paramref name="a"/> of another.</summary>
    public static ulong From<TSource>(ulong a, int rm, ref uint flags)
        where TSource : struct, IFormat
    {
        if (SoftFloat<TSource>.IsNaN(a))
            return PropagateNaN(SoftFloat<TSource>.IsSignaling(a), ref flags);
        var negative = SoftFloat<TSource>.IsNegative(a);
        if (SoftFloat<TSource>.IsInfinite(a))
            return Signed(negative, Infinity);
        if (SoftFloat<TSource>.IsZero(a))
            return Signed(negative, 0);
        var (exponent, significand) = SoftFloat<TSource>.Unpack(a);
        return RoundAndPack(negative, exponent, significand, rm, ref flags);
    }

    /// <summary>a = b; invalid for signalling NaNs only.</summary>
    public static bool Eq(ulong a, ulong b, ref uint flags)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            if (IsSignaling(a) || IsSignaling(b))
                flags |= FpFlags.NV;
            return false;
        }

        return a == b || (IsZero(a) && IsZero(b));
    }

    /// <summary>a &lt; b; invalid for any NaN.</summary>
    public static bool Lt(ulong a, ulong b, ref uint flags)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            flags |= FpFlags.NV;
            return false;
        }

        return Order(a) < Order(b);
    }

    /// <summary>a ≤ b; invalid for any NaN.</summary>
    public static bool Le(ulong a, ulong b, ref uint flags)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            flags |= FpFlags.NV;
            return false;
        }

        return Order(a) <= Order(b);
    }

    /// <summary>The smaller (or larger) number: IEEE 754-2019 minimumNumber and maximumNumber, with −0 below +0.</summary>
    public static ulong MinMax(ulong a, ulong b, bool max, ref uint flags)
    {
        if (IsSignaling(a) || IsSignaling(b))
            flags |= FpFlags.NV;
        if (IsNaN(a))
            return IsNaN(b) ? CanonicalNaN : b;
        if (IsNaN(b))
            return a;
        var less = Order(a) == Order(b) ? IsNegative(a) : Order(a) < Order(b);
        return less != max ? a : b;
    }

    /// <summary>The ten-bit class mask of FCLASS.</summary>
    public static uint Classify(ulong a)
    {
        if (IsNaN(a))
            return IsSignaling(a) ? 1U << 8 : 1U << 9;
        var magnitude = Magnitude(a);

        // Distance from zero: 0 zero, 1 subnormal, 2 normal, 3 infinity. Classes run from −infinity (0) to +infinity (7).
        var distance = magnitude == 0 ? 0 : magnitude <= FractionMask ? 1 : magnitude < Infinity ? 2 : 3;
        return 1U << (IsNegative(a) ? 3 - distance : 4 + distance);
    }

    /// <summary>A key whose signed order is the numeric order of non-NaN values, both zeros being 0.</summary>
    private static long Order(ulong a) => IsNegative(a) ? -(long)Magnitude(a) : (long)Magnitude(a);
}
