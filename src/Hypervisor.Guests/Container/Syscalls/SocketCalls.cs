using System.Buffers;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Sockets: Unix ones, and TCP and UDP over the container's own loopback.</summary>
internal static class SocketCalls
{
    private const int MostBytes = 256 << 10;
    private const int MostVectors = 1024;
    private const int MostFiles = 253;
    private const int AddressRoom = 112;

    private const ulong Peek = 0x2;
    private const ulong ReportWhole = 0x20;
    private const ulong DoNotWait = 0x40;
    private const ulong WaitForAll = 0x100;
    private const ulong NoSignal = 0x4000;
    private const ulong CloseOnExec = 0x4000_0000;

    private const int SocketLevel = 1;
    private const int Rights = 1;

    public static long Make(KernelTask task, in SyscallArguments a)
    {
        int error = Create(task, (int)a.A0, (int)a.A1, (int)a.A2, out SocketFile? socket);
        return error != 0 ? error : task.Process.Files.Add(socket!, ((int)a.A1 & SocketKind.CloseOnExec) != 0);
    }

    public static long MakePair(KernelTask task, in SyscallArguments a)
    {
        if (a.A0 != SocketKind.Unix)
            return a.A0 == SocketKind.Internet ? -Errno.EOPNOTSUPP : -Errno.EAFNOSUPPORT;
        int error = Create(task, (int)a.A0, (int)a.A1, (int)a.A2, out SocketFile? one);
        if (error != 0)
            return error;
        Create(task, (int)a.A0, (int)a.A1, (int)a.A2, out SocketFile? other);
        if (one is StreamSocket stream)
            StreamSocket.Join(stream, (StreamSocket)other!);
        else
            DatagramSocket.Join((DatagramSocket)one!, (DatagramSocket)other!);
        bool closes = ((int)a.A1 & SocketKind.CloseOnExec) != 0;
        int first = task.Process.Files.Add(one!, closes);
        if (first < 0)
        {
            other!.Release();
            return first;
        }

        int second = task.Process.Files.Add(other!, closes);
        if (second < 0 || !task.TryWrite(a.A3, (ulong)(uint)second << 32 | (uint)first))
        {
            task.Process.Files.Close(first);
            if (second >= 0)
                task.Process.Files.Close(second);
            return second < 0 ? second : -Errno.EFAULT;
        }

        return 0;
    }

    public static long Bind(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error == 0)
            error = ReadAddress(task, a.A1, a.A2, out SocketAddress address) is var read && read != 0 ? read : BindTo(task, socket!, address);
        return error;
    }

    public static long Listen(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        if (socket!.Family == SocketKind.Internet && socket.Local.Port == 0 && socket is StreamSocket && socket.Network.Bind(socket, new SocketAddress(SocketKind.Internet)) is < 0 and int failed)
            return failed;
        return socket.Local is { Port: 0, Name.Length: 0 } && socket is StreamSocket ? -Errno.EINVAL : socket.Listen((int)a.A1);
    }

    public static long Accept(KernelTask task, in SyscallArguments a) => AcceptWith(task, in a, 0);

    public static long Accept4(KernelTask task, in SyscallArguments a) => AcceptWith(task, in a, (int)a.A3);

    public static long Connect(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        error = ReadAddress(task, a.A1, a.A2, out SocketAddress address);
        if (error != 0)
            return error;
        if (address.Family != socket!.Family)
            return -Errno.EAFNOSUPPORT;
        error = Target(task, socket, address, out SocketFile? target);
        if (error != 0)
            return error;
        bool wasAsked = socket is StreamSocket { Remote: not null };
        int result = socket.Connect(address, target);
        if (result != -Errno.EAGAIN || (target is null && socket is not StreamSocket { Remote: not null }))
            return result;
        if ((socket.Flags & OpenFlags.NonBlock) == 0)
            return Blocking.On(task, target?.Ready ?? socket.Ready);
        return target is not null ? result : wasAsked ? -Errno.EALREADY : -Errno.EINPROGRESS;
    }

    public static long GetName(KernelTask task, in SyscallArguments a)
        => Find(task, a.Fd, out SocketFile? socket) is var error && error != 0 ? error : WriteAddress(task, a.A1, a.A2, socket!.Local);

    public static long GetPeer(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        return error != 0 ? error : socket!.Peer is { } peer ? WriteAddress(task, a.A1, a.A2, peer) : -Errno.ENOTCONN;
    }

    public static long Shutdown(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        return error != 0 ? error : a.A1 > 2 ? -Errno.EINVAL : socket!.Shutdown(a.A1 is 0 or 2, a.A1 is 1 or 2);
    }

    public static long SendTo(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        SocketAddress? to = null;
        if (a.A4 != 0)
        {
            error = ReadAddress(task, a.A4, a.A5, out SocketAddress address);
            if (error != 0)
                return error;
            to = address;
        }

        byte[] data = ArrayPool<byte>.Shared.Rent((int)Math.Min(a.A2, MostBytes));
        try
        {
            int length = (int)Math.Min(a.A2, MostBytes);
            return task.TryRead(a.A1, data.AsSpan(0, length)) ? Send(task, socket!, data.AsSpan(0, length), to, null, a.A3) : -Errno.EFAULT;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(data);
        }
    }

    public static long ReceiveFrom(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        byte[] data = ArrayPool<byte>.Shared.Rent((int)Math.Min(a.A2, MostBytes));
        try
        {
            long count = Receive(task, socket!, data.AsSpan(0, (int)Math.Min(a.A2, MostBytes)), a.A3, out SocketAddress? from, out int whole, out OpenFile[]? files);
            foreach (OpenFile file in files ?? [])
                file.Release();
            if (count < 0)
                return count;
            if (!task.TryWrite(a.A1, data.AsSpan(0, (int)count)))
                return -Errno.EFAULT;
            if (a.A4 != 0 && WriteAddress(task, a.A4, a.A5, from ?? new SocketAddress(socket!.Family)) is var wrong && wrong != 0)
                return wrong;
            return (a.A3 & ReportWhole) != 0 ? Math.Max(count, whole) : count;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(data);
        }
    }

    public static long SendMessage(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        if (!Header.TryRead(task, a.A1, out Header header))
            return -Errno.EFAULT;
        SocketAddress? to = null;
        if (header.Name != 0 && header.NameLength != 0)
        {
            error = ReadAddress(task, header.Name, header.NameLength, out SocketAddress address);
            if (error != 0)
                return error;
            to = address;
        }

        error = header.TryGather(task, out byte[] data);
        if (error != 0)
            return error;
        error = TakeFiles(task, socket!, in header, out OpenFile[]? files);
        if (error != 0)
            return error;
        long sent = Send(task, socket!, data, to, files, a.A2);

        // What did not go out is not held.
        if (sent < 0)
        {
            foreach (OpenFile file in files ?? [])
                file.Release();
        }

        return sent;
    }

    public static long ReceiveMessage(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        if (!Header.TryRead(task, a.A1, out Header header))
            return -Errno.EFAULT;
        error = header.TryMeasure(task, out int room);
        if (error != 0)
            return error;
        var data = new byte[room];
        long count = Receive(task, socket!, data, a.A2, out SocketAddress? from, out int whole, out OpenFile[]? files);
        if (count < 0)
            return count;
        uint flags = whole > room && socket is DatagramSocket ? (uint)ReportWhole : 0;
        if (!header.TryScatter(task, data.AsSpan(0, (int)count)) || !GiveFiles(task, a.A1, in header, files, (a.A2 & CloseOnExec) != 0, ref flags))
            return -Errno.EFAULT;
        Span<byte> name = stackalloc byte[AddressRoom];
        int length = from is { } sender ? sender.Write(name) : 0;
        if (header.Name != 0 && !task.TryWrite(header.Name, name[..(int)Math.Min((uint)length, header.NameLength)]))
            return -Errno.EFAULT;
        if (!task.TryWrite(a.A1 + 8, (uint)(header.Name != 0 ? length : 0)) || !task.TryWrite(a.A1 + 48, flags))
            return -Errno.EFAULT;
        return (a.A2 & ReportWhole) != 0 ? Math.Max(count, whole) : count;
    }

    public static long SetOption(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        (int level, int name) = ((int)a.A1, (int)a.A2);
        if (level != SocketLevel && socket!.Family == SocketKind.Unix)
            return -Errno.EOPNOTSUPP;
        if (!IsKnown(level, name))
            return -Errno.ENOPROTOOPT;
        if (level == SocketLevel && name is 20 or 21)
        {
            if (a.A4 < 16 || !task.TryRead(a.A3, out long seconds) || !task.TryRead(a.A3 + 8, out long micros))
                return a.A4 < 16 ? -Errno.EINVAL : -Errno.EFAULT;
            long time = (Math.Clamp(seconds, 0, 1 << 30) * 1_000_000_000) + (Math.Clamp(micros, 0, 999_999) * 1000);
            _ = name == 20 ? socket!.ReceiveTimeout = time : socket!.SendTimeout = time;
            return 0;
        }

        if (a.A4 < 4)
            return -Errno.EINVAL;
        if (!task.TryRead(a.A3, out int value))
            return -Errno.EFAULT;
        socket!.Options[(level, name)] = value;
        return 0;
    }

    public static long GetOption(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        if (!task.TryRead(a.A4, out int room))
            return -Errno.EFAULT;
        if (room < 0)
            return -Errno.EINVAL;
        Span<byte> value = stackalloc byte[16];
        value.Clear();
        int length = 4;
        (int level, int name) = ((int)a.A1, (int)a.A2);
        switch (level, name)
        {
            case (SocketLevel, 17): // SO_PEERCRED: identities are all root
                BitConverter.TryWriteBytes(value, task.Process.Id);
                length = 12;
                break;
            case (SocketLevel, 20 or 21):
                long time = name == 20 ? socket!.ReceiveTimeout : socket!.SendTimeout;
                BitConverter.TryWriteBytes(value, time / 1_000_000_000);
                BitConverter.TryWriteBytes(value[8..], time % 1_000_000_000 / 1000);
                length = 16;
                break;
            default:
                int? number = (level, name) switch
                {
                    (SocketLevel, 3) => socket!.Type,
                    (SocketLevel, 4) => TakeFailure(socket),
                    (SocketLevel, 7 or 8) => 212_992,
                    (SocketLevel, 30) => socket!.IsListening ? 1 : 0,
                    (SocketLevel, 38) => socket!.Family == SocketKind.Unix ? 0 : socket.Type == SocketKind.Stream ? 6 : 17,
                    (SocketLevel, 39) => socket!.Family,
                    (6, 2) => 65_483,
                    _ => socket!.Options.TryGetValue((level, name), out int kept) ? kept : IsKnown(level, name) ? 0 : null,
                };
                if (number is null)
                    return -Errno.ENOPROTOOPT;
                BitConverter.TryWriteBytes(value, number.Value);
                break;
        }

        length = Math.Min(length, room);
        return task.TryWrite(a.A3, value[..length]) && task.TryWrite(a.A4, length) ? 0 : -Errno.EFAULT;
    }

    /// <summary>Whether an option is one of Linux's: of the socket, of IPv4, of TCP or of UDP.</summary>
    private static bool IsKnown(int level, int name) => level switch
    {
        SocketLevel => name is (>= 1 and <= 10) or (>= 12 and <= 16) or (>= 18 and <= 21) or (>= 25 and <= 30) or (>= 32 and <= 80),
        0 => name is >= 1 and <= 52,
        6 => name is >= 1 and <= 40 and not 11,
        17 => name is 1 or (>= 100 and <= 104),
        _ => false,
    };

    private static int Create(KernelTask task, int family, int kind, int protocol, out SocketFile? socket)
    {
        socket = null;
        int type = kind & SocketKind.TypeMask;
        int flags = kind & OpenFlags.NonBlock;
        if (family is not (SocketKind.Unix or SocketKind.Internet))
            return -Errno.EAFNOSUPPORT;
        if ((kind & ~(SocketKind.TypeMask | SocketKind.NonBlock | SocketKind.CloseOnExec)) != 0)
            return -Errno.EINVAL;
        bool known = (family, type, protocol) switch
        {
            (SocketKind.Unix, SocketKind.Stream or SocketKind.Datagram or SocketKind.SequencedPacket, 0 or 1) => true,
            (SocketKind.Internet, SocketKind.Stream, 0 or 6) => true,
            (SocketKind.Internet, SocketKind.Datagram, 0 or 17) => true,
            _ => false,
        };
        if (!known)
        {
            return type is 0 or > 10 ? -Errno.EINVAL
                : family == SocketKind.Internet && type == 3 ? -Errno.EPERM
                : type is not (SocketKind.Stream or SocketKind.Datagram or SocketKind.SequencedPacket) ? -Errno.ESOCKTNOSUPPORT
                : -Errno.EPROTONOSUPPORT;
        }

        Container container = task.Process.Container;
        var inode = new NamelessInode(container.Store, InodeMode.Socket | 0x1FF);
        socket = type == SocketKind.Stream
            ? new StreamSocket(inode, flags, family, container.Network)
            : new DatagramSocket(inode, flags, family, type, container.Network);
        socket.Path = $"socket:[{inode.Number}]";
        return 0;
    }

    private static long Find(KernelTask task, int fd, out SocketFile? socket)
    {
        OpenFile? file = task.Process.Files[fd];
        socket = file as SocketFile;
        return file is null ? -Errno.EBADF : socket is null ? -Errno.ENOTSOCK : 0;
    }

    private static long BindTo(KernelTask task, SocketFile socket, SocketAddress address)
    {
        if (address.Family != socket.Family)
            return -Errno.EINVAL;
        bool isNamed = socket.Local is { Port: not 0 } or { Name.Length: > 0 };
        if (address.Name.Length > 0 && address.Name[0] != '\0' && isNamed && FileCalls.FindSocket(task, address.Name, out _) is 0 or -Errno.ECONNREFUSED)
            return -Errno.EADDRINUSE;
        if (isNamed)
            return -Errno.EINVAL;
        if (address.Family == SocketKind.Internet)
            return socket.Network.Bind(socket, address);
        if (address.Name.Length == 0 || address.Name[0] == '\0')
            return socket.Network.BindName(socket, address.Name);
        return FileCalls.MakeSocket(task, address.Name, socket);
    }

    /// <summary>Who is at an address; null for nobody. 0 or a negated error.</summary>
    private static long Target(KernelTask task, SocketFile socket, SocketAddress address, out SocketFile? target)
    {
        target = null;
        if (address.Family == SocketKind.Internet)
        {
            if (!socket.Network.IsOwn(address.Host))
                return socket.Network.Station is null ? -Errno.ENETUNREACH : 0;
            target = socket.Network.Find(socket.Type, address);
            return 0;
        }

        if (address.Name.Length == 0)
            return -Errno.ECONNREFUSED;
        if (address.Name[0] == '\0')
        {
            target = socket.Network.Find(socket.Type, address);
            return target is null ? -Errno.ECONNREFUSED : 0;
        }

        int error = FileCalls.FindSocket(task, address.Name, out SocketInode? name);
        if (error != 0)
            return error;
        target = name!.Bound;
        return target is null ? -Errno.ECONNREFUSED : target.Type != socket.Type ? -Errno.EPROTOTYPE : 0;
    }

    private static long AcceptWith(KernelTask task, in SyscallArguments a, int flags)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        if ((flags & ~(SocketKind.NonBlock | SocketKind.CloseOnExec)) != 0)
            return -Errno.EINVAL;
        if (!socket!.IsListening)
            return socket is StreamSocket ? -Errno.EINVAL : -Errno.EOPNOTSUPP;
        if (socket.Accept(flags) is not { } end)
            return Wait(task, socket, flags: 0, socket.ReceiveTimeout);
        end.Path = $"socket:[{end.Inode.Number}]";
        if (a.A1 != 0 && WriteAddress(task, a.A1, a.A2, end.Peer ?? new SocketAddress(end.Family)) is var wrong && wrong != 0)
        {
            end.Release();
            return wrong;
        }

        return task.Process.Files.Add(end, (flags & SocketKind.CloseOnExec) != 0);
    }

    private static long Send(KernelTask task, SocketFile socket, ReadOnlySpan<byte> data, SocketAddress? to, OpenFile[]? files, ulong flags)
    {
        SocketFile? target = null;
        if (to is { } address && socket is DatagramSocket)
        {
            if (address.Family != socket.Family)
                return -Errno.EAFNOSUPPORT;
            long error = Target(task, socket, address, out target);
            if (error != 0)
                return error;
        }

        // A stream in blocking mode takes all, in as many steps as it needs; those that are done are kept over a sleep.
        int done = socket is StreamSocket ? (int)Math.Min(task.Progress, data.Length) : 0;
        while (true)
        {
            int sent = socket.Send(data[done..], socket is DatagramSocket ? to : null, target, done == 0 ? files : null);
            if (sent == -Errno.EPIPE && (flags & NoSignal) == 0)
                task.Process.Container.Host.Send(task, SignalInfo.OfKernel(Signals.SIGPIPE));
            if (sent == -Errno.EAGAIN)
            {
                if ((flags & DoNotWait) != 0 || (socket.Flags & OpenFlags.NonBlock) != 0)
                    return Finish(task, done > 0 ? done : sent);
                task.Progress = done;
                WaitQueue queue = (target as DatagramSocket)?.Ready ?? socket.Ready;
                return WaitOn(task, queue, socket.SendTimeout) is var wait && wait < 0 && wait != SyscallTable.Blocked && wait != SyscallTable.RegistersSet && done > 0 ? Finish(task, done) : wait;
            }

            if (sent < 0)
                return Finish(task, done > 0 ? done : sent);
            done += sent;
            if (done >= data.Length || socket is DatagramSocket)
                return Finish(task, done);
        }
    }

    private static long Finish(KernelTask task, long result)
    {
        task.Progress = 0;
        return result;
    }

    private static long Receive(KernelTask task, SocketFile socket, Span<byte> buffer, ulong flags, out SocketAddress? from, out int whole, out OpenFile[]? files)
    {
        int count = socket.Receive(buffer, (flags & Peek) != 0, out from, out whole, out files);
        if (count == -Errno.EAGAIN)
            return Wait(task, socket, flags, socket.ReceiveTimeout);

        // All that was asked for: as much as is here is kept here until the rest is.
        bool wantsAll = (flags & (WaitForAll | Peek | DoNotWait)) == WaitForAll && socket is StreamSocket && (socket.Flags & OpenFlags.NonBlock) == 0;
        while (wantsAll && count > 0 && count < buffer.Length && files is null)
        {
            int more = socket.Receive(buffer[count..], peek: false, out _, out _, out files);
            if (more <= 0)
                break;
            count += more;
        }

        return count;
    }

    private static long Wait(KernelTask task, SocketFile socket, ulong flags, long timeout)
        => (flags & DoNotWait) != 0 || (socket.Flags & OpenFlags.NonBlock) != 0 ? -Errno.EAGAIN : WaitOn(task, socket.Ready, timeout);

    private static long WaitOn(KernelTask task, WaitQueue queue, long timeout)
    {
        if (timeout > 0)
        {
            Blocking.SetDeadline(task, task.Process.Container.Host.Now + timeout);
            if (Blocking.IsLate(task))
                return -Errno.EAGAIN;
        }

        return Blocking.On(task, queue);
    }

    private static long ReadAddress(KernelTask task, ulong address, ulong length, out SocketAddress result)
    {
        result = default;
        if (length > 128)
            return -Errno.EINVAL;
        Span<byte> bytes = stackalloc byte[(int)length];
        return task.TryRead(address, bytes) ? SocketAddress.Parse(bytes, out result) : -Errno.EFAULT;
    }

    private static long WriteAddress(KernelTask task, ulong address, ulong lengthAddress, SocketAddress value)
    {
        Span<byte> bytes = stackalloc byte[AddressRoom];
        int length = value.Write(bytes);
        if (!task.TryRead(lengthAddress, out int room))
            return -Errno.EFAULT;
        if (room < 0)
            return -Errno.EINVAL;
        return task.TryWrite(address, bytes[..Math.Min(length, room)]) && task.TryWrite(lengthAddress, length) ? 0 : -Errno.EFAULT;
    }

    /// <summary>Takes references to the files that a message carries (SCM_RIGHTS).</summary>
    private static long TakeFiles(KernelTask task, SocketFile socket, in Header header, out OpenFile[]? files)
    {
        files = null;
        if (header.Control == 0 || header.ControlLength < 16)
            return 0;
        if (header.ControlLength > 64 << 10)
            return -Errno.EINVAL;
        var control = new byte[header.ControlLength];
        if (!task.TryRead(header.Control, control))
            return -Errno.EFAULT;
        var taken = new List<OpenFile>();
        long error = 0;
        for (int at = 0; at + 16 <= control.Length && error == 0;)
        {
            ulong length = BitConverter.ToUInt64(control, at);
            if (length < 16 || length > (ulong)(control.Length - at))
            {
                error = -Errno.EINVAL;
                break;
            }

            if (BitConverter.ToInt32(control, at + 8) == SocketLevel && BitConverter.ToInt32(control, at + 12) == Rights && socket.Family == SocketKind.Unix)
            {
                for (int each = at + 16; each + 4 <= at + (int)length && error == 0; each += 4)
                {
                    if (task.Process.Files[BitConverter.ToInt32(control, each)] is not { } file)
                    {
                        error = -Errno.EBADF;
                    }
                    else if (taken.Count == MostFiles)
                    {
                        error = -Errno.EINVAL;
                    }
                    else
                    {
                        file.Acquire();
                        taken.Add(file);
                    }
                }
            }

            at += (int)(length + 7 & ~7ul);
        }

        if (error == 0)
        {
            files = taken.Count > 0 ? [.. taken] : null;
            return 0;
        }

        foreach (OpenFile file in taken)
            file.Release();
        return error;
    }

    /// <summary>Gives a receiver the files that came along, as far as it has room and numbers; false where its memory is not there.</summary>
    private static bool GiveFiles(KernelTask task, ulong message, in Header header, OpenFile[]? files, bool closeOnExec, ref uint flags)
    {
        const uint truncated = 8;
        ulong used = 0;
        if (files is not null)
        {
            int room = header.Control == 0 || header.ControlLength < 16 ? 0 : (int)Math.Min((header.ControlLength - 16) / 4, int.MaxValue);
            var numbers = new List<int>();
            foreach (OpenFile file in files)
            {
                if (numbers.Count == room)
                {
                    flags |= truncated;
                    file.Release();
                    continue;
                }

                int fd = task.Process.Files.Add(file, closeOnExec);
                if (fd < 0)
                    flags |= truncated;
                else
                    numbers.Add(fd);
            }

            if (numbers.Count > 0)
            {
                used = 16 + (4 * (ulong)numbers.Count);
                if (!task.TryWrite(header.Control, used) || !task.TryWrite(header.Control + 8, (ulong)Rights << 32 | SocketLevel)
                    || !task.TryWrite(header.Control + 16, System.Runtime.InteropServices.MemoryMarshal.AsBytes(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(numbers))))
                    return false;
            }
        }

        return task.TryWrite(message + 40, used);
    }

    /// <summary>A <c>struct msghdr</c>.</summary>
    private readonly record struct Header(ulong Name, uint NameLength, ulong Vectors, ulong VectorCount, ulong Control, ulong ControlLength)
    {
        public static bool TryRead(KernelTask task, ulong address, out Header header)
        {
            bool read = task.TryRead(address, out ulong name) & task.TryRead(address + 8, out uint nameLength)
                & task.TryRead(address + 16, out ulong vectors) & task.TryRead(address + 24, out ulong count)
                & task.TryRead(address + 32, out ulong control) & task.TryRead(address + 40, out ulong controlLength);
            header = new Header(name, nameLength, vectors, count, control, controlLength);
            return read;
        }

        /// <summary>All bytes of the vectors, one after the other.</summary>
        public long TryGather(KernelTask task, out byte[] data)
        {
            data = [];
            long error = TryMeasure(task, out int total);
            if (error != 0)
                return error;
            data = new byte[total];
            int at = 0;
            for (ulong i = 0; i < VectorCount && at < total; i++)
            {
                if (!task.TryRead(Vectors + (16 * i), out ulong start) || !task.TryRead(Vectors + (16 * i) + 8, out ulong length))
                    return -Errno.EFAULT;
                int part = (int)Math.Min(length, (ulong)(total - at));
                if (!task.TryRead(start, data.AsSpan(at, part)))
                    return -Errno.EFAULT;
                at += part;
            }

            return 0;
        }

        /// <summary>How many bytes the vectors have, at most as many as one call moves.</summary>
        public long TryMeasure(KernelTask task, out int total)
        {
            total = 0;
            if (VectorCount > MostVectors)
                return -Errno.EMSGSIZE;
            for (ulong i = 0; i < VectorCount; i++)
            {
                if (!task.TryRead(Vectors + (16 * i) + 8, out ulong length))
                    return -Errno.EFAULT;
                if ((long)length < 0)
                    return -Errno.EINVAL;
                total = (int)Math.Min((ulong)total + length, MostBytes);
            }

            return 0;
        }

        /// <summary>Fills the vectors from the first on.</summary>
        public bool TryScatter(KernelTask task, ReadOnlySpan<byte> data)
        {
            for (ulong i = 0; i < VectorCount && data.Length > 0; i++)
            {
                if (!task.TryRead(Vectors + (16 * i), out ulong start) || !task.TryRead(Vectors + (16 * i) + 8, out ulong length))
                    return false;
                int part = (int)Math.Min(length, (ulong)data.Length);
                if (!task.TryWrite(start, data[..part]))
                    return false;
                data = data[part..];
            }

            return true;
        }
    }

    /// <summary>Why a connection did not come, which is told once (SO_ERROR).</summary>
    private static int TakeFailure(SocketFile? socket)
    {
        if (socket is not StreamSocket stream)
            return 0;
        int failure = -stream.Failure;
        stream.Failure = 0;
        return failure;
    }
}
