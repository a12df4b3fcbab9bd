namespace Hypervisor.Core.Hart.FloatingPoint;

/// <content>Add, multiply, divide, square root, fused multiply-add.</content>
internal static partial class SoftFloat<TFormat>
{
    /// <summary>a + b.</summary>
    public static ulong Add(ulong a, ulong b, int rm, ref uint flags)
    {
        if (IsNaN(a) || IsNaN(b))
            return PropagateNaN(IsSignaling(a) || IsSignaling(b), ref flags);
        if (IsInfinite(a))
            return IsInfinite(b) && IsNegative(a) != IsNegative(b) ? Invalid(ref flags) : a;
        if (IsInfinite(b))
            return b;
        if (IsZero(a))
            return IsZero(b) ? ZeroSum(IsNegative(a), IsNegative(b), rm) : b;
        if (IsZero(b))
            return a;
        var (exponentA, significandA) = Unpack(a);
        var (exponentB, significandB) = Unpack(b);
        return AddFinite(
            IsNegative(a), exponentA, (UInt128)significandA << 63,
            IsNegative(b), exponentB, (UInt128)significandB << 63,
            rm, ref flags);
    }

    /// <summary>a − b.</summary>
    public static ulong Sub(ulong a, ulong b, int rm, ref uint flags) => Add(a, b ^ SignBit, rm, ref flags);

    /// <summary>a × b.</summary>
    public static ulong Mul(ulong a, ulong b, int rm, ref uint flags)
    {
        if (IsNaN(a) || IsNaN(b))
            return PropagateNaN(IsSignaling(a) || IsSignaling(b), ref flags);
        var negative = IsNegative(a) != IsNegative(b);
        if (IsInfinite(a) || IsInfinite(b))
            return IsZero(a) || IsZero(b) ? Invalid(ref flags) : Signed(negative, Infinity);
        if (IsZero(a) || IsZero(b))
            return Signed(negative, 0);
        var (exponent, product) = Product(a, b);
        return RoundAndPack(negative, exponent + 1, product, rm, ref flags);
    }

    /// <summary>a × b + c, rounded once.</summary>
    public static ulong MulAdd(ulong a, ulong b, ulong c, int rm, ref uint flags)
    {
        // Infinity times zero is invalid even beside a quiet NaN addend (RISC-V F, "Single-Precision Floating-Point
        // Computational Instructions").
        if ((IsInfinite(a) && IsZero(b)) || (IsZero(a) && IsInfinite(b)))
            return Invalid(ref flags);
        if (IsNaN(a) || IsNaN(b) || IsNaN(c))
            return PropagateNaN(IsSignaling(a) || IsSignaling(b) || IsSignaling(c), ref flags);
        var negative = IsNegative(a) != IsNegative(b);
        if (IsInfinite(a) || IsInfinite(b))
            return IsInfinite(c) && IsNegative(c) != negative ? Invalid(ref flags) : Signed(negative, Infinity);
        if (IsInfinite(c))
            return c;
        if (IsZero(a) || IsZero(b))
            return IsZero(c) ? ZeroSum(negative, IsNegative(c), rm) : c;
        var (exponent, product) = Product(a, b);
        if (IsZero(c))
            return RoundAndPack(negative, exponent + 1, product, rm, ref flags);
        var (exponentC, significandC) = Unpack(c);

        // The product has its top bit at 127 or 126; shifting it right by one would lose nothing for these formats
        // (106 bits at most), and gives the sum the headroom it needs.
        return AddFinite(
            negative, exponent + 1, product >> 1,
            IsNegative(c), exponentC, (UInt128)significandC << 63,
            rm, ref flags);
    }

    /// <summary>a ÷ b.</summary>
    public static ulong Div(ulong a, ulong b, int rm, ref uint flags)
    {
        if (IsNaN(a) || IsNaN(b))
            return PropagateNaN(IsSignaling(a) || IsSignaling(b), ref flags);
        var negative = IsNegative(a) != IsNegative(b);
        if (IsInfinite(a))
            return IsInfinite(b) ? Invalid(ref flags) : Signed(negative, Infinity);
        if (IsInfinite(b))
            return Signed(negative, 0);
        if (IsZero(b))
        {
            if (IsZero(a))
                return Invalid(ref flags);
            flags |= FpFlags.DZ;
            return Signed(negative, Infinity);
        }

        if (IsZero(a))
            return Signed(negative, 0);
        var (exponentA, significandA) = Unpack(a);
        var (exponentB, significandB) = Unpack(b);
        var (quotient, remainder) = UInt128.DivRem((UInt128)significandA << 63, significandB);
        if (remainder != 0)
            quotient |= UInt128.One;
        return RoundAndPack(negative, exponentA - exponentB, quotient << 64, rm, ref flags);
    }

    /// <summary>The square root of a.</summary>
    public static ulong Sqrt(ulong a, int rm, ref uint flags)
    {
        if (IsNaN(a))
            return PropagateNaN(IsSignaling(a), ref flags);
        if (IsZero(a))
            return a;
        if (IsNegative(a))
            return Invalid(ref flags);
        if (IsInfinite(a))
            return a;
        var (exponent, significand) = Unpack(a);

        // With an even exponent e, sqrt(m × 2^e) = sqrt(m) × 2^(e/2): the radicand below is m × 2^126, m in [1, 4).
        var radicand = (UInt128)significand << (63 + (exponent & 1));
        var root = 0UL;
        for (var bit = 1UL << 63; bit > 1UL << 8; bit >>= 1)
        {
            // 55 bits of root: more than binary64's 53 and one to round by; what is left over goes into the jammed bit.
            var trial = root | bit;
            if (Math.BigMul(trial, trial) <= radicand)
                root = trial;
        }

        if (Math.BigMul(root, root) != radicand)
            root |= 1;
        return RoundAndPack(false, exponent >> 1, root, rm, ref flags);
    }

    /// <summary>The exact product of two finite non-zero values: significand × 2^(exponent − 126).</summary>
    private static (int Exponent, UInt128 Significand) Product(ulong a, ulong b)
    {
        var (exponentA, significandA) = Unpack(a);
        var (exponentB, significandB) = Unpack(b);
        return (exponentA + exponentB, Math.BigMul(significandA, significandB));
    }

    /// <summary>The sum of two zeros, or of two values that cancel: +0, but −0 when rounding down; equal signs stay.</summary>
    private static ulong ZeroSum(bool negativeA, bool negativeB, int rm) =>
        Signed(negativeA == negativeB ? negativeA : rm == FpRounding.RDN, 0);

    /// <summary>
    /// Adds two non-zero values of the form significand × 2^(exponent − 126), significands below 2^127. What the shift
    /// of the smaller jams away never matters: it starts only when the exponents are too far apart to cancel.
    /// </summary>
    private static ulong AddFinite(
        bool negativeA, int exponentA, UInt128 a, bool negativeB, int exponentB, UInt128 b, int rm, ref uint flags)
    {
        var exponent = Math.Max(exponentA, exponentB);
        a = ShiftRightJam(a, exponent - exponentA);
        b = ShiftRightJam(b, exponent - exponentB);
        if (negativeA == negativeB)
            return RoundAndPack(negativeA, exponent + 1, a + b, rm, ref flags);
        if (a == b)
            return ZeroSum(negativeA, negativeB, rm);
        return a > b
            ? RoundAndPack(negativeA, exponent + 1, a - b, rm, ref flags)
            : RoundAndPack(negativeB, exponent + 1, b - a, rm, ref flags);
    }
}
