using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Ipc;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>POSIX message queues (mq_overview(7)).</summary>
internal static class QueueCalls
{
    private const long UsualMessages = 10, UsualLongest = 8192, MostMessages = 65536, MostLongest = 16 << 20;
    private const uint MostPriority = 32768;
    private const int LongestName = 255;

    public static long Open(KernelTask task, in SyscallArguments a)
    {
        const int known = OpenFlags.AccessMode | OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.NonBlock | OpenFlags.CloseOnExec;
        Process process = task.Process;
        int flags = (int)a.A1 & known;
        (long most, long longest) = (UsualMessages, UsualLongest);
        if (a.A3 != 0 && (!task.TryRead(a.A3 + 8, out most) || !task.TryRead(a.A3 + 16, out longest)))
            return -Errno.EFAULT;
        long error = ReadName(task, a.A0, out string name);
        if (error != 0)
            return error;
        IpcObjects objects = process.Namespaces.Ipc.Objects;
        if (objects.Queues.TryGetValue(name, out PosixQueue? queue))
        {
            if ((flags & (OpenFlags.Create | OpenFlags.Exclusive)) == (OpenFlags.Create | OpenFlags.Exclusive))
                return -Errno.EEXIST;
            if ((flags & OpenFlags.AccessMode) == OpenFlags.AccessMode)
                return -Errno.EINVAL;
            if (AccessCheck.Check(process.Credentials, queue, AccessCheck.OfOpen(flags)) is < 0 and int denied)
                return denied;
        }
        else
        {
            if ((flags & OpenFlags.Create) == 0)
                return -Errno.ENOENT;
            error = Make(task, objects, name, (uint)a.A2, a.A3 != 0, most, longest, out queue);
            if (error != 0)
                return error;
        }

        OpenFile file = queue!.Open(flags & (OpenFlags.AccessMode | OpenFlags.NonBlock));
        file.Path = "/" + name;
        return process.Files.Add(file, closeOnExec: true);
    }

    public static long Unlink(KernelTask task, in SyscallArguments a)
    {
        long error = ReadName(task, a.A0, out string name);
        if (error != 0)
            return error;
        IpcObjects objects = task.Process.Namespaces.Ipc.Objects;
        if (!objects.Queues.TryGetValue(name, out PosixQueue? queue))
            return -Errno.ENOENT;
        Credentials who = task.Process.Credentials;
        if (who.FileUid != queue.Uid && !who.HasIn(task.Process.Namespaces.Ipc.Owner, Capability.FileOwner))
            return -Errno.EPERM;
        objects.Queues.Remove(name);
        queue.Unlinked();
        return 0;
    }

    public static long Send(KernelTask task, in SyscallArguments a)
    {
        (ulong address, ulong length, uint priority) = (a.A1, a.A2, (uint)a.A3);
        if (priority >= MostPriority)
            return -Errno.EINVAL;
        long error = ReadDeadline(task, a.A4, out long deadline);
        if (error != 0)
            return error;
        if (task.Process.Files[a.Fd] is not PosixQueueFile { CanWrite: true } file)
            return -Errno.EBADF;
        PosixQueue queue = file.Queue;
        if (length > (ulong)queue.Longest)
            return -Errno.EMSGSIZE;
        var data = new byte[length];
        if (!task.TryRead(address, data))
            return -Errno.EFAULT;
        if (queue.Count >= queue.Most)
            return Wait(task, file, deadline);
        bool wasEmpty = queue.Count == 0;
        bool isAwaited = queue.Receivers > 0;
        if (!queue.TryAdd(priority, data))
            return -Errno.ENOMEM;
        if (wasEmpty && !isAwaited)
            Tell(task, queue);
        return 0;
    }

    public static long Receive(KernelTask task, in SyscallArguments a)
    {
        (ulong address, ulong length) = (a.A1, a.A2);
        long error = ReadDeadline(task, a.A4, out long deadline);
        if (error != 0)
            return error;
        if (task.Process.Files[a.Fd] is not PosixQueueFile { CanRead: true } file)
            return -Errno.EBADF;
        PosixQueue queue = file.Queue;
        if (length < (ulong)queue.Longest)
            return -Errno.EMSGSIZE;
        if (!queue.TryTake(out uint priority, out byte[] data))
        {
            long result = Wait(task, file, deadline);
            if (result == SyscallTable.Blocked && task.ReceivesFrom is null)
            {
                task.ReceivesFrom = queue;
                queue.Receivers++;
            }

            return result;
        }

        return (a.A3 == 0 || task.TryWrite(a.A3, priority)) && task.TryWrite(address, data) ? data.Length : -Errno.EFAULT;
    }

    public static long Notify(KernelTask task, in SyscallArguments a)
    {
        const int bySignal = 0, byNothing = 1, byThread = 2;
        (int kind, int signal, ulong value) = (byNothing, 0, 0);
        if (a.A1 != 0)
        {
            if (!task.TryRead(a.A1, out value) || !task.TryRead(a.A1 + 8, out signal) || !task.TryRead(a.A1 + 12, out kind))
                return -Errno.EFAULT;
            if (kind is not (bySignal or byNothing or byThread) || (kind == bySignal && signal is < 0 or > Signals.Count))
                return -Errno.EINVAL;

            // A thread is told by a netlink socket, which nobody has.
            if (kind == byThread)
                return -Errno.EBADF;
        }

        if (task.Process.Files[a.Fd] is not PosixQueueFile file)
            return -Errno.EBADF;
        PosixQueue queue = file.Queue;
        bool isTaken = queue.Notice is { Process.IsAlive: true };
        if (a.A1 == 0)
        {
            if (isTaken && queue.Notice!.Process == task.Process)
                queue.Notice = null;
            return 0;
        }

        if (isTaken)
            return -Errno.EBUSY;
        queue.Notice = new QueueNotice(task.Process, file, kind == bySignal ? signal : 0, value);
        return 0;
    }

    public static long Attributes(KernelTask task, in SyscallArguments a)
    {
        long flags = 0;
        if (a.A1 != 0 && !task.TryRead(a.A1, out flags))
            return -Errno.EFAULT;
        if ((flags & ~(long)OpenFlags.NonBlock) != 0)
            return -Errno.EINVAL;
        if (task.Process.Files[a.Fd] is not PosixQueueFile file)
            return -Errno.EBADF;
        Span<long> told = stackalloc long[8];
        told.Clear();
        (told[0], told[1], told[2], told[3]) = (file.Flags & OpenFlags.NonBlock, file.Queue.Most, file.Queue.Longest, file.Queue.Count);
        if (a.A1 != 0)
            file.Flags = (file.Flags & ~OpenFlags.NonBlock) | (int)flags;
        return a.A2 == 0 || task.TryWrite(a.A2, System.Runtime.InteropServices.MemoryMarshal.AsBytes(told)) ? 0 : -Errno.EFAULT;
    }

    private static long Make(KernelTask task, IpcObjects objects, string name, uint mode, bool isSized, long most, long longest, out PosixQueue? made)
    {
        made = null;
        Process process = task.Process;
        Credentials who = process.Credentials;
        bool mayExceed = who.Has(Capability.Resource);
        if (objects.Queues.Count >= IpcObjects.MostPosixQueues)
            return -Errno.ENOSPC;
        if (isSized && (most <= 0 || longest <= 0 || most > (mayExceed ? MostMessages : UsualMessages) || longest > (mayExceed ? MostLongest : UsualLongest)))
            return -Errno.EINVAL;
        uint user = who.Uid;
        long charge = PosixQueue.ChargeOf(most, longest);
        long charged = objects.QueueCharges.GetValueOrDefault(user);
        if ((ulong)(charged + charge) > process.Limits[ResourceLimits.MessageQueue].Soft)
            return -Errno.EMFILE;
        objects.QueueCharges[user] = charged + charge;
        made = new PosixQueue(objects.Store, mode & InodeMode.Permissions & ~process.Umask & 0x1FF, most, longest)
        {
            Uid = who.FileUid,
            Gid = who.FileGid,
            Gone = () => objects.QueueCharges[user] -= charge,
        };
        objects.Queues.Add(name, made);
        return 0;
    }

    private static long ReadName(KernelTask task, ulong address, out string name)
    {
        int error = task.TryReadString(address, UserPaths.Longest, Errno.ENAMETOOLONG, out name);
        if (error != 0)
            return error;
        if (name.Length == 0)
            return -Errno.ENOENT;
        return name.Length > LongestName ? -Errno.ENAMETOOLONG : name.Contains('/', StringComparison.Ordinal) || name is "." or ".." ? -Errno.EACCES : 0;
    }

    private static long ReadDeadline(KernelTask task, ulong address, out long deadline)
        => TimeCalls.ReadDeadline(task, task.Restarted ? 0 : address, absolute: true, realtime: true, out deadline);

    private static long Wait(KernelTask task, PosixQueueFile file, long deadline)
    {
        if ((file.Flags & OpenFlags.NonBlock) != 0)
            return -Errno.EAGAIN;
        Blocking.SetDeadline(task, deadline);
        return Blocking.IsLate(task) || deadline <= task.Process.Container.Host.Now ? -Errno.ETIMEDOUT : Blocking.On(task, file.Queue.Changed);
    }

    /// <summary>Whoever asked for it hears of a message, once.</summary>
    private static void Tell(KernelTask task, PosixQueue queue)
    {
        const int fromQueue = -3;
        if (queue.Notice is not { } notice)
            return;
        queue.Notice = null;
        Process target = notice.Process;
        if (notice.Signal == 0 || !target.IsAlive)
            return;
        ulong sender = (uint)target.Pids.ToLocal(task.Process.Id) | (ulong)target.Credentials.TellUser(task.Process.Credentials.Uid) << 32;
        target.Container.Host.Send(target, new SignalInfo(notice.Signal, fromQueue, sender, notice.Value));
    }
}
