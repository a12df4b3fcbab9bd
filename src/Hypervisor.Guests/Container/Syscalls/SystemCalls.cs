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
        string[] values = ["Linux", task.Process.Container.Options.HostName ?? task.Process.Container.Options.Name, SystemInfo.Release, "#1 SMP", "riscv64", "(none)"];
        for (int i = 0; i < values.Length; i++)
        {
            byte[] bytes = KernelText.Encode(KernelText.FromHost(values[i]));
            bytes.AsSpan(0, Math.Min(bytes.Length, 64)).CopyTo(names.AsSpan(i * 65));
        }

        return task.TryWrite(a.A0, names) ? 0 : -Errno.EFAULT;
    }

    public static long GetAffinity(KernelTask task, in SyscallArguments a)
    {
        if (a.A1 < 8)
            return -Errno.EINVAL;
        return task.TryWrite(a.A2, 1UL) ? 8 : -Errno.EFAULT;
    }

    public static long GetInfo(KernelTask task, in SyscallArguments a)
    {
        Container container = task.Process.Container;
        Span<byte> info = stackalloc byte[112];
        info.Clear();
        BitConverter.TryWriteBytes(info, container.Host.Now / 1_000_000_000);
        BitConverter.TryWriteBytes(info[32..], container.Options.MemoryLimit);
        BitConverter.TryWriteBytes(info[40..], container.Options.MemoryLimit - Math.Min(container.MemoryInUse, container.Options.MemoryLimit));
        BitConverter.TryWriteBytes(info[80..], (ushort)container.TaskCount);
        BitConverter.TryWriteBytes(info[104..], 1u);
        return task.TryWrite(a.A0, info) ? 0 : -Errno.EFAULT;
    }

    public static long GetRandom(KernelTask task, in SyscallArguments a)
    {
        var bytes = new byte[Math.Min(a.A1, 1 << 16)];
        task.Process.Container.Random.NextBytes(bytes);
        return task.TryWrite(a.A0, bytes) ? bytes.Length : -Errno.EFAULT;
    }

    public static long ProcessControl(KernelTask task, in SyscallArguments a)
    {
        const int SetParentDeathSignal = 1;
        const int GetDumpable = 3;
        const int SetDumpable = 4;
        const int SetName = 15;
        const int GetName = 16;
        const int ReadBounding = 23;
        const int SetNoNewPrivileges = 38;
        const int GetNoNewPrivileges = 39;
        const int Ambient = 47;
        switch ((int)a.A0)
        {
            case SetName:
            {
                int error = task.TryReadString(a.A1, 4096, Errno.EFAULT, out string name);
                if (error == 0)
                    task.Process.Name = name.Length > 15 ? name[..15] : name;
                return error;
            }

            case GetName:
            {
                var name = new byte[16];
                byte[] bytes = KernelText.Encode(task.Process.Name);
                bytes.AsSpan(0, Math.Min(bytes.Length, 15)).CopyTo(name);
                return task.TryWrite(a.A1, name) ? 0 : -Errno.EFAULT;
            }

            // Identities are all root's, and nothing here can raise or lower what they may.
            case SetParentDeathSignal or SetDumpable or SetNoNewPrivileges or GetNoNewPrivileges:
                return 0;
            case GetDumpable:
                return 1;
            case ReadBounding:
                return a.A1 <= 40 ? 1 : -Errno.EINVAL;
            case Ambient:
                return a.A1 is >= 1 and <= 4 ? 0 : -Errno.EINVAL;
            default:
                return -Errno.EINVAL;
        }
    }

    public static long GetLimit(KernelTask task, in SyscallArguments a)
        => a.A0 >= ResourceLimits.Count ? -Errno.EINVAL : WriteLimit(task, task.Process, (int)a.A0, a.A1);

    public static long SetLimit(KernelTask task, in SyscallArguments a)
        => a.A0 >= ResourceLimits.Count ? -Errno.EINVAL : ReadLimit(task, task.Process, (int)a.A0, a.A1);

    public static long Limits(KernelTask task, in SyscallArguments a)
    {
        if (a.A1 >= ResourceLimits.Count)
            return -Errno.EINVAL;
        Process? process = a.A0 == 0 ? task.Process : task.Process.Container.FindProcess((int)a.A0);
        if (process is null)
            return -Errno.ESRCH;

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
        process.Limits[resource] = (soft, hard);
        if (resource == ResourceLimits.OpenFiles)
            process.Files.Limit = (int)soft;
        return 0;
    }

    private static long WriteLimit(KernelTask task, Process process, int resource, ulong address)
        => task.TryWrite(address, process.Limits[resource].Soft) && task.TryWrite(address + 8, process.Limits[resource].Hard) ? 0 : -Errno.EFAULT;
}
