using System.Buffers;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Bytes and messages through sockets: one at a time, with what goes along, and many in one call.</summary>
internal static class SocketTransfers
{
    private const int AtATime = 64 << 10;
    private const int LongestMessage = 256 << 10;
    private const int MostMessages = 1024;

    // A struct mmsghdr: a header, and how long its message was.
    private const int LengthAt = MessageHeader.Bytes;
    private const int ManyStride = MessageHeader.Bytes + 8;

    private const ulong OutOfBand = 0x1, Peek = 0x2, ReportWhole = 0x20, DoNotWait = 0x40, WaitForAll = 0x100, ErrorQueue = 0x2000;
    private const ulong NoSignal = 0x4000, WaitForOne = 0x10000, CloseOnExec = 0x4000_0000;

    public static long SendTo(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, in a, out SocketFile? socket, out UserVectors data);
        if (error != 0)
            return error;
        var with = new Outgoing();
        if (a.A4 != 0)
        {
            error = SocketCalls.ReadAddress(task, socket!, a.A4, a.A5, out SocketAddress address);
            if (error != 0)
                return error;
            with = with with { To = address };
        }

        return Send(task, socket!, data, with, a.A3);
    }

    public static long ReceiveFrom(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, in a, out SocketFile? socket, out UserVectors data);
        if (error != 0)
            return error;
        long count = Receive(task, socket!, data, a.A3, out Incoming with);
        if (count < 0)
            return count;
        with.ReleaseFiles();
        if (a.A4 != 0 && SocketCalls.WriteAddress(task, a.A4, a.A5, with.From?.SeenBy(socket!.Family)) is var wrong && wrong != 0)
            return wrong;
        return count;
    }

    public static long SendMessage(KernelTask task, in SyscallArguments a)
        => SocketCalls.Find(task, a.Fd, out SocketFile? socket) is var error && error != 0 ? error : SendMessage(task, socket!, a.A1, a.A2);

    public static long ReceiveMessage(KernelTask task, in SyscallArguments a)
        => SocketCalls.Find(task, a.Fd, out SocketFile? socket) is var error && error != 0 ? error : ReceiveMessage(task, socket!, a.A1, a.A2);

    public static long SendMany(KernelTask task, in SyscallArguments a)
    {
        long error = SocketCalls.Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        uint count = (uint)Math.Min((uint)a.A2, MostMessages);
        uint done = (uint)task.MessagesDone;
        while (done < count)
        {
            ulong at = a.A1 + (done * (ulong)ManyStride);
            long sent = SendMessage(task, socket!, at, a.A3);
            if (sent == SyscallTable.Blocked)
                return Pause(task, done);
            if (sent >= 0 && !task.TryWrite(at + LengthAt, (uint)sent))
                sent = -Errno.EFAULT;
            if (sent < 0)
                return done > 0 ? done : sent;
            done++;
        }

        return done;
    }

    public static long ReceiveMany(KernelTask task, in SyscallArguments a)
    {
        long error = SocketCalls.Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        ContainerHost host = task.Process.Container.Host;
        if (a.A4 != 0 && !task.Restarted)
        {
            error = TimeCalls.ReadDeadline(task, a.A4, absolute: false, realtime: false, out long deadline);
            if (error != 0)
                return error;
            task.MessagesUntil = deadline;
        }

        uint done = (uint)task.MessagesDone;
        ulong flags = a.A3 & ~WaitForOne;
        while (done < (uint)a.A2 && done < MostMessages)
        {
            ulong at = a.A1 + (done * (ulong)ManyStride);
            long count = ReceiveMessage(task, socket!, at, done > 0 && (a.A3 & WaitForOne) != 0 ? flags | DoNotWait : flags);
            if (count == SyscallTable.Blocked)
                return Pause(task, done);
            if (count >= 0 && !task.TryWrite(at + LengthAt, (uint)count))
                count = -Errno.EFAULT;
            if (count < 0)
                return done > 0 ? done : count;
            done++;

            // As on Linux, time is looked at when a message has come, not before.
            if (a.A4 == 0)
                continue;
            long left = Math.Max(0, task.MessagesUntil - host.Now);
            if (!task.TryWrite(a.A4, left / 1_000_000_000) || !task.TryWrite(a.A4 + 8, left % 1_000_000_000))
                return -Errno.EFAULT;
            if (left == 0)
                break;
        }

        return done;
    }

    /// <summary>The buffer and the socket of a call that names both.</summary>
    private static long Find(KernelTask task, in SyscallArguments a, out SocketFile? socket, out UserVectors data)
    {
        socket = null;
        long error = UserVectors.TryMake(a.A1, a.A2, out data);
        return error != 0 ? error : SocketCalls.Find(task, a.Fd, out socket);
    }

    private static long Pause(KernelTask task, uint done)
    {
        task.MessagesDone = (int)done;
        return SyscallTable.Blocked;
    }

    private static long SendMessage(KernelTask task, SocketFile socket, ulong at, ulong flags)
    {
        long error = MessageHeader.TryRead(task, at, out MessageHeader header);
        if (error != 0)
            return error;
        var with = new Outgoing();
        if (header.NameLength != 0)
        {
            error = SocketCalls.ReadAddress(task, socket, header.Name, header.NameLength, out SocketAddress address);
            if (error != 0)
                return error;
            with = with with { To = address };
        }

        error = ControlMessages.Take(task, socket, in header, ref with);
        if (error != 0)
            return error;
        long sent = Send(task, socket, header.Vectors, with, flags);

        // What did not go out is not held.
        with.Files?.Release();
        return sent;
    }

    private static long ReceiveMessage(KernelTask task, SocketFile socket, ulong at, ulong flags)
    {
        long error = MessageHeader.TryRead(task, at, out MessageHeader header);
        if (error != 0)
            return error;
        long count = Receive(task, socket, header.Vectors, flags, out Incoming with);
        if (count < 0)
            return count;
        uint told = (uint)(flags & CloseOnExec) | (with.Whole > header.Vectors.Total && socket is not StreamSocket ? (uint)ReportWhole : 0);
        if (!ControlMessages.Give(task, socket, in header, in with, (flags & CloseOnExec) != 0, out ulong controlLength, ref told))
            return -Errno.EFAULT;
        Span<byte> name = stackalloc byte[SocketAddress.MostBytes];
        int length = with.From?.SeenBy(socket.Family).Write(name) ?? 0;
        if (header.Name != 0 && !task.TryWrite(header.Name, name[..(int)Math.Min((uint)length, header.NameLength)]))
            return -Errno.EFAULT;
        return header.TryFinish(task, header.Name != 0 ? length : 0, controlLength, told) ? count : -Errno.EFAULT;
    }

    private static long Send(KernelTask task, SocketFile socket, UserVectors data, in Outgoing with, ulong flags)
        => Signalled(task, socket is StreamSocket stream ? SendBytes(task, stream, data, in with, flags) : SendDatagram(task, socket, data, in with, flags), flags, socket);

    private static long Signalled(KernelTask task, long result, ulong flags, SocketFile socket)
    {
        if (result == -Errno.EPIPE && (flags & NoSignal) == 0 && socket.IsConnectionBased)
            task.Process.Container.Host.Send(task, SignalInfo.OfKernel(Signals.SIGPIPE));
        return result;
    }

    private static long SendDatagram(KernelTask task, SocketFile socket, UserVectors data, in Outgoing with, ulong flags)
    {
        if ((flags & OutOfBand) != 0 && socket.Family != SocketKind.Internet6)
            return -Errno.EOPNOTSUPP;
        if (data.Total > LongestMessage)
            return -Errno.EMSGSIZE;
        Outgoing outgoing = with;
        if (with.To is { Family: SocketKind.Unspecified })
            outgoing = outgoing with { To = null };
        if (outgoing.To is not null && socket.Type == SocketKind.SequencedPacket)
            outgoing = outgoing with { To = null };
        if (outgoing.To is { } address)
        {
            long error = SocketCalls.Target(task, socket, address, out SocketFile? target);
            if (error != 0)
                return error;
            outgoing = outgoing with { Target = target };
        }

        byte[] bytes = ArrayPool<byte>.Shared.Rent((int)data.Total);
        try
        {
            if (data.Gather(task, 0, bytes.AsSpan(0, (int)data.Total)) < data.Total)
                return -Errno.EFAULT;
            int sent = socket.Send(bytes.AsSpan(0, (int)data.Total), in outgoing);
            if (sent != -Errno.EAGAIN || (flags & DoNotWait) != 0 || (socket.Flags & OpenFlags.NonBlock) != 0)
                return sent;
            return SocketCalls.WaitOn(task, outgoing.Target?.Ready ?? socket.Ready, socket.SendTimeout);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    /// <summary>A stream in blocking mode takes all, in as many steps as it needs; those that are done are kept over a sleep.</summary>
    private static long SendBytes(KernelTask task, StreamSocket socket, UserVectors data, in Outgoing with, ulong flags)
    {
        if (with.To is not null && socket.Family == SocketKind.Unix)
            return socket.IsConnected ? -Errno.EISCONN : -Errno.EOPNOTSUPP;
        long done = Math.Min(task.Progress, data.Total);
        byte[] bytes = ArrayPool<byte>.Shared.Rent((int)Math.Min(data.Total, AtATime));
        try
        {
            while (true)
            {
                int wanted = (int)Math.Min(data.Total - done, AtATime);
                int count = data.Gather(task, done, bytes.AsSpan(0, wanted));
                if (count == 0 && wanted > 0)
                    return Finish(task, done > 0 ? done : -Errno.EFAULT);
                int sent = socket.Send(bytes.AsSpan(0, count), done == 0 ? with : default);
                if (sent == -Errno.EAGAIN)
                {
                    if ((flags & DoNotWait) != 0 || (socket.Flags & OpenFlags.NonBlock) != 0)
                        return Finish(task, done > 0 ? done : sent);
                    task.Progress = done;
                    long wait = SocketCalls.WaitOn(task, socket.Ready, socket.SendTimeout);
                    return wait != SyscallTable.Blocked && done > 0 ? Finish(task, done) : wait;
                }

                if (sent < 0)
                    return Finish(task, done > 0 ? done : sent);
                done += sent;
                if (done >= data.Total)
                    return Finish(task, done);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private static long Finish(KernelTask task, long result)
    {
        task.Progress = 0;
        return result;
    }

    private static long Receive(KernelTask task, SocketFile socket, UserVectors room, ulong flags, out Incoming with)
    {
        with = default;
        if ((flags & ErrorQueue) != 0)
            return -Errno.EAGAIN;
        if ((flags & OutOfBand) != 0)
            return socket is StreamSocket ? -Errno.EINVAL : -Errno.EOPNOTSUPP;
        bool waits = (flags & DoNotWait) == 0 && (socket.Flags & OpenFlags.NonBlock) == 0;
        bool wantsAll = waits && (flags & (WaitForAll | Peek)) == WaitForAll && socket is StreamSocket;
        bool discards = (flags & ReportWhole) != 0 && socket is StreamSocket { IsInternet: true };
        long done = wantsAll ? Math.Min(task.Progress, room.Total) : 0;
        int size = (int)Math.Min(room.Total, socket is StreamSocket ? AtATime : LongestMessage);
        byte[] bytes = ArrayPool<byte>.Shared.Rent(size);
        try
        {
            do
            {
                int count = socket.Receive(bytes.AsSpan(0, (int)Math.Min(size, room.Total - done)), (flags & Peek) != 0, out Incoming came);
                if (count == -Errno.EAGAIN)
                {
                    if (!waits)
                        return count;
                    task.Progress = done;
                    long wait = SocketCalls.WaitOn(task, socket.Ready, socket.ReceiveTimeout);
                    return wait != SyscallTable.Blocked && done > 0 ? Finish(task, done) : wait;
                }

                if (count < 0)
                    return Finish(task, done > 0 ? done : count);
                with = came;
                if (!discards && room.Scatter(task, done, bytes.AsSpan(0, count)) < count)
                {
                    came.ReleaseFiles();
                    return Finish(task, -Errno.EFAULT);
                }

                done += count;
                wantsAll &= count > 0 && came.Files is null;
            }
            while (wantsAll && done < room.Total);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }

        return Finish(task, (flags & ReportWhole) != 0 && socket is not StreamSocket ? Math.Max(done, with.Whole) : done);
    }
}
