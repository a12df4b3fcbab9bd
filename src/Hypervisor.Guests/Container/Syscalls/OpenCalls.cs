using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>openat and openat2: opening files by name.</summary>
internal static class OpenCalls
{
    private const int Known = OpenFlags.AccessMode | OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.NoControl | OpenFlags.Truncate | OpenFlags.Append | OpenFlags.NonBlock
        | OpenFlags.Directory | OpenFlags.NoFollow | OpenFlags.CloseOnExec | OpenFlags.PathOnly | OpenFlags.Nameless | OpenFlags.Kept;
    private const int PathFlags = OpenFlags.PathOnly | OpenFlags.Directory | OpenFlags.NoFollow | OpenFlags.CloseOnExec;

    /// <summary>How a file is to be opened.</summary>
    private readonly record struct Request(int Descriptor, ulong Path, int Flags, uint Mode, WalkLimits Limits);

    /// <summary>openat: unknown flags are ignored, and so are most beside O_PATH.</summary>
    public static long Open(KernelTask task, in SyscallArguments a)
    {
        int flags = (int)a.A2 & Known;
        if ((flags & OpenFlags.PathOnly) != 0)
            flags &= PathFlags;
        return Open(task, new Request(a.Fd, a.A1, flags, (uint)a.A3, WalkLimits.None));
    }

    /// <summary>openat2: what is not known is refused, and the walk has limits.</summary>
    public static long OpenLimited(KernelTask task, in SyscallArguments a)
    {
        const ulong bytes = 24, largest = 4096, cached = 0x20;
        const WalkLimits both = WalkLimits.Beneath | WalkLimits.InRoot;
        if (a.A3 < bytes)
            return -Errno.EINVAL;
        if (a.A3 > largest)
            return -Errno.E2BIG;
        var how = new byte[a.A3];
        if (!task.TryRead(a.A2, how))
            return -Errno.EFAULT;
        if (how.AsSpan((int)bytes).ContainsAnyExcept((byte)0))
            return -Errno.E2BIG;
        (ulong flags, ulong mode, ulong resolve) = (BitConverter.ToUInt64(how), BitConverter.ToUInt64(how, 8), BitConverter.ToUInt64(how, 16));
        if ((flags & ~(ulong)(uint)Known) != 0 || (resolve & ~0x3FUL) != 0 || ((WalkLimits)resolve & both) == both)
            return -Errno.EINVAL;
        bool makes = ((int)flags & (OpenFlags.Create | OpenFlags.Nameless)) != 0;
        if (makes ? (mode & ~(ulong)InodeMode.Permissions) != 0 : mode != 0)
            return -Errno.EINVAL;
        if (((int)flags & OpenFlags.PathOnly) != 0 && ((int)flags & ~PathFlags) != 0)
            return -Errno.EINVAL;
        if ((resolve & cached) != 0 && (makes || ((int)flags & OpenFlags.Truncate) != 0))
            return -Errno.EAGAIN;
        return Open(task, new Request(a.Fd, a.A1, (int)flags, (uint)mode, (WalkLimits)(resolve & ~cached)));
    }

    private static long Open(KernelTask task, in Request request)
    {
        int flags = request.Flags;
        bool exclusive = (flags & (OpenFlags.Create | OpenFlags.Exclusive)) == (OpenFlags.Create | OpenFlags.Exclusive);
        if ((flags & OpenFlags.Nameless) != 0)
            return OpenNameless(task, in request);
        if ((flags & (OpenFlags.Create | OpenFlags.Directory)) == (OpenFlags.Create | OpenFlags.Directory))
            return -Errno.EINVAL;
        int error = task.TryReadString(request.Path, UserPaths.Longest, Errno.ENAMETOOLONG, out string path);
        if (error != 0)
            return error;
        error = UserPaths.Locate(task, request.Descriptor, path, (flags & OpenFlags.NoFollow) == 0 && !exclusive, out PathResult at, out Place? place, request.Limits);
        if (error != 0)
            return error;
        Inode? inode = at.Inode;
        bool made = false;
        if (inode is null)
        {
            if ((flags & OpenFlags.Create) == 0)
                return -Errno.ENOENT;
            if (path[^1] == '/')
                return -Errno.EISDIR;
            error = UserPaths.MayMake(task, in at);
            if (error == 0)
                error = at.Parent.Make(at.Name, InodeMode.Regular | (request.Mode & InodeMode.Permissions & ~task.Process.Umask), out inode);
            if (error != 0)
                return error;
            made = true;
            UserPaths.GiveTo(task, inode!, at.Parent);
            Notify.Entry(at.Parent, at.Name, NotifyEvents.Created, isDirectory: false);
        }
        else if (exclusive)
        {
            return -Errno.EEXIST;
        }

        error = Check(task, inode!, at.Mount, flags, made);
        if (error != 0)
            return error;
        if ((flags & OpenFlags.PathOnly) != 0 && !inode!.IsDirectory)
            return Add(task, new PathFile(inode, flags), flags, in at, place);
        if (inode!.IsRegular && (flags & OpenFlags.Truncate) != 0 && !made)
        {
            error = inode.Truncate(0);
            if (error != 0)
                return error;
        }

        error = inode.TryOpen(task, flags & ~(OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.Truncate | OpenFlags.CloseOnExec), out OpenFile? file);
        if (error == -Errno.EAGAIN && inode.OpenReady is { } ready)
            return Blocking.On(task, ready);
        return error != 0 ? error : Add(task, file!, flags, in at, place);
    }

    /// <summary>Whether a file may be opened so; 0 or a negated error.</summary>
    private static int Check(KernelTask task, Inode inode, MountedTree mount, int flags, bool made)
    {
        bool isPath = (flags & OpenFlags.PathOnly) != 0;
        bool writes = (flags & OpenFlags.AccessMode) != 0 || (flags & OpenFlags.Truncate) != 0;
        if (inode.IsSymlink && !isPath)
            return (flags & OpenFlags.Directory) != 0 ? -Errno.ENOTDIR : -Errno.ELOOP;
        if (!inode.IsDirectory && (flags & OpenFlags.Directory) != 0)
            return -Errno.ENOTDIR;
        if (isPath)
            return 0;
        if (inode.IsDirectory && (writes || (flags & OpenFlags.Create) != 0))
            return -Errno.EISDIR;
        if ((inode.Mode & InodeMode.TypeMask) is InodeMode.Character or InodeMode.Block && (mount.Rights & MountRights.NoDevices) != 0)
            return -Errno.EACCES;
        if (!made && AccessCheck.Check(task.Process.Credentials, inode, AccessCheck.OfOpen(flags)) is < 0 and int denied)
            return denied;
        if (mount.IsReadOnly && writes && (inode.IsRegular || inode.IsDirectory))
            return -Errno.EROFS;
        return inode is SocketInode ? -Errno.ENXIO : 0;
    }

    /// <summary>O_TMPFILE: a file in a directory's file system that has no name until it is linked.</summary>
    private static long OpenNameless(KernelTask task, in Request request)
    {
        int flags = request.Flags;
        if ((flags & OpenFlags.Directory) == 0 || (flags & OpenFlags.AccessMode) == 0)
            return -Errno.EINVAL;
        int error = task.TryReadString(request.Path, UserPaths.Longest, Errno.ENAMETOOLONG, out string path);
        if (error != 0)
            return error;
        error = UserPaths.Locate(task, request.Descriptor, path, true, out PathResult at, out _, request.Limits);
        if (error != 0)
            return error;
        if (at.Inode is not { } directory)
            return -Errno.ENOENT;
        if (!directory.IsDirectory)
            return -Errno.ENOTDIR;
        if (directory is not MemoryDirectory)
            return -Errno.EOPNOTSUPP;
        if (AccessCheck.Check(task.Process.Credentials, directory, AccessCheck.Write | AccessCheck.Execute) is < 0 and int denied)
            return denied;
        if (at.Mount.IsReadOnly)
            return -Errno.EROFS;
        var inode = new MemoryFile(task.Process.Container.Store, request.Mode & InodeMode.Permissions & ~task.Process.Umask)
        {
            Links = 0,
            MayBeLinked = (flags & OpenFlags.Exclusive) == 0,
        };
        UserPaths.GiveTo(task, inode, directory);
        OpenFile file = inode.Open(flags & ~(OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.CloseOnExec));
        file.Path = $"{at.Path}/#{inode.Number} (deleted)";
        file.Mount = at.Mount;
        return task.Process.Files.Add(file, (flags & OpenFlags.CloseOnExec) != 0);
    }

    private static long Add(KernelTask task, OpenFile file, int flags, in PathResult at, Place? place)
    {
        file.FoundAt(in at);
        file.Mount = at.Mount;
        file.Directory = at.Parent;
        file.Place = place;
        Notify.Opened(file);
        return task.Process.Files.Add(file, (flags & OpenFlags.CloseOnExec) != 0);
    }
}
