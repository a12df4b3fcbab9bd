using System.Runtime.InteropServices;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Container.Memory;

/// <summary>The kernel's way to a process's memory: every access under the mapping's rights, page by page; false is EFAULT.</summary>
internal static class UserMemory
{
    public static bool TryRead(this AddressSpace space, ulong address, Span<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            int count = Part(address, buffer.Length);
            if (!space.TryResolve(address, write: false, out ulong physical))
                return false;
            space.Memory.Window(physical, count).CopyTo(buffer);
            buffer = buffer[count..];
            address += (ulong)count;
        }

        return true;
    }

    /// <summary>Reads as far as memory is there; how many bytes.</summary>
    public static int ReadUpTo(this AddressSpace space, ulong address, Span<byte> buffer)
    {
        int done = 0;
        while (done < buffer.Length)
        {
            int count = Part(address, buffer.Length - done);
            if (!space.TryResolve(address, write: false, out ulong physical))
                break;
            space.Memory.Window(physical, count).CopyTo(buffer[done..]);
            done += count;
            address += (ulong)count;
        }

        return done;
    }

    public static bool TryWrite(this AddressSpace space, ulong address, ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            int count = Part(address, data.Length);
            if (!space.TryResolve(address, write: true, out ulong physical))
                return false;
            data[..count].CopyTo(space.Memory.WritableWindow(physical, count));
            data = data[count..];
            address += (ulong)count;
        }

        return true;
    }

    public static bool TryRead<T>(this AddressSpace space, ulong address, out T value) where T : unmanaged
    {
        value = default;
        return space.TryRead(address, MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(ref value, 1)));
    }

    public static bool TryWrite<T>(this AddressSpace space, ulong address, T value) where T : unmanaged
        => space.TryWrite(address, MemoryMarshal.AsBytes(MemoryMarshal.CreateReadOnlySpan(ref value, 1)));

    /// <summary>Reads a string that ends in a zero byte.</summary>
    /// <returns>0, or a negated error: EFAULT, or <paramref name="tooLong"/> where no zero comes within the limit.</returns>
    public static int TryReadString(this AddressSpace space, ulong address, int limit, int tooLong, out string text)
    {
        text = "";
        List<byte>? bytes = null;
        for (int done = 0; done < limit;)
        {
            int count = Part(address, limit - done);
            if (!space.TryResolve(address, write: false, out ulong physical))
                return -Errno.EFAULT;
            ReadOnlySpan<byte> part = space.Memory.Window(physical, count);
            int end = part.IndexOf((byte)0);
            if (end >= 0 && bytes is null)
            {
                // Nearly always all of it is in one page.
                text = KernelText.Decode(part[..end]);
                return 0;
            }

            (bytes ??= []).AddRange(end < 0 ? part : part[..end]);
            if (end >= 0)
            {
                text = KernelText.Decode(CollectionsMarshal.AsSpan(bytes));
                return 0;
            }

            done += count;
            address += (ulong)count;
        }

        return -tooLong;
    }

    private static int Part(ulong address, int length)
        => (int)Math.Min((ulong)length, GuestMemory.PageSize - (address & (GuestMemory.PageSize - 1)));
}
