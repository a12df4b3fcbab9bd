using System.Runtime.CompilerServices;
using static System.BitConverter;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>
/// Single-precision operations of RISC-V F on raw bits. <c>rm</c> is a resolved <see cref="FpRounding"/>; <c>flags</c>
/// accrues <see cref="FpFlags"/> and is never cleared. Each operation is three steps: an inlined check that the host's
/// result can be taken as it is, an out-of-line one that also finds out whether it was exact, and
/// <see cref="SoftFloat{TFormat}"/> for everything else.
/// </summary>
internal static partial class Fp32
{
    /// <summary>The NaN that every operation returns for "not a number".</summary>
    public const uint CanonicalNaN = 0x7fc0_0000;

    private const uint Sign = 1U << 31;

    /// <summary>FADD.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Add(uint a, uint b, int rm, ref uint flags)
    {
        // A sum that is subnormal is exact, so finite is enough.
        var sum = UInt32BitsToSingle(a) + UInt32BitsToSingle(b);
        return HostArithmetic.IsNearestAndInexact(rm, flags) && float.IsFinite(sum)
            ? SingleToUInt32Bits(sum)
            : AddChecked(a, b, rm, ref flags);
    }

    /// <summary>FSUB.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Sub(uint a, uint b, int rm, ref uint flags)
    {
        var difference = UInt32BitsToSingle(a) - UInt32BitsToSingle(b);
        return HostArithmetic.IsNearestAndInexact(rm, flags) && float.IsFinite(difference)
            ? SingleToUInt32Bits(difference)
            : AddChecked(a, b ^ Sign, rm, ref flags);
    }

    /// <summary>FMUL.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Mul(uint a, uint b, int rm, ref uint flags)
    {
        var product = SingleToUInt32Bits(UInt32BitsToSingle(a) * UInt32BitsToSingle(b));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(product)
            ? product
            : MulChecked(a, b, rm, ref flags);
    }

    /// <summary>FDIV.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Div(uint a, uint b, int rm, ref uint flags)
    {
        var quotient = SingleToUInt32Bits(UInt32BitsToSingle(a) / UInt32BitsToSingle(b));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(quotient)
            ? quotient
            : DivChecked(a, b, rm, ref flags);
    }

    /// <summary>FSQRT.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Sqrt(uint a, int rm, ref uint flags)
    {
        var root = SingleToUInt32Bits(MathF.Sqrt(UInt32BitsToSingle(a)));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(root)
            ? root
            : SqrtChecked(a, rm, ref flags);
    }

    /// <summary>FMADD.S: a × b + c, rounded once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Fma(uint a, uint b, uint c, int rm, ref uint flags)
    {
        if (HostArithmetic.HasFusedMultiplyAdd && HostArithmetic.IsNearestAndInexact(rm, flags))
        {
            var result = SingleToUInt32Bits(
                MathF.FusedMultiplyAdd(UInt32BitsToSingle(a), UInt32BitsToSingle(b), UInt32BitsToSingle(c)));
            if (HostArithmetic.IsOrdinary(result))
                return result;
        }

        return FmaChecked(a, b, c, rm, ref flags);
    }

    /// <summary>
    /// ±(a × b) ± c, rounded once. FMADD negates nothing, FMSUB the addend, FNMSUB the product, FNMADD both.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint MulAdd(uint a, uint b, uint c, bool negateProduct, bool negateAddend, int rm, ref uint flags) =>
        Fma(negateProduct ? a ^ Sign : a, b, negateAddend ? c ^ Sign : c, rm, ref flags);

    /// <summary>FMIN.S: IEEE 754-2019 minimumNumber.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Min(uint a, uint b, ref uint flags)
    {
        if (UInt32BitsToSingle(a) < UInt32BitsToSingle(b))
            return a;
        return UInt32BitsToSingle(a) > UInt32BitsToSingle(b) ? b : MinMaxChecked(a, b, max: false, ref flags);
    }

    /// <summary>FMAX.S: IEEE 754-2019 maximumNumber.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Max(uint a, uint b, ref uint flags)
    {
        if (UInt32BitsToSingle(a) > UInt32BitsToSingle(b))
            return a;
        return UInt32BitsToSingle(a) < UInt32BitsToSingle(b) ? b : MinMaxChecked(a, b, max: true, ref flags);
    }

    /// <summary>FEQ.S: invalid for signalling NaNs only.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Eq(uint a, uint b, ref uint flags)
    {
        if (UInt32BitsToSingle(a) == UInt32BitsToSingle(b))
            return true;
        if (IsUnordered(a, b))
            AccrueSignaling(a, b, ref flags);
        return false;
    }

    /// <summary>FLT.S: invalid for any NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Lt(uint a, uint b, ref uint flags)
    {
        if (UInt32BitsToSingle(a) < UInt32BitsToSingle(b))
            return true;
        if (IsUnordered(a, b))
            flags |= FpFlags.NV;
        return false;
    }

    /// <summary>FLE.S: invalid for any NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Le(uint a, uint b, ref uint flags)
    {
        if (UInt32BitsToSingle(a) <= UInt32BitsToSingle(b))
            return true;
        if (IsUnordered(a, b))
            flags |= FpFlags.NV;
        return false;
    }

    /// <summary>FCLASS.S: the ten-bit class mask.</summary>
    public static uint Classify(uint a) => SoftFloat<Binary32>.Classify(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsUnordered(uint a, uint b) => float.IsNaN(UInt32BitsToSingle(a)) || float.IsNaN(UInt32BitsToSingle(b));
}
