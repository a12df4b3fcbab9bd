using System.Numerics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Hart.FloatingPoint;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>Moves of elements between places, and between element 0 and the scalar registers (section 30.16).</summary>
internal static unsafe class Permutations
{
    /// <summary>vmv.x.s.</summary>
    public static bool ToInteger<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        X(s)[op->Rd] = ulong.CreateTruncating(*(T*)VectorOp.Register(s, op->Rs2));
        return VectorOp.Done(s);
    }

    /// <summary>vmv.s.x.</summary>
    public static bool FromInteger<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (s->Vstart < s->Vl)
            *(T*)VectorOp.Register(s, op->Rd) = T.CreateTruncating(X(s)[op->Rs1]);
        return VectorOp.Done(s);
    }

    /// <summary>vfmv.f.s.</summary>
    public static bool ToFloat<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.Float(s, sizeof(T)))
            return false;
        F(s)[op->Rd] = NanBox.BoxLoaded(ulong.CreateTruncating(*(T*)VectorOp.Register(s, op->Rs2)), sizeof(T));
        s->FpDirty = 1;
        return VectorOp.Done(s);
    }

    /// <summary>vfmv.s.f.</summary>
    public static bool FromFloat<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.Float(s, sizeof(T)))
            return false;
        if (s->Vstart < s->Vl)
            *(T*)VectorOp.Register(s, op->Rd) = T.CreateTruncating(VectorOp.Scalar(op, s, sizeof(T)));
        return VectorOp.Done(s);
    }

    /// <summary>vslideup: elements below the offset stay.</summary>
    public static bool SlideUp<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (op->Rd == op->Rs2 || !VectorRules.PlainUnary(op, s))
            return false;
        ulong offset = VectorOp.Scalar(op, s, sizeof(ulong));
        T* d = (T*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        byte* mask = VectorOp.Mask(op, s);
        for (ulong i = Math.Max(s->Vstart, offset); i < s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, (nint)i))
                d[i] = a[i - offset];
        }

        return VectorOp.Done(s);
    }

    /// <summary>vslidedown: what comes from behind the group is zero.</summary>
    public static bool SlideDown<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.PlainUnary(op, s))
            return false;
        ulong offset = VectorOp.Scalar(op, s, sizeof(ulong));
        ulong length = s->VectorMaximum;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        byte* mask = VectorOp.Mask(op, s);
        for (ulong i = s->Vstart; i < s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, (nint)i))
                d[i] = offset < length && i < length - offset ? a[i + offset] : T.Zero;
        }

        return VectorOp.Done(s);
    }

    /// <summary>vslide1up and vfslide1up.</summary>
    public static bool Slide1Up<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (op->Rd == op->Rs2 || !VectorRules.PlainUnary(op, s) || (VectorOp.IsFloatForm(op) && !VectorRules.Float(s, sizeof(T))))
            return false;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        T first = T.CreateTruncating(VectorOp.Scalar(op, s, sizeof(T)));
        byte* mask = VectorOp.Mask(op, s);
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                d[i] = i == 0 ? first : a[i - 1];
        }

        return VectorOp.Done(s);
    }

    /// <summary>vslide1down and vfslide1down.</summary>
    public static bool Slide1Down<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.PlainUnary(op, s) || (VectorOp.IsFloatForm(op) && !VectorRules.Float(s, sizeof(T))))
            return false;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        T last = T.CreateTruncating(VectorOp.Scalar(op, s, sizeof(T)));
        byte* mask = VectorOp.Mask(op, s);
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                d[i] = i == (nint)s->Vl - 1 ? last : a[i + 1];
        }

        return VectorOp.Done(s);
    }

    /// <summary>vrgather: elements by number, and zero for numbers behind the group.</summary>
    public static bool Gather<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        bool vectors = VectorOp.IsVectorForm(op);
        if (!VectorRules.Plain(op, s) || op->Rd == op->Rs2 || (vectors && op->Rd == op->Rs1))
            return false;
        ulong scalar = vectors ? 0 : VectorOp.Scalar(op, s, sizeof(ulong));
        return GatherBy<T, T>(op, s, vectors ? (T*)VectorOp.Register(s, op->Rs1) : null, scalar);
    }

    /// <summary>vrgatherei16: the numbers have 16 bits whatever the elements have.</summary>
    public static bool Gather16<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        int numbers = 1 - s->VectorSelect + s->VectorGroup;
        if (!VectorRules.IsSize(numbers) || !VectorRules.PlainUnary(op, s) || op->Rd == op->Rs2 || op->Rd == op->Rs1
            || !VectorRules.IsGroup(op->Rs1, numbers) || !VectorRules.Apart(op->Rd, s->VectorGroup, op->Rs1, numbers))
            return false;
        return GatherBy<T, ushort>(op, s, (ushort*)VectorOp.Register(s, op->Rs1), 0);
    }

    private static bool GatherBy<T, N>(Op* op, HartState* s, N* numbers, ulong scalar)
        where T : unmanaged, IBinaryInteger<T>
        where N : unmanaged, IBinaryInteger<N>
    {
        T* d = (T*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        ulong length = s->VectorMaximum;
        byte* mask = VectorOp.Mask(op, s);
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            ulong number = numbers != null ? ulong.CreateTruncating(numbers[i]) : scalar;
            if (VectorOp.IsActive(mask, i))
                d[i] = number < length ? a[number] : T.Zero;
        }

        return VectorOp.Done(s);
    }

    /// <summary>vcompress: the elements whose bit in vs1 is set, one after another.</summary>
    public static bool Compress<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (s->Vstart != 0 || op->Rd == op->Rs2 || ((op->Rd | op->Rs2) & s->GroupMask) != 0 || !VectorRules.Apart(op->Rd, s->VectorGroup, op->Rs1, 0))
            return false;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        T* a = (T*)VectorOp.Register(s, op->Rs2);
        byte* chosen = VectorOp.Register(s, op->Rs1);
        nint count = 0;
        for (nint i = 0; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(chosen, i))
                d[count++] = a[i];
        }

        return VectorOp.Done(s);
    }

    /// <summary>vmv1r to vmv8r: whole registers, whatever the type.</summary>
    public static bool MoveWhole(Op* op, HartState* s, TlbEntry* tlb, int registers)
    {
        if (((op->Rd | op->Rs2) & (registers - 1)) != 0)
            return false;
        int bytes = registers * s->Vlenb;
        int start = (int)Math.Min(s->Vstart << (s->VectorSelect & 3), (ulong)bytes);
        Buffer.MemoryCopy(VectorOp.Register(s, op->Rs2) + start, VectorOp.Register(s, op->Rd) + start, bytes - start, bytes - start);
        return VectorOp.Done(s);
    }

    public static bool Move1(Op* op, HartState* s, TlbEntry* tlb) => MoveWhole(op, s, tlb, 1);

    public static bool Move2(Op* op, HartState* s, TlbEntry* tlb) => MoveWhole(op, s, tlb, 2);

    public static bool Move4(Op* op, HartState* s, TlbEntry* tlb) => MoveWhole(op, s, tlb, 4);

    public static bool Move8(Op* op, HartState* s, TlbEntry* tlb) => MoveWhole(op, s, tlb, 8);
}
