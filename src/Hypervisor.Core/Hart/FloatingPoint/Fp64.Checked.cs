using System.Runtime.CompilerServices;
using static System.BitConverter;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <content>
/// Second step of each operation: the host's result where it is right and its exactness can be told, else exact integers.
/// </content>
internal static partial class Fp64
{
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong AddChecked(ulong a, ulong b, int rm, ref uint flags)
    {
        var (x, y) = (UInt64BitsToDouble(a), UInt64BitsToDouble(b));
        if (rm != FpRounding.RNE || !HostArithmetic.IsBelowHuge(x) || !HostArithmetic.IsBelowHuge(y))
            return SoftFloat<Binary64>.Add(a, b, rm, ref flags);
        var sum = x + y;
        if (HostArithmetic.IsSumInexact(x, y, sum))
            flags |= FpFlags.NX;
        return DoubleToUInt64Bits(sum);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong MulChecked(ulong a, ulong b, int rm, ref uint flags)
    {
        var (x, y) = (UInt64BitsToDouble(a), UInt64BitsToDouble(b));
        var product = x * y;
        if (rm != FpRounding.RNE || !HostArithmetic.HasFusedMultiplyAdd || !HostArithmetic.IsModerate(product))
            return SoftFloat<Binary64>.Mul(a, b, rm, ref flags);
        if (Math.FusedMultiplyAdd(x, y, -product) != 0)
            flags |= FpFlags.NX;
        return DoubleToUInt64Bits(product);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong DivChecked(ulong a, ulong b, int rm, ref uint flags)
    {
        // The remainder a − quotient × b is a double when neither it nor the quotient comes near underflow.
        var (x, y) = (UInt64BitsToDouble(a), UInt64BitsToDouble(b));
        var quotient = x / y;
        if (rm != FpRounding.RNE || !HostArithmetic.HasFusedMultiplyAdd ||
            !HostArithmetic.IsModerate(x) || !HostArithmetic.IsModerate(quotient))
        {
            return SoftFloat<Binary64>.Div(a, b, rm, ref flags);
        }

        if (Math.FusedMultiplyAdd(-quotient, y, x) != 0)
            flags |= FpFlags.NX;
        return DoubleToUInt64Bits(quotient);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong SqrtChecked(ulong a, int rm, ref uint flags)
    {
        var x = UInt64BitsToDouble(a);
        if (rm != FpRounding.RNE || !HostArithmetic.HasFusedMultiplyAdd || !HostArithmetic.IsModerate(x) || x < 0)
            return SoftFloat<Binary64>.Sqrt(a, rm, ref flags);
        var root = Math.Sqrt(x);
        if (Math.FusedMultiplyAdd(-root, root, x) != 0)
            flags |= FpFlags.NX;
        return DoubleToUInt64Bits(root);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong FmaChecked(ulong a, ulong b, ulong c, int rm, ref uint flags)
    {
        if (rm == FpRounding.RNE && HostArithmetic.HasFusedMultiplyAdd)
        {
            // Only an exact product leaves a cheap question: whether one sum is exact. Any other is nearly always
            // inexact, and once that is accrued this method is not reached.
            var (x, y, z) = (UInt64BitsToDouble(a), UInt64BitsToDouble(b), UInt64BitsToDouble(c));
            var product = x * y;
            if (HostArithmetic.IsModerate(product) && HostArithmetic.IsBelowHuge(z) &&
                Math.FusedMultiplyAdd(x, y, -product) == 0)
            {
                var sum = product + z;
                if (HostArithmetic.IsSumInexact(product, z, sum))
                    flags |= FpFlags.NX;
                return DoubleToUInt64Bits(sum);
            }
        }

        return SoftFloat<Binary64>.MulAdd(a, b, c, rm, ref flags);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong MinMaxChecked(ulong a, ulong b, bool max, ref uint flags) => SoftFloat<Binary64>.MinMax(a, b, max, ref flags);
}
