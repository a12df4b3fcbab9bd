using Hypervisor.Core.Hart;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Calls that make, change and end processes and tasks.</summary>
internal static unsafe class ProcessCalls
{
    private const ulong CloneMemory = 0x100, CloneFiles = 0x400, CloneVfork = 0x4000, CloneThread = 0x1_0000, CloneTls = 0x8_0000;
    private const ulong CloneParentTid = 0x10_0000, CloneClearTid = 0x20_0000, CloneChildTid = 0x100_0000;

    public static long Exit(KernelTask task, in SyscallArguments a)
    {
        task.Process.Container.Host.EndTask(task, (int)(a.A0 & 0xFF) << 8);
        return 0;
    }

    public static long ExitGroup(KernelTask task, in SyscallArguments a)
    {
        task.Process.Container.Host.Kill(task.Process, (int)(a.A0 & 0xFF) << 8);
        return 0;
    }

    public static long Yield(KernelTask task, in SyscallArguments a) => SyscallTable.Yielded;

    public static long GetId(KernelTask task, in SyscallArguments a) => task.Process.Id;

    public static long GetTaskId(KernelTask task, in SyscallArguments a) => task.Id;

    public static long GetParentId(KernelTask task, in SyscallArguments a) => task.Process.Parent?.Id ?? 0;

    public static long SetClearAddress(KernelTask task, in SyscallArguments a)
    {
        task.ClearOnExit = a.A0;
        return task.Id;
    }

    /// <summary>clone: a thread of the process, or a process that is a copy of it.</summary>
    public static long Clone(KernelTask task, in SyscallArguments a)
    {
        Process process = task.Process;
        Container container = process.Container;
        ulong flags = a.A0;

        // Made again by the parent of a vfork: it goes on when the child no longer uses its memory.
        if (task.Restarted)
            return task.VforkChild is null ? task.Progress : SyscallTable.Blocked;
        bool thread = (flags & CloneThread) != 0;
        if (thread && (flags & CloneMemory) == 0)
            return -Errno.EINVAL;
        int id = container.NextId();
        if (id == 0)
            return -Errno.EAGAIN;
        Process target = process;
        if (!thread)
        {
            // vfork and plain CLONE_VM children share memory until they execute.
            AddressSpace space = process.Space;
            if ((flags & CloneMemory) != 0)
                space.Acquire();
            else
                space = process.Space.Fork(container.Account);
            var files = process.Files;
            if ((flags & CloneFiles) != 0)
                files.Acquire();
            else
                files = files.Fork();
            target = new Process(container, id, space, files, process.WorkingDirectory)
            {
                Parent = process,
                Group = process.Group,
                Session = process.Session,
                Umask = process.Umask,
                Limits = process.Limits.Copy(),
                Credentials = process.Credentials,
                Terminal = process.Terminal,
                Root = process.Root,
                Environment = process.Environment,
                ExitSignal = (int)(flags & 0xFF),
                Name = process.Name,
                ExecutablePath = process.ExecutablePath,
                Arguments = process.Arguments,
                Actions = (SignalAction[])process.Actions.Clone(),
                StartedAt = container.Host.Now,
            };
            process.Children.Add(target);
            container.Add(target);
        }

        KernelTask child = container.Host.NewTask(target, id);
        HartState* from = task.State;
        HartState* to = child.State;
        new Span<ulong>(from->X, 33).CopyTo(new Span<ulong>(to->X, 33));
        new Span<ulong>(from->F, 32).CopyTo(new Span<ulong>(to->F, 32));
        to->Fflags = from->Fflags;
        to->Frm = from->Frm;
        to->Pc = from->Pc + 4;
        to->X[10] = 0;
        if (a.A1 != 0)
            to->X[2] = a.A1;
        if ((flags & CloneTls) != 0)
            to->X[4] = a.A3;
        child.SignalMask = task.SignalMask;
        if ((flags & CloneClearTid) != 0)
            child.ClearOnExit = a.A4;
        if ((flags & CloneParentTid) != 0)
            task.TryWrite(a.A2, id);
        if ((flags & CloneChildTid) != 0)
            child.TryWrite(a.A4, id);
        container.Host.Start(child);
        if ((flags & CloneVfork) == 0)
            return id;
        child.VforkParent = task;
        task.VforkChild = child;
        task.Progress = id;
        return SyscallTable.Blocked;
    }

    public static long Execute(KernelTask task, in SyscallArguments a)
    {
        int error = task.TryReadString(a.A0, 4096, Errno.ENAMETOOLONG, out string path);
        if (error == 0)
            error = ReadStrings(task, a.A1, out List<string> arguments) is var first && first != 0 ? first
                : ReadStrings(task, a.A2, out List<string> environment) is var second && second != 0 ? second
                : Replace(task, path, arguments, environment);
        return error == 0 ? SyscallTable.RegistersSet : error;
    }

    private static int Replace(KernelTask task, string path, List<string> arguments, List<string> environment)
    {
        Process process = task.Process;
        Container container = process.Container;
        int error = container.Host.Exec(task, path, arguments, environment);
        if (error != 0)
            return error;

        // Handlers are addresses of the old program; what was ignored stays ignored.
        for (int signal = 1; signal < process.Actions.Length; signal++)
        {
            if (process.Actions[signal].Handler != 1)
                process.Actions[signal] = default;
        }

        process.Files.CloseForExec();
        process.DeletePosixTimers();
        task.ClearOnExit = 0;
        task.AlternateStackSize = 0;
        task.State->ReservationAddress = HartState.NoReservation;
        return 0;
    }

    private static int ReadStrings(KernelTask task, ulong address, out List<string> strings)
    {
        const int longestString = 128 << 10;
        const int mostBytes = 2 << 20;
        strings = [];
        int total = 0;
        while (address != 0)
        {
            if (!task.TryRead(address, out ulong pointer))
                return -Errno.EFAULT;
            if (pointer == 0)
                break;
            int error = task.TryReadString(pointer, longestString, Errno.E2BIG, out string text);
            if (error != 0)
                return error;
            total += text.Length + 9;
            if (total > mostBytes)
                return -Errno.E2BIG;
            strings.Add(text);
            address += 8;
        }

        return 0;
    }
}
