using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>futex(2), futex_waitv(2) and robust lists: sleeping on words of memory.</summary>
internal static class Futex
{
    private const int WaitCommand = 0, WakeCommand = 1, Requeue = 3, CompareRequeue = 4, WakeOperation = 5, Lock = 6, Unlock = 7, TryLock = 8;
    private const int WaitBits = 9, WakeBits = 10, Lock2 = 13;
    private const uint Waiters = 0x8000_0000, OwnerDied = 0x4000_0000, OwnerMask = 0x3FFF_FFFF;
    private const int MostRobust = 2048;
    private const int MostVector = 128;

    public static long Call(KernelTask task, in SyscallArguments a)
    {
        const int privateFlag = 0x80, realtimeFlag = 0x100;
        int command = (int)a.A1 & ~(privateFlag | realtimeFlag);
        bool isPrivate = ((int)a.A1 & privateFlag) != 0;
        bool realtime = ((int)a.A1 & realtimeFlag) != 0;
        if (realtime && command is not (WaitCommand or WaitBits or Lock or Lock2))
            return -Errno.ENOSYS;
        if ((a.A0 & 3) != 0)
            return -Errno.EINVAL;
        switch (command)
        {
            case WaitCommand:
                return Sleep(task, a.A0, (uint)a.A2, uint.MaxValue, a.A3, absolute: false, realtime, isPrivate);
            case WaitBits:
                return (uint)a.A5 == 0 ? -Errno.EINVAL : Sleep(task, a.A0, (uint)a.A2, (uint)a.A5, a.A3, absolute: true, realtime, isPrivate);
            case WakeCommand or WakeBits:
                uint bits = command == WakeBits ? (uint)a.A5 : uint.MaxValue;
                if (bits == 0)
                    return -Errno.EINVAL;
                return TryKey(task, a.A0, isPrivate, out FutexKey key) ? Queues(task).Wake(key, Math.Max(1, (int)a.A2), bits) : -Errno.EFAULT;
            case Requeue or CompareRequeue:
                return MoveWaiters(task, in a, command, isPrivate);
            case WakeOperation:
                return Operate(task, in a, isPrivate);
            case Lock or Lock2 or TryLock:
                return TakeLock(task, a.A0, a.A3, realtime: command == Lock || realtime, isPrivate, wait: command != TryLock);
            case Unlock:
                return GiveLock(task, a.A0, isPrivate);
            default:
                return -Errno.ENOSYS;
        }
    }

    /// <summary>Wakes those that sleep on a word of a task's memory.</summary>
    public static void Wake(KernelTask task, ulong address, int count)
    {
        if (TryKey(task, address, false, out FutexKey key))
            Queues(task).Wake(key, count);
    }

    public static long WaitMany(KernelTask task, in SyscallArguments a)
    {
        const uint sizeMask = 3, size32 = 2, privateFlag = 0x80;
        if (task.Restarted)
        {
            for (int i = 0; i < task.Futexes.Count; i++)
            {
                if (task.Futexes[i].IsWoken)
                    return i;
            }

            return Blocking.IsLate(task) ? -Errno.ETIMEDOUT : task.DeliverableSignals != 0 ? Blocking.Interrupted(task) : SyscallTable.Blocked;
        }

        if (a.A1 is 0 or > MostVector || a.A2 != 0)
            return -Errno.EINVAL;
        if (a.A3 != 0 && a.A4 is not (0 or 1))
            return -Errno.EINVAL;
        long error = TimeCalls.ReadDeadline(task, a.A3, absolute: true, realtime: a.A4 == 0, out long deadline);
        if (error != 0)
            return error;

        var waiters = new List<FutexWaiter>();
        for (ulong i = 0; i < a.A1; i++)
        {
            ulong at = a.A0 + (24 * i);
            if (!task.TryRead(at, out ulong expected) || !task.TryRead(at + 8, out ulong address) || !task.TryRead(at + 16, out uint flags) || !task.TryRead(at + 20, out uint reserved))
                return -Errno.EFAULT;
            if ((flags & ~(sizeMask | privateFlag)) != 0 || (flags & sizeMask) != size32 || reserved != 0 || (address & 3) != 0)
                return -Errno.EINVAL;
            if (!task.TryRead(address, out uint value))
                return -Errno.EFAULT;
            if (value != (uint)expected)
                return -Errno.EAGAIN;
            waiters.Add(new FutexWaiter(task, FutexKey.Of(task, address, (flags & privateFlag) != 0), uint.MaxValue));
        }

        Blocking.SetDeadline(task, deadline);
        foreach (FutexWaiter waiter in waiters)
            Queues(task).Add(waiter);
        return SyscallTable.Blocked;
    }

    public static long SetRobustList(KernelTask task, in SyscallArguments a)
    {
        const ulong headBytes = 24;
        if (a.A1 != headBytes)
            return -Errno.EINVAL;
        task.RobustList = a.A0;
        return 0;
    }

    public static long GetRobustList(KernelTask task, in SyscallArguments a)
    {
        KernelTask? other = a.A0 == 0 ? task : task.FindTask((int)a.A0);
        if (other is null)
            return -Errno.ESRCH;
        return task.TryWrite(a.A1, other.RobustList) && task.TryWrite(a.A2, 24UL) ? 0 : -Errno.EFAULT;
    }

    /// <summary>A task ends: the locks it holds by its robust list are marked, and somebody who waits for each is woken.</summary>
    public static void LeaveRobustList(KernelTask task)
    {
        ulong head = task.RobustList;
        task.RobustList = 0;
        if (head == 0 || !task.TryRead(head, out ulong entry) || !task.TryRead(head + 8, out long offset) || !task.TryRead(head + 16, out ulong pending))
            return;
        for (int i = 0; i < MostRobust && (entry & ~1UL) != head; i++)
        {
            ulong at = entry & ~1UL;
            bool more = task.TryRead(at, out ulong next);
            if (at != (pending & ~1UL))
                MarkDead(task, at + (ulong)offset);
            if (!more)
                break;
            entry = next;
        }

        if ((pending & ~1UL) != 0)
            MarkDead(task, (pending & ~1UL) + (ulong)offset);
    }

    private static void MarkDead(KernelTask task, ulong address)
    {
        if ((address & 3) != 0 || !task.TryRead(address, out uint value) || (value & OwnerMask) != (uint)task.LocalId(task.Id))
            return;
        if (task.TryWrite(address, (value & Waiters) | OwnerDied) && (value & Waiters) != 0)
            Wake(task, address, 1);
    }

    private static FutexQueues Queues(KernelTask task) => task.Process.Container.Futexes;

    private static bool TryKey(KernelTask task, ulong address, bool isPrivate, out FutexKey key)
    {
        key = default;
        if (address >= Memory.AddressSpace.Limit || (!isPrivate && !task.TryRead(address, out uint _)))
            return false;
        key = FutexKey.Of(task, address, isPrivate);
        return true;
    }

    private static long Sleep(KernelTask task, ulong address, uint expected, uint bits, ulong timeout, bool absolute, bool realtime, bool isPrivate)
    {
        if (!task.Restarted)
        {
            if (!task.TryRead(address, out uint value))
                return -Errno.EFAULT;
            long error = TimeCalls.ReadDeadline(task, timeout, absolute, realtime, out long deadline);
            if (error != 0)
                return error;
            if (value != expected)
                return -Errno.EAGAIN;
            Blocking.SetDeadline(task, deadline);
            Queues(task).Add(new FutexWaiter(task, FutexKey.Of(task, address, isPrivate), bits));
            return SyscallTable.Blocked;
        }

        if (task.Futexes is [{ IsWoken: true }])
            return 0;
        if (Blocking.IsLate(task))
            return -Errno.ETIMEDOUT;
        if (task.DeliverableSignals == 0)
            return SyscallTable.Blocked;
        return task.Deadline == long.MaxValue ? Blocking.Interrupted(task) : -Errno.EINTR;
    }

    private static long MoveWaiters(KernelTask task, in SyscallArguments a, int command, bool isPrivate)
    {
        (int wake, int move) = ((int)a.A2, (int)a.A3);
        if (wake < 0 || move < 0 || (a.A4 & 3) != 0)
            return -Errno.EINVAL;
        if (!TryKey(task, a.A0, isPrivate, out FutexKey from) || !TryKey(task, a.A4, isPrivate, out FutexKey to))
            return -Errno.EFAULT;
        if (command == CompareRequeue)
        {
            if (!task.TryRead(a.A0, out uint value))
                return -Errno.EFAULT;
            if (value != (uint)a.A5)
                return -Errno.EAGAIN;
        }

        int woken = Queues(task).Wake(from, wake);
        return woken + Queues(task).Move(from, to, move);
    }

    /// <summary>FUTEX_WAKE_OP: changes a second word, and wakes on it too where its old value compares so.</summary>
    private static long Operate(KernelTask task, in SyscallArguments a, bool isPrivate)
    {
        uint encoded = (uint)a.A5;
        int operation = (int)(encoded >> 28);
        int comparison = (int)(encoded >> 24) & 15;
        int operand = (int)(encoded << 8) >> 20;
        int compared = (int)(encoded << 20) >> 20;
        if ((operation & 8) != 0)
            operand = 1 << (operand & 31);
        if ((a.A4 & 3) != 0)
            return -Errno.EINVAL;
        if (!TryKey(task, a.A0, isPrivate, out FutexKey first) || !TryKey(task, a.A4, isPrivate, out FutexKey second) || !task.TryRead(a.A4, out int old))
            return -Errno.EFAULT;
        int? changed = (operation & 7) switch { 0 => operand, 1 => old + operand, 2 => old | operand, 3 => old & ~operand, 4 => old ^ operand, _ => null };
        bool? holds = comparison switch
        {
            0 => old == compared,
            1 => old != compared,
            2 => old < compared,
            3 => old <= compared,
            4 => old > compared,
            5 => old >= compared,
            _ => null,
        };
        if (changed is null || holds is null)
            return -Errno.ENOSYS;
        if (!task.TryWrite(a.A4, changed.Value))
            return -Errno.EFAULT;
        int woken = Queues(task).Wake(first, Math.Max(1, (int)a.A2));
        return woken + (holds.Value ? Queues(task).Wake(second, Math.Max(1, (int)a.A3)) : 0);
    }

    /// <summary>FUTEX_LOCK_PI: the word names the owner; who lets go hands it over. Priorities are not lent.</summary>
    private static long TakeLock(KernelTask task, ulong address, ulong timeout, bool realtime, bool isPrivate, bool wait)
    {
        if (task.Restarted)
        {
            if (task.Futexes is [{ IsWoken: true }])
                return 0;
            return Blocking.IsLate(task) ? -Errno.ETIMEDOUT : task.DeliverableSignals != 0 ? Blocking.Interrupted(task) : SyscallTable.Blocked;
        }

        if (!task.TryRead(address, out uint value))
            return -Errno.EFAULT;
        uint owner = value & OwnerMask;
        if (owner == (uint)task.LocalId(task.Id))
            return -Errno.EDEADLK;
        bool isDead = owner == 0 || (value & OwnerDied) != 0;
        if (isDead)
            return task.TryWrite(address, (uint)task.LocalId(task.Id) | (value & (Waiters | OwnerDied))) ? 0 : -Errno.EFAULT;
        if (task.FindTask((int)owner) is null)
            return -Errno.ESRCH;
        if (!wait)
            return -Errno.EAGAIN;
        long error = TimeCalls.ReadDeadline(task, timeout, absolute: true, realtime, out long deadline);
        if (error != 0)
            return error;
        if (!task.TryWrite(address, value | Waiters))
            return -Errno.EFAULT;
        Blocking.SetDeadline(task, deadline);
        Queues(task).Add(new FutexWaiter(task, FutexKey.Of(task, address, isPrivate), uint.MaxValue) { IsForLock = true });
        return SyscallTable.Blocked;
    }

    private static long GiveLock(KernelTask task, ulong address, bool isPrivate)
    {
        if (!task.TryRead(address, out uint value))
            return -Errno.EFAULT;
        if ((value & OwnerMask) != (uint)task.LocalId(task.Id))
            return -Errno.EPERM;
        FutexKey key = FutexKey.Of(task, address, isPrivate);
        if (Queues(task).First(key, out bool more) is not { IsForLock: true } next)
            return task.TryWrite(address, 0u) ? 0 : -Errno.EFAULT;
        if (!task.TryWrite(address, (uint)next.Task.LocalId(next.Task.Id) | (more ? Waiters : 0)))
            return -Errno.EFAULT;
        Queues(task).Wake(key, 1);
        return 0;
    }
}
