using System.Buffers.Binary;
using System.Text;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>What ioctl tells of interfaces through a socket (netdevice(7)). Changing them is the configuration's.</summary>
internal static class InterfaceCalls
{
    private const ulong GetName = 0x8910, List = 0x8912, GetFlags = 0x8913, GetAddress = 0x8915, GetDestination = 0x8917, GetBroadcast = 0x8919;
    private const ulong GetMask = 0x891B, GetMetric = 0x891D, GetMtu = 0x8921, GetHardwareAddress = 0x8927, GetIndex = 0x8933, GetQueueLength = 0x8942;
    private const ulong FirstOfAll = 0x8900, LastOfAll = 0x89FF;
    private const int NameBytes = 16, RecordBytes = 40;

    public static long Control(KernelTask task, SocketFile socket, ulong request, ulong argument)
    {
        if (request == List)
            return WriteList(task, socket, argument);
        if (request is < FirstOfAll or > LastOfAll)
            return -Errno.ENOTTY;
        Span<byte> record = stackalloc byte[RecordBytes];
        if (!task.TryRead(argument, record))
            return -Errno.EFAULT;
        NetworkInterface? link;
        if (request == GetName)
        {
            int index = BinaryPrimitives.ReadInt32LittleEndian(record[NameBytes..]);
            link = socket.Network.Interfaces.FirstOrDefault(one => one.Index == index);
            if (link is null)
                return -Errno.ENODEV;
            record[..NameBytes].Clear();
            Encoding.ASCII.GetBytes(link.Name, record);
            return task.TryWrite(argument, record) ? 0 : -Errno.EFAULT;
        }

        ReadOnlySpan<byte> name = record[..(NameBytes - 1)];
        string text = KernelText.Decode(name.IndexOf((byte)0) is >= 0 and int end ? name[..end] : name);
        link = socket.Network.Interfaces.FirstOrDefault(one => one.Name == text);
        if (link is null)
            return -Errno.ENODEV;
        Span<byte> value = record[NameBytes..];
        switch (request)
        {
            case GetFlags:
                BinaryPrimitives.WriteUInt16LittleEndian(value, (ushort)link.Flags);
                break;
            case GetAddress or GetDestination:
                WriteAddress(value, link.Address);
                break;
            case GetBroadcast:
                WriteAddress(value, link.Loops ? 0 : link.Broadcast);
                break;
            case GetMask:
                WriteAddress(value, link.Mask);
                break;
            case GetMetric:
                BinaryPrimitives.WriteInt32LittleEndian(value, 0);
                break;
            case GetMtu:
                BinaryPrimitives.WriteInt32LittleEndian(value, link.Mtu);
                break;
            case GetQueueLength:
                BinaryPrimitives.WriteInt32LittleEndian(value, 1000);
                break;
            case GetIndex:
                BinaryPrimitives.WriteInt32LittleEndian(value, link.Index);
                break;
            case GetHardwareAddress:
                value.Clear();
                BinaryPrimitives.WriteUInt16LittleEndian(value, link.HardwareKind);
                link.HardwareAddress.CopyTo(value[2..]);
                break;
            default:
                return -Errno.EPERM;
        }

        return task.TryWrite(argument, record) ? 0 : -Errno.EFAULT;
    }

    /// <summary>Names and addresses of all interfaces (<c>struct ifconf</c>), as many as there is room for.</summary>
    private static long WriteList(KernelTask task, SocketFile socket, ulong argument)
    {
        if (!task.TryRead(argument, out int room) || !task.TryRead(argument + 8, out ulong buffer))
            return -Errno.EFAULT;
        int used = 0;
        Span<byte> record = stackalloc byte[RecordBytes];
        foreach (NetworkInterface link in socket.Network.Interfaces)
        {
            if (buffer != 0)
            {
                if (room - used < RecordBytes)
                    break;
                record.Clear();
                Encoding.ASCII.GetBytes(link.Name, record);
                WriteAddress(record[NameBytes..], link.Address);
                if (!task.TryWrite(buffer + (ulong)used, record))
                    return -Errno.EFAULT;
            }

            used += RecordBytes;
        }

        return task.TryWrite(argument, used) ? 0 : -Errno.EFAULT;
    }

    private static void WriteAddress(Span<byte> value, uint address)
    {
        value[..16].Clear();
        SocketAddress.Of4(address).Write(value);
    }
}
