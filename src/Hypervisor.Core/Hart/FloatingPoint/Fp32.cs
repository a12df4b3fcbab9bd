namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>
/// Single-precision operations of RISC-V F on raw bits. <c>rm</c> is a resolved <see cref="FpRounding"/>; <c>flags</c>
/// accrues <see cref="FpFlags"/> and is never cleared.
/// </summary>
internal static class Fp32
{
    /// <summary>The NaN that every operation returns for "not a number".</summary>
    public const uint CanonicalNaN = 0x7fc0_0000;

    private const uint Sign = 1U << 31;

    public static uint Add(uint a, uint b, int rm, ref uint flags) => (uint)SoftFloat<Binary32>.Add(a, b, rm, ref flags);

    public static uint Sub(uint a, uint b, int rm, ref uint flags) => (uint)SoftFloat<Binary32>.Sub(a, b, rm, ref flags);

    public static uint Mul(uint a, uint b, int rm, ref uint flags) => (uint)SoftFloat<Binary32>.Mul(a, b, rm, ref flags);

    public static uint Div(uint a, uint b, int rm, ref uint flags) => (uint)SoftFloat<Binary32>.Div(a, b, rm, ref flags);

    public static uint Sqrt(uint a, int rm, ref uint flags) => (uint)SoftFloat<Binary32>.Sqrt(a, rm, ref flags);

    public static uint Fma(uint a, uint b, uint c, int rm, ref uint flags) => (uint)SoftFloat<Binary32>.MulAdd(a, b, c, rm, ref flags);

    public static uint MulAdd(uint a, uint b, uint c, bool negateProduct, bool negateAddend, int rm, ref uint flags) =>
        Fma(negateProduct ? a ^ Sign : a, b, negateAddend ? c ^ Sign : c, rm, ref flags);

    public static uint Min(uint a, uint b, ref uint flags) => (uint)SoftFloat<Binary32>.MinMax(a, b, max: false, ref flags);

    public static uint Max(uint a, uint b, ref uint flags) => (uint)SoftFloat<Binary32>.MinMax(a, b, max: true, ref flags);

    public static bool Eq(uint a, uint b, ref uint flags) => SoftFloat<Binary32>.Eq(a, b, ref flags);

    public static bool Lt(uint a, uint b, ref uint flags) => SoftFloat<Binary32>.Lt(a, b, ref flags);

    public static bool Le(uint a, uint b, ref uint flags) => SoftFloat<Binary32>.Le(a, b, ref flags);

    public static uint Classify(uint a) => SoftFloat<Binary32>.Classify(a);

    public static ulong ToInt32(uint a, int rm, ref uint flags) => SoftFloat<Binary32>.ToInteger(a, 32, signed: true, rm, ref flags);

    public static ulong ToUInt32(uint a, int rm, ref uint flags) => SoftFloat<Binary32>.ToInteger(a, 32, signed: false, rm, ref flags);

    public static ulong ToInt64(uint a, int rm, ref uint flags) => SoftFloat<Binary32>.ToInteger(a, 64, signed: true, rm, ref flags);

    public static ulong ToUInt64(uint a, int rm, ref uint flags) => SoftFloat<Binary32>.ToInteger(a, 64, signed: false, rm, ref flags);

    public static uint FromInt32(int value, int rm, ref uint flags) => FromInt64(value, rm, ref flags);

    public static uint FromUInt32(uint value, int rm, ref uint flags) => FromUInt64(value, rm, ref flags);

    public static uint FromInt64(long value, int rm, ref uint flags) =>
        (uint)SoftFloat<Binary32>.FromInteger(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, rm, ref flags);

    public static uint FromUInt64(ulong value, int rm, ref uint flags) => (uint)SoftFloat<Binary32>.FromInteger(false, value, rm, ref flags);

    public static uint FromDouble(ulong a, int rm, ref uint flags) => (uint)SoftFloat<Binary32>.From<Binary64>(a, rm, ref flags);
}
