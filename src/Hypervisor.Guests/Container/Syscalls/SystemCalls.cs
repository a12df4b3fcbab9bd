using System.Text;
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
        string[] values = ["Linux", task.Process.Container.Options.Name, SystemInfo.Release, "#1 SMP", "riscv64", "(none)"];
        for (int i = 0; i < values.Length; i++)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(values[i]);
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
                byte[] bytes = Encoding.UTF8.GetBytes(task.Process.Name);
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

    public static long GetLimit(KernelTask task, in SyscallArguments a) => WriteLimit(task, a.A0, a.A1);

    public static long Limits(KernelTask task, in SyscallArguments a)
    {
        const ulong OpenFiles = 7;
        if (a.A1 > 15)
            return -Errno.EINVAL;
        if (a.A3 != 0)
        {
            long result = WriteLimit(task, a.A1, a.A3);
            if (result != 0)
                return result;
        }

        if (a.A2 == 0)
            return 0;
        if (!task.TryRead(a.A2, out ulong soft))
            return -Errno.EFAULT;
        if (a.A1 == OpenFiles)
        {
            if (soft > 1 << 20)
                return -Errno.EPERM;
            task.Process.Files.Limit = (int)soft;
        }

        return 0;
    }

    private static long WriteLimit(KernelTask task, ulong resource, ulong address)
    {
        if (resource > 15)
            return -Errno.EINVAL;
        (ulong soft, ulong hard) = resource switch
        {
            3 => (8UL << 20, ulong.MaxValue),
            6 => ((ulong)task.Process.Container.Options.TaskLimit, (ulong)task.Process.Container.Options.TaskLimit),
            7 => ((ulong)task.Process.Files.Limit, 1UL << 20),
            _ => (ulong.MaxValue, ulong.MaxValue),
        };
        return task.TryWrite(address, soft) && task.TryWrite(address + 8, hard) ? 0 : -Errno.EFAULT;
    }
}
