using System.Runtime.CompilerServices;
using static System.BitConverter;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>
/// Double-precision operations of RISC-V D on raw bits. <c>rm</c> is a resolved <see cref="FpRounding"/>; <c>flags</c>
/// accrues <see cref="FpFlags"/> and is never cleared. Each operation is three steps: an inlined check that the host's
/// result can be taken as it is, an out-of-line one that also finds out whether it was exact, and
/// <see cref="SoftFloat{TFormat}"/> for everything else.
/// </summary>
/// <remarks>
/// A <c>Try</c> method is the first step alone, and calls nothing: a handler that leaves the rest to another handler needs
/// no stack frame. Where it returns false it has accrued nothing, and the operation proper gives the answer.
/// </remarks>
internal static partial class Fp64
{
    /// <summary>The NaN that every operation returns for "not a number".</summary>
    public const ulong CanonicalNaN = 0x7ff8_0000_0000_0000;

    private const ulong Sign = 1UL << 63;

    /// <summary>FADD.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Add(ulong a, ulong b, int rm, ref uint flags) =>
        TryAdd(a, b, rm, ref flags, out var sum) ? sum : AddChecked(a, b, rm, ref flags);

    /// <summary>FSUB.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Sub(ulong a, ulong b, int rm, ref uint flags) =>
        TrySub(a, b, rm, ref flags, out var difference) ? difference : AddChecked(a, b ^ Sign, rm, ref flags);

    /// <summary>FMUL.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Mul(ulong a, ulong b, int rm, ref uint flags) =>
        TryMul(a, b, rm, ref flags, out var product) ? product : MulChecked(a, b, rm, ref flags);

    /// <summary>FDIV.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Div(ulong a, ulong b, int rm, ref uint flags) =>
        TryDiv(a, b, rm, ref flags, out var quotient) ? quotient : DivChecked(a, b, rm, ref flags);

    /// <summary>FSQRT.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Sqrt(ulong a, int rm, ref uint flags) =>
        TrySqrt(a, rm, ref flags, out var root) ? root : SqrtChecked(a, rm, ref flags);

    /// <summary>FMADD.D: a × b + c, rounded once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Fma(ulong a, ulong b, ulong c, int rm, ref uint flags) =>
        TryFma(a, b, c, rm, ref flags, out var result) ? result : FmaChecked(a, b, c, rm, ref flags);

    /// <summary>
    /// ±(a × b) ± c, rounded once. FMADD negates nothing, FMSUB the addend, FNMSUB the product, FNMADD both.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong MulAdd(ulong a, ulong b, ulong c, bool negateProduct, bool negateAddend, int rm, ref uint flags) =>
        Fma(negateProduct ? a ^ Sign : a, b, negateAddend ? c ^ Sign : c, rm, ref flags);

    /// <summary>FMIN.D: IEEE 754-2019 minimumNumber.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Min(ulong a, ulong b, ref uint flags) =>
        TryMin(a, b, out var minimum) ? minimum : MinMaxChecked(a, b, max: false, ref flags);

    /// <summary>FMAX.D: IEEE 754-2019 maximumNumber.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Max(ulong a, ulong b, ref uint flags) =>
        TryMax(a, b, out var maximum) ? maximum : MinMaxChecked(a, b, max: true, ref flags);

    /// <summary>FEQ.D: invalid for signalling NaNs only.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Eq(ulong a, ulong b, ref uint flags)
    {
        if (UInt64BitsToDouble(a) == UInt64BitsToDouble(b))
            return true;
        if (IsUnordered(a, b) && (IsSignaling(a) || IsSignaling(b)))
            flags |= FpFlags.NV;
        return false;
    }

    /// <summary>FLT.D: invalid for any NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Lt(ulong a, ulong b, ref uint flags)
    {
        if (UInt64BitsToDouble(a) < UInt64BitsToDouble(b))
            return true;
        if (IsUnordered(a, b))
            flags |= FpFlags.NV;
        return false;
    }

    /// <summary>FLE.D: invalid for any NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Le(ulong a, ulong b, ref uint flags)
    {
        if (UInt64BitsToDouble(a) <= UInt64BitsToDouble(b))
            return true;
        if (IsUnordered(a, b))
            flags |= FpFlags.NV;
        return false;
    }

    /// <summary>FCLASS.D: the ten-bit class mask.</summary>
    public static uint Classify(ulong a) => SoftFloat<Binary64>.Classify(a);

    /// <summary>The first step of <see cref="Add"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryAdd(ulong a, ulong b, int rm, ref uint flags, out ulong sum)
    {
        // A sum that is subnormal is exact, so finite is enough.
        var host = UInt64BitsToDouble(a) + UInt64BitsToDouble(b);
        sum = DoubleToUInt64Bits(host);
        return HostArithmetic.IsNearestAndInexact(rm, flags) && double.IsFinite(host);
    }

    /// <summary>The first step of <see cref="Sub"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TrySub(ulong a, ulong b, int rm, ref uint flags, out ulong difference)
    {
        var host = UInt64BitsToDouble(a) - UInt64BitsToDouble(b);
        difference = DoubleToUInt64Bits(host);
        return HostArithmetic.IsNearestAndInexact(rm, flags) && double.IsFinite(host);
    }

    /// <summary>The first step of <see cref="Mul"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryMul(ulong a, ulong b, int rm, ref uint flags, out ulong product)
    {
        product = DoubleToUInt64Bits(UInt64BitsToDouble(a) * UInt64BitsToDouble(b));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(product);
    }

    /// <summary>The first step of <see cref="Div"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryDiv(ulong a, ulong b, int rm, ref uint flags, out ulong quotient)
    {
        quotient = DoubleToUInt64Bits(UInt64BitsToDouble(a) / UInt64BitsToDouble(b));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(quotient);
    }

    /// <summary>The first step of <see cref="Sqrt"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TrySqrt(ulong a, int rm, ref uint flags, out ulong root)
    {
        root = DoubleToUInt64Bits(Math.Sqrt(UInt64BitsToDouble(a)));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(root);
    }

    /// <summary>The first step of <see cref="Fma"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryFma(ulong a, ulong b, ulong c, int rm, ref uint flags, out ulong result)
    {
        if (!HostArithmetic.HasFusedMultiplyAdd)
        {
            result = 0;
            return false;
        }

        result = DoubleToUInt64Bits(
            Math.FusedMultiplyAdd(UInt64BitsToDouble(a), UInt64BitsToDouble(b), UInt64BitsToDouble(c)));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(result);
    }

    /// <summary>The first step of <see cref="Min"/>: the operands differ and neither is NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryMin(ulong a, ulong b, out ulong minimum)
    {
        var less = UInt64BitsToDouble(a) < UInt64BitsToDouble(b);
        minimum = less ? a : b;
        return less || UInt64BitsToDouble(a) > UInt64BitsToDouble(b);
    }

    /// <summary>The first step of <see cref="Max"/>: the operands differ and neither is NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryMax(ulong a, ulong b, out ulong maximum)
    {
        var greater = UInt64BitsToDouble(a) > UInt64BitsToDouble(b);
        maximum = greater ? a : b;
        return greater || UInt64BitsToDouble(a) < UInt64BitsToDouble(b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsUnordered(ulong a, ulong b) => double.IsNaN(UInt64BitsToDouble(a)) || double.IsNaN(UInt64BitsToDouble(b));

    /// <summary>A NaN without the quiet bit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsSignaling(ulong a) =>
        double.IsNaN(UInt64BitsToDouble(a)) && (a & CanonicalNaN) != CanonicalNaN;
}
