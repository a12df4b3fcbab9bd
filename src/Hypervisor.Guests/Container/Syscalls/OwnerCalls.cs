using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Who is signalled about a file, and how: F_SETOWN, F_SETOWN_EX, F_SETSIG and their kin (fcntl(2)).</summary>
internal static class OwnerCalls
{
    private const int SetOwner = 8, GetOwner = 9, SetSignal = 10, GetSignal = 11, SetOwnerOfKind = 15;

    public static long Control(KernelTask task, OpenFile file, int command, ulong argument)
    {
        switch (command)
        {
            case SetOwner:
                return Set(task, file, (int)argument);
            case GetOwner:
                return Get(task, file);
            case SetSignal:
                if (argument > Signals.Count)
                    return -Errno.EINVAL;
                (file.Readiness ??= new ReadinessSignal(file)).Signal = (int)argument;
                return 0;
            case GetSignal:
                return file.Readiness?.Signal ?? 0;
            case SetOwnerOfKind:
                if (!task.TryRead(argument, out int kind) || !task.TryRead(argument + 4, out int owner))
                    return -Errno.EFAULT;
                return kind is < 0 or > 2 ? -Errno.EINVAL : Set(task, file, (SignalledOwner)kind, owner);
            default:
                ReadinessSignal? known = file.Readiness;
                return task.TryWrite(argument, (int)(known?.Kind ?? SignalledOwner.Task)) && task.TryWrite(argument + 4, known is null ? 0 : task.LocalId(known.Owner)) ? 0 : -Errno.EFAULT;
        }
    }

    /// <summary>The owner: a process, or a group where it is negative.</summary>
    public static long Set(KernelTask task, OpenFile file, int owner)
    {
        if (owner == int.MinValue)
            return -Errno.EINVAL;
        return owner < 0 ? Set(task, file, SignalledOwner.Group, -owner) : Set(task, file, SignalledOwner.Process, owner);
    }

    public static int Get(KernelTask task, OpenFile file)
        => file.Readiness is not { Owner: not 0 } known ? 0 : known.Kind == SignalledOwner.Group ? -task.LocalId(known.Owner) : task.LocalId(known.Owner);

    private static long Set(KernelTask task, OpenFile file, SignalledOwner kind, int local)
    {
        int owner = local == 0 ? 0 : task.GlobalId(local);
        Container container = task.Process.Container;
        bool exists = local == 0 || kind switch
        {
            SignalledOwner.Task => container.FindTask(owner) is not null,
            SignalledOwner.Process => container.FindProcess(owner) is not null || container.FindTask(owner) is not null,
            _ => container.Processes.Any(process => process.Group == owner || process.Session == owner),
        };
        if (!exists)
            return -Errno.ESRCH;
        ReadinessSignal signal = file.Readiness ??= new ReadinessSignal(file);
        (signal.Kind, signal.Owner, signal.Setter) = (kind, owner, task.Process.Credentials);
        return 0;
    }
}
