using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Ipc;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Isolation;

/// <summary>The kinds of namespaces, by the bits of clone(2).</summary>
internal static class NamespaceKind
{
    public const ulong Mounts = 0x2_0000, ControlGroup = 0x200_0000, Names = 0x400_0000, Ipc = 0x800_0000, Users = 0x1000_0000, Processes = 0x2000_0000, Network = 0x4000_0000;

    public const ulong All = Mounts | ControlGroup | Names | Ipc | Users | Processes | Network;

    /// <summary>What each kind is called in /proc/PID/ns.</summary>
    public static IReadOnlyList<(string Name, ulong Kind)> ByName { get; } =
        [("cgroup", ControlGroup), ("ipc", Ipc), ("mnt", Mounts), ("net", Network), ("pid", Processes), ("user", Users), ("uts", Names)];

    public static string NameOf(ulong kind) => ByName.First(each => each.Kind == kind).Name;
}

/// <summary>A namespace (namespaces(7)), counted by the processes that are in it and the files that stand for it.</summary>
/// <param name="set">The container's namespaces.</param>
/// <param name="kind">Its bit.</param>
/// <param name="owner">The user namespace whose capabilities count in it; null for the container's own.</param>
internal abstract class Namespace(NamespaceSet set, ulong kind, UserNamespace? owner)
{
    private NamespaceInode? _inode;
    private int _holders;

    public NamespaceSet Set => set;

    public ulong Kind => kind;

    public UserNamespace? Owner => owner;

    /// <summary>Its number among the container's namespaces.</summary>
    public ulong Number { get; } = set.NextNumber();

    /// <summary>The file that stands for it in /proc/PID/ns.</summary>
    public NamespaceInode Inode => _inode ??= new NamespaceInode(this, set.Store);

    public string Text => $"{NamespaceKind.NameOf(kind)}:[{Number}]";

    public void Acquire()
    {
        if (_holders++ == 0)
            set.Count++;
    }

    public void Release()
    {
        if (--_holders != 0)
            return;
        set.Count--;
        Ended();
    }

    /// <summary>Nobody is in it any more, and nothing leads to it.</summary>
    protected virtual void Ended()
    {
    }
}

/// <summary>Counts a container's namespaces.</summary>
internal sealed class NamespaceSet(FileStore store)
{
    /// <summary>Namespaces that a container may have at a time.</summary>
    public const int Most = 2048;

    private ulong _next = 4026531834;

    public FileStore Store => store;

    /// <summary>The file system that files of namespaces are in.</summary>
    public MountedTree Tree { get; } = new(new NamelessInode(store, InodeMode.Directory | 0x16D), "nsfs", "nsfs", isReadOnly: false) { Device = 4 };

    public int Count { get; set; }

    public ulong NextNumber() => _next++;
}

/// <summary>Users and groups, and whose capabilities over them count.</summary>
internal sealed class UserNamespace : Namespace
{
    /// <summary>How deep they may be in each other.</summary>
    public const int Deepest = 32;

    public UserNamespace(NamespaceSet set, UserNamespace? parent, uint ownerUid, uint ownerGid) : base(set, NamespaceKind.Users, parent)
    {
        Level = parent is null ? 1 : parent.Level + 1;
        (OwnerUid, OwnerGid) = (ownerUid, ownerGid);
        AllowsGroups = parent?.AllowsGroups ?? true;
        parent?.Acquire();
    }

    public int Level { get; }

    /// <summary>The container's own, which nothing but its file stands for.</summary>
    public bool IsFirst { get; init; }

    /// <summary>Who made it.</summary>
    public uint OwnerUid { get; }

    /// <inheritdoc cref="OwnerUid"/>
    public uint OwnerGid { get; }

    public IdMap Users { get; set; } = new();

    public IdMap Groups { get; set; } = new();

    /// <summary>Whether setgroups(2) may be called in it (/proc/PID/setgroups).</summary>
    public bool AllowsGroups { get; set; }

    protected override void Ended() => Owner?.Release();
}

/// <summary>The system's names.</summary>
internal sealed class NamesNamespace(NamespaceSet set, UserNamespace? owner, string host, string domain) : Namespace(set, NamespaceKind.Names, owner)
{
    public string Host { get; set; } = host;

    public string Domain { get; set; } = domain;
}

/// <summary>A namespace of control groups: every container has one group only, its root.</summary>
internal sealed class ControlGroupNamespace(NamespaceSet set, UserNamespace? owner) : Namespace(set, NamespaceKind.ControlGroup, owner);

/// <summary>What of a network programs see.</summary>
internal sealed class NetworkNamespace(NamespaceSet set, UserNamespace? owner, ContainerNetwork network) : Namespace(set, NamespaceKind.Network, owner)
{
    public ContainerNetwork Network => network;
}

/// <summary>What is mounted.</summary>
internal sealed class MountNamespace(NamespaceSet set, UserNamespace? owner, PathWalk paths) : Namespace(set, NamespaceKind.Mounts, owner)
{
    public PathWalk Paths => paths;

    protected override void Ended() => paths.Close();
}

/// <summary>Objects of interprocess communication that have keys or names.</summary>
internal sealed class IpcNamespace(NamespaceSet set, UserNamespace? owner) : Namespace(set, NamespaceKind.Ipc, owner)
{
    public IpcObjects Objects { get; } = new(set.Store);

    protected override void Ended() => Objects.Close();
}

/// <summary>The namespaces that a process is in, but for that of its user, which its credentials name.</summary>
/// <param name="Mounts">What it sees mounted.</param>
/// <param name="Names">The system's names.</param>
/// <param name="Ipc">Objects of interprocess communication.</param>
/// <param name="Network">Its network.</param>
/// <param name="ControlGroup">Its control groups.</param>
/// <param name="ForChildren">The namespace of processes that its children are in.</param>
internal sealed record ProcessNamespaces(MountNamespace Mounts, NamesNamespace Names, IpcNamespace Ipc, NetworkNamespace Network, ControlGroupNamespace ControlGroup, ProcessNamespace ForChildren)
{
    private IEnumerable<Namespace> All => [Mounts, Names, Ipc, Network, ControlGroup, ForChildren];

    /// <summary>One more process is in them.</summary>
    public ProcessNamespaces Acquire()
    {
        foreach (Namespace each in All)
            each.Acquire();
        return this;
    }

    public void Release()
    {
        foreach (Namespace each in All)
            each.Release();
    }
}
