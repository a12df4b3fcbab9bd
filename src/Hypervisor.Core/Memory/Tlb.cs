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
/// for stores, direct-mapped by virtual page number; then <see cref="Windows"/> that translated code keeps for itself.
/// </summary>
/// <remarks>
/// Invariant: an entry's addend maps its page to one whole page of its machine's RAM, or its tag is invalid. A window is made from an
/// entry and says the same of the same page, or its limit is 0; whoever drops an entry drops the windows on its page behind it, and
/// whoever makes one on a page that may be stored to looks at the entry once more behind it.
/// </remarks>
internal static unsafe class Tlb
{
    public const int Entries = 512;
    public const int EntriesPerContext = Entries * 2;
    public const ulong Invalid = ulong.MaxValue;

    /// <summary>Windows of a context: each a page that translated code found, with what it needs to reach it again.</summary>
    public const int Windows = 64;

    /// <summary>Offset in a context of the windows' limits: how far from the page's start an access of 8 bytes may begin, plus one; 0 for none.</summary>
    public const int WindowLimits = EntriesPerContext * 16;

    /// <summary>Offset of what the windows add to a virtual address to get the distance from their page's start.</summary>
    public const int WindowBiases = WindowLimits + Windows * 8;

    /// <summary>Offset of the host addresses of the windows' pages.</summary>
    public const int WindowHosts = WindowBiases + Windows * 8;

    /// <summary>Offset of a word that is not 0 where any window was made since all were dropped.</summary>
    public const int WindowsMade = WindowHosts + Windows * 8;

    /// <summary>The limit of a window of one page.</summary>
    public const long WindowLimit = 4096 - 7;

    /// <summary>Bytes of one context.</summary>
    public const int ContextBytes = WindowsMade + 64;

    /// <summary>The context with a number, of a hart's contexts.</summary>
    public static TlbEntry* Context(TlbEntry* contexts, int number) => (TlbEntry*)((byte*)contexts + number * ContextBytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TlbEntry* LoadEntry(TlbEntry* context, ulong address)
        => (TlbEntry*)((byte*)context + ((uint)(address >> 8) & ((Entries - 1) << 4)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TlbEntry* StoreEntry(TlbEntry* context, ulong address)
        => LoadEntry(context, address) + Entries;

    /// <summary>Invalidates entries in a row: with every bit set, a tag is <see cref="Invalid"/>, and wide stores do it fastest.</summary>
    public static void Clear(TlbEntry* first, int count) => new Span<byte>(first, count * sizeof(TlbEntry)).Fill(0xFF);

    /// <summary>Drops a context's windows.</summary>
    public static void DropWindows(TlbEntry* context)
    {
        var made = (long*)((byte*)context + WindowsMade);
        if (*made == 0)
            return;
        *made = 0;
        new Span<long>((byte*)context + WindowLimits, Windows).Clear();
    }

    /// <summary>Drops a context's windows on a page.</summary>
    public static void DropWindowsAt(TlbEntry* context, ulong page)
    {
        if (*(long*)((byte*)context + WindowsMade) == 0)
            return;
        ReadOnlySpan<ulong> biases = new((byte*)context + WindowBiases, Windows);
        for (int at = biases.IndexOf(0 - page), next; at >= 0; at = next < 0 ? next : at + 1 + next)
        {
            ((long*)((byte*)context + WindowLimits))[at] = 0;
            next = biases[(at + 1)..].IndexOf(0 - page);
        }
    }

    /// <summary>Drops a context's windows on a page of the host, on any thread; whether there were any.</summary>
    public static bool DropWindowsOn(TlbEntry* context, nint host)
    {
        bool any = false;
        if (Volatile.Read(ref *(long*)((byte*)context + WindowsMade)) == 0)
            return false;
        for (int i = 0; i < Windows; i++)
        {
            if (((nint*)((byte*)context + WindowHosts))[i] != host)
                continue;
            Volatile.Write(ref ((long*)((byte*)context + WindowLimits))[i], 0);
            any = true;
        }

        return any;
    }
}
