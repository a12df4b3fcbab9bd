using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Hart.FloatingPoint;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;

namespace Hypervisor.Core.Engine.Interpreter.Steps;

/// <summary>How a loaded value reaches its register.</summary>
internal unsafe interface ILoad
{
    static abstract uint Size { get; }

    static abstract ulong Read(byte* address);
}

internal readonly unsafe struct LoadB : ILoad { public static uint Size => 1; public static ulong Read(byte* p) => (ulong)*(sbyte*)p; }
internal readonly unsafe struct LoadBu : ILoad { public static uint Size => 1; public static ulong Read(byte* p) => *p; }
internal readonly unsafe struct LoadH : ILoad { public static uint Size => 2; public static ulong Read(byte* p) => (ulong)*(short*)p; }
internal readonly unsafe struct LoadHu : ILoad { public static uint Size => 2; public static ulong Read(byte* p) => *(ushort*)p; }
internal readonly unsafe struct LoadW : ILoad { public static uint Size => 4; public static ulong Read(byte* p) => (ulong)*(int*)p; }
internal readonly unsafe struct LoadWu : ILoad { public static uint Size => 4; public static ulong Read(byte* p) => *(uint*)p; }
internal readonly unsafe struct LoadD : ILoad { public static uint Size => 8; public static ulong Read(byte* p) => *(ulong*)p; }

/// <summary>How a register's value is stored.</summary>
internal unsafe interface IStore
{
    static abstract uint Size { get; }

    static abstract void Write(byte* address, ulong value);
}

internal readonly unsafe struct StoreB : IStore { public static uint Size => 1; public static void Write(byte* p, ulong v) => *p = (byte)v; }
internal readonly unsafe struct StoreH : IStore { public static uint Size => 2; public static void Write(byte* p, ulong v) => *(ushort*)p = (ushort)v; }
internal readonly unsafe struct StoreW : IStore { public static uint Size => 4; public static void Write(byte* p, ulong v) => *(uint*)p = (uint)v; }
internal readonly unsafe struct StoreD : IStore { public static uint Size => 8; public static void Write(byte* p, ulong v) => *(ulong*)p = v; }

/// <summary>The one way a handler reaches guest memory: an entry that hit, for an access that is aligned.</summary>
internal static unsafe class FastPath
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad(TlbEntry* tlb, ulong address, uint size, out byte* host)
    {
        TlbEntry* entry = Tlb.LoadEntry(tlb, address);
        host = (byte*)(address + (ulong)entry->Addend);
        return entry->Tag == (address & (~0xFFFUL | (size - 1)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryStore(TlbEntry* tlb, ulong address, uint size, out byte* host)
    {
        TlbEntry* entry = Tlb.StoreEntry(tlb, address);
        host = (byte*)(address + (ulong)entry->Addend);
        return entry->Tag == (address & (~0xFFFUL | (size - 1)));
    }
}

/// <summary>Two accesses of one size with one base register, done where both hit one entry; otherwise nothing is done.</summary>
internal static unsafe class TwoAccesses
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad<T>(Op* op, HartState* s, TlbEntry* tlb) where T : struct, ILoad
    {
        ulong start = X(s)[op->Rs1];
        ulong first = start + (ulong)(long)op->Imm;
        ulong second = start + (ulong)(long)op[1].Imm;
        TlbEntry* entry = Tlb.LoadEntry(tlb, first);
        if (Misses(entry, first, second, T.Size))
            return false;
        nint addend = entry->Addend;
        X(s)[op->Rd] = T.Read((byte*)(first + (ulong)addend));
        X(s)[op[1].Rd] = T.Read((byte*)(second + (ulong)addend));
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryStore<T>(Op* op, HartState* s, TlbEntry* tlb) where T : struct, IStore
    {
        ulong start = X(s)[op->Rs1];
        ulong first = start + (ulong)(long)op->Imm;
        ulong second = start + (ulong)(long)op[1].Imm;
        TlbEntry* entry = Tlb.StoreEntry(tlb, first);
        if (Misses(entry, first, second, T.Size))
            return false;
        nint addend = entry->Addend;
        T.Write((byte*)(first + (ulong)addend), X(s)[op->Rs2]);
        T.Write((byte*)(second + (ulong)addend), X(s)[op[1].Rs2]);
        return true;
    }

    /// <summary>The second address is in the page of the first and as aligned as it: one test for the two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Misses(TlbEntry* entry, ulong first, ulong second, uint size)
    {
        ulong mask = ~0xFFFUL | (size - 1);
        return (((first & mask) ^ entry->Tag) | ((first ^ second) & mask)) != 0;
    }
}

/// <summary>rd = memory[rs1 + immediate].</summary>
internal readonly unsafe struct Load<T> : IStep where T : struct, ILoad
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (!FastPath.TryLoad(tlb, X(s)[op->Rs1] + (ulong)(long)op->Imm, T.Size, out byte* host))
            return false;
        X(s)[op->Rd] = T.Read(host);
        return true;
    }
}

/// <summary>memory[rs1 + immediate] = rs2.</summary>
internal readonly unsafe struct Store<T> : IStep where T : struct, IStore
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (!FastPath.TryStore(tlb, X(s)[op->Rs1] + (ulong)(long)op->Imm, T.Size, out byte* host))
            return false;
        T.Write(host, X(s)[op->Rs2]);
        return true;
    }
}

/// <summary>flh: loads are NaN-boxed.</summary>
internal readonly unsafe struct LoadHalf : IStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (!FastPath.TryLoad(tlb, X(s)[op->Rs1] + (ulong)(long)op->Imm, 2, out byte* host) || s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = NanBox.BoxHalf(*(ushort*)host);
        s->FpDirty = 1;
        return true;
    }
}

/// <summary>flw: loads are NaN-boxed.</summary>
internal readonly unsafe struct LoadFloat : IStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (!FastPath.TryLoad(tlb, X(s)[op->Rs1] + (ulong)(long)op->Imm, 4, out byte* host) || s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = NanBox.Box(*(uint*)host);
        s->FpDirty = 1;
        return true;
    }
}

internal readonly unsafe struct LoadDouble : IStep
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (!FastPath.TryLoad(tlb, X(s)[op->Rs1] + (ulong)(long)op->Imm, 8, out byte* host) || s->FpEnabled == 0)
            return false;
        F(s)[op->Rd] = *(ulong*)host;
        s->FpDirty = 1;
        return true;
    }
}

internal readonly unsafe struct StoreFloat<T> : IStep where T : struct, IStore
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (!FastPath.TryStore(tlb, X(s)[op->Rs1] + (ulong)(long)op->Imm, T.Size, out byte* host) || s->FpEnabled == 0)
            return false;
        T.Write(host, F(s)[op->Rs2]);
        return true;
    }
}
