using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Memory;

/// <summary>What a mapping allows, as PROT_READ, PROT_WRITE and PROT_EXEC.</summary>
[Flags]
internal enum Protection : byte
{
    None = 0,
    Read = 1,
    Write = 2,
    Execute = 4,
}

/// <summary>What a forked process finds of a mapping.</summary>
internal enum ForkBehaviour : byte
{
    Copy,

    /// <summary>Nothing (MADV_DONTFORK).</summary>
    Omit,

    /// <summary>Zeroes (MADV_WIPEONFORK).</summary>
    Wipe,
}

/// <summary>One mapping of an address space: whole pages, one protection, backed by zeroes or by the pages of a file.</summary>
internal sealed record Mapping(ulong Start, ulong End, Protection Protection, bool Shared, Inode? File, long FileOffset, string Name)
{
    /// <summary>Whether it is data of the process's own, but for stacks.</summary>
    public bool IsData => !Shared && (Protection & Protection.Write) != 0 && Name != "[stack]";

    /// <summary>Whether it may ever be made writable: a shared mapping of a file that was opened for reading may not.</summary>
    public bool MayWrite { get; init; } = true;

    public ForkBehaviour OnFork { get; init; }

    /// <summary>Attached by shmat: the segment's identifier.</summary>
    public int? Segment { get; init; }

    /// <summary>Whether it differs from another in nothing but its place.</summary>
    public bool IsLike(Mapping other)
        => Protection == other.Protection && Shared == other.Shared && File == other.File && Name == other.Name
            && MayWrite == other.MayWrite && OnFork == other.OnFork && Segment == other.Segment;

    /// <summary>The part of it between two addresses.</summary>
    public Mapping Slice(ulong start, ulong end) => this with { Start = start, End = end, FileOffset = FileOffset + (long)(start - Start) };

    /// <summary>The page of the file behind an address.</summary>
    public long PageOf(ulong address) => (FileOffset + (long)(address - Start)) >> 12;
}
