using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine;

/// <summary>A range of virtual addresses that a debugger watches.</summary>
/// <param name="Start">The first byte.</param>
/// <param name="Length">Bytes, at least 1.</param>
/// <param name="Loads">Whether loads are of interest.</param>
/// <param name="Stores">Whether stores are.</param>
internal readonly record struct Watch(ulong Start, ulong Length, bool Loads, bool Stores);

/// <summary>
/// A debugger's watchpoints on a machine. Pages they touch are kept out of the TLBs, so that every access there takes the
/// slow path, where it is compared; all other accesses are as fast as ever.
/// </summary>
internal sealed class WatchList(IReadOnlyList<Watch> watches)
{
    /// <summary>Whether a page holds anything watched.</summary>
    public bool Touches(ulong address)
    {
        ulong page = address & ~(ulong)(GuestMemory.PageSize - 1);
        foreach (Watch watch in watches)
        {
            if (Overlaps(page, GuestMemory.PageSize, watch))
                return true;
        }

        return false;
    }

    /// <summary>Whether an access is to be reported, and the first watched byte it touched.</summary>
    public bool TryHit(ulong address, int size, AccessKind kind, out ulong at)
    {
        at = address;
        foreach (Watch watch in watches)
        {
            if (!(kind == AccessKind.Store ? watch.Stores : watch.Loads) || !Overlaps(address, (ulong)size, watch))
                continue;
            if (address - watch.Start >= watch.Length)
                at = watch.Start;
            return true;
        }

        return false;
    }

    /// <summary>Whether two ranges share a byte; either may end at the top of the address space.</summary>
    private static bool Overlaps(ulong start, ulong length, Watch watch)
        => start - watch.Start < watch.Length || watch.Start - start < length;
}
