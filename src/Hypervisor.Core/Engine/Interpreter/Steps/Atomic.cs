using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;

namespace Hypervisor.Core.Engine.Interpreter.Steps;

/// <summary>An atomic read-modify-write of host memory; returns the old value.</summary>
internal unsafe interface IAtomic
{
    static abstract uint Size { get; }

    static abstract ulong Exchange(byte* address, ulong operand);
}

/// <summary>
/// rd = memory[rs1]; memory[rs1] = f(rd, rs2), in one host-atomic step, so that harts on other host threads see it whole.
/// aq and rl are satisfied by the host's sequentially consistent operation.
/// </summary>
internal readonly unsafe struct Amo<T> : IStep where T : struct, IAtomic
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (!FastPath.TryStore(tlb, X(s)[op->Rs1], T.Size, out byte* host))
            return false;
        X(s)[op->Rd] = T.Exchange(host, X(s)[op->Rs2]);
        return true;
    }
}

/// <summary>lr: reserves the address and remembers the value that sc will compare.</summary>
internal readonly unsafe struct LoadReserved<T> : IStep where T : struct, ILoad
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        // Reserved by virtual address: a reservation never outlives a change of the address space (FlushTlb drops it).
        if (!FastPath.TryLoad(tlb, X(s)[op->Rs1], T.Size, out byte* host))
            return false;
        s->ReservationAddress = X(s)[op->Rs1];
        s->ReservationValue = T.Read(host);
        X(s)[op->Rd] = s->ReservationValue;
        return true;
    }
}

/// <summary>
/// sc: succeeds where this hart holds the reservation and memory still has the value that lr read, decided by one host
/// compare-and-exchange. A store of the same value in between is not seen, as on any emulator built so.
/// </summary>
internal readonly unsafe struct StoreConditionalWord : IStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        ulong address = X(s)[op->Rs1];
        if (!FastPath.TryStore(tlb, address, 4, out byte* host))
            return false;
        bool stored = s->ReservationAddress == address
            && Interlocked.CompareExchange(ref *(uint*)host, (uint)X(s)[op->Rs2], (uint)s->ReservationValue) == (uint)s->ReservationValue;
        s->ReservationAddress = HartState.NoReservation;
        X(s)[op->Rd] = stored ? 0UL : 1UL;
        return true;
    }
}

internal readonly unsafe struct StoreConditionalDouble : IStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        ulong address = X(s)[op->Rs1];
        if (!FastPath.TryStore(tlb, address, 8, out byte* host))
            return false;
        bool stored = s->ReservationAddress == address
            && Interlocked.CompareExchange(ref *(ulong*)host, X(s)[op->Rs2], s->ReservationValue) == s->ReservationValue;
        s->ReservationAddress = HartState.NoReservation;
        X(s)[op->Rd] = stored ? 0UL : 1UL;
        return true;
    }
}

internal readonly unsafe struct AmoSwapW : IAtomic { public static uint Size => 4; public static ulong Exchange(byte* p, ulong v) => (ulong)Interlocked.Exchange(ref *(int*)p, (int)v); }
internal readonly unsafe struct AmoAddW : IAtomic { public static uint Size => 4; public static ulong Exchange(byte* p, ulong v) => (ulong)(Interlocked.Add(ref *(int*)p, (int)v) - (int)v); }
internal readonly unsafe struct AmoAndW : IAtomic { public static uint Size => 4; public static ulong Exchange(byte* p, ulong v) => (ulong)Interlocked.And(ref *(int*)p, (int)v); }
internal readonly unsafe struct AmoOrW : IAtomic { public static uint Size => 4; public static ulong Exchange(byte* p, ulong v) => (ulong)Interlocked.Or(ref *(int*)p, (int)v); }
internal readonly unsafe struct AmoSwapD : IAtomic { public static uint Size => 8; public static ulong Exchange(byte* p, ulong v) => Interlocked.Exchange(ref *(ulong*)p, v); }
internal readonly unsafe struct AmoAddD : IAtomic { public static uint Size => 8; public static ulong Exchange(byte* p, ulong v) => Interlocked.Add(ref *(ulong*)p, v) - v; }
internal readonly unsafe struct AmoAndD : IAtomic { public static uint Size => 8; public static ulong Exchange(byte* p, ulong v) => Interlocked.And(ref *(ulong*)p, v); }
internal readonly unsafe struct AmoOrD : IAtomic { public static uint Size => 8; public static ulong Exchange(byte* p, ulong v) => Interlocked.Or(ref *(ulong*)p, v); }

/// <summary>The operations the host has no instruction for, by compare and exchange.</summary>
internal readonly unsafe struct AmoLoopW<F> : IAtomic where F : struct, IBinary
{
    public static uint Size => 4;

    public static ulong Exchange(byte* p, ulong v)
    {
        ref int memory = ref *(int*)p;
        int old = Volatile.Read(ref memory);
        while (true)
        {
            int seen = Interlocked.CompareExchange(ref memory, (int)F.Apply((ulong)old, (ulong)(int)v), old);
            if (seen == old)
                return (ulong)old;
            old = seen;
        }
    }
}

internal readonly unsafe struct AmoLoopD<F> : IAtomic where F : struct, IBinary
{
    public static uint Size => 8;

    public static ulong Exchange(byte* p, ulong v)
    {
        ref ulong memory = ref *(ulong*)p;
        ulong old = Volatile.Read(ref memory);
        while (true)
        {
            ulong seen = Interlocked.CompareExchange(ref memory, F.Apply(old, v), old);
            if (seen == old)
                return old;
            old = seen;
        }
    }
}

// Word forms see both operands sign-extended: the order of sign-extended words is also right for the unsigned comparison.
