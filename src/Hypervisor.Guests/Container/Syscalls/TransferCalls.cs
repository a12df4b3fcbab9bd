using System.Buffers;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Moving bytes from file to file: sendfile, splice, tee, vmsplice, copy_file_range.</summary>
internal static class TransferCalls
{
    private const int Chunk = 64 << 10;
    private const ulong NonBlock = 2;
    private const ulong KnownSpliceFlags = 15;

    public static long SendFile(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[(int)a.A1] is not { CanRead: true } input || task.Process.Files[a.Fd] is not { CanWrite: true } output)
            return -Errno.EBADF;
        long offset = input.Position;
        if (a.A2 != 0 && !task.TryRead(a.A2, out offset))
            return -Errno.EFAULT;
        if (offset < 0)
            return -Errno.EINVAL;
        if (output is EventFile || (output is RegularFile && (output.Flags & OpenFlags.Append) != 0))
            return -Errno.EINVAL;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        try
        {
            long done = 0;
            long error = 0;
            while ((ulong)done < a.A3)
            {
                int count = input.ReadAt(buffer.AsSpan(0, (int)Math.Min(a.A3 - (ulong)done, Chunk)), offset + done);
                if (count <= 0)
                {
                    error = count == -Errno.ESPIPE ? -Errno.EINVAL : count;
                    break;
                }

                long written = Deliver(task, output, buffer.AsSpan(0, count), wait: done == 0);
                if (written <= 0)
                {
                    error = written;
                    break;
                }

                done += written;
            }

            if (done == 0)
                return error;
            if (a.A2 == 0)
                input.Position = offset + done;
            else if (!task.TryWrite(a.A2, offset + done))
                return -Errno.EFAULT;
            return done;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public static long CopyRange(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { CanRead: true } input || task.Process.Files[(int)a.A2] is not { CanWrite: true } output)
            return -Errno.EBADF;
        if (a.A5 != 0)
            return -Errno.EINVAL;
        (long from, long to) = (input.Position, output.Position);
        if ((a.A1 != 0 && !task.TryRead(a.A1, out from)) || (a.A3 != 0 && !task.TryRead(a.A3, out to)))
            return -Errno.EFAULT;
        if (input.Inode.IsDirectory || output.Inode.IsDirectory)
            return -Errno.EISDIR;
        if (!input.Inode.IsRegular || !output.Inode.IsRegular || from < 0 || to < 0)
            return -Errno.EINVAL;
        if ((output.Flags & OpenFlags.Append) != 0)
            return -Errno.EBADF;
        long length = (long)Math.Min(a.A4, long.MaxValue);
        length = Math.Min(length, Math.Max(0, input.Inode.Size - from));
        if (to > long.MaxValue - length)
            return -Errno.EOVERFLOW;
        if (input.Inode == output.Inode && from < to + length && to < from + length && length > 0)
            return -Errno.EINVAL;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        try
        {
            long done = 0;
            while (done < length)
            {
                int count = input.ReadAt(buffer.AsSpan(0, (int)Math.Min(length - done, Chunk)), from + done);
                int written = count <= 0 ? count : output.WriteAt(buffer.AsSpan(0, count), to + done);
                if (written <= 0)
                {
                    if (done == 0)
                        return written;
                    break;
                }

                done += written;
            }

            if (a.A1 == 0)
                input.Position = from + done;
            else if (!task.TryWrite(a.A1, from + done))
                return -Errno.EFAULT;
            if (a.A3 == 0)
                output.Position = to + done;
            else if (!task.TryWrite(a.A3, to + done))
                return -Errno.EFAULT;
            return done;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>splice: from a pipe, into a pipe, or both. At most a pipe's worth moves in one call.</summary>
    public static long Splice(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { CanRead: true } input || task.Process.Files[(int)a.A2] is not { CanWrite: true } output)
            return -Errno.EBADF;
        if ((a.A5 & ~KnownSpliceFlags) != 0)
            return -Errno.EINVAL;
        (PipeFile? source, PipeFile? sink) = (input as PipeFile, output as PipeFile);
        if (source is null && sink is null)
            return -Errno.EINVAL;
        if ((source is not null && a.A1 != 0) || (sink is not null && a.A3 != 0))
            return -Errno.ESPIPE;
        if (source is not null && sink is not null && source.Pipe == sink.Pipe)
            return -Errno.EINVAL;
        if (output is RegularFile && (output.Flags & OpenFlags.Append) != 0)
            return -Errno.EINVAL;
        if (input is not (PipeFile or RegularFile or Net.StreamSocket or ZeroFile) || output is not (PipeFile or RegularFile or Net.StreamSocket or NullFile))
            return -Errno.EINVAL;
        (long from, long to) = (-1, -1);
        if ((a.A1 != 0 && !task.TryRead(a.A1, out from)) || (a.A3 != 0 && !task.TryRead(a.A3, out to)))
            return -Errno.EFAULT;
        if ((a.A1 != 0 && from < 0) || (a.A3 != 0 && to < 0))
            return -Errno.EINVAL;
        if (a.A4 == 0)
            return 0;

        // No more is taken than the sink has room for.
        int room = (int)Math.Min(a.A4, Chunk);
        bool wait = (a.A5 & NonBlock) == 0;
        if (sink is not null)
        {
            if (sink.Pipe.Readers == 0)
                return Broken(task);
            room = Math.Min(room, sink.Pipe.Room);
            if (room == 0)
                return wait && (sink.Flags & OpenFlags.NonBlock) == 0 ? Blocking.On(task, sink.Ready) : -Errno.EAGAIN;
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        try
        {
            Span<byte> data = buffer.AsSpan(0, room);
            int count = source is not null ? source.Pipe.Peek(data) : from >= 0 ? input.ReadAt(data, from) : input.Read(data);
            if (count == -Errno.EAGAIN && wait && (input.Flags & OpenFlags.NonBlock) == 0 && input.Ready is { } ready)
                return Blocking.On(task, ready);
            if (count <= 0)
                return count;
            long written = to >= 0 ? output.WriteAt(data[..count], to) : sink is not null ? sink.Pipe.WritePart(data[..count]) : Deliver(task, output, data[..count], wait);
            if (written <= 0)
                return written;
            if (source is not null)
                source.Read(data[..(int)written]);
            if (a.A1 != 0 && !task.TryWrite(a.A1, from + written))
                return -Errno.EFAULT;
            if (a.A3 != 0 && !task.TryWrite(a.A3, to + written))
                return -Errno.EFAULT;
            return written;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>tee: copies from pipe to pipe, and leaves the bytes in the first.</summary>
    public static long Tee(KernelTask task, in SyscallArguments a)
    {
        if ((a.A3 & ~KnownSpliceFlags) != 0)
            return -Errno.EINVAL;
        if (a.A2 == 0)
            return 0;
        if (task.Process.Files[a.Fd] is not { CanRead: true } input || task.Process.Files[(int)a.A1] is not { CanWrite: true } output)
            return -Errno.EBADF;
        if (input is not PipeFile source || output is not PipeFile sink || source.Pipe == sink.Pipe)
            return -Errno.EINVAL;
        if (sink.Pipe.Readers == 0)
            return Broken(task);
        bool wait = (a.A3 & NonBlock) == 0;
        var buffer = new byte[(int)Math.Min(a.A2, (ulong)sink.Pipe.Room)];
        if (buffer.Length == 0)
            return wait ? Blocking.On(task, sink.Ready) : -Errno.EAGAIN;
        int count = source.Pipe.Peek(buffer);
        if (count == -Errno.EAGAIN && wait)
            return Blocking.On(task, source.Ready);
        return count <= 0 ? count : sink.Pipe.WritePart(buffer.AsSpan(0, count));
    }

    /// <summary>vmsplice: a vectored write to a pipe, or read from one.</summary>
    public static long FromMemory(KernelTask task, in SyscallArguments a)
    {
        if ((a.A3 & ~KnownSpliceFlags) != 0)
            return -Errno.EINVAL;
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        if (file is not PipeFile)
            return -Errno.EBADF;
        return file.CanWrite ? ReadWriteCalls.WriteVector(task, in a) : ReadWriteCalls.ReadVector(task, in a);
    }

    private static long Deliver(KernelTask task, OpenFile output, ReadOnlySpan<byte> data, bool wait)
        => wait ? ReadWriteCalls.Put(task, output, data) : output.Write(data);

    private static long Broken(KernelTask task)
    {
        task.Process.Container.Host.Send(task, SignalInfo.OfKernel(Signals.SIGPIPE));
        return -Errno.EPIPE;
    }
}
