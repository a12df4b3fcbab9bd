using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Hart.FloatingPoint;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;

namespace Hypervisor.Core.Engine.Interpreter.Steps;

/// <summary>rd (floating) = f(rs1, rs2, rs3) of halves, rounded.</summary>
/// <remarks>Half precision is rare in guests, so that all of it is computed in integers: no host path to keep right.</remarks>
internal interface IHalf3 { static abstract ulong Apply(ulong a, ulong b, ulong c, int rm, ref uint flags); }

internal readonly unsafe struct Half3<F, R> : IStep where F : struct, IHalf3 where R : struct, IRounding
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        uint rm = R.Mode(op, s);
        if (rm > 4 || s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = NanBox.BoxHalf(F.Apply(
            NanBox.UnboxHalf(F(s)[op->Rs1]), NanBox.UnboxHalf(F(s)[op->Rs2]), NanBox.UnboxHalf(F(s)[op->Imm >> 8]), (int)rm, ref s->Fflags));
        s->FpDirty = 1;
        return true;
    }
}

internal readonly struct AddH : IHalf3 { public static ulong Apply(ulong a, ulong b, ulong c, int rm, ref uint flags) => SoftFloat<Binary16>.Add(a, b, rm, ref flags); }
internal readonly struct SubH : IHalf3 { public static ulong Apply(ulong a, ulong b, ulong c, int rm, ref uint flags) => SoftFloat<Binary16>.Sub(a, b, rm, ref flags); }
internal readonly struct MulH : IHalf3 { public static ulong Apply(ulong a, ulong b, ulong c, int rm, ref uint flags) => SoftFloat<Binary16>.Mul(a, b, rm, ref flags); }
internal readonly struct DivH : IHalf3 { public static ulong Apply(ulong a, ulong b, ulong c, int rm, ref uint flags) => SoftFloat<Binary16>.Div(a, b, rm, ref flags); }
internal readonly struct SqrtH : IHalf3 { public static ulong Apply(ulong a, ulong b, ulong c, int rm, ref uint flags) => SoftFloat<Binary16>.Sqrt(a, rm, ref flags); }

internal readonly struct FusedH<G> : IHalf3 where G : struct, IFusedSigns
{
    private const ulong Sign = 1UL << 15;

    public static ulong Apply(ulong a, ulong b, ulong c, int rm, ref uint flags)
        => SoftFloat<Binary16>.MulAdd(G.NegateProduct ? a ^ Sign : a, b, G.NegateAddend ? c ^ Sign : c, rm, ref flags);
}

internal readonly struct SgnjH : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => NanBox.BoxHalf((NanBox.UnboxHalf(a) & 0x7fff) | (NanBox.UnboxHalf(b) & 0x8000)); }
internal readonly struct SgnjnH : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => NanBox.BoxHalf((NanBox.UnboxHalf(a) & 0x7fff) | (~NanBox.UnboxHalf(b) & 0x8000)); }
internal readonly struct SgnjxH : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => NanBox.BoxHalf(NanBox.UnboxHalf(a) ^ (NanBox.UnboxHalf(b) & 0x8000)); }
internal readonly struct MinH : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => NanBox.BoxHalf(SoftFloat<Binary16>.MinMax(NanBox.UnboxHalf(a), NanBox.UnboxHalf(b), max: false, ref flags)); }
internal readonly struct MaxH : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => NanBox.BoxHalf(SoftFloat<Binary16>.MinMax(NanBox.UnboxHalf(a), NanBox.UnboxHalf(b), max: true, ref flags)); }
internal readonly struct EqH : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => SoftFloat<Binary16>.Eq(NanBox.UnboxHalf(a), NanBox.UnboxHalf(b), ref flags) ? 1UL : 0; }
internal readonly struct LtH : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => SoftFloat<Binary16>.Lt(NanBox.UnboxHalf(a), NanBox.UnboxHalf(b), ref flags) ? 1UL : 0; }
internal readonly struct LeH : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => SoftFloat<Binary16>.Le(NanBox.UnboxHalf(a), NanBox.UnboxHalf(b), ref flags) ? 1UL : 0; }
internal readonly struct ClassH : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => SoftFloat<Binary16>.Classify(NanBox.UnboxHalf(a)); }
internal readonly struct MoveToXHalf : IRaw2 { public static ulong Apply(ulong a, ulong b, ref uint flags) => (ulong)(short)a; }

/// <summary>rd (floating) = the low half of an integer register.</summary>
internal readonly unsafe struct MoveFromXHalf : IStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = NanBox.BoxHalf((ushort)X(s)[op->Rs1]);
        s->FpDirty = 1;
        return true;
    }
}

internal readonly struct CvtWH : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => SoftFloat<Binary16>.ToInteger(NanBox.UnboxHalf(a), 32, signed: true, rm, ref flags); }
internal readonly struct CvtWuH : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => SoftFloat<Binary16>.ToInteger(NanBox.UnboxHalf(a), 32, signed: false, rm, ref flags); }
internal readonly struct CvtLH : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => SoftFloat<Binary16>.ToInteger(NanBox.UnboxHalf(a), 64, signed: true, rm, ref flags); }
internal readonly struct CvtLuH : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => SoftFloat<Binary16>.ToInteger(NanBox.UnboxHalf(a), 64, signed: false, rm, ref flags); }
internal readonly struct CvtHW : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => HalfConversions.FromSigned((int)a, rm, ref flags); }
internal readonly struct CvtHWu : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => NanBox.BoxHalf(SoftFloat<Binary16>.FromInteger(false, (uint)a, rm, ref flags)); }
internal readonly struct CvtHL : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => HalfConversions.FromSigned((long)a, rm, ref flags); }
internal readonly struct CvtHLu : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => NanBox.BoxHalf(SoftFloat<Binary16>.FromInteger(false, a, rm, ref flags)); }
internal readonly struct CvtHS : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => NanBox.BoxHalf(SoftFloat<Binary16>.From<Binary32>(NanBox.Unbox(a), rm, ref flags)); }
internal readonly struct CvtHD : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => NanBox.BoxHalf(SoftFloat<Binary16>.From<Binary64>(a, rm, ref flags)); }
internal readonly struct CvtSH : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => NanBox.Box((uint)SoftFloat<Binary32>.From<Binary16>(NanBox.UnboxHalf(a), rm, ref flags)); }
internal readonly struct CvtDH : IConvert { public static ulong Apply(ulong a, int rm, ref uint flags) => SoftFloat<Binary64>.From<Binary16>(NanBox.UnboxHalf(a), rm, ref flags); }

/// <summary>What conversions to half share.</summary>
internal static class HalfConversions
{
    public static ulong FromSigned(long value, int rm, ref uint flags)
        => NanBox.BoxHalf(SoftFloat<Binary16>.FromInteger(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, rm, ref flags));
}
