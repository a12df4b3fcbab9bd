namespace Hypervisor.Guests.Container.Files;

/// <summary>A place in a container's tree: an inode, the directories that lead to it, and the name it was reached by.</summary>
/// <param name="Inode">What is there; null where the last component does not exist.</param>
/// <param name="Directory">The directory of the last component.</param>
/// <param name="Name">The last component, empty for the root.</param>
/// <param name="Mount">The mounted tree it is, or would be, in.</param>
/// <param name="Top">Where the walker's paths begin.</param>
/// <param name="At">The place, where it is a directory that was walked to.</param>
/// <param name="Told">Its path, where a link tells it; null where names make it.</param>
internal readonly record struct PathResult(Inode? Inode, Place Directory, string Name, MountedTree Mount, Place Top, Place? At = null, string? Told = null)
{
    /// <summary>Its absolute path, as the walker sees it; made when it is asked for, since few who walk ask.</summary>
    public string Path => Told ?? At?.PathFrom(Top, out _) ?? MountedTree.Join(Directory.PathFrom(Top, out _), "/" + Name);

    /// <summary>The directory of the last component.</summary>
    public Inode Parent => Directory.Inode;

    /// <summary>Whether a tree is mounted right there, so that its name cannot go.</summary>
    public bool IsMountPoint => Inode is not null && Inode == Mount.Root;

    /// <summary>Its path from the root of its mount.</summary>
    public string PathInMount => IsMountPoint ? "/" : Directory.Mount == Mount ? MountedTree.Join(Directory.PathInMount, "/" + Name) : "/" + Name;
}

/// <summary>A directory one can be in: what paths start from. The chain of those above it is that by which it was reached.</summary>
internal sealed record Place(Inode Inode, Place? Parent, string Name, MountedTree Mount)
{
    /// <summary>A place in a tree without mounts.</summary>
    public Place(Inode inode, Place? parent, string name)
        : this(inode, parent, name, new MountedTree(inode, "tmpfs", "rootfs", isReadOnly: false))
    {
    }

    /// <summary>The absolute path within the container.</summary>
    public string Path => PathFrom(null, out _);

    /// <summary>Its path from the root of its mount.</summary>
    public string PathInMount
    {
        get
        {
            var names = new List<string>();
            for (Place? at = this; at is not null && at.Inode != at.Mount.Root && at.Mount == Mount; at = at.Parent)
                names.Add(at.Name);
            return Text(names);
        }
    }

    /// <summary>Whether two are one directory of one mount, however they were reached.</summary>
    public bool IsSame(Place other) => Inode == other.Inode && Mount == other.Mount;

    /// <summary>The absolute path as somebody sees it whose paths begin at another place.</summary>
    /// <param name="top">Where his paths begin; null for the container's root.</param>
    /// <param name="isReached">Whether that place is above this one.</param>
    public string PathFrom(Place? top, out bool isReached)
    {
        var names = new List<string>();
        Place at = this;
        while (true)
        {
            isReached = top is null ? at.Parent is null : at.IsSame(top);
            if (isReached || at.Parent is null)
                return Text(names);
            names.Add(at.Name);
            at = at.Parent;
        }
    }

    /// <summary>The same place as the mounts that lie over it show it.</summary>
    public Place OnTop()
    {
        Place at = this;
        while (at.Mount.Over(at.Inode) is { } over)
            at = new Place(over.Root, at.Parent, at.Name, over);
        return at;
    }

    /// <summary>A path of names, the last first.</summary>
    private static string Text(List<string> names)
    {
        names.Reverse();
        return "/" + string.Join('/', names);
    }
}
