using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>seccomp(2): filters over system calls, and what they do to a call.</summary>
internal static class FilterCalls
{
    public const int None = 0, Strict = 1, Filtered = 2;

    private const int InstructionBytes = 8;

    public static long Call(KernelTask task, in SyscallArguments a)
    {
        const uint strict = 0, filter = 1, isAvailable = 2;
        uint flags = (uint)a.A1;
        switch ((uint)a.A0)
        {
            case strict:
                return flags != 0 || a.A2 != 0 ? -Errno.EINVAL : SetStrict(task);
            case filter:
                return Install(task, flags, a.A2);
            case isAvailable:
                if (flags != 0)
                    return -Errno.EINVAL;
                return !task.TryRead(a.A2, out uint action) ? -Errno.EFAULT : FilterAction.IsKnown(action) ? 0 : -Errno.EOPNOTSUPP;
            default:
                return -Errno.EINVAL;
        }
    }

    /// <summary>prctl's PR_SET_SECCOMP.</summary>
    public static long SetMode(KernelTask task, ulong mode, ulong program) => mode switch
    {
        Strict => SetStrict(task),
        Filtered => Install(task, 0, program),
        _ => -Errno.EINVAL,
    };

    /// <summary>
    /// Whether the call in a task's registers is made. Where it is not, what is to be done instead has been done, and the result
    /// is that of <see cref="SyscallTable"/>'s calls.
    /// </summary>
    public static bool Allows(KernelTask task, out long result)
    {
        const uint read = 63, write = 64, exit = 93, signalReturn = 139;
        result = SyscallTable.RegistersSet;
        ContainerHost host = task.Process.Container.Host;
        if (task.FilterMode == Strict)
        {
            if ((uint)task.CallNumber is read or write or exit or signalReturn)
                return true;
            End(task, Signals.SIGKILL, wholly: false);
            return false;
        }

        uint decided = task.Filter!.Decide(task);
        uint data = decided & FilterAction.DataMask;
        switch (decided & FilterAction.Mask)
        {
            case FilterAction.Allow or FilterAction.Log:
                return true;
            case FilterAction.Error:
                result = -Math.Min(data, 4095);
                return false;
            case FilterAction.Trap:
                task.Pc += 4;
                host.Force(task, new SignalInfo(Signals.SIGSYS, 1, task.Pc, (uint)task.CallNumber | (ulong)SystemCallFilter.Architecture << 32) { Error = (int)data });
                return false;
            case FilterAction.Trace:
                // Nobody traces it.
                result = -Errno.ENOSYS;
                return false;
            case FilterAction.KillTask:
                End(task, Signals.SIGSYS, wholly: false);
                return false;
            default:
                End(task, Signals.SIGSYS, wholly: true);
                return false;
        }
    }

    /// <summary>Adds a filter to a task; 0 or a negated error.</summary>
    public static int Add(KernelTask task, FilterInstruction[] code)
    {
        if (FilterProgram.Check(code) is not { } program)
            return -Errno.EINVAL;
        var made = new SystemCallFilter(program, task.Filter);
        if (made.Instructions > FilterProgram.MostTogether)
            return -Errno.ENOMEM;
        (task.Filter, task.FilterMode) = (made, Filtered);
        return 0;
    }

    private static void End(KernelTask task, int signal, bool wholly)
    {
        ContainerHost host = task.Process.Container.Host;
        if (wholly || task.Process.Tasks.Count == 1)
            host.Kill(task.Process, signal);
        else
            host.EndTask(task, signal);
    }

    private static long SetStrict(KernelTask task)
    {
        if (task.FilterMode == Filtered)
            return -Errno.EINVAL;
        task.FilterMode = Strict;
        return 0;
    }

    private static long Install(KernelTask task, uint flags, ulong address)
    {
        const uint together = 1, log = 2, speculates = 4, tellsError = 16;
        if ((flags & ~(together | log | speculates | tellsError)) != 0 || (flags & (together | tellsError)) == tellsError)
            return -Errno.EINVAL;
        if (!task.TryRead(address, out ushort count) || !task.TryRead(address + 8, out ulong at))
            return -Errno.EFAULT;
        if (count is 0 or > FilterProgram.MostInstructions)
            return -Errno.EINVAL;
        Credentials who = task.Process.Credentials;
        if (!who.NoNewPrivileges && !who.HasHere(Capability.Administer))
            return -Errno.EACCES;
        var bytes = new byte[count * InstructionBytes];
        if (!task.TryRead(at, bytes))
            return -Errno.EFAULT;
        var code = new FilterInstruction[count];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> each = bytes.AsSpan(i * InstructionBytes);
            code[i] = new FilterInstruction(BitConverter.ToUInt16(each), each[2], each[3], BitConverter.ToUInt32(each[4..]));
        }

        if (task.FilterMode == Strict)
            return -Errno.EINVAL;
        if ((flags & together) != 0)
        {
            // All of the process get it, where none of them went a way of its own.
            foreach (KernelTask other in task.Process.Tasks)
            {
                if (other != task && !other.Killed && (other.FilterMode == Strict || !(task.Filter?.Follows(other.Filter) ?? other.Filter is null)))
                    return (flags & tellsError) != 0 ? -Errno.ESRCH : task.LocalId(other.Id);
            }
        }

        int error = Add(task, code);
        if (error != 0 || (flags & together) == 0)
            return error;
        foreach (KernelTask other in task.Process.Tasks)
            (other.Filter, other.FilterMode) = (task.Filter, task.FilterMode);
        return 0;
    }
}
