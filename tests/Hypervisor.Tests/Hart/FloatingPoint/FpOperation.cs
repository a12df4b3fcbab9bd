using Hypervisor.Core.Engine.Interpreter.Steps;
using Hypervisor.Core.Hart.FloatingPoint;

namespace Hypervisor.Tests.Hart.FloatingPoint;

/// <summary>Raw 64-bit register values an operation reads, and the state it runs under.</summary>
internal readonly record struct FpVector(int Operation, int Rounding, ulong A, ulong B, ulong C);

/// <summary>
/// One F, D or Zfh instruction: how GNU as spells it, with operands ft0, ft1, ft2 (or <c>%[a]</c> for an integer one) and result
/// ft3 (or <c>%[r]</c>), and the same on register values by the code under test.
/// </summary>
internal sealed record FpOperation(string Assembly, FpOperands Operands, FpOperation.Evaluator Evaluate)
{
    public delegate ulong Evaluator(in FpVector vector, ref uint flags);

    public static IReadOnlyList<FpOperation> All { get; } = [.. Doubles(), .. Singles(), .. Crossing(), .. Halves()];

    /// <summary>Whether the host's arithmetic has a part in it: half precision is done in integers alone.</summary>
    public bool HasHostPath => !Assembly.Contains(".h", StringComparison.Ordinal);

    private static IEnumerable<FpOperation> Doubles()
    {
        yield return new("fadd.d ft3, ft0, ft1", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.Add(v.A, v.B, v.Rounding, ref f));
        yield return new("fsub.d ft3, ft0, ft1", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.Sub(v.A, v.B, v.Rounding, ref f));
        yield return new("fmul.d ft3, ft0, ft1", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.Mul(v.A, v.B, v.Rounding, ref f));
        yield return new("fdiv.d ft3, ft0, ft1", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.Div(v.A, v.B, v.Rounding, ref f));
        yield return new("fsqrt.d ft3, ft0", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.Sqrt(v.A, v.Rounding, ref f));
        yield return new("fmadd.d ft3, ft0, ft1, ft2", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.MulAdd(v.A, v.B, v.C, false, false, v.Rounding, ref f));
        yield return new("fmsub.d ft3, ft0, ft1, ft2", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.MulAdd(v.A, v.B, v.C, false, true, v.Rounding, ref f));
        yield return new("fnmsub.d ft3, ft0, ft1, ft2", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.MulAdd(v.A, v.B, v.C, true, false, v.Rounding, ref f));
        yield return new("fnmadd.d ft3, ft0, ft1, ft2", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.MulAdd(v.A, v.B, v.C, true, true, v.Rounding, ref f));
        yield return new("fmin.d ft3, ft0, ft1", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.Min(v.A, v.B, ref f));
        yield return new("fmax.d ft3, ft0, ft1", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.Max(v.A, v.B, ref f));
        yield return new("feq.d %[r], ft0, ft1", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.Eq(v.A, v.B, ref f) ? 1UL : 0);
        yield return new("flt.d %[r], ft0, ft1", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.Lt(v.A, v.B, ref f) ? 1UL : 0);
        yield return new("fle.d %[r], ft0, ft1", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.Le(v.A, v.B, ref f) ? 1UL : 0);
        yield return new("fclass.d %[r], ft0", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.Classify(v.A));
        yield return new("fcvt.w.d %[r], ft0, dyn", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.ToInt32(v.A, v.Rounding, ref f));
        yield return new("fcvt.wu.d %[r], ft0, dyn", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.ToUInt32(v.A, v.Rounding, ref f));
        yield return new("fcvt.l.d %[r], ft0, dyn", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.ToInt64(v.A, v.Rounding, ref f));
        yield return new("fcvt.lu.d %[r], ft0, dyn", FpOperands.Double, (in FpVector v, ref uint f) => Fp64.ToUInt64(v.A, v.Rounding, ref f));
        yield return new("fcvt.d.w ft3, %[a]", FpOperands.Integer, (in FpVector v, ref uint f) => Fp64.FromInt32((int)v.A, v.Rounding, ref f));
        yield return new("fcvt.d.wu ft3, %[a]", FpOperands.Integer, (in FpVector v, ref uint f) => Fp64.FromUInt32((uint)v.A, v.Rounding, ref f));
        yield return new("fcvt.d.l ft3, %[a], dyn", FpOperands.Integer, (in FpVector v, ref uint f) => Fp64.FromInt64((long)v.A, v.Rounding, ref f));
        yield return new("fcvt.d.lu ft3, %[a], dyn", FpOperands.Integer, (in FpVector v, ref uint f) => Fp64.FromUInt64(v.A, v.Rounding, ref f));
    }

    private static IEnumerable<FpOperation> Singles()
    {
        yield return new("fadd.s ft3, ft0, ft1", FpOperands.Single, (in FpVector v, ref uint f) => NanBox.Box(Fp32.Add(Single(v.A), Single(v.B), v.Rounding, ref f)));
        yield return new("fsub.s ft3, ft0, ft1", FpOperands.Single, (in FpVector v, ref uint f) => NanBox.Box(Fp32.Sub(Single(v.A), Single(v.B), v.Rounding, ref f)));
        yield return new("fmul.s ft3, ft0, ft1", FpOperands.Single, (in FpVector v, ref uint f) => NanBox.Box(Fp32.Mul(Single(v.A), Single(v.B), v.Rounding, ref f)));
        yield return new("fdiv.s ft3, ft0, ft1", FpOperands.Single, (in FpVector v, ref uint f) => NanBox.Box(Fp32.Div(Single(v.A), Single(v.B), v.Rounding, ref f)));
        yield return new("fsqrt.s ft3, ft0", FpOperands.Single, (in FpVector v, ref uint f) => NanBox.Box(Fp32.Sqrt(Single(v.A), v.Rounding, ref f)));
        yield return new("fmadd.s ft3, ft0, ft1, ft2", FpOperands.Single, (in FpVector v, ref uint f) => NanBox.Box(Fp32.MulAdd(Single(v.A), Single(v.B), Single(v.C), false, false, v.Rounding, ref f)));
        yield return new("fmsub.s ft3, ft0, ft1, ft2", FpOperands.Single, (in FpVector v, ref uint f) => NanBox.Box(Fp32.MulAdd(Single(v.A), Single(v.B), Single(v.C), false, true, v.Rounding, ref f)));
        yield return new("fnmsub.s ft3, ft0, ft1, ft2", FpOperands.Single, (in FpVector v, ref uint f) => NanBox.Box(Fp32.MulAdd(Single(v.A), Single(v.B), Single(v.C), true, false, v.Rounding, ref f)));
        yield return new("fnmadd.s ft3, ft0, ft1, ft2", FpOperands.Single, (in FpVector v, ref uint f) => NanBox.Box(Fp32.MulAdd(Single(v.A), Single(v.B), Single(v.C), true, true, v.Rounding, ref f)));
        yield return new("fmin.s ft3, ft0, ft1", FpOperands.Single, (in FpVector v, ref uint f) => NanBox.Box(Fp32.Min(Single(v.A), Single(v.B), ref f)));
        yield return new("fmax.s ft3, ft0, ft1", FpOperands.Single, (in FpVector v, ref uint f) => NanBox.Box(Fp32.Max(Single(v.A), Single(v.B), ref f)));
        yield return new("feq.s %[r], ft0, ft1", FpOperands.Single, (in FpVector v, ref uint f) => Fp32.Eq(Single(v.A), Single(v.B), ref f) ? 1UL : 0);
        yield return new("flt.s %[r], ft0, ft1", FpOperands.Single, (in FpVector v, ref uint f) => Fp32.Lt(Single(v.A), Single(v.B), ref f) ? 1UL : 0);
        yield return new("fle.s %[r], ft0, ft1", FpOperands.Single, (in FpVector v, ref uint f) => Fp32.Le(Single(v.A), Single(v.B), ref f) ? 1UL : 0);
        yield return new("fclass.s %[r], ft0", FpOperands.Single, (in FpVector v, ref uint f) => Fp32.Classify(Single(v.A)));
        yield return new("fcvt.w.s %[r], ft0, dyn", FpOperands.Single, (in FpVector v, ref uint f) => Fp32.ToInt32(Single(v.A), v.Rounding, ref f));
        yield return new("fcvt.wu.s %[r], ft0, dyn", FpOperands.Single, (in FpVector v, ref uint f) => Fp32.ToUInt32(Single(v.A), v.Rounding, ref f));
        yield return new("fcvt.l.s %[r], ft0, dyn", FpOperands.Single, (in FpVector v, ref uint f) => Fp32.ToInt64(Single(v.A), v.Rounding, ref f));
        yield return new("fcvt.lu.s %[r], ft0, dyn", FpOperands.Single, (in FpVector v, ref uint f) => Fp32.ToUInt64(Single(v.A), v.Rounding, ref f));
        yield return new("fcvt.s.w ft3, %[a], dyn", FpOperands.Integer, (in FpVector v, ref uint f) => NanBox.Box(Fp32.FromInt32((int)v.A, v.Rounding, ref f)));
        yield return new("fcvt.s.wu ft3, %[a], dyn", FpOperands.Integer, (in FpVector v, ref uint f) => NanBox.Box(Fp32.FromUInt32((uint)v.A, v.Rounding, ref f)));
        yield return new("fcvt.s.l ft3, %[a], dyn", FpOperands.Integer, (in FpVector v, ref uint f) => NanBox.Box(Fp32.FromInt64((long)v.A, v.Rounding, ref f)));
        yield return new("fcvt.s.lu ft3, %[a], dyn", FpOperands.Integer, (in FpVector v, ref uint f) => NanBox.Box(Fp32.FromUInt64(v.A, v.Rounding, ref f)));
    }

    private static IEnumerable<FpOperation> Crossing()
    {
        yield return new("fcvt.s.d ft3, ft0, dyn", FpOperands.Double, (in FpVector v, ref uint f) => NanBox.Box(Fp32.FromDouble(v.A, v.Rounding, ref f)));
        yield return new("fcvt.d.s ft3, ft0", FpOperands.Single, (in FpVector v, ref uint f) => Fp64.FromSingle(Single(v.A), ref f));
    }

    private static IEnumerable<FpOperation> Halves()
    {
        yield return new("fadd.h ft3, ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => Half3<AddH>(v, ref f));
        yield return new("fsub.h ft3, ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => Half3<SubH>(v, ref f));
        yield return new("fmul.h ft3, ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => Half3<MulH>(v, ref f));
        yield return new("fdiv.h ft3, ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => Half3<DivH>(v, ref f));
        yield return new("fsqrt.h ft3, ft0", FpOperands.Half, (in FpVector v, ref uint f) => Half3<SqrtH>(v, ref f));
        yield return new("fmadd.h ft3, ft0, ft1, ft2", FpOperands.Half, (in FpVector v, ref uint f) => Half3<FusedH<Madd>>(v, ref f));
        yield return new("fmsub.h ft3, ft0, ft1, ft2", FpOperands.Half, (in FpVector v, ref uint f) => Half3<FusedH<Msub>>(v, ref f));
        yield return new("fnmsub.h ft3, ft0, ft1, ft2", FpOperands.Half, (in FpVector v, ref uint f) => Half3<FusedH<Nmsub>>(v, ref f));
        yield return new("fnmadd.h ft3, ft0, ft1, ft2", FpOperands.Half, (in FpVector v, ref uint f) => Half3<FusedH<Nmadd>>(v, ref f));
        yield return new("fmin.h ft3, ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => MinH.Apply(v.A, v.B, ref f));
        yield return new("fmax.h ft3, ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => MaxH.Apply(v.A, v.B, ref f));
        yield return new("fsgnj.h ft3, ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => SgnjH.Apply(v.A, v.B, ref f));
        yield return new("fsgnjn.h ft3, ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => SgnjnH.Apply(v.A, v.B, ref f));
        yield return new("fsgnjx.h ft3, ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => SgnjxH.Apply(v.A, v.B, ref f));
        yield return new("feq.h %[r], ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => EqH.Apply(v.A, v.B, ref f));
        yield return new("flt.h %[r], ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => LtH.Apply(v.A, v.B, ref f));
        yield return new("fle.h %[r], ft0, ft1", FpOperands.Half, (in FpVector v, ref uint f) => LeH.Apply(v.A, v.B, ref f));
        yield return new("fclass.h %[r], ft0", FpOperands.Half, (in FpVector v, ref uint f) => ClassH.Apply(v.A, 0, ref f));
        yield return new("fmv.x.h %[r], ft0", FpOperands.Half, (in FpVector v, ref uint f) => MoveToXHalf.Apply(v.A, 0, ref f));
        yield return new("fcvt.w.h %[r], ft0, dyn", FpOperands.Half, (in FpVector v, ref uint f) => CvtWH.Apply(v.A, v.Rounding, ref f));
        yield return new("fcvt.wu.h %[r], ft0, dyn", FpOperands.Half, (in FpVector v, ref uint f) => CvtWuH.Apply(v.A, v.Rounding, ref f));
        yield return new("fcvt.l.h %[r], ft0, dyn", FpOperands.Half, (in FpVector v, ref uint f) => CvtLH.Apply(v.A, v.Rounding, ref f));
        yield return new("fcvt.lu.h %[r], ft0, dyn", FpOperands.Half, (in FpVector v, ref uint f) => CvtLuH.Apply(v.A, v.Rounding, ref f));
        yield return new("fcvt.h.w ft3, %[a], dyn", FpOperands.Integer, (in FpVector v, ref uint f) => CvtHW.Apply(v.A, v.Rounding, ref f));
        yield return new("fcvt.h.wu ft3, %[a], dyn", FpOperands.Integer, (in FpVector v, ref uint f) => CvtHWu.Apply(v.A, v.Rounding, ref f));
        yield return new("fcvt.h.l ft3, %[a], dyn", FpOperands.Integer, (in FpVector v, ref uint f) => CvtHL.Apply(v.A, v.Rounding, ref f));
        yield return new("fcvt.h.lu ft3, %[a], dyn", FpOperands.Integer, (in FpVector v, ref uint f) => CvtHLu.Apply(v.A, v.Rounding, ref f));
        yield return new("fcvt.h.s ft3, ft0, dyn", FpOperands.Single, (in FpVector v, ref uint f) => CvtHS.Apply(v.A, v.Rounding, ref f));
        yield return new("fcvt.h.d ft3, ft0, dyn", FpOperands.Double, (in FpVector v, ref uint f) => CvtHD.Apply(v.A, v.Rounding, ref f));
        yield return new("fcvt.s.h ft3, ft0", FpOperands.Half, (in FpVector v, ref uint f) => CvtSH.Apply(v.A, v.Rounding, ref f));
        yield return new("fcvt.d.h ft3, ft0", FpOperands.Half, (in FpVector v, ref uint f) => CvtDH.Apply(v.A, v.Rounding, ref f));
    }

    private static ulong Half3<F>(in FpVector v, ref uint flags) where F : struct, IHalf3 => NanBox.BoxHalf(F.Apply(
        NanBox.UnboxHalf(v.A), NanBox.UnboxHalf(v.B), NanBox.UnboxHalf(v.C), v.Rounding, ref flags));

    private static uint Single(ulong register) => NanBox.Unbox(register);
}
