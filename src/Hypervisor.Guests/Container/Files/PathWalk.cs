using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files;

/// <summary>What a walk may not do; the bits of <c>RESOLVE_*</c> (openat2(2)).</summary>
[Flags]
internal enum WalkLimits
{
    None = 0,

    /// <summary>It stays in the mount where it begins.</summary>
    OneMount = 1,

    /// <summary>Links of /proc that lead to files rather than names are refused.</summary>
    NoMagicLinks = 2,

    NoLinks = 4,

    /// <summary>It stays below the directory where it begins.</summary>
    Beneath = 8,

    /// <summary>The directory where it begins is its root.</summary>
    InRoot = 16,
}

/// <summary>
/// A mount namespace, and how paths are walked in it (path_resolution(7)): component by component, from mount to mount. The
/// chain of places walked is kept, so that <c>..</c> goes back along it and never above the root, whatever links were followed.
/// </summary>
internal sealed class PathWalk
{
    private const int MaximumLinks = 40;
    private const int MaximumName = 255;
    private const int MaximumPath = 4096;

    public PathWalk(Place root, MountNumbers? numbers = null)
    {
        Root = root;
        Numbers = numbers ?? new MountNumbers();
        Enter(root.Mount);
    }

    /// <summary>Counts its mounts with those of the container's other namespaces.</summary>
    public MountNumbers Numbers { get; }

    /// <summary>Where absolute paths begin for who changed nothing about that.</summary>
    public Place Root { get; set; }

    /// <summary>The trees that are mounted, the root first, each before those that lie over it.</summary>
    public IEnumerable<MountedTree> Mounts => Below(Root.Mount);

    /// <summary>A mount and all that lie over it, each before those over it.</summary>
    public static IEnumerable<MountedTree> Below(MountedTree mount)
    {
        // Mounts may lie over each other deeper than a stack.
        var left = new Stack<MountedTree>();
        left.Push(mount);
        while (left.TryPop(out MountedTree? next))
        {
            yield return next;
            foreach (MountedTree child in next.Children.Reverse())
                left.Push(child);
        }
    }

    /// <summary>Shows another tree in the place of a directory or file.</summary>
    public void Mount(in PathResult at, MountedTree tree)
    {
        tree.Attach(at.Mount, at.Inode!, at.PathInMount);
        Enter(tree);
    }

    /// <summary>The mounts that lie below a file of a mount, each before those over it.</summary>
    public static List<MountedTree> Under(in PathResult top)
    {
        string path = top.PathInMount;
        return [.. top.Mount.Children.Where(child => path == "/" || child.AtPath == path || child.AtPath.StartsWith(path + "/", StringComparison.Ordinal)).SelectMany(Below)];
    }

    /// <summary>Mounts part of a mount elsewhere, with some of the mounts that lie below it.</summary>
    /// <param name="from">The part.</param>
    /// <param name="at">What it is to cover.</param>
    /// <param name="copy">The mount of the part.</param>
    /// <param name="also">Those below it, each before those over it.</param>
    public void MountPart(in PathResult from, in PathResult at, MountedTree copy, IReadOnlyList<MountedTree> also)
    {
        var copies = new Dictionary<MountedTree, MountedTree> { { from.Mount, copy } };
        string above = from.PathInMount;
        Mount(in at, copy);
        foreach (MountedTree each in also)
        {
            if (!copies.TryGetValue(each.Parent!, out MountedTree? over))
                continue;
            MountedTree next = each.Bind(each.Root, "/");
            next.IsLocked = each.IsLocked;
            string path = each.AtPath;
            next.Attach(over, each.At!, each.Parent != from.Mount || above == "/" ? path : path == above ? "/" : path[above.Length..]);
            Enter(next);
            copies.Add(each, next);
        }
    }

    /// <summary>A mount is of this namespace from now on.</summary>
    public void Enter(MountedTree mount)
    {
        mount.Namespace = this;
        mount.Id = Numbers.NextMount();
        if (mount.Device == 0)
            mount.Device = Numbers.NextDevice();
        Numbers.Count++;
        mount.Content?.Mounted();
        if (mount.Root is NamespaceInode { Namespace: var kept })
            kept.Acquire();
    }

    /// <summary>Takes a mount away, and all that lie over it.</summary>
    public void Take(MountedTree mount)
    {
        foreach (MountedTree each in Below(mount).Reverse().ToArray())
        {
            each.Detach();
            each.Namespace = null;
            Numbers.Count--;
            each.Content?.Unmounted();
            if (each.Root is NamespaceInode { Namespace: var kept })
                kept.Release();
        }
    }

    /// <summary>Nobody is in this namespace any more.</summary>
    public void Close() => Take(Root.Mount);

    /// <summary>A namespace with the same mounts; null where the container may have no more.</summary>
    /// <param name="isLess">Whether it is for users with fewer rights: what was mounted over is to stay so, and what is forbidden.</param>
    /// <param name="translate">Finds a place of this namespace in the new one.</param>
    public PathWalk? Copy(bool isLess, out Func<Place, Place> translate)
    {
        const MountRights lasting = MountRights.ReadOnly | MountRights.NoSetId | MountRights.NoDevices | MountRights.NoExecute;
        translate = static place => place;
        List<MountedTree> all = [.. Mounts];
        if (Numbers.Count + all.Count > MountNumbers.Most)
            return null;
        var copies = new Dictionary<MountedTree, MountedTree>();
        PathWalk? made = null;
        foreach (MountedTree mount in all)
        {
            MountedTree copy = mount.Bind(mount.Root, "/");
            copy.IsLocked = mount.IsLocked || (isLess && made is not null);
            if (isLess)
                copy.LockedRights |= copy.Rights & lasting;
            copies.Add(mount, copy);
            if (made is null)
            {
                made = new PathWalk(new Place(copy.Root, null, "", copy), Numbers);
                continue;
            }

            copy.Attach(copies[mount.Parent!], mount.At!, mount.AtPath);
            made.Enter(copy);
        }

        translate = place => Translate(place, copies)!;
        return made;
    }

    private static Place? Translate(Place? place, Dictionary<MountedTree, MountedTree> copies)
    {
        // From the top down, for directories may be deep.
        var chain = new Stack<Place>();
        for (Place? at = place; at is not null; at = at.Parent)
            chain.Push(at);
        Place? made = null;
        foreach (Place each in chain)
            made = new Place(each.Inode, made, each.Name, copies.GetValueOrDefault(each.Mount, each.Mount));
        return made;
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
    /// <param name="top">Where absolute paths begin; null for the namespace's root.</param>
    /// <param name="limits">What the walk may not do.</param>
    public int Resolve(Credentials who, Place start, string path, bool followLast, out PathResult result, out Place? place, Place? top = null, WalkLimits limits = WalkLimits.None)
    {
        result = default;
        place = null;
        if (path.Length == 0)
            return -Errno.ENOENT;
        if (path.Length >= MaximumPath)
            return -Errno.ENAMETOOLONG;
        top ??= Root;
        if ((limits & WalkLimits.InRoot) != 0)
            top = start;
        if ((limits & WalkLimits.Beneath) != 0 && path[0] == '/')
            return -Errno.EXDEV;
        if ((limits & (WalkLimits.OneMount | WalkLimits.InRoot)) == WalkLimits.OneMount && path[0] == '/' && start.Mount != top.Mount)
            start = top;
        var state = new State { Who = who, Top = top, Floor = start, Limits = limits };
        return Walk(ref state, start, path, followLast, out result, out place);
    }

    /// <summary>What stays the same over a walk and the links in it.</summary>
    private struct State
    {
        public Credentials Who;
        public Place Top;
        public Place Floor;
        public WalkLimits Limits;
        public int Links;
    }

    private static int Walk(ref State state, Place start, string path, bool followLast, out PathResult result, out Place? place)
    {
        result = default;
        place = null;
        Place at = path[0] == '/' ? state.Top : start;
        int end = path.Length;
        while (end > 0 && path[end - 1] == '/')
            end--;
        ReadOnlySpan<char> trimmed = path.AsSpan(0, end);
        bool wantsDirectory = path[^1] == '/' || trimmed[(trimmed.LastIndexOf('/') + 1)..] is "." or "..";
        for (int next = 0; next < trimmed.Length;)
        {
            int length = trimmed[next..].IndexOf('/');
            if (length == 0)
            {
                next++;
                continue;
            }

            bool last = length < 0;
            string name = path.Substring(next, last ? trimmed.Length - next : length);
            next += name.Length;
            if (name.Length > MaximumName)
                return -Errno.ENAMETOOLONG;
            if (!at.Inode.IsDirectory)
                return -Errno.ENOTDIR;
            if (AccessCheck.Check(state.Who, at.Inode, AccessCheck.Execute) is < 0 and int denied)
                return denied;
            if (name == ".")
                continue;
            if (name == "..")
            {
                int refused = Up(in state, ref at);
                if (refused != 0)
                    return refused;
                continue;
            }

            Inode? child = at.Inode.Lookup(name);
            if (child is null)
            {
                if (!last)
                    return -Errno.ENOENT;
                result = new PathResult(null, at, name, at.Mount, state.Top);
                return 0;
            }

            MountedTree mount = at.Mount;
            while (mount.Over(child) is { } over)
                (mount, child) = (over, over.Root);
            if (mount != at.Mount && (state.Limits & WalkLimits.OneMount) != 0)
                return -Errno.EXDEV;
            if (child.IsSymlink && (!last || followLast || wantsDirectory))
            {
                int error = Follow(ref state, at, child, name, out PathResult target, out Place? reached);
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
            result = new PathResult(child, at, name, mount, state.Top);
            return 0;
        }

        place = at;
        result = ResultOf(in state, at);
        return 0;
    }

    /// <summary>Goes where a link leads.</summary>
    private static int Follow(ref State state, Place at, Inode link, string name, out PathResult result, out Place? place)
    {
        result = default;
        place = null;
        if (++state.Links > MaximumLinks || (state.Limits & WalkLimits.NoLinks) != 0 || (at.Mount.Rights & MountRights.NoSymlinks) != 0)
            return -Errno.ELOOP;
        if (link.Jump is { } jump)
        {
            // A link of /proc leads to the file itself, whatever its name leads to now.
            if ((state.Limits & WalkLimits.NoMagicLinks) != 0)
                return -Errno.ELOOP;
            if ((state.Limits & (WalkLimits.Beneath | WalkLimits.InRoot)) != 0 || ((state.Limits & WalkLimits.OneMount) != 0 && jump.Mount != at.Mount))
                return -Errno.EXDEV;
            place = jump.Place;
            result = place is not null ? ResultOf(in state, place) : new PathResult(jump.Inode, at, name, jump.Mount ?? at.Mount, state.Top, Told: jump.Path);
            return 0;
        }

        string target = link.Target;
        if (target.Length == 0)
            return -Errno.ENOENT;
        if (target[0] == '/')
        {
            if ((state.Limits & WalkLimits.Beneath) != 0 || ((state.Limits & WalkLimits.OneMount) != 0 && state.Top.Mount != at.Mount))
                return -Errno.EXDEV;
        }

        return Walk(ref state, at, target, followLast: true, out result, out place);
    }

    private static int Up(in State state, ref Place at)
    {
        if ((state.Limits & WalkLimits.Beneath) != 0 && at.IsSame(state.Floor))
            return -Errno.EXDEV;
        if (at.IsSame(state.Top) || at.Parent is not { } above)
            return 0;
        if ((state.Limits & WalkLimits.OneMount) != 0 && above.Mount != at.Mount)
            return -Errno.EXDEV;
        at = above;
        return 0;
    }

    private static PathResult ResultOf(in State state, Place at) => new(at.Inode, at.Parent ?? at, at.Name, at.Mount, state.Top, At: at);
}
