using System.Runtime.CompilerServices;
using static System.BitConverter;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>
/// Single-precision operations of RISC-V F on raw bits. <c>rm</c> is a resolved <see cref="FpRounding"/>; <c>flags</c>
/// accrues <see cref="FpFlags"/> and is never cleared. Each operation is three steps: an inlined check that the host's
/// result can be taken as it is, an out-of-line one that also finds out whether it was exact, and
/// <see cref="SoftFloat{TFormat}"/> for everything else.
/// </summary>
/// <remarks>
/// A <c>Try</c> method is the first step alone, and calls nothing: a handler that leaves the rest to another handler needs
/// no stack frame. Where it returns false it has accrued nothing, and the operation proper gives the answer.
/// </remarks>
internal static partial class Fp32
{
    /// <summary>The NaN that every operation returns for "not a number".</summary>
    public const uint CanonicalNaN = 0x7fc0_0000;

    private const uint Sign = 1U << 31;

    /// <summary>FADD.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Add(uint a, uint b, int rm, ref uint flags) =>
        TryAdd(a, b, rm, ref flags, out var sum) ? sum : AddChecked(a, b, rm, ref flags);

    /// <summary>FSUB.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Sub(uint a, uint b, int rm, ref uint flags) =>
        TrySub(a, b, rm, ref flags, out var difference) ? difference : AddChecked(a, b ^ Sign, rm, ref flags);

    /// <summary>FMUL.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Mul(uint a, uint b, int rm, ref uint flags) =>
        TryMul(a, b, rm, ref flags, out var product) ? product : MulChecked(a, b, rm, ref flags);

    /// <summary>FDIV.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Div(uint a, uint b, int rm, ref uint flags) =>
        TryDiv(a, b, rm, ref flags, out var quotient) ? quotient : DivChecked(a, b, rm, ref flags);

    /// <summary>FSQRT.S.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Sqrt(uint a, int rm, ref uint flags) =>
        TrySqrt(a, rm, ref flags, out var root) ? root : SqrtChecked(a, rm, ref flags);

    /// <summary>FMADD.S: a × b + c, rounded once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Fma(uint a, uint b, uint c, int rm, ref uint flags) =>
        TryFma(a, b, c, rm, ref flags, out var result) ? result : FmaChecked(a, b, c, rm, ref flags);

    /// <summary>
    /// ±(a × b) ± c, rounded once. FMADD negates nothing, FMSUB the addend, FNMSUB the product, FNMADD both.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint MulAdd(uint a, uint b, uint c, bool negateProduct, bool negateAddend, int rm, ref uint flags) =>
        Fma(negateProduct ? a ^ Sign : a, b, negateAddend ? c ^ Sign : c, rm, ref flags);

    /// <summary>FMIN.S: IEEE 754-2019 minimumNumber.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Min(uint a, uint b, ref uint flags) =>
        TryMin(a, b, out var minimum) ? minimum : MinMaxChecked(a, b, max: false, ref flags);

    /// <summary>FMAX.S: IEEE 754-2019 maximumNumber.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Max(uint a, uint b, ref uint flags) =>
        TryMax(a, b, out var maximum) ? maximum : MinMaxChecked(a, b, max: true, ref flags);

    /// <summary>FEQ.S: invalid for signalling NaNs only.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Eq(uint a, uint b, ref uint flags)
    {
        if (UInt32BitsToSingle(a) == UInt32BitsToSingle(b))
            return true;
        if (IsUnordered(a, b) && (IsSignaling(a) || IsSignaling(b)))
            flags |= FpFlags.NV;
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

    /// <summary>The first step of <see cref="Add"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryAdd(uint a, uint b, int rm, ref uint flags, out uint sum)
    {
        // A sum that is subnormal is exact, so finite is enough.
        var host = UInt32BitsToSingle(a) + UInt32BitsToSingle(b);
        sum = SingleToUInt32Bits(host);
        return HostArithmetic.IsNearestAndInexact(rm, flags) && float.IsFinite(host);
    }

    /// <summary>The first step of <see cref="Sub"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TrySub(uint a, uint b, int rm, ref uint flags, out uint difference)
    {
        var host = UInt32BitsToSingle(a) - UInt32BitsToSingle(b);
        difference = SingleToUInt32Bits(host);
        return HostArithmetic.IsNearestAndInexact(rm, flags) && float.IsFinite(host);
    }

    /// <summary>The first step of <see cref="Mul"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryMul(uint a, uint b, int rm, ref uint flags, out uint product)
    {
        product = SingleToUInt32Bits(UInt32BitsToSingle(a) * UInt32BitsToSingle(b));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(product);
    }

    /// <summary>The first step of <see cref="Div"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryDiv(uint a, uint b, int rm, ref uint flags, out uint quotient)
    {
        quotient = SingleToUInt32Bits(UInt32BitsToSingle(a) / UInt32BitsToSingle(b));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(quotient);
    }

    /// <summary>The first step of <see cref="Sqrt"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TrySqrt(uint a, int rm, ref uint flags, out uint root)
    {
        root = SingleToUInt32Bits(MathF.Sqrt(UInt32BitsToSingle(a)));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(root);
    }

    /// <summary>The first step of <see cref="Fma"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryFma(uint a, uint b, uint c, int rm, ref uint flags, out uint result)
    {
        if (!HostArithmetic.HasFusedMultiplyAdd)
        {
            result = 0;
            return false;
        }

        result = SingleToUInt32Bits(
            MathF.FusedMultiplyAdd(UInt32BitsToSingle(a), UInt32BitsToSingle(b), UInt32BitsToSingle(c)));
        return HostArithmetic.IsNearestAndInexact(rm, flags) && HostArithmetic.IsOrdinary(result);
    }

    /// <summary>The first step of <see cref="Min"/>: the operands differ and neither is NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryMin(uint a, uint b, out uint minimum)
    {
        var less = UInt32BitsToSingle(a) < UInt32BitsToSingle(b);
        minimum = less ? a : b;
        return less || UInt32BitsToSingle(a) > UInt32BitsToSingle(b);
    }

    /// <summary>The first step of <see cref="Max"/>: the operands differ and neither is NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryMax(uint a, uint b, out uint maximum)
    {
        var greater = UInt32BitsToSingle(a) > UInt32BitsToSingle(b);
        maximum = greater ? a : b;
        return greater || UInt32BitsToSingle(a) < UInt32BitsToSingle(b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsUnordered(uint a, uint b) => float.IsNaN(UInt32BitsToSingle(a)) || float.IsNaN(UInt32BitsToSingle(b));

    /// <summary>A NaN without the quiet bit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsSignaling(uint a) =>
        float.IsNaN(UInt32BitsToSingle(a)) && (a & CanonicalNaN) != CanonicalNaN;
}
