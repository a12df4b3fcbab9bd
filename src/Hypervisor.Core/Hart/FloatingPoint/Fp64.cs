namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>
/// Double-precision operations of RISC-V D on raw bits. <c>rm</c> is a resolved <see cref="FpRounding"/>; <c>flags</c>
/// accrues <see cref="FpFlags"/> and is never cleared.
/// </summary>
internal static class Fp64
{
    /// <summary>The NaN that every operation returns for "not a number".</summary>
    public const ulong CanonicalNaN = 0x7ff8_0000_0000_0000;

    private const ulong Sign = 1UL << 63;

    public static ulong Add(ulong a, ulong b, int rm, ref uint flags) => SoftFloat<Binary64>.Add(a, b, rm, ref flags);

    public static ulong Sub(ulong a, ulong b, int rm, ref uint flags) => SoftFloat<Binary64>.Sub(a, b, rm, ref flags);

    public static ulong Mul(ulong a, ulong b, int rm, ref uint flags) => SoftFloat<Binary64>.Mul(a, b, rm, ref flags);

    public static ulong Div(ulong a, ulong b, int rm, ref uint flags) => SoftFloat<Binary64>.Div(a, b, rm, ref flags);

    public static ulong Sqrt(ulong a, int rm, ref uint flags) => SoftFloat<Binary64>.Sqrt(a, rm, ref flags);

    public static ulong Fma(ulong a, ulong b, ulong c, int rm, ref uint flags) => SoftFloat<Binary64>.MulAdd(a, b, c, rm, ref flags);

    public static ulong MulAdd(ulong a, ulong b, ulong c, bool negateProduct, bool negateAddend, int rm, ref uint flags) =>
        Fma(negateProduct ? a ^ Sign : a, b, negateAddend ? c ^ Sign : c, rm, ref flags);

    public static ulong Min(ulong a, ulong b, ref uint flags) => SoftFloat<Binary64>.MinMax(a, b, max: false, ref flags);

    public static ulong Max(ulong a, ulong b, ref uint flags) => SoftFloat<Binary64>.MinMax(a, b, max: true, ref flags);

    public static bool Eq(ulong a, ulong b, ref uint flags) => SoftFloat<Binary64>.Eq(a, b, ref flags);

    public static bool Lt(ulong a, ulong b, ref uint flags) => SoftFloat<Binary64>.Lt(a, b, ref flags);

    public static bool Le(ulong a, ulong b, ref uint flags) => SoftFloat<Binary64>.Le(a, b, ref flags);

    public static uint Classify(ulong a) => SoftFloat<Binary64>.Classify(a);

    public static ulong ToInt32(ulong a, int rm, ref uint flags) => SoftFloat<Binary64>.ToInteger(a, 32, signed: true, rm, ref flags);

    public static ulong ToUInt32(ulong a, int rm, ref uint flags) => SoftFloat<Binary64>.ToInteger(a, 32, signed: false, rm, ref flags);

    public static ulong ToInt64(ulong a, int rm, ref uint flags) => SoftFloat<Binary64>.ToInteger(a, 64, signed: true, rm, ref flags);

    public static ulong ToUInt64(ulong a, int rm, ref uint flags) => SoftFloat<Binary64>.ToInteger(a, 64, signed: false, rm, ref flags);

    public static ulong FromInt32(int value, int rm, ref uint flags) => FromInt64(value, rm, ref flags);

    public static ulong FromUInt32(uint value, int rm, ref uint flags) => FromUInt64(value, rm, ref flags);

    public static ulong FromInt64(long value, int rm, ref uint flags) =>
        SoftFloat<Binary64>.FromInteger(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, rm, ref flags);

    public static ulong FromUInt64(ulong value, int rm, ref uint flags) => SoftFloat<Binary64>.FromInteger(false, value, rm, ref flags);

    public static ulong FromSingle(uint a, ref uint flags) => SoftFloat<Binary64>.From<Binary32>(a, FpRounding.RNE, ref flags);
}
