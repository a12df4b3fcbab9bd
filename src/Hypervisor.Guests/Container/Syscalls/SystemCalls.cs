using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>What the kernel says of itself.</summary>
internal static class SystemInfo
{
    /// <summary>The Linux release whose behaviour is served.</summary>
    public const string Release = "6.12.0";
}

/// <summary>Calls about the system: names, limits, affinity, randomness.</summary>
internal static class SystemCalls
{
    /// <summary>Succeeds with nothing to do: identities are all 0, and hints may be ignored.</summary>
    public static long Nothing(KernelTask task, in SyscallArguments a) => 0;

    public static long GetNames(KernelTask task, in SyscallArguments a)
    {
        var names = new byte[65 * 6];
        Isolation.NamesNamespace system = task.Process.Namespaces.Names;
        string[] values = ["Linux", system.Host, SystemInfo.Release, "#1 SMP", "riscv64", system.Domain];
        for (int i = 0; i < values.Length; i++)
        {
            byte[] bytes = KernelText.Encode(values[i]);
            bytes.AsSpan(0, Math.Min(bytes.Length, 64)).CopyTo(names.AsSpan(i * 65));
        }

        return task.TryWrite(a.A0, names) ? 0 : -Errno.EFAULT;
    }

    public static long SetHostName(KernelTask task, in SyscallArguments a)
    {
        long error = ReadName(task, a.A0, a.A1, out string name);
        if (error == 0)
            task.Process.Namespaces.Names.Host = name;
        return error;
    }

    public static long SetDomainName(KernelTask task, in SyscallArguments a)
    {
        long error = ReadName(task, a.A0, a.A1, out string name);
        if (error == 0)
            task.Process.Namespaces.Names.Domain = name;
        return error;
    }

    private static long ReadName(KernelTask task, ulong address, ulong length, out string name)
    {
        const int longest = 64;
        name = "";
        if (!task.Process.Credentials.HasIn(task.Process.Namespaces.Names.Owner, Capability.Administer))
            return -Errno.EPERM;
        if ((int)length is < 0 or > longest)
            return -Errno.EINVAL;
        Span<byte> bytes = stackalloc byte[longest];
        bytes = bytes[..(int)length];
        if (!task.TryRead(address, bytes))
            return -Errno.EFAULT;
        int end = bytes.IndexOf((byte)0);
        name = KernelText.Decode(end < 0 ? bytes : bytes[..end]);
        return 0;
    }

    public static long GetInfo(KernelTask task, in SyscallArguments a)
    {
        Container container = task.Process.Container;
        Span<byte> info = stackalloc byte[112];
        info.Clear();
        ulong memory = (ulong)container.Account.Limit * Memory.AddressSpace.PageSize;
        BitConverter.TryWriteBytes(info, container.Host.Now / 1_000_000_000);
        BitConverter.TryWriteBytes(info[32..], memory);
        BitConverter.TryWriteBytes(info[40..], memory - Math.Min(container.MemoryInUse, memory));
        BitConverter.TryWriteBytes(info[80..], (ushort)container.TaskCount);
        BitConverter.TryWriteBytes(info[104..], 1u);
        return task.TryWrite(a.A0, info) ? 0 : -Errno.EFAULT;
    }

    public static long GetRandom(KernelTask task, in SyscallArguments a)
    {
        const ulong nonBlock = 1, random = 2, insecure = 4;
        if ((a.A2 & ~(nonBlock | random | insecure)) != 0 || (a.A2 & (random | insecure)) == (random | insecure))
            return -Errno.EINVAL;
        var bytes = new byte[Math.Min(a.A1, 1 << 16)];
        task.Process.Container.Random.NextBytes(bytes);
        return task.TryWrite(a.A0, bytes) ? bytes.Length : -Errno.EFAULT;
    }

    /// <summary>Changing the system is nobody's business in a container.</summary>
    public static long Forbidden(KernelTask task, in SyscallArguments a) => -Errno.EPERM;

    /// <summary>personality: there is one, of Linux itself.</summary>
    public static long GetPersonality(KernelTask task, in SyscallArguments a) => (uint)a.A0 is 0 or uint.MaxValue ? 0 : -Errno.EINVAL;

    public static long GetLimit(KernelTask task, in SyscallArguments a)
        => a.A0 >= ResourceLimits.Count ? -Errno.EINVAL : WriteLimit(task, task.Process, (int)a.A0, a.A1);

    public static long SetLimit(KernelTask task, in SyscallArguments a)
        => a.A0 >= ResourceLimits.Count ? -Errno.EINVAL : ReadLimit(task, task.Process, (int)a.A0, a.A1);

    public static long Limits(KernelTask task, in SyscallArguments a)
    {
        if (a.A1 >= ResourceLimits.Count)
            return -Errno.EINVAL;
        Process? process = a.A0 == 0 ? task.Process : task.FindProcess((int)a.A0) ?? task.FindTask((int)a.A0)?.Process;
        if (process is null)
            return -Errno.ESRCH;

        Credentials own = task.Process.Credentials, its = process.Credentials;
        bool isOwn = process == task.Process || own.Has(Capability.Resource)
            || (own.Uid == its.Uid && own.Uid == its.EffectiveUid && own.Uid == its.SavedUid && own.Gid == its.Gid && own.Gid == its.EffectiveGid && own.Gid == its.SavedGid);
        if (!isOwn)
            return -Errno.EPERM;

        // The new limit is read before the old one is written: the two may be at one place.
        (ulong, ulong) old = process.Limits[(int)a.A1];
        if (a.A2 != 0 && ReadLimit(task, process, (int)a.A1, a.A2) is var error && error != 0)
            return error;
        return a.A3 == 0 || (task.TryWrite(a.A3, old.Item1) && task.TryWrite(a.A3 + 8, old.Item2)) ? 0 : -Errno.EFAULT;
    }

    private static long ReadLimit(KernelTask task, Process process, int resource, ulong address)
    {
        if (!task.TryRead(address, out ulong soft) || !task.TryRead(address + 8, out ulong hard))
            return -Errno.EFAULT;
        if (soft > hard)
            return -Errno.EINVAL;
        if (resource == ResourceLimits.OpenFiles && hard > ResourceLimits.MostFiles)
            return -Errno.EPERM;
        if (hard > process.Limits[resource].Hard && !task.Process.Credentials.Has(Capability.Resource))
            return -Errno.EPERM;
        process.Limits[resource] = (soft, hard);
        if (resource == ResourceLimits.OpenFiles)
            process.Files.Limit = (int)soft;
        return 0;
    }

    private static long WriteLimit(KernelTask task, Process process, int resource, ulong address)
        => task.TryWrite(address, process.Limits[resource].Soft) && task.TryWrite(address + 8, process.Limits[resource].Hard) ? 0 : -Errno.EFAULT;
}
