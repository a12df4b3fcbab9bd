using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Signals, processes and changes of files as descriptors: signalfd, pidfd and inotify.</summary>
internal static class FileEventCalls
{
    public static long MakeSignalFile(KernelTask task, in SyscallArguments a)
    {
        if (a.A2 != 8 || ((int)a.A3 & ~(OpenFlags.NonBlock | OpenFlags.CloseOnExec)) != 0)
            return -Errno.EINVAL;
        if (!task.TryRead(a.A1, out ulong mask))
            return -Errno.EFAULT;
        mask &= ~Signals.Unblockable;
        if (a.Fd != -1)
        {
            if (task.Process.Files[a.Fd] is not { } open)
                return -Errno.EBADF;
            if (open is not SignalFile known)
                return -Errno.EINVAL;
            known.Mask = mask;
            task.Process.SignalArrived.WakeAll();
            return a.Fd;
        }

        return Add(task, new SignalFile(Nameless(task), (int)a.A3 & OpenFlags.NonBlock, task.Process, mask) { Path = "anon_inode:[signalfd]" }, (int)a.A3);
    }

    public static long OpenProcess(KernelTask task, in SyscallArguments a)
    {
        const int ofThread = OpenFlags.Exclusive;
        if (((int)a.A1 & ~(OpenFlags.NonBlock | ofThread)) != 0 || (int)a.A0 <= 0)
            return -Errno.EINVAL;
        if (task.FindProcess((int)a.A0) is not { } process)
            return task.FindTask((int)a.A0) is null ? -Errno.ESRCH : -Errno.ENOENT;
        return Add(task, Make(task, process, (int)a.A1 & OpenFlags.NonBlock), OpenFlags.CloseOnExec);
    }

    /// <summary>A file of a process, as clone gives it too.</summary>
    public static ProcessFile Make(KernelTask task, Process process, int flags) => new(Nameless(task), flags | OpenFlags.ReadWrite, process) { Path = "anon_inode:[pidfd]" };

    public static long SignalProcess(KernelTask task, in SyscallArguments a)
    {
        if (a.A3 > 4 || a.A3 == 3)
            return -Errno.EINVAL;
        if (task.Process.Files[a.Fd] is not { } open)
            return -Errno.EBADF;
        Process? target = (open as ProcessFile)?.Process ?? task.Process.Container.Processes.FirstOrDefault(process => process.Directories.Values.Any(each => each.Inode == open.Inode));
        if (target is null)
            return -Errno.EBADF;
        int signal = (int)a.A1;
        if (signal is < 0 or > Signals.Count)
            return -Errno.EINVAL;
        var info = SignalInfo.OfProcess(signal, task.Process, target);
        if (a.A2 != 0)
        {
            if (!task.TryRead(a.A2, out int told) || !task.TryRead(a.A2 + 8, out int code) || !task.TryRead(a.A2 + 16, out ulong first) || !task.TryRead(a.A2 + 24, out ulong second))
                return -Errno.EFAULT;
            if (told != signal)
                return -Errno.EINVAL;
            if (code >= 0 && target != task.Process)
                return -Errno.EPERM;
            info = new SignalInfo(signal, code, first, second);
        }

        if (!task.Process.Container.Processes.Contains(target))
            return -Errno.ESRCH;
        if (!task.Process.MaySignal(target))
            return -Errno.EPERM;
        if (signal != 0)
            task.Process.Container.Host.Send(target, info);
        return 0;
    }

    public static long TakeFile(KernelTask task, in SyscallArguments a)
    {
        if (a.A2 != 0)
            return -Errno.EINVAL;
        if (task.Process.Files[a.Fd] is not ProcessFile file)
            return -Errno.EBADF;
        if (!file.Process.IsAlive)
            return -Errno.ESRCH;
        if (!task.Process.MayTrace(file.Process))
            return -Errno.EPERM;
        if (file.Process.Files.Any((int)a.A1) is not { } taken)
            return -Errno.EBADF;
        taken.Acquire();
        return task.Process.Files.Add(taken, closeOnExec: true);
    }

    public static long MakeNotify(KernelTask task, in SyscallArguments a)
    {
        if (((int)a.A0 & ~(OpenFlags.NonBlock | OpenFlags.CloseOnExec)) != 0)
            return -Errno.EINVAL;
        return Add(task, new NotifyFile(Nameless(task), (int)a.A0 & OpenFlags.NonBlock) { Path = "anon_inode:inotify" }, (int)a.A0);
    }

    public static long AddWatch(KernelTask task, in SyscallArguments a)
    {
        var mask = (NotifyEvents)(uint)a.A2;
        if (task.Process.Files[a.Fd] is not { } open)
            return -Errno.EBADF;
        if ((mask & NotifyEvents.All) == 0 || (mask & (NotifyEvents.MaskAdd | NotifyEvents.MaskCreate)) == (NotifyEvents.MaskAdd | NotifyEvents.MaskCreate))
            return -Errno.EINVAL;
        if (open is not NotifyFile file)
            return -Errno.EINVAL;
        int error = FileCalls.FindPath(task, a.A1, (mask & NotifyEvents.DontFollow) == 0, out Inode? inode);
        if (error != 0)
            return error;
        if ((mask & NotifyEvents.OnlyDirectory) != 0 && !inode!.IsDirectory)
            return -Errno.ENOTDIR;
        return AccessCheck.Check(task.Process.Credentials, inode!, AccessCheck.Read) is < 0 and int denied ? denied : file.Watch(inode!, mask);
    }

    public static long RemoveWatch(KernelTask task, in SyscallArguments a)
        => task.Process.Files[a.Fd] is not { } open ? -Errno.EBADF : open is not NotifyFile file ? -Errno.EINVAL : file.Remove((int)a.A1);

    private static NamelessInode Nameless(KernelTask task) => new(task.Process.Container.Store, 0x180);

    private static long Add(KernelTask task, OpenFile file, int flags) => task.Process.Files.Add(file, (flags & OpenFlags.CloseOnExec) != 0);
}
