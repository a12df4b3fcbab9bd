using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Making files and directories.</summary>
internal static class FileCalls
{
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
