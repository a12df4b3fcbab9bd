using System.Numerics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;

namespace Hypervisor.Core.Engine.Interpreter.Steps;

/// <summary>A pure function of two 64-bit operands.</summary>
internal interface IBinary
{
    static abstract ulong Apply(ulong a, ulong b);
}

/// <summary>rd = f(rs1, rs2).</summary>
internal readonly unsafe struct Rrr<F> : IFusable where F : struct, IBinary
{
    public static bool CanFail => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb) => ExecuteAt(op, 0, s, tlb);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ExecuteAt(Op* op, int at, HartState* s, TlbEntry* tlb)
    {
        X(s)[op[at].Rd] = F.Apply(X(s)[op[at].Rs1], X(s)[op[at].Rs2]);
        return true;
    }
}

/// <summary>rd = f(rs1, immediate).</summary>
internal readonly unsafe struct Rri<F> : IFusable where F : struct, IBinary
{
    public static bool CanFail => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb) => ExecuteAt(op, 0, s, tlb);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ExecuteAt(Op* op, int at, HartState* s, TlbEntry* tlb)
    {
        X(s)[op[at].Rd] = F.Apply(X(s)[op[at].Rs1], (ulong)(long)op[at].Imm);
        return true;
    }
}

/// <summary>rd = immediate (lui, and auipc or a link address that fits).</summary>
internal readonly unsafe struct Constant : IFusable
{
    public static bool CanFail => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb) => ExecuteAt(op, 0, s, tlb);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ExecuteAt(Op* op, int at, HartState* s, TlbEntry* tlb)
    {
        X(s)[op[at].Rd] = (ulong)(long)op[at].Imm;
        return true;
    }
}

/// <summary>rd = rs1 (addi rd, rs1, 0).</summary>
internal readonly unsafe struct Move : IFusable
{
    public static bool CanFail => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb) => ExecuteAt(op, 0, s, tlb);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ExecuteAt(Op* op, int at, HartState* s, TlbEntry* tlb)
    {
        X(s)[op[at].Rd] = X(s)[op[at].Rs1];
        return true;
    }
}

/// <summary>fence: orders this hart's accesses for other harts on other host threads.</summary>
internal readonly unsafe struct Fence : IStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        Interlocked.MemoryBarrier();
        return true;
    }
}

// RV64I (unprivileged specification, chapters 2 and 4). Word forms sign-extend their 32-bit result.
internal readonly struct Add : IBinary { public static ulong Apply(ulong a, ulong b) => a + b; }
internal readonly struct Sub : IBinary { public static ulong Apply(ulong a, ulong b) => a - b; }
internal readonly struct Sll : IBinary { public static ulong Apply(ulong a, ulong b) => a << (int)b; }
internal readonly struct Srl : IBinary { public static ulong Apply(ulong a, ulong b) => a >> (int)b; }
internal readonly struct Sra : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)((long)a >> (int)b); }
internal readonly struct Slt : IBinary { public static ulong Apply(ulong a, ulong b) => (long)a < (long)b ? 1UL : 0UL; }
internal readonly struct Sltu : IBinary { public static ulong Apply(ulong a, ulong b) => a < b ? 1UL : 0UL; }
internal readonly struct Xor : IBinary { public static ulong Apply(ulong a, ulong b) => a ^ b; }
internal readonly struct Or : IBinary { public static ulong Apply(ulong a, ulong b) => a | b; }
internal readonly struct And : IBinary { public static ulong Apply(ulong a, ulong b) => a & b; }
internal readonly struct Addw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(long)(int)(a + b); }
internal readonly struct Subw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(long)(int)(a - b); }
internal readonly struct Sllw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(long)((int)a << (int)b); }
internal readonly struct Srlw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(long)(int)((uint)a >> (int)b); }
internal readonly struct Sraw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(long)((int)a >> (int)b); }

// M (chapter 13): division by zero and overflow give defined results and never trap.
internal readonly struct Mul : IBinary { public static ulong Apply(ulong a, ulong b) => a * b; }
internal readonly struct Mulh : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)Math.BigMul((long)a, (long)b, out _); }
internal readonly struct Mulhu : IBinary { public static ulong Apply(ulong a, ulong b) => Math.BigMul(a, b, out _); }
internal readonly struct Mulhsu : IBinary { public static ulong Apply(ulong a, ulong b) => Math.BigMul(a, b, out _) - ((ulong)((long)a >> 63) & b); }
internal readonly struct Mulw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(long)((int)a * (int)b); }

internal readonly struct Div : IBinary
{
    public static ulong Apply(ulong a, ulong b)
        => b == 0 ? ulong.MaxValue : b == ulong.MaxValue ? 0 - a : (ulong)((long)a / (long)b);
}

internal readonly struct Divu : IBinary { public static ulong Apply(ulong a, ulong b) => b == 0 ? ulong.MaxValue : a / b; }
internal readonly struct Rem : IBinary { public static ulong Apply(ulong a, ulong b) => b == 0 ? a : b == ulong.MaxValue ? 0 : (ulong)((long)a % (long)b); }
internal readonly struct Remu : IBinary { public static ulong Apply(ulong a, ulong b) => b == 0 ? a : a % b; }

internal readonly struct Divw : IBinary
{
    public static ulong Apply(ulong a, ulong b)
        => (int)b == 0 ? ulong.MaxValue : (int)b == -1 ? (ulong)(long)(0 - (int)a) : (ulong)(long)((int)a / (int)b);
}

internal readonly struct Divuw : IBinary { public static ulong Apply(ulong a, ulong b) => (uint)b == 0 ? ulong.MaxValue : (ulong)(long)(int)((uint)a / (uint)b); }
internal readonly struct Remw : IBinary { public static ulong Apply(ulong a, ulong b) => (int)b == 0 ? (ulong)(long)(int)a : (int)b == -1 ? 0 : (ulong)(long)((int)a % (int)b); }
internal readonly struct Remuw : IBinary { public static ulong Apply(ulong a, ulong b) => (uint)b == 0 ? (ulong)(long)(int)a : (ulong)(long)(int)((uint)a % (uint)b); }

// Zba, Zbb, Zbs and Zicond.
internal readonly struct Sh1add : IBinary { public static ulong Apply(ulong a, ulong b) => (a << 1) + b; }
internal readonly struct Sh2add : IBinary { public static ulong Apply(ulong a, ulong b) => (a << 2) + b; }
internal readonly struct Sh3add : IBinary { public static ulong Apply(ulong a, ulong b) => (a << 3) + b; }
internal readonly struct AddUw : IBinary { public static ulong Apply(ulong a, ulong b) => (uint)a + b; }
internal readonly struct Sh1addUw : IBinary { public static ulong Apply(ulong a, ulong b) => ((ulong)(uint)a << 1) + b; }
internal readonly struct Sh2addUw : IBinary { public static ulong Apply(ulong a, ulong b) => ((ulong)(uint)a << 2) + b; }
internal readonly struct Sh3addUw : IBinary { public static ulong Apply(ulong a, ulong b) => ((ulong)(uint)a << 3) + b; }
internal readonly struct SlliUw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(uint)a << (int)b; }
internal readonly struct Andn : IBinary { public static ulong Apply(ulong a, ulong b) => a & ~b; }
internal readonly struct Orn : IBinary { public static ulong Apply(ulong a, ulong b) => a | ~b; }
internal readonly struct Xnor : IBinary { public static ulong Apply(ulong a, ulong b) => ~(a ^ b); }
internal readonly struct Clz : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)BitOperations.LeadingZeroCount(a); }
internal readonly struct Clzw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)BitOperations.LeadingZeroCount((uint)a); }
internal readonly struct Ctz : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)BitOperations.TrailingZeroCount(a); }
internal readonly struct Ctzw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)BitOperations.TrailingZeroCount((uint)a); }
internal readonly struct Cpop : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)BitOperations.PopCount(a); }
internal readonly struct Cpopw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)BitOperations.PopCount((uint)a); }
internal readonly struct Max : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)Math.Max((long)a, (long)b); }
internal readonly struct Maxu : IBinary { public static ulong Apply(ulong a, ulong b) => Math.Max(a, b); }
internal readonly struct Min : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)Math.Min((long)a, (long)b); }
internal readonly struct Minu : IBinary { public static ulong Apply(ulong a, ulong b) => Math.Min(a, b); }
internal readonly struct SextB : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(sbyte)a; }
internal readonly struct SextH : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(short)a; }
internal readonly struct ZextH : IBinary { public static ulong Apply(ulong a, ulong b) => (ushort)a; }
internal readonly struct Rol : IBinary { public static ulong Apply(ulong a, ulong b) => BitOperations.RotateLeft(a, (int)b); }
internal readonly struct Rolw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(long)(int)BitOperations.RotateLeft((uint)a, (int)b); }
internal readonly struct Ror : IBinary { public static ulong Apply(ulong a, ulong b) => BitOperations.RotateRight(a, (int)b); }
internal readonly struct Rorw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(long)(int)BitOperations.RotateRight((uint)a, (int)b); }

internal readonly struct OrcB : IBinary
{
    // Every nonzero byte becomes 0xff: the high bit of each byte is set where the byte is nonzero, then spread over it.
    public static ulong Apply(ulong a, ulong b)
        => ((((a & 0x7f7f7f7f7f7f7f7f) + 0x7f7f7f7f7f7f7f7f) | a) >> 7 & 0x0101010101010101) * 0xff;
}

internal readonly struct Rev8 : IBinary { public static ulong Apply(ulong a, ulong b) => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(a); }
internal readonly struct Bclr : IBinary { public static ulong Apply(ulong a, ulong b) => a & ~(1UL << (int)b); }
internal readonly struct Bext : IBinary { public static ulong Apply(ulong a, ulong b) => a >> (int)b & 1; }
internal readonly struct Binv : IBinary { public static ulong Apply(ulong a, ulong b) => a ^ 1UL << (int)b; }
internal readonly struct Bset : IBinary { public static ulong Apply(ulong a, ulong b) => a | 1UL << (int)b; }
internal readonly struct CzeroEqz : IBinary { public static ulong Apply(ulong a, ulong b) => b == 0 ? 0 : a; }
internal readonly struct CzeroNez : IBinary { public static ulong Apply(ulong a, ulong b) => b != 0 ? 0 : a; }

// Branch conditions.
internal readonly struct Eq : ICondition { public static bool Holds(ulong a, ulong b) => a == b; }
internal readonly struct Ne : ICondition { public static bool Holds(ulong a, ulong b) => a != b; }
internal readonly struct Lt : ICondition { public static bool Holds(ulong a, ulong b) => (long)a < (long)b; }
internal readonly struct Ge : ICondition { public static bool Holds(ulong a, ulong b) => (long)a >= (long)b; }
internal readonly struct Ltu : ICondition { public static bool Holds(ulong a, ulong b) => a < b; }
internal readonly struct Geu : ICondition { public static bool Holds(ulong a, ulong b) => a >= b; }
