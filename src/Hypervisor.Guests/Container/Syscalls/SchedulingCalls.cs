using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>
/// Scheduling as programs ask for it. Shares between tasks are the host loop's business: what is set here is kept and told.
/// </summary>
internal static class SchedulingCalls
{
    private const int Other = 0, Fifo = 1, RoundRobin = 2, Batch = 3, Idle = 5, Deadline = 6;
    private const uint ResetOnFork = 0x4000_0000;

    public static long SetScheduler(KernelTask task, in SyscallArguments a)
    {
        if ((int)a.A0 < 0 || a.A2 == 0)
            return -Errno.EINVAL;
        return task.TryRead(a.A2, out int priority) ? Set(task, (int)a.A0, (int)((uint)a.A1 & ~ResetOnFork), priority) : -Errno.EFAULT;
    }

    public static long SetParameters(KernelTask task, in SyscallArguments a)
    {
        if ((int)a.A0 < 0 || a.A1 == 0)
            return -Errno.EINVAL;
        if (!task.TryRead(a.A1, out int priority))
            return -Errno.EFAULT;
        return Find(task, (int)a.A0) is { } other ? Set(task, (int)a.A0, other.Policy, priority) : -Errno.ESRCH;
    }

    public static long GetScheduler(KernelTask task, in SyscallArguments a)
        => (int)a.A0 < 0 ? -Errno.EINVAL : Find(task, (int)a.A0)?.Policy ?? -Errno.ESRCH;

    public static long GetParameters(KernelTask task, in SyscallArguments a)
    {
        if ((int)a.A0 < 0 || a.A1 == 0)
            return -Errno.EINVAL;
        return Find(task, (int)a.A0) is not { } other ? -Errno.ESRCH : task.TryWrite(a.A1, other.Priority) ? 0 : -Errno.EFAULT;
    }

    public static long GetMostPriority(KernelTask task, in SyscallArguments a)
        => (int)a.A0 switch { Fifo or RoundRobin => 99, Other or Batch or Idle or Deadline => 0, _ => -Errno.EINVAL };

    public static long GetLeastPriority(KernelTask task, in SyscallArguments a)
        => (int)a.A0 switch { Fifo or RoundRobin => 1, Other or Batch or Idle or Deadline => 0, _ => -Errno.EINVAL };

    public static long GetInterval(KernelTask task, in SyscallArguments a)
    {
        if ((int)a.A0 < 0)
            return -Errno.EINVAL;
        return Find(task, (int)a.A0) is null ? -Errno.ESRCH : TimeCalls.WriteTime(task, a.A1, 4_000_000) ? 0 : -Errno.EFAULT;
    }

    public static long SetAttributes(KernelTask task, in SyscallArguments a)
    {
        if ((int)a.A0 < 0 || a.A1 == 0 || a.A2 != 0)
            return -Errno.EINVAL;
        if (!task.TryRead(a.A1, out uint size) || !task.TryRead(a.A1 + 4, out uint policy) || !task.TryRead(a.A1 + 16, out int nice) || !task.TryRead(a.A1 + 20, out int priority))
            return -Errno.EFAULT;
        if (size is not 0 and < 48)
            return -Errno.E2BIG;
        long error = Set(task, (int)a.A0, (int)policy, priority);
        if (error == 0 && policy is Other or Batch)
            Find(task, (int)a.A0)!.Nice = Math.Clamp(nice, -20, 19);
        return error;
    }

    public static long GetAttributes(KernelTask task, in SyscallArguments a)
    {
        const int bytes = 56;
        if ((int)a.A0 < 0 || a.A1 == 0 || a.A2 < 48 || a.A2 > 4096 || a.A3 != 0)
            return -Errno.EINVAL;
        if (Find(task, (int)a.A0) is not { } other)
            return -Errno.ESRCH;
        Span<byte> attributes = stackalloc byte[bytes];
        attributes.Clear();
        BitConverter.TryWriteBytes(attributes, bytes);
        BitConverter.TryWriteBytes(attributes[4..], other.Policy);
        BitConverter.TryWriteBytes(attributes[16..], other.Nice);
        BitConverter.TryWriteBytes(attributes[20..], other.Priority);
        return task.TryWrite(a.A1, attributes[..(int)Math.Min(a.A2, bytes)]) ? 0 : -Errno.EFAULT;
    }

    public static long SetAffinity(KernelTask task, in SyscallArguments a)
    {
        if (Find(task, (int)a.A0) is not { } other)
            return -Errno.ESRCH;
        Span<byte> mask = stackalloc byte[8];
        mask.Clear();
        if (!task.TryRead(a.A2, mask[..(int)Math.Min(a.A1, 8)]))
            return -Errno.EFAULT;
        ulong wanted = BitConverter.ToUInt64(mask) & AllProcessors(task);
        if (wanted == 0)
            return -Errno.EINVAL;
        other.Affinity = wanted;
        return 0;
    }

    public static long GetAffinity(KernelTask task, in SyscallArguments a)
    {
        if (a.A1 < 8 || (a.A1 & 7) != 0)
            return -Errno.EINVAL;
        if (Find(task, (int)a.A0) is not { } other)
            return -Errno.ESRCH;
        return task.TryWrite(a.A2, other.Affinity & AllProcessors(task)) ? 8 : -Errno.EFAULT;
    }

    public static long GetProcessor(KernelTask task, in SyscallArguments a)
        => (a.A0 == 0 || task.TryWrite(a.A0, (uint)task.VCpu.Processor)) && (a.A1 == 0 || task.TryWrite(a.A1, 0u)) ? 0 : -Errno.EFAULT;

    public static long SetPriority(KernelTask task, in SyscallArguments a)
    {
        List<KernelTask>? targets = Targets(task, (int)a.A0, (int)a.A1);
        if (targets is null)
            return -Errno.EINVAL;
        if (targets.Count == 0)
            return -Errno.ESRCH;
        int nice = Math.Clamp((int)a.A2, -20, 19);
        Credentials who = task.Process.Credentials;
        foreach (KernelTask target in targets)
        {
            if (!who.Has(Capability.Nice) && who.EffectiveUid != target.Process.Credentials.Uid && who.EffectiveUid != target.Process.Credentials.EffectiveUid)
                return -Errno.EPERM;
            if (nice < target.Nice && !who.Has(Capability.Nice))
                return -Errno.EACCES;
            target.Nice = nice;
        }

        return 0;
    }

    /// <summary>The kernel's own form of a priority: 20 less the nice value, so that it is never an error.</summary>
    public static long GetPriority(KernelTask task, in SyscallArguments a)
    {
        List<KernelTask>? targets = Targets(task, (int)a.A0, (int)a.A1);
        return targets is null ? -Errno.EINVAL : targets.Count == 0 ? -Errno.ESRCH : 20 - targets.Min(target => target.Nice);
    }

    public static long SetInputOutputPriority(KernelTask task, in SyscallArguments a)
    {
        if (Targets(task, (int)a.A0 - 1, (int)a.A1) is not { } targets || (int)a.A2 >> 13 is < 0 or > 3)
            return -Errno.EINVAL;
        if (targets.Count == 0)
            return -Errno.ESRCH;
        foreach (KernelTask target in targets)
            target.InputOutputPriority = (int)a.A2 & 0xFFFF;
        return 0;
    }

    public static long GetInputOutputPriority(KernelTask task, in SyscallArguments a)
        => Targets(task, (int)a.A0 - 1, (int)a.A1) is not { } targets ? -Errno.EINVAL : targets.Count == 0 ? -Errno.ESRCH : targets[0].InputOutputPriority;

    /// <summary>membarrier: entering the kernel orders a task's memory accesses, and all others of the process are made to.</summary>
    public static long Barrier(KernelTask task, in SyscallArguments a)
    {
        const int query = 0, global = 1, globalExpedited = 2, registerGlobal = 4, privateExpedited = 8, registerPrivate = 16, coreSync = 32, registerCoreSync = 64;
        const int sequences = 128, registerSequences = 256;
        const ulong onProcessor = 1;
        const int known = global | globalExpedited | registerGlobal | privateExpedited | registerPrivate | coreSync | registerCoreSync | sequences | registerSequences;
        int command = (int)a.A0;
        if (a.A1 != 0 && (a.A1 != onProcessor || command != sequences))
            return -Errno.EINVAL;
        switch (command)
        {
            case query:
                return known;
            case registerGlobal or registerPrivate or registerCoreSync or registerSequences:
                task.Process.BarrierRegistrations |= command;
                return 0;
            case privateExpedited when (task.Process.BarrierRegistrations & registerPrivate) == 0:
            case coreSync when (task.Process.BarrierRegistrations & registerCoreSync) == 0:
                return -Errno.EPERM;
            case sequences when (task.Process.BarrierRegistrations & registerSequences) == 0:
                return -Errno.EPERM;
            case sequences:
                // Whoever is in a restartable sequence leaves it, as if it had been off its processor.
                foreach (KernelTask other in task.Process.Tasks)
                    other.WasPreempted |= other != task;
                task.Process.Space.Synchronize();
                return 0;
            case global or globalExpedited or privateExpedited or coreSync:
                task.Process.Space.Synchronize();
                return 0;
            default:
                return -Errno.EINVAL;
        }
    }

    private static ulong AllProcessors(KernelTask task) => task.Process.Container.Host.Processors >= 64 ? ulong.MaxValue : (1UL << task.Process.Container.Host.Processors) - 1;

    private static long Set(KernelTask task, int id, int policy, int priority)
    {
        if (Find(task, id) is not { } other)
            return -Errno.ESRCH;
        bool realTime = policy is Fifo or RoundRobin;
        if (policy is not (Other or Fifo or RoundRobin or Batch or Idle) || (realTime ? priority is < 1 or > 99 : priority != 0))
            return -Errno.EINVAL;
        if (realTime && !task.Process.Credentials.Has(Capability.Nice))
            return -Errno.EPERM;
        (other.Policy, other.Priority) = (policy, priority);
        return 0;
    }

    private static KernelTask? Find(KernelTask task, int id) => id == 0 ? task : task.FindTask(id);

    private static List<KernelTask>? Targets(KernelTask task, int which, int id) => which switch
    {
        0 => Find(task, id) is { } one ? [one] : [],
        1 => [.. JobControl.Group(task.Process.Container, id == 0 ? task.Process.Group : task.GlobalId(id)).SelectMany(process => process.Tasks)],
        2 => [.. task.Process.Container.Processes.Where(process => process.Credentials.Uid == (id == 0 ? task.Process.Credentials.Uid : task.Process.Credentials.UserOf((uint)id))).SelectMany(process => process.Tasks)],
        _ => null,
    };
}
