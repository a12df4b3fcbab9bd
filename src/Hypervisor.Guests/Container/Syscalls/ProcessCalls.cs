using Hypervisor.Core.Hart;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Calls that make, change and end processes and tasks.</summary>
internal static unsafe class ProcessCalls
{
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

    public static long GetId(KernelTask task, in SyscallArguments a) => task.LocalId(task.Process.Id);

    public static long GetTaskId(KernelTask task, in SyscallArguments a) => task.LocalId(task.Id);

    public static long GetParentId(KernelTask task, in SyscallArguments a) => task.Process.Parent is { } parent ? task.LocalId(parent.Id) : 0;

    public static long SetClearAddress(KernelTask task, in SyscallArguments a)
    {
        task.ClearOnExit = a.A0;
        return task.LocalId(task.Id);
    }

    public static long Execute(KernelTask task, in SyscallArguments a)
    {
        int error = task.TryReadString(a.A0, UserPaths.Longest, Errno.ENAMETOOLONG, out string path);
        return error != 0 ? error : Execute(task, path, a.A1, a.A2);
    }

    public static long ExecuteAt(KernelTask task, in SyscallArguments a)
    {
        int flags = (int)a.A4;
        if ((flags & ~(UserPaths.EmptyPath | UserPaths.NoFollow)) != 0)
            return -Errno.EINVAL;
        int error = task.TryReadString(a.A1, UserPaths.Longest, Errno.ENAMETOOLONG, out string path);
        if (error != 0)
            return error;
        if (path.Length == 0)
        {
            if ((flags & UserPaths.EmptyPath) == 0)
                return -Errno.ENOENT;
            if (task.Process.Files.Any(a.Fd) is null)
                return -Errno.EBADF;
            path = $"/proc/self/fd/{a.Fd}";
        }
        else if (path[0] != '/' && a.Fd != UserPaths.CurrentDirectory)
        {
            error = UserPaths.PlaceOf(task, a.Fd, out Files.Place? place);
            if (error != 0)
                return error;
            path = $"{place!.PathFrom(task.Process.RootPlace, out _).TrimEnd('/')}/{path}";
        }

        if ((flags & UserPaths.NoFollow) != 0 && UserPaths.Locate(task, UserPaths.CurrentDirectory, path, false, out Files.PathResult at) == 0 && at.Inode is { IsSymlink: true })
            return -Errno.ELOOP;
        return Execute(task, path, a.A2, a.A3);
    }

    private static long Execute(KernelTask task, string path, ulong argumentsAddress, ulong environmentAddress)
    {
        int error = ReadStrings(task, argumentsAddress, out List<string> arguments);
        if (error == 0)
            error = ReadStrings(task, environmentAddress, out List<string> environment) is var second && second != 0 ? second : Replace(task, path, arguments, environment);
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
        task.Sequence = null;
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
