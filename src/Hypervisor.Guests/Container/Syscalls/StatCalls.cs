using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>What files are: stat, statx, statfs, access, and the entries of directories.</summary>
internal static class StatCalls
{
    private const int NamelessDevice = 12;

    public static long Stat(KernelTask task, in SyscallArguments a)
    {
        const int noAutomount = 0x800;
        if (((int)a.A3 & ~(UserPaths.NoFollow | UserPaths.EmptyPath | noAutomount)) != 0)
            return -Errno.EINVAL;
        int error = UserPaths.Find(task, a.Fd, a.A1, (int)a.A3, out NamedFile found);
        return error != 0 ? error : Write(task, a.A2, found);
    }

    public static long StatOpen(KernelTask task, in SyscallArguments a)
        => task.Process.Files.Any(a.Fd) is { } file ? Write(task, a.A1, new NamedFile(file.Inode, file.Mount)) : -Errno.EBADF;

    public static long StatExtended(KernelTask task, in SyscallArguments a)
    {
        const int noAutomount = 0x800, syncMask = 0x6000;
        const uint basic = 0x7FF, birth = 0x800, mountId = 0x1000;
        if (((int)a.A2 & ~(UserPaths.NoFollow | UserPaths.EmptyPath | noAutomount | syncMask)) != 0 || ((int)a.A2 & syncMask) == syncMask || (uint)a.A3 >> 31 != 0)
            return -Errno.EINVAL;
        int error = UserPaths.Find(task, a.Fd, a.A1, (int)a.A2, out NamedFile found);
        if (error != 0)
            return error;
        Inode inode = found.Inode;
        Span<byte> x = stackalloc byte[256];
        x.Clear();
        int device = DeviceOf(found.Mount);
        BitConverter.TryWriteBytes(x, basic | birth | mountId);
        BitConverter.TryWriteBytes(x[4..], 4096u);
        BitConverter.TryWriteBytes(x[16..], inode.LinkCount);
        BitConverter.TryWriteBytes(x[20..], task.Process.Credentials.TellUser(inode.Uid));
        BitConverter.TryWriteBytes(x[24..], task.Process.Credentials.TellGroup(inode.Gid));
        BitConverter.TryWriteBytes(x[28..], (ushort)inode.Mode);
        BitConverter.TryWriteBytes(x[32..], inode.Number);
        BitConverter.TryWriteBytes(x[40..], inode.Size);
        BitConverter.TryWriteBytes(x[48..], (inode.Allocated + 511) / 512);
        WriteTime(x[64..], inode.AccessTime);
        WriteTime(x[80..], inode.CreatedAt);
        WriteTime(x[96..], inode.ChangeTime);
        WriteTime(x[112..], inode.ModifyTime);
        BitConverter.TryWriteBytes(x[128..], (uint)(inode.Device >> 8));
        BitConverter.TryWriteBytes(x[132..], (uint)inode.Device & 0xFF);
        BitConverter.TryWriteBytes(x[140..], device);
        BitConverter.TryWriteBytes(x[144..], (ulong)(found.Mount?.Id ?? 0));
        return task.TryWrite(a.A4, x) ? 0 : -Errno.EFAULT;
    }

    public static long Access(KernelTask task, in SyscallArguments a) => Access(task, in a, 0);

    public static long AccessWithFlags(KernelTask task, in SyscallArguments a)
    {
        const int effective = 0x200;
        return ((int)a.A3 & ~(UserPaths.NoFollow | UserPaths.EmptyPath | effective)) != 0 ? -Errno.EINVAL : Access(task, in a, (int)a.A3);
    }

    public static long GetEntries(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        if (file is not DirectoryFile directory)
            return -Errno.ENOTDIR;
        if (file.Inode.Links == 0)
            return -Errno.ENOENT;
        var buffer = new byte[Math.Min((uint)a.A2, 64 << 10)];
        long before = directory.Position;
        int count = directory.ReadEntries(buffer);
        if (count <= 0)
            return count;
        if (task.TryWrite(a.A1, buffer.AsSpan(0, count)))
            return count;
        directory.Position = before;
        return -Errno.EFAULT;
    }

    public static long StatFileSystem(KernelTask task, in SyscallArguments a)
    {
        int error = UserPaths.Find(task, UserPaths.CurrentDirectory, a.A0, 0, out NamedFile found);
        return error != 0 ? error : WriteFileSystem(task, a.A1, found.Mount);
    }

    public static long StatFileSystemOf(KernelTask task, in SyscallArguments a)
        => task.Process.Files.Any(a.Fd) is not { } file ? -Errno.EBADF : WriteFileSystem(task, a.A1, file.Mount);

    /// <summary>The number of the device that a mounted tree shows as.</summary>
    public static int DeviceOf(MountedTree? mount) => mount?.Device ?? NamelessDevice;

    private static long Access(KernelTask task, in SyscallArguments a, int flags)
    {
        const int effective = 0x200;
        int wanted = (int)a.A2;
        if ((wanted & ~7) != 0)
            return -Errno.EINVAL;
        Credentials who = task.Process.Credentials;
        Credentials asked = (flags & effective) != 0 ? who : who with { FileUid = who.Uid, FileGid = who.Gid, Effective = who.IsRoot(who.Uid) ? who.Permitted : 0 };
        task.Process.Credentials = asked;
        int error = UserPaths.Find(task, a.Fd, a.A1, flags, out NamedFile found);
        task.Process.Credentials = who;
        if (error != 0)
            return error;
        error = AccessCheck.Check(asked, found.Inode, wanted);
        if (error == 0 && (wanted & AccessCheck.Execute) != 0 && found.Inode.IsRegular && found.Mount is { } mount && (mount.Rights & MountRights.NoExecute) != 0)
            error = -Errno.EACCES;
        return error == 0 && (wanted & AccessCheck.Write) != 0 && (found.Inode.IsRegular || found.Inode.IsDirectory) ? found.ToChange : error;
    }

    private static long Write(KernelTask task, ulong address, NamedFile found)
    {
        Inode inode = found.Inode;
        Span<byte> s = stackalloc byte[128];
        s.Clear();
        BitConverter.TryWriteBytes(s, (ulong)DeviceOf(found.Mount));
        BitConverter.TryWriteBytes(s[8..], inode.Number);
        BitConverter.TryWriteBytes(s[16..], inode.Mode);
        BitConverter.TryWriteBytes(s[20..], inode.LinkCount);
        BitConverter.TryWriteBytes(s[24..], task.Process.Credentials.TellUser(inode.Uid));
        BitConverter.TryWriteBytes(s[28..], task.Process.Credentials.TellGroup(inode.Gid));
        BitConverter.TryWriteBytes(s[32..], inode.Device);
        BitConverter.TryWriteBytes(s[48..], inode.Size);
        BitConverter.TryWriteBytes(s[56..], 4096u);
        BitConverter.TryWriteBytes(s[64..], (inode.Allocated + 511) / 512);
        WriteTime(s[72..], inode.AccessTime);
        WriteTime(s[88..], inode.ModifyTime);
        WriteTime(s[104..], inode.ChangeTime);
        return task.TryWrite(address, s) ? 0 : -Errno.EFAULT;
    }

    private static long WriteFileSystem(KernelTask task, ulong address, MountedTree? mount)
    {
        FileStore store = mount?.Store ?? task.Process.Container.Store;
        (long magic, bool hasRoom) = (mount?.Type ?? "") switch
        {
            "proc" => (0x9FA0L, false),
            "sysfs" => (0x6265_6572L, false),
            "devpts" => (0x1CD1L, false),
            "cgroup2" => (0x6367_7270L, false),
            "mqueue" => (0x1980_0202L, false),
            "overlay" => (0x794C_7630L, true),
            "hostfs" => (0xEF53L, true),
            "" => (0x5049_5045L, false),
            _ => (0x0102_1994L, true),
        };
        Span<byte> s = stackalloc byte[120];
        s.Clear();
        BitConverter.TryWriteBytes(s, magic);
        BitConverter.TryWriteBytes(s[8..], 4096L);
        if (hasRoom)
        {
            BitConverter.TryWriteBytes(s[16..], store.Capacity / 4096);
            BitConverter.TryWriteBytes(s[24..], (store.Capacity - store.Used) / 4096);
            BitConverter.TryWriteBytes(s[32..], (store.Capacity - store.Used) / 4096);
            BitConverter.TryWriteBytes(s[40..], store.Capacity / 4096);
            BitConverter.TryWriteBytes(s[48..], (store.Capacity - store.Used) / 4096);
        }

        BitConverter.TryWriteBytes(s[56..], (long)DeviceOf(mount));
        BitConverter.TryWriteBytes(s[64..], 255L);
        BitConverter.TryWriteBytes(s[72..], 4096L);
        const MountRights told = MountRights.ReadOnly | MountRights.NoSetId | MountRights.NoDevices | MountRights.NoExecute;
        const long valid = 0x20, relativeTimes = 0x1000, noTimes = 0x400;
        MountRights rights = mount?.Rights ?? MountRights.None;
        BitConverter.TryWriteBytes(s[80..], valid | (long)(rights & told) | ((rights & MountRights.RelativeAccessTimes) != 0 ? relativeTimes : 0) | ((rights & MountRights.NoAccessTimes) != 0 ? noTimes : 0));
        return task.TryWrite(address, s) ? 0 : -Errno.EFAULT;
    }

    private static void WriteTime(Span<byte> at, long nanoseconds)
    {
        (long seconds, long rest) = Math.DivRem(nanoseconds, 1_000_000_000);
        if (rest < 0)
            (seconds, rest) = (seconds - 1, rest + 1_000_000_000);
        BitConverter.TryWriteBytes(at, seconds);
        BitConverter.TryWriteBytes(at[8..], rest);
    }
}
