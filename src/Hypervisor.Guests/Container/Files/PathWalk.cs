using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files;

/// <summary>A place in a container's tree: an inode, the directories that lead to it, and the name it was reached by.</summary>
/// <param name="Inode">What is there; null where the last component does not exist.</param>
/// <param name="Parent">The directory of the last component.</param>
/// <param name="Name">The last component, empty for the root.</param>
/// <param name="Path">Its absolute path within the container.</param>
internal readonly record struct PathResult(Inode? Inode, Inode Parent, string Name, string Path);

/// <summary>A directory one can be in: what paths start from.</summary>
internal sealed record Place(Inode Inode, Place? Parent, string Name)
{
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

    private readonly Dictionary<Inode, Inode> _mounts = [];

    public Place Root => root;

    /// <summary>Shows another tree's root in the place of a directory.</summary>
    public void Mount(Inode directory, Inode mounted) => _mounts[directory] = mounted;

    /// <summary>Walks a path for the kernel itself; 0 or a negated error. The last component may be missing where everything before it exists.</summary>
    public int Resolve(Place start, string path, bool followLast, out PathResult result) => Resolve(Credentials.Root, start, path, followLast, out result, out _);

    /// <summary>Walks a path with somebody's rights.</summary>
    public int Resolve(Credentials who, Place start, string path, bool followLast, out PathResult result) => Resolve(who, start, path, followLast, out result, out _);

    /// <summary>As <see cref="Resolve(Credentials, Place, string, bool, out PathResult)"/>, with the place where the result is a directory.</summary>
    public int Resolve(Credentials who, Place start, string path, bool followLast, out PathResult result, out Place? place)
    {
        int links = 0;
        return Walk(who, start, path, followLast, ref links, out result, out place);
    }

    private int Walk(Credentials who, Place start, string path, bool followLast, ref int links, out PathResult result, out Place? place)
    {
        result = default;
        place = null;
        if (path.Length == 0)
            return -Errno.ENOENT;
        if (path.Length >= MaximumPath)
            return -Errno.ENAMETOOLONG;
        Place at = path[0] == '/' ? root : start;
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
                result = new PathResult(null, at.Inode, name, Join(at, name));
                return 0;
            }

            if (_mounts.TryGetValue(child, out Inode? mounted))
                child = mounted;
            if (child.IsSymlink && (!last || followLast || wantsDirectory))
            {
                if (++links > MaximumLinks)
                    return -Errno.ELOOP;
                int error = Walk(who, at, child.Target, true, ref links, out PathResult target, out Place? reached);
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
                at = new Place(child, at, name);
                continue;
            }

            if (!last || wantsDirectory)
                return -Errno.ENOTDIR;
            result = new PathResult(child, at.Inode, name, Join(at, name));
            return 0;
        }

        place = at;
        result = new PathResult(at.Inode, at.Parent?.Inode ?? at.Inode, at.Name, at.Path);
        return 0;
    }

    private static string Join(Place directory, string name)
    {
        string path = directory.Path;
        return path == "/" ? "/" + name : $"{path}/{name}";
    }
}
