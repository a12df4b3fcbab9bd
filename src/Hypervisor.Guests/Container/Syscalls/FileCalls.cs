using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Calls that name files.</summary>
internal static class FileCalls
{
    private const int CurrentDirectory = -100;
    private const int NoFollow = 0x100;
    private const int RemoveDirectory = 0x200;
    private const int EmptyPath = 0x1000;

    public static long Open(KernelTask task, in SyscallArguments a)
    {
        int flags = (int)a.A2;
        int error = Locate(task, a.Fd, a.A1, (flags & (OpenFlags.NoFollow)) == 0 && (flags & (OpenFlags.Create | OpenFlags.Exclusive)) != (OpenFlags.Create | OpenFlags.Exclusive), out PathResult at);
        if (error != 0)
            return error;
        Inode? inode = at.Inode;
        if (inode is null)
        {
            if ((flags & OpenFlags.Create) == 0)
                return -Errno.ENOENT;
            if (at.Mount.IsReadOnly)
                return -Errno.EROFS;
            uint mode = (uint)a.A3 & InodeMode.Permissions & ~task.Process.Umask;
            error = at.Parent.Make(at.Name, InodeMode.Regular | mode, out inode);
            if (error != 0)
                return error;
        }
        else if ((flags & (OpenFlags.Create | OpenFlags.Exclusive)) == (OpenFlags.Create | OpenFlags.Exclusive))
        {
            return -Errno.EEXIST;
        }

        if (inode!.IsSymlink && (flags & OpenFlags.PathOnly) == 0)
            return -Errno.ELOOP;
        if (inode.IsDirectory && ((flags & OpenFlags.AccessMode) != 0 || (flags & OpenFlags.Create) != 0))
            return -Errno.EISDIR;
        if (!inode.IsDirectory && (flags & OpenFlags.Directory) != 0)
            return -Errno.ENOTDIR;
        if (at.Mount.IsReadOnly && (inode.IsRegular || inode.IsDirectory) && (flags & OpenFlags.AccessMode) != 0 && (flags & OpenFlags.PathOnly) == 0)
            return -Errno.EROFS;
        if (inode.IsRegular && (flags & OpenFlags.Truncate) != 0 && (flags & OpenFlags.AccessMode) != 0)
        {
            error = inode.Truncate(0);
            if (error != 0)
                return error;
        }

        if (inode is SocketInode)
            return -Errno.ENXIO;
        error = inode.TryOpen(task, flags & ~(OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.Truncate | OpenFlags.CloseOnExec), out OpenFile? file);
        if (error == -Errno.EAGAIN && inode.OpenReady is { } ready)
            return Blocking.On(task, ready);
        if (error != 0)
            return error;
        if (file!.Path.Length == 0)
            file.Path = at.Path;
        return task.Process.Files.Add(file, (flags & OpenFlags.CloseOnExec) != 0);
    }

    public static long GetEntries(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        if (file is not DirectoryFile directory)
            return -Errno.ENOTDIR;
        var buffer = new byte[Math.Min(a.A2, 64 << 10)];
        int count = directory.ReadEntries(buffer);
        if (count <= 0)
            return count;
        return task.TryWrite(a.A1, buffer.AsSpan(0, count)) ? count : -Errno.EFAULT;
    }

    public static long GetWorkingDirectory(KernelTask task, in SyscallArguments a)
    {
        byte[] path = KernelText.Encode(task.Process.WorkingDirectory.Path + "\0");
        if ((ulong)path.Length > a.A1)
            return -Errno.ERANGE;
        return task.TryWrite(a.A0, path) ? path.Length : -Errno.EFAULT;
    }

    public static long ChangeDirectory(KernelTask task, in SyscallArguments a)
    {
        int error = task.TryReadString(a.A0, 4096, Errno.ENAMETOOLONG, out string path);
        if (error != 0)
            return error;
        error = task.Process.Container.Paths.Resolve(task.Process.Credentials, task.Process.WorkingDirectory, path, true, out PathResult at, out Place? place);
        if (error != 0)
            return error;
        if (place is null)
            return at.Inode is null ? -Errno.ENOENT : -Errno.ENOTDIR;
        task.Process.WorkingDirectory = place;
        return 0;
    }

    public static long ChangeToOpenDirectory(KernelTask task, in SyscallArguments a)
    {
        int error = PlaceOf(task, a.Fd, out Place? place);
        if (error != 0)
            return error;
        task.Process.WorkingDirectory = place!;
        return 0;
    }

    public static long MakeDirectory(KernelTask task, in SyscallArguments a)
        => Make(task, a.Fd, a.A1, InodeMode.Directory | ((uint)a.A2 & 0x3FF & ~task.Process.Umask));

    public static long MakeNode(KernelTask task, in SyscallArguments a)
    {
        uint type = (uint)a.A2 & InodeMode.TypeMask;
        if (type is not (InodeMode.Fifo or InodeMode.Regular or 0))
            return -Errno.EPERM;
        return Make(task, a.Fd, a.A1, (type == 0 ? InodeMode.Regular : type) | ((uint)a.A2 & InodeMode.Permissions & ~task.Process.Umask));
    }

    /// <summary>Gives a socket a name in the file system; 0 or a negated error.</summary>
    public static long MakeSocket(KernelTask task, string path, SocketFile socket)
    {
        int error = Locate(task, CurrentDirectory, path, false, out PathResult at);
        if (error != 0)
            return error;
        if (at.Inode is not null)
            return -Errno.EADDRINUSE;
        var inode = new SocketInode(task.Process.Container.Store, 0x1FF & ~task.Process.Umask) { Bound = socket };
        error = at.Parent.Add(at.Name, inode);
        if (error != 0)
            return error;
        socket.Named = inode;
        socket.Local = new SocketAddress(SocketKind.Unix, path);
        return 0;
    }

    /// <summary>Finds a socket by its name in the file system; 0 or a negated error.</summary>
    public static int FindSocket(KernelTask task, string path, out SocketInode? socket)
    {
        int error = Locate(task, CurrentDirectory, path, true, out PathResult at);
        socket = at.Inode as SocketInode;
        return error != 0 ? error : at.Inode is null ? -Errno.ENOENT : socket is null ? -Errno.ECONNREFUSED : 0;
    }

    public static long MakeSymlink(KernelTask task, in SyscallArguments a)
    {
        int error = task.TryReadString(a.A0, 4096, Errno.ENAMETOOLONG, out string target);
        if (error == 0)
            error = Locate(task, (int)a.A1, a.A2, false, out PathResult at) is var found && found != 0 ? found : at.Inode is not null ? -Errno.EEXIST
                : at.Mount.IsReadOnly ? -Errno.EROFS : at.Parent.MakeSymlink(at.Name, target);
        return error;
    }

    public static long Link(KernelTask task, in SyscallArguments a)
    {
        int error = Locate(task, a.Fd, a.A1, false, out PathResult from);
        if (error == 0)
            error = Locate(task, (int)a.A2, a.A3, false, out PathResult to) is var found && found != 0 ? found
                : from.Inode is null ? -Errno.ENOENT
                : from.Inode.IsDirectory ? -Errno.EPERM
                : to.Inode is not null ? -Errno.EEXIST
                : to.Mount.IsReadOnly ? -Errno.EROFS
                : from.Mount != to.Mount || !from.Inode.SharesFileSystem(to.Parent) ? -Errno.EXDEV
                : to.Parent.Add(to.Name, from.Inode);
        if (error == 0)
            from.Inode!.Links++;
        return error;
    }

    public static long Unlink(KernelTask task, in SyscallArguments a)
    {
        bool directory = ((int)a.A2 & RemoveDirectory) != 0;
        int error = Locate(task, a.Fd, a.A1, false, out PathResult at);
        if (error != 0)
            return error;
        if (at.Inode is not { } inode)
            return -Errno.ENOENT;
        if (at.Mount.IsReadOnly)
            return -Errno.EROFS;
        if (at.IsMountPoint)
            return -Errno.EBUSY;
        if (directory)
        {
            if (!inode.IsDirectory)
                return -Errno.ENOTDIR;
            if (inode is GeneratedDirectory)
                return -Errno.EPERM;
            if (inode.Entries().Any())
                return -Errno.ENOTEMPTY;
        }
        else if (inode.IsDirectory)
        {
            return -Errno.EISDIR;
        }

        error = at.Parent.Remove(at.Name);
        if (error == 0)
            inode.Unlinked();
        return error;
    }

    public static long Rename(KernelTask task, in SyscallArguments a)
    {
        int error = Locate(task, a.Fd, a.A1, false, out PathResult from);
        if (error != 0)
            return error;
        error = Locate(task, (int)a.A2, a.A3, false, out PathResult to);
        if (error != 0)
            return error;
        if (from.Inode is not { } inode)
            return -Errno.ENOENT;
        if (from.IsMountPoint || to.IsMountPoint)
            return -Errno.EBUSY;
        if (from.Mount != to.Mount)
            return -Errno.EXDEV;
        if (to.Mount.IsReadOnly)
            return -Errno.EROFS;
        if (to.Inode == inode)
            return 0;
        if (inode.IsDirectory && (to.Path + "/").StartsWith(from.Path + "/", StringComparison.Ordinal))
            return -Errno.EINVAL;
        const ulong NoReplace = 1;
        if (to.Inode is { } target)
        {
            if ((a.A4 & NoReplace) != 0)
                return -Errno.EEXIST;
            if (target.IsDirectory && !inode.IsDirectory)
                return -Errno.EISDIR;
            if (!target.IsDirectory && inode.IsDirectory)
                return -Errno.ENOTDIR;
            if (target.IsDirectory && target.Entries().Any())
                return -Errno.ENOTEMPTY;
        }

        if ((a.A4 & ~NoReplace) != 0)
            return -Errno.EINVAL;
        if (!inode.SharesFileSystem(to.Parent))
            return -Errno.EXDEV;
        error = from.Parent.Rename(from.Name, to.Parent, to.Name);
        if (error == 0)
            to.Inode?.Unlinked();
        return error;
    }

    public static long ReadLink(KernelTask task, in SyscallArguments a)
    {
        int error = Locate(task, a.Fd, a.A1, false, out PathResult at);
        if (error != 0)
            return error;
        if (at.Inode is not { } inode)
            return -Errno.ENOENT;
        if (!inode.IsSymlink)
            return -Errno.EINVAL;
        byte[] target = KernelText.Encode(inode.Target);
        int count = (int)Math.Min((ulong)target.Length, a.A3);
        return task.TryWrite(a.A2, target.AsSpan(0, count)) ? count : -Errno.EFAULT;
    }

    public static long Stat(KernelTask task, in SyscallArguments a)
    {
        int error = Find(task, a.Fd, a.A1, (int)a.A3, out Inode? inode);
        return error != 0 ? error : WriteStat(task, a.A2, inode!);
    }

    public static long StatOpen(KernelTask task, in SyscallArguments a)
        => task.Process.Files[a.Fd] is { } file ? WriteStat(task, a.A1, file.Inode) : -Errno.EBADF;

    public static long StatExtended(KernelTask task, in SyscallArguments a)
    {
        int error = Find(task, a.Fd, a.A1, (int)a.A2, out Inode? inode);
        if (error != 0)
            return error;
        Span<byte> x = stackalloc byte[256];
        x.Clear();
        BitConverter.TryWriteBytes(x, 0x7FFu);
        BitConverter.TryWriteBytes(x[4..], 4096u);
        BitConverter.TryWriteBytes(x[16..], inode!.Links);
        BitConverter.TryWriteBytes(x[20..], inode.Uid);
        BitConverter.TryWriteBytes(x[24..], inode.Gid);
        BitConverter.TryWriteBytes(x[28..], (ushort)inode.Mode);
        BitConverter.TryWriteBytes(x[32..], inode.Number);
        BitConverter.TryWriteBytes(x[40..], inode.Size);
        BitConverter.TryWriteBytes(x[48..], (inode.Size + 511) / 512);
        WriteTime(x[64..], inode.AccessTime);
        WriteTime(x[80..], inode.ChangeTime);
        WriteTime(x[96..], inode.ChangeTime);
        WriteTime(x[112..], inode.ModifyTime);
        BitConverter.TryWriteBytes(x[128..], (uint)(inode.Device >> 8));
        BitConverter.TryWriteBytes(x[132..], (uint)inode.Device & 0xFF);
        BitConverter.TryWriteBytes(x[140..], 1u);
        return task.TryWrite(a.A4, x) ? 0 : -Errno.EFAULT;
    }

    public static long Access(KernelTask task, in SyscallArguments a)
    {
        int error = Find(task, a.Fd, a.A1, 0, out Inode? inode);
        if (error != 0)
            return error;
        return (a.A2 & 1) != 0 && !inode!.IsDirectory && (inode.Mode & 0x49) == 0 ? -Errno.EACCES : 0;
    }

    public static long ChangeMode(KernelTask task, in SyscallArguments a)
    {
        int error = Find(task, a.Fd, a.A1, 0, out Inode? inode, toChange: true);
        return error != 0 ? error : SetMode(task, inode!, a.A2);
    }

    public static long ChangeModeOpen(KernelTask task, in SyscallArguments a)
        => task.Process.Files[a.Fd] is { } file ? SetMode(task, file.Inode, a.A1) : -Errno.EBADF;

    public static long ChangeOwner(KernelTask task, in SyscallArguments a)
    {
        int error = Find(task, a.Fd, a.A1, (int)a.A4, out Inode? inode, toChange: true);
        return error != 0 ? error : SetOwner(inode!, a.A2, a.A3);
    }

    public static long ChangeOwnerOpen(KernelTask task, in SyscallArguments a)
        => task.Process.Files[a.Fd] is { } file ? SetOwner(file.Inode, a.A1, a.A2) : -Errno.EBADF;

    public static long Truncate(KernelTask task, in SyscallArguments a)
    {
        int error = Find(task, CurrentDirectory, a.A0, 0, out Inode? inode, toChange: true);
        if (error != 0)
            return error;
        return inode!.IsDirectory ? -Errno.EISDIR : (long)a.A1 < 0 ? -Errno.EINVAL : inode.Truncate((long)a.A1);
    }

    public static long TruncateOpen(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        return !file.CanWrite || (long)a.A1 < 0 ? -Errno.EINVAL : file.Inode.Truncate((long)a.A1);
    }

    public static long Allocate(KernelTask task, in SyscallArguments a)
    {
        const ulong keepSize = 1, punchHole = 2, zeroRange = 16;
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        (long offset, long length) = ((long)a.A2, (long)a.A3);
        if (offset < 0 || length <= 0)
            return -Errno.EINVAL;
        if ((a.A1 & ~(keepSize | punchHole | zeroRange)) != 0 || (a.A1 & (punchHole | zeroRange | keepSize)) == punchHole)
            return -Errno.EOPNOTSUPP;
        if (!file.CanWrite)
            return -Errno.EBADF;
        if (offset > long.MaxValue - length)
            return -Errno.EFBIG;
        if (!file.Inode.IsRegular)
            return file is PipeFile ? -Errno.ESPIPE : -Errno.ENODEV;
        if ((a.A1 & (punchHole | zeroRange)) == 0)
            return file.Inode.Allocate(offset, length, (a.A1 & keepSize) != 0);
        int error = file.Inode.PunchHole(offset, length);
        if (error == 0 && (a.A1 & keepSize) == 0 && offset + length > file.Inode.Size)
            error = file.Inode.Truncate(offset + length);
        return error;
    }

    /// <summary>memfd_create: a file that has no name.</summary>
    public static long MakeMemoryFile(KernelTask task, in SyscallArguments a)
    {
        const ulong closeOnExec = 1, allowSealing = 2, hugePages = 4, noExecSeal = 8, execute = 16;
        int error = task.TryReadString(a.A0, 250, Errno.EINVAL, out string name);
        if (error != 0)
            return error;
        if ((a.A1 & ~(closeOnExec | allowSealing | noExecSeal | execute)) != 0 || (a.A1 & hugePages) != 0 || (a.A1 & (noExecSeal | execute)) == (noExecSeal | execute))
            return -Errno.EINVAL;
        int seals = (a.A1 & noExecSeal) != 0 ? MemoryFile.SealExecute : (a.A1 & allowSealing) != 0 ? 0 : MemoryFile.SealSeal;
        var inode = new MemoryFile(task.Process.Container.Store, (a.A1 & noExecSeal) != 0 ? 0x1B6u : 0x1FFu) { Links = 0, Seals = seals };
        OpenFile file = inode.Open(OpenFlags.ReadWrite);
        file.Path = $"/memfd:{name} (deleted)";
        return task.Process.Files.Add(file, (a.A1 & closeOnExec) != 0);
    }

    public static long SetTimes(KernelTask task, in SyscallArguments a)
    {
        Inode? inode;
        if (a.A1 == 0)
        {
            if (task.Process.Files[a.Fd] is not { } file)
                return -Errno.EBADF;
            inode = file.Inode;
        }
        else
        {
            int error = Find(task, a.Fd, a.A1, (int)a.A3, out inode, toChange: true);
            if (error != 0)
                return error;
        }

        long now = task.Process.Container.Store.Now;
        long access = now;
        long modify = now;
        if (a.A2 != 0 && (!ReadTime(task, a.A2, now, inode!.AccessTime, out access) || !ReadTime(task, a.A2 + 16, now, inode.ModifyTime, out modify)))
            return -Errno.EFAULT;
        inode!.ChangeTime = now;
        return inode.ChangeTimes(access, modify);
    }

    public static long SetUmask(KernelTask task, in SyscallArguments a)
    {
        uint old = task.Process.Umask;
        task.Process.Umask = (uint)a.A0 & 0x1FF;
        return old;
    }

    public static long StatFileSystem(KernelTask task, in SyscallArguments a)
    {
        int error = Find(task, CurrentDirectory, a.A0, 0, out _);
        return error != 0 ? error : WriteFileSystem(task, a.A1);
    }

    public static long StatFileSystemOf(KernelTask task, in SyscallArguments a)
        => task.Process.Files[a.Fd] is null ? -Errno.EBADF : WriteFileSystem(task, a.A1);

    private static long WriteFileSystem(KernelTask task, ulong address)
    {
        FileStore store = task.Process.Container.Store;
        Span<byte> s = stackalloc byte[120];
        s.Clear();
        BitConverter.TryWriteBytes(s, 0x0102_1994L); // TMPFS_MAGIC
        BitConverter.TryWriteBytes(s[8..], 4096L);
        BitConverter.TryWriteBytes(s[16..], store.Capacity / 4096);
        BitConverter.TryWriteBytes(s[24..], (store.Capacity - store.Used) / 4096);
        BitConverter.TryWriteBytes(s[32..], (store.Capacity - store.Used) / 4096);
        BitConverter.TryWriteBytes(s[64..], 255L);
        BitConverter.TryWriteBytes(s[72..], 4096L);
        return task.TryWrite(address, s) ? 0 : -Errno.EFAULT;
    }

    private static long Make(KernelTask task, int fd, ulong path, uint mode)
    {
        int error = Locate(task, fd, path, false, out PathResult at);
        if (error != 0)
            return error;
        return at.Inode is not null ? -Errno.EEXIST : at.Mount.IsReadOnly ? -Errno.EROFS : at.Parent.Make(at.Name, mode, out _);
    }

    private static int SetMode(KernelTask task, Inode inode, ulong mode)
    {
        inode.ChangeTime = task.Process.Container.Store.Now;
        return inode.ChangeMode((uint)mode);
    }

    private static int SetOwner(Inode inode, ulong uid, ulong gid) => inode.ChangeOwner((uint)uid, (uint)gid);

    /// <summary>The file that a path names, which must exist; with AT_EMPTY_PATH and an empty path, the open file itself.</summary>
    private static int Find(KernelTask task, int fd, ulong pathAddress, int flags, out Inode? inode, bool toChange = false)
    {
        inode = null;
        int error = task.TryReadString(pathAddress, 4096, Errno.ENAMETOOLONG, out string path);
        if (error != 0)
            return error;
        if (path.Length == 0 && (flags & EmptyPath) != 0)
        {
            inode = fd == CurrentDirectory ? task.Process.WorkingDirectory.Inode : task.Process.Files[fd]?.Inode;
            return inode is null ? -Errno.EBADF : 0;
        }

        error = Locate(task, fd, path, (flags & NoFollow) == 0, out PathResult at);
        if (error != 0)
            return error;
        inode = at.Inode;
        return inode is null ? -Errno.ENOENT : toChange && at.Mount.IsReadOnly ? -Errno.EROFS : 0;
    }

    private static int Locate(KernelTask task, int fd, ulong pathAddress, bool follow, out PathResult result)
    {
        result = default;
        int error = task.TryReadString(pathAddress, 4096, Errno.ENAMETOOLONG, out string path);
        return error != 0 ? error : Locate(task, fd, path, follow, out result);
    }

    private static int Locate(KernelTask task, int fd, string path, bool follow, out PathResult result)
    {
        result = default;
        Place? start = task.Process.WorkingDirectory;
        if (fd != CurrentDirectory && !path.StartsWith('/'))
        {
            int error = PlaceOf(task, fd, out start);
            if (error != 0)
                return error;
        }

        return task.Process.Container.Paths.Resolve(task.Process.Credentials, start!, path, follow, out result);
    }

    private static int PlaceOf(KernelTask task, int fd, out Place? place)
    {
        place = null;
        if (task.Process.Files[fd] is not { } file)
            return -Errno.EBADF;
        if (!file.Inode.IsDirectory)
            return -Errno.ENOTDIR;
        PathWalk paths = task.Process.Container.Paths;
        int error = paths.Resolve(Credentials.Root, paths.Root, file.Path, true, out _, out place);
        return error != 0 ? error : place is null ? -Errno.ENOENT : 0;
    }

    private static long WriteStat(KernelTask task, ulong address, Inode inode)
    {
        Span<byte> s = stackalloc byte[128];
        s.Clear();
        BitConverter.TryWriteBytes(s, 1UL);
        BitConverter.TryWriteBytes(s[8..], inode.Number);
        BitConverter.TryWriteBytes(s[16..], inode.Mode);
        BitConverter.TryWriteBytes(s[20..], inode.Links);
        BitConverter.TryWriteBytes(s[24..], inode.Uid);
        BitConverter.TryWriteBytes(s[28..], inode.Gid);
        BitConverter.TryWriteBytes(s[32..], inode.Device);
        BitConverter.TryWriteBytes(s[48..], inode.Size);
        BitConverter.TryWriteBytes(s[56..], 4096u);
        BitConverter.TryWriteBytes(s[64..], (inode.Size + 511) / 512);
        WriteTime(s[72..], inode.AccessTime);
        WriteTime(s[88..], inode.ModifyTime);
        WriteTime(s[104..], inode.ChangeTime);
        return task.TryWrite(address, s) ? 0 : -Errno.EFAULT;
    }

    private static void WriteTime(Span<byte> at, long nanoseconds)
    {
        BitConverter.TryWriteBytes(at, nanoseconds / 1_000_000_000);
        BitConverter.TryWriteBytes(at[8..], nanoseconds % 1_000_000_000);
    }

    private static bool ReadTime(KernelTask task, ulong address, long now, long old, out long value)
    {
        const long Now = 0x3FFF_FFFF;
        const long Omit = 0x3FFF_FFFE;
        value = old;
        if (!task.TryRead(address, out long seconds) || !task.TryRead(address + 8, out long nanoseconds))
            return false;
        value = nanoseconds == Now ? now : nanoseconds == Omit ? old : unchecked(seconds * 1_000_000_000 + nanoseconds);
        return true;
    }
}
