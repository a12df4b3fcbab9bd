using System.Numerics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>Masks: a bit for each element, and the operations on them.</summary>
internal static unsafe class MaskBits
{
    /// <summary>Bytes of the longest mask.</summary>
    public const int Bytes = VectorUnit.MaximumGroupBytes / 8;

    /// <summary>d[i] = bits[i] for start ≤ i &lt; count where the mask, if any, has bit i; other bits keep their values.</summary>
    public static void Store(byte* d, byte* bits, byte* mask, int start, int count)
    {
        if (mask == null && start == 0 && (count & 7) == 0)
        {
            new ReadOnlySpan<byte>(bits, count >> 3).CopyTo(new Span<byte>(d, count >> 3));
            return;
        }

        for (int at = start >> 3; at << 3 < count; at++)
        {
            int within = 0xFF;
            int first = at << 3;
            if (start > first)
                within &= 0xFF << start - first;
            if (count - first < 8)
                within &= (1 << count - first) - 1;
            if (mask != null)
                within &= mask[at];
            d[at] = (byte)((d[at] & ~within) | (bits[at] & within));
        }
    }

    /// <summary>vmand.mm and its kin.</summary>
    [SkipLocalsInit]
    public static bool Logical<F>(Op* op, HartState* s, TlbEntry* tlb) where F : struct, IMaskLogic
    {
        byte* bits = stackalloc byte[Bytes];
        byte* a = VectorOp.Register(s, op->Rs2);
        byte* b = VectorOp.Register(s, op->Rs1);
        int bytes = (int)(s->Vl + 7 >> 3);
        for (int i = 0; i < bytes; i += 8)
            *(ulong*)(bits + i) = F.Apply(*(ulong*)(a + i), *(ulong*)(b + i));
        Store(VectorOp.Register(s, op->Rd), bits, null, (int)s->Vstart, (int)s->Vl);
        return VectorOp.Done(s);
    }

    /// <summary>vcpop.m: how many active elements have their bit set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Count(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (s->Vstart != 0)
            return false;
        byte* a = VectorOp.Register(s, op->Rs2);
        ulong count = 0;
        for (int i = 0; i < (int)s->Vl; i += 64)
            count += (ulong)BitOperations.PopCount(Word(op, s, a, i));
        X(s)[op->Rd] = count;
        return VectorOp.Done(s);
    }

    /// <summary>vfirst.m: the first active element with its bit set, or −1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool First(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (s->Vstart != 0)
            return false;
        X(s)[op->Rd] = (ulong)FirstOf(op, s);
        return VectorOp.Done(s);
    }

    private static long FirstOf(Op* op, HartState* s)
    {
        byte* a = VectorOp.Register(s, op->Rs2);
        for (int i = 0; i < (int)s->Vl; i += 64)
        {
            ulong word = Word(op, s, a, i);
            if (word != 0)
                return i + BitOperations.TrailingZeroCount(word);
        }

        return -1;
    }

    /// <summary>64 bits from one that is a multiple of 64: set, active, and below vl.</summary>
    private static ulong Word(Op* op, HartState* s, byte* a, int from)
    {
        ulong word = *(ulong*)(a + (from >> 3));
        if (VectorOp.IsMasked(op))
            word &= *(ulong*)(s->V + (from >> 3));
        int left = (int)s->Vl - from;
        return left >= 64 ? word : word & ((1UL << left) - 1);
    }

    public static bool SetBefore(Op* op, HartState* s, TlbEntry* tlb) => SetAroundFirst(op, s, before: true, at: false);

    public static bool SetOnly(Op* op, HartState* s, TlbEntry* tlb) => SetAroundFirst(op, s, before: false, at: true);

    public static bool SetIncluding(Op* op, HartState* s, TlbEntry* tlb) => SetAroundFirst(op, s, before: true, at: true);

    /// <summary>vmsbf, vmsof and vmsif: bits up to the first active element that has its bit set.</summary>
    [SkipLocalsInit]
    private static bool SetAroundFirst(Op* op, HartState* s, bool before, bool at)
    {
        if (s->Vstart != 0 || op->Rd == op->Rs2 || !VectorRules.MaskIsFree(op))
            return false;
        byte* bits = stackalloc byte[Bytes];
        int count = (int)s->Vl;
        long first = FirstOf(op, s);
        if (first < 0)
            first = count;
        for (int i = 0; i < count; i += 8)
        {
            int eight = 0;
            for (int k = 0; k < 8; k++)
                eight |= (i + k < first && before) || (i + k == first && at) ? 1 << k : 0;
            bits[i >> 3] = (byte)eight;
        }

        Store(VectorOp.Register(s, op->Rd), bits, VectorOp.Mask(op, s), 0, count);
        return VectorOp.Done(s);
    }

    /// <summary>viota.m: how many active elements before each have their bit set.</summary>
    public static bool Iota<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (s->Vstart != 0 || !VectorRules.MaskIsFree(op) || (op->Rd & s->GroupMask) != 0 || !VectorRules.Apart(op->Rd, s->VectorGroup, op->Rs2, 0))
            return false;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        byte* a = VectorOp.Register(s, op->Rs2);
        byte* mask = VectorOp.Mask(op, s);
        T sum = T.Zero;
        for (nint i = 0; i < (nint)s->Vl; i++)
        {
            if (!VectorOp.IsActive(mask, i))
                continue;
            d[i] = sum;
            if (VectorOp.IsActive(a, i))
                sum++;
        }

        return VectorOp.Done(s);
    }

    /// <summary>vid.v: each element's number.</summary>
    public static bool Id<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.MaskIsFree(op) || (op->Rd & s->GroupMask) != 0)
            return false;
        T* d = (T*)VectorOp.Register(s, op->Rd);
        byte* mask = VectorOp.Mask(op, s);
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (VectorOp.IsActive(mask, i))
                d[i] = T.CreateTruncating(i);
        }

        return VectorOp.Done(s);
    }
}

/// <summary>An operation on the bits of two masks, the first that of vs2.</summary>
internal interface IMaskLogic { static abstract ulong Apply(ulong a, ulong b); }

internal readonly struct MaskAndn : IMaskLogic { public static ulong Apply(ulong a, ulong b) => a & ~b; }
internal readonly struct MaskAnd : IMaskLogic { public static ulong Apply(ulong a, ulong b) => a & b; }
internal readonly struct MaskOr : IMaskLogic { public static ulong Apply(ulong a, ulong b) => a | b; }
internal readonly struct MaskXor : IMaskLogic { public static ulong Apply(ulong a, ulong b) => a ^ b; }
internal readonly struct MaskOrn : IMaskLogic { public static ulong Apply(ulong a, ulong b) => a | ~b; }
internal readonly struct MaskNand : IMaskLogic { public static ulong Apply(ulong a, ulong b) => ~(a & b); }
internal readonly struct MaskNor : IMaskLogic { public static ulong Apply(ulong a, ulong b) => ~(a | b); }
internal readonly struct MaskXnor : IMaskLogic { public static ulong Apply(ulong a, ulong b) => ~(a ^ b); }
