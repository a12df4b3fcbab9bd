using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Process groups and sessions.</summary>
internal static class GroupCalls
{
    public static long SetSession(KernelTask task, in SyscallArguments a)
    {
        Process process = task.Process;
        if (process.Container.Processes.Any(other => other.Group == process.Id))
            return -Errno.EPERM;
        process.Session = process.Group = process.Id;
        process.Terminal = null;
        return task.LocalId(process.Id);
    }

    public static long GetSession(KernelTask task, in SyscallArguments a) => Named(task, a.A0) is { } process ? task.LocalId(process.Session) : -Errno.ESRCH;

    public static long GetGroup(KernelTask task, in SyscallArguments a) => Named(task, a.A0) is { } process ? task.LocalId(process.Group) : -Errno.ESRCH;

    public static long SetGroup(KernelTask task, in SyscallArguments a)
    {
        Process self = task.Process;
        if ((int)a.A1 < 0)
            return -Errno.EINVAL;
        if (Named(task, a.A0) is not { } process || (process != self && process.Parent != self))
            return -Errno.ESRCH;
        if (process != self)
        {
            if (process.Session != self.Session)
                return -Errno.EPERM;
            if (process.HasExecuted)
                return -Errno.EACCES;
        }

        if (process.Session == process.Id)
            return -Errno.EPERM;
        int group = a.A1 == 0 ? process.Id : task.GlobalId((int)a.A1);
        if (group != process.Id && !self.Container.Processes.Any(other => other.Group == group && other.Session == self.Session))
            return -Errno.EPERM;
        process.Group = group;
        return 0;
    }

    private static Process? Named(KernelTask task, ulong id)
        => (int)id == 0 ? task.Process : task.FindProcess((int)id) ?? task.FindTask((int)id)?.Process;
}
