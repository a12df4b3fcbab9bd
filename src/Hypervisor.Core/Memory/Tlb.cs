using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Hypervisor.Core.Memory;

/// <summary>One translation: a hit is <c>(address &amp; (-4096 | size-1)) == Tag</c>, so a misaligned access always misses.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct TlbEntry
{
    /// <summary>Page-aligned virtual address, or <see cref="Tlb.Invalid"/>.</summary>
    public ulong Tag;

    /// <summary>Host address minus virtual address.</summary>
    public nint Addend;
}

/// <summary>
/// The layout of a software TLB: for each <see cref="TlbContext"/>, <see cref="Entries"/> entries for loads, then as many
/// for stores. Direct-mapped by virtual page number.
/// </summary>
/// <remarks>Invariant: an entry's addend maps its page to one whole page of its machine's RAM, or its tag is invalid.</remarks>
internal static unsafe class Tlb
{
    public const int Entries = 512;
    public const int EntriesPerContext = Entries * 2;
    public const ulong Invalid = ulong.MaxValue;

    /// <summary>Bytes of one context.</summary>
    public const int ContextBytes = EntriesPerContext * 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TlbEntry* LoadEntry(TlbEntry* context, ulong address)
        => (TlbEntry*)((byte*)context + ((uint)(address >> 8) & ((Entries - 1) << 4)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TlbEntry* StoreEntry(TlbEntry* context, ulong address)
        => LoadEntry(context, address) + Entries;

    /// <summary>Invalidates entries in a row: with every bit set, a tag is <see cref="Invalid"/>, and wide stores do it fastest.</summary>
    public static void Clear(TlbEntry* first, int count) => new Span<byte>(first, count * sizeof(TlbEntry)).Fill(0xFF);
}
