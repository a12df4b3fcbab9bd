using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>A <c>struct msghdr</c>, read once: what other tasks write over it afterwards changes nothing.</summary>
internal readonly record struct MessageHeader(ulong At, ulong Name, uint NameLength, UserVectors Vectors, ulong Control, ulong ControlLength)
{
    /// <summary>Bytes of it in memory.</summary>
    public const int Bytes = 56;

    private const int MostVectors = 1024;
    private const ulong LongestName = 128;

    /// <summary>Reads one; 0 or a negated error.</summary>
    public static long TryRead(KernelTask task, ulong address, out MessageHeader header)
    {
        header = default;
        bool read = task.TryRead(address, out ulong name) & task.TryRead(address + 8, out int nameLength)
            & task.TryRead(address + 16, out ulong vectors) & task.TryRead(address + 24, out ulong count)
            & task.TryRead(address + 32, out ulong control) & task.TryRead(address + 40, out ulong controlLength);
        if (!read)
            return -Errno.EFAULT;
        if (name == 0)
            nameLength = 0;
        if (nameLength < 0)
            return -Errno.EINVAL;
        if (count > MostVectors)
            return -Errno.EMSGSIZE;
        long error = UserVectors.TryRead(task, vectors, count, out UserVectors parts);
        if (error != 0)
            return error;
        header = new MessageHeader(address, name, (uint)Math.Min((ulong)nameLength, LongestName), parts, control, controlLength);
        return 0;
    }

    /// <summary>Tells the reader how long name and control messages were, and what is to be known.</summary>
    public bool TryFinish(KernelTask task, int nameLength, ulong controlLength, uint flags)
        => task.TryWrite(At + 8, nameLength) && task.TryWrite(At + 40, controlLength) && task.TryWrite(At + 48, flags);
}
