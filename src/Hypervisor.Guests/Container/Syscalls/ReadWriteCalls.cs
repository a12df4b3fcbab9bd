using System.Buffers;
using System.Runtime.CompilerServices;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Reading and writing open files, in one piece, in vectors, and at a place.</summary>
internal static class ReadWriteCalls
{
    private const int Chunk = 64 << 10;
    private const int Small = 256;
    private const ulong MostBytes = 0x7FFF_F000;

    public static long Read(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { CanRead: true } file)
            return -Errno.EBADF;
        int length = (int)Math.Min(a.A2, Chunk);
        if (file.IsTerminal && TerminalCalls.BeforeAccess(task, file, write: false) is var access && access != 0)
            return access;
        if (length <= Small)
        {
            Span<byte> small = stackalloc byte[Small];
            small = small[..length];
            long count = Get(task, file, small);
            return count <= 0 ? count : task.TryWrite(a.A1, small[..(int)count]) ? count : -Errno.EFAULT;
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        try
        {
            // A regular file and a pipe give all that is asked for, as far as they have it; others a part.
            ulong wanted = Math.Min(a.A2, MostBytes);
            long done = 0;
            while (true)
            {
                int part = (int)Math.Min(wanted - (ulong)done, Chunk);
                long count = Get(task, file, buffer.AsSpan(0, part));
                if (count <= 0)
                    return done > 0 ? done : count;
                if (!task.TryWrite(a.A1 + (ulong)done, buffer.AsSpan(0, (int)count)))
                    return done > 0 ? done : -Errno.EFAULT;
                done += count;
                if (file is not (RegularFile or ZeroFile or RandomFile or PipeFile { Available: > 0 }) || count < part || (ulong)done == wanted)
                    return done;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public static long Write(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { CanWrite: true } file)
            return -Errno.EBADF;
        if (file.IsTerminal && TerminalCalls.BeforeAccess(task, file, write: true) is var access && access != 0)
            return access;
        ulong length = Math.Min(a.A2, MostBytes);
        if (length <= Small)
        {
            Span<byte> small = stackalloc byte[Small];
            small = small[..(int)length];
            return task.TryRead(a.A1, small) ? Put(task, file, small) : -Errno.EFAULT;
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        try
        {
            while (true)
            {
                long done = task.Progress;
                int wanted = (int)Math.Min(length - (ulong)done, Chunk);
                int count = task.ReadUpTo(a.A1 + (ulong)done, buffer.AsSpan(0, wanted));
                if (count == 0)
                    return End(task, done > 0 ? done : -Errno.EFAULT);
                int written = Limited(task, file, buffer.AsSpan(0, count), file.Position);
                if (written < 0)
                    return Stopped(task, file, written, done);
                task.Progress += written;
                if ((ulong)task.Progress == length || (written < count && file.Ready is null))
                    return End(task, task.Progress);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public static long ReadVector(KernelTask task, in SyscallArguments a) => ReadTo(task, a.Fd, a.A1, a.A2, offset: -1);

    public static long WriteVector(KernelTask task, in SyscallArguments a) => WriteFrom(task, a.Fd, a.A1, a.A2, offset: -1);

    public static long ReadVectorAt(KernelTask task, in SyscallArguments a)
        => (long)a.A3 < 0 ? -Errno.EINVAL : ReadTo(task, a.Fd, a.A1, a.A2, (long)a.A3);

    public static long WriteVectorAt(KernelTask task, in SyscallArguments a)
        => (long)a.A3 < 0 ? -Errno.EINVAL : WriteFrom(task, a.Fd, a.A1, a.A2, (long)a.A3);

    /// <summary>preadv2: with an offset of -1 at the file's position.</summary>
    public static long ReadVector2(KernelTask task, in SyscallArguments a)
        => (a.A5 & ~KnownFlags) != 0 ? -Errno.EOPNOTSUPP : (long)a.A3 < -1 ? -Errno.EINVAL : ReadTo(task, a.Fd, a.A1, a.A2, (long)a.A3);

    public static long WriteVector2(KernelTask task, in SyscallArguments a)
    {
        const ulong append = 0x10;
        if ((a.A5 & ~KnownFlags) != 0)
            return -Errno.EOPNOTSUPP;
        if ((long)a.A3 < -1)
            return -Errno.EINVAL;
        long offset = (a.A5 & append) != 0 && task.Process.Files[a.Fd] is RegularFile file ? file.Inode.Size : (long)a.A3;
        return WriteFrom(task, a.Fd, a.A1, a.A2, offset);
    }

    public static long ReadAt(KernelTask task, in SyscallArguments a)
    {
        if (HasNoPlaces(task, a.Fd))
            return -Errno.ESPIPE;
        if (task.Process.Files[a.Fd] is not { CanRead: true } file)
            return -Errno.EBADF;
        if ((long)a.A3 < 0)
            return -Errno.EINVAL;
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(a.A2, Chunk));
        try
        {
            ulong wanted = Math.Min(a.A2, MostBytes);
            long done = 0;
            do
            {
                int part = (int)Math.Min(wanted - (ulong)done, Chunk);
                int count = file.ReadAt(buffer.AsSpan(0, part), (long)a.A3 + done);
                if (count <= 0)
                    return done > 0 ? done : count;
                if (!task.TryWrite(a.A1 + (ulong)done, buffer.AsSpan(0, count)))
                    return done > 0 ? done : -Errno.EFAULT;
                done += count;
                if (count < part)
                    break;
            }
            while ((ulong)done < wanted);
            Notify.Accessed(file);
            return done;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public static long WriteAt(KernelTask task, in SyscallArguments a)
    {
        if (HasNoPlaces(task, a.Fd))
            return -Errno.ESPIPE;
        if (task.Process.Files[a.Fd] is not { CanWrite: true } file)
            return -Errno.EBADF;
        if ((long)a.A3 < 0)
            return -Errno.EINVAL;
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(a.A2, Chunk));
        try
        {
            ulong wanted = Math.Min(a.A2, MostBytes);
            long done = 0;
            do
            {
                int part = (int)Math.Min(wanted - (ulong)done, Chunk);
                int readable = task.ReadUpTo(a.A1 + (ulong)done, buffer.AsSpan(0, part));
                if (readable == 0 && part > 0)
                    return done > 0 ? done : -Errno.EFAULT;
                int count = LimitedAt(task, file, buffer.AsSpan(0, readable), (long)a.A3 + done);
                if (count <= 0)
                    return done > 0 ? done : count;
                done += count;
                if (count < part)
                    break;
            }
            while ((ulong)done < wanted);
            Notify.Changed(file);
            return done;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Writes what fits in one go.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Put(KernelTask task, OpenFile file, ReadOnlySpan<byte> data)
    {
        int written = Limited(task, file, data, file.Position);
        if (written >= 0)
        {
            Notify.Changed(file);
            return written;
        }

        return Stopped(task, file, written, 0);
    }

    /// <summary>Reads what there is, or waits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Get(KernelTask task, OpenFile file, Span<byte> buffer)
    {
        int count = file.Read(buffer);
        if (count == -Errno.EAGAIN && file is TerminalFile terminal && TerminalCalls.TimedRead(task, terminal, buffer, out int late) is not null)
            return late;
        if (count > 0)
            Notify.Accessed(file);
        return count > 0 ? count : Blocking.Wait(task, file, count);
    }

    /// <summary>Whether a file's bytes have no places to be read from or written at.</summary>
    private static bool HasNoPlaces(KernelTask task, int fd) => task.Process.Files[fd] is PipeFile or Net.SocketFile;

    private const ulong KnownFlags = 0x1 | 0x2 | 0x4 | 0x8 | 0x10;

    private static long ReadTo(KernelTask task, int fd, ulong address, ulong count, long offset)
    {
        if (offset >= 0 && HasNoPlaces(task, fd))
            return -Errno.ESPIPE;
        if (task.Process.Files[fd] is not { CanRead: true } file)
            return -Errno.EBADF;
        long error = UserVectors.TryRead(task, address, count, out UserVectors vectors);
        if (error != 0)
            return error;
        if (file.IsTerminal && TerminalCalls.BeforeAccess(task, file, write: false) is var access && access != 0)
            return access;
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(vectors.Total, Chunk));
        try
        {
            long done = 0;
            do
            {
                int part = (int)Math.Min(vectors.Total - done, Chunk);
                long got = offset < 0 ? Get(task, file, buffer.AsSpan(0, part)) : file.ReadAt(buffer.AsSpan(0, part), offset + done);
                if (got <= 0)
                    return done > 0 ? done : got;
                int copied = vectors.Scatter(task, done, buffer.AsSpan(0, (int)got));
                done += copied;
                if (copied < got)
                    return done > 0 ? done : -Errno.EFAULT;
                if (file is not (RegularFile or ZeroFile or RandomFile) || got < part)
                    break;
            }
            while (done < vectors.Total);
            return done;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static long WriteFrom(KernelTask task, int fd, ulong address, ulong count, long offset)
    {
        if (offset >= 0 && HasNoPlaces(task, fd))
            return -Errno.ESPIPE;
        if (task.Process.Files[fd] is not { CanWrite: true } file)
            return -Errno.EBADF;
        long error = UserVectors.TryRead(task, address, count, out UserVectors vectors);
        if (error != 0)
            return error;
        if (file.IsTerminal && TerminalCalls.BeforeAccess(task, file, write: true) is var access && access != 0)
            return access;

        // One buffer keeps the vector whole where the file takes it whole.
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(vectors.Total, Chunk * 16));
        try
        {
            do
            {
                long done = task.Progress;
                int part = (int)Math.Min(vectors.Total - done, Chunk * 16);
                int readable = vectors.Gather(task, done, buffer.AsSpan(0, part));
                if (readable == 0 && part > 0)
                    return End(task, done > 0 ? done : -Errno.EFAULT);
                int written = offset < 0 ? Limited(task, file, buffer.AsSpan(0, readable), file.Position) : LimitedAt(task, file, buffer.AsSpan(0, readable), offset + done);
                if (written < 0)
                    return Stopped(task, file, written, done);
                Notify.Changed(file);
                task.Progress += written;
                if (written < readable && file.Ready is null)
                    break;
            }
            while (task.Progress < vectors.Total);
            return End(task, task.Progress);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>How a write that stopped short ends: with what it did, an error, or a wait for room.</summary>
    private static long Stopped(KernelTask task, OpenFile file, int error, long done)
    {
        if (error == -Errno.EPIPE)
            task.Process.Container.Host.Send(task, SignalInfo.OfKernel(Signals.SIGPIPE));
        if (error != -Errno.EAGAIN || (file.Flags & OpenFlags.NonBlock) != 0 || file.Ready is not { } queue)
            return End(task, done > 0 ? done : error);
        if (task.DeliverableSignals != 0 && done > 0)
            return End(task, done);
        long wait = Blocking.On(task, queue);
        return wait == SyscallTable.Blocked ? wait : End(task, wait);
    }

    private static long End(KernelTask task, long result)
    {
        task.Progress = 0;
        return result;
    }

    /// <summary>Writes no further than the limit on a file's size (RLIMIT_FSIZE) lets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Limited(KernelTask task, OpenFile file, ReadOnlySpan<byte> data, long position)
    {
        int error = Cut(task, file, ref data, (file.Flags & OpenFlags.Append) != 0 ? file.Inode.Size : position);
        return error != 0 ? error : file.Write(data);
    }

    private static int LimitedAt(KernelTask task, OpenFile file, ReadOnlySpan<byte> data, long offset)
    {
        int error = Cut(task, file, ref data, offset);
        return error != 0 ? error : file.WriteAt(data, offset);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Cut(KernelTask task, OpenFile file, ref ReadOnlySpan<byte> data, long position)
        => file is RegularFile && data.Length != 0 ? CutRegular(task, ref data, position) : 0;

    private static int CutRegular(KernelTask task, ref ReadOnlySpan<byte> data, long position)
    {
        ulong limit = task.Process.Limits[ResourceLimits.FileSize].Soft;
        if (limit == ulong.MaxValue)
            return 0;
        if ((ulong)position >= limit)
        {
            task.Process.Container.Host.Send(task, SignalInfo.OfKernel(Signals.SIGXFSZ));
            return -Errno.EFBIG;
        }

        data = data[..(int)Math.Min((ulong)data.Length, limit - (ulong)position)];
        return 0;
    }
}
