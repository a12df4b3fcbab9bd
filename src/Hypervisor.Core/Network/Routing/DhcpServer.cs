using System.Text;

namespace Hypervisor.Core.Network.Routing;

/// <summary>
/// Gives stations of one network their addresses (RFC 2131): each the lowest that is free, for good, so that the same
/// stations in the same order always get the same ones. It speaks for a router that is gateway and name server.
/// </summary>
internal sealed class DhcpServer(Ipv4Network network, uint router)
{
    public const int ServerPort = 67;
    public const int ClientPort = 68;

    private const int FixedPart = 236;
    private const uint Cookie = 0x6382_5363;
    private const uint LeaseSeconds = 86_400;
    private const int FirstHost = 10;
    private const int LongestName = 63;

    /// <summary>Most stations that have an address: a guest can invent stations, and ask for an address for each.</summary>
    private const int MaximumLeases = 4096;

    private const byte Discover = 1;
    private const byte Offer = 2;
    private const byte Request = 3;
    private const byte Ack = 5;
    private const byte Refuse = 6;
    private const byte Inform = 8;

    private readonly Dictionary<ulong, Lease> _byStation = [];
    private readonly Dictionary<uint, Lease> _byAddress = [];

    /// <summary>Who has which address.</summary>
    public IEnumerable<Lease> Leases => _byStation.Values;

    /// <summary>Gives a station an address and a name beforehand.</summary>
    /// <exception cref="HypervisorException">The address is not of the network, or taken.</exception>
    public Lease Reserve(MacAddress station, uint? address, string name)
    {
        if (address is { } wanted && (!IsHost(wanted) || _byAddress.ContainsKey(wanted)))
            throw new HypervisorException($"{Ipv4Network.Format(wanted)} cannot be given to a station: it must be a free address of {network}, not the router's {Ipv4Network.Format(router)}.");
        Lease lease = Find(station, address ?? 0) ?? throw new HypervisorException($"The network {network} has no address left for another station; make it larger.");
        lease.Name = Clean(name);
        return lease;
    }

    /// <summary>Who has an address, or null.</summary>
    public Lease? WhoHas(uint address) => _byAddress.GetValueOrDefault(address);

    /// <summary>Answers a message.</summary>
    /// <param name="message">The UDP payload.</param>
    /// <param name="answer">Room for at least 576 bytes.</param>
    /// <param name="address">The address the client has or is given; 0 where the answer must go to all.</param>
    /// <returns>The answer's length, 0 for none.</returns>
    public int Answer(ReadOnlySpan<byte> message, Span<byte> answer, out uint address)
    {
        address = 0;
        if (message.Length < FixedPart + 4 || message[0] != 1 || message[1] != 1 || message[2] != 6 || Packet.U32(message, FixedPart) != Cookie)
            return 0;
        ReadOnlySpan<byte> options = message[(FixedPart + 4)..];
        if (Option(options, 53) is not { Length: 1 } kind)
            return 0;
        ReadOnlySpan<byte> server = Option(options, 54);
        if (server.Length == 4 && Packet.U32(server, 0) != router)
            return 0;
        MacAddress station = MacAddress.Read(message[28..]);
        ReadOnlySpan<byte> asked = Option(options, 50);
        uint current = Packet.U32(message, 12);
        uint wanted = asked.Length == 4 ? Packet.U32(asked, 0) : current;
        byte reply;
        switch (kind[0])
        {
            case Discover:
            case Request:
                Lease? lease = station.IsGroup ? null : Find(station, wanted);
                if (lease is null && kind[0] == Discover)
                    return 0;
                bool sound = lease is not null && (kind[0] == Discover || wanted == lease.Address);
                reply = kind[0] == Discover ? Offer : sound ? Ack : Refuse;
                address = sound ? lease!.Address : 0;
                if (reply == Ack && lease!.Name.Length == 0)
                    lease.Name = Clean(Encoding.ASCII.GetString(Option(options, 12)));
                break;
            case Inform:
                reply = Ack;
                address = current;
                break;
            default:
                return 0;
        }

        return Write(message, answer, reply, kind[0] == Inform ? 0 : address);
    }

    private int Write(ReadOnlySpan<byte> message, Span<byte> answer, byte reply, uint given)
    {
        answer[..(FixedPart + 4)].Clear();
        message[..FixedPart].CopyTo(answer);
        answer[0] = 2;
        answer[3] = 0;
        answer[44..FixedPart].Clear();
        Packet.Put32(answer, 16, given);
        Packet.Put32(answer, 20, reply == Refuse ? 0 : router);
        Packet.Put32(answer, FixedPart, Cookie);
        int end = FixedPart + 4;
        Add(answer, ref end, 53, [reply]);
        AddAddress(answer, ref end, 54, router);
        if (reply != Refuse)
        {
            if (given != 0)
                AddAddress(answer, ref end, 51, LeaseSeconds);
            AddAddress(answer, ref end, 1, network.Mask);
            AddAddress(answer, ref end, 3, router);
            AddAddress(answer, ref end, 6, router);
            AddAddress(answer, ref end, 28, network.Broadcast);
        }

        answer[end++] = 255;
        return end;
    }

    private static void AddAddress(Span<byte> answer, ref int end, byte code, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        Packet.Put32(bytes, 0, value);
        Add(answer, ref end, code, bytes);
    }

    private static void Add(Span<byte> answer, ref int end, byte code, ReadOnlySpan<byte> value)
    {
        answer[end++] = code;
        answer[end++] = (byte)value.Length;
        value.CopyTo(answer[end..]);
        end += value.Length;
    }

    /// <summary>An option's value, or nothing; options that run over the end are not there.</summary>
    private static ReadOnlySpan<byte> Option(ReadOnlySpan<byte> options, byte wanted)
    {
        while (options.Length >= 2 && options[0] != 255)
        {
            if (options[0] == 0)
            {
                options = options[1..];
                continue;
            }

            int length = options[1];
            if (length + 2 > options.Length)
                break;
            if (options[0] == wanted)
                return options.Slice(2, length);
            options = options[(length + 2)..];
        }

        return [];
    }

    private Lease? Find(MacAddress station, uint wanted)
    {
        if (_byStation.TryGetValue(station.Value, out Lease? lease))
            return lease;
        if (_byStation.Count == MaximumLeases)
            return null;
        uint address = IsHost(wanted) && !_byAddress.ContainsKey(wanted) ? wanted : FirstFree();
        if (address == 0)
            return null;
        lease = new Lease(station, address);
        _byStation.Add(station.Value, lease);
        _byAddress.Add(address, lease);
        return lease;
    }

    private uint FirstFree()
    {
        // As many as there can be leases suffice, the first ones and the router's own aside.
        uint last = Math.Min(network.Broadcast - 1, network.Address + MaximumLeases + FirstHost);
        for (uint address = Math.Min(network.Address + FirstHost, last); address <= last; address++)
        {
            if (IsHost(address) && !_byAddress.ContainsKey(address))
                return address;
        }

        return 0;
    }

    private bool IsHost(uint address)
        => network.Contains(address) && address != network.Address && address != network.Broadcast && address != router;

    /// <summary>A name as DNS has it; what is none becomes empty.</summary>
    private static string Clean(string name)
    {
        name = name.TrimEnd('\0').ToLowerInvariant();
        return name.Length <= LongestName && name.All(c => c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-') ? name : "";
    }
}
