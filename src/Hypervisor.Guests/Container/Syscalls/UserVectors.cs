using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>
/// The buffers of a vectored call (<c>struct iovec</c>), read once: what other tasks write over them afterwards changes nothing.
/// </summary>
internal sealed class UserVectors
{
    private const int Most = 1024;
    private const ulong MostBytes = 0x7FFF_F000;

    private readonly (ulong Start, ulong Length)[] _parts;

    private UserVectors((ulong Start, ulong Length)[] parts, long total)
    {
        _parts = parts;
        Total = total;
    }

    /// <summary>Bytes of all of them, at most what one call moves.</summary>
    public long Total { get; }

    /// <summary>One buffer; 0 or a negated error.</summary>
    public static long TryMake(ulong start, ulong length, out UserVectors vectors)
    {
        length = Math.Min(length, MostBytes);
        bool isThere = length == 0 || (start < AddressSpace.Limit && length <= AddressSpace.Limit - start);
        vectors = new UserVectors(isThere ? [(start, length)] : [], isThere ? (long)length : 0);
        return isThere ? 0 : -Errno.EFAULT;
    }

    /// <summary>Reads them; 0 or a negated error.</summary>
    public static long TryRead(KernelTask task, ulong address, ulong count, out UserVectors vectors)
    {
        vectors = new UserVectors([], 0);
        if (count > Most)
            return -Errno.EINVAL;
        var parts = new (ulong, ulong)[count];
        ulong total = 0;
        for (ulong i = 0; i < count; i++)
        {
            if (!task.TryRead(address + (16 * i), out ulong start) || !task.TryRead(address + (16 * i) + 8, out ulong length))
                return -Errno.EFAULT;
            if ((long)length < 0)
                return -Errno.EINVAL;
            if (length > 0 && (start >= AddressSpace.Limit || length > AddressSpace.Limit - start))
                return -Errno.EFAULT;
            length = Math.Min(length, MostBytes - total);
            parts[i] = (start, length);
            total += length;
        }

        vectors = new UserVectors(parts, (long)total);
        return 0;
    }

    /// <summary>Copies from them, from a place on; how many bytes could be read.</summary>
    public int Gather(KernelTask task, long offset, Span<byte> buffer)
    {
        int done = 0;
        foreach ((ulong start, ulong length) in _parts)
        {
            if (offset >= (long)length)
            {
                offset -= (long)length;
                continue;
            }

            int count = (int)Math.Min((long)length - offset, buffer.Length - done);
            int readable = task.ReadUpTo(start + (ulong)offset, buffer.Slice(done, count));
            done += readable;
            if (readable < count || done == buffer.Length)
                return done;
            offset = 0;
        }

        return done;
    }

    /// <summary>Copies to them, from a place on; how many bytes could be written.</summary>
    public int Scatter(KernelTask task, long offset, ReadOnlySpan<byte> data)
    {
        int done = 0;
        foreach ((ulong start, ulong length) in _parts)
        {
            if (offset >= (long)length)
            {
                offset -= (long)length;
                continue;
            }

            int count = (int)Math.Min((long)length - offset, data.Length - done);
            if (!task.TryWrite(start + (ulong)offset, data.Slice(done, count)))
                return done;
            done += count;
            if (done == data.Length)
                return done;
            offset = 0;
        }

        return done;
    }
}
