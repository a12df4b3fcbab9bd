using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Opening and making files and directories.</summary>
internal static class FileCalls
{
    public static long Open(KernelTask task, in SyscallArguments a)
    {
        const int known = OpenFlags.AccessMode | OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.NoControl | OpenFlags.Truncate | OpenFlags.Append | OpenFlags.NonBlock
            | OpenFlags.Directory | OpenFlags.NoFollow | OpenFlags.CloseOnExec | OpenFlags.PathOnly | OpenFlags.Nameless | OpenFlags.Kept;
        const int pathFlags = OpenFlags.PathOnly | OpenFlags.Directory | OpenFlags.NoFollow | OpenFlags.CloseOnExec;

        // Unknown flags are ignored, and so are most beside O_PATH.
        int flags = (int)a.A2 & known;
        if ((flags & OpenFlags.PathOnly) != 0)
            flags &= pathFlags;
        bool exclusive = (flags & (OpenFlags.Create | OpenFlags.Exclusive)) == (OpenFlags.Create | OpenFlags.Exclusive);
        if ((flags & OpenFlags.Nameless) != 0)
            return OpenNameless(task, in a, flags);
        if ((flags & (OpenFlags.Create | OpenFlags.Directory)) == (OpenFlags.Create | OpenFlags.Directory))
            return -Errno.EINVAL;
        int error = task.TryReadString(a.A1, UserPaths.Longest, Errno.ENAMETOOLONG, out string path);
        if (error != 0)
            return error;
        error = UserPaths.Locate(task, a.Fd, path, (flags & OpenFlags.NoFollow) == 0 && !exclusive, out PathResult at, out Place? place);
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
                error = at.Parent.Make(at.Name, InodeMode.Regular | ((uint)a.A3 & InodeMode.Permissions & ~task.Process.Umask), out inode);
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

        error = CheckOpen(task, inode!, at.Mount, flags, made);
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

    public static long MakeDirectory(KernelTask task, in SyscallArguments a)
        => Make(task, a.Fd, a.A1, InodeMode.Directory | ((uint)a.A2 & 0x3FF & ~task.Process.Umask));

    public static long MakeNode(KernelTask task, in SyscallArguments a)
    {
        uint type = (uint)a.A2 & InodeMode.TypeMask;
        switch (type)
        {
            case InodeMode.Directory:
                return -Errno.EPERM;
            case InodeMode.Fifo or InodeMode.Regular or InodeMode.Socket or InodeMode.Character or InodeMode.Block or 0:
                return Make(task, a.Fd, a.A1, (type == 0 ? InodeMode.Regular : type) | ((uint)a.A2 & InodeMode.Permissions & ~task.Process.Umask));
            default:
                return -Errno.EINVAL;
        }
    }

    /// <summary>Gives a socket a name in the file system; 0 or a negated error.</summary>
    public static long MakeSocket(KernelTask task, string path, SocketFile socket)
    {
        int error = UserPaths.Locate(task, UserPaths.CurrentDirectory, path, false, out PathResult at);
        if (error != 0)
            return error;
        if (at.Inode is not null)
            return -Errno.EADDRINUSE;
        error = UserPaths.MayMake(task, in at);
        if (error != 0)
            return error;
        var inode = new SocketInode(task.Process.Container.Store, 0x1FF & ~task.Process.Umask) { Bound = socket };
        error = at.Parent.Add(at.Name, inode);
        if (error != 0)
            return error;
        UserPaths.GiveTo(task, inode, at.Parent);
        Notify.Entry(at.Parent, at.Name, NotifyEvents.Created, isDirectory: false);
        socket.Named = inode;
        socket.Local = new SocketAddress(SocketKind.Unix, path);
        return 0;
    }

    /// <summary>Finds a socket by its name in the file system; 0 or a negated error.</summary>
    public static int FindSocket(KernelTask task, string path, out SocketInode? socket)
    {
        int error = UserPaths.Locate(task, UserPaths.CurrentDirectory, path, true, out PathResult at);
        socket = at.Inode as SocketInode;
        if (error != 0)
            return error;
        if (at.Inode is null)
            return -Errno.ENOENT;
        return AccessCheck.Check(task.Process.Credentials, at.Inode, AccessCheck.Write) is < 0 and int denied ? denied : socket is null ? -Errno.ECONNREFUSED : 0;
    }

    /// <summary>Finds a file by a path from the working directory; 0 or a negated error.</summary>
    public static int FindPath(KernelTask task, ulong address, bool follow, out Inode? inode)
    {
        int error = UserPaths.Find(task, UserPaths.CurrentDirectory, address, follow ? 0 : UserPaths.NoFollow, out NamedFile found);
        inode = found.Inode;
        return error;
    }

    /// <summary>memfd_create: a file that has no name.</summary>
    public static long MakeMemoryFile(KernelTask task, in SyscallArguments a)
    {
        const ulong closeOnExec = 1, allowSealing = 2, noExecSeal = 8, execute = 16;
        int error = task.TryReadString(a.A0, 250, Errno.EINVAL, out string name);
        if (error != 0)
            return error;
        if ((a.A1 & ~(closeOnExec | allowSealing | noExecSeal | execute)) != 0 || (a.A1 & (noExecSeal | execute)) == (noExecSeal | execute))
            return -Errno.EINVAL;
        int seals = (a.A1 & noExecSeal) != 0 ? MemoryFile.SealExecute : (a.A1 & allowSealing) != 0 ? 0 : MemoryFile.SealSeal;
        var inode = new MemoryFile(task.Process.Container.Store, (a.A1 & noExecSeal) != 0 ? 0x1B6u : 0x1FFu) { Links = 0, Seals = seals };
        OpenFile file = inode.Open(OpenFlags.ReadWrite);
        file.Path = $"/memfd:{name} (deleted)";
        return task.Process.Files.Add(file, (a.A1 & closeOnExec) != 0);
    }

    public static long SetUmask(KernelTask task, in SyscallArguments a)
    {
        uint old = task.Process.Umask;
        task.Process.Umask = (uint)a.A0 & 0x1FF;
        return old;
    }

    /// <summary>Whether a file may be opened so; 0 or a negated error.</summary>
    private static int CheckOpen(KernelTask task, Inode inode, MountedTree mount, int flags, bool made)
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
        if (!made && AccessCheck.Check(task.Process.Credentials, inode, AccessCheck.OfOpen(flags)) is < 0 and int denied)
            return denied;
        if (mount.IsReadOnly && writes && (inode.IsRegular || inode.IsDirectory))
            return -Errno.EROFS;
        return inode is SocketInode ? -Errno.ENXIO : 0;
    }

    /// <summary>O_TMPFILE: a file in a directory's file system that has no name until it is linked.</summary>
    private static long OpenNameless(KernelTask task, in SyscallArguments a, int flags)
    {
        if ((flags & OpenFlags.Directory) == 0 || (flags & OpenFlags.AccessMode) == 0)
            return -Errno.EINVAL;
        int error = UserPaths.Locate(task, a.Fd, a.A1, true, out PathResult at);
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
        var inode = new MemoryFile(task.Process.Container.Store, (uint)a.A3 & InodeMode.Permissions & ~task.Process.Umask)
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
        if (file.Path.Length == 0)
            file.Path = at.Path;
        file.Mount = at.Mount;
        file.Directory = at.Parent;
        file.Place = place;
        Notify.Opened(file);
        return task.Process.Files.Add(file, (flags & OpenFlags.CloseOnExec) != 0);
    }

    private static long Make(KernelTask task, int fd, ulong path, uint mode)
    {
        int error = UserPaths.Locate(task, fd, path, false, out PathResult at);
        if (error != 0)
            return error;
        if (at.Inode is not null)
            return -Errno.EEXIST;
        error = UserPaths.MayMake(task, in at);
        if (error != 0)
            return error;
        Inode? inode;
        if ((mode & InodeMode.TypeMask) is InodeMode.Character or InodeMode.Block)
            return -Errno.EPERM;
        if ((mode & InodeMode.TypeMask) == InodeMode.Socket)
            error = at.Parent.Add(at.Name, inode = new SocketInode(task.Process.Container.Store, mode & InodeMode.Permissions));
        else
            error = at.Parent.Make(at.Name, mode, out inode);
        if (error != 0)
            return error;
        UserPaths.GiveTo(task, inode!, at.Parent);
        Notify.Entry(at.Parent, at.Name, NotifyEvents.Created, inode!.IsDirectory);
        return 0;
    }
}
