using Hypervisor.Core.Hart.FloatingPoint;

namespace Hypervisor.Tests.Hart.FloatingPoint;

/// <summary>Evaluates an operation by <see cref="SoftFloat{TFormat}"/> alone.</summary>
internal static class IntegerPath
{
    public static ulong Evaluate(FpOperation operation, in FpVector v, ref uint flags)
    {
        var mnemonic = operation.Assembly[..operation.Assembly.IndexOf(' ')];
        if (mnemonic == "fcvt.d.s")
            return SoftFloat<Binary64>.From<Binary32>(NanBox.Unbox(v.A), v.Rounding, ref flags);
        if (mnemonic == "fcvt.s.d")
            return NanBox.Box((uint)SoftFloat<Binary32>.From<Binary64>(v.A, v.Rounding, ref flags));
        var isDouble = operation.Operands == FpOperands.Double || mnemonic.StartsWith("fcvt.d.", StringComparison.Ordinal);
        var generic = mnemonic.Replace(isDouble ? ".d" : ".s", operation.Operands == FpOperands.Integer ? ".f" : "", StringComparison.Ordinal);
        if (isDouble)
            return Evaluate<Binary64>(generic, v, 1UL << 63, ref flags);
        var unboxed = operation.Operands == FpOperands.Integer
            ? v
            : v with { A = NanBox.Unbox(v.A), B = NanBox.Unbox(v.B), C = NanBox.Unbox(v.C) };
        var result = Evaluate<Binary32>(generic, unboxed, 1UL << 31, ref flags);
        return operation.Assembly.Contains("ft3", StringComparison.Ordinal) ? NanBox.Box((uint)result) : result;
    }

    private static ulong Evaluate<TFormat>(string mnemonic, in FpVector v, ulong sign, ref uint flags)
        where TFormat : struct, IFormat
    {
        var (a, b, c, rm) = (v.A, v.B, v.C, v.Rounding);
        return mnemonic switch
        {
            "fadd" => SoftFloat<TFormat>.Add(a, b, rm, ref flags),
            "fsub" => SoftFloat<TFormat>.Sub(a, b, rm, ref flags),
            "fmul" => SoftFloat<TFormat>.Mul(a, b, rm, ref flags),
            "fdiv" => SoftFloat<TFormat>.Div(a, b, rm, ref flags),
            "fsqrt" => SoftFloat<TFormat>.Sqrt(a, rm, ref flags),
            "fmadd" => SoftFloat<TFormat>.MulAdd(a, b, c, rm, ref flags),
            "fmsub" => SoftFloat<TFormat>.MulAdd(a, b, c ^ sign, rm, ref flags),
            "fnmsub" => SoftFloat<TFormat>.MulAdd(a ^ sign, b, c, rm, ref flags),
            "fnmadd" => SoftFloat<TFormat>.MulAdd(a ^ sign, b, c ^ sign, rm, ref flags),
            "fmin" => SoftFloat<TFormat>.MinMax(a, b, max: false, ref flags),
            "fmax" => SoftFloat<TFormat>.MinMax(a, b, max: true, ref flags),
            "feq" => SoftFloat<TFormat>.Eq(a, b, ref flags) ? 1UL : 0,
            "flt" => SoftFloat<TFormat>.Lt(a, b, ref flags) ? 1UL : 0,
            "fle" => SoftFloat<TFormat>.Le(a, b, ref flags) ? 1UL : 0,
            "fclass" => SoftFloat<TFormat>.Classify(a),
            "fcvt.f.w" => FromInteger<TFormat>((int)a, rm, ref flags),
            "fcvt.f.wu" => SoftFloat<TFormat>.FromInteger(false, (uint)a, rm, ref flags),
            "fcvt.f.l" => FromInteger<TFormat>((long)a, rm, ref flags),
            "fcvt.f.lu" => SoftFloat<TFormat>.FromInteger(false, a, rm, ref flags),
            "fcvt.w" => SoftFloat<TFormat>.ToInteger(a, 32, signed: true, rm, ref flags),
            "fcvt.wu" => SoftFloat<TFormat>.ToInteger(a, 32, signed: false, rm, ref flags),
            "fcvt.l" => SoftFloat<TFormat>.ToInteger(a, 64, signed: true, rm, ref flags),
            "fcvt.lu" => SoftFloat<TFormat>.ToInteger(a, 64, signed: false, rm, ref flags),
            _ => throw new ArgumentException(mnemonic, nameof(mnemonic)),
        };
    }

    private static ulong FromInteger<TFormat>(long value, int rm, ref uint flags)
        where TFormat : struct, IFormat =>
        SoftFloat<TFormat>.FromInteger(value < 0, (ulong)Int128.Abs(value), rm, ref flags);
}
