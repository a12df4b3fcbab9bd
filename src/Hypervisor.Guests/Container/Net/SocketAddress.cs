using System.Buffers.Binary;

namespace Hypervisor.Guests.Container.Net;

/// <summary>Address families and kinds of socket, as Linux numbers them.</summary>
internal static class SocketKind
{
    public const int Unspecified = 0, Unix = 1, Internet = 2, Internet6 = 10, Netlink = 16;
    public const int Stream = 1, Datagram = 2, Raw = 3, SequencedPacket = 5;
    public const int Tcp = 6, Udp = 17, UdpLite = 136;
    public const int TypeMask = 0xF, NonBlock = 0x800, CloseOnExec = 0x80000;
}

/// <summary>
/// The address of a socket. The kernel keeps an IPv4 address as one also where an IPv6 socket has it (<c>::ffff:0:0/96</c>), so
/// that addresses that mean the same are equal; <see cref="SeenBy"/> is what a socket of either family is told.
/// </summary>
/// <param name="Family">One of <see cref="SocketKind"/>'s; <see cref="SocketKind.Unspecified"/> takes an address back.</param>
/// <param name="Name">Of the Unix family: a path, or with a leading zero byte a name that no directory has; empty for none.</param>
/// <param name="Host">IPv4 address; of netlink, the number of a socket.</param>
/// <param name="Port">Port of IPv4 or IPv6.</param>
/// <param name="High6">First half of an IPv6 address. In halves, because a type of 128 bits would leave all methods that have it to the JIT.</param>
/// <param name="Low6">Its second half.</param>
/// <param name="Scope">Interface of an IPv6 address that means something on one link only; of netlink, the groups.</param>
internal readonly record struct SocketAddress(int Family, string Name = "", uint Host = 0, ushort Port = 0, ulong High6 = 0, ulong Low6 = 0, uint Scope = 0)
{
    /// <summary>Room for the longest <c>struct sockaddr</c> that is written.</summary>
    public const int MostBytes = 112;

    private const int LongestName = 108;
    private const uint Loopback4 = 0x7F00_0001;
    private const int Bytes4 = 16, LeastBytes6 = 24, Bytes6 = 28, BytesNetlink = 12;

    /// <summary>IPv4 or IPv6.</summary>
    public bool IsInternet => Family is SocketKind.Internet or SocketKind.Internet6;

    /// <summary>It names no host: any of one's own, or none yet.</summary>
    public bool IsAnyHost => Family == SocketKind.Internet6 ? (High6 | Low6) == 0 : Host == 0;

    /// <summary>An IPv4 address.</summary>
    public static SocketAddress Of4(uint host, ushort port = 0) => new(SocketKind.Internet, "", host, port);

    /// <summary>This one, with the loopback's host where it names none: what connecting to no host in particular means.</summary>
    public SocketAddress OrLoopback => !IsAnyHost ? this : Family == SocketKind.Internet6 ? this with { Low6 = 1 } : this with { Host = Loopback4 };

    /// <summary>As a socket of a family is told it: an IPv6 one has IPv4 addresses in their mapped form.</summary>
    public SocketAddress SeenBy(int family) => family == SocketKind.Internet6 && Family == SocketKind.Internet
        ? new SocketAddress(SocketKind.Internet6, "", 0, Port, Low6: IsAnyHost && Port == 0 ? 0 : 0xFFFFUL << 32 | Host)
        : this;

    /// <summary>Reads a <c>struct sockaddr</c> for a socket of a family; 0 or a negated error.</summary>
    public static int Parse(ReadOnlySpan<byte> bytes, int socketFamily, out SocketAddress address)
    {
        address = default;
        if (bytes.Length < 2)
            return -Errno.EINVAL;
        int family = BinaryPrimitives.ReadUInt16LittleEndian(bytes);
        if (family == SocketKind.Unspecified && socketFamily != SocketKind.Netlink)
        {
            address = bytes.Length >= Bytes4 ? Read4(bytes) with { Family = SocketKind.Unspecified } : default;
            return 0;
        }

        switch (socketFamily)
        {
            case SocketKind.Unix:
                ReadOnlySpan<byte> name = bytes[2..];
                if (name.Length > LongestName || family != SocketKind.Unix)
                    return -Errno.EINVAL;
                if (name.Length > 0 && name[0] != 0 && name.IndexOf((byte)0) is >= 0 and int end)
                    name = name[..end];
                address = new SocketAddress(family, KernelText.Decode(name));
                return 0;
            case SocketKind.Netlink:
                if (bytes.Length < BytesNetlink || family != SocketKind.Netlink)
                    return -Errno.EINVAL;
                address = new SocketAddress(family, Host: BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]), Scope: BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]));
                return 0;
            case SocketKind.Internet:
                if (bytes.Length < Bytes4)
                    return -Errno.EINVAL;
                address = Read4(bytes);
                return family == SocketKind.Internet ? 0 : -Errno.EAFNOSUPPORT;
            default:
                if (bytes.Length < LeastBytes6)
                    return -Errno.EINVAL;
                ulong high = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
                ulong low = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
                ushort port = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
                address = high == 0 && low >> 32 == 0xFFFF ? Of4((uint)low, port)
                    : new SocketAddress(family, "", 0, port, high, low, bytes.Length >= Bytes6 && IsOfOneLink(high) ? BinaryPrimitives.ReadUInt32LittleEndian(bytes[24..]) : 0);
                return family == SocketKind.Internet6 ? 0 : -Errno.EAFNOSUPPORT;
        }
    }

    /// <summary>Writes a <c>struct sockaddr</c>; its length.</summary>
    public int Write(Span<byte> bytes)
    {
        bytes.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)Family);
        switch (Family)
        {
            case SocketKind.Internet:
                BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], Port);
                BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], Host);
                return Bytes4;
            case SocketKind.Internet6:
                BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], Port);
                Write6(bytes[8..]);
                BinaryPrimitives.WriteUInt32LittleEndian(bytes[24..], Scope);
                return Bytes6;
            case SocketKind.Netlink:
                BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], Host);
                BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], Scope);
                return BytesNetlink;
        }

        if (Name.Length == 0)
            return 2;
        KernelText.Encode(Name).CopyTo(bytes[2..]);
        return 2 + Name.Length + (Name[0] == 0 ? 0 : 1);
    }

    private static SocketAddress Read4(ReadOnlySpan<byte> bytes)
        => Of4(BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]), BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]));

    /// <summary>Writes the sixteen bytes of an IPv6 address.</summary>
    public void Write6(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64BigEndian(bytes, High6);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], Low6);
    }

    private static bool IsOfOneLink(ulong high) => high >> 54 == 0x3FA || high >> 48 == 0xFF02;
}
