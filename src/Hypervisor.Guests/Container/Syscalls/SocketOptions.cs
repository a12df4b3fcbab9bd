using System.Text;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Options of sockets (socket(7), ip(7), ipv6(7), tcp(7), udp(7), unix(7)): those that change something, and those that are kept and told.</summary>
internal static class SocketOptions
{
    private const int DefaultBuffer = 212_992, LeastSendBuffer = 4608, LeastReceiveBuffer = 2304;
    private const int LongestName = 16;
    private const int Congestion = 13, TcpInfo = 11, MostSegment = 2;

    public static long Set(KernelTask task, in SyscallArguments a)
    {
        long error = SocketCalls.Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        (int level, int name) = ((int)a.A1, (int)a.A2);
        int room = (int)a.A4;
        if (room < 0)
            return -Errno.EINVAL;
        if (!IsOf(socket!, level))
            return socket!.Family == SocketKind.Unix ? -Errno.EOPNOTSUPP : -Errno.ENOPROTOOPT;
        if (!IsKnown(level, name))
            return -Errno.ENOPROTOOPT;
        if (level == SocketOption.Socket && name is SocketOption.ReceiveTimeout or SocketOption.SendTimeout)
            return SetTimeout(task, socket!, name, a.A3, room);
        if (level == SocketOption.Socket && name is SocketOption.Type or SocketOption.Error or SocketOption.Accepts or SocketOption.Domain or SocketOption.Protocol or SocketOption.PeerIdentity or SocketOption.PeerName or SocketOption.PeerGroups or SocketOption.PeerSecurity)
            return -Errno.ENOPROTOOPT;
        if ((level, name) is (SocketOption.Socket, SocketOption.BindToDevice) or (SocketOption.Tcp, Congestion))
            return SetName(task, socket!, level, name, a.A3, room);

        // Options of IPv4 may be given as a byte.
        int value;
        if (room < 4 && level == SocketOption.Version4 && room > 0)
        {
            if (!task.TryRead(a.A3, out byte small))
                return -Errno.EFAULT;
            value = small;
        }
        else if (room < 4)
        {
            return -Errno.EINVAL;
        }
        else if (!task.TryRead(a.A3, out value))
        {
            return -Errno.EFAULT;
        }

        if ((level, name) is (SocketOption.Socket, SocketOption.Linger))
        {
            if (room < 8)
                return -Errno.EINVAL;
            if (!task.TryRead(a.A3 + 4, out int seconds))
                return -Errno.EFAULT;
            if (value == 0)
                socket!.Options.Remove((level, name));
            else
                socket!.Options[(level, name)] = seconds;
            return 0;
        }

        error = Check(socket!, level, name, ref value);
        if (error == 0)
            socket!.Options[(level, name)] = value;
        return error;
    }

    public static long Get(KernelTask task, in SyscallArguments a)
    {
        long error = SocketCalls.Find(task, a.Fd, out SocketFile? socket);
        if (error != 0)
            return error;
        if (!task.TryRead(a.A4, out int room))
            return -Errno.EFAULT;
        if (room < 0)
            return -Errno.EINVAL;
        (int level, int name) = ((int)a.A1, (int)a.A2);
        if (!IsOf(socket!, level))
            return socket!.Family == SocketKind.Unix ? -Errno.EOPNOTSUPP : -Errno.ENOPROTOOPT;
        byte[]? value = Value(task, socket!, level, name);
        if (value is null)
            return -Errno.ENOPROTOOPT;
        if ((level, name) == (SocketOption.Socket, SocketOption.PeerName) && value.Length == 0)
            return -Errno.ENOTCONN;

        // IPv4 tells small numbers in a byte to whoever has room for no more.
        if (level == SocketOption.Version4 && value.Length == 4 && room is > 0 and < 4 && BitConverter.ToUInt32(value) <= 255)
            room = 1;
        int length = Math.Min(value.Length, room);
        return task.TryWrite(a.A3, value.AsSpan(0, length)) && task.TryWrite(a.A4, length) ? 0 : -Errno.EFAULT;
    }

    private static byte[]? Value(KernelTask task, SocketFile socket, int level, int name)
    {
        switch (level, name)
        {
            case (SocketOption.Socket, SocketOption.PeerIdentity):
                var identity = new byte[SenderIdentity.Bytes];
                socket.PeerIdentity.Write(identity, task);
                return identity;
            case (SocketOption.Socket, SocketOption.ReceiveTimeout or SocketOption.SendTimeout):
                long time = name == SocketOption.ReceiveTimeout ? socket.ReceiveTimeout : socket.SendTimeout;
                return [.. BitConverter.GetBytes(time / 1_000_000_000), .. BitConverter.GetBytes(time % 1_000_000_000 / 1000)];
            case (SocketOption.Socket, SocketOption.Linger):
                bool lingers = socket.Options.TryGetValue((level, name), out int seconds);
                return [.. BitConverter.GetBytes(lingers ? 1 : 0), .. BitConverter.GetBytes(seconds)];
            case (SocketOption.Socket, SocketOption.BindToDevice):
                return socket.Options.TryGetValue((level, name), out int link) ? Encoding.ASCII.GetBytes(socket.Network.Interfaces.First(one => one.Index == link).Name + "\0") : [];
            case (SocketOption.Socket, SocketOption.PeerName):
                var address = new byte[SocketAddress.MostBytes];
                return socket.Peer is { } peer ? address[..peer.SeenBy(socket.Family).Write(address)] : [];
            case (SocketOption.Socket, SocketOption.PeerGroups):
                return socket.Family == SocketKind.Unix && socket.PeerIdentity.Process != 0 ? [] : null;
            case (SocketOption.Socket, SocketOption.Cookie):
                return BitConverter.GetBytes(socket.Inode.Number);
            case (SocketOption.Tcp, Congestion):
                return [.. "cubic"u8, .. new byte[LongestName - 5]];
            case (SocketOption.Tcp, TcpInfo):
                var info = new byte[248];
                info[0] = (byte)(socket.IsListening ? 10 : socket is StreamSocket { IsConnected: true } ? 1 : 7);
                return info;
        }

        int? number = (level, name) switch
        {
            (SocketOption.Socket, SocketOption.Type) => socket.Type,
            (SocketOption.Socket, SocketOption.Error) => -socket.TakeFailure(),
            (SocketOption.Socket, SocketOption.Accepts) => socket.IsListening ? 1 : 0,
            (SocketOption.Socket, SocketOption.Protocol) => socket.Protocol,
            (SocketOption.Socket, SocketOption.Domain) => socket.Family,
            (SocketOption.Socket, SocketOption.PeerSecurity) => null,
            (SocketOption.Tcp, MostSegment) => socket is StreamSocket { IsConnected: true } ? 65_483 : 536,
            _ => socket.Options.TryGetValue((level, name), out int kept) ? kept : IsKnown(level, name) ? Default(level, name) : null,
        };
        return number is { } known ? BitConverter.GetBytes(known) : null;
    }

    /// <summary>What options are before they are set, where it is not zero.</summary>
    private static int Default(int level, int name) => (level, name) switch
    {
        (SocketOption.Socket, SocketOption.SendBuffer or SocketOption.ReceiveBuffer) => DefaultBuffer,
        (SocketOption.Socket, SocketOption.ReceiveLeast or SocketOption.SendLeast) => 1,
        (SocketOption.Version4, SocketOption.Hops4) or (SocketOption.Version6, SocketOption.Hops6) => 64,
        (SocketOption.Version4, SocketOption.MulticastHops4 or SocketOption.MulticastLoop4) or (SocketOption.Version6, SocketOption.MulticastHops6 or SocketOption.MulticastLoop6) => 1,
        (SocketOption.Version4, SocketOption.Mtu4) or (SocketOption.Version6, SocketOption.Mtu6) => 65_536,
        (SocketOption.Version4, 10) or (SocketOption.Version6, 23) => 1, // path MTU is found
        (SocketOption.Tcp, 4) => 7200,
        (SocketOption.Tcp, 5) => 75,
        (SocketOption.Tcp, 6) => 9,
        (SocketOption.Tcp, 7) => 6,
        (SocketOption.Tcp, 8) => 60,
        _ => 0,
    };

    /// <summary>Whether a value may be set, and what it is kept as; 0 or a negated error.</summary>
    private static int Check(SocketFile socket, int level, int name, ref int value)
    {
        switch (level, name)
        {
            case (SocketOption.Socket, SocketOption.SendBuffer or SocketOption.SendBufferForced):
                value = Math.Max(Math.Clamp(value, 0, DefaultBuffer) * 2, LeastSendBuffer);
                break;
            case (SocketOption.Socket, SocketOption.ReceiveBuffer or SocketOption.ReceiveBufferForced):
                value = Math.Max(Math.Clamp(value, 0, DefaultBuffer) * 2, LeastReceiveBuffer);
                break;
            case (SocketOption.Socket, 1 or SocketOption.ReuseAddress or 5 or 6 or 9 or 10 or SocketOption.ReusePort or SocketOption.PassIdentity or SocketOption.Timestamp):
                value = value != 0 ? 1 : 0;
                break;
            case (SocketOption.Version4, SocketOption.Hops4):
                return value is -1 or (>= 1 and <= 255) ? 0 : -Errno.EINVAL;
            case (SocketOption.Version4, SocketOption.TypeOfService4):
                value &= 0xFF;
                break;
            case (SocketOption.Version4, SocketOption.PacketInfo4 or SocketOption.ReceiveHops4 or SocketOption.ReceiveTypeOfService4):
                value = value != 0 ? 1 : 0;
                break;
            case (SocketOption.Version6, SocketOption.Version6Only):
                value = value != 0 ? 1 : 0;
                return socket.Local.Port == 0 ? 0 : -Errno.EINVAL;
            case (SocketOption.Version6, SocketOption.Hops6 or SocketOption.MulticastHops6 or SocketOption.TrafficClass6):
                return value is >= -1 and <= 255 ? 0 : -Errno.EINVAL;
            case (SocketOption.Version6, SocketOption.ReceivePacketInfo6 or SocketOption.ReceiveHops6 or SocketOption.ReceiveTrafficClass6):
                value = value != 0 ? 1 : 0;
                break;
            case (SocketOption.Tcp, 1 or 3):
                value = value != 0 ? 1 : 0;
                break;
            case (SocketOption.Tcp, 4 or 5):
                return value is >= 1 and <= 32767 ? 0 : -Errno.EINVAL;
            case (SocketOption.Tcp, 6 or 7):
                return value is >= 1 and <= 127 ? 0 : -Errno.EINVAL;
        }

        return 0;
    }

    private static long SetTimeout(KernelTask task, SocketFile socket, int name, ulong address, int room)
    {
        if (room < 16)
            return -Errno.EINVAL;
        if (!task.TryRead(address, out long seconds) || !task.TryRead(address + 8, out long micros))
            return -Errno.EFAULT;
        if (micros is < 0 or >= 1_000_000)
            return -Errno.EDOM;

        // Time that is over before it begins is not waited for: as little as there is.
        long time = seconds < 0 ? 1 : (Math.Min(seconds, 1 << 30) * 1_000_000_000) + (micros * 1000);
        if (name == SocketOption.ReceiveTimeout)
            socket.ReceiveTimeout = time;
        else
            socket.SendTimeout = time;
        return 0;
    }

    private static long SetName(KernelTask task, SocketFile socket, int level, int name, ulong address, int room)
    {
        Span<byte> bytes = stackalloc byte[LongestName];
        bytes = bytes[..Math.Min(room, LongestName - 1)];
        if (!task.TryRead(address, bytes))
            return -Errno.EFAULT;
        if (bytes.IndexOf((byte)0) is >= 0 and int end)
            bytes = bytes[..end];
        string text = KernelText.Decode(bytes);
        if (level == SocketOption.Tcp)
            return text is "cubic" or "reno" ? 0 : room == 0 ? -Errno.EINVAL : -Errno.ENOENT;
        if (text.Length == 0)
        {
            socket.Options.Remove((level, name));
            return 0;
        }

        if (socket.Network.Interfaces.FirstOrDefault(link => link.Name == text) is not { } found)
            return -Errno.ENODEV;
        socket.Options[(level, name)] = found.Index;
        return 0;
    }

    /// <summary>Whether a socket has options of a level at all.</summary>
    private static bool IsOf(SocketFile socket, int level) => level switch
    {
        SocketOption.Socket => true,
        SocketOption.Version4 => socket.IsInternet,
        SocketOption.Version6 => socket.Family == SocketKind.Internet6,
        SocketOption.Tcp => socket.Protocol == SocketKind.Tcp,
        SocketOption.Udp => socket.Protocol is SocketKind.Udp or SocketKind.UdpLite,
        SocketOption.UdpLite => socket.Protocol == SocketKind.UdpLite,
        SocketOption.Netlink => socket.Family == SocketKind.Netlink,
        _ => false,
    };

    /// <summary>Whether an option is one of Linux's.</summary>
    private static bool IsKnown(int level, int name) => level switch
    {
        SocketOption.Socket => name is (>= 1 and <= 10) or (>= 12 and <= 16) or (>= 18 and <= 21) or (>= 25 and <= 30) or (>= 32 and <= 80),
        SocketOption.Version4 => name is >= 1 and <= 52,
        SocketOption.Version6 => name is (>= 1 and <= 37) or (>= 42 and <= 78),
        SocketOption.Tcp => name is >= 1 and <= 40 and not TcpInfo,
        SocketOption.Udp => name is 1 or (>= 100 and <= 104),
        SocketOption.UdpLite => name is 10 or 11,
        SocketOption.Netlink => name is >= 1 and <= 12,
        _ => false,
    };
}
