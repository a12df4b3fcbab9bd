using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Changing what files are: modes, owners, times, sizes, extended attributes.</summary>
internal static class AttributeCalls
{
    private const int LongestName = 255;
    private const int LongestValue = 65_536;
    private const uint SetUid = 0x800, SetGid = 0x400, GroupExecutes = 8;

    public static long ChangeMode(KernelTask task, in SyscallArguments a) => ChangeMode(task, in a, 0);

    public static long ChangeModeWithFlags(KernelTask task, in SyscallArguments a)
        => ((int)a.A3 & ~(UserPaths.NoFollow | UserPaths.EmptyPath)) != 0 ? -Errno.EINVAL : ChangeMode(task, in a, (int)a.A3);

    public static long ChangeModeOpen(KernelTask task, in SyscallArguments a)
        => UserPaths.FindOpen(task, a.Fd == UserPaths.CurrentDirectory ? -1 : a.Fd, out NamedFile found) is var error && error != 0 ? error : SetMode(task, found, (uint)a.A1);

    public static long ChangeOwner(KernelTask task, in SyscallArguments a)
    {
        if (((int)a.A4 & ~(UserPaths.NoFollow | UserPaths.EmptyPath)) != 0)
            return -Errno.EINVAL;
        int error = UserPaths.Find(task, a.Fd, a.A1, (int)a.A4, out NamedFile found);
        return error != 0 ? error : SetOwner(task, found, (uint)a.A2, (uint)a.A3);
    }

    public static long ChangeOwnerOpen(KernelTask task, in SyscallArguments a)
        => UserPaths.FindOpen(task, a.Fd == UserPaths.CurrentDirectory ? -1 : a.Fd, out NamedFile found) is var error && error != 0 ? error : SetOwner(task, found, (uint)a.A1, (uint)a.A2);

    public static long Truncate(KernelTask task, in SyscallArguments a)
    {
        int error = UserPaths.Find(task, UserPaths.CurrentDirectory, a.A0, 0, out NamedFile found);
        if (error != 0)
            return error;
        if ((long)a.A1 < 0)
            return -Errno.EINVAL;
        if (found.Inode.IsDirectory)
            return -Errno.EISDIR;
        if (!found.Inode.IsRegular)
            return -Errno.EINVAL;
        if (found.ToChange != 0)
            return found.ToChange;
        if (AccessCheck.Check(task.Process.Credentials, found.Inode, AccessCheck.Write) is < 0 and int denied)
            return denied;
        return Resize(task, found.Inode, null, "", (long)a.A1);
    }

    public static long TruncateOpen(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        return !file.CanWrite || !file.Inode.IsRegular || (long)a.A1 < 0 ? -Errno.EINVAL : Resize(task, file.Inode, file.Directory, file.Path, (long)a.A1);
    }

    public static long Allocate(KernelTask task, in SyscallArguments a)
    {
        const ulong keepSize = 1, punchHole = 2, zeroRange = 16;
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        (long offset, long length) = ((long)a.A2, (long)a.A3);
        if (offset < 0 || length <= 0)
            return -Errno.EINVAL;
        if ((a.A1 & ~(keepSize | punchHole | zeroRange)) != 0 || (a.A1 & (punchHole | zeroRange)) == (punchHole | zeroRange) || (a.A1 & (punchHole | keepSize)) == punchHole)
            return -Errno.EOPNOTSUPP;
        if (!file.CanWrite)
            return -Errno.EBADF;
        if (!file.Inode.IsRegular)
            return file is PipeFile ? -Errno.ESPIPE : file.Inode.IsDirectory ? -Errno.EISDIR : -Errno.ENODEV;
        if (offset > long.MaxValue - length)
            return -Errno.EFBIG;
        if ((a.A1 & keepSize) == 0 && offset + length > file.Inode.Size && (ulong)(offset + length) > task.Process.Limits[ResourceLimits.FileSize].Soft)
        {
            task.Process.Container.Host.Send(task, SignalInfo.OfKernel(Signals.SIGXFSZ));
            return -Errno.EFBIG;
        }

        if ((a.A1 & (punchHole | zeroRange)) == 0)
            return file.Inode.Allocate(offset, length, (a.A1 & keepSize) != 0);
        int error = file.Inode.PunchHole(offset, length);
        if (error == 0 && (a.A1 & keepSize) == 0 && offset + length > file.Inode.Size)
            error = file.Inode.Truncate(offset + length);
        return error;
    }

    public static long SetTimes(KernelTask task, in SyscallArguments a)
    {
        const long now = 0x3FFF_FFFF, omit = 0x3FFF_FFFE;
        if (((int)a.A3 & ~(UserPaths.NoFollow | UserPaths.EmptyPath)) != 0)
            return -Errno.EINVAL;
        (long access, long modify) = (now, now);
        (long accessSeconds, long modifySeconds) = (0, 0);
        if (a.A2 != 0)
        {
            if (!task.TryRead(a.A2, out accessSeconds) || !task.TryRead(a.A2 + 8, out access) || !task.TryRead(a.A2 + 16, out modifySeconds) || !task.TryRead(a.A2 + 24, out modify))
                return -Errno.EFAULT;
            if ((access is not (now or omit) && access is < 0 or > 999_999_999) || (modify is not (now or omit) && modify is < 0 or > 999_999_999))
                return -Errno.EINVAL;
            if (access == omit && modify == omit)
                return 0;
        }

        int error = a.A1 == 0 && a.Fd != UserPaths.CurrentDirectory ? UserPaths.FindOpen(task, a.Fd, out NamedFile found) : UserPaths.Find(task, a.Fd, a.A1, (int)a.A3, out found);
        if (error != 0)
            return error;
        if (found.ToChange != 0)
            return found.ToChange;
        Credentials who = task.Process.Credentials;
        if (!AccessCheck.IsOwner(who, found.Inode))
        {
            if (access != now || modify != now)
                return -Errno.EPERM;
            if (AccessCheck.Check(who, found.Inode, AccessCheck.Write) is < 0 and int denied)
                return denied;
        }

        long time = task.Process.Container.Store.Now;
        Inode inode = found.Inode;
        inode.ChangeTime = time;
        error = inode.ChangeTimes(
            access == now ? time : access == omit ? inode.AccessTime : unchecked((accessSeconds * 1_000_000_000) + access),
            modify == now ? time : modify == omit ? inode.ModifyTime : unchecked((modifySeconds * 1_000_000_000) + modify));
        Notify.Of(inode, null, "", NotifyEvents.Attributes);
        return error;
    }

    public static long SetAttribute(KernelTask task, in SyscallArguments a)
        => UserPaths.Find(task, UserPaths.CurrentDirectory, a.A0, 0, out NamedFile found) is var error && error != 0 ? error : Set(task, found, a.A1, a.A2, a.A3, a.A4);

    public static long SetLinkAttribute(KernelTask task, in SyscallArguments a)
        => UserPaths.Find(task, UserPaths.CurrentDirectory, a.A0, UserPaths.NoFollow, out NamedFile found) is var error && error != 0 ? error : Set(task, found, a.A1, a.A2, a.A3, a.A4);

    public static long SetOpenAttribute(KernelTask task, in SyscallArguments a)
        => UserPaths.FindOpen(task, a.Fd, out NamedFile found) is var error && error != 0 ? error : Set(task, found, a.A1, a.A2, a.A3, a.A4);

    public static long GetAttribute(KernelTask task, in SyscallArguments a)
        => UserPaths.Find(task, UserPaths.CurrentDirectory, a.A0, 0, out NamedFile found) is var error && error != 0 ? error : Get(task, found, a.A1, a.A2, a.A3);

    public static long GetLinkAttribute(KernelTask task, in SyscallArguments a)
        => UserPaths.Find(task, UserPaths.CurrentDirectory, a.A0, UserPaths.NoFollow, out NamedFile found) is var error && error != 0 ? error : Get(task, found, a.A1, a.A2, a.A3);

    public static long GetOpenAttribute(KernelTask task, in SyscallArguments a)
        => UserPaths.FindOpen(task, a.Fd, out NamedFile found) is var error && error != 0 ? error : Get(task, found, a.A1, a.A2, a.A3);

    public static long ListAttributes(KernelTask task, in SyscallArguments a)
        => UserPaths.Find(task, UserPaths.CurrentDirectory, a.A0, 0, out NamedFile found) is var error && error != 0 ? error : List(task, found, a.A1, a.A2);

    public static long ListLinkAttributes(KernelTask task, in SyscallArguments a)
        => UserPaths.Find(task, UserPaths.CurrentDirectory, a.A0, UserPaths.NoFollow, out NamedFile found) is var error && error != 0 ? error : List(task, found, a.A1, a.A2);

    public static long ListOpenAttributes(KernelTask task, in SyscallArguments a)
        => UserPaths.FindOpen(task, a.Fd, out NamedFile found) is var error && error != 0 ? error : List(task, found, a.A1, a.A2);

    public static long RemoveAttribute(KernelTask task, in SyscallArguments a)
        => UserPaths.Find(task, UserPaths.CurrentDirectory, a.A0, 0, out NamedFile found) is var error && error != 0 ? error : Remove(task, found, a.A1);

    public static long RemoveLinkAttribute(KernelTask task, in SyscallArguments a)
        => UserPaths.Find(task, UserPaths.CurrentDirectory, a.A0, UserPaths.NoFollow, out NamedFile found) is var error && error != 0 ? error : Remove(task, found, a.A1);

    public static long RemoveOpenAttribute(KernelTask task, in SyscallArguments a)
        => UserPaths.FindOpen(task, a.Fd, out NamedFile found) is var error && error != 0 ? error : Remove(task, found, a.A1);

    private static long ChangeMode(KernelTask task, in SyscallArguments a, int flags)
    {
        int error = UserPaths.Find(task, a.Fd, a.A1, flags, out NamedFile found);
        return error != 0 ? error : found.Inode.IsSymlink ? -Errno.EOPNOTSUPP : SetMode(task, found, (uint)a.A2);
    }

    private static int SetMode(KernelTask task, NamedFile found, uint mode)
    {
        Credentials who = task.Process.Credentials;
        if (found.ToChange != 0)
            return found.ToChange;
        if (!AccessCheck.IsOwner(who, found.Inode))
            return -Errno.EPERM;
        if (!who.IsInGroup(found.Inode.Gid) && !who.HasOver(found.Inode, Capability.FileSetId))
            mode &= ~SetGid;
        found.Inode.ChangeTime = task.Process.Container.Store.Now;
        int error = found.Inode.ChangeMode(mode & InodeMode.Permissions);
        Notify.Of(found.Inode, null, "", NotifyEvents.Attributes);
        return error;
    }

    private static int SetOwner(KernelTask task, NamedFile found, uint uid, uint gid)
    {
        Credentials who = task.Process.Credentials;
        Inode inode = found.Inode;
        if (found.ToChange != 0)
            return found.ToChange;
        (uint wantedUser, uint wantedGroup) = (uid, gid);
        uid = uid == uint.MaxValue ? uid : who.UserOf(uid);
        gid = gid == uint.MaxValue ? gid : who.GroupOf(gid);
        if (uid != wantedUser && uid == uint.MaxValue || gid != wantedGroup && gid == uint.MaxValue)
            return -Errno.EINVAL;
        bool keepsUser = uid == uint.MaxValue || uid == inode.Uid;
        bool mayGroup = gid == uint.MaxValue || gid == inode.Gid || who.IsInGroup(gid);
        if (!who.HasOver(inode, Capability.ChangeOwner) && !(who.FileUid == inode.Uid && keepsUser && mayGroup) && (uid & gid) != uint.MaxValue)
            return -Errno.EPERM;
        inode.ChangeTime = task.Process.Container.Store.Now;
        int error = inode.ChangeOwner(uid, gid);

        // A program that changes hands loses its set-id bits.
        if (error == 0 && inode.IsRegular && (inode.Mode & (SetUid | SetGid)) != 0)
        {
            uint lost = SetUid | ((inode.Mode & GroupExecutes) != 0 ? SetGid : 0);
            error = inode.ChangeMode(inode.Mode & InodeMode.Permissions & ~lost);
        }

        Notify.Of(inode, null, "", NotifyEvents.Attributes);
        return error;
    }

    private static long Resize(KernelTask task, Inode inode, Inode? directory, string path, long size)
    {
        if ((ulong)size > task.Process.Limits[ResourceLimits.FileSize].Soft)
        {
            task.Process.Container.Host.Send(task, SignalInfo.OfKernel(Signals.SIGXFSZ));
            return -Errno.EFBIG;
        }

        int error = inode.Truncate(size);
        if (error == 0)
            Notify.Of(inode, directory, path[(path.LastIndexOf('/') + 1)..], NotifyEvents.Modified);
        return error;
    }

    private static long ReadName(KernelTask task, ulong address, out string name)
    {
        int error = task.TryReadString(address, LongestName + 1, Errno.ERANGE, out name);
        if (error != 0)
            return error;
        if (name.Length == 0)
            return -Errno.ERANGE;
        return name.StartsWith("user.", StringComparison.Ordinal) || name.StartsWith("trusted.", StringComparison.Ordinal)
            || name.StartsWith("security.", StringComparison.Ordinal) || name.StartsWith("system.", StringComparison.Ordinal) ? 0 : -Errno.EOPNOTSUPP;
    }

    private static int MayAttribute(KernelTask task, NamedFile found, string name, bool write)
    {
        Credentials who = task.Process.Credentials;
        if (name.StartsWith("system.", StringComparison.Ordinal))
            return -Errno.EOPNOTSUPP;
        if (name.StartsWith("trusted.", StringComparison.Ordinal) && !who.Has(Capability.Administer))
            return write ? -Errno.EPERM : -Errno.ENODATA;
        if (name.StartsWith("security.", StringComparison.Ordinal) && write && !who.Has(Capability.Administer))
            return -Errno.EPERM;
        if (name.StartsWith("user.", StringComparison.Ordinal))
        {
            if (!found.Inode.IsRegular && !found.Inode.IsDirectory)
                return write ? -Errno.EPERM : -Errno.ENODATA;
            if (AccessCheck.Check(who, found.Inode, write ? AccessCheck.Write : AccessCheck.Read) is < 0 and int denied)
                return denied;
        }

        return write ? found.ToChange : 0;
    }

    private static long Set(KernelTask task, NamedFile found, ulong nameAddress, ulong value, ulong size, ulong flags)
    {
        const ulong create = 1, replace = 2;
        if ((flags & ~(create | replace)) != 0)
            return -Errno.EINVAL;
        long error = ReadName(task, nameAddress, out string name);
        if (error != 0)
            return error;
        if (size > LongestValue)
            return -Errno.E2BIG;
        var bytes = new byte[size];
        if (!task.TryRead(value, bytes))
            return -Errno.EFAULT;
        error = MayAttribute(task, found, name, write: true);
        if (error != 0)
            return error;
        bool exists = found.Inode.Attributes?.ContainsKey(name) == true;
        if (exists && (flags & create) != 0)
            return -Errno.EEXIST;
        if (!exists && (flags & replace) != 0)
            return -Errno.ENODATA;
        long held = found.Inode.Attributes?.GetValueOrDefault(name)?.Length ?? -name.Length;
        if (!task.Process.Container.Store.TryTake(bytes.Length - held))
            return -Errno.ENOSPC;
        (found.Inode.Attributes ??= [])[name] = bytes;
        found.Inode.ChangeTime = task.Process.Container.Store.Now;
        Notify.Of(found.Inode, null, "", NotifyEvents.Attributes);
        return 0;
    }

    private static long Get(KernelTask task, NamedFile found, ulong nameAddress, ulong value, ulong size)
    {
        long error = ReadName(task, nameAddress, out string name);
        if (error == 0)
            error = MayAttribute(task, found, name, write: false);
        if (error != 0)
            return error;
        if (found.Inode.Attributes?.GetValueOrDefault(name) is not { } bytes)
            return -Errno.ENODATA;
        if (size == 0)
            return bytes.Length;
        return (ulong)bytes.Length > size ? -Errno.ERANGE : task.TryWrite(value, bytes) ? bytes.Length : -Errno.EFAULT;
    }

    private static long List(KernelTask task, NamedFile found, ulong list, ulong size)
    {
        bool isAdministrator = task.Process.Credentials.Has(Capability.Administer);
        byte[] names = KernelText.Encode(string.Concat((found.Inode.Attributes?.Keys ?? Enumerable.Empty<string>())
            .Where(name => isAdministrator || !name.StartsWith("trusted.", StringComparison.Ordinal)).Select(name => name + "\0")));
        if (size == 0)
            return names.Length;
        return (ulong)names.Length > size ? -Errno.ERANGE : task.TryWrite(list, names) ? names.Length : -Errno.EFAULT;
    }

    private static long Remove(KernelTask task, NamedFile found, ulong nameAddress)
    {
        long error = ReadName(task, nameAddress, out string name);
        if (error == 0)
            error = MayAttribute(task, found, name, write: true);
        if (error != 0)
            return error;
        if (found.Inode.Attributes?.Remove(name, out byte[]? bytes) != true)
            return -Errno.ENODATA;
        task.Process.Container.Store.Give(bytes!.Length + name.Length);
        Notify.Of(found.Inode, null, "", NotifyEvents.Attributes);
        return 0;
    }
}
