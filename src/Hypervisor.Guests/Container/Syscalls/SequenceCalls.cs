using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>rseq(2): a task names the structure by which it learns its processor and leaves critical sections.</summary>
internal static class SequenceCalls
{
    private const uint OriginalSize = 32;

    public static long Register(KernelTask task, in SyscallArguments a)
    {
        const int unregister = 1;
        (ulong address, uint length, int flags, uint signature) = (a.A0, (uint)a.A1, (int)a.A2, (uint)a.A3);
        RestartableSequence? known = task.Sequence;
        if ((flags & unregister) != 0)
        {
            if ((flags & ~unregister) != 0 || known is null || known.Address != address || known.Length != length)
                return -Errno.EINVAL;
            if (known.Signature != signature)
                return -Errno.EPERM;
            if (!known.TryReset(task))
                return -Errno.EFAULT;
            task.Sequence = null;
            return 0;
        }

        if (flags != 0)
            return -Errno.EINVAL;
        if (known is not null)
            return known.Address != address || known.Length != length ? -Errno.EINVAL : known.Signature != signature ? -Errno.EPERM : -Errno.EBUSY;
        if (length < OriginalSize || (address & (RestartableSequence.Alignment - 1)) != 0)
            return -Errno.EINVAL;
        if (address >= AddressSpace.Limit || length > AddressSpace.Limit - address)
            return -Errno.EFAULT;
        if (!task.TryWrite(address + 8, 0UL))
            return -Errno.EFAULT;
        task.Sequence = new RestartableSequence(address, length, signature);
        task.WasPreempted = true;
        return 0;
    }
}
