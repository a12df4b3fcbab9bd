using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files;

/// <summary>A place in a container's tree: an inode, the directories that lead to it, and the name it was reached by.</summary>
/// <param name="Inode">What is there; null where the last component does not exist.</param>
/// <param name="Parent">The directory of the last component.</param>
/// <param name="Name">The last component, empty for the root.</param>
/// <param name="Path">Its absolute path within the container.</param>
/// <param name="Mount">The mounted tree it is, or would be, in.</param>
internal readonly record struct PathResult(Inode? Inode, Inode Parent, string Name, string Path, MountedTree Mount)
{
    /// <summary>Whether a tree is mounted right there, so that its name cannot go.</summary>
    public bool IsMountPoint => Inode is not null && Inode == Mount.Root;
}

/// <summary>A tree of files at its place in the container.</summary>
/// <param name="Root">Its root; a file where a single file is mounted.</param>
/// <param name="Path">Where it is.</param>
/// <param name="Type">Its kind, as /proc/mounts names it.</param>
/// <param name="Source">What it shows, as /proc/mounts names it.</param>
/// <param name="IsReadOnly">Whether nothing in it may be changed by way of this place.</param>
internal sealed record MountedTree(Inode Root, string Path, string Type, string Source, bool IsReadOnly);

/// <summary>A directory one can be in: what paths start from.</summary>
internal sealed record Place(Inode Inode, Place? Parent, string Name, MountedTree Mount)
{
    /// <summary>A place in a tree without mounts.</summary>
    public Place(Inode inode, Place? parent, string name)
        : this(inode, parent, name, new MountedTree(inode, "/", "tmpfs", "rootfs", IsReadOnly: false))
    {
    }

    /// <summary>The absolute path within the container.</summary>
    public string Path
    {
        get
        {
            if (Parent is null)
                return "/";
            string above = Parent.Path;
            return above == "/" ? "/" + Name : $"{above}/{Name}";
        }
    }
}

/// <summary>
/// Resolves paths component by component, inside one container's tree (path_resolution(7)). The chain of places walked is
/// kept, so that <c>..</c> goes back along it and never above the root, whatever links were followed.
/// </summary>
internal sealed class PathWalk(Place root)
{
    private const int MaximumLinks = 40;
    private const int MaximumName = 255;
    private const int MaximumPath = 4096;

    private readonly Dictionary<Inode, MountedTree> _mounts = [];
    private readonly List<MountedTree> _order = [root.Mount];

    public Place Root => root;

    /// <summary>The trees that are mounted, the root first.</summary>
    public IReadOnlyList<MountedTree> Mounts => _order;

    /// <summary>Shows another tree in the place of a directory or file.</summary>
    public void Mount(Inode at, MountedTree tree)
    {
        _mounts[at] = tree;
        _order.Add(tree);
    }

    /// <summary>Walks a path for the kernel itself; 0 or a negated error. The last component may be missing where everything before it exists.</summary>
    public int Resolve(Place start, string path, bool followLast, out PathResult result) => Resolve(Credentials.Root, start, path, followLast, out result, out _);

    /// <summary>Walks a path with somebody's rights.</summary>
    public int Resolve(Credentials who, Place start, string path, bool followLast, out PathResult result) => Resolve(who, start, path, followLast, out result, out _);

    /// <summary>As <see cref="Resolve(Credentials, Place, string, bool, out PathResult)"/>, with the place where the result is a directory.</summary>
    /// <param name="who">Whose rights count.</param>
    /// <param name="start">Where relative paths begin.</param>
    /// <param name="path">The path.</param>
    /// <param name="followLast">Whether a link in the last place is followed.</param>
    /// <param name="result">What was found.</param>
    /// <param name="place">The place, where it is a directory.</param>
    /// <param name="top">Where absolute paths begin; null for the container's root.</param>
    public int Resolve(Credentials who, Place start, string path, bool followLast, out PathResult result, out Place? place, Place? top = null)
    {
        int links = 0;
        return Walk(who, top ?? root, start, path, followLast, ref links, out result, out place);
    }

    private int Walk(Credentials who, Place top, Place start, string path, bool followLast, ref int links, out PathResult result, out Place? place)
    {
        result = default;
        place = null;
        if (path.Length == 0)
            return -Errno.ENOENT;
        if (path.Length >= MaximumPath)
            return -Errno.ENAMETOOLONG;
        Place at = path[0] == '/' ? top : start;
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        bool wantsDirectory = path[^1] == '/' || (parts.Length > 0 && parts[^1] is "." or "..");
        for (int i = 0; i < parts.Length; i++)
        {
            string name = parts[i];
            if (name.Length > MaximumName)
                return -Errno.ENAMETOOLONG;
            if (!at.Inode.IsDirectory)
                return -Errno.ENOTDIR;
            if (AccessCheck.Check(who, at.Inode, AccessCheck.Execute) is < 0 and int denied)
                return denied;
            if (name == ".")
                continue;
            if (name == "..")
            {
                at = at.Parent ?? at;
                continue;
            }

            bool last = i == parts.Length - 1;
            Inode? child = at.Inode.Lookup(name);
            if (child is null)
            {
                if (!last)
                    return -Errno.ENOENT;
                result = new PathResult(null, at.Inode, name, Join(at, name), at.Mount);
                return 0;
            }

            MountedTree mount = Cross(ref child, at.Mount);
            if (child.IsSymlink && (!last || followLast || wantsDirectory))
            {
                if (++links > MaximumLinks)
                    return -Errno.ELOOP;
                if (last && child.Jump is { Inode: { IsDirectory: false } open } jump)
                {
                    // /proc/PID/fd leads to the open file itself, whatever its name leads to now.
                    result = new PathResult(open, at.Inode, name, jump.Path, jump.Mount ?? at.Mount);
                    return wantsDirectory ? -Errno.ENOTDIR : 0;
                }

                int error = Walk(who, top, at, child.Target, true, ref links, out PathResult target, out Place? reached);
                if (error != 0)
                    return error;
                if (last)
                {
                    result = target;
                    place = reached;
                    return wantsDirectory && target.Inode is { IsDirectory: false } ? -Errno.ENOTDIR : 0;
                }

                if (target.Inode is null)
                    return -Errno.ENOENT;
                if (reached is null)
                    return -Errno.ENOTDIR;
                at = reached;
                continue;
            }

            if (child.IsDirectory)
            {
                at = new Place(child, at, name, mount);
                continue;
            }

            if (!last || wantsDirectory)
                return -Errno.ENOTDIR;
            result = new PathResult(child, at.Inode, name, Join(at, name), mount);
            return 0;
        }

        place = at;
        result = new PathResult(at.Inode, at.Parent?.Inode ?? at.Inode, at.Name, at.Path, at.Mount);
        return 0;
    }

    /// <summary>From what is covered to what covers it, on top of which there may be more.</summary>
    private MountedTree Cross(ref Inode inode, MountedTree mount)
    {
        while (_mounts.TryGetValue(inode, out MountedTree? mounted))
        {
            mount = mounted;
            if (mounted.Root == inode)
                break; // A tree over itself, with other rights.
            inode = mounted.Root;
        }

        return mount;
    }

    private static string Join(Place directory, string name)
    {
        string path = directory.Path;
        return path == "/" ? "/" + name : $"{path}/{name}";
    }
}
