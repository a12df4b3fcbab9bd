using Hypervisor.Core.Network;
using Hypervisor.Core.Network.Routing;

namespace Hypervisor.Tests.Network;

/// <summary>
/// The other end of a published port, written from RFC 9293 without the router's code: it accepts a connection, keeps what
/// comes early, sends by go-back-N, and reads as slowly as it is told.
/// </summary>
internal sealed class TcpPeer(Station station, byte[] outgoing, Random random, Action<byte[]> send)
{
    private const int Tcp = 34;
    private const int BufferSize = 30_000;
    private const long Timeout = 700_000_000;

    private readonly SortedDictionary<uint, byte[]> _early = [];
    private readonly uint _first = (uint)random.NextInt64(1L << 32);
    private readonly bool _scales = random.Next(2) == 0;
    private readonly int _segment = random.Next(3) == 0 ? 536 : 1460;
    private byte[] _request = [];
    private bool _open;
    private uint _received;
    private uint _sent;
    private uint _acknowledged;
    private uint _window;
    private int _buffered;
    private long _sentAt;

    /// <summary>What came, in order.</summary>
    public List<byte> Incoming { get; } = [];

    /// <summary>Whether the end of what comes was seen.</summary>
    public bool SawEnd { get; private set; }

    /// <summary>Whether all that it sent was acknowledged, its end too, or the connection was gone afterwards.</summary>
    public bool WasHeard { get; private set; }

    /// <summary>Whether the connection was reset before its time.</summary>
    public bool WasReset { get; private set; }

    /// <summary>Takes a frame from the network.</summary>
    public void Handle(byte[] frame, long now)
    {
        if (frame.Length < Tcp + 20 || Packet.U16(frame, 12) != Packet.TypeIpv4 || frame[14 + 9] != Packet.ProtocolTcp)
            return;
        ReadOnlySpan<byte> segment = frame.AsSpan(Tcp, Packet.U16(frame, 16) - 20);
        Assert.True(Packet.IsSoundSegment(segment, station.Leg.Address, station.Address, Packet.ProtocolTcp));
        byte flags = segment[13];
        uint sequence = Packet.U32(segment, 4), acknowledged = Packet.U32(segment, 8);
        if ((flags & 4) != 0)
        {
            WasReset |= !(SawEnd && _sent - _first == outgoing.Length + 2);
            WasHeard = true;
            return;
        }

        if ((flags & 2) != 0)
        {
            if (!_open)
            {
                _request = frame;
                _received = sequence + 1;
                _sent = _acknowledged = _first + 1;
                _open = true;
            }

            Send(0x12, _first, []);
            return;
        }

        if (!_open)
            return;
        _window = (uint)Packet.U16(segment, 14) << (_scales ? 3 : 0);
        if (acknowledged - _acknowledged - 1 < 1u << 30)
        {
            _acknowledged = acknowledged;
            _sent = (int)(acknowledged - _sent) > 0 ? acknowledged : _sent;
            _sentAt = now;
            WasHeard |= acknowledged - _first == outgoing.Length + 2;
        }

        ReadOnlySpan<byte> data = segment[((segment[12] >> 4) * 4)..];
        uint ahead = sequence - _received;
        Assert.True((int)ahead < 0 || data.Length <= 1 || ahead + data.Length <= BufferSize + 4, "sent beyond the window");
        if (data.Length > 0 && ahead + data.Length <= BufferSize - _buffered)
            _early[sequence] = data.ToArray();
        else if (data.Length > 0 && (int)ahead < 0 && (int)(ahead + data.Length) > 0 && (int)ahead + data.Length <= BufferSize - _buffered)
            _early[_received] = data[(int)-ahead..].ToArray();
        while (_early.Remove(_received, out byte[]? next))
        {
            Incoming.AddRange(next);
            _received += (uint)next.Length;
            _buffered += next.Length;
        }

        if ((flags & 1) != 0 && sequence + data.Length == _received && !SawEnd)
        {
            SawEnd = true;
            _received++;
        }

        if (data.Length > 0 || (flags & 1) != 0)
            Acknowledge();
    }

    /// <summary>Reads and sends what it may.</summary>
    public void Tick(long now, int reads)
    {
        if (!_open || WasHeard)
        {
            _buffered = Math.Max(0, _buffered - reads);
            return;
        }

        bool wasShut = BufferSize - _buffered < 2 * 1460;
        _buffered = Math.Max(0, _buffered - reads);
        if (wasShut && BufferSize - _buffered >= 2 * 1460)
            Acknowledge();
        if (_sent != _acknowledged && now - _sentAt > Timeout)
            _sent = _acknowledged;
        while (true)
        {
            int at = (int)(_sent - _first - 1);
            uint flying = _sent - _acknowledged;
            int length = (int)Math.Min(Math.Min(1460, outgoing.Length - at), Math.Min(_window, 16_000) - (long)flying);
            bool last = at + length == outgoing.Length;
            if (at > outgoing.Length || length < 0 || (length == 0 && !last))
                break;
            if (flying == 0)
                _sentAt = now;
            Send((byte)(last ? 0x11 : 0x10), _sent, outgoing.AsSpan(at, length));
            _sent += (uint)length + (last ? 1u : 0);
        }

        // Asks a shut window.
        if (_window == 0 && _sent == _acknowledged && now - _sentAt > Timeout)
        {
            _sentAt = now;
            Send(0x10, _sent - 1, []);
            Send(0x10, _sent, outgoing.AsSpan((int)(_sent - _first - 1), Math.Min(1, outgoing.Length - (int)(_sent - _first - 1))));
        }
    }

    private void Acknowledge() => Send(0x10, _sent, []);

    private void Send(byte flags, uint sequence, ReadOnlySpan<byte> data)
    {
        byte[] options = (flags & 2) == 0 ? [] : [2, 4, (byte)(_segment >> 8), (byte)_segment, .. _scales ? (byte[])[1, 3, 3, 2] : []];
        byte[] bare = station.Tcp(station.Leg.Address, Packet.U16(_request, Tcp + 2), Packet.U16(_request, Tcp), flags);
        var frame = new byte[bare.Length + options.Length + data.Length];
        bare.CopyTo(frame, 0);
        options.CopyTo(frame, Tcp + 20);
        data.CopyTo(frame.AsSpan(Tcp + 20 + options.Length));
        Packet.Put16(frame, 16, frame.Length - 14);
        Packet.Put32(frame, Tcp + 4, sequence);
        Packet.Put32(frame, Tcp + 8, _received);
        frame[Tcp + 12] = (byte)((20 + options.Length) / 4 << 4);
        Packet.Put16(frame, Tcp + 14, (BufferSize - _buffered) >> (_scales && (flags & 2) == 0 ? 2 : 0));
        Station.Mend(frame);
        send(frame);
    }
}
