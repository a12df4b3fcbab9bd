using Hypervisor.Core.Hart;

namespace Hypervisor.Core.Memory;

/// <summary>Makes runs of pages from translations that tell of their neighbours, and translations from runs.</summary>
/// <remarks>
/// Invariant for the unsafe code: a run covers whole pages of the machine's RAM only, as its ends are bounded by what the translator
/// says is mapped alike. A run that may be stored to covers no page that holds code or is protected: like entries (see
/// <see cref="CodeTracker"/>) it is published first, and then the pages are looked at once more.
/// </remarks>
internal static unsafe class TlbRuns
{
    private const PageFlag Unstorable = PageFlag.Code | PageFlag.Protected;

    /// <summary>The translation of an address by a run that holds it.</summary>
    public static bool TryFind(TlbEntry* context, ulong address, AccessKind kind, out Translation translation)
    {
        TlbRun* run = Tlb.Run(context, address, kind == AccessKind.Store);
        ulong distance = address - run->Start;
        if ((distance & ~0xFFFUL) >= (ulong)Volatile.Read(ref run->Limit))
        {
            translation = default;
            return false;
        }

        translation = new Translation
        {
            GuestPhysical = run->Physical + distance,
            HostPage = (byte*)run->Host + (distance & ~0xFFFUL),
            Readable = kind == AccessKind.Load,
            Writable = kind == AccessKind.Store,
        };
        return true;
    }

    /// <summary>Makes a run of the page of an address and its neighbours; false where they do not lie together.</summary>
    public static bool TryMake(GuestMemory memory, TlbEntry* context, ulong address, AccessKind kind, in Translation translation)
    {
        bool store = kind == AccessKind.Store;
        ulong page = address & ~0xFFFUL;
        ulong before = Math.Min(translation.Before, page & (Tlb.RunBytes - 1));
        ulong behind = Math.Min(translation.Behind, Tlb.RunBytes - 4096 - (page & (Tlb.RunBytes - 1)));
        if ((before | behind) == 0 || translation.HostPage == null || !(store ? translation.Writable : translation.Readable))
            return false;
        int number = memory.PageIndex(translation.GuestPhysical);
        int first = number - (int)(before >> 12);
        int last = number + (int)(behind >> 12);
        if (store)
        {
            if ((memory.FlagsOf(number) & Unstorable) != 0)
                return false;
            int low = number;
            while (low > first && (memory.FlagsOf(low - 1) & Unstorable) == 0)
                low--;
            int high = number;
            while (high < last && (memory.FlagsOf(high + 1) & Unstorable) == 0)
                high++;
            (first, last) = (low, high);
            for (int i = first; i <= last; i++)
                memory.ChangeFlags(i, PageFlag.WriteMapped | PageFlag.Dirty, PageFlag.None);
        }

        TlbRun* run = Tlb.Run(context, address, store);
        long back = (long)(number - first) << 12;
        Volatile.Write(ref *(long*)((byte*)context + Tlb.WindowsMade), 1);
        Volatile.Write(ref run->Limit, 0);
        run->Start = page - (ulong)back;
        run->Host = (nint)translation.HostPage - (nint)back;
        run->Physical = (translation.GuestPhysical & ~0xFFFUL) - (ulong)back;
        Volatile.Write(ref run->Limit, ((long)(last - first + 1) << 12) - 7);
        if (!store)
            return true;
        Interlocked.MemoryBarrier();
        for (int i = first; i <= last; i++)
        {
            if ((memory.FlagsOf(i) & Unstorable) == 0)
                continue;
            Volatile.Write(ref run->Limit, 0);
            return false;
        }

        return true;
    }
}
