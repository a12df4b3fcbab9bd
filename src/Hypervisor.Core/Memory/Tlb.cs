using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

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

/// <summary>Neighbouring pages that lie together in the machine's RAM too, within one aligned range of <see cref="Tlb.RunBytes"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct TlbRun
{
    /// <summary>Virtual address of the first page.</summary>
    public ulong Start;

    /// <summary>How far from the start an access of 8 bytes may begin, plus one; 0 for none.</summary>
    public long Limit;

    /// <summary>Host address of the first page.</summary>
    public nint Host;

    /// <summary>Guest-physical address of the first page.</summary>
    public ulong Physical;
}

/// <summary>
/// The layout of a software TLB: for each <see cref="TlbContext"/>, <see cref="Entries"/> entries for loads, then as many
/// for stores, direct-mapped by virtual page number; then <see cref="Windows"/> that translated code keeps for itself, and
/// <see cref="Runs"/> of pages for loads and as many for stores, which windows and entries are made from.
/// </summary>
/// <remarks>
/// Invariant: an entry's addend maps its page to one whole page of its machine's RAM, or its tag is invalid; a run does the same
/// for each of its pages, or its limit is 0. A window is made from an entry or a run and says the same of the same pages, or its limit is 0; whoever
/// drops entries and runs drops the windows on the page behind them, and whoever makes one on pages that may be stored to looks at
/// what it was made from once more behind it.
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

    /// <summary>Offset of a word that is not 0 where any window or run was made since all were dropped.</summary>
    public const int WindowsMade = WindowHosts + Windows * 8;

    /// <summary>Runs of a context for loads, and for stores, direct-mapped by virtual address.</summary>
    public const int Runs = 16;

    /// <summary>What a run lies within, so that an address has one place for it.</summary>
    public const int RunBytes = 1 << RunShift;

    public const int RunShift = 20;

    /// <summary>Offset of the runs for loads.</summary>
    public const int LoadRuns = WindowsMade + 64;

    /// <summary>Offset of the runs for stores.</summary>
    public const int StoreRuns = LoadRuns + Runs * 32;

    /// <summary>The limit of a window of one page.</summary>
    public const long WindowLimit = 4096 - 7;

    /// <summary>Bytes of one context.</summary>
    public const int ContextBytes = StoreRuns + Runs * 32;

    /// <summary>The context with a number, of a hart's contexts.</summary>
    public static TlbEntry* Context(TlbEntry* contexts, int number) => (TlbEntry*)((byte*)contexts + number * ContextBytes);

    /// <summary>Offset of the entries for stores.</summary>
    public const int StoreOffset = Entries * 16;

    /// <summary>Offset of <see cref="TlbEntry.Addend"/> in an entry.</summary>
    public const int AddendOffset = 8;

    /// <summary>How far from the start of the entries of its kind that of an address lies.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint PlaceOf(ulong address) => (uint)(address >> 8) & ((Entries - 1) << 4);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TlbEntry* LoadEntry(TlbEntry* context, ulong address) => (TlbEntry*)((byte*)context + PlaceOf(address));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TlbEntry* StoreEntry(TlbEntry* context, ulong address)
        => LoadEntry(context, address) + Entries;

    /// <summary>Invalidates entries in a row: with every bit set, a tag is <see cref="Invalid"/>, and wide stores do it fastest.</summary>
    public static void Clear(TlbEntry* first, int count) => new Span<byte>(first, count * sizeof(TlbEntry)).Fill(0xFF);

    /// <summary>The place of the run that holds an address, if there is one.</summary>
    public static TlbRun* Run(TlbEntry* context, ulong address, bool store)
        => (TlbRun*)((byte*)context + (store ? StoreRuns : LoadRuns)) + ((uint)(address >> RunShift) & (Runs - 1));

    /// <summary>Drops a context's windows and runs.</summary>
    public static void DropWindows(TlbEntry* context)
    {
        var made = (long*)((byte*)context + WindowsMade);
        if (*made == 0)
            return;
        *made = 0;
        new Span<long>((byte*)context + WindowLimits, Windows).Clear();
        var runs = (TlbRun*)((byte*)context + LoadRuns);
        for (int i = 0; i < 2 * Runs; i++)
            runs[i].Limit = 0;
    }

    /// <summary>Drops a context's windows and runs over a page.</summary>
    public static void DropWindowsAt(TlbEntry* context, ulong page)
    {
        if (*(long*)((byte*)context + WindowsMade) != 0)
            DropMadeWindowsAt(context, page);
    }

    /// <summary>Where there are any. A method of its own, because the first call of one with vectors is dear.</summary>
    private static void DropMadeWindowsAt(TlbEntry* context, ulong page)
    {
        for (int kind = 0; kind < 2; kind++)
        {
            TlbRun* run = Run(context, page, store: kind != 0);
            if (page - run->Start < (ulong)run->Limit)
                run->Limit = 0;
        }

        // The distance of a page from a window's start is below its limit where the window holds it.
        var biases = (ulong*)((byte*)context + WindowBiases);
        var limits = (ulong*)((byte*)context + WindowLimits);
        Vector256<ulong> address = Vector256.Create(page);
        for (int i = 0; i < Windows; i += Vector256<ulong>.Count)
        {
            Vector256<ulong> limit = Vector256.Load(limits + i);
            Vector256<ulong> within = Vector256.LessThan(Vector256.Load(biases + i) + address, limit);
            if (within != Vector256<ulong>.Zero)
                Vector256.AndNot(limit, within).Store(limits + i);
        }
    }

    /// <summary>Drops a context's runs that may be stored to over a page of the host, on any thread; whether there were any.</summary>
    public static bool DropRunsOn(TlbEntry* context, nint host)
    {
        if (Volatile.Read(ref *(long*)((byte*)context + WindowsMade)) == 0)
            return false;
        bool any = false;
        var runs = (TlbRun*)((byte*)context + StoreRuns);
        for (int i = 0; i < Runs; i++)
        {
            long limit = Volatile.Read(ref runs[i].Limit);
            if ((ulong)(host - runs[i].Host) >= (ulong)limit)
                continue;
            Volatile.Write(ref runs[i].Limit, 0);
            any = true;
        }

        return any;
    }

    /// <summary>Drops a context's windows over a page of the host, on any thread; whether there were any.</summary>
    public static bool DropWindowsOn(TlbEntry* context, nint host)
    {
        bool any = false;
        if (Volatile.Read(ref *(long*)((byte*)context + WindowsMade)) == 0)
            return false;
        for (int i = 0; i < Windows; i++)
        {
            ref long limit = ref ((long*)((byte*)context + WindowLimits))[i];
            if ((ulong)(host - ((nint*)((byte*)context + WindowHosts))[i]) >= (ulong)Volatile.Read(ref limit))
                continue;
            Volatile.Write(ref limit, 0);
            any = true;
        }

        return any;
    }
}
