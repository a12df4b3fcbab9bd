namespace Hypervisor.Core.Network.Routing;

/// <summary>
/// How a station with an IPv4 address sends packets into its network: frames, and the stations of neighbours by ARP (RFC 826).
/// Packets to a neighbour that is not known yet wait for it to answer.
/// </summary>
/// <remarks>Its owner's lock guards it.</remarks>
internal sealed class LinkLayer(INetworkPort port, MacAddress station, uint address, Ipv4Network network, int mostNeighbours, int mostHeld)
{
    private readonly Dictionary<uint, MacAddress> _neighbours = [];
    private readonly Dictionary<uint, List<byte[]>> _held = [];
    private readonly byte[] _frame = new byte[INetworkPort.MaximumFrame];

    /// <summary>Whether a frame is for this station.</summary>
    public bool IsForUs(ReadOnlySpan<byte> frame)
    {
        MacAddress to = MacAddress.Read(frame);
        return to == station || to == MacAddress.Broadcast;
    }

    /// <summary>Whether an address is every station's of the network.</summary>
    public bool IsToAll(uint target) => target == uint.MaxValue || target == network.Broadcast;

    /// <summary>Sends an IPv4 packet to a neighbour.</summary>
    public void Send(ReadOnlySpan<byte> packet, uint neighbour)
    {
        if (IsToAll(neighbour))
        {
            SendFrame(packet, MacAddress.Broadcast, Packet.TypeIpv4);
            return;
        }

        if (_neighbours.TryGetValue(neighbour, out MacAddress known))
        {
            SendFrame(packet, known, Packet.TypeIpv4);
            return;
        }

        if (!_held.TryGetValue(neighbour, out List<byte[]>? held))
        {
            if (_held.Count == mostNeighbours)
                _held.Clear();
            _held[neighbour] = held = [];
        }

        if (held.Count < mostHeld)
            held.Add(packet.ToArray());
        SendArp(1, neighbour, new MacAddress(0), MacAddress.Broadcast);
    }

    /// <summary>Handles an ARP packet: learns who speaks, and answers for the own address.</summary>
    public void HandleArp(ReadOnlySpan<byte> arp)
    {
        if (arp.Length < 28 || Packet.U32(arp, 0) != 0x0001_0800 || arp[4] != 6 || arp[5] != 4)
            return;
        MacAddress speaker = MacAddress.Read(arp[8..]);
        uint sender = Packet.U32(arp, 14);
        if (!speaker.IsGroup && sender != address && network.Contains(sender))
            Learn(sender, speaker);
        if (Packet.U16(arp, 6) == 1 && Packet.U32(arp, 24) == address)
            SendArp(2, sender, speaker, speaker);
    }

    /// <summary>Notes a neighbour's station, and sends it what waits.</summary>
    public void Learn(uint neighbour, MacAddress known)
    {
        if (_neighbours.Count == mostNeighbours && !_neighbours.ContainsKey(neighbour))
            _neighbours.Clear();
        _neighbours[neighbour] = known;
        if (!_held.Remove(neighbour, out List<byte[]>? held))
            return;
        foreach (byte[] packet in held)
            Send(packet, neighbour);
    }

    private void SendArp(ushort operation, uint target, MacAddress targetStation, MacAddress to)
    {
        Span<byte> arp = stackalloc byte[28];
        Packet.Put32(arp, 0, 0x0001_0800);
        Packet.Put16(arp, 4, 0x0604);
        Packet.Put16(arp, 6, operation);
        station.Write(arp[8..]);
        Packet.Put32(arp, 14, address);
        targetStation.Write(arp[18..]);
        Packet.Put32(arp, 24, target);
        SendFrame(arp, to, Packet.TypeArp);
    }

    private void SendFrame(ReadOnlySpan<byte> payload, MacAddress to, ushort type)
    {
        to.Write(_frame);
        station.Write(_frame.AsSpan(6));
        Packet.Put16(_frame, 12, type);
        payload.CopyTo(_frame.AsSpan(Packet.Ethernet));
        port.Send(_frame.AsSpan(0, Packet.Ethernet + payload.Length));
    }
}
