using System.Text;

namespace Hypervisor.Core.Network.Routing;

/// <summary>
/// Tells stations each other's addresses by name (RFC 1035): queries for A records of names the router knows, with or without
/// its domain. Whatever else is asked for does not exist; nothing is asked of the host's own network.
/// </summary>
internal static class DnsServer
{
    public const int Port = 53;

    private const string Domain = ".internal";
    private const int Header = 12;
    private const ushort TypeA = 1;
    private const ushort ClassInternet = 1;
    private const uint LifetimeSeconds = 5;

    /// <summary>Answers a query.</summary>
    /// <param name="query">The UDP payload.</param>
    /// <param name="answer">Room for at least 576 bytes.</param>
    /// <param name="find">Finds an address by a name without the domain; 0 where it is unknown.</param>
    /// <returns>The answer's length, 0 for none.</returns>
    public static int Answer(ReadOnlySpan<byte> query, Span<byte> answer, Func<string, uint> find)
    {
        // Responses, and queries of other kinds or with other than one question, are not for us.
        if (query.Length < Header || query.Length > 512 || (query[2] & 0xf8) != 0 || Packet.U16(query, 4) != 1)
            return 0;
        int end = Header;
        var name = new StringBuilder();
        while (true)
        {
            if (end >= query.Length)
                return 0;
            int length = query[end++];
            if (length == 0)
                break;
            if (length > 63 || end + length > query.Length || name.Length + length > 253)
                return 0;
            if (name.Length > 0)
                name.Append('.');
            foreach (byte letter in query.Slice(end, length))
                name.Append(char.ToLowerInvariant((char)letter));
            end += length;
        }

        if (end + 4 > query.Length)
            return 0;
        string text = name.ToString();
        bool mine = text.EndsWith(Domain, StringComparison.Ordinal);
        uint address = Packet.U16(query, end + 2) == ClassInternet ? find(mine ? text[..^Domain.Length] : text) : 0;
        bool gives = address != 0 && Packet.U16(query, end) == TypeA;
        end += 4;
        query[..end].CopyTo(answer);
        answer[2] = (byte)(0x84 | (query[2] & 1));
        answer[3] = (byte)(address == 0 ? 3 : 0);
        Packet.Put16(answer, 6, gives ? 1 : 0);
        Packet.Put32(answer, 8, 0);
        if (!gives)
            return end;
        Packet.Put16(answer, end, 0xc000 | Header);
        Packet.Put16(answer, end + 2, TypeA);
        Packet.Put16(answer, end + 4, ClassInternet);
        Packet.Put32(answer, end + 6, LifetimeSeconds);
        Packet.Put16(answer, end + 10, 4);
        Packet.Put32(answer, end + 12, address);
        return end + 16;
    }
}
