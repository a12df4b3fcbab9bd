namespace Hypervisor.Guests.Container.Kernel;

/// <summary>Capabilities by number (capability.h), as bits.</summary>
internal static class Capability
{
    public const ulong ChangeOwner = 1UL << 0, OverrideAccess = 1UL << 1, ReadSearch = 1UL << 2, FileOwner = 1UL << 3, FileSetId = 1UL << 4;
    public const ulong Kill = 1UL << 5, SetGid = 1UL << 6, SetUid = 1UL << 7, SetCapabilities = 1UL << 8, BindService = 1UL << 10;
    public const ulong LockMemory = 1UL << 14, ChangeRoot = 1UL << 18, Trace = 1UL << 19, Administer = 1UL << 21, Nice = 1UL << 23, Resource = 1UL << 24;
    public const ulong Terminal = 1UL << 26, MakeNode = 1UL << 27, SetFileCapabilities = 1UL << 31;

    public const int Last = 40;

    public const ulong All = (1UL << (Last + 1)) - 1;
}

/// <summary>Who a process is, and what it may (credentials(7), capabilities(7)).</summary>
internal sealed record Credentials
{
    public static Credentials Root { get; } = new();

    public uint Uid { get; init; }

    public uint EffectiveUid { get; init; }

    public uint SavedUid { get; init; }

    public uint FileUid { get; init; }

    public uint Gid { get; init; }

    public uint EffectiveGid { get; init; }

    public uint SavedGid { get; init; }

    public uint FileGid { get; init; }

    public IReadOnlyList<uint> Groups { get; init; } = [];

    public ulong Permitted { get; init; } = Capability.All;

    public ulong Effective { get; init; } = Capability.All;

    public ulong Inheritable { get; init; }

    public ulong Bounding { get; init; } = Capability.All;

    public ulong Ambient { get; init; }

    /// <summary>Bits that change what becoming or leaving root does (prctl PR_SET_SECUREBITS).</summary>
    public uint SecureBits { get; init; }

    /// <summary>exec grants nothing any more (PR_SET_NO_NEW_PRIVS).</summary>
    public bool NoNewPrivileges { get; init; }

    public bool Has(ulong capability) => (Effective & capability) != 0;

    public bool IsInGroup(uint gid) => gid == FileGid || Groups.Contains(gid);

    /// <summary>These with other user ids, and what that does to capabilities.</summary>
    public Credentials WithUids(uint real, uint effective, uint saved)
    {
        const uint keepCapabilities = 1 << 4, noFixup = 1 << 2;
        Credentials changed = this with { Uid = real, EffectiveUid = effective, SavedUid = saved, FileUid = effective };
        if ((SecureBits & noFixup) != 0)
            return changed;
        bool wasRoot = Uid == 0 || EffectiveUid == 0 || SavedUid == 0;
        bool isRoot = real == 0 || effective == 0 || saved == 0;
        if (wasRoot && !isRoot)
        {
            changed = changed with { Ambient = 0 };
            if ((SecureBits & keepCapabilities) == 0)
                changed = changed with { Permitted = 0, Effective = 0 };
        }

        if (EffectiveUid == 0 && effective != 0)
            changed = changed with { Effective = 0 };
        else if (EffectiveUid != 0 && effective == 0)
            changed = changed with { Effective = changed.Permitted };
        return changed;
    }
}
