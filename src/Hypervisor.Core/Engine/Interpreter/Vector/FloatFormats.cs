using Hypervisor.Core.Hart.FloatingPoint;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>Arithmetic on the bits of one floating-point format, as scalar instructions do it.</summary>
internal interface IFloat
{
    static abstract int Bytes { get; }

    static abstract int FractionBits { get; }

    static abstract int ExponentBits { get; }

    static abstract ulong Add(ulong a, ulong b, int rm, ref uint flags);

    static abstract ulong Subtract(ulong a, ulong b, int rm, ref uint flags);

    static abstract ulong Multiply(ulong a, ulong b, int rm, ref uint flags);

    static abstract ulong Divide(ulong a, ulong b, int rm, ref uint flags);

    static abstract ulong SquareRoot(ulong a, int rm, ref uint flags);

    static abstract ulong MultiplyAdd(ulong a, ulong b, ulong c, bool negateProduct, bool negateAddend, int rm, ref uint flags);

    static abstract ulong Minimum(ulong a, ulong b, ref uint flags);

    static abstract ulong Maximum(ulong a, ulong b, ref uint flags);

    static abstract bool IsEqual(ulong a, ulong b, ref uint flags);

    static abstract bool IsLess(ulong a, ulong b, ref uint flags);

    static abstract bool IsLessOrEqual(ulong a, ulong b, ref uint flags);

    static abstract ulong Classify(ulong a);

    static abstract ulong ToInteger(ulong a, int width, bool signed, int rm, ref uint flags);

    static abstract ulong FromInteger(ulong value, bool signed, int rm, ref uint flags);

    /// <summary>To the format of half the width, or of twice.</summary>
    static abstract ulong Narrow(ulong a, int rm, ref uint flags);

    static abstract ulong Widen(ulong a, int rm, ref uint flags);
}

internal readonly struct HalfFloat : IFloat
{
    private const ulong Sign = 1UL << 15;

    public static int Bytes => 2;

    public static int FractionBits => 10;

    public static int ExponentBits => 5;

    public static ulong Add(ulong a, ulong b, int rm, ref uint flags) => SoftFloat<Binary16>.Add(a, b, rm, ref flags);

    public static ulong Subtract(ulong a, ulong b, int rm, ref uint flags) => SoftFloat<Binary16>.Sub(a, b, rm, ref flags);

    public static ulong Multiply(ulong a, ulong b, int rm, ref uint flags) => SoftFloat<Binary16>.Mul(a, b, rm, ref flags);

    public static ulong Divide(ulong a, ulong b, int rm, ref uint flags) => SoftFloat<Binary16>.Div(a, b, rm, ref flags);

    public static ulong SquareRoot(ulong a, int rm, ref uint flags) => SoftFloat<Binary16>.Sqrt(a, rm, ref flags);

    public static ulong MultiplyAdd(ulong a, ulong b, ulong c, bool negateProduct, bool negateAddend, int rm, ref uint flags)
        => SoftFloat<Binary16>.MulAdd(negateProduct ? a ^ Sign : a, b, negateAddend ? c ^ Sign : c, rm, ref flags);

    public static ulong Minimum(ulong a, ulong b, ref uint flags) => SoftFloat<Binary16>.MinMax(a, b, max: false, ref flags);

    public static ulong Maximum(ulong a, ulong b, ref uint flags) => SoftFloat<Binary16>.MinMax(a, b, max: true, ref flags);

    public static bool IsEqual(ulong a, ulong b, ref uint flags) => SoftFloat<Binary16>.Eq(a, b, ref flags);

    public static bool IsLess(ulong a, ulong b, ref uint flags) => SoftFloat<Binary16>.Lt(a, b, ref flags);

    public static bool IsLessOrEqual(ulong a, ulong b, ref uint flags) => SoftFloat<Binary16>.Le(a, b, ref flags);

    public static ulong Classify(ulong a) => SoftFloat<Binary16>.Classify(a);

    public static ulong ToInteger(ulong a, int width, bool signed, int rm, ref uint flags) => SoftFloat<Binary16>.ToInteger(a, width, signed, rm, ref flags);

    public static ulong FromInteger(ulong value, bool signed, int rm, ref uint flags) => FromSigned<Binary16>(value, signed, rm, ref flags);

    public static ulong Narrow(ulong a, int rm, ref uint flags) => a;

    public static ulong Widen(ulong a, int rm, ref uint flags) => SoftFloat<Binary32>.From<Binary16>(a, rm, ref flags);

    public static ulong FromSigned<T>(ulong value, bool signed, int rm, ref uint flags) where T : struct, IFormat
    {
        bool negative = signed && (long)value < 0;
        return SoftFloat<T>.FromInteger(negative, negative ? 0 - value : value, rm, ref flags);
    }
}

internal readonly struct SingleFloat : IFloat
{
    public static int Bytes => 4;

    public static int FractionBits => 23;

    public static int ExponentBits => 8;

    public static ulong Add(ulong a, ulong b, int rm, ref uint flags) => Fp32.Add((uint)a, (uint)b, rm, ref flags);

    public static ulong Subtract(ulong a, ulong b, int rm, ref uint flags) => Fp32.Sub((uint)a, (uint)b, rm, ref flags);

    public static ulong Multiply(ulong a, ulong b, int rm, ref uint flags) => Fp32.Mul((uint)a, (uint)b, rm, ref flags);

    public static ulong Divide(ulong a, ulong b, int rm, ref uint flags) => Fp32.Div((uint)a, (uint)b, rm, ref flags);

    public static ulong SquareRoot(ulong a, int rm, ref uint flags) => Fp32.Sqrt((uint)a, rm, ref flags);

    public static ulong MultiplyAdd(ulong a, ulong b, ulong c, bool negateProduct, bool negateAddend, int rm, ref uint flags)
        => Fp32.MulAdd((uint)a, (uint)b, (uint)c, negateProduct, negateAddend, rm, ref flags);

    public static ulong Minimum(ulong a, ulong b, ref uint flags) => Fp32.Min((uint)a, (uint)b, ref flags);

    public static ulong Maximum(ulong a, ulong b, ref uint flags) => Fp32.Max((uint)a, (uint)b, ref flags);

    public static bool IsEqual(ulong a, ulong b, ref uint flags) => Fp32.Eq((uint)a, (uint)b, ref flags);

    public static bool IsLess(ulong a, ulong b, ref uint flags) => Fp32.Lt((uint)a, (uint)b, ref flags);

    public static bool IsLessOrEqual(ulong a, ulong b, ref uint flags) => Fp32.Le((uint)a, (uint)b, ref flags);

    public static ulong Classify(ulong a) => Fp32.Classify((uint)a);

    public static ulong ToInteger(ulong a, int width, bool signed, int rm, ref uint flags) => SoftFloat<Binary32>.ToInteger(a, width, signed, rm, ref flags);

    public static ulong FromInteger(ulong value, bool signed, int rm, ref uint flags) => HalfFloat.FromSigned<Binary32>(value, signed, rm, ref flags);

    public static ulong Narrow(ulong a, int rm, ref uint flags) => SoftFloat<Binary16>.From<Binary32>(a, rm, ref flags);

    public static ulong Widen(ulong a, int rm, ref uint flags) => Fp64.FromSingle((uint)a, ref flags);
}

internal readonly struct DoubleFloat : IFloat
{
    public static int Bytes => 8;

    public static int FractionBits => 52;

    public static int ExponentBits => 11;

    public static ulong Add(ulong a, ulong b, int rm, ref uint flags) => Fp64.Add(a, b, rm, ref flags);

    public static ulong Subtract(ulong a, ulong b, int rm, ref uint flags) => Fp64.Sub(a, b, rm, ref flags);

    public static ulong Multiply(ulong a, ulong b, int rm, ref uint flags) => Fp64.Mul(a, b, rm, ref flags);

    public static ulong Divide(ulong a, ulong b, int rm, ref uint flags) => Fp64.Div(a, b, rm, ref flags);

    public static ulong SquareRoot(ulong a, int rm, ref uint flags) => Fp64.Sqrt(a, rm, ref flags);

    public static ulong MultiplyAdd(ulong a, ulong b, ulong c, bool negateProduct, bool negateAddend, int rm, ref uint flags)
        => Fp64.MulAdd(a, b, c, negateProduct, negateAddend, rm, ref flags);

    public static ulong Minimum(ulong a, ulong b, ref uint flags) => Fp64.Min(a, b, ref flags);

    public static ulong Maximum(ulong a, ulong b, ref uint flags) => Fp64.Max(a, b, ref flags);

    public static bool IsEqual(ulong a, ulong b, ref uint flags) => Fp64.Eq(a, b, ref flags);

    public static bool IsLess(ulong a, ulong b, ref uint flags) => Fp64.Lt(a, b, ref flags);

    public static bool IsLessOrEqual(ulong a, ulong b, ref uint flags) => Fp64.Le(a, b, ref flags);

    public static ulong Classify(ulong a) => Fp64.Classify(a);

    public static ulong ToInteger(ulong a, int width, bool signed, int rm, ref uint flags) => SoftFloat<Binary64>.ToInteger(a, width, signed, rm, ref flags);

    public static ulong FromInteger(ulong value, bool signed, int rm, ref uint flags) => HalfFloat.FromSigned<Binary64>(value, signed, rm, ref flags);

    public static ulong Narrow(ulong a, int rm, ref uint flags) => Fp32.FromDouble(a, rm, ref flags);

    public static ulong Widen(ulong a, int rm, ref uint flags) => a;
}
