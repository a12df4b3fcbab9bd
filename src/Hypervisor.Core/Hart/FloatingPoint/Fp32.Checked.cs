using System.Runtime.CompilerServices;
using static System.BitConverter;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <content>
/// Second step of each operation. Products of two singles are exact as doubles, whose range is also so much wider that
/// nothing here over- or underflows; exactness is therefore asked in double arithmetic.
/// </content>
internal static partial class Fp32
{
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint AddChecked(uint a, uint b, int rm, ref uint flags)
    {
        var (x, y) = ((double)UInt32BitsToSingle(a), (double)UInt32BitsToSingle(b));
        var sum = UInt32BitsToSingle(a) + UInt32BitsToSingle(b);
        if (rm != FpRounding.RNE || !float.IsFinite(sum))
            return (uint)SoftFloat<Binary32>.Add(a, b, rm, ref flags);
        if (IsSumInexact(x, y, sum))
            flags |= FpFlags.NX;
        return SingleToUInt32Bits(sum);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint MulChecked(uint a, uint b, int rm, ref uint flags)
    {
        var exact = (double)UInt32BitsToSingle(a) * UInt32BitsToSingle(b);
        var product = (float)exact;
        if (rm != FpRounding.RNE || !HostArithmetic.IsOrdinary(SingleToUInt32Bits(product)))
            return (uint)SoftFloat<Binary32>.Mul(a, b, rm, ref flags);
        if (product != exact)
            flags |= FpFlags.NX;
        return SingleToUInt32Bits(product);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint DivChecked(uint a, uint b, int rm, ref uint flags)
    {
        var (x, y) = (UInt32BitsToSingle(a), UInt32BitsToSingle(b));
        var quotient = x / y;
        if (rm != FpRounding.RNE || !HostArithmetic.IsOrdinary(SingleToUInt32Bits(quotient)))
            return (uint)SoftFloat<Binary32>.Div(a, b, rm, ref flags);
        if ((double)quotient * y != x)
            flags |= FpFlags.NX;
        return SingleToUInt32Bits(quotient);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint SqrtChecked(uint a, int rm, ref uint flags)
    {
        var root = MathF.Sqrt(UInt32BitsToSingle(a));
        if (rm != FpRounding.RNE || !HostArithmetic.IsOrdinary(SingleToUInt32Bits(root)))
            return (uint)SoftFloat<Binary32>.Sqrt(a, rm, ref flags);
        if ((double)root * root != UInt32BitsToSingle(a))
            flags |= FpFlags.NX;
        return SingleToUInt32Bits(root);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint FmaChecked(uint a, uint b, uint c, int rm, ref uint flags)
    {
        if (rm == FpRounding.RNE && HostArithmetic.HasFusedMultiplyAdd)
        {
            var result = MathF.FusedMultiplyAdd(UInt32BitsToSingle(a), UInt32BitsToSingle(b), UInt32BitsToSingle(c));
            if (HostArithmetic.IsOrdinary(SingleToUInt32Bits(result)))
            {
                var product = (double)UInt32BitsToSingle(a) * UInt32BitsToSingle(b);
                if (IsSumInexact(product, UInt32BitsToSingle(c), result))
                    flags |= FpFlags.NX;
                return SingleToUInt32Bits(result);
            }
        }

        return (uint)SoftFloat<Binary32>.MulAdd(a, b, c, rm, ref flags);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint MinMaxChecked(uint a, uint b, bool max, ref uint flags) =>
        (uint)SoftFloat<Binary32>.MinMax(a, b, max, ref flags);

    /// <summary>Whether the single <paramref name="sum"/> is not a + b: the sum is no single, or not even a double.</summary>
    private static bool IsSumInexact(double a, double b, float sum) =>
        a + b != sum || HostArithmetic.IsSumInexact(a, b, a + b);
}
