using System.Buffers.Binary;
using System.Text;

namespace Hypervisor.Guests.Container.Net;

/// <summary>What the kernel answers to one message of the routing family: lists of links, addresses and routes, or an error.</summary>
internal static class NetlinkRequest
{
    private const int HeaderBytes = 16;
    private const ushort ErrorKind = 2, DoneKind = 3;
    private const ushort NewLink = 16, GetLink = 18, NewAddress = 20, GetAddress = 22, NewRoute = 24, GetRoute = 26, LastKind = 123;
    private const ushort Request = 1, Multi = 2, Acknowledge = 4, Dump = 0x300;
    private const byte ScopeUniverse = 0, ScopeLink = 253, ScopeHost = 254;
    private const byte TableMain = 254, ProtocolKernel = 2, ProtocolBoot = 3, Unicast = 1, Permanent = 0x80;

    /// <summary>Answers a whole message: each call of <paramref name="answer"/> is one datagram.</summary>
    public static void Answer(ContainerNetwork network, uint port, ReadOnlySpan<byte> message, Action<byte[]> answer)
    {
        ushort kind = BinaryPrimitives.ReadUInt16LittleEndian(message[4..]);
        ushort flags = BinaryPrimitives.ReadUInt16LittleEndian(message[6..]);
        uint sequence = BinaryPrimitives.ReadUInt32LittleEndian(message[8..]);
        if ((flags & Request) == 0 || kind < NewLink)
        {
            // Control messages and answers are nothing to answer, but their receipt may be asked for.
            if ((flags & Acknowledge) != 0)
                answer(Error(port, message, 0));
            return;
        }

        ReadOnlySpan<byte> body = message[HeaderBytes..];
        byte family = body.Length > 0 ? body[0] : (byte)0;
        bool isDump = (flags & Dump) != 0;
        var list = new NetlinkWriter(sequence, port, isDump ? Multi : (ushort)0);
        int error = kind switch
        {
            GetLink => Links(network, list, isDump ? null : body),
            GetAddress when isDump => Addresses(network, list, family),
            GetRoute when isDump => Routes(network, list, family),
            GetAddress or GetRoute => -Errno.EOPNOTSUPP,
            <= LastKind => -Errno.EPERM, // A container's network is its configuration's.
            _ => -Errno.EOPNOTSUPP,
        };
        if (error != 0)
        {
            answer(Error(port, message, error));
            return;
        }

        foreach (byte[] datagram in list.Datagrams)
            answer(datagram);
        if (isDump)
        {
            var done = new NetlinkWriter(sequence, port, Multi);
            done.Begin(DoneKind);
            done.Add(0u);
            done.End();
            answer(done.Datagrams[0]);
        }
        else if ((flags & Acknowledge) != 0)
        {
            answer(Error(port, message, 0));
        }
    }

    private static byte[] Error(uint port, ReadOnlySpan<byte> message, int error)
    {
        var writer = new NetlinkWriter(BinaryPrimitives.ReadUInt32LittleEndian(message[8..]), port, 0);
        writer.Begin(ErrorKind);
        writer.Add((uint)error);
        writer.Add(error == 0 ? message[..HeaderBytes] : message);
        writer.End();
        return writer.Datagrams[0];
    }

    /// <summary>All links, or the one that a request names by number or name.</summary>
    private static int Links(ContainerNetwork network, NetlinkWriter list, ReadOnlySpan<byte> asked)
    {
        int found = 0;
        foreach (NetworkInterface link in network.Interfaces)
        {
            if (!asked.IsEmpty && !IsAsked(asked, link))
                continue;
            found++;
            list.Begin(NewLink);
            list.Add((ushort)0);
            list.Add(link.HardwareKind);
            list.Add((uint)link.Index);
            list.Add(link.Flags);
            list.Add(0u);
            list.Attribute(3, Text(link.Name));
            list.Attribute(13, 1000u);
            list.Attribute(16, [link.Loops ? (byte)0 : (byte)6]);
            list.Attribute(17, [0]);
            list.Attribute(4, (uint)link.Mtu);
            list.Attribute(27, 0u);
            list.Attribute(6, Text(link.Loops ? "noqueue" : "pfifo_fast"));
            list.Attribute(1, link.HardwareAddress);
            list.Attribute(2, link.Loops ? new byte[6] : [255, 255, 255, 255, 255, 255]);
            list.Attribute(7, new byte[96]);
            list.End();
        }

        return found == 0 && !asked.IsEmpty ? -Errno.ENODEV : 0;
    }

    private static bool IsAsked(ReadOnlySpan<byte> asked, NetworkInterface link)
    {
        const ushort name = 3;
        if (asked.Length < 16)
            return false;
        if (BinaryPrimitives.ReadInt32LittleEndian(asked[4..]) is var index && index != 0)
            return index == link.Index;
        for (ReadOnlySpan<byte> rest = asked[16..]; rest.Length >= 4;)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(rest);
            if (length < 4 || length > rest.Length)
                return false;
            if (BinaryPrimitives.ReadUInt16LittleEndian(rest[2..]) == name)
                return rest[4..length].TrimEnd((byte)0).SequenceEqual(Encoding.ASCII.GetBytes(link.Name));
            rest = rest[Math.Min(rest.Length, length + 3 & ~3)..];
        }

        return false;
    }

    private static int Addresses(ContainerNetwork network, NetlinkWriter list, byte family)
    {
        foreach (NetworkInterface link in network.Interfaces)
        {
            if (family is SocketKind.Unspecified or SocketKind.Internet)
            {
                Begin(list, NewAddress, SocketKind.Internet, link.PrefixLength, link.Loops ? ScopeHost : ScopeUniverse, link.Index);
                list.Attribute(1, Bytes(link.Address));
                list.Attribute(2, Bytes(link.Address));
                if (!link.Loops)
                    list.Attribute(4, Bytes(link.Broadcast));
                list.Attribute(3, Text(link.Name));
                list.End(Permanent);
            }
        }

        if (family is SocketKind.Unspecified or SocketKind.Internet6)
        {
            Begin(list, NewAddress, SocketKind.Internet6, 128, ScopeHost, NetworkInterface.Loopback.Index);
            list.Attribute(1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
            list.End(Permanent);
        }

        return 0;

        static void Begin(NetlinkWriter list, ushort kind, int family, int prefix, byte scope, int index)
        {
            list.Begin(kind);
            list.Add([(byte)family, (byte)prefix, Permanent, scope]);
            list.Add((uint)index);
        }
    }

    private static int Routes(ContainerNetwork network, NetlinkWriter list, byte family)
    {
        if (family is not (SocketKind.Unspecified or SocketKind.Internet))
            return 0;
        foreach (NetworkInterface link in network.Interfaces.Where(link => !link.Loops))
        {
            if (link.Gateway != 0)
            {
                list.Begin(NewRoute);
                list.Add([SocketKind.Internet, 0, 0, 0, TableMain, ProtocolBoot, ScopeUniverse, Unicast, 0, 0, 0, 0]);
                list.Attribute(15, (uint)TableMain);
                list.Attribute(5, Bytes(link.Gateway));
                list.Attribute(4, (uint)link.Index);
                list.End();
            }

            list.Begin(NewRoute);
            list.Add([SocketKind.Internet, (byte)link.PrefixLength, 0, 0, TableMain, ProtocolKernel, ScopeLink, Unicast, 0, 0, 0, 0]);
            list.Attribute(15, (uint)TableMain);
            list.Attribute(1, Bytes(link.Address & link.Mask));
            list.Attribute(7, Bytes(link.Address));
            list.Attribute(4, (uint)link.Index);
            list.End();
        }

        return 0;
    }

    private static byte[] Text(string text) => Encoding.ASCII.GetBytes(text + "\0");

    private static byte[] Bytes(uint address)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, address);
        return bytes;
    }
}
