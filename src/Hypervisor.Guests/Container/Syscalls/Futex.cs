using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>futex: sleeping on a word of memory. Words are known by their address in an address space.</summary>
internal static class Futex
{
    private const int Wait = 0, WakeSome = 1, Requeue = 3, CompareRequeue = 4, WaitBits = 9, WakeBits = 10;

    public static long Call(KernelTask task, in SyscallArguments a)
    {
        int operation = (int)a.A1 & 0x7F;
        const int Realtime = 0x100;
        switch (operation)
        {
            case Wait or WaitBits:
                return Sleep(task, a.A0, (uint)a.A2, a.A3, absolute: operation == WaitBits, realtime: ((int)a.A1 & Realtime) != 0);
            case WakeSome or WakeBits:
                return Wake(task, a.A0, (int)a.A2);
            case Requeue or CompareRequeue:
                if (operation == CompareRequeue)
                {
                    if (!task.TryRead(a.A0, out uint value))
                        return -Errno.EFAULT;
                    if (value != (uint)a.A5)
                        return -Errno.EAGAIN;
                }

                // Those who would be moved look again by themselves: waking them is allowed, and always right.
                return Wake(task, a.A0, int.MaxValue);
            default:
                return -Errno.ENOSYS;
        }
    }

    /// <summary>Wakes up to a number of tasks that sleep on a word.</summary>
    public static long Wake(KernelTask task, ulong address, int count)
    {
        int woken = 0;
        foreach (KernelTask other in task.Process.Container.FutexWaiters)
        {
            if (woken == count)
                break;
            if (other.FutexKey != address || other.Process.Space != task.Process.Space || other.FutexWoken)
                continue;
            other.FutexWoken = true;
            other.Woken();
            woken++;
        }

        return woken;
    }

    private static long Sleep(KernelTask task, ulong address, uint expected, ulong timeout, bool absolute, bool realtime)
    {
        LinkedList<KernelTask> waiters = task.Process.Container.FutexWaiters;
        if (!task.Restarted)
        {
            if ((address & 3) != 0)
                return -Errno.EINVAL;
            if (!task.TryRead(address, out uint value))
                return -Errno.EFAULT;
            if (value != expected)
                return -Errno.EAGAIN;
            long deadline = long.MaxValue;
            if (timeout != 0)
            {
                if (TimeCalls.ReadTime(task, timeout) is not { } time)
                    return -Errno.EFAULT;
                if (time < 0)
                    return -Errno.EINVAL;
                ContainerHost host = task.Process.Container.Host;
                deadline = !absolute ? host.Now + time : realtime ? time - host.EpochNanoseconds : time;
            }

            Blocking.SetDeadline(task, deadline);
            task.FutexKey = address;
            task.FutexWoken = false;
            waiters.AddLast(task);
            return SyscallTable.Blocked;
        }

        long result = task.FutexWoken ? 0 : Blocking.IsLate(task) ? -Errno.ETIMEDOUT : task.DeliverableSignals != 0 ? -Errno.EINTR : SyscallTable.Blocked;
        if (result != SyscallTable.Blocked)
            waiters.Remove(task);
        return result;
    }
}
