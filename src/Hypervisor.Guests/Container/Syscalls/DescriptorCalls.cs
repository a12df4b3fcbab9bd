using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Calls on open file descriptors.</summary>
internal static class DescriptorCalls
{
    public static long Seek(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        if (file is EventFile or EpollFile or TimerFile or SignalFile or NotifyFile)
            return 0; // They have one place, and are there.
        if (!file.CanSeek)
            return -Errno.ESPIPE;
        const ulong seekData = 3, seekHole = 4;
        long offset = (long)a.A1;
        if (a.A2 is seekData or seekHole)
        {
            if (file.Inode.Pages is not { } pages)
                return -Errno.EINVAL;
            long found = offset < 0 ? -1 : pages.Seek(offset, a.A2 == seekData);
            return found < 0 ? -Errno.ENXIO : file.Position = found;
        }

        long basis = a.A2 switch { 0 => 0, 1 => file.Position, 2 => file.Inode.Size, _ => -1 };
        if (basis < 0 || (offset < 0 && basis + offset < 0))
            return -Errno.EINVAL;
        return offset > long.MaxValue - basis ? -Errno.EOVERFLOW : file.Position = basis + offset;
    }

    public static long Close(KernelTask task, in SyscallArguments a) => task.Process.Files.Close(a.Fd);

    public static long CloseRange(KernelTask task, in SyscallArguments a)
    {
        const ulong unshare = 2, onExec = 4;
        (uint first, uint last) = ((uint)a.A0, (uint)a.A1);
        if ((a.A2 & ~(unshare | onExec)) != 0 || first > last)
            return -Errno.EINVAL;
        if ((a.A2 & unshare) != 0)
            task.Process.Unshare();
        DescriptorTable files = task.Process.Files;
        foreach (int fd in files.Numbers.Where(fd => fd >= first && fd <= last).ToArray())
        {
            if ((a.A2 & onExec) != 0)
                files.SetCloseOnExec(fd, true);
            else
                files.Close(fd);
        }

        return 0;
    }

    public static long Duplicate(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files.Any(a.Fd) is not { } file)
            return -Errno.EBADF;
        file.Acquire();
        return task.Process.Files.Add(file, closeOnExec: false);
    }

    public static long Duplicate3(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files.Any(a.Fd) is not { } file)
            return -Errno.EBADF;
        if (a.A0 == a.A1)
            return -Errno.EINVAL;
        if (a.A1 >= (ulong)task.Process.Files.Limit)
            return -Errno.EBADF;
        if (((int)a.A2 & ~OpenFlags.CloseOnExec) != 0)
            return -Errno.EINVAL;
        file.Acquire();
        task.Process.Files.Set((int)a.A1, file, ((int)a.A2 & OpenFlags.CloseOnExec) != 0);
        return (long)a.A1;
    }

    public static long Control(KernelTask task, in SyscallArguments a)
    {
        DescriptorTable files = task.Process.Files;
        if (files.Any(a.Fd) is not { } file)
            return -Errno.EBADF;
        if ((file.Flags & OpenFlags.PathOnly) != 0 && (int)a.A1 is not (0 or 1 or 2 or 3 or 1030))
            return -Errno.EBADF;
        const int Changeable = OpenFlags.Append | OpenFlags.NonBlock | OpenFlags.Asynchronous | 0x40000 | 0x4000;
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
                return (file.Flags & ~(OpenFlags.CloseOnExec | OpenFlags.Directory | OpenFlags.NoFollow)) | (file.Inode.IsRegular || file.Inode.IsDirectory ? OpenFlags.LargeFile : 0) | (file.Flags & (OpenFlags.Directory | OpenFlags.NoFollow));
            case 4:
                file.Flags = (file.Flags & ~Changeable) | ((int)a.A2 & Changeable);
                ReadinessSignal.Update(task, file, a.Fd);
                return 0;
            case 5 or 6 or 7 or 36 or 37 or 38:
                return LockCalls.Control(task, file, a.A1, a.A2);
            case 8 or 9 or 10 or 11 or 15 or 16:
                return OwnerCalls.Control(task, file, (int)a.A1, a.A2);
            case 1031: // F_SETPIPE_SZ
                return file is PipeFile resized ? resized.Pipe.Resize((uint)a.A2, task.Process.Credentials.Has(Capability.Resource)) : -Errno.EBADF;
            case 1032: // F_GETPIPE_SZ
                return file is PipeFile sized ? sized.Pipe.Capacity : -Errno.EBADF;
            case 1024 or 1025: // F_SETLEASE, F_GETLEASE
                return file.Inode.IsRegular ? a.A1 == 1025 ? 2 : -Errno.EAGAIN : -Errno.EINVAL;
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
        var inode = new FifoInode(task.Process.Container.Store, 0x180) { IsNameless = true, Links = 0 };
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
                if (file is EpollFile)
                    return -Errno.EINVAL;
                if (file is not (PipeFile or Net.SocketFile or HostStreamFile or NotifyFile) && !file.IsTerminal && !file.Inode.IsRegular)
                    return -Errno.ENOTTY;
                return task.TryWrite(a.A2, ReadinessSignal.Available(file)) ? 0 : -Errno.EFAULT;
            }

            case 0x5421: // FIONBIO
                if (!task.TryRead(a.A2, out int on))
                    return -Errno.EFAULT;
                file.Flags = on != 0 ? file.Flags | OpenFlags.NonBlock : file.Flags & ~OpenFlags.NonBlock;
                return 0;
            case 0x5452: // FIOASYNC
                if (!task.TryRead(a.A2, out int signals))
                    return -Errno.EFAULT;
                if (!ReadinessSignal.IsTold(file))
                    return -Errno.ENOTTY;
                file.Flags = signals != 0 ? file.Flags | OpenFlags.Asynchronous : file.Flags & ~OpenFlags.Asynchronous;
                ReadinessSignal.Update(task, file, a.Fd);
                return 0;
            case 0x8901 or 0x8902 when file is Net.SocketFile: // FIOSETOWN, SIOCSPGRP
                return task.TryRead(a.A2, out int owner) ? OwnerCalls.Set(task, file, owner) : -Errno.EFAULT;
            case 0x8903 or 0x8904 when file is Net.SocketFile: // FIOGETOWN, SIOCGPGRP
                return task.TryWrite(a.A2, OwnerCalls.Get(task, file)) ? 0 : -Errno.EFAULT;
            case 0x5450 or 0x5451: // FIONCLEX, FIOCLEX
                task.Process.Files.SetCloseOnExec(a.Fd, a.A1 == 0x5451);
                return 0;
        }

        if (file is Net.SocketFile asked)
            return InterfaceCalls.Control(task, asked, a.A1, a.A2);
        if (file is Isolation.NamespaceFile space)
            return NamespaceCalls.Control(task, space, a.A1, a.A2);
        return file.IsTerminal ? TerminalCalls.Control(task, file, a.A1, a.A2) : -Errno.ENOTTY;
    }

    public static long SyncRange(KernelTask task, in SyscallArguments a)
    {
        if (task.Process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        if ((long)a.A1 < 0 || (long)a.A2 < 0 || a.A3 > 7)
            return -Errno.EINVAL;
        return file.Inode.IsRegular || file.Inode.IsDirectory ? 0 : -Errno.ESPIPE;
    }

    public static long ReadAhead(KernelTask task, in SyscallArguments a)
        => task.Process.Files[a.Fd] is not { CanRead: true } file ? -Errno.EBADF : file.Inode.IsRegular ? 0 : -Errno.EINVAL;

    public static long Advise(KernelTask task, in SyscallArguments a)
        => task.Process.Files[a.Fd] is not { } file ? -Errno.EBADF : file is PipeFile ? -Errno.ESPIPE : a.A3 > 5 ? -Errno.EINVAL : 0;

    public static long Sync(KernelTask task, in SyscallArguments a) => task.Process.Files[a.Fd] is not { } file ? -Errno.EBADF : file.Inode.IsRegular || file.Inode.IsDirectory ? 0 : -Errno.EINVAL;
}
