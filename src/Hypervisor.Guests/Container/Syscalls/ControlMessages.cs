using System.Runtime.InteropServices;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>What is told beside a message's bytes (cmsg(3)): files, who sent it, and what IP says of a packet.</summary>
internal static class ControlMessages
{
    private const int HeaderBytes = 16;
    private const ulong MostBytes = 64 << 10;
    private const int MostFiles = 253;
    private const int Rights = 1, Identity = 2;

    /// <summary>Reads what a message carries; 0 or a negated error.</summary>
    public static long Take(KernelTask task, SocketFile socket, in MessageHeader header, ref Outgoing with)
    {
        if (header.Control == 0 || header.ControlLength < HeaderBytes)
            return 0;
        if (header.ControlLength > MostBytes)
            return -Errno.ENOBUFS;
        var control = new byte[header.ControlLength];
        if (!task.TryRead(header.Control, control))
            return -Errno.EFAULT;
        var files = new List<OpenFile>();
        long error = 0;
        for (int at = 0; at + HeaderBytes <= control.Length && error == 0;)
        {
            ulong length = BitConverter.ToUInt64(control, at);
            if (length < HeaderBytes || length > (ulong)(control.Length - at))
            {
                error = -Errno.EINVAL;
                break;
            }

            (int level, int kind) = (BitConverter.ToInt32(control, at + 8), BitConverter.ToInt32(control, at + 12));
            ReadOnlySpan<byte> data = control.AsSpan(at + HeaderBytes, (int)length - HeaderBytes);
            error = socket.Family == SocketKind.Unix
                ? level != SocketOption.Socket ? 0 : kind switch
                {
                    Rights => TakeFiles(task, data, files),
                    Identity => TakeIdentity(task, data, ref with),
                    _ => -Errno.EINVAL,
                }
                : socket.IsInternet && socket is DatagramSocket ? TakeOfPacket(level, kind, data, ref with) : 0;
            at += (int)(length + 7 & ~7ul);
        }

        if (error == 0)
        {
            with = with with { Files = files.Count > 0 ? new FileParcel([.. files]) : null };
            return 0;
        }

        foreach (OpenFile file in files)
            file.Release();
        return error;
    }

    /// <summary>Tells a receiver what came along, as far as it has room and numbers; false where its memory is not there.</summary>
    public static bool Give(KernelTask task, SocketFile socket, in MessageHeader header, in Incoming with, bool closeOnExec, out ulong used, ref uint flags)
    {
        var writer = new Writer(task, header.Control, header.Control == 0 ? 0 : header.ControlLength);
        Span<byte> value = stackalloc byte[20];
        if (socket.Has(SocketOption.Socket, SocketOption.PassIdentity) && socket is not { IsInternet: true })
        {
            (with.Sender ?? SenderIdentity.None).Write(value, task);
            writer.Put(SocketOption.Socket, Identity, value[..SenderIdentity.Bytes]);
        }

        if (with.Files is { } files)
            GiveFiles(task, ref writer, files, closeOnExec);
        if (with.To is { } to)
            GiveOfPacket(socket, ref writer, in with, to);
        flags |= writer.Flags;
        used = writer.Used;
        return !writer.Failed;
    }

    private static long TakeFiles(KernelTask task, ReadOnlySpan<byte> data, List<OpenFile> files)
    {
        foreach (int fd in MemoryMarshal.Cast<byte, int>(data[..(data.Length & ~3)]))
        {
            if (task.Process.Files.Any(fd) is not { } file)
                return -Errno.EBADF;
            if (files.Count == MostFiles)
                return -Errno.EINVAL;
            file.Acquire();
            files.Add(file);
        }

        return 0;
    }

    /// <summary>Who is said to send it: oneself, or whoever one may speak for.</summary>
    private static long TakeIdentity(KernelTask task, ReadOnlySpan<byte> data, ref Outgoing with)
    {
        if (data.Length != SenderIdentity.Bytes)
            return -Errno.EINVAL;
        Credentials own = task.Process.Credentials;
        var said = new SenderIdentity(task.GlobalId(BitConverter.ToInt32(data)), own.UserOf(BitConverter.ToUInt32(data[4..])), own.GroupOf(BitConverter.ToUInt32(data[8..])));
        bool isOwnUser = said.Uid == own.Uid || said.Uid == own.EffectiveUid || said.Uid == own.SavedUid || own.HasHere(Capability.SetUid);
        bool isOwnGroup = said.Gid == own.Gid || said.Gid == own.EffectiveGid || said.Gid == own.SavedGid || own.HasHere(Capability.SetGid);
        if ((said.Process != task.Process.Id && !own.Has(Capability.Administer)) || !isOwnUser || !isOwnGroup)
            return -Errno.EPERM;
        if (said.Process != task.Process.Id && task.Process.Container.FindProcess(said.Process) is null)
            return -Errno.ESRCH;
        with = with with { Sender = said };
        return 0;
    }

    private static long TakeOfPacket(int level, int kind, ReadOnlySpan<byte> data, ref Outgoing with)
    {
        int? number = data.Length >= 4 ? BitConverter.ToInt32(data) : data.Length == 1 ? data[0] : null;
        switch (level, kind)
        {
            case (SocketOption.Version4, SocketOption.Hops4):
                if (number is not (>= 1 and <= 255))
                    return -Errno.EINVAL;
                with = with with { Hops = number };
                return 0;
            case (SocketOption.Version6, SocketOption.HopLimit6):
                if (number is not (>= -1 and <= 255))
                    return -Errno.EINVAL;
                with = with with { Hops = number < 0 ? null : number };
                return 0;
            case (SocketOption.Version4, SocketOption.TypeOfService4):
                if (number is not (>= 0 and <= 255))
                    return -Errno.EINVAL;
                with = with with { TrafficClass = number };
                return 0;
            case (SocketOption.Version6, SocketOption.TrafficClass6):
                if (number is not (>= -1 and <= 255))
                    return -Errno.EINVAL;
                with = with with { TrafficClass = number < 0 ? null : number };
                return 0;
            case (SocketOption.Version4, SocketOption.PacketInfo4):
                return data.Length == 12 ? 0 : -Errno.EINVAL;
            case (SocketOption.Version6, SocketOption.PacketInfo6):
                return data.Length >= 20 ? 0 : -Errno.EINVAL;
            default:
                return level is SocketOption.Version4 or SocketOption.Version6 ? -Errno.EINVAL : 0;
        }
    }

    private static void GiveFiles(KernelTask task, ref Writer writer, OpenFile[] files, bool closeOnExec)
    {
        int room = writer.RoomForData / 4;
        var numbers = new List<int>();
        bool cut = false;
        foreach (OpenFile file in files)
        {
            if (numbers.Count == room || cut)
            {
                cut = true;
                file.Release();
                continue;
            }

            int fd = task.Process.Files.Add(file, closeOnExec);
            if (fd < 0)
                cut = true;
            else
                numbers.Add(fd);
        }

        if (numbers.Count > 0)
            writer.Put(SocketOption.Socket, Rights, MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(numbers)));
        if (cut)
            writer.Cut();
    }

    private static void GiveOfPacket(SocketFile socket, ref Writer writer, in Incoming with, SocketAddress to)
    {
        Span<byte> value = stackalloc byte[20];
        value.Clear();
        int link = socket.Network.Interfaces.FirstOrDefault(link => !link.Loops && link.Address == to.Host)?.Index ?? NetworkInterface.Loopback.Index;
        if (to.Family == SocketKind.Internet)
        {
            if (socket.Has(SocketOption.Version4, SocketOption.PacketInfo4))
            {
                BitConverter.TryWriteBytes(value, link);
                System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(value[4..], to.Host);
                System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(value[8..], to.Host);
                writer.Put(SocketOption.Version4, SocketOption.PacketInfo4, value[..12]);
            }

            if (socket.Has(SocketOption.Version4, SocketOption.ReceiveHops4))
                writer.Put(SocketOption.Version4, SocketOption.Hops4, BitConverter.GetBytes(with.Hops));
            if (socket.Has(SocketOption.Version4, SocketOption.ReceiveTypeOfService4))
                writer.Put(SocketOption.Version4, SocketOption.TypeOfService4, [(byte)with.TrafficClass]);
        }

        if (socket.Family != SocketKind.Internet6)
            return;
        if (socket.Has(SocketOption.Version6, SocketOption.ReceivePacketInfo6))
        {
            to.SeenBy(SocketKind.Internet6).Write6(value);
            BitConverter.TryWriteBytes(value[16..], link);
            writer.Put(SocketOption.Version6, SocketOption.PacketInfo6, value);
        }

        if (socket.Has(SocketOption.Version6, SocketOption.ReceiveHops6))
            writer.Put(SocketOption.Version6, SocketOption.HopLimit6, BitConverter.GetBytes(with.Hops));
        if (socket.Has(SocketOption.Version6, SocketOption.ReceiveTrafficClass6))
            writer.Put(SocketOption.Version6, SocketOption.TrafficClass6, BitConverter.GetBytes(with.TrafficClass));
    }

    /// <summary>Writes control messages one behind the other while there is room; what has none is cut, and said to be.</summary>
    private struct Writer(KernelTask task, ulong address, ulong room)
    {
        private const uint Truncated = 8;

        public ulong Used { get; private set; }

        public uint Flags { get; private set; }

        public bool Failed { get; private set; }

        /// <summary>Bytes of data that one more message has room for.</summary>
        public readonly int RoomForData => room - Used < HeaderBytes ? 0 : (int)Math.Min(room - Used - HeaderBytes, int.MaxValue);

        public void Cut() => Flags |= Truncated;

        public void Put(int level, int kind, ReadOnlySpan<byte> data)
        {
            if (room - Used < HeaderBytes)
            {
                Cut();
                return;
            }

            if (data.Length > RoomForData)
            {
                data = data[..RoomForData];
                Cut();
            }

            ulong at = address + Used, length = HeaderBytes + (ulong)data.Length;
            Failed |= !task.TryWrite(at, length) || !task.TryWrite(at + 8, (ulong)(uint)kind << 32 | (uint)level) || !task.TryWrite(at + HeaderBytes, data);
            Used += Math.Min(length + 7 & ~7ul, room - Used);
        }
    }
}
