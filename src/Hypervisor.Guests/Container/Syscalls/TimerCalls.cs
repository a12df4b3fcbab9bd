using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Timers that send signals: timer_create and its kin.</summary>
internal static class TimerCalls
{
    private const long Second = 1_000_000_000;
    private const int MostTimers = 1024;

    public static long Create(KernelTask task, in SyscallArguments a)
    {
        int clock = (int)a.A0;
        Func<long>? used = null;
        if (clock is 2 or 3 or < 0)
        {
            used = TimeCalls.UsedClock(task, clock);
            if (used is null)
                return -Errno.EINVAL;
        }
        else if (TimeCalls.Clock(task, clock) is null || clock is 4 or 5 or 6)
        {
            return clock is 4 or 5 or 6 ? -Errno.EOPNOTSUPP : -Errno.EINVAL;
        }

        Process process = task.Process;
        if (process.PosixTimers.Count >= MostTimers)
            return -Errno.EAGAIN;
        int id = 0;
        while (process.PosixTimers.ContainsKey(id))
            id++;
        (int notify, int signal, ulong value) = (PosixTimer.SendSignal, Signals.SIGALRM, (ulong)id);
        KernelTask? target = null;
        if (a.A1 != 0)
        {
            if (!task.TryRead(a.A1, out value) || !task.TryRead(a.A1 + 8, out signal) || !task.TryRead(a.A1 + 12, out notify) || !task.TryRead(a.A1 + 16, out int id2))
                return -Errno.EFAULT;
            if (notify is not (PosixTimer.SendSignal or PosixTimer.Nothing or PosixTimer.SendToTask) || (notify != PosixTimer.Nothing && signal is < 1 or > Signals.Count))
                return -Errno.EINVAL;
            if (notify == PosixTimer.SendToTask)
            {
                target = task.FindTask(id2);
                if (target is null || target.Process != process)
                    return -Errno.EINVAL;
            }
        }

        if (!task.TryWrite(a.A2, id))
            return -Errno.EFAULT;
        process.PosixTimers.Add(id, new PosixTimer(process, id, used, notify, signal, value, target) { IsRealtime = clock is 0 or 8 or 11 });
        return 0;
    }

    public static long Set(KernelTask task, in SyscallArguments a)
    {
        const ulong absolute = 1;
        if (a.A2 == 0 || !task.Process.PosixTimers.TryGetValue((int)a.A0, out PosixTimer? timer))
            return -Errno.EINVAL;
        if (TimeCalls.ReadTime(task, a.A2) is not { } interval || TimeCalls.ReadTime(task, a.A2 + 16) is not { } time)
            return -Errno.EFAULT;
        if (interval < 0 || time < 0)
            return -Errno.EINVAL;
        if (a.A3 != 0 && !Write(task, a.A3, timer))
            return -Errno.EFAULT;
        if (time == 0 || (a.A1 & absolute) == 0)
            timer.Timer.SetFromNow(time, interval);
        else
            timer.Timer.Set(timer.IsRealtime ? time - task.Process.Container.Host.EpochNanoseconds : time, interval);
        return 0;
    }

    public static long Get(KernelTask task, in SyscallArguments a)
        => !task.Process.PosixTimers.TryGetValue((int)a.A0, out PosixTimer? timer) ? -Errno.EINVAL : Write(task, a.A1, timer) ? 0 : -Errno.EFAULT;

    public static long GetOverrun(KernelTask task, in SyscallArguments a)
        => task.Process.PosixTimers.TryGetValue((int)a.A0, out PosixTimer? timer) ? Math.Min(timer.Overruns, int.MaxValue) : -Errno.EINVAL;

    public static long Delete(KernelTask task, in SyscallArguments a)
    {
        if (!task.Process.PosixTimers.Remove((int)a.A0, out PosixTimer? timer))
            return -Errno.EINVAL;
        timer.Timer.Delete();
        return 0;
    }

    private static bool Write(KernelTask task, ulong address, PosixTimer timer)
        => task.TryWrite(address, timer.Timer.Interval / Second) && task.TryWrite(address + 8, timer.Timer.Interval % Second)
            && task.TryWrite(address + 16, timer.Timer.Left / Second) && task.TryWrite(address + 24, timer.Timer.Left % Second);
}
