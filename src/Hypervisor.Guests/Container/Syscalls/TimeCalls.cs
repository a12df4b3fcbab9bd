using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Clocks, sleeping, timers and accounts of time. All time is the host loop's.</summary>
internal static class TimeCalls
{
    private const long Second = 1_000_000_000;
    private const int Realtime = 0;

    public static long GetTime(KernelTask task, in SyscallArguments a)
    {
        if (a.A0 > 11)
            return -Errno.EINVAL;
        return WriteTime(task, a.A1, Clock(task, (int)a.A0)) ? 0 : -Errno.EFAULT;
    }

    public static long GetResolution(KernelTask task, in SyscallArguments a)
        => a.A0 > 11 ? -Errno.EINVAL : a.A1 == 0 || WriteTime(task, a.A1, 1) ? 0 : -Errno.EFAULT;

    public static long GetTimeOfDay(KernelTask task, in SyscallArguments a)
    {
        long now = Clock(task, Realtime);
        return a.A0 == 0 || (task.TryWrite(a.A0, now / Second) && task.TryWrite(a.A0 + 8, now % Second / 1000)) ? 0 : -Errno.EFAULT;
    }

    public static long Sleep(KernelTask task, in SyscallArguments a) => SleepUntil(task, a.A0, a.A1, clock: 1, absolute: false);

    public static long SleepOnClock(KernelTask task, in SyscallArguments a)
        => a.A0 > 11 ? -Errno.EINVAL : SleepUntil(task, a.A2, a.A3, (int)a.A0, (a.A1 & 1) != 0);

    public static long Times(KernelTask task, in SyscallArguments a)
    {
        long ticks = Used(task.Process) / (Second / 100);
        if (a.A0 != 0 && !(task.TryWrite(a.A0, ticks) && task.TryWrite(a.A0 + 8, 0L) && task.TryWrite(a.A0 + 16, 0L) && task.TryWrite(a.A0 + 24, 0L)))
            return -Errno.EFAULT;
        return task.Process.Container.Host.Now / (Second / 100);
    }

    public static long GetUsage(KernelTask task, in SyscallArguments a) => WriteUsage(task, a.A1, task.Process) ? 0 : -Errno.EFAULT;

    public static bool WriteUsage(KernelTask task, ulong address, Process process)
    {
        Span<byte> usage = stackalloc byte[144];
        usage.Clear();
        long used = Used(process);
        BitConverter.TryWriteBytes(usage, used / Second);
        BitConverter.TryWriteBytes(usage[8..], used % Second / 1000);
        BitConverter.TryWriteBytes(usage[32..], process.Space.ResidentPages * 4L);
        return task.TryWrite(address, usage);
    }

    public static long SetIntervalTimer(KernelTask task, in SyscallArguments a)
    {
        if (a.A0 != 0)
            return -Errno.EINVAL;
        Process process = task.Process;
        ContainerHost host = process.Container.Host;
        if (!task.TryRead(a.A1, out long intervalSeconds) || !task.TryRead(a.A1 + 8, out long intervalMicros)
            || !task.TryRead(a.A1 + 16, out long seconds) || !task.TryRead(a.A1 + 24, out long micros))
            return -Errno.EFAULT;
        if (a.A2 != 0 && !WriteInterval(task, a.A2))
            return -Errno.EFAULT;
        if (process.AlarmTimer < 0)
            process.AlarmTimer = host.Machine.Timers.CreateTimer(() => Alarm(process));
        process.AlarmInterval = Nanoseconds(intervalSeconds, intervalMicros * 1000);
        long delay = Nanoseconds(seconds, micros * 1000);
        process.AlarmDeadline = delay == 0 ? 0 : host.Now + delay;
        if (delay == 0)
            host.Machine.Timers.Disarm(process.AlarmTimer);
        else
            host.Machine.Timers.Arm(process.AlarmTimer, process.AlarmDeadline);
        return 0;
    }

    public static long GetIntervalTimer(KernelTask task, in SyscallArguments a)
        => a.A0 != 0 ? -Errno.EINVAL : WriteInterval(task, a.A1) ? 0 : -Errno.EFAULT;

    /// <summary>A struct timespec as nanoseconds; null where it cannot be read, negative where it is invalid.</summary>
    public static long? ReadTime(KernelTask task, ulong address)
    {
        if (!task.TryRead(address, out long seconds) || !task.TryRead(address + 8, out long nanoseconds))
            return null;
        return seconds < 0 || nanoseconds is < 0 or >= Second ? -1 : Nanoseconds(seconds, nanoseconds);
    }

    private static long Nanoseconds(long seconds, long nanoseconds)
        => seconds > long.MaxValue / Second / 4 ? long.MaxValue / 4 : Math.Max(0, seconds) * Second + Math.Max(0, nanoseconds);

    private static void Alarm(Process process)
    {
        ContainerHost host = process.Container.Host;
        host.Locked(() =>
        {
            host.Send(process, Signals.SIGALRM);
            if (process.AlarmInterval == 0)
            {
                process.AlarmDeadline = 0;
                return;
            }

            process.AlarmDeadline += process.AlarmInterval;
            host.Machine.Timers.Arm(process.AlarmTimer, process.AlarmDeadline);
        });
    }

    private static long SleepUntil(KernelTask task, ulong request, ulong remaining, int clock, bool absolute)
    {
        ContainerHost host = task.Process.Container.Host;
        if (!task.Restarted)
        {
            if (ReadTime(task, request) is not { } time)
                return -Errno.EFAULT;
            if (time < 0)
                return -Errno.EINVAL;
            long deadline = !absolute ? host.Now + time : clock == Realtime ? time - host.EpochNanoseconds : time;
            if (deadline <= host.Now)
                return 0;
            Blocking.SetDeadline(task, deadline);
        }

        if (Blocking.IsLate(task))
            return 0;
        if (task.DeliverableSignals == 0)
            return SyscallTable.Blocked;
        long left = task.Deadline - host.Now;
        if (!absolute && remaining != 0 && !WriteTime(task, remaining, left))
            return -Errno.EFAULT;
        return -Errno.EINTR;
    }

    private static long Clock(KernelTask task, int clock) => clock switch
    {
        Realtime or 5 or 11 => task.Process.Container.Host.Now + task.Process.Container.Host.EpochNanoseconds,
        2 or 3 => Used(task.Process),
        _ => task.Process.Container.Host.Now,
    };

    private static long Used(Process process)
    {
        long used = 0;
        foreach (KernelTask task in process.Tasks)
            used += task.VCpu.Meter.RunNanoseconds;
        return used;
    }

    private static bool WriteTime(KernelTask task, ulong address, long time)
        => task.TryWrite(address, time / Second) && task.TryWrite(address + 8, time % Second);

    private static bool WriteInterval(KernelTask task, ulong address)
    {
        Process process = task.Process;
        long left = process.AlarmDeadline == 0 ? 0 : Math.Max(1000, process.AlarmDeadline - process.Container.Host.Now);
        return task.TryWrite(address, process.AlarmInterval / Second) && task.TryWrite(address + 8, process.AlarmInterval % Second / 1000)
            && task.TryWrite(address + 16, left / Second) && task.TryWrite(address + 24, left % Second / 1000);
    }
}
