using System.Runtime.CompilerServices;
using static System.BitConverter;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>
/// Double-precision operations of RISC-V D on raw bits. <c>rm</c> is a resolved <see cref="FpRounding"/>; <c>flags</c>
/// accrues <see cref="FpFlags"/> and is never cleared. Each operation is three steps: an inlined check that the host's
/// result can be taken as it is, an out-of-line one that also finds out whether it was exact, and
/// <see cref="SoftFloat{TFormat}"/> for everything else.
/// </summary>
internal static partial class Fp64
{
    /// <summary>The NaN that every operation returns for "not a number".</summary>
    public const ulong CanonicalNaN = 0x7ff8_0000_0000_0000;

    private const ulong Sign = 1UL << 63;

    /// <summary>FADD.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Add(ulong a, ulong b, int rm, ref uint flags)
    {
        // A sum that is subnormal is exact, so finite is enough.
        var sum = UInt64BitsToDouble(a) + UInt64BitsToDouble(b);
        return HostArithmetic.IsNearestAndInexact(rm, flags) && double.IsFinite(sum)
            ? DoubleToUInt64Bits(sum)
            : AddChecked(a, b, rm, ref flags);
    }

    /// <summary>FSUB.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Sub(ulong a, ulong b, int rm, ref uint flags)
    {
        var difference = UInt64BitsToDouble(a) - UInt64BitsToDouble(b);
        return HostArithmetic.IsNearestAndInexact(rm, flags) && double.IsFinite(difference)
            ? DoubleToUInt64Bits(difference)
            : AddChecked(a, b ^ Sign, rm, ref flags);
    }

    /// <summary>FMUL.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Mul(ulong a, ulong b, int rm, ref uint flags)
    {
        var product = DoubleToUInt64Bits(UInt64BitsToDouble(a) * UInt64BitsToDouble(b));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(product)
            ? product
            : MulChecked(a, b, rm, ref flags);
    }

    /// <summary>FDIV.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Div(ulong a, ulong b, int rm, ref uint flags)
    {
        var quotient = DoubleToUInt64Bits(UInt64BitsToDouble(a) / UInt64BitsToDouble(b));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(quotient)
            ? quotient
            : DivChecked(a, b, rm, ref flags);
    }

    /// <summary>FSQRT.D.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Sqrt(ulong a, int rm, ref uint flags)
    {
        var root = DoubleToUInt64Bits(Math.Sqrt(UInt64BitsToDouble(a)));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(root)
            ? root
            : SqrtChecked(a, rm, ref flags);
    }

    /// <summary>FMADD.D: a × b + c, rounded once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Fma(ulong a, ulong b, ulong c, int rm, ref uint flags)
    {
        if (HostArithmetic.HasFusedMultiplyAdd && HostArithmetic.IsNearestAndInexact(rm, flags))
        {
            var result = DoubleToUInt64Bits(
                Math.FusedMultiplyAdd(UInt64BitsToDouble(a), UInt64BitsToDouble(b), UInt64BitsToDouble(c)));
            if (HostArithmetic.IsOrdinary(result))
                return result;
        }

        return FmaChecked(a, b, c, rm, ref flags);
    }

    /// <summary>
    /// ±(a × b) ± c, rounded once. FMADD negates nothing, FMSUB the addend, FNMSUB the product, FNMADD both.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong MulAdd(ulong a, ulong b, ulong c, bool negateProduct, bool negateAddend, int rm, ref uint flags) =>
        Fma(negateProduct ? a ^ Sign : a, b, negateAddend ? c ^ Sign : c, rm, ref flags);

    /// <summary>FMIN.D: IEEE 754-2019 minimumNumber.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Min(ulong a, ulong b, ref uint flags)
    {
        if (UInt64BitsToDouble(a) < UInt64BitsToDouble(b))
            return a;
        return UInt64BitsToDouble(a) > UInt64BitsToDouble(b) ? b : MinMaxChecked(a, b, max: false, ref flags);
    }

    /// <summary>FMAX.D: IEEE 754-2019 maximumNumber.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Max(ulong a, ulong b, ref uint flags)
    {
        if (UInt64BitsToDouble(a) > UInt64BitsToDouble(b))
            return a;
        return UInt64BitsToDouble(a) < UInt64BitsToDouble(b) ? b : MinMaxChecked(a, b, max: true, ref flags);
    }

    /// <summary>FEQ.D: invalid for signalling NaNs only.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Eq(ulong a, ulong b, ref uint flags)
    {
        if (UInt64BitsToDouble(a) == UInt64BitsToDouble(b))
            return true;
        if (IsUnordered(a, b))
            AccrueSignaling(a, b, ref flags);
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsUnordered(ulong a, ulong b) => double.IsNaN(UInt64BitsToDouble(a)) || double.IsNaN(UInt64BitsToDouble(b));
}
