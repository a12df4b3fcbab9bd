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
/// <remarks>Entries are reached by their distance from the TLB's start, which the JIT folds into the accesses; a pointer would be one instruction more.</remarks>
internal static unsafe class FastPath
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad(TlbEntry* tlb, ulong address, uint size, out byte* host)
    {
        nuint place = Tlb.PlaceOf(address);
        host = (byte*)(address + *(ulong*)((byte*)tlb + place + Tlb.AddendOffset));
        return *(ulong*)((byte*)tlb + place) == (address & (~0xFFFUL | (size - 1)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryStore(TlbEntry* tlb, ulong address, uint size, out byte* host)
    {
        nuint place = Tlb.PlaceOf(address);
        host = (byte*)(address + *(ulong*)((byte*)tlb + place + (Tlb.StoreOffset + Tlb.AddendOffset)));
        return *(ulong*)((byte*)tlb + place + Tlb.StoreOffset) == (address & (~0xFFFUL | (size - 1)));
    }
}

/// <summary>Two or three accesses of one size with one base register, done where all hit one entry; otherwise nothing is done.</summary>
internal static unsafe class JoinedAccesses
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad2<T>(Op* op, HartState* s, TlbEntry* tlb) where T : struct, ILoad
    {
        ulong start = X(s)[op->Rs1];
        ulong first = start + (ulong)(long)op->Imm;
        ulong second = start + (ulong)(long)op[1].Imm;
        TlbEntry* entry = Tlb.LoadEntry(tlb, first);
        if (Misses(entry, first, first ^ second, T.Size))
            return false;
        nint addend = entry->Addend;
        X(s)[op->Rd] = T.Read((byte*)(first + (ulong)addend));
        X(s)[op[1].Rd] = T.Read((byte*)(second + (ulong)addend));
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryLoad3<T>(Op* op, HartState* s, TlbEntry* tlb) where T : struct, ILoad
    {
        ulong start = X(s)[op->Rs1];
        ulong first = start + (ulong)(long)op->Imm;
        ulong second = start + (ulong)(long)op[1].Imm;
        ulong third = start + (ulong)(long)op[2].Imm;
        TlbEntry* entry = Tlb.LoadEntry(tlb, first);
        if (Misses(entry, first, (first ^ second) | (first ^ third), T.Size))
            return false;
        nint addend = entry->Addend;
        X(s)[op->Rd] = T.Read((byte*)(first + (ulong)addend));
        X(s)[op[1].Rd] = T.Read((byte*)(second + (ulong)addend));
        X(s)[op[2].Rd] = T.Read((byte*)(third + (ulong)addend));
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryStore2<T>(Op* op, HartState* s, TlbEntry* tlb) where T : struct, IStore
    {
        ulong start = X(s)[op->Rs1];
        ulong first = start + (ulong)(long)op->Imm;
        ulong second = start + (ulong)(long)op[1].Imm;
        TlbEntry* entry = Tlb.StoreEntry(tlb, first);
        if (Misses(entry, first, first ^ second, T.Size))
            return false;
        nint addend = entry->Addend;
        T.Write((byte*)(first + (ulong)addend), X(s)[op->Rs2]);
        T.Write((byte*)(second + (ulong)addend), X(s)[op[1].Rs2]);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryStore3<T>(Op* op, HartState* s, TlbEntry* tlb) where T : struct, IStore
    {
        ulong start = X(s)[op->Rs1];
        ulong first = start + (ulong)(long)op->Imm;
        ulong second = start + (ulong)(long)op[1].Imm;
        ulong third = start + (ulong)(long)op[2].Imm;
        TlbEntry* entry = Tlb.StoreEntry(tlb, first);
        if (Misses(entry, first, (first ^ second) | (first ^ third), T.Size))
            return false;
        nint addend = entry->Addend;
        T.Write((byte*)(first + (ulong)addend), X(s)[op->Rs2]);
        T.Write((byte*)(second + (ulong)addend), X(s)[op[1].Rs2]);
        T.Write((byte*)(third + (ulong)addend), X(s)[op[2].Rs2]);
        return true;
    }

    /// <summary>Whether the first address misses, or another, which differs from it in some bits, is of another page or less aligned: one test for all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Misses(TlbEntry* entry, ulong first, ulong differing, uint size)
    {
        ulong mask = ~0xFFFUL | (size - 1);
        return (((first & mask) ^ entry->Tag) | (differing & mask)) != 0;
    }
}

/// <summary>rd = memory[rs1 + immediate].</summary>
internal readonly unsafe struct Load<T> : IFusable where T : struct, ILoad
{
    public static bool CanFail => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb) => ExecuteAt(op, 0, s, tlb);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ExecuteAt(Op* op, int at, HartState* s, TlbEntry* tlb)
    {
        if (!FastPath.TryLoad(tlb, X(s)[op[at].Rs1] + (ulong)(long)op[at].Imm, T.Size, out byte* host))
            return false;
        X(s)[op[at].Rd] = T.Read(host);
        return true;
    }
}

/// <summary>memory[rs1 + immediate] = rs2.</summary>
internal readonly unsafe struct Store<T> : IFusable where T : struct, IStore
{
    public static bool CanFail => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb) => ExecuteAt(op, 0, s, tlb);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ExecuteAt(Op* op, int at, HartState* s, TlbEntry* tlb)
    {
        if (!FastPath.TryStore(tlb, X(s)[op[at].Rs1] + (ulong)(long)op[at].Imm, T.Size, out byte* host))
            return false;
        T.Write(host, X(s)[op[at].Rs2]);
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

internal readonly unsafe struct LoadDouble : IFusable
{
    public static bool CanFail => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb) => ExecuteAt(op, 0, s, tlb);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ExecuteAt(Op* op, int at, HartState* s, TlbEntry* tlb)
    {
        if (!FastPath.TryLoad(tlb, X(s)[op[at].Rs1] + (ulong)(long)op[at].Imm, 8, out byte* host) || s->FpEnabled == 0)
            return false;
        F(s)[op[at].Rd] = *(ulong*)host;
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
