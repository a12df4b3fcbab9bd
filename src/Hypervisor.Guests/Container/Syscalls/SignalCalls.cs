using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Calls that send, block and handle signals.</summary>
internal static class SignalCalls
{
    private const int Count = 64;

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
                task.Process.Pending &= ~Signals.Bit(signal);
                task.Pending &= ~Signals.Bit(signal);
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
        }

        return a.A2 == 0 || task.TryWrite(a.A2, old) ? 0 : -Errno.EFAULT;
    }

    public static long Pending(KernelTask task, in SyscallArguments a)
        => task.TryWrite(a.A0, (task.Pending | task.Process.Pending) & task.SignalMask) ? 0 : -Errno.EFAULT;

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
            if ((flags & Disable) == 0 && size < 2048)
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
        Process[] targets = container.Processes.Where(process => process.WaitStatus is null && (target switch
        {
            > 0 => process.Id == target,
            0 => process.Group == task.Process.Group,
            -1 => process.Id != 1 && process != task.Process,
            _ => process.Group == -target,
        })).ToArray();
        if (targets.Length == 0)
            return container.FindProcess(target) is null ? -Errno.ESRCH : 0;
        if (signal != 0)
        {
            foreach (Process process in targets)
                container.Host.Send(process, signal);
        }

        return 0;
    }

    public static long KillTask(KernelTask task, in SyscallArguments a) => SendToTask(task, (int)a.A0, (int)a.A1, null);

    public static long KillTaskOf(KernelTask task, in SyscallArguments a) => SendToTask(task, (int)a.A1, (int)a.A2, (int)a.A0);

    private static long SendToTask(KernelTask task, int id, int signal, int? process)
    {
        if (signal is < 0 or > Count || id <= 0)
            return -Errno.EINVAL;
        if (task.Process.Container.FindTask(id) is not { } target || (process is { } group && target.Process.Id != group))
            return -Errno.ESRCH;
        if (signal != 0)
            task.Process.Container.Host.Send(target, signal);
        return 0;
    }
}
