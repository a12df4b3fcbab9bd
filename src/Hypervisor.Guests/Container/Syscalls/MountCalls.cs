using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>mount, umount2 and pivot_root, within a process's mount namespace.</summary>
internal static class MountCalls
{
    private const ulong Remount = 0x20, Bind = 0x1000, Move = 0x2000, Recursive = 0x4000, Silent = 0x8000;
    private const ulong Unbindable = 0x2_0000, Private = 0x4_0000, Slave = 0x8_0000, Shared = 0x10_0000, StrictTimes = 0x100_0000;
    private const MountRights Told = MountRights.ReadOnly | MountRights.NoSetId | MountRights.NoDevices | MountRights.NoExecute | MountRights.NoSymlinks
        | MountRights.NoAccessTimes | MountRights.NoDirectoryAccessTimes;
    private const int MostOptions = 4096;

    public static long Mount(KernelTask task, in SyscallArguments a)
    {
        const ulong magic = 0xC0ED_0000, magicMask = 0xFFFF_0000;
        string? type = null, source = null;
        int error = a.A2 == 0 ? 0 : task.TryReadString(a.A2, UserPaths.Longest, Errno.EINVAL, out type);
        if (error == 0 && a.A0 != 0)
            error = task.TryReadString(a.A0, UserPaths.Longest, Errno.EINVAL, out source);
        if (error != 0)
            return error;
        string options = "";
        if (a.A4 != 0)
        {
            var bytes = new byte[MostOptions];
            int read = task.ReadUpTo(a.A4, bytes);
            if (read == 0)
                return -Errno.EFAULT;
            int end = bytes.AsSpan(0, read).IndexOf((byte)0);
            options = KernelText.Decode(bytes.AsSpan(0, end < 0 ? Math.Min(read, MostOptions - 1) : end));
        }

        error = Find(task, a.A1, follow: true, out PathResult at, out Place? place);
        if (error != 0)
            return error;
        if (!MayMount(task))
            return -Errno.EPERM;
        ulong flags = (a.A3 & magicMask) == magic ? a.A3 & ~magicMask : a.A3;
        var rights = (MountRights)flags & Told;
        if ((flags & StrictTimes) == 0 && (rights & MountRights.NoAccessTimes) == 0)
            rights |= MountRights.RelativeAccessTimes;
        if ((flags & Remount) != 0)
            return ChangeRights(task, in at, rights, ofFiles: (flags & Bind) == 0);
        if ((flags & Bind) != 0)
            return BindTo(task, source, in at, (flags & Recursive) != 0);
        if ((flags & (Shared | Private | Slave | Unbindable)) != 0)
            return ChangePropagation(task, in at, flags);
        return (flags & Move) != 0 ? MoveTo(task, source, in at, place) : MountNew(task, type, source, in at, rights, options);
    }

    public static long Unmount(KernelTask task, in SyscallArguments a)
    {
        const ulong force = 1, detach = 2, expire = 4, noFollow = 8;
        if ((a.A1 & ~(force | detach | expire | noFollow)) != 0)
            return -Errno.EINVAL;
        int error = Find(task, a.A0, (a.A1 & noFollow) == 0, out PathResult at, out _);
        if (error != 0)
            return error;
        if (!MayMount(task))
            return -Errno.EPERM;
        MountedTree mount = at.Mount;
        if (!at.IsMountPoint || mount.Namespace != task.Process.Paths || mount.IsLocked)
            return -Errno.EINVAL;
        if ((a.A1 & force) != 0 && !task.Process.Credentials.HasIn(mount.Owner, Capability.Administer))
            return -Errno.EPERM;
        if ((a.A1 & expire) != 0)
            return (a.A1 & (force | detach)) != 0 ? -Errno.EINVAL : IsBusy(task, mount) ? -Errno.EBUSY : -Errno.EAGAIN;
        if (mount.Parent is null)
            return (a.A1 & detach) != 0 ? -Errno.EINVAL : -Errno.EBUSY;
        if ((a.A1 & detach) == 0 && (mount.HasChildren || IsBusy(task, mount)))
            return -Errno.EBUSY;
        task.Process.Paths.Take(mount);
        return 0;
    }

    public static long PivotRoot(KernelTask task, in SyscallArguments a)
    {
        if (!MayMount(task))
            return -Errno.EPERM;
        int error = Find(task, a.A0, follow: true, out PathResult to, out Place? newRoot);
        if (error == 0 && newRoot is null)
            error = -Errno.ENOTDIR;
        if (error != 0)
            return error;
        error = task.TryReadString(a.A1, UserPaths.Longest, Errno.ENAMETOOLONG, out string oldPath);
        if (error == 0)
            error = UserPaths.Locate(task, UserPaths.CurrentDirectory, oldPath, true, out PathResult old, out Place? oldPlace) is var missing && missing != 0 ? missing
                : old.Inode is null ? -Errno.ENOENT : oldPlace is null ? -Errno.ENOTDIR : Pivot(task.Process, in to, newRoot!, oldPlace);
        return error;
    }

    private static int Pivot(Process process, in PathResult to, Place newRoot, Place putOld)
    {
        PathWalk paths = process.Paths;
        Place root = process.RootPlace;
        MountedTree wanted = to.Mount;
        if (root.Mount.Namespace != paths || wanted.Namespace != paths || putOld.Mount.Namespace != paths || wanted.IsLocked)
            return -Errno.EINVAL;
        if (wanted == root.Mount || putOld.Mount == root.Mount)
            return -Errno.EBUSY;
        if (root.Inode != root.Mount.Root || !to.IsMountPoint || wanted.Parent is null || !IsBelow(putOld, newRoot) || !IsBelow(newRoot, root))
            return -Errno.EINVAL;
        MountedTree old = root.Mount;
        Place at = putOld.OnTop();
        // A mount must never come to lie over itself, by whatever way the places were reached.
        if (!at.Mount.IsWithin(wanted) || old.IsWithin(wanted))
            return -Errno.EINVAL;
        string under = at.PathInMount;

        // The new root takes the old one's place, and the old one goes where it is put.
        (MountedTree? parent, Inode? covered, string path) = (old.Parent, old.At, old.AtPath);
        bool isLocked = old.IsLocked;
        covered?.Acquire();
        wanted.Detach();
        old.Detach();
        if (parent is not null)
        {
            wanted.Attach(parent, covered!, path);
            (wanted.IsLocked, old.IsLocked) = (isLocked, false);
        }

        covered?.Release();
        old.Attach(at.Mount, at.Inode, under);
        var top = new Place(wanted.Root, null, "", wanted);
        bool isOfNamespace = paths.Root.IsSame(root);
        if (isOfNamespace)
            paths.Root = top;
        foreach (Process other in process.Container.Processes.Where(other => other.IsAlive))
        {
            if (other.WorkingDirectory.IsSame(root))
                other.WorkingDirectory = top;
            if (other.Root is { } chosen && chosen.IsSame(root))
                other.Root = isOfNamespace && other.Paths == paths ? null : top;
        }

        return 0;
    }

    /// <summary>Changes what a mount forbids; or with it, what its file system does.</summary>
    private static long ChangeRights(KernelTask task, in PathResult at, MountRights rights, bool ofFiles)
    {
        MountedTree mount = at.Mount;
        if (!at.IsMountPoint || mount.Namespace != task.Process.Paths)
            return -Errno.EINVAL;
        if ((mount.LockedRights & ~rights & ~MountRights.RelativeAccessTimes) != 0)
            return -Errno.EPERM;
        if (ofFiles && !task.Process.Credentials.HasIn(mount.Owner, Capability.Administer))
            return -Errno.EPERM;
        if ((rights & MountRights.ReadOnly) != 0 && !mount.IsReadOnly && IsWritten(task, mount))
            return -Errno.EBUSY;
        mount.Rights = rights;
        return 0;
    }

    private static long BindTo(KernelTask task, string? source, in PathResult at, bool recursive)
    {
        if (string.IsNullOrEmpty(source))
            return -Errno.EINVAL;
        int error = UserPaths.Locate(task, UserPaths.CurrentDirectory, source, true, out PathResult from);
        if (error != 0)
            return error;
        if (from.Inode is not { } top)
            return -Errno.ENOENT;
        PathWalk paths = task.Process.Paths;
        if (top is NamespaceInode { Namespace: MountNamespace } || at.Mount.Namespace != paths || (from.Mount.Namespace != paths && top is not NamespaceInode))
            return -Errno.EINVAL;
        if (top.IsDirectory != at.Inode!.IsDirectory)
            return -Errno.ENOTDIR;
        List<MountedTree> also = PathWalk.Under(in from);
        if (!recursive && also.Exists(each => each.IsLocked))
            return -Errno.EINVAL;
        if (paths.Numbers.Count + 1 + (recursive ? also.Count : 0) > MountNumbers.Most)
            return -Errno.ENOSPC;
        MountedTree copy = top is NamespaceInode space
            ? new MountedTree(top, "nsfs", "nsfs", isReadOnly: false) { RootPath = space.Namespace.Text, Device = from.Mount.Device }
            : from.Mount.Bind(top, from.PathInMount);
        paths.MountPart(in from, in at, copy, recursive ? also : []);
        return 0;
    }

    private static long MoveTo(KernelTask task, string? source, in PathResult at, Place? place)
    {
        if (string.IsNullOrEmpty(source))
            return -Errno.EINVAL;
        int error = UserPaths.Locate(task, UserPaths.CurrentDirectory, source, true, out PathResult from);
        if (error != 0)
            return error;
        MountedTree mount = from.Mount;
        PathWalk paths = task.Process.Paths;
        if (from.Inode is null)
            return -Errno.ENOENT;
        if (at.Mount.Namespace != paths || mount.Namespace != paths || !from.IsMountPoint || mount.Parent is null || mount.IsLocked || from.Inode.IsDirectory != at.Inode!.IsDirectory)
            return -Errno.EINVAL;
        if (at.Mount.IsWithin(mount))
            return -Errno.ELOOP;
        string under = place?.PathInMount ?? at.PathInMount;
        mount.Detach();
        mount.Attach(at.Mount, at.Inode!, under);
        return 0;
    }

    /// <summary>What changes here is told nowhere else, whatever a mount is said to be.</summary>
    private static long ChangePropagation(KernelTask task, in PathResult at, ulong flags)
    {
        ulong kind = flags & ~(Recursive | Silent);
        if (!at.IsMountPoint || at.Mount.Namespace != task.Process.Paths)
            return -Errno.EINVAL;
        return kind is Shared or Private or Slave or Unbindable ? 0 : -Errno.EINVAL;
    }

    private static long MountNew(KernelTask task, string? type, string? source, in PathResult at, MountRights rights, string options)
    {
        if (type is null)
            return -Errno.EINVAL;
        Process process = task.Process;
        PathWalk paths = process.Paths;
        if (at.Mount.Namespace != paths)
            return -Errno.EINVAL;
        int error = FileSystemTypes.TryMake(process, type, source ?? "none", options, rights, out MountedTree? made);
        if (error != 0)
            return error;
        if (made!.Root.IsDirectory != at.Inode!.IsDirectory)
            error = -Errno.ENOTDIR;
        else if (paths.Numbers.Count >= MountNumbers.Most)
            error = -Errno.ENOSPC;
        if (error != 0)
        {
            made.Content?.Discard();
            return error;
        }

        paths.Mount(in at, made);
        return 0;
    }

    /// <summary>Finds where something is to be mounted, or is: on top of all that lies there.</summary>
    private static int Find(KernelTask task, ulong address, bool follow, out PathResult at, out Place? place)
    {
        place = null;
        at = default;
        int error = task.TryReadString(address, UserPaths.Longest, Errno.ENAMETOOLONG, out string path);
        if (error == 0)
            error = UserPaths.Locate(task, UserPaths.CurrentDirectory, path, follow, out at, out place);
        if (error != 0)
            return error;
        if (at.Inode is null)
            return -Errno.ENOENT;
        if (place is null)
            return 0;
        place = place.OnTop();
        at = at with { Inode = place.Inode, Mount = place.Mount };
        return 0;
    }

    private static bool MayMount(KernelTask task) => task.Process.Credentials.HasIn(task.Process.Namespaces.Mounts.Owner, Capability.Administer);

    private static bool IsBusy(KernelTask task, MountedTree mount)
        => task.Process.Container.Processes.Any(process => process.IsAlive && (process.WorkingDirectory.Mount == mount || process.Root?.Mount == mount
            || process.Files.Numbers.Any(fd => process.Files[fd]!.Mount == mount)));

    private static bool IsWritten(KernelTask task, MountedTree mount)
        => task.Process.Container.Processes.Any(process => process.IsAlive
            && process.Files.Numbers.Any(fd => process.Files[fd] is { CanWrite: true, Inode.IsRegular: true } file && file.Mount == mount));

    /// <summary>Whether one place is another or below it.</summary>
    private static bool IsBelow(Place place, Place other)
    {
        for (Place? at = place; at is not null; at = at.Parent)
        {
            if (at.IsSame(other))
                return true;
        }

        return false;
    }
}
