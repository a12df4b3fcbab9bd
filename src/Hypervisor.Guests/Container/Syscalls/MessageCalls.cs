using Hypervisor.Guests.Container.Ipc;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>System V message queues: msgget, msgsnd, msgrcv and msgctl.</summary>
internal static class MessageCalls
{
    private const uint Readable = 0x124, Writable = 0x92;

    public static long Get(KernelTask task, in SyscallArguments a)
    {
        (int key, int flags) = ((int)a.A0, (int)a.A1);
        IpcObjects objects = task.Process.Namespaces.Ipc.Objects;
        long result = IpcCalls.Find(task, objects.Messages, key, flags, out MessageQueue? found);
        if (found is not null)
            return IpcCalls.Check(task, found, (uint)flags, result);
        if (result != 0)
            return result;
        if (!objects.Store.TryTake(MessageQueue.BytesBeside))
            return -Errno.ENOMEM;
        var made = new MessageQueue(key, task.Process.Credentials, (uint)flags) { ChangedAt = IpcCalls.Seconds(task) };
        if (objects.Messages.TryAdd(made))
            return made.Id;
        objects.Store.Give(MessageQueue.BytesBeside);
        return -Errno.ENOSPC;
    }

    public static long Send(KernelTask task, in SyscallArguments a)
    {
        (int id, ulong address, ulong size, int flags) = ((int)a.A0, a.A1, a.A2, (int)a.A3);
        if (!task.TryRead(address, out long type))
            return -Errno.EFAULT;
        if (size > MessageQueue.LongestMessage || id < 0 || type < 1)
            return -Errno.EINVAL;
        var data = new byte[size];
        if (!task.TryRead(address + 8, data))
            return -Errno.EFAULT;
        long error = Find(task, id, Writable, out MessageQueue? queue);
        if (error != 0)
            return error;
        if (!queue!.HasRoom(data.Length))
            return (flags & IpcObject.NoWait) != 0 ? -Errno.EAGAIN : Wait(task, queue);
        if (!task.Process.Namespaces.Ipc.Objects.Store.TryTake(data.Length + MessageQueue.BytesBeside))
            return -Errno.ENOMEM;
        queue.LastSender = task.Process.Id;
        queue.SentAt = IpcCalls.Seconds(task);
        queue.Add(type, data);
        return 0;
    }

    public static long Receive(KernelTask task, in SyscallArguments a)
    {
        const int anySize = 0x1000, except = 0x2000, copy = 0x4000;
        (int id, ulong address, ulong size, long type, int flags) = ((int)a.A0, a.A1, a.A2, (long)a.A3, (int)a.A4);
        if (id < 0 || (long)size < 0)
            return -Errno.EINVAL;
        if ((flags & copy) != 0)
            return -Errno.ENOSYS;
        long error = Find(task, id, Readable, out MessageQueue? queue);
        if (error != 0)
            return error;
        if (queue!.Find(type, (flags & except) != 0) is not { } node)
            return (flags & IpcObject.NoWait) != 0 ? -Errno.ENOMSG : Wait(task, queue);
        byte[] data = node.Value.Data;
        if ((ulong)data.Length > size && (flags & anySize) == 0)
            return -Errno.E2BIG;
        queue.Take(node);
        task.Process.Namespaces.Ipc.Objects.Store.Give(data.Length + MessageQueue.BytesBeside);
        queue.LastReceiver = task.Process.Id;
        queue.ReceivedAt = IpcCalls.Seconds(task);
        int count = (int)Math.Min((ulong)data.Length, size);
        return task.TryWrite(address, node.Value.Type) && task.TryWrite(address + 8, data.AsSpan(0, count)) ? count : -Errno.EFAULT;
    }

    public static long Control(KernelTask task, in SyscallArguments a)
    {
        const int removeIt = 0, set = 1, stat = 2, info = 3, statAt = 11, usage = 12, statAny = 13;
        (int id, int command, ulong address) = ((int)a.A0, (int)a.A1, a.A2);
        if (id < 0 || command < 0)
            return -Errno.EINVAL;
        Process process = task.Process;
        IpcNamespace space = process.Namespaces.Ipc;
        IpcObjects objects = space.Objects;
        if (command is info or usage)
            return WriteInfo(task, objects, address, ofUse: command == usage);
        if (command is not (removeIt or set or stat or statAt or statAny))
            return -Errno.EINVAL;
        ulong most = 0;
        if (command == set && (!IpcCalls.ReadPermissions(task, address, out _) || !task.TryRead(address + 88, out most)))
            return -Errno.EFAULT;
        MessageQueue? queue = command is statAt or statAny ? objects.Messages.FindAt(id) : objects.Messages.Find(id);
        if (queue is null)
            return -Errno.EINVAL;
        switch (command)
        {
            case removeIt or set when !queue.IsOwnedBy(process.Credentials, space.Owner):
                return -Errno.EPERM;
            case removeIt:
                objects.Remove(queue);
                return 0;
            case set when most > MessageQueue.UsualBytes && !process.Credentials.HasIn(space.Owner, Capability.Resource):
                return -Errno.EPERM;
            case set:
                long error = IpcCalls.Set(task, queue, address);
                if (error != 0)
                    return error;
                queue.Most = most;
                queue.Changed.WakeAll();
                return 0;
            case stat or statAt when !queue.Allows(process.Credentials, space.Owner, Readable):
                return -Errno.EACCES;
            default:
                return Write(task, queue, address) ? command == stat ? 0 : queue.Id : -Errno.EFAULT;
        }
    }

    /// <summary>The queue of a number, where the caller may use it so.</summary>
    private static long Find(KernelTask task, int id, uint rights, out MessageQueue? queue)
    {
        Process process = task.Process;
        IpcNamespace space = process.Namespaces.Ipc;
        queue = space.Objects.Messages.Find(id);
        if (queue is null)
            return task.Restarted ? -Errno.EIDRM : -Errno.EINVAL;
        return queue.Allows(process.Credentials, space.Owner, rights) ? 0 : -Errno.EACCES;
    }

    private static long Wait(KernelTask task, MessageQueue queue) => Blocking.On(task, queue.Changed, handlersMayRestart: false);

    private static bool Write(KernelTask task, MessageQueue queue, ulong address)
    {
        Span<byte> s = stackalloc byte[120];
        s.Clear();
        queue.WritePermissions(s, task.Process.Credentials);
        BitConverter.TryWriteBytes(s[48..], queue.SentAt);
        BitConverter.TryWriteBytes(s[56..], queue.ReceivedAt);
        BitConverter.TryWriteBytes(s[64..], queue.ChangedAt);
        BitConverter.TryWriteBytes(s[72..], queue.Bytes);
        BitConverter.TryWriteBytes(s[80..], (long)queue.Count);
        BitConverter.TryWriteBytes(s[88..], queue.Most);
        BitConverter.TryWriteBytes(s[96..], task.LocalId(queue.LastSender));
        BitConverter.TryWriteBytes(s[100..], task.LocalId(queue.LastReceiver));
        return task.TryWrite(address, s);
    }

    private static long WriteInfo(KernelTask task, IpcObjects objects, ulong address, bool ofUse)
    {
        Span<byte> s = stackalloc byte[32];
        s.Clear();
        ReadOnlySpan<int> info =
        [
            ofUse ? objects.Messages.Count : IpcObjects.MostQueues * (MessageQueue.UsualBytes / 1024),
            ofUse ? objects.Messages.All.Sum(queue => queue.Count) : MessageQueue.UsualBytes,
            MessageQueue.LongestMessage, MessageQueue.UsualBytes, IpcObjects.MostQueues, 16,
            ofUse ? (int)objects.Messages.All.Sum(queue => queue.Bytes) : MessageQueue.UsualBytes,
        ];
        System.Runtime.InteropServices.MemoryMarshal.AsBytes(info).CopyTo(s);
        BitConverter.TryWriteBytes(s[28..], ushort.MaxValue);
        return task.TryWrite(address, s) ? objects.Messages.Highest : -Errno.EFAULT;
    }
}
