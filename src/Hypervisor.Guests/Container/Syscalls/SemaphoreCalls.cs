using Hypervisor.Guests.Container.Ipc;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>System V semaphores: semget, semop, semtimedop and semctl.</summary>
internal static class SemaphoreCalls
{
    private const int MostInSet = 32000, MostOperations = 500, MostSemaphores = 1_024_000_000;
    private const uint Readable = 0x124, Writable = 0x92;

    /// <summary>A task that waits for a semaphore.</summary>
    public sealed record Waiting(SemaphoreSet Set, int Number, bool ForZero);

    public static long Get(KernelTask task, in SyscallArguments a)
    {
        (int key, int count, int flags) = ((int)a.A0, (int)a.A1, (int)a.A2);
        if (count is < 0 or > MostInSet)
            return -Errno.EINVAL;
        IpcObjects objects = task.Process.Namespaces.Ipc.Objects;
        long result = IpcCalls.Find(task, objects.Sets, key, flags, out SemaphoreSet? found);
        if (found is not null)
            return result == 0 && count > found.Semaphores.Length ? -Errno.EINVAL : IpcCalls.Check(task, found, (uint)flags, result);
        if (result != 0)
            return result;
        if (count == 0)
            return -Errno.EINVAL;
        if (!objects.Store.TryTake((long)SemaphoreSet.BytesEach * count))
            return -Errno.ENOMEM;
        var made = new SemaphoreSet(key, task.Process.Credentials, (uint)flags, count) { ChangedAt = IpcCalls.Seconds(task) };
        if (objects.Sets.TryAdd(made))
            return made.Id;
        objects.Store.Give((long)SemaphoreSet.BytesEach * count);
        return -Errno.ENOSPC;
    }

    public static long Operate(KernelTask task, in SyscallArguments a) => Operate(task, (int)a.A0, a.A1, a.A2, 0);

    public static long OperateInTime(KernelTask task, in SyscallArguments a) => Operate(task, (int)a.A0, a.A1, a.A2, a.A3);

    public static long Control(KernelTask task, in SyscallArguments a)
    {
        const int removeIt = 0, set = 1, stat = 2, info = 3, getPid = 11, getValue = 12, getAll = 13, getWaiting = 14, getZero = 15, setValue = 16, setAll = 17;
        const int statAt = 18, usage = 19, statAny = 20;
        (int id, int number, int command, ulong argument) = ((int)a.A0, (int)a.A1, (int)a.A2, a.A3);
        if (id < 0)
            return -Errno.EINVAL;
        Process process = task.Process;
        IpcNamespace space = process.Namespaces.Ipc;
        IpcObjects objects = space.Objects;
        if (command is info or usage)
            return WriteInfo(task, objects, argument, ofUse: command == usage);
        if (command is < 0 or > statAny or (> info and < getPid))
            return -Errno.EINVAL;
        if (command == set && !IpcCalls.ReadPermissions(task, argument, out _))
            return -Errno.EFAULT;
        SemaphoreSet? found = command is statAt or statAny ? objects.Sets.FindAt(id) : objects.Sets.Find(id);
        if (found is null)
            return -Errno.EINVAL;
        if (command is removeIt or set)
        {
            if (!found.IsOwnedBy(process.Credentials, space.Owner))
                return -Errno.EPERM;
            if (command == set)
                return IpcCalls.Set(task, found, argument);
            objects.Remove(found);
            return 0;
        }

        bool changes = command is setValue or setAll;
        if (command == setValue && (int)argument is < 0 or > SemaphoreSet.Largest)
            return -Errno.ERANGE;
        if (command is getPid or getValue or getWaiting or getZero or setValue && (uint)number >= (uint)found.Semaphores.Length)
            return -Errno.EINVAL;
        if (command != statAny && !found.Allows(process.Credentials, space.Owner, changes ? Writable : Readable))
            return -Errno.EACCES;
        switch (command)
        {
            case stat or statAt or statAny:
                return Write(task, found, argument) ? command == stat ? 0 : found.Id : -Errno.EFAULT;
            case getPid:
                return task.LocalId(found.Semaphores[number].Last);
            case getValue:
                return found.Semaphores[number].Value;
            case getWaiting or getZero:
                return process.Container.Processes.SelectMany(each => each.Tasks)
                    .Count(each => each.WaitsForSemaphore is { } waiting && waiting.Set == found && waiting.Number == number && waiting.ForZero == (command == getZero));
            case getAll:
                for (int i = 0; i < found.Semaphores.Length; i++)
                {
                    if (!task.TryWrite(argument + ((ulong)i * 2), (ushort)found.Semaphores[i].Value))
                        return -Errno.EFAULT;
                }

                return 0;
            case setValue:
                Change(task, found, number, (int)argument);
                break;
            default:
                long error = SetAll(task, found, argument);
                if (error != 0)
                    return error;
                break;
        }

        found.ChangedAt = IpcCalls.Seconds(task);
        found.Changed.WakeAll();
        return 0;
    }

    private static long SetAll(KernelTask task, SemaphoreSet set, ulong address)
    {
        var values = new ushort[set.Semaphores.Length];
        if (!task.TryRead(address, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan())))
            return -Errno.EFAULT;
        if (values.Any(value => value > SemaphoreSet.Largest))
            return -Errno.ERANGE;
        for (int i = 0; i < values.Length; i++)
        {
            set.Semaphores[i].Value = values[i];
            set.Semaphores[i].Last = task.Process.Id;
        }

        foreach (Process process in task.Process.Container.Processes)
            process.Undo?.Forget(set);
        return 0;
    }

    private static void Change(KernelTask task, SemaphoreSet set, int number, int value)
    {
        set.Semaphores[number].Value = value;
        set.Semaphores[number].Last = task.Process.Id;
        foreach (Process process in task.Process.Container.Processes)
            process.Undo?.Forget(set, number);
    }

    private static long Operate(KernelTask task, int id, ulong address, ulong count, ulong timeout)
    {
        if (count < 1 || id < 0)
            return -Errno.EINVAL;
        if (count > MostOperations)
            return -Errno.E2BIG;
        Process process = task.Process;
        IpcNamespace space = process.Namespaces.Ipc;
        var operations = new SemaphoreOperation[count];
        for (int i = 0; i < operations.Length; i++)
        {
            ulong at = address + ((ulong)i * SemaphoreOperation.Bytes);
            if (!task.TryRead(at, out ushort number) || !task.TryRead(at + 2, out short change) || !task.TryRead(at + 4, out short flags))
                return -Errno.EFAULT;
            operations[i] = new SemaphoreOperation(number, change, flags);
        }

        long error = TimeCalls.ReadDeadline(task, task.Restarted ? 0 : timeout, absolute: false, realtime: false, out long deadline);
        if (error != 0)
            return error;
        if (space.Objects.Sets.Find(id) is not { } set)
            return task.WaitsForSemaphore is null ? -Errno.EINVAL : -Errno.EIDRM;
        if (task.WaitsForSemaphore is { Set.IsRemoved: true })
            return -Errno.EIDRM;
        if (operations.Any(operation => operation.Number >= set.Semaphores.Length))
            return -Errno.EFBIG;
        if (!set.Allows(process.Credentials, space.Owner, operations.Any(operation => operation.Change != 0) ? Writable : Readable))
            return -Errno.EACCES;
        process.Undo ??= new SemaphoreUndo(space.Objects.Store);
        int result = set.Operate(operations, process.Undo, process.Id, out int waits);
        if (result == 0)
        {
            set.OperatedAt = IpcCalls.Seconds(task);
            set.Changed.WakeAll();
            return 0;
        }

        if (waits < 0 || operations[waits].DoesNotWait)
            return result;
        Blocking.SetDeadline(task, deadline);
        if (Blocking.IsLate(task))
            return -Errno.EAGAIN;
        if (task.DeliverableSignals != 0)
            return -Errno.EINTR;
        task.WaitsForSemaphore = new Waiting(set, operations[waits].Number, operations[waits].Change == 0);
        task.WaitOn(set.Changed);
        return SyscallTable.Blocked;
    }

    private static bool Write(KernelTask task, SemaphoreSet set, ulong address)
    {
        Span<byte> s = stackalloc byte[88];
        s.Clear();
        set.WritePermissions(s, task.Process.Credentials);
        BitConverter.TryWriteBytes(s[48..], set.OperatedAt);
        BitConverter.TryWriteBytes(s[56..], set.ChangedAt);
        BitConverter.TryWriteBytes(s[64..], (long)set.Semaphores.Length);
        return task.TryWrite(address, s);
    }

    private static long WriteInfo(KernelTask task, IpcObjects objects, ulong address, bool ofUse)
    {
        Span<int> s = stackalloc int[10];
        int used = objects.Sets.All.Sum(set => set.Semaphores.Length);
        ReadOnlySpan<int> info = [MostSemaphores, IpcObjects.MostSets, MostSemaphores, MostSemaphores, MostInSet, MostOperations, MostOperations,
            ofUse ? objects.Sets.Count : 20, SemaphoreSet.Largest, ofUse ? used : SemaphoreSet.Largest];
        info.CopyTo(s);
        return task.TryWrite(address, System.Runtime.InteropServices.MemoryMarshal.AsBytes(s)) ? objects.Sets.Highest : -Errno.EFAULT;
    }
}
