using System.Buffers.Binary;
using System.Text;

namespace Hypervisor.Guests.Container.Net;

/// <summary>Address families and kinds of socket, as Linux numbers them.</summary>
internal static class SocketKind
{
    public const int Unix = 1, Internet = 2, Internet6 = 10;
    public const int Stream = 1, Datagram = 2, SequencedPacket = 5;
    public const int TypeMask = 0xF, NonBlock = 0x800, CloseOnExec = 0x80000;
}

/// <summary>The address of a socket: a name of the Unix family, or IPv4 address and port.</summary>
/// <param name="Family">One of <see cref="SocketKind"/>'s.</param>
/// <param name="Name">Of the Unix family: a path, or with a leading zero byte a name that no directory has; empty for none.</param>
/// <param name="Host">IPv4 address.</param>
/// <param name="Port">IPv4 port.</param>
internal readonly record struct SocketAddress(int Family, string Name = "", uint Host = 0, ushort Port = 0)
{
    private const int LongestName = 108;

    /// <summary>Reads a <c>struct sockaddr</c>; 0 or a negated error.</summary>
    public static int Parse(ReadOnlySpan<byte> bytes, out SocketAddress address)
    {
        address = default;
        if (bytes.Length < 2)
            return -Errno.EINVAL;
        int family = BinaryPrimitives.ReadUInt16LittleEndian(bytes);
        switch (family)
        {
            case SocketKind.Unix:
                ReadOnlySpan<byte> name = bytes[2..];
                if (name.Length > LongestName)
                    return -Errno.EINVAL;
                if (name.Length > 0 && name[0] != 0 && name.IndexOf((byte)0) is >= 0 and int end)
                    name = name[..end];
                address = new SocketAddress(family, Encoding.Latin1.GetString(name));
                return 0;
            case SocketKind.Internet:
                if (bytes.Length < 16)
                    return -Errno.EINVAL;
                address = new SocketAddress(family, "", BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]), BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]));
                return 0;
            default:
                return -Errno.EAFNOSUPPORT;
        }
    }

    /// <summary>Writes a <c>struct sockaddr</c>; its length.</summary>
    public int Write(Span<byte> bytes)
    {
        bytes.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)Family);
        if (Family == SocketKind.Internet)
        {
            BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], Port);
            BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], Host);
            return 16;
        }

        if (Name.Length == 0)
            return 2;
        int length = Encoding.Latin1.GetBytes(Name, bytes[2..]);
        return 2 + length + (Name[0] == 0 ? 0 : 1);
    }
}
