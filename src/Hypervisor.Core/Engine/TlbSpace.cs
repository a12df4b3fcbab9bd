namespace Hypervisor.Core.Engine;

/// <summary>What a hart keeps of one address space while another is in force: the books of its part of the TLB.</summary>
/// <param name="index">Its number within the hart, which says where its contexts lie.</param>
internal sealed class TlbSpace(int index)
{
    /// <summary>Entries that are invalidated one by one when the space is dropped; where there are more, all are.</summary>
    public const int MostFilled = 64;

    public int Index => index;

    /// <summary>The satp that it is of, while <see cref="IsKept"/>.</summary>
    public ulong Satp { get; set; }

    /// <summary>Whether what it holds is good when its satp comes back. Says nothing of the space in force.</summary>
    public bool IsKept { get; set; }

    /// <summary>Number of the switch at which it was left.</summary>
    public long LastUse { get; set; }

    /// <summary>The entries made, as far as there is room.</summary>
    public nint[] Filled { get; } = new nint[MostFilled];

    /// <summary>How many entries were made since it was empty.</summary>
    public int Fills { get; set; }

    /// <summary>Contexts in force since it was empty, a bit for each.</summary>
    public int UsedContexts { get; set; }

    /// <summary>Contexts whose memory was ever prepared.</summary>
    public int ClearedContexts { get; set; }

    /// <summary>Number of its fetch translations; changed to drop them.</summary>
    public ulong FetchNumber { get; set; }

    /// <summary>Filter of the pages that code was fetched from under that number.</summary>
    public UInt128 FetchedPages { get; set; }

    /// <summary>Range that covers all superpages met, none while it ends before it starts.</summary>
    public ulong LargeStart { get; set; } = ulong.MaxValue;

    /// <inheritdoc cref="LargeStart"/>
    public ulong LargeLast { get; set; }
}
