using Hypervisor.Guests.Common;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>riscv_hwprobe: what the harts can do (Documentation/arch/riscv/hwprobe.rst of Linux). All harts are alike.</summary>
internal static class HardwareProbe
{
    private const ulong WhichCpus = 1;
    private const int MaximumCpuBytes = 1024;
    private const ulong BaseBehaviour = 1;

    /// <summary>Misaligned scalar accesses work, slower than byte accesses: they leave the fast path.</summary>
    private const ulong MisalignedSlow = 2;

    /// <summary>Misaligned vector accesses take no longer than others.</summary>
    private const ulong VectorMisalignedFast = 3;

    /// <summary>There are no vectors.</summary>
    private const ulong VectorMisalignedUnsupported = 4;

    /// <summary>The call: pairs, their count, size and address of a set of CPUs, flags.</summary>
    public static long Call(KernelTask task, in SyscallArguments a)
    {
        if (a.A4 > WhichCpus)
            return -Errno.EINVAL;
        return a.A4 == WhichCpus ? Which(task, in a) : Values(task, in a);
    }

    /// <summary>Fills in the values of the keys asked for; an unknown key becomes -1.</summary>
    private static long Values(KernelTask task, in SyscallArguments a)
    {
        if (a.A2 != 0 || a.A3 != 0)
        {
            long error = ReadCpus(task, in a, out byte[] cpus);
            if (error != 0)
                return error;
            if (cpus.Length == 0 || (cpus[0] & 1) == 0)
                return -Errno.EINVAL;
        }

        for (ulong i = 0; i < a.A1; i++)
        {
            ulong pair = a.A0 + i * 16;
            if (!task.TryRead(pair, out long key))
                return -Errno.EFAULT;
            bool known = TryGet(task, key, out ulong value, out _);
            if (!task.TryWrite(pair, known ? key : -1L) || !task.TryWrite(pair + 8, value))
                return -Errno.EFAULT;
        }

        return 0;
    }

    /// <summary>Leaves in the set the CPUs that have all that the pairs ask for: the one there is, or none.</summary>
    private static long Which(KernelTask task, in SyscallArguments a)
    {
        if (a.A2 == 0 || a.A3 == 0)
            return -Errno.EINVAL;
        long error = ReadCpus(task, in a, out byte[] cpus);
        if (error != 0)
            return error;

        // An empty set asks about all.
        bool has = Array.TrueForAll(cpus, each => each == 0) || (cpus[0] & 1) != 0;
        for (ulong i = 0; i < a.A1; i++)
        {
            ulong pair = a.A0 + i * 16;
            if (!task.TryRead(pair, out long key) || !task.TryRead(pair + 8, out ulong wanted))
                return -Errno.EFAULT;
            bool known = TryGet(task, key, out ulong value, out bool bits);
            has &= known && (bits ? (value & wanted) == wanted : value == wanted);
            if (!known && !task.TryWrite(pair, -1L))
                return -Errno.EFAULT;
        }

        Array.Clear(cpus);
        cpus[0] = has ? (byte)1 : (byte)0;
        return task.TryWrite(a.A3, cpus) ? 0 : -Errno.EFAULT;
    }

    private static long ReadCpus(KernelTask task, in SyscallArguments a, out byte[] cpus)
    {
        cpus = new byte[Math.Min(a.A2, MaximumCpuBytes)];
        return task.TryRead(a.A3, cpus) ? 0 : -Errno.EFAULT;
    }

    private static bool TryGet(KernelTask task, long key, out ulong value, out bool bits)
    {
        bits = key is 3 or 4;
        (bool known, value) = key switch
        {
            0 or 1 or 2 => (true, 0UL),                             // mvendorid, marchid, mimpid
            3 => (true, BaseBehaviour),
            4 => (true, HartExtensions.ProbeBits(task.Process.Container.Host.VectorBits)),
            5 or 9 => (true, MisalignedSlow),
            6 or 12 or 15 => (true, HartExtensions.CacheBlockBytes),       // zicboz, zicbom, zicbop
            7 => (true, AddressSpace.Limit - 1),
            8 => (true, HartExtensions.TimebaseFrequency),
            10 => (true, task.Process.Container.Host.VectorBits == 0 ? VectorMisalignedUnsupported : VectorMisalignedFast),
            _ => (false, 0UL),
        };
        return known;
    }
}
