using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>A file that a call names, by a path or by a descriptor.</summary>
/// <param name="Inode">The file.</param>
/// <param name="Mount">The tree it is in; null for files that no tree has.</param>
internal readonly record struct NamedFile(Inode Inode, MountedTree? Mount)
{
    /// <summary>0, or EROFS where nothing may be changed there.</summary>
    public int ToChange => Mount is { IsReadOnly: true } ? -Errno.EROFS : 0;
}

/// <summary>Paths as calls give them: an address, relative to a descriptor or to the working directory.</summary>
internal static class UserPaths
{
    public const int CurrentDirectory = -100;
    public const int NoFollow = 0x100, FollowLink = 0x400, EmptyPath = 0x1000;
    public const int Longest = 4096;

    /// <summary>The file that a path names, which must exist; with AT_EMPTY_PATH and an empty path, the open file itself.</summary>
    public static int Find(KernelTask task, int fd, ulong address, int flags, out NamedFile found)
    {
        found = default;
        string path = "";
        if (address != 0 || (flags & EmptyPath) == 0)
        {
            int error = task.TryReadString(address, Longest, Errno.ENAMETOOLONG, out path);
            if (error != 0)
                return error;
        }

        if (path.Length == 0 && (flags & EmptyPath) != 0)
            return FindOpen(task, fd, out found, orPlace: true);
        int missing = Locate(task, fd, path, (flags & NoFollow) == 0, out PathResult at);
        if (missing != 0)
            return missing;
        if (at.Inode is null)
            return -Errno.ENOENT;
        found = new NamedFile(at.Inode, at.Mount);
        return 0;
    }

    /// <summary>The file behind a descriptor, or the working directory; one that was opened as a place only where that is enough.</summary>
    public static int FindOpen(KernelTask task, int fd, out NamedFile found, bool orPlace = false)
    {
        found = default;
        if (fd == CurrentDirectory)
        {
            found = new NamedFile(task.Process.WorkingDirectory.Inode, task.Process.WorkingDirectory.Mount);
            return 0;
        }

        if ((orPlace ? task.Process.Files.Any(fd) : task.Process.Files[fd]) is not { } file)
            return -Errno.EBADF;
        found = new NamedFile(file.Inode, file.Mount);
        return 0;
    }

    /// <summary>Walks a path; the last component may be missing.</summary>
    public static int Locate(KernelTask task, int fd, ulong address, bool follow, out PathResult result)
    {
        result = default;
        int error = task.TryReadString(address, Longest, Errno.ENAMETOOLONG, out string path);
        return error != 0 ? error : Locate(task, fd, path, follow, out result);
    }

    /// <inheritdoc cref="Locate(KernelTask, int, ulong, bool, out PathResult)"/>
    public static int Locate(KernelTask task, int fd, string path, bool follow, out PathResult result) => Locate(task, fd, path, follow, out result, out _);

    /// <inheritdoc cref="Locate(KernelTask, int, ulong, bool, out PathResult)"/>
    public static int Locate(KernelTask task, int fd, string path, bool follow, out PathResult result, out Place? place, WalkLimits limits = WalkLimits.None)
    {
        result = default;
        place = null;
        if (path.Length == 0)
            return -Errno.ENOENT;
        Place? start = task.Process.WorkingDirectory;
        if (fd != CurrentDirectory && (path[0] != '/' || (limits & (WalkLimits.InRoot | WalkLimits.Beneath)) != 0))
        {
            int error = PlaceOf(task, fd, out start);
            if (error != 0)
                return error;
        }

        return task.Process.Paths.Resolve(task.Process.Credentials, start!, path, follow, out result, out place, task.Process.Root, limits);
    }

    /// <summary>The directory behind a descriptor, as a place to start from.</summary>
    public static int PlaceOf(KernelTask task, int fd, out Place? place)
    {
        place = null;
        if (task.Process.Files.Any(fd) is not { } file)
            return -Errno.EBADF;
        place = file.Place;
        return !file.Inode.IsDirectory || place is null ? -Errno.ENOTDIR : 0;
    }

    /// <summary>Whether an entry may be made in a directory: 0 or a negated error.</summary>
    public static int MayMake(KernelTask task, in PathResult at)
    {
        if (at.Parent.Links == 0)
            return -Errno.ENOENT;
        return AccessCheck.Check(task.Process.Credentials, at.Parent, AccessCheck.Write | AccessCheck.Execute) is < 0 and int denied ? denied : at.Mount.IsReadOnly ? -Errno.EROFS : 0;
    }

    /// <summary>A new file belongs to who made it; in a set-group-id directory to the directory's group.</summary>
    public static void GiveTo(KernelTask task, Inode child, Inode directory)
    {
        const uint setGid = 0x400;
        Credentials who = task.Process.Credentials;
        bool inherits = (directory.Mode & setGid) != 0;
        uint gid = inherits ? directory.Gid : who.FileGid;
        if (child.Uid != who.FileUid || child.Gid != gid)
            child.ChangeOwner(who.FileUid, gid);
        if (inherits && child.IsDirectory)
            child.ChangeMode((child.Mode & InodeMode.Permissions) | setGid);
    }
}
