using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>eventfd, timerfd and epoll.</summary>
internal static class EventCalls
{
    private const int Realtime = 0;
    private const int MostEvents = 4096;

    public static long MakeEvent(KernelTask task, in SyscallArguments a)
    {
        const int semaphore = 1;
        int flags = (int)a.A1;
        if ((flags & ~(semaphore | OpenFlags.NonBlock | OpenFlags.CloseOnExec)) != 0)
            return -Errno.EINVAL;
        return Add(task, new EventFile(Nameless(task), flags & OpenFlags.NonBlock, (uint)a.A0, (flags & semaphore) != 0) { Path = "anon_inode:[eventfd]" }, flags);
    }

    public static long MakeTimer(KernelTask task, in SyscallArguments a)
    {
        int flags = (int)a.A1;
        if (a.A0 is not (Realtime or 1 or 7 or 8 or 9) || (flags & ~(OpenFlags.NonBlock | OpenFlags.CloseOnExec)) != 0)
            return -Errno.EINVAL;
        var file = new TimerFile(Nameless(task), flags & OpenFlags.NonBlock, task.Process.Container.Host, a.A0 is Realtime or 8) { Path = "anon_inode:[timerfd]" };
        return Add(task, file, flags);
    }

    public static long SetTimer(KernelTask task, in SyscallArguments a)
    {
        const ulong absolute = 1;
        if (task.Process.Files[a.Fd] is not { } open)
            return -Errno.EBADF;
        if (open is not TimerFile file || a.A1 > 3)
            return -Errno.EINVAL;
        if (TimeCalls.ReadTime(task, a.A2) is not { } interval || TimeCalls.ReadTime(task, a.A2 + 16) is not { } time)
            return -Errno.EFAULT;
        if (interval < 0 || time < 0)
            return -Errno.EINVAL;
        if (a.A3 != 0 && !WriteSetting(task, a.A3, file))
            return -Errno.EFAULT;
        ContainerHost host = task.Process.Container.Host;
        long deadline = time == 0 ? 0
            : (a.A1 & absolute) == 0 ? host.Now + time
            : Math.Max(1, file.IsRealtime ? time - host.EpochNanoseconds : time);
        file.Set(deadline, interval);
        return 0;
    }

    public static long GetTimer(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { } open)
            return -Errno.EBADF;
        return open is not TimerFile file ? -Errno.EINVAL : WriteSetting(task, a.A1, file) ? 0 : -Errno.EFAULT;
    }

    public static long MakeEpoll(KernelTask task, in SyscallArguments a)
    {
        int flags = (int)a.A0;
        if ((flags & ~OpenFlags.CloseOnExec) != 0)
            return -Errno.EINVAL;
        return Add(task, new EpollFile(Nameless(task), OpenFlags.ReadWrite) { Path = "anon_inode:[eventpoll]" }, flags);
    }

    public static long ControlEpoll(KernelTask task, in SyscallArguments a)
    {
        int fd = (int)a.A2;
        uint events = 0;
        ulong data = 0;
        if (a.A1 != 2 && !(task.TryRead(a.A3, out events) && task.TryRead(a.A3 + 8, out data)))
            return -Errno.EFAULT;
        if (task.Process.Files[a.Fd] is not { } open || task.Process.Files[fd] is not { } file)
            return -Errno.EBADF;
        if (file.Inode.IsRegular || file.Inode.IsDirectory)
            return -Errno.EPERM; // They are always ready: there is nothing to wait for.
        if (open is not EpollFile epoll)
            return -Errno.EINVAL;
        return a.A1 switch
        {
            1 => epoll.Add(fd, file, events, data),
            2 => epoll.Remove(fd, file),
            3 => epoll.Modify(fd, file, events, data),
            _ => -Errno.EINVAL,
        };
    }

    public static long WaitEpoll(KernelTask task, in SyscallArguments a)
        => Wait(task, in a, (int)a.A3 < 0 ? long.MaxValue : (long)(int)a.A3 * 1_000_000);

    public static long WaitEpollPrecisely(KernelTask task, in SyscallArguments a)
    {
        if (a.A3 == 0)
            return Wait(task, in a, long.MaxValue);
        return TimeCalls.ReadTime(task, a.A3) is not { } time ? -Errno.EFAULT : time < 0 ? -Errno.EINVAL : Wait(task, in a, time);
    }

    private static long Wait(KernelTask task, in SyscallArguments a, long time)
    {
        int most = (int)a.A2;
        if (most <= 0)
            return -Errno.EINVAL;
        if (task.Process.Files[a.Fd] is not { } open)
            return -Errno.EBADF;
        if (open is not EpollFile epoll)
            return -Errno.EINVAL;
        if (!task.Restarted)
        {
            if (a.A4 != 0)
            {
                if (!task.TryRead(a.A4, out ulong set))
                    return -Errno.EFAULT;
                task.SavedMask = task.SignalMask;
                task.SignalMask = set & ~Signals.Unblockable;
            }

            ContainerHost host = task.Process.Container.Host;
            Blocking.SetDeadline(task, time == long.MaxValue ? long.MaxValue : host.Now + time);
        }

        Span<byte> small = stackalloc byte[64 * 16];
        Span<byte> events = most <= 64 ? small[..(most * 16)] : new byte[Math.Min(most, MostEvents) * 16];
        int count = epoll.Take(events);
        if (count > 0)
            return Blocking.End(task, task.TryWrite(a.A1, events[..(count * 16)]) ? count : -Errno.EFAULT);
        if (Blocking.IsLate(task))
            return Blocking.End(task, 0);
        if (task.DeliverableSignals != 0)
            return -Errno.EINTR;
        task.WaitOn(epoll.Ready);
        return SyscallTable.Blocked;
    }

    private static bool WriteSetting(KernelTask task, ulong address, TimerFile file)
    {
        const long second = 1_000_000_000;
        (long left, long interval) = file.Setting;
        return task.TryWrite(address, interval / second) && task.TryWrite(address + 8, interval % second)
            && task.TryWrite(address + 16, left / second) && task.TryWrite(address + 24, left % second);
    }

    private static NamelessInode Nameless(KernelTask task) => new(task.Process.Container.Store, 0x180);

    private static long Add(KernelTask task, OpenFile file, int flags) => task.Process.Files.Add(file, (flags & OpenFlags.CloseOnExec) != 0);
}
