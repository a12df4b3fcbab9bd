using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>ppoll and pselect6.</summary>
internal static class PollCalls
{
    public static long Poll(KernelTask task, in SyscallArguments a)
    {
        if (a.A1 > (ulong)task.Process.Files.Limit)
            return -Errno.EINVAL;
        var entries = new byte[a.A1 * 8];
        if (!task.TryRead(a.A0, entries))
            return -Errno.EFAULT;
        long error = Begin(task, a.A2, a.A3);
        if (error != 0)
            return error;
        int ready = 0;
        for (int at = 0; at < entries.Length; at += 8)
        {
            int fd = BitConverter.ToInt32(entries, at);
            var wanted = (PollEvents)BitConverter.ToUInt16(entries, at + 4);
            ushort found = 0;
            if (fd >= 0)
            {
                const ushort Invalid = 0x20;
                found = task.Process.Files[fd] is { } file
                    ? (ushort)(file.Poll() & (wanted | PollEvents.Error | PollEvents.HangUp))
                    : Invalid;
            }

            BitConverter.TryWriteBytes(entries.AsSpan(at + 6), found);
            if (found != 0)
                ready++;
        }

        if (ready > 0 || Blocking.IsLate(task))
            return Blocking.End(task, task.TryWrite(a.A0, entries) ? ready : -Errno.EFAULT);
        for (int at = 0; at < entries.Length; at += 8)
            Watch(task, BitConverter.ToInt32(entries, at));
        return Sleep(task);
    }

    public static long Select(KernelTask task, in SyscallArguments a)
    {
        if (a.A0 > 1024)
            return -Errno.EINVAL;
        int bytes = (int)((a.A0 + 63) / 64 * 8);
        Span<byte> read = stackalloc byte[128];
        Span<byte> write = stackalloc byte[128];
        read = read[..bytes];
        write = write[..bytes];
        read.Clear();
        write.Clear();
        if ((a.A1 != 0 && !task.TryRead(a.A1, read)) || (a.A2 != 0 && !task.TryRead(a.A2, write)))
            return -Errno.EFAULT;
        ulong mask = 0;
        if (a.A5 != 0 && !task.TryRead(a.A5, out mask))
            return -Errno.EFAULT;
        long error = Begin(task, a.A4, mask);
        if (error != 0)
            return error;
        int ready = 0;
        Span<byte> readable = stackalloc byte[128];
        Span<byte> writable = stackalloc byte[128];
        readable = readable[..bytes];
        writable = writable[..bytes];
        readable.Clear();
        writable.Clear();
        for (int fd = 0; fd < (int)a.A0; fd++)
        {
            byte bit = (byte)(1 << (fd & 7));
            bool wantsRead = (read[fd >> 3] & bit) != 0;
            bool wantsWrite = (write[fd >> 3] & bit) != 0;
            if (!wantsRead && !wantsWrite)
                continue;
            if (task.Process.Files[fd] is not { } file)
                return Blocking.End(task, -Errno.EBADF);
            PollEvents events = file.Poll();
            if (wantsRead && (events & (PollEvents.In | PollEvents.HangUp)) != 0)
            {
                readable[fd >> 3] |= bit;
                ready++;
            }

            if (wantsWrite && (events & (PollEvents.Out | PollEvents.Error)) != 0)
            {
                writable[fd >> 3] |= bit;
                ready++;
            }
        }

        if (ready > 0 || Blocking.IsLate(task))
        {
            // No file here has conditions of a third kind.
            Span<byte> exceptional = stackalloc byte[128];
            exceptional = exceptional[..bytes];
            exceptional.Clear();
            bool copied = (a.A1 == 0 || task.TryWrite(a.A1, readable)) && (a.A2 == 0 || task.TryWrite(a.A2, writable)) && (a.A3 == 0 || task.TryWrite(a.A3, exceptional));
            return Blocking.End(task, copied ? ready : -Errno.EFAULT);
        }

        for (int fd = 0; fd < (int)a.A0; fd++)
        {
            if (((read[fd >> 3] | write[fd >> 3]) >> (fd & 7) & 1) != 0)
                Watch(task, fd);
        }

        return Sleep(task);
    }

    /// <summary>The first time round: sets the deadline, and the signal mask for the length of the call.</summary>
    private static long Begin(KernelTask task, ulong timeout, ulong mask)
    {
        if (task.Restarted)
            return 0;
        long error = TimeCalls.ReadDeadline(task, timeout, absolute: false, realtime: false, out long deadline);
        if (error != 0)
            return error;
        if (mask != 0)
        {
            if (!task.TryRead(mask, out ulong set))
                return -Errno.EFAULT;
            task.SavedMask = task.SignalMask;
            task.SignalMask = set & ~Signals.Unblockable;
        }

        Blocking.SetDeadline(task, deadline);
        task.Deadline = deadline;
        return 0;
    }

    private static long Sleep(KernelTask task) => task.DeliverableSignals != 0 ? -Errno.EINTR : SyscallTable.Blocked;

    private static void Watch(KernelTask task, int fd)
    {
        if (fd >= 0 && task.Process.Files[fd] is { Ready: { } queue })
            task.WaitOn(queue);
    }
}
