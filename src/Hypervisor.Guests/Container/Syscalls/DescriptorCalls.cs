using System.Buffers;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Calls on open file descriptors.</summary>
internal static class DescriptorCalls
{
    private const int Chunk = 64 << 10;
    private const ulong MostBytes = 0x7FFF_F000;

    public static long Read(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { CanRead: true } file)
            return -Errno.EBADF;
        int length = (int)Math.Min(a.A2, Chunk);
        if (file.IsTerminal && TerminalCalls.BeforeAccess(task, file, write: false) is var access && access != 0)
            return access;
        if (length <= 256)
        {
            Span<byte> small = stackalloc byte[256];
            int count = file.Read(small[..length]);
            if (count == -Errno.EAGAIN && file is TerminalFile terminal && TerminalCalls.TimedRead(task, terminal, small[..length], out count) is null)
                count = -Errno.EAGAIN;
            if (count <= 0)
                return Blocking.Wait(task, file, count);
            return task.TryWrite(a.A1, small[..count]) ? count : -Errno.EFAULT;
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            int count = file.Read(buffer.AsSpan(0, length));
            if (count == -Errno.EAGAIN && file is TerminalFile terminal && TerminalCalls.TimedRead(task, terminal, buffer.AsSpan(0, length), out count) is null)
                count = -Errno.EAGAIN;
            if (count <= 0)
                return Blocking.Wait(task, file, count);
            return task.TryWrite(a.A1, buffer.AsSpan(0, count)) ? count : -Errno.EFAULT;
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
        return WriteAll(task, file, a.A1, Math.Min(a.A2, MostBytes));
    }

    public static long ReadVector(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { CanRead: true } file)
            return -Errno.EBADF;
        if (a.A2 > 1024)
            return -Errno.EINVAL;
        long total = 0;
        for (ulong i = 0; i < a.A2; i++)
        {
            if (!task.TryRead(a.A1 + i * 16, out ulong start) || !task.TryRead(a.A1 + i * 16 + 8, out ulong length))
                return total > 0 ? total : -Errno.EFAULT;
            if (length == 0)
                continue;
            byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(length, Chunk));
            int wanted = (int)Math.Min(length, Chunk);
            int count = file.Read(buffer.AsSpan(0, wanted));
            bool copied = count <= 0 || task.TryWrite(start, buffer.AsSpan(0, count));
            ArrayPool<byte>.Shared.Return(buffer);
            if (!copied)
                return total > 0 ? total : -Errno.EFAULT;
            if (count <= 0)
                return total > 0 ? total : Blocking.Wait(task, file, count);
            total += count;
            if (count < wanted || (ulong)wanted < length)
                break;
        }

        return total;
    }

    public static long WriteVector(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { CanWrite: true } file)
            return -Errno.EBADF;
        if (a.A2 > 1024)
            return -Errno.EINVAL;

        // One buffer keeps the vector whole where the file takes it whole.
        var data = new List<byte>();
        for (ulong i = 0; i < a.A2; i++)
        {
            if (!task.TryRead(a.A1 + i * 16, out ulong start) || !task.TryRead(a.A1 + i * 16 + 8, out ulong length))
                return -Errno.EFAULT;
            length = Math.Min(length, (ulong)(Chunk * 16 - data.Count));
            int at = data.Count;
            System.Runtime.InteropServices.CollectionsMarshal.SetCount(data, at + (int)length);
            if (!task.TryRead(start, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(data)[at..]))
                return -Errno.EFAULT;
        }

        return Put(task, file, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(data));
    }

    public static long ReadAt(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { CanRead: true } file)
            return -Errno.EBADF;
        if ((long)a.A3 < 0)
            return -Errno.EINVAL;
        var buffer = new byte[Math.Min(a.A2, Chunk)];
        int count = file.ReadAt(buffer, (long)a.A3);
        if (count <= 0)
            return count;
        return task.TryWrite(a.A1, buffer.AsSpan(0, count)) ? count : -Errno.EFAULT;
    }

    public static long WriteAt(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { CanWrite: true } file)
            return -Errno.EBADF;
        if ((long)a.A3 < 0)
            return -Errno.EINVAL;
        var buffer = new byte[Math.Min(a.A2, Chunk)];
        return task.TryRead(a.A1, buffer) ? file.WriteAt(buffer, (long)a.A3) : -Errno.EFAULT;
    }

    public static long SendFile(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { CanWrite: true } output || task.Process.Files[(int)a.A1] is not { CanRead: true } input)
            return -Errno.EBADF;
        long offset = input.Position;
        if (a.A2 != 0 && !task.TryRead(a.A2, out offset))
            return -Errno.EFAULT;
        var buffer = new byte[Math.Min(a.A3, 4096)];
        int count = input.ReadAt(buffer, offset);
        if (count == -Errno.ESPIPE)
            return -Errno.EINVAL;
        if (count <= 0)
            return count;
        long written = Put(task, output, buffer.AsSpan(0, count));
        if (written <= 0)
            return written;
        if (a.A2 == 0)
            input.Position = offset + written;
        else if (!task.TryWrite(a.A2, offset + written))
            return -Errno.EFAULT;
        return written;
    }

    /// <summary>No file here can be spliced, which callers are ready for: they read and write instead.</summary>
    public static long Splice(KernelTask task, in SyscallArguments a)
        => task.Process.Files[a.Fd] is null || task.Process.Files[(int)a.A2] is null ? -Errno.EBADF : -Errno.EINVAL;

    public static long Seek(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        if (!file.CanSeek)
            return -Errno.ESPIPE;
        long basis = a.A2 switch { 0 => 0, 1 => file.Position, 2 => file.Inode.Size, _ => -1 };
        if (basis < 0 || basis + (long)a.A1 < 0)
            return -Errno.EINVAL;
        return file.Position = basis + (long)a.A1;
    }

    public static long Close(KernelTask task, in SyscallArguments a) => task.Process.Files.Close(a.Fd);

    public static long Duplicate(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        file.Acquire();
        return task.Process.Files.Add(file, closeOnExec: false);
    }

    public static long Duplicate3(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        if (a.A0 == a.A1)
            return -Errno.EINVAL;
        if (a.A1 >= (ulong)task.Process.Files.Limit)
            return -Errno.EBADF;
        file.Acquire();
        task.Process.Files.Set((int)a.A1, file, ((int)a.A2 & OpenFlags.CloseOnExec) != 0);
        return (long)a.A1;
    }

    public static long Control(KernelTask task, in SyscallArguments a)
    {
        DescriptorTable files = task.Process.Files;
        if (files[a.Fd] is not { } file)
            return -Errno.EBADF;
        const int Changeable = OpenFlags.Append | OpenFlags.NonBlock;
        switch ((int)a.A1)
        {
            case 0 or 1030: // F_DUPFD, F_DUPFD_CLOEXEC
                if (a.A2 >= (ulong)files.Limit)
                    return -Errno.EINVAL;
                file.Acquire();
                return files.Add(file, a.A1 != 0, (int)a.A2);
            case 1:
                return files.ClosesOnExec(a.Fd) ? 1 : 0;
            case 2:
                files.SetCloseOnExec(a.Fd, (a.A2 & 1) != 0);
                return 0;
            case 3:
                return file.Flags & ~OpenFlags.CloseOnExec;
            case 4:
                file.Flags = (file.Flags & ~Changeable) | ((int)a.A2 & Changeable);
                return 0;
            case 5 or 6 or 7: // advisory locks: one kernel, and nobody else's
                return 0;
            case 1033: // F_ADD_SEALS
                if (file.Inode is not MemoryFile { Seals: { } old } sealable)
                    return -Errno.EINVAL;
                if (!file.CanWrite || (old & MemoryFile.SealSeal) != 0)
                    return -Errno.EPERM;
                if ((a.A2 & ~(ulong)MemoryFile.AllSeals) != 0)
                    return -Errno.EINVAL;
                if ((a.A2 & MemoryFile.SealWrite) != 0 && (old & MemoryFile.SealWrite) == 0 && sealable.Pages.IsMappedShared)
                    return -Errno.EBUSY;
                sealable.Seals = old | (int)a.A2;
                return 0;
            case 1034: // F_GET_SEALS
                return (file.Inode as MemoryFile)?.Seals ?? -Errno.EINVAL;
            default:
                return -Errno.EINVAL;
        }
    }

    public static long MakePipe(KernelTask task, in SyscallArguments a)
    {
        int flags = (int)a.A1;
        if ((flags & ~(OpenFlags.CloseOnExec | OpenFlags.NonBlock)) != 0)
            return -Errno.EINVAL;
        var inode = new FifoInode(task.Process.Container.Store, 0x180);
        bool closes = (flags & OpenFlags.CloseOnExec) != 0;
        string path = $"pipe:[{inode.Number}]";
        var reader = new PipeFile(inode, inode.Pipe, flags & OpenFlags.NonBlock) { Path = path };
        var writer = new PipeFile(inode, inode.Pipe, (flags & OpenFlags.NonBlock) | OpenFlags.WriteOnly) { Path = path };
        int first = task.Process.Files.Add(reader, closes);
        if (first < 0)
        {
            writer.Release();
            return first;
        }

        int second = task.Process.Files.Add(writer, closes);
        if (second < 0)
        {
            task.Process.Files.Close(first);
            return second;
        }

        if (task.TryWrite(a.A0, (ulong)(uint)second << 32 | (uint)first))
            return 0;
        task.Process.Files.Close(first);
        task.Process.Files.Close(second);
        return -Errno.EFAULT;
    }

    public static long DeviceControl(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        switch (a.A1)
        {
            case 0x541B: // FIONREAD
            {
                int available = file switch { PipeFile pipe => pipe.Available, Net.SocketFile socket => socket.Available, HostStreamFile stream => stream.Available, PtyMasterFile master => master.Pty.Available, TerminalFile terminal => terminal.Terminal.Available, _ => (int)Math.Max(0, file.Inode.Size - file.Position) };
                return task.TryWrite(a.A2, available) ? 0 : -Errno.EFAULT;
            }

            case 0x5421: // FIONBIO
                if (!task.TryRead(a.A2, out int on))
                    return -Errno.EFAULT;
                file.Flags = on != 0 ? file.Flags | OpenFlags.NonBlock : file.Flags & ~OpenFlags.NonBlock;
                return 0;
            case 0x5450 or 0x5451: // FIONCLEX, FIOCLEX
                task.Process.Files.SetCloseOnExec(a.Fd, a.A1 == 0x5451);
                return 0;
        }

        return file.IsTerminal ? TerminalCalls.Control(task, file, a.A1, a.A2) : -Errno.ENOTTY;
    }

    public static long Sync(KernelTask task, in SyscallArguments a) => task.Process.Files[a.Fd] is null ? -Errno.EBADF : 0;

    private static long WriteAll(KernelTask task, OpenFile file, ulong address, ulong length)
    {
        if (length <= 256)
        {
            Span<byte> small = stackalloc byte[256];
            small = small[..(int)length];
            return task.TryRead(address, small) ? Put(task, file, small) : -Errno.EFAULT;
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        try
        {
            while (true)
            {
                ulong done = (ulong)task.Progress;
                int count = (int)Math.Min(length - done, Chunk);
                if (!task.TryRead(address + done, buffer.AsSpan(0, count)))
                    return done > 0 ? (long)done : -Errno.EFAULT;
                int written = file.Write(buffer.AsSpan(0, count));
                if (written == -Errno.EPIPE)
                    return BrokenPipe(task);
                if (written < 0)
                {
                    if (written != -Errno.EAGAIN || (file.Flags & OpenFlags.NonBlock) != 0 || file.Ready is not { } queue)
                        return done > 0 ? (long)done : written;
                    if (task.DeliverableSignals != 0 && done > 0)
                        return (long)done;
                    return Blocking.On(task, queue);
                }

                task.Progress += written;
                if ((ulong)task.Progress == length)
                {
                    task.Progress = 0;
                    return (long)length;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            if (!task.Restarted && task.Progress != 0 && file.Ready is null)
                task.Progress = 0;
        }
    }

    /// <summary>Writes what fits in one go.</summary>
    private static long Put(KernelTask task, OpenFile file, ReadOnlySpan<byte> data)
    {
        int written = file.Write(data);
        return written == -Errno.EPIPE ? BrokenPipe(task) : Blocking.Wait(task, file, written);
    }

    private static long BrokenPipe(KernelTask task)
    {
        task.Process.Container.Host.Send(task, SignalInfo.OfKernel(Signals.SIGPIPE));
        return -Errno.EPIPE;
    }
}
