using Hypervisor.Core.Time;

namespace Hypervisor.Core.Network.Routing;

/// <summary>The two ends of a connection, seen from the router.</summary>
internal readonly record struct TcpAddresses(uint Local, ushort LocalPort, uint Remote, ushort RemotePort);

/// <summary>Who uses a connection to a station. Called under the router's lock; must not block.</summary>
internal interface ITcpClient
{
    /// <summary>The station accepted.</summary>
    void Connected();

    /// <summary>Bytes came, or room to send, or the station's end of stream.</summary>
    void Progressed();

    /// <summary>The connection is over: refused, reset, timed out, or closed from both sides.</summary>
    void Closed();
}

/// <summary>Who sends a connection's packets and guards its state: the router's station in a network, or a station of its own.</summary>
internal interface ITcpRoute
{
    /// <summary>The lock under which all calls of the connection come.</summary>
    Lock Gate { get; }

    /// <summary>Writes an IPv4 header and sends the packet; the payload stands behind room for the header.</summary>
    void SendPayload(Span<byte> packet, byte protocol, uint source, uint target);

    /// <summary>Tells receivers of what was sent, and users of what changed. Without the lock.</summary>
    void Flush();
}

/// <summary>
/// One end of a TCP connection to a station (RFC 9293), opened from either side: windows with scaling (RFC 7323),
/// retransmission by timeout from measured round trips (RFC 6298) and by three duplicate acknowledgements with recovery of all
/// that was lost of a window (RFC 6582), slow start and congestion avoidance (RFC 5681). Segments that come early wait.
/// </summary>
internal sealed class TcpConnection
{
    private const byte Fin = 1;
    private const byte Syn = 2;
    private const byte Rst = 4;
    private const byte Psh = 8;
    private const byte Ack = 16;

    private const int WindowShift = 3;
    private const int BufferLimit = 256 << 10;
    private const int MaximumSegment = INetworkPort.MaximumPayload - Packet.Ipv4Header - Packet.TcpHeader;
    private const int MaximumTries = 10;

    private readonly ITcpRoute _leg;
    private readonly ITimerService _timers;
    private readonly TcpAddresses _addresses;
    private readonly ITcpClient _client;
    private readonly Action _forget;
    private readonly int _timer;
    private readonly StreamBuffer _toStation = new(BufferLimit);
    private readonly StreamBuffer _fromStation = new(BufferLimit);
    private readonly EarlySegments _early = new();
    private uint _unacknowledged;
    private uint _next;

    /// <summary>The end of all that was ever sent: a timeout sets <see cref="_next"/> back, what was sent may still be acknowledged.</summary>
    private uint _highest;

    private uint _receiveNext;
    private uint _advertised;
    private int _segment = 536;
    private int _peerShift;
    private long _peerWindow;
    private long _congestionWindow = 10 * MaximumSegment;
    private long _threshold = long.MaxValue / 2;
    private int _duplicates;
    private int _tries;
    private bool _recovering;
    private uint _recovered;
    private RoundTrip _roundTrip = new();
    private long _timeout = RoundTrip.ShortestTimeout;
    private bool _shiftsAgreed;
    private bool _established;
    private bool _finishing;
    private bool _finSent;
    private bool _over;
    private bool _watched;
    private bool _isAnswer;

    public TcpConnection(ITcpRoute leg, ITimerService timers, uint sequence, TcpAddresses addresses, ITcpClient client, Action forget)
    {
        _leg = leg;
        _timers = timers;
        _addresses = addresses;
        _client = client;
        _forget = forget;
        _unacknowledged = sequence;
        _next = sequence;
        _highest = sequence;
        _timer = timers.CreateTimer(Expired);
    }

    /// <summary>Bytes that may be sent now.</summary>
    public int Room => _finishing || _over ? 0 : _toStation.Room;

    /// <summary>Bytes that came.</summary>
    public int Available => _fromStation.Count;

    /// <summary>Whether the station sends no more than is available.</summary>
    public bool IsEnded { get; private set; }

    /// <summary>Asks the station for a connection.</summary>
    public void Open() => SendSyn();

    /// <summary>Agrees to a connection that the station asks for, in a sound segment.</summary>
    public void Accept(ReadOnlySpan<byte> request)
    {
        _isAnswer = true;
        _receiveNext = Packet.U32(request, 4) + 1;
        _peerWindow = Packet.U16(request, 14);
        ReadOptions(request[Packet.TcpHeader..((request[12] >> 4) * 4)]);
        SendSyn();
    }

    /// <summary>Sends bytes; no more than there is room for.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        _toStation.Add(bytes);
        Transmit();
    }

    /// <summary>Takes bytes that came.</summary>
    public int Read(Span<byte> buffer)
    {
        int taken = _fromStation.Take(buffer);

        // The station waits for room only where it was told of little.
        if (_established && !_over && _advertised < 2 * MaximumSegment && (uint)_fromStation.Room >= 2 * MaximumSegment)
            SendSegment(Ack, _next, 0);
        return taken;
    }

    /// <summary>Sends no more after what was written.</summary>
    public void Finish()
    {
        if (_finishing || _over)
            return;
        _finishing = true;
        Transmit();
    }

    /// <summary>Breaks the connection off.</summary>
    public void Abort()
    {
        if (_over)
            return;
        SendSegment(Rst | Ack, _next, 0);
        End();
    }

    /// <summary>Handles a sound segment of this connection.</summary>
    public void Handle(ReadOnlySpan<byte> segment)
    {
        byte flags = segment[13];
        uint sequence = Packet.U32(segment, 4);
        uint acknowledged = Packet.U32(segment, 8);
        int header = (segment[12] >> 4) * 4;
        if (_over || header < Packet.TcpHeader || header > segment.Length)
            return;
        ReadOnlySpan<byte> data = segment[header..];
        if (!_established && _isAnswer)
        {
            if (!IsAgreed(flags, sequence, acknowledged, Packet.U16(segment, 14)))
                return;
        }
        else if (!_established)
        {
            HandleAnswer(segment[Packet.TcpHeader..header], flags, sequence, acknowledged, Packet.U16(segment, 14));
            return;
        }

        if ((flags & Rst) != 0)
        {
            if (sequence == _receiveNext)
                End();
            return;
        }

        if ((flags & Syn) != 0 || (flags & Ack) == 0)
        {
            // An old segment, or the answer to our request once more (RFC 9293 §3.10.7.4).
            SendSegment(Ack, _next, 0);
            return;
        }

        HandleAcknowledgement(acknowledged, (long)Packet.U16(segment, 14) << _peerShift, data.Length);
        if (_over)
            return;
        HandleData(data, sequence, (flags & Fin) != 0);
        Transmit();
        if (IsEnded && _finSent && _unacknowledged == _next)
            End();
    }

    /// <summary>Tells a station that there is no connection as its segment assumes.</summary>
    public static void Refuse(ITcpRoute leg, ReadOnlySpan<byte> segment, uint source, uint target)
    {
        byte flags = segment[13];
        if ((flags & Rst) != 0)
            return;
        int header = Math.Min((segment[12] >> 4) * 4, segment.Length);
        uint length = (uint)(segment.Length - header) + (uint)(flags & Syn) / Syn + (uint)(flags & Fin);
        bool acknowledges = (flags & Ack) != 0;
        Span<byte> packet = stackalloc byte[Packet.Ipv4Header + Packet.TcpHeader];
        Span<byte> answer = packet[Packet.Ipv4Header..];
        answer.Clear();
        Packet.Put16(answer, 0, Packet.U16(segment, 2));
        Packet.Put16(answer, 2, Packet.U16(segment, 0));
        Packet.Put32(answer, 4, acknowledges ? Packet.U32(segment, 8) : 0);
        Packet.Put32(answer, 8, acknowledges ? 0 : Packet.U32(segment, 4) + length);
        answer[12] = 5 << 4;
        answer[13] = acknowledges ? Rst : (byte)(Rst | Ack);
        Packet.Put16(answer, 16, Packet.Fold(Packet.Sum(answer, Packet.PseudoHeader(target, source, Packet.ProtocolTcp, answer.Length))));
        leg.SendPayload(packet, Packet.ProtocolTcp, target, source);
    }

    private void HandleAnswer(ReadOnlySpan<byte> options, byte flags, uint sequence, uint acknowledged, ushort window)
    {
        if ((flags & Ack) == 0 || acknowledged != _next)
            return;
        if ((flags & Rst) != 0)
        {
            End();
            return;
        }

        if ((flags & Syn) == 0)
            return;
        ReadOptions(options);
        _established = true;
        _unacknowledged = _next;
        _receiveNext = sequence + 1;
        _peerWindow = window;
        _congestionWindow = 10L * _segment;
        Measure(acknowledged);
        Settled();
        SendSegment(Ack, _next, 0);
        Transmit();
        _client.Connected();
    }

    /// <summary>Whether the station has heard that we agree, from now on (RFC 9293 §3.10.7.4, SYN-RECEIVED).</summary>
    private bool IsAgreed(byte flags, uint sequence, uint acknowledged, ushort window)
    {
        if ((flags & Rst) != 0)
        {
            if (sequence == _receiveNext)
                End();
            return false;
        }

        if ((flags & Syn) != 0)
        {
            // It asks once more: our answer was lost.
            _next = _unacknowledged;
            SendSyn();
            return false;
        }

        if ((flags & Ack) == 0 || acknowledged != _highest)
            return false;
        _established = true;
        _next = _unacknowledged = _highest;
        _peerWindow = (long)window << _peerShift;
        _congestionWindow = 10L * _segment;
        Measure(acknowledged);
        Settled();
        _client.Connected();
        return !_over;
    }

    private void ReadOptions(ReadOnlySpan<byte> options)
    {
        while (options.Length > 0 && options[0] != 0)
        {
            if (options[0] == 1)
            {
                options = options[1..];
                continue;
            }

            if (options.Length < 2 || options[1] < 2 || options[1] > options.Length)
                return;
            if (options[0] == 2 && options[1] == 4)
                _segment = Math.Clamp((int)Packet.U16(options, 2), 64, MaximumSegment);
            if (options[0] == 3 && options[1] == 3)
            {
                _peerShift = Math.Min((int)options[2], 14);
                _shiftsAgreed = true;
            }

            options = options[options[1]..];
        }
    }

    private void HandleAcknowledgement(uint acknowledged, long window, int dataLength)
    {
        uint fresh = acknowledged - _unacknowledged;
        uint flying = _highest - _unacknowledged;
        if (fresh > flying)
            return;
        if (fresh == 0)
        {
            HandleRepeatedAcknowledgement(window, flying, dataLength);
            return;
        }

        _peerWindow = window;
        _duplicates = 0;

        // The last number acknowledged may be that of the end of the stream, which is no byte.
        int bytes = (int)Math.Min(fresh, _toStation.Count);
        _toStation.Drop(bytes);
        _unacknowledged = acknowledged;
        if (fresh > _next - (acknowledged - fresh))
            _next = acknowledged;
        if (fresh > bytes)
            _finSent = true;
        Measure(acknowledged);
        if (_recovering && (int)(acknowledged - _recovered) < 0)
        {
            // The next hole of the same window; what is behind it was received.
            Repeat();
        }
        else
        {
            _recovering = false;
            _congestionWindow += _congestionWindow < _threshold ? Math.Min(fresh, 2L * _segment) : Math.Max(1, (long)_segment * _segment / _congestionWindow);
        }

        Settled();
        if (bytes > 0)
            _client.Progressed();
    }

    private void HandleRepeatedAcknowledgement(long window, uint flying, int dataLength)
    {
        // A station that keeps its window shut but answers is alive.
        if (window == 0)
            _tries = 0;

        // The byte that asked was refused, and goes first now that there is room.
        if (_peerWindow == 0 && window > 0 && !_finSent)
            _next = _unacknowledged;
        bool duplicate = flying > 0 && window > 0 && window == _peerWindow && dataLength == 0;
        _peerWindow = window;
        if (!duplicate || ++_duplicates != 3 || _recovering)
            return;
        _threshold = Math.Max(flying / 2, 2L * _segment);
        _congestionWindow = _threshold;
        _recovering = true;
        _recovered = _highest;
        Repeat();
    }

    private void HandleData(ReadOnlySpan<byte> data, uint sequence, bool ends)
    {
        if (data.Length == 0 && !ends)
            return;
        uint known = _receiveNext - sequence;
        if (known > data.Length || IsEnded)
        {
            // All of it known, or something before it missing.
            if (!IsEnded)
                _early.Keep(data, sequence, _receiveNext, _fromStation.Room);
            SendSegment(Ack, _next, 0);
            return;
        }

        if (Take(data[(int)known..]) && ends)
        {
            IsEnded = true;
            _receiveNext++;
            _early.Clear();
        }

        while (_early.Take(_receiveNext) is { } waited)
            Take(waited.Span);

        SendSegment(Ack, _next, 0);
        _client.Progressed();
    }

    /// <summary>Takes the next bytes of the stream, as many as there is room for; whether that was all of them.</summary>
    private bool Take(ReadOnlySpan<byte> data)
    {
        int taken = Math.Min(data.Length, _fromStation.Room);
        _fromStation.Add(data[..taken]);
        _receiveNext += (uint)taken;
        return taken == data.Length;
    }

    /// <summary>Sends what the windows allow.</summary>
    private void Transmit()
    {
        if (!_established || _over)
            return;
        while (true)
        {
            int flying = (int)(_next - _unacknowledged);
            if (_finSent)
                break;
            long allowed = Math.Min(_peerWindow, _congestionWindow) - flying;
            int ready = _toStation.Count - flying;
            int length = (int)Math.Min(Math.Min(ready, _segment), allowed);
            bool last = _finishing && length == ready && ready <= _segment;
            if (length <= 0 && !(last && ready == 0))
                break;

            // Less than a segment waits for what flies (Nagle's rule), unless it is all there is.
            if (length < _segment && length < ready && flying > 0)
                break;
            SendSegment((byte)(Ack | Psh | (last ? Fin : 0)), _next, length);
            Advance((uint)length + (last ? 1u : 0));
            _finSent = last;
        }

        // Also where nothing flies and the window is shut: somebody has to ask whether it is open again.
        if (_next != _unacknowledged || _toStation.Count > 0)
            Watch();
    }

    private void Expired()
    {
        lock (_leg.Gate)
        {
            if (_over)
                return;
            if (++_tries > MaximumTries)
            {
                Abort();
            }
            else
            {
                _timeout = Math.Min(_timeout * 2, RoundTrip.LongestTimeout);
                _roundTrip.Forget();
                _recovering = false;
                _duplicates = 0;
                if (!_established)
                {
                    _next = _unacknowledged;
                    SendSyn();
                }
                else if (_next == _unacknowledged)
                {
                    Probe();
                }
                else
                {
                    _threshold = Math.Max((_highest - _unacknowledged) / 2, 2L * _segment);
                    _congestionWindow = _segment;
                    _next = _unacknowledged;
                    _finSent = false;
                    Transmit();
                }

                _watched = false;
                Watch();
            }
        }

        _leg.Flush();
    }

    /// <summary>One byte beyond a shut window: the answer tells whether it is open (RFC 9293 §3.8.6.1).</summary>
    private void Probe()
    {
        if (_toStation.Count == 0)
            return;
        SendSegment(Ack, _next, 1);
        Advance(1);
    }

    /// <summary>Notes that numbers were sent; where they are new, one at a time is timed (RFC 6298 §3: never one sent twice).</summary>
    private void Advance(uint count)
    {
        bool isNew = _next == _highest;
        _next += count;
        if ((int)(_next - _highest) <= 0)
            return;
        _highest = _next;
        if (isNew)
            _roundTrip.Begin(_next, _timers.NowNanoseconds);
    }

    /// <summary>Only a round trip that was measured ends the doubling of timeouts (RFC 6298 §5, Karn's rule).</summary>
    private void Measure(uint acknowledged)
    {
        if (_roundTrip.Acknowledged(acknowledged, _timers.NowNanoseconds))
            _timeout = _roundTrip.Timeout;
    }

    private void Repeat()
    {
        _roundTrip.Forget();
        int length = Math.Min(_toStation.Count, _segment);
        bool last = _finSent && length == _toStation.Count;
        SendSegment((byte)(Ack | Psh | (last ? Fin : 0)), _unacknowledged, length);
    }

    private void Watch()
    {
        if (_watched)
            return;
        _watched = true;
        _timers.Arm(_timer, _timers.NowNanoseconds + _timeout);
    }

    /// <summary>Something was acknowledged: the clock starts again for what still flies.</summary>
    private void Settled()
    {
        _tries = 0;
        _watched = false;
        if (_next != _unacknowledged)
            Watch();
        else
            _timers.Disarm(_timer);
    }

    private void SendSyn()
    {
        Span<byte> packet = stackalloc byte[Packet.Ipv4Header + Packet.TcpHeader + 8];
        Span<byte> options = packet[(Packet.Ipv4Header + Packet.TcpHeader)..];
        options[0] = 2;
        options[1] = 4;
        Packet.Put16(options, 2, MaximumSegment);
        options[4..].Fill(1);
        if (!_isAnswer || _shiftsAgreed)
        {
            options[5] = 3;
            options[6] = 3;
            options[7] = WindowShift;
        }

        WriteAndSend(packet, _isAnswer ? (byte)(Syn | Ack) : Syn, _next, 8, Math.Min(_fromStation.Room, 0xffff));
        Advance(1);
        Watch();
    }

    private void SendSegment(byte flags, uint sequence, int length)
    {
        Span<byte> packet = stackalloc byte[Packet.Ipv4Header + Packet.TcpHeader + length];
        if (length > 0)
            _toStation.Peek((int)(sequence - _unacknowledged), packet[(Packet.Ipv4Header + Packet.TcpHeader)..]);
        int window = Math.Min(_shiftsAgreed ? _fromStation.Room >> WindowShift : _fromStation.Room, 0xffff);
        _advertised = (uint)window << (_shiftsAgreed ? WindowShift : 0);
        WriteAndSend(packet, flags, sequence, 0, window);
    }

    private void WriteAndSend(Span<byte> packet, byte flags, uint sequence, int options, int window)
    {
        Span<byte> segment = packet[Packet.Ipv4Header..];
        Packet.Put16(segment, 0, _addresses.LocalPort);
        Packet.Put16(segment, 2, _addresses.RemotePort);
        Packet.Put32(segment, 4, sequence);
        Packet.Put32(segment, 8, (flags & Ack) != 0 ? _receiveNext : 0);
        segment[12] = (byte)((Packet.TcpHeader + options) / 4 << 4);
        segment[13] = flags;
        Packet.Put16(segment, 14, window);
        Packet.Put32(segment, 16, 0);
        Packet.Put16(segment, 16, Packet.Fold(Packet.Sum(segment, Packet.PseudoHeader(_addresses.Local, _addresses.Remote, Packet.ProtocolTcp, segment.Length))));
        _leg.SendPayload(packet, Packet.ProtocolTcp, _addresses.Local, _addresses.Remote);
    }

    private void End()
    {
        if (_over)
            return;
        _over = true;
        IsEnded = true;
        _timers.DeleteTimer(_timer);
        _forget();
        _client.Closed();
    }
}
