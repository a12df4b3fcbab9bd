using Hypervisor.Guests.Container.Isolation;

namespace Hypervisor.Guests.Container.Files;

/// <summary>What may not be done by way of a mount; the bits of <c>mount(2)</c>.</summary>
[Flags]
internal enum MountRights : uint
{
    None = 0,
    ReadOnly = 1,
    NoSetId = 2,
    NoDevices = 4,
    NoExecute = 8,
    NoSymlinks = 0x100,
    NoAccessTimes = 0x400,
    NoDirectoryAccessTimes = 0x800,
    RelativeAccessTimes = 0x20_0000,
}

/// <summary>Numbers of mounts and of the devices they show as, counted for a container: all its mount namespaces together have a limit.</summary>
internal sealed class MountNumbers
{
    /// <summary>Mounts that all namespaces of a container may have together.</summary>
    public const int Most = 4096;

    private const int FirstMount = 20;
    private const int FirstDevice = 13;

    private int _mount = FirstMount;
    private int _device = FirstDevice;

    /// <summary>Mounts there are.</summary>
    public int Count { get; set; }

    public int NextMount() => _mount++;

    public int NextDevice() => _device++;
}

/// <summary>A tree of files at its place in a mount namespace: a file system, or part of one that is mounted elsewhere too.</summary>
/// <param name="root">Its root; a file where a single file is mounted.</param>
/// <param name="type">Its kind, as /proc/mounts names it.</param>
/// <param name="source">What it shows, as /proc/mounts names it.</param>
/// <param name="isReadOnly">Whether nothing in it may be changed by way of this place.</param>
internal sealed class MountedTree(Inode root, string type, string source, bool isReadOnly)
{
    private Dictionary<Inode, MountedTree>? _over;

    public Inode Root => root;

    public string Type => type;

    public string Source => source;

    /// <summary>Where its root is in its file system: not at the top for a part of one (MS_BIND).</summary>
    public string RootPath { get; init; } = "/";

    /// <summary>Options of its file system, as /proc/mounts tells them, with a comma before each.</summary>
    public string Options { get; init; } = "";

    public MountRights Rights { get; set; } = isReadOnly ? MountRights.ReadOnly | MountRights.RelativeAccessTimes : MountRights.RelativeAccessTimes;

    public bool IsReadOnly => (Rights & MountRights.ReadOnly) != 0;

    /// <summary>The device its files show as; 0 before it is mounted.</summary>
    public int Device { get; set; }

    /// <summary>Its number; 0 before it is mounted.</summary>
    public int Id { get; set; }

    /// <summary>Room that its files take; null for the container's.</summary>
    public FileStore? Store { get; init; }

    /// <summary>Whose capabilities count over its file system; null for the container's own users.</summary>
    public UserNamespace? Owner { get; init; }

    /// <summary>Its files, where a program mounted them; null for those that outlast their mounts.</summary>
    public MountedContent? Content { get; init; }

    /// <summary>It may not be taken away from over what it covers: the container's configuration hides that, or a namespace with more rights.</summary>
    public bool IsLocked { get; set; }

    /// <summary>What it forbids for good, and whatever is made of it.</summary>
    public MountRights LockedRights { get; set; } = isReadOnly ? MountRights.ReadOnly : MountRights.None;

    /// <summary>The namespace that it is in; null once it is taken away.</summary>
    public PathWalk? Namespace { get; set; }

    /// <summary>The mount that it lies over; null for the root of a namespace.</summary>
    public MountedTree? Parent { get; private set; }

    /// <summary>What it covers.</summary>
    public Inode? At { get; private set; }

    /// <summary>Where that is, from the root of <see cref="Parent"/>.</summary>
    public string AtPath { get; private set; } = "/";

    /// <summary>Those that lie over it, in the order in which they came.</summary>
    public IEnumerable<MountedTree> Children => _over is null ? [] : _over.Values.OrderBy(mount => mount.Id);

    public bool HasChildren => _over is { Count: > 0 };

    /// <summary>The mount that covers one of its files; null for none.</summary>
    public MountedTree? Over(Inode inode) => _over is null ? null : _over.GetValueOrDefault(inode);

    /// <summary>Whether it is another or lies over it, however many are between.</summary>
    public bool IsWithin(MountedTree other)
    {
        for (MountedTree? at = this; at is not null; at = at.Parent)
        {
            if (at == other)
                return true;
        }

        return false;
    }

    /// <summary>Lays it over a file of another mount, which nothing covers.</summary>
    public void Attach(MountedTree parent, Inode at, string path)
    {
        (Parent, At, AtPath) = (parent, at, path);
        (parent._over ??= []).Add(at, this);

        // A covered file must stay itself, however long nobody looks.
        at.Acquire();
    }

    /// <summary>Uncovers what it lies over.</summary>
    public void Detach()
    {
        if (Parent is null)
            return;
        Parent._over!.Remove(At!);
        At!.Release();
        Parent = null;
        At = null;
        AtPath = "/";
    }

    /// <summary>The same files once more, to be mounted elsewhere.</summary>
    /// <param name="top">The file or directory of it that is to be the root.</param>
    /// <param name="path">Where that is, from this one's root.</param>
    public MountedTree Bind(Inode top, string path) => new(top, Type, Source, isReadOnly: false)
    {
        RootPath = Join(RootPath, path),
        Options = Options,
        Rights = Rights,
        Device = Device,
        Store = Store,
        Owner = Owner,
        Content = Content,
        LockedRights = LockedRights,
    };

    /// <summary>Its path from the root of its namespace.</summary>
    public string FullPath
    {
        get
        {
            string path = "/";
            for (MountedTree at = this; at.Parent is { } below; at = below)
                path = Join(at.AtPath, path);
            return path;
        }
    }

    /// <summary>One path below another, both absolute.</summary>
    public static string Join(string above, string below) => above == "/" ? below : below == "/" ? above : above + below;
}
