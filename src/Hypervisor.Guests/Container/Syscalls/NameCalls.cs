using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Names of files: links, removing, moving; the working and the root directory.</summary>
internal static class NameCalls
{
    private const int RemoveDirectory = 0x200;
    private const ulong NoReplace = 1, Exchange = 2;

    public static long MakeSymlink(KernelTask task, in SyscallArguments a)
    {
        int error = task.TryReadString(a.A0, UserPaths.Longest, Errno.ENAMETOOLONG, out string target);
        if (error != 0)
            return error;
        if (target.Length == 0)
            return -Errno.ENOENT;
        error = UserPaths.Locate(task, (int)a.A1, a.A2, false, out PathResult at);
        if (error != 0)
            return error;
        if (at.Inode is not null)
            return -Errno.EEXIST;
        error = UserPaths.MayMake(task, in at);
        if (error == 0)
            error = at.Parent.MakeSymlink(at.Name, target);
        if (error != 0)
            return error;
        if (at.Parent.Lookup(at.Name) is { } made)
            UserPaths.GiveTo(task, made, at.Parent);
        Notify.Entry(at.Parent, at.Name, NotifyEvents.Created, isDirectory: false);
        return 0;
    }

    public static long Link(KernelTask task, in SyscallArguments a)
    {
        int flags = (int)a.A4;
        if ((flags & ~(UserPaths.EmptyPath | UserPaths.FollowLink)) != 0)
            return -Errno.EINVAL;
        int error = UserPaths.Find(task, a.Fd, a.A1, (flags & UserPaths.FollowLink) != 0 ? flags : flags | UserPaths.NoFollow, out NamedFile from);
        if (error != 0)
            return error;
        error = UserPaths.Locate(task, (int)a.A2, a.A3, false, out PathResult to);
        if (error != 0)
            return error;
        if (to.Inode is not null)
            return -Errno.EEXIST;
        error = UserPaths.MayMake(task, in to);
        if (error != 0)
            return error;
        if (from.Mount is not null && from.Mount != to.Mount)
            return -Errno.EXDEV;
        if (from.Inode.IsDirectory)
            return -Errno.EPERM;
        if (!from.Inode.SharesFileSystem(to.Parent))
            return -Errno.EXDEV;
        if (from.Inode is MemoryFile { Links: 0, MayBeLinked: false } || (from.Inode.Links == 0 && from.Inode is not MemoryFile))
            return -Errno.ENOENT;
        error = to.Parent.Add(to.Name, from.Inode);
        if (error != 0)
            return error;
        from.Inode.Links++;
        from.Inode.ChangeTime = task.Process.Container.Store.Now;
        Notify.Entry(to.Parent, to.Name, NotifyEvents.Created, isDirectory: false);
        return 0;
    }

    public static long Unlink(KernelTask task, in SyscallArguments a)
    {
        if (((int)a.A2 & ~RemoveDirectory) != 0)
            return -Errno.EINVAL;
        bool directory = ((int)a.A2 & RemoveDirectory) != 0;
        int error = task.TryReadString(a.A1, UserPaths.Longest, Errno.ENAMETOOLONG, out string path);
        if (error != 0)
            return error;
        if (directory && LastIs(path, "."))
            return -Errno.EINVAL;
        if (directory && LastIs(path, ".."))
            return -Errno.ENOTEMPTY;
        error = UserPaths.Locate(task, a.Fd, path, false, out PathResult at);
        if (error != 0)
            return error;
        if (at.Inode is not { } inode)
            return -Errno.ENOENT;
        if (at.Mount.IsReadOnly)
            return -Errno.EROFS;
        error = AccessCheck.CheckRemove(task.Process.Credentials, at.Parent, inode);
        if (error != 0)
            return error;
        if (directory)
        {
            if (!inode.IsDirectory)
                return -Errno.ENOTDIR;
            if (at.IsMountPoint)
                return -Errno.EBUSY;
            if (inode is GeneratedDirectory)
                return -Errno.EPERM;
            if (inode.Entries().Any())
                return -Errno.ENOTEMPTY;
        }
        else if (inode.IsDirectory)
        {
            return -Errno.EISDIR;
        }
        else if (at.IsMountPoint)
        {
            return -Errno.EBUSY;
        }

        error = at.Parent.Remove(at.Name);
        if (error == 0)
            Removed(task, inode, at.Parent, at.Name);
        return error;
    }

    public static long Rename(KernelTask task, in SyscallArguments a)
    {
        if ((a.A4 & ~(NoReplace | Exchange)) != 0 || (a.A4 & (NoReplace | Exchange)) == (NoReplace | Exchange))
            return -Errno.EINVAL;
        int error = task.TryReadString(a.A1, UserPaths.Longest, Errno.ENAMETOOLONG, out string oldPath);
        if (error == 0)
            error = task.TryReadString(a.A3, UserPaths.Longest, Errno.ENAMETOOLONG, out string newPath) is var second && second != 0 ? second
                : LastIs(oldPath, ".") || LastIs(oldPath, "..") || LastIs(newPath, ".") || LastIs(newPath, "..") ? -Errno.EBUSY
                : Rename(task, in a, oldPath, newPath);
        return error;
    }

    public static long ReadLink(KernelTask task, in SyscallArguments a)
    {
        if ((int)a.A3 <= 0)
            return -Errno.EINVAL;
        int error = UserPaths.Find(task, a.Fd, a.A1, UserPaths.NoFollow | UserPaths.EmptyPath, out NamedFile found);
        if (error != 0)
            return error;
        if (!found.Inode.IsSymlink)
            return -Errno.EINVAL;
        byte[] target = KernelText.Encode(found.Inode.Target);
        int count = (int)Math.Min((ulong)target.Length, a.A3);
        return task.TryWrite(a.A2, target.AsSpan(0, count)) ? count : -Errno.EFAULT;
    }

    public static long GetWorkingDirectory(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.WorkingDirectory.Inode.Links == 0)
            return -Errno.ENOENT;
        string where = task.Process.WorkingDirectory.PathFrom(task.Process.RootPlace, out bool isReached);
        byte[] path = KernelText.Encode((isReached ? where : "(unreachable)" + where) + "\0");
        if ((ulong)path.Length > a.A1)
            return -Errno.ERANGE;
        return task.TryWrite(a.A0, path) ? path.Length : -Errno.EFAULT;
    }

    public static long ChangeDirectory(KernelTask task, in SyscallArguments a)
    {
        int error = task.TryReadString(a.A0, UserPaths.Longest, Errno.ENAMETOOLONG, out string path);
        return error != 0 ? error : Enter(task, path, out Place? place) is var denied && denied != 0 ? denied : Go(task, place!);
    }

    public static long ChangeToOpenDirectory(KernelTask task, in SyscallArguments a)
    {
        int error = UserPaths.PlaceOf(task, a.Fd, out Place? place);
        if (error != 0)
            return error;
        error = AccessCheck.Check(task.Process.Credentials, place!.Inode, AccessCheck.Execute);
        return error != 0 ? error : Go(task, place);
    }

    public static long ChangeRoot(KernelTask task, in SyscallArguments a)
    {
        int error = task.TryReadString(a.A0, UserPaths.Longest, Errno.ENAMETOOLONG, out string path);
        if (error == 0)
            error = Enter(task, path, out Place? place) is var denied && denied != 0 ? denied
                : !task.Process.Credentials.HasHere(Capability.ChangeRoot) ? -Errno.EPERM
                : SetRoot(task, place!);
        return error;
    }

    private static int SetRoot(KernelTask task, Place place)
    {
        task.Process.Root = place;
        return 0;
    }

    private static int Enter(KernelTask task, string path, out Place? place)
    {
        int error = UserPaths.Locate(task, UserPaths.CurrentDirectory, path, true, out PathResult at, out place);
        if (error != 0)
            return error;
        if (place is null)
            return at.Inode is null ? -Errno.ENOENT : -Errno.ENOTDIR;
        return AccessCheck.Check(task.Process.Credentials, place.Inode, AccessCheck.Execute);
    }

    private static long Go(KernelTask task, Place place)
    {
        task.Process.WorkingDirectory = place;
        return 0;
    }

    private static int Rename(KernelTask task, in SyscallArguments a, string oldPath, string newPath)
    {
        int error = UserPaths.Locate(task, a.Fd, oldPath, false, out PathResult from);
        if (error != 0)
            return error;
        error = UserPaths.Locate(task, (int)a.A2, newPath, false, out PathResult to);
        if (error != 0)
            return error;
        if (from.Inode is not { } inode)
            return -Errno.ENOENT;
        if (from.IsMountPoint || to.IsMountPoint || from.Name.Length == 0 || to.Name.Length == 0)
            return -Errno.EBUSY;
        if (from.Mount != to.Mount)
            return -Errno.EXDEV;
        if ((a.A4 & NoReplace) != 0 && to.Inode is not null)
            return -Errno.EEXIST;
        if ((a.A4 & Exchange) != 0 && to.Inode is null)
            return -Errno.ENOENT;
        if (to.Mount.IsReadOnly)
            return -Errno.EROFS;
        if (to.Inode == inode)
            return 0;
        if (!inode.IsDirectory && newPath[^1] == '/' && to.Inode is null)
            return -Errno.ENOTDIR;
        if (inode.IsDirectory && (to.Path + "/").StartsWith(from.Path + "/", StringComparison.Ordinal))
            return -Errno.EINVAL;
        if (to.Inode?.IsDirectory == true && (from.Path + "/").StartsWith(to.Path + "/", StringComparison.Ordinal))
            return (a.A4 & Exchange) != 0 ? -Errno.EINVAL : -Errno.ENOTEMPTY;
        error = AccessCheck.CheckRemove(task.Process.Credentials, from.Parent, inode);
        if (error == 0 && to.Parent.Links == 0)
            error = -Errno.ENOENT;
        if (error == 0)
            error = to.Inode is { } over ? AccessCheck.CheckRemove(task.Process.Credentials, to.Parent, over)
                : AccessCheck.Check(task.Process.Credentials, to.Parent, AccessCheck.Write | AccessCheck.Execute);
        if (error != 0)
            return error;
        if (!inode.SharesFileSystem(to.Parent))
            return -Errno.EXDEV;
        return (a.A4 & Exchange) != 0 ? Swap(from, to) : Move(task, from, to);
    }

    private static int Move(KernelTask task, PathResult from, PathResult to)
    {
        Inode inode = from.Inode!;
        if (to.Inode is { } target)
        {
            if (target.IsDirectory && !inode.IsDirectory)
                return -Errno.EISDIR;
            if (!target.IsDirectory && inode.IsDirectory)
                return -Errno.ENOTDIR;
            if (target.IsDirectory && target.Entries().Any())
                return -Errno.ENOTEMPTY;
        }

        int error = from.Parent.Rename(from.Name, to.Parent, to.Name);
        if (error != 0)
            return error;
        inode.ChangeTime = task.Process.Container.Store.Now;
        if (to.Inode is { } replaced)
            Removed(task, replaced, null, "");
        uint cookie = task.Process.Container.NextCookie();
        Notify.Entry(from.Parent, from.Name, NotifyEvents.MovedFrom, inode.IsDirectory, cookie);
        Notify.Entry(to.Parent, to.Name, NotifyEvents.MovedTo, inode.IsDirectory, cookie);
        Notify.Self(inode, NotifyEvents.SelfMoved);
        return 0;
    }

    private static int Swap(PathResult from, PathResult to)
    {
        if (from.Parent is not MemoryDirectory || to.Parent is not MemoryDirectory)
            return -Errno.EINVAL;
        int error = from.Parent.Add(from.Name, to.Inode!);
        return error != 0 ? error : to.Parent.Add(to.Name, from.Inode!);
    }

    private static void Removed(KernelTask task, Inode inode, Inode? directory, string name)
    {
        inode.ChangeTime = task.Process.Container.Store.Now;
        if (inode.IsDirectory)
            inode.Links = 1;
        inode.Acquire();
        inode.Unlinked();
        if (inode.Links == 0)
            Notify.Self(inode, NotifyEvents.SelfDeleted);
        else
            Notify.Self(inode, NotifyEvents.Attributes);
        if (directory is not null)
            Notify.Entry(directory, name, NotifyEvents.Deleted, inode.IsDirectory);
        inode.Release();
    }

    private static bool LastIs(string path, string name)
    {
        string trimmed = path.TrimEnd('/');
        return trimmed == name || trimmed.EndsWith("/" + name, StringComparison.Ordinal);
    }
}
