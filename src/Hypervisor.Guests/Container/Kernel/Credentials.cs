using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Isolation;

namespace Hypervisor.Guests.Container.Kernel;

/// <summary>Capabilities by number (capability.h), as bits.</summary>
internal static class Capability
{
    public const ulong ChangeOwner = 1UL << 0, OverrideAccess = 1UL << 1, ReadSearch = 1UL << 2, FileOwner = 1UL << 3, FileSetId = 1UL << 4;
    public const ulong Kill = 1UL << 5, SetGid = 1UL << 6, SetUid = 1UL << 7, SetCapabilities = 1UL << 8, BindService = 1UL << 10;
    public const ulong LockMemory = 1UL << 14, OwnIpc = 1UL << 15, ChangeRoot = 1UL << 18, Trace = 1UL << 19, Administer = 1UL << 21, Nice = 1UL << 23, Resource = 1UL << 24;
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

    /// <summary>The user namespace that the capabilities are of; null for the container's own.</summary>
    public UserNamespace? Namespace { get; init; }

    /// <summary>Who the namespace's superuser is; nobody where it has none.</summary>
    private uint RootUser => Namespace?.Users.ToOutside(0) ?? 0;

    /// <summary>Whether there is a capability over the whole container.</summary>
    public bool Has(ulong capability) => Namespace is null && (Effective & capability) != 0;

    /// <summary>Whether there is a capability over what belongs to its own user namespace.</summary>
    public bool HasHere(ulong capability) => (Effective & capability) != 0;

    /// <summary>Whether there is a capability over what belongs to a user namespace, null for the container's own (user_namespaces(7)).</summary>
    public bool HasIn(UserNamespace? place, ulong capability)
    {
        while (place != Namespace)
        {
            if (place is null || place.Level <= (Namespace?.Level ?? 0))
                return false;

            // Who made a namespace has all capabilities in it, as long as he is where he made it.
            if (place.Owner == Namespace && place.OwnerUid == EffectiveUid)
                return true;
            place = place.Owner;
        }

        return HasHere(capability);
    }

    /// <summary>Whether there is a capability over a file, whose owners the user namespace must know.</summary>
    public bool HasOver(Inode inode, ulong capability)
        => HasHere(capability) && (Namespace is null || (UserKnown(inode.Uid) && GroupKnown(inode.Gid)));

    /// <summary>A user of the container's as the namespace is told of him.</summary>
    public uint TellUser(uint id, uint unknown = IdMap.Overflow) => Namespace is null ? id : Namespace.Users.ToInside(id) is var inside && inside == IdMap.None ? unknown : inside;

    /// <summary>A group of the container's as the namespace is told of it.</summary>
    public uint TellGroup(uint id, uint unknown = IdMap.Overflow) => Namespace is null ? id : Namespace.Groups.ToInside(id) is var inside && inside == IdMap.None ? unknown : inside;

    /// <summary>A user whom the namespace names; <see cref="IdMap.None"/> where it has no such.</summary>
    public uint UserOf(uint id) => Namespace is null ? id : Namespace.Users.ToOutside(id);

    /// <summary>A group that the namespace names; <see cref="IdMap.None"/> where it has no such.</summary>
    public uint GroupOf(uint id) => Namespace is null ? id : Namespace.Groups.ToOutside(id);

    /// <summary>The same users with all capabilities of a user namespace.</summary>
    public Credentials WithAll(UserNamespace place) => this with
    {
        Namespace = place.IsFirst ? null : place,
        Permitted = Capability.All,
        Effective = Capability.All,
        Bounding = Capability.All,
        Inheritable = 0,
        Ambient = 0,
        SecureBits = 0,
    };

    /// <summary>Whether a user is the namespace's superuser.</summary>
    public bool IsRoot(uint user) => user == RootUser;

    private bool UserKnown(uint id) => Namespace!.Users.ToInside(id) != IdMap.None;

    private bool GroupKnown(uint id) => Namespace!.Groups.ToInside(id) != IdMap.None;

    public bool IsInGroup(uint gid) => gid == FileGid || Groups.Contains(gid);

    /// <summary>These with other user ids, and what that does to capabilities.</summary>
    public Credentials WithUids(uint real, uint effective, uint saved)
    {
        const uint keepCapabilities = 1 << 4, noFixup = 1 << 2;
        Credentials changed = this with { Uid = real, EffectiveUid = effective, SavedUid = saved, FileUid = effective };
        if ((SecureBits & noFixup) != 0)
            return changed;
        bool wasRoot = IsRoot(Uid) || IsRoot(EffectiveUid) || IsRoot(SavedUid);
        bool isRoot = IsRoot(real) || IsRoot(effective) || IsRoot(saved);
        if (wasRoot && !isRoot)
        {
            changed = changed with { Ambient = 0 };
            if ((SecureBits & keepCapabilities) == 0)
                changed = changed with { Permitted = 0, Effective = 0 };
        }

        if (IsRoot(EffectiveUid) && !IsRoot(effective))
            changed = changed with { Effective = 0 };
        else if (!IsRoot(EffectiveUid) && IsRoot(effective))
            changed = changed with { Effective = changed.Permitted };
        return changed;
    }
}
