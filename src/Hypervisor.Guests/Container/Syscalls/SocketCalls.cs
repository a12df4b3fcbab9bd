using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Sockets are made, named and joined: Unix ones, TCP and UDP of IPv4 and IPv6, and netlink's routing family.</summary>
internal static class SocketCalls
{
    private const int LongestAddress = 128;

    public static long Make(KernelTask task, in SyscallArguments a)
    {
        int error = Create(task, (int)a.A0, (int)a.A1, (int)a.A2, out SocketFile? socket);
        return error != 0 ? error : task.Process.Files.Add(socket!, ((int)a.A1 & SocketKind.CloseOnExec) != 0);
    }

    public static long MakePair(KernelTask task, in SyscallArguments a)
    {
        int error = Create(task, (int)a.A0, (int)a.A1, (int)a.A2, out SocketFile? one);
        if (error != 0)
            return error;
        if (one!.Family != SocketKind.Unix)
        {
            one.Release();
            return -Errno.EOPNOTSUPP;
        }

        Create(task, (int)a.A0, (int)a.A1, (int)a.A2, out SocketFile? other);
        if (one is StreamSocket stream)
            StreamSocket.Join(stream, (StreamSocket)other!);
        else
            DatagramSocket.Join((DatagramSocket)one, (DatagramSocket)other!);
        one.PeerIdentity = other!.PeerIdentity = one.Network.Owner;
        bool closes = ((int)a.A1 & SocketKind.CloseOnExec) != 0;
        int first = task.Process.Files.Add(one, closes);
        if (first < 0)
        {
            other.Release();
            return first;
        }

        int second = task.Process.Files.Add(other, closes);
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
            error = ReadAddress(task, socket!, a.A1, a.A2, out SocketAddress address) is var read && read != 0 ? read : BindTo(task, socket!, address);
        return error;
    }

    public static long Listen(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        if (!socket!.IsConnectionBased)
            return -Errno.EOPNOTSUPP;
        if (socket.Peer is null && socket.IsInternet && socket.Local.Port == 0 && socket.Network.Bind(socket, new SocketAddress(socket.Family)) is < 0 and int failed)
            return failed;
        return socket.Local is { Port: 0, Name.Length: 0 } ? -Errno.EINVAL : socket.Listen((int)a.A1);
    }

    public static long Accept(KernelTask task, in SyscallArguments a) => AcceptWith(task, in a, 0);

    public static long Accept4(KernelTask task, in SyscallArguments a) => AcceptWith(task, in a, (int)a.A3);

    public static long Connect(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        error = ReadAddress(task, socket!, a.A1, a.A2, out SocketAddress address);
        if (error != 0)
            return error;
        if (address.Family == SocketKind.Unspecified)
            return socket!.Disconnect();
        error = Target(task, socket!, address, out SocketFile? target);
        if (error != 0)
            return error;
        bool wasAsked = socket is StreamSocket { Remote: not null };
        int result = socket!.Connect(address, target);
        if (result != -Errno.EAGAIN || (target is null && socket is not StreamSocket { Remote: not null }))
            return result;
        if ((socket.Flags & OpenFlags.NonBlock) == 0)
            return Blocking.On(task, target?.Ready ?? socket.Ready);
        return target is not null ? result : wasAsked ? -Errno.EALREADY : -Errno.EINPROGRESS;
    }

    public static long GetName(KernelTask task, in SyscallArguments a)
        => Find(task, a.Fd, out SocketFile? socket) is var error && error != 0 ? error : WriteAddress(task, a.A1, a.A2, socket!.Local.SeenBy(socket.Family));

    public static long GetPeer(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        bool isThere = socket!.Peer is not null && socket is not StreamSocket { IsConnected: false };
        return isThere ? WriteAddress(task, a.A1, a.A2, socket.Peer!.Value.SeenBy(socket.Family)) : -Errno.ENOTCONN;
    }

    public static long Shutdown(KernelTask task, in SyscallArguments a)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        return error != 0 ? error : a.A1 > 2 ? -Errno.EINVAL : socket!.Shutdown(a.A1 is 0 or 2, a.A1 is 1 or 2);
    }

    /// <summary>Finds a socket among a process's descriptors; 0 or a negated error.</summary>
    public static long Find(KernelTask task, int fd, out SocketFile? socket)
    {
        OpenFile? file = task.Process.Files[fd];
        socket = file as SocketFile;
        return file is null || (file.Flags & OpenFlags.PathOnly) != 0 ? -Errno.EBADF : socket is null ? -Errno.ENOTSOCK : 0;
    }

    /// <summary>Who is at an address; null for nobody. 0 or a negated error.</summary>
    public static long Target(KernelTask task, SocketFile socket, SocketAddress address, out SocketFile? target)
    {
        target = null;
        if (socket.IsInternet)
        {
            // An IPv6 socket that is nothing else has no way to where IPv4 is.
            if (!socket.Network.IsOwn(address) && (socket.Network.Station is null || address.Family == SocketKind.Internet6))
                return -Errno.ENETUNREACH;
            if (socket.Family == SocketKind.Internet6 && address.Family == SocketKind.Internet && !socket.IsDual)
                return -Errno.ENETUNREACH;
            target = socket is StreamSocket && socket.Network.IsOwn(address) ? socket.Network.Find(socket.Protocol, address) : null;
            return 0;
        }

        if (socket is NetlinkSocket)
            return 0;
        if (address.Name.Length == 0)
            return -Errno.EINVAL;
        if (address.Name[0] == '\0')
        {
            target = socket.Network.FindName(socket.Type, address.Name);
            return target is null ? -Errno.ECONNREFUSED : 0;
        }

        int error = FileCalls.FindSocket(task, address.Name, out SocketInode? name);
        if (error != 0)
            return error;
        target = name!.Bound;
        return target is null ? -Errno.ECONNREFUSED : target.Type != socket.Type ? -Errno.EPROTOTYPE : 0;
    }

    /// <summary>Reads the address a call names; 0 or a negated error.</summary>
    public static long ReadAddress(KernelTask task, SocketFile socket, ulong address, ulong length, out SocketAddress result)
    {
        result = default;
        if (length > LongestAddress)
            return -Errno.EINVAL;
        Span<byte> bytes = stackalloc byte[(int)length];
        return task.TryRead(address, bytes) ? SocketAddress.Parse(bytes, socket.Family, out result) : -Errno.EFAULT;
    }

    /// <summary>Writes an address, or that there is none, where a call wants it, as far as there is room; 0 or a negated error.</summary>
    public static long WriteAddress(KernelTask task, ulong address, ulong lengthAddress, SocketAddress? value)
    {
        Span<byte> bytes = stackalloc byte[SocketAddress.MostBytes];
        int length = value?.Write(bytes) ?? 0;
        if (!task.TryRead(lengthAddress, out int room))
            return -Errno.EFAULT;
        if (room < 0)
            return -Errno.EINVAL;
        return task.TryWrite(address, bytes[..Math.Min(length, room)]) && task.TryWrite(lengthAddress, length) ? 0 : -Errno.EFAULT;
    }

    /// <summary>Waits for a socket as long as it waits, or not at all.</summary>
    public static long WaitOn(KernelTask task, WaitQueue queue, long timeout)
    {
        if (timeout > 0)
        {
            Blocking.SetDeadline(task, task.Process.Container.Host.Now + timeout);
            if (Blocking.IsLate(task))
                return -Errno.EAGAIN;
        }

        return Blocking.On(task, queue);
    }

    private static int Create(KernelTask task, int family, int kind, int protocol, out SocketFile? socket)
    {
        socket = null;
        int type = kind & SocketKind.TypeMask;
        int flags = kind & OpenFlags.NonBlock;
        if ((kind & ~(SocketKind.TypeMask | SocketKind.NonBlock | SocketKind.CloseOnExec)) != 0)
            return -Errno.EINVAL;
        if (family is < 0 or > 45)
            return -Errno.EAFNOSUPPORT;
        if (type > 10)
            return -Errno.EINVAL;
        if (family is not (SocketKind.Unix or SocketKind.Internet or SocketKind.Internet6 or SocketKind.Netlink))
            return -Errno.EAFNOSUPPORT;
        int carried = (family, type, protocol) switch
        {
            (SocketKind.Unix, SocketKind.Stream or SocketKind.Datagram or SocketKind.SequencedPacket or SocketKind.Raw, 0 or 1) => 0,
            (SocketKind.Unix, SocketKind.Stream or SocketKind.Datagram or SocketKind.SequencedPacket or SocketKind.Raw, _) => -Errno.EPROTONOSUPPORT,
            (SocketKind.Netlink, SocketKind.Raw or SocketKind.Datagram, 0) => 0,
            (SocketKind.Netlink, SocketKind.Raw or SocketKind.Datagram, _) => -Errno.EPROTONOSUPPORT,
            (SocketKind.Internet or SocketKind.Internet6, SocketKind.Stream, 0 or SocketKind.Tcp) => SocketKind.Tcp,
            (SocketKind.Internet or SocketKind.Internet6, SocketKind.Datagram, 0 or SocketKind.Udp) => SocketKind.Udp,
            (SocketKind.Internet or SocketKind.Internet6, SocketKind.Datagram, SocketKind.UdpLite) => SocketKind.UdpLite,
            (SocketKind.Internet or SocketKind.Internet6, _, < 0 or > 262) => -Errno.EINVAL,
            (SocketKind.Internet or SocketKind.Internet6, SocketKind.Raw, not 0) => -Errno.EPERM,
            (SocketKind.Internet or SocketKind.Internet6, SocketKind.Stream or SocketKind.Datagram or SocketKind.Raw, _) => -Errno.EPROTONOSUPPORT,
            _ => -Errno.ESOCKTNOSUPPORT,
        };
        if (carried < 0)
            return carried;

        // A raw Unix socket is one of datagrams.
        if (family == SocketKind.Unix && type == SocketKind.Raw)
            type = SocketKind.Datagram;
        Container container = task.Process.Container;
        var inode = new NamelessInode(container.Store, InodeMode.Socket | 0x1FF);
        socket = family == SocketKind.Netlink ? new NetlinkSocket(inode, flags, type, carried, task.Process.Namespaces.Network.Network)
            : type == SocketKind.Stream ? new StreamSocket(inode, flags, family, carried, task.Process.Namespaces.Network.Network)
            : new DatagramSocket(inode, flags, family, type, carried, task.Process.Namespaces.Network.Network);
        socket.Path = $"socket:[{inode.Number}]";
        return 0;
    }

    private static long BindTo(KernelTask task, SocketFile socket, SocketAddress address)
    {
        // No family with no host is what IPv4 takes for any; the others do not.
        if (address.Family == SocketKind.Unspecified)
        {
            if (socket.Family != SocketKind.Internet)
                return socket.Family == SocketKind.Unix ? -Errno.EINVAL : -Errno.EAFNOSUPPORT;
            if (address.Host != 0)
                return -Errno.EAFNOSUPPORT;
            address = SocketAddress.Of4(0, address.Port);
        }

        if (socket.Family == SocketKind.Netlink)
            return socket.Network.BindNetlink(socket, address);
        bool isNamed = socket.Local is { Port: not 0 } or { Name.Length: > 0 };
        if (socket.IsInternet)
        {
            if (address.Family == SocketKind.Internet && socket.Family == SocketKind.Internet6 && !socket.IsDual)
                return -Errno.EINVAL;
            if (!socket.Network.IsOwn(address))
                return -Errno.EADDRNOTAVAIL;
            if (address.Port is > 0 and < 1024 && !task.Process.Credentials.HasIn(task.Process.Namespaces.Network.Owner, Capability.BindService))
                return -Errno.EACCES;
            return isNamed || socket.Peer is not null ? -Errno.EINVAL : socket.Network.Bind(socket, address);
        }

        if (address.Name.Length > 0 && address.Name[0] != '\0' && isNamed && FileCalls.FindSocket(task, address.Name, out _) is 0 or -Errno.ECONNREFUSED)
            return -Errno.EADDRINUSE;
        if (isNamed)
            return -Errno.EINVAL;
        if (address.Name.Length == 0 || address.Name[0] == '\0')
            return socket.Network.BindName(socket, address.Name);
        return FileCalls.MakeSocket(task, address.Name, socket);
    }

    private static long AcceptWith(KernelTask task, in SyscallArguments a, int flags)
    {
        long error = Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        if ((flags & ~(SocketKind.NonBlock | SocketKind.CloseOnExec)) != 0)
            return -Errno.EINVAL;
        if (!socket!.IsListening)
            return socket.IsConnectionBased ? -Errno.EINVAL : -Errno.EOPNOTSUPP;
        if (!task.Process.Files.HasRoom)
            return -Errno.EMFILE; // Whoever waits to be accepted goes on waiting.
        if (socket.Accept(flags) is not { } end)
            return (socket.Flags & OpenFlags.NonBlock) != 0 ? -Errno.EAGAIN : WaitOn(task, socket.Ready, socket.ReceiveTimeout);
        end.Path = $"socket:[{end.Inode.Number}]";
        if (a.A1 != 0 && WriteAddress(task, a.A1, a.A2, (end.Peer ?? new SocketAddress(end.Family)).SeenBy(end.Family)) is var wrong && wrong != 0)
        {
            end.Release();
            return wrong;
        }

        return task.Process.Files.Add(end, (flags & SocketKind.CloseOnExec) != 0);
    }
}
