using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Clocks, sleeping, timers and accounts of time. All time is the host loop's.</summary>
internal static class TimeCalls
{
    private const long Second = 1_000_000_000;
    private const int Realtime = 0;

    public static long GetTime(KernelTask task, in SyscallArguments a)
        => Clock(task, (int)a.A0) is not { } time ? -Errno.EINVAL : WriteTime(task, a.A1, time) ? 0 : -Errno.EFAULT;

    public static long GetResolution(KernelTask task, in SyscallArguments a)
    {
        const long coarse = 4_000_000;
        int clock = (int)a.A0;
        return Clock(task, clock) is null ? -Errno.EINVAL : a.A1 == 0 || WriteTime(task, a.A1, clock is 5 or 6 ? coarse : 1) ? 0 : -Errno.EFAULT;
    }

    /// <summary>Nobody here may set the clock: it is the host loop's.</summary>
    public static long SetTime(KernelTask task, in SyscallArguments a)
        => (int)a.A0 != Realtime || ReadTime(task, a.A1) is < 0 ? -Errno.EINVAL : ReadTime(task, a.A1) is null ? -Errno.EFAULT : -Errno.EPERM;

    public static long GetTimeOfDay(KernelTask task, in SyscallArguments a)
    {
        long now = Clock(task, Realtime)!.Value;
        return a.A0 == 0 || (task.TryWrite(a.A0, now / Second) && task.TryWrite(a.A0 + 8, now % Second / 1000)) ? 0 : -Errno.EFAULT;
    }

    public static long Sleep(KernelTask task, in SyscallArguments a) => SleepUntil(task, a.A0, a.A1, clock: 1, absolute: false);

    public static long SleepOnClock(KernelTask task, in SyscallArguments a)
    {
        int clock = (int)a.A0;
        if (Clock(task, clock) is null || clock == 3)
            return -Errno.EINVAL;
        return clock is 4 or 5 or 6 ? -Errno.EOPNOTSUPP : SleepUntil(task, a.A2, a.A3, clock, (a.A1 & 1) != 0);
    }

    public static long Times(KernelTask task, in SyscallArguments a)
    {
        const long tick = Second / 100;
        Process process = task.Process;
        if (a.A0 != 0 && !(task.TryWrite(a.A0, process.UsedNanoseconds / tick) && task.TryWrite(a.A0 + 8, 0L)
            && task.TryWrite(a.A0 + 16, process.ChildrenNanoseconds / tick) && task.TryWrite(a.A0 + 24, 0L)))
            return -Errno.EFAULT;
        return process.Container.Host.Now / tick;
    }

    public static long GetUsage(KernelTask task, in SyscallArguments a)
    {
        Process process = task.Process;
        return (int)a.A0 switch
        {
            0 => WriteUsage(task, a.A1, process.UsedNanoseconds, process.Space.PeakPages),
            -1 => WriteUsage(task, a.A1, process.ChildrenNanoseconds, process.ChildrenPeakPages),
            1 => WriteUsage(task, a.A1, task.UsedNanoseconds, process.Space.PeakPages),
            _ => -Errno.EINVAL,
        };
    }

    public static bool WriteUsage(KernelTask task, ulong address, Process process, bool withChildren)
        => WriteUsage(task, address, process.EndedNanoseconds + (withChildren ? process.ChildrenNanoseconds : 0), Math.Max(process.EndedPeakPages, process.ChildrenPeakPages)) == 0;

    public static long SetIntervalTimer(KernelTask task, in SyscallArguments a)
    {
        if (a.A0 > 2)
            return -Errno.EINVAL;
        long interval = 0, delay = 0;
        if (a.A1 != 0)
        {
            if (!task.TryRead(a.A1, out long intervalSeconds) || !task.TryRead(a.A1 + 8, out long intervalMicros)
                || !task.TryRead(a.A1 + 16, out long seconds) || !task.TryRead(a.A1 + 24, out long micros))
                return -Errno.EFAULT;
            if (intervalSeconds < 0 || seconds < 0 || intervalMicros is < 0 or >= 1_000_000 || micros is < 0 or >= 1_000_000)
                return -Errno.EINVAL;
            interval = Nanoseconds(intervalSeconds, intervalMicros * 1000);
            delay = Nanoseconds(seconds, micros * 1000);
        }

        KernelTimer timer = task.Process.Timers.Get(task.Process, (int)a.A0);
        if (a.A2 != 0 && !WriteInterval(task, a.A2, timer))
            return -Errno.EFAULT;
        timer.SetFromNow(delay, interval);
        return 0;
    }

    public static long GetIntervalTimer(KernelTask task, in SyscallArguments a)
        => a.A0 > 2 ? -Errno.EINVAL : WriteInterval(task, a.A1, task.Process.Timers.Get(task.Process, (int)a.A0)) ? 0 : -Errno.EFAULT;

    /// <summary>A struct timespec as nanoseconds; null where it cannot be read, negative where it is invalid.</summary>
    public static long? ReadTime(KernelTask task, ulong address)
    {
        if (!task.TryRead(address, out long seconds) || !task.TryRead(address + 8, out long nanoseconds))
            return null;
        return seconds < 0 || nanoseconds is < 0 or >= Second ? -1 : Nanoseconds(seconds, nanoseconds);
    }

    /// <summary>When a struct timespec says that a wait is to end; never where there is none. 0 or a negated error.</summary>
    /// <param name="task">Whose wait it is.</param>
    /// <param name="address">Where it stands; 0 for none.</param>
    /// <param name="absolute">Whether it is a moment, not a time from now.</param>
    /// <param name="realtime">Whether a moment is of the clock of the day, not of that since the start.</param>
    /// <param name="deadline">The moment, as the host loop counts.</param>
    public static long ReadDeadline(KernelTask task, ulong address, bool absolute, bool realtime, out long deadline)
    {
        deadline = long.MaxValue;
        if (address == 0)
            return 0;
        if (ReadTime(task, address) is not { } time)
            return -Errno.EFAULT;
        if (time < 0)
            return -Errno.EINVAL;
        ContainerHost host = task.Process.Container.Host;
        deadline = !absolute ? host.Now + time : realtime ? time - host.EpochNanoseconds : time;
        return 0;
    }

    private static long Nanoseconds(long seconds, long nanoseconds)
        => seconds > long.MaxValue / Second / 4 ? long.MaxValue / 4 : Math.Max(0, seconds) * Second + Math.Max(0, nanoseconds);

    private static long SleepUntil(KernelTask task, ulong request, ulong remaining, int clock, bool absolute)
    {
        ContainerHost host = task.Process.Container.Host;
        if (!task.Restarted)
        {
            if (ReadTime(task, request) is not { } time)
                return -Errno.EFAULT;
            if (time < 0)
                return -Errno.EINVAL;
            long deadline = !absolute ? host.Now + time : clock is Realtime or 8 or 11 ? time - host.EpochNanoseconds : time;
            if (deadline <= host.Now)
                return 0;
            Blocking.SetDeadline(task, deadline);
        }

        if (Blocking.IsLate(task))
            return 0;
        if (task.DeliverableSignals == 0)
            return SyscallTable.Blocked;
        if (absolute && Blocking.Interrupted(task) == SyscallTable.RegistersSet)
            return SyscallTable.RegistersSet;
        long left = task.Deadline - host.Now;
        if (!absolute && remaining != 0 && !WriteTime(task, remaining, left))
            return -Errno.EFAULT;
        return -Errno.EINTR;
    }

    /// <summary>What a clock shows; null where there is no such clock.</summary>
    public static long? Clock(KernelTask task, int clock)
    {
        ContainerHost host = task.Process.Container.Host;
        return clock switch
        {
            Realtime or 5 or 8 or 11 => host.Now + host.EpochNanoseconds,
            1 or 4 or 6 or 7 or 9 => host.Now,
            < 0 or 2 or 3 => UsedClock(task, clock)?.Invoke(),
            _ => null,
        };
    }

    /// <summary>The processor time that a clock is of: one's own, or that of a process or task by its number.</summary>
    public static Func<long>? UsedClock(KernelTask task, int clock)
    {
        const int ofTask = 4, kindMask = 3;
        if (clock == 2)
            return () => task.Process.UsedNanoseconds;
        if (clock == 3)
            return () => task.UsedNanoseconds;
        if (clock >= 0 || (clock & kindMask) == kindMask)
            return null;
        int id = ~(clock >> 3);
        if ((clock & ofTask) == 0)
        {
            Process? process = id == 0 ? task.Process : task.FindProcess(id);
            return process is null ? null : () => process.UsedNanoseconds;
        }

        KernelTask? other = id == 0 ? task : task.FindTask(id);
        return other is null || other.Process != task.Process ? null : () => other.UsedNanoseconds;
    }

    public static bool WriteTime(KernelTask task, ulong address, long time)
        => task.TryWrite(address, time / Second) && task.TryWrite(address + 8, time % Second);

    private static long WriteUsage(KernelTask task, ulong address, long used, int peakPages)
    {
        Span<byte> usage = stackalloc byte[144];
        usage.Clear();
        BitConverter.TryWriteBytes(usage, used / Second);
        BitConverter.TryWriteBytes(usage[8..], used % Second / 1000);
        BitConverter.TryWriteBytes(usage[32..], peakPages * 4L);
        return task.TryWrite(address, usage) ? 0 : -Errno.EFAULT;
    }

    private static bool WriteInterval(KernelTask task, ulong address, KernelTimer timer)
    {
        long left = timer.Left == 0 ? 0 : Math.Max(1000, timer.Left);
        return task.TryWrite(address, timer.Interval / Second) && task.TryWrite(address + 8, timer.Interval % Second / 1000)
            && task.TryWrite(address + 16, left / Second) && task.TryWrite(address + 24, left % Second / 1000);
    }
}
