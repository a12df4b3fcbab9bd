using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Hart.FloatingPoint;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;

namespace Hypervisor.Core.Engine.Interpreter.Steps;

/// <summary>Where an operation's rounding mode comes from.</summary>
internal unsafe interface IRounding
{
    /// <summary>The mode 0..4; above that the instruction is illegal.</summary>
    static abstract uint Mode(Op* op, HartState* s);
}

/// <summary>The frm register, as compilers emit nearly always.</summary>
internal readonly unsafe struct DynamicRounding : IRounding { public static uint Mode(Op* op, HartState* s) => s->Frm; }

/// <summary>The instruction's own field, which the block builder put into the immediate's low bits.</summary>
internal readonly unsafe struct StaticRounding : IRounding { public static uint Mode(Op* op, HartState* s) => (uint)op->Imm & 7; }

/// <summary>rd (floating) = f(rs1, rs2) of doubles, rounded.</summary>
internal interface IDouble2 { static abstract ulong Apply(ulong a, ulong b, int rm, ref uint flags); }

internal interface ISingle2 { static abstract uint Apply(uint a, uint b, int rm, ref uint flags); }

internal readonly unsafe struct Double2<F, R> : IFusable where F : struct, IDouble2 where R : struct, IRounding
{
    public static bool CanFail => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb) => ExecuteAt(op, 0, s, tlb);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ExecuteAt(Op* op, int at, HartState* s, TlbEntry* tlb)
    {
        uint rm = R.Mode(op + at, s);
        if (rm > 4 || s->FpEnabled == 0)
            return false;
        F(s)[op[at].Rd] = F.Apply(F(s)[op[at].Rs1], F(s)[op[at].Rs2], (int)rm, ref s->Fflags);
        s->FpDirty = 1;
        return true;
    }
}

internal readonly unsafe struct Single2<F, R> : IStep where F : struct, ISingle2 where R : struct, IRounding
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        uint rm = R.Mode(op, s);
        if (rm > 4 || s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = NanBox.Box(F.Apply(NanBox.Unbox(F(s)[op->Rs1]), NanBox.Unbox(F(s)[op->Rs2]), (int)rm, ref s->Fflags));
        s->FpDirty = 1;
        return true;
    }
}

internal readonly struct AddD : IDouble2 { public static ulong Apply(ulong a, ulong b, int rm, ref uint flags) => Fp64.Add(a, b, rm, ref flags); }
internal readonly struct SubD : IDouble2 { public static ulong Apply(ulong a, ulong b, int rm, ref uint flags) => Fp64.Sub(a, b, rm, ref flags); }
internal readonly struct MulD : IDouble2 { public static ulong Apply(ulong a, ulong b, int rm, ref uint flags) => Fp64.Mul(a, b, rm, ref flags); }
internal readonly struct DivD : IDouble2 { public static ulong Apply(ulong a, ulong b, int rm, ref uint flags) => Fp64.Div(a, b, rm, ref flags); }
internal readonly struct SqrtD : IDouble2 { public static ulong Apply(ulong a, ulong b, int rm, ref uint flags) => Fp64.Sqrt(a, rm, ref flags); }
internal readonly struct AddS : ISingle2 { public static uint Apply(uint a, uint b, int rm, ref uint flags) => Fp32.Add(a, b, rm, ref flags); }
internal readonly struct SubS : ISingle2 { public static uint Apply(uint a, uint b, int rm, ref uint flags) => Fp32.Sub(a, b, rm, ref flags); }
internal readonly struct MulS : ISingle2 { public static uint Apply(uint a, uint b, int rm, ref uint flags) => Fp32.Mul(a, b, rm, ref flags); }
internal readonly struct DivS : ISingle2 { public static uint Apply(uint a, uint b, int rm, ref uint flags) => Fp32.Div(a, b, rm, ref flags); }
internal readonly struct SqrtS : ISingle2 { public static uint Apply(uint a, uint b, int rm, ref uint flags) => Fp32.Sqrt(a, rm, ref flags); }

/// <summary>The signs of a fused multiply-add: rd = ±(rs1 × rs2) ± rs3. The third register is in the immediate's second byte.</summary>
internal interface IFusedSigns
{
    static abstract bool NegateProduct { get; }

    static abstract bool NegateAddend { get; }
}

internal readonly struct Madd : IFusedSigns { public static bool NegateProduct => false; public static bool NegateAddend => false; }
internal readonly struct Msub : IFusedSigns { public static bool NegateProduct => false; public static bool NegateAddend => true; }
internal readonly struct Nmsub : IFusedSigns { public static bool NegateProduct => true; public static bool NegateAddend => false; }
internal readonly struct Nmadd : IFusedSigns { public static bool NegateProduct => true; public static bool NegateAddend => true; }

internal readonly unsafe struct FusedD<G, R> : IFusable where G : struct, IFusedSigns where R : struct, IRounding
{
    public static bool CanFail => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb) => ExecuteAt(op, 0, s, tlb);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ExecuteAt(Op* op, int at, HartState* s, TlbEntry* tlb)
    {
        uint rm = R.Mode(op + at, s);
        if (rm > 4 || s->FpEnabled == 0)
            return false;
        F(s)[op[at].Rd] = Fp64.MulAdd(
            F(s)[op[at].Rs1], F(s)[op[at].Rs2], F(s)[op[at].Imm >> 8], G.NegateProduct, G.NegateAddend, (int)rm, ref s->Fflags);
        s->FpDirty = 1;
        return true;
    }
}

internal readonly unsafe struct FusedS<G, R> : IStep where G : struct, IFusedSigns where R : struct, IRounding
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        uint rm = R.Mode(op, s);
        if (rm > 4 || s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = NanBox.Box(Fp32.MulAdd(
            NanBox.Unbox(F(s)[op->Rs1]), NanBox.Unbox(F(s)[op->Rs2]), NanBox.Unbox(F(s)[op->Imm >> 8]),
            G.NegateProduct, G.NegateAddend, (int)rm, ref s->Fflags));
        s->FpDirty = 1;
        return true;
    }
}

/// <summary>rd (floating) = f of raw floating registers, without rounding: sign injection, minimum and maximum, moves.</summary>
internal interface IRaw2 { static abstract ulong Apply(ulong a, ulong b, ref uint flags); }

internal readonly unsafe struct Raw2<F> : IStep where F : struct, IRaw2
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = F.Apply(F(s)[op->Rs1], F(s)[op->Rs2], ref s->Fflags);
        s->FpDirty = 1;
        return true;
    }
}

internal readonly struct SgnjD : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => (a & ~(1UL << 63)) | (b & (1UL << 63)); }
internal readonly struct SgnjnD : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => (a & ~(1UL << 63)) | (~b & (1UL << 63)); }
internal readonly struct SgnjxD : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => a ^ (b & (1UL << 63)); }
internal readonly struct MinD : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => Fp64.Min(a, b, ref flags); }
internal readonly struct MaxD : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => Fp64.Max(a, b, ref flags); }

internal readonly struct SgnjS : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => NanBox.Box((NanBox.Unbox(a) & 0x7fffffff) | (NanBox.Unbox(b) & 0x80000000)); }
internal readonly struct SgnjnS : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => NanBox.Box((NanBox.Unbox(a) & 0x7fffffff) | (~NanBox.Unbox(b) & 0x80000000)); }
internal readonly struct SgnjxS : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => NanBox.Box(NanBox.Unbox(a) ^ (NanBox.Unbox(b) & 0x80000000)); }
internal readonly struct MinS : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => NanBox.Box(Fp32.Min(NanBox.Unbox(a), NanBox.Unbox(b), ref flags)); }
internal readonly struct MaxS : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => NanBox.Box(Fp32.Max(NanBox.Unbox(a), NanBox.Unbox(b), ref flags)); }

/// <summary>rd (integer) = f of raw floating registers: comparisons, classes, moves.</summary>
internal readonly unsafe struct RawToInteger<F> : IStep where F : struct, IRaw2
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (s->FpEnabled == 0)
            return false;
        X(s)[op->Rd] = F.Apply(F(s)[op->Rs1], F(s)[op->Rs2], ref s->Fflags);
        s->FpDirty = 1; // A comparison may raise flags, which are floating-point state too.
        return true;
    }
}

internal readonly struct EqD : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => Fp64.Eq(a, b, ref flags) ? 1UL : 0; }
internal readonly struct LtD : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => Fp64.Lt(a, b, ref flags) ? 1UL : 0; }
internal readonly struct LeD : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => Fp64.Le(a, b, ref flags) ? 1UL : 0; }
internal readonly struct ClassD : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => Fp64.Classify(a); }
internal readonly struct EqS : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => Fp32.Eq(NanBox.Unbox(a), NanBox.Unbox(b), ref flags) ? 1UL : 0; }
internal readonly struct LtS : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => Fp32.Lt(NanBox.Unbox(a), NanBox.Unbox(b), ref flags) ? 1UL : 0; }
internal readonly struct LeS : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => Fp32.Le(NanBox.Unbox(a), NanBox.Unbox(b), ref flags) ? 1UL : 0; }
internal readonly struct ClassS : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => Fp32.Classify(NanBox.Unbox(a)); }
internal readonly struct MoveToX : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => a; }
internal readonly struct MoveToXWord : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => (ulong)(int)a; }

/// <summary>rd (floating) = the bits of an integer register.</summary>
internal readonly unsafe struct MoveFromX : IStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = X(s)[op->Rs1];
        s->FpDirty = 1;
        return true;
    }
}

internal readonly unsafe struct MoveFromXWord : IStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = NanBox.Box((uint)X(s)[op->Rs1]);
        s->FpDirty = 1;
        return true;
    }
}

/// <summary>A conversion with rounding.</summary>
internal interface IConvert { static abstract ulong Apply(ulong a, int rm, ref uint flags); }

/// <summary>rd (integer) = convert(rs1 floating).</summary>
internal readonly unsafe struct ToInteger<F, R> : IStep where F : struct, IConvert where R : struct, IRounding
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        uint rm = R.Mode(op, s);
        if (rm > 4 || s->FpEnabled == 0)
            return false;
        X(s)[op->Rd] = F.Apply(F(s)[op->Rs1], (int)rm, ref s->Fflags);
        s->FpDirty = 1;
        return true;
    }
}

/// <summary>rd (floating) = convert(rs1 integer).</summary>
internal readonly unsafe struct FromInteger<F, R> : IStep where F : struct, IConvert where R : struct, IRounding
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        uint rm = R.Mode(op, s);
        if (rm > 4 || s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = F.Apply(X(s)[op->Rs1], (int)rm, ref s->Fflags);
        s->FpDirty = 1;
        return true;
    }
}

/// <summary>rd (floating) = convert(rs1 floating).</summary>
internal readonly unsafe struct FloatToFloat<F, R> : IStep where F : struct, IConvert where R : struct, IRounding
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        uint rm = R.Mode(op, s);
        if (rm > 4 || s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = F.Apply(F(s)[op->Rs1], (int)rm, ref s->Fflags);
        s->FpDirty = 1;
        return true;
    }
}

internal readonly struct CvtWS : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp32.ToInt32(NanBox.Unbox(a), rm, ref flags); }
internal readonly struct CvtWuS : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp32.ToUInt32(NanBox.Unbox(a), rm, ref flags); }
internal readonly struct CvtLS : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp32.ToInt64(NanBox.Unbox(a), rm, ref flags); }
internal readonly struct CvtLuS : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp32.ToUInt64(NanBox.Unbox(a), rm, ref flags); }
internal readonly struct CvtWD : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp64.ToInt32(a, rm, ref flags); }
internal readonly struct CvtWuD : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp64.ToUInt32(a, rm, ref flags); }
internal readonly struct CvtLD : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp64.ToInt64(a, rm, ref flags); }
internal readonly struct CvtLuD : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp64.ToUInt64(a, rm, ref flags); }
internal readonly struct CvtSW : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => NanBox.Box(Fp32.FromInt32((int)a, rm, ref flags)); }
internal readonly struct CvtSWu : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => NanBox.Box(Fp32.FromUInt32((uint)a, rm, ref flags)); }
internal readonly struct CvtSL : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => NanBox.Box(Fp32.FromInt64((long)a, rm, ref flags)); }
internal readonly struct CvtSLu : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => NanBox.Box(Fp32.FromUInt64(a, rm, ref flags)); }
internal readonly struct CvtDW : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp64.FromInt32((int)a, rm, ref flags); }
internal readonly struct CvtDWu : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp64.FromUInt32((uint)a, rm, ref flags); }
internal readonly struct CvtDL : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp64.FromInt64((long)a, rm, ref flags); }
internal readonly struct CvtDLu : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp64.FromUInt64(a, rm, ref flags); }
internal readonly struct CvtSD : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => NanBox.Box(Fp32.FromDouble(a, rm, ref flags)); }
internal readonly struct CvtDS : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => Fp64.FromSingle(NanBox.Unbox(a), ref flags); }
