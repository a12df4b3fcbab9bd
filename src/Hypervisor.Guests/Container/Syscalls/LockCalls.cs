using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Advisory locks: fcntl's, those of open file descriptions, and flock.</summary>
internal static class LockCalls
{
    private const int ReadLock = 0, WriteLock = 1, NoLock = 2;
    private const int MostHops = 64;

    public static long Flock(KernelTask task, in SyscallArguments a)
    {
        const int shared = 1, exclusive = 2, nonBlocking = 4, unlock = 8;
        if (task.Process.Files[a.Fd] is not { } file || (file.Flags & OpenFlags.PathOnly) != 0)
            return -Errno.EBADF;
        int operation = (int)a.A1 & ~nonBlocking;
        if (operation is not (shared or exclusive or unlock))
            return -Errno.EINVAL;
        FileLocks locks = file.Inode.Locks ??= new FileLocks();
        if (operation == unlock)
        {
            locks.Give(file, 0, long.MaxValue, whole: true);
            return 0;
        }

        var wanted = new FileLock(file, operation == exclusive, 0, long.MaxValue, task.Process.Id);
        if (locks.Blocker(wanted, whole: true) is null)
        {
            locks.Take(wanted, whole: true);
            return 0;
        }

        // A lock that is changed is given up first, whether or not the new one can be had.
        locks.Give(file, 0, long.MaxValue, whole: true);
        return ((int)a.A1 & nonBlocking) != 0 ? -Errno.EAGAIN : Blocking.On(task, locks.Freed);
    }

    /// <summary>F_GETLK, F_SETLK, F_SETLKW and their OFD forms.</summary>
    public static long Control(KernelTask task, OpenFile file, ulong command, ulong address)
    {
        const ulong get = 5, setAndWait = 7, getOfFile = 36, setOfFile = 37, setOfFileAndWait = 38;
        bool ofFile = command is getOfFile or setOfFile or setOfFileAndWait;
        if (!task.TryRead(address, out short type) || !task.TryRead(address + 2, out short whence) || !task.TryRead(address + 8, out long start)
            || !task.TryRead(address + 16, out long length) || !task.TryRead(address + 24, out int pid))
            return -Errno.EFAULT;
        if (ofFile && pid != 0)
            return -Errno.EINVAL;
        long error = Range(file, whence, start, length, out long first, out long last);
        if (error != 0)
            return error;
        bool isGet = command is get or getOfFile;
        if (type is not (ReadLock or WriteLock or NoLock) || (isGet && type == NoLock))
            return -Errno.EINVAL;
        object owner = ofFile ? file : task.Process.Files;
        FileLocks locks = file.Inode.Locks ??= new FileLocks();
        var wanted = new FileLock(owner, type == WriteLock, first, last, ofFile ? -1 : task.Process.Id);
        if (isGet)
            return Tell(task, address, locks.Blocker(wanted, whole: false));
        task.WaitsForLock = null;
        if (type == NoLock)
        {
            locks.Give(owner, first, last, whole: false);
            return 0;
        }

        if ((type == ReadLock && !file.CanRead) || (type == WriteLock && !file.CanWrite))
            return -Errno.EBADF;
        if (locks.Blocker(wanted, whole: false) is not { } blocker)
        {
            locks.Take(wanted, whole: false);
            return 0;
        }

        if (command is not (setAndWait or setOfFileAndWait))
            return -Errno.EAGAIN;
        if (!ofFile && WouldNeverEnd(task.Process.Container, owner, blocker.Owner))
            return -Errno.EDEADLK;
        task.WaitsForLock = (owner, blocker.Owner);
        return Blocking.On(task, locks.Freed);
    }

    private static long Range(OpenFile file, int whence, long start, long length, out long first, out long last)
    {
        (first, last) = (0, 0);
        long basis = whence switch { 0 => 0, 1 => file.Position, 2 => file.Inode.Size, _ => -1 };
        if (basis < 0)
            return -Errno.EINVAL;
        if (start > long.MaxValue - basis)
            return -Errno.EOVERFLOW;
        first = basis + start;
        if (first < 0)
            return -Errno.EINVAL;
        if (length > 0)
        {
            if (first > long.MaxValue - (length - 1))
                return -Errno.EOVERFLOW;
            last = first + length - 1;
        }
        else if (length < 0)
        {
            last = first - 1;
            first += length;
            if (first < 0)
                return -Errno.EINVAL;
        }
        else
        {
            last = long.MaxValue;
        }

        return 0;
    }

    private static long Tell(KernelTask task, ulong address, FileLock? held)
    {
        if (held is null)
            return task.TryWrite(address, (short)NoLock) ? 0 : -Errno.EFAULT;
        return task.TryWrite(address, (short)(held.IsWrite ? WriteLock : ReadLock)) && task.TryWrite(address + 2, (short)0)
            && task.TryWrite(address + 8, held.Start) && task.TryWrite(address + 16, held.End == long.MaxValue ? 0 : held.End - held.Start + 1)
            && task.TryWrite(address + 24, held.Pid < 0 ? held.Pid : task.LocalId(held.Pid)) ? 0 : -Errno.EFAULT;
    }

    /// <summary>Whether the holder of a lock waits, itself or through others, for the one who wants it.</summary>
    private static bool WouldNeverEnd(Container container, object owner, object holder)
    {
        for (int hops = 0; hops < MostHops; hops++)
        {
            if (holder == owner)
                return true;
            (object Owner, object Holder)? next = container.Processes.SelectMany(process => process.Tasks)
                .Select(each => each.WaitsForLock).FirstOrDefault(wait => wait is { } waiting && waiting.Owner == holder);
            if (next is not { } found)
                return false;
            holder = found.Holder;
        }

        return false;
    }
}
