using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Calls that send, block and handle signals.</summary>
internal static class SignalCalls
{
    private const int Count = Signals.Count;

    public static long Action(KernelTask task, in SyscallArguments a)
    {
        int signal = (int)a.A0;
        if (signal is < 1 or > Count || a.A3 != 8)
            return -Errno.EINVAL;
        ref SignalAction action = ref task.Process.Actions[signal];
        SignalAction old = action;
        if (a.A1 != 0)
        {
            if (signal is Signals.SIGKILL or Signals.SIGSTOP)
                return -Errno.EINVAL;
            if (!task.TryRead(a.A1, out SignalAction wanted))
                return -Errno.EFAULT;
            wanted.Mask &= ~Signals.Unblockable;
            action = wanted;
            if (Signals.IsIgnored(task.Process, signal))
            {
                task.Process.Signals.Drop(Signals.Bit(signal));
                foreach (KernelTask other in task.Process.Tasks)
                    other.Signals.Drop(Signals.Bit(signal));
            }
        }

        return a.A2 == 0 || task.TryWrite(a.A2, old) ? 0 : -Errno.EFAULT;
    }

    public static long Mask(KernelTask task, in SyscallArguments a)
    {
        if (a.A3 != 8)
            return -Errno.EINVAL;
        ulong old = task.SignalMask;
        if (a.A1 != 0)
        {
            if (!task.TryRead(a.A1, out ulong set))
                return -Errno.EFAULT;
            ulong? mask = (int)a.A0 switch { 0 => old | set, 1 => old & ~set, 2 => set, _ => null };
            if (mask is null)
                return -Errno.EINVAL;
            task.SignalMask = mask.Value & ~Signals.Unblockable;

            // What this task will not take now, another may.
            for (ulong left = task.Process.Signals.Pending & task.SignalMask & ~old; left != 0; left &= left - 1)
                task.Process.Container.Host.Arrived(task.Process, System.Numerics.BitOperations.TrailingZeroCount(left) + 1);
        }

        return a.A2 == 0 || task.TryWrite(a.A2, old) ? 0 : -Errno.EFAULT;
    }

    public static long Pending(KernelTask task, in SyscallArguments a)
        => a.A1 > 8 ? -Errno.EINVAL : task.TryWrite(a.A0, task.PendingSignals & task.SignalMask) ? 0 : -Errno.EFAULT;

    public static long Suspend(KernelTask task, in SyscallArguments a)
    {
        if (a.A1 != 8)
            return -Errno.EINVAL;
        if (!task.Restarted)
        {
            if (!task.TryRead(a.A0, out ulong mask))
                return -Errno.EFAULT;
            task.SavedMask = task.SignalMask;
            task.SignalMask = mask & ~Signals.Unblockable;
        }

        return task.DeliverableSignals != 0 ? -Errno.EINTR : SyscallTable.Blocked;
    }

    public static long Return(KernelTask task, in SyscallArguments a)
    {
        if (!Signals.TryReturn(task))
            task.Process.Container.Host.Kill(task.Process, Signals.SIGSEGV);
        return SyscallTable.RegistersSet;
    }

    public static long AlternateStack(KernelTask task, in SyscallArguments a)
    {
        const int Disable = 2;
        ulong oldBase = task.AlternateStack;
        ulong oldSize = task.AlternateStackSize;
        if (a.A0 != 0)
        {
            if (!task.TryRead(a.A0, out ulong start) || !task.TryRead(a.A0 + 8, out int flags) || !task.TryRead(a.A0 + 16, out ulong size))
                return -Errno.EFAULT;
            if (start == oldBase && size == oldSize && flags == 0)
                size = oldSize; // Nothing is asked to change.
            else if ((flags & Disable) == 0 && size < 2048)
                return -Errno.ENOMEM;
            task.AlternateStack = start;
            task.AlternateStackSize = (flags & Disable) != 0 ? 0 : size;
        }

        if (a.A1 == 0)
            return 0;
        return task.TryWrite(a.A1, oldBase) && task.TryWrite(a.A1 + 8, (ulong)(oldSize == 0 ? Disable : 0)) && task.TryWrite(a.A1 + 16, oldSize) ? 0 : -Errno.EFAULT;
    }

    public static long Kill(KernelTask task, in SyscallArguments a)
    {
        int signal = (int)a.A1;
        if (signal is < 0 or > Count)
            return -Errno.EINVAL;
        Container container = task.Process.Container;
        int target = (int)a.A0;
        if (target == int.MinValue)
            return -Errno.ESRCH;
        ProcessNamespace seen = task.Process.Pids;
        int named = target == 0 ? task.Process.Group : task.GlobalId(Math.Abs(target));
        Process[] targets = container.Processes.Where(process => target switch
        {
            > 0 => process.Id == named,
            -1 => process.Pids.IsWithin(seen) && seen.ToLocal(process.Id) != 1 && process != task.Process,
            _ => process.Group == named,
        }).ToArray();
        if (target > 0 && targets.Length == 0 && container.FindTask(named) is { } thread)
            targets = [thread.Process];
        if (targets.Length == 0)
            return -Errno.ESRCH;
        bool any = false;
        foreach (Process process in targets)
        {
            if (!task.Process.MaySignal(process) && !(signal == Signals.SIGCONT && process.Session == task.Process.Session))
                continue;
            any = true;
            if (signal != 0)
                container.Host.Send(process, SignalInfo.OfProcess(signal, task.Process, process));
        }

        return any ? 0 : -Errno.EPERM;
    }

    public static long KillTask(KernelTask task, in SyscallArguments a)
        => SendToTask(task, (int)a.A0, null, (int)a.A1, null);

    public static long KillTaskOf(KernelTask task, in SyscallArguments a)
        => (int)a.A0 <= 0 ? -Errno.EINVAL : SendToTask(task, (int)a.A1, (int)a.A0, (int)a.A2, null);

    /// <summary>rt_sigqueueinfo: a signal with a value, to a process.</summary>
    public static long Queue(KernelTask task, in SyscallArguments a)
    {
        long error = ReadInfo(task, a.A2, (int)a.A1, out SignalInfo info);
        if (error != 0)
            return error;
        if (info.Code >= 0 && (int)a.A0 != task.Process.Id)
            return -Errno.EPERM;
        Container container = task.Process.Container;
        Process? target = task.FindProcess((int)a.A0) ?? task.FindTask((int)a.A0)?.Process;
        if (target is null)
            return -Errno.ESRCH;
        if (!task.Process.MaySignal(target))
            return -Errno.EPERM;
        if ((int)a.A1 != 0)
        {
            if ((ulong)target.Signals.Count >= target.Limits[ResourceLimits.PendingSignals].Soft)
                return -Errno.EAGAIN;
            container.Host.Send(target, info);
        }

        return 0;
    }

    /// <summary>rt_tgsigqueueinfo: a signal with a value, to a task.</summary>
    public static long QueueToTask(KernelTask task, in SyscallArguments a)
    {
        if ((int)a.A0 <= 0 || (int)a.A1 <= 0)
            return -Errno.EINVAL;
        long error = ReadInfo(task, a.A3, (int)a.A2, out SignalInfo info);
        return error != 0 ? error : SendToTask(task, (int)a.A1, (int)a.A0, (int)a.A2, info);
    }

    /// <summary>rt_sigtimedwait: takes one of a set of signals, which the caller keeps blocked.</summary>
    public static long WaitFor(KernelTask task, in SyscallArguments a)
    {
        if (a.A3 != 8)
            return -Errno.EINVAL;
        if (!task.TryRead(a.A0, out ulong set))
            return -Errno.EFAULT;
        set &= ~Signals.Unblockable;
        if (!task.Restarted)
        {
            long error = TimeCalls.ReadDeadline(task, a.A2, absolute: false, realtime: false, out long deadline);
            if (error != 0)
                return error;
            Blocking.SetDeadline(task, deadline);
            task.Deadline = deadline;
        }

        if ((task.PendingSignals & set) is var ready && ready != 0)
        {
            int signal = System.Numerics.BitOperations.TrailingZeroCount(ready) + 1;
            if (!task.Signals.TryTake(signal, out SignalInfo info))
                task.Process.Signals.TryTake(signal, out info);
            Span<byte> bytes = stackalloc byte[SignalInfo.Bytes];
            info.Write(bytes);
            return End(task, a.A1 == 0 || task.TryWrite(a.A1, bytes) ? signal : -Errno.EFAULT);
        }

        if (Blocking.IsLate(task))
            return End(task, -Errno.EAGAIN);
        if (task.DeliverableSignals != 0)
            return End(task, -Errno.EINTR);
        task.AwaitedSignals = set;
        return SyscallTable.Blocked;
    }

    private static long End(KernelTask task, long result)
    {
        task.AwaitedSignals = 0;
        Blocking.Finish(task);
        return result;
    }

    private static long ReadInfo(KernelTask task, ulong address, int signal, out SignalInfo info)
    {
        info = default;
        if (!task.TryRead(address + 8, out int code) || !task.TryRead(address + 16, out ulong first) || !task.TryRead(address + 24, out ulong second))
            return -Errno.EFAULT;
        if (signal is < 0 or > Count)
            return -Errno.EINVAL;
        info = new SignalInfo(signal, code, first, second);
        return 0;
    }

    private static long SendToTask(KernelTask task, int id, int? process, int signal, SignalInfo? given)
    {
        if (signal is < 0 or > Count || id <= 0)
            return -Errno.EINVAL;
        if (task.FindTask(id) is not { } target || (process is { } group && target.Process.Id != task.GlobalId(group)))
            return -Errno.ESRCH;
        SignalInfo info = given ?? SignalInfo.OfTask(signal, task.Process, target.Process);
        if (!task.Process.MaySignal(target.Process) || (info.Code >= 0 && target.Process != task.Process))
            return -Errno.EPERM;
        if (signal != 0)
            task.Process.Container.Host.Send(target, info);
        return 0;
    }
}
