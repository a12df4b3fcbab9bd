namespace Hypervisor.Core.Engine;

/// <summary>What a hart keeps of one address space while another is in force: the books of its part of the TLB.</summary>
/// <remarks>Invariant for the unsafe code: <see cref="Filled"/> is null or has room for what it says, in the memory of the hart's TLBs.</remarks>
/// <param name="index">Its number within the hart, which says where its contexts lie.</param>
internal sealed unsafe class TlbSpace(int index)
{
    /// <summary>Entries that are invalidated one by one when the space is dropped; where there are more, all are.</summary>
    public const int MostFilled = 63;

    private ulong _fetchedLow;
    private ulong _fetchedHigh;

    public int Index => index;

    /// <summary>The satp that it is of, while <see cref="IsKept"/>.</summary>
    public ulong Satp { get; set; }

    /// <summary>Whether what it holds is good when its satp comes back. Says nothing of the space in force.</summary>
    public bool IsKept { get; set; }

    /// <summary>Number of the switch at which it was left.</summary>
    public long LastUse { get; set; }

    /// <summary>How many entries were made since it was empty, and behind that the first <see cref="MostFilled"/> of them; null before there is a TLB.</summary>
    public nint* Filled { get; set; }

    /// <summary>Contexts in force since it was empty, a bit for each.</summary>
    public int UsedContexts { get; set; }

    /// <summary>Contexts whose memory was ever prepared.</summary>
    public int ClearedContexts { get; set; }

    /// <summary>Number of its fetch translations; changed to drop them.</summary>
    public ulong FetchNumber { get; set; }

    /// <summary>Notes in the filter of pages that code was fetched from under that number.</summary>
    public void NoteFetched(ulong address) => (FetchBit(address, out ulong bit) ? ref _fetchedHigh : ref _fetchedLow) |= bit;

    /// <summary>Whether code may have been fetched from the page under that number: others may share its bit.</summary>
    public bool MayHaveFetched(ulong address) => ((FetchBit(address, out ulong bit) ? _fetchedHigh : _fetchedLow) & bit) != 0;

    /// <summary>Empties the filter.</summary>
    public void ForgetFetched() => _fetchedLow = _fetchedHigh = 0;

    /// <summary>Range that covers all superpages met, none while it ends before it starts.</summary>
    public ulong LargeStart { get; set; } = ulong.MaxValue;

    /// <inheritdoc cref="LargeStart"/>
    public ulong LargeLast { get; set; }

    /// <summary>A page's bit among 128: which half, and where. Two halves, as 128-bit numbers keep a class from having code ahead of time.</summary>
    private static bool FetchBit(ulong address, out ulong bit)
    {
        int number = (int)(((address >> 12) * 0x9E37_79B9_7F4A_7C15) >> 57);
        bit = 1UL << (number & 63);
        return number >= 64;
    }
}
