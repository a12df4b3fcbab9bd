namespace Hypervisor.Core.Network;

/// <summary>What passed a port. Frames that were sent and could not be delivered anywhere are counted at their sender.</summary>
internal readonly record struct PortCounters(long FramesIn, long BytesIn, long FramesOut, long BytesOut, long Dropped);

/// <summary>One socket of a <see cref="VirtualSwitch"/>.</summary>
internal sealed class SwitchPort : INetworkPort
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    private readonly VirtualSwitch _switch;
    private readonly LinkOptions _link;
    private readonly FrameQueue _queue;
    private readonly int _timer;
    private long _outFreeAt;
    private long _inFreeAt;
    private long _framesIn;
    private long _bytesIn;
    private long _framesOut;
    private long _bytesOut;
    private long _dropped;

    public SwitchPort(VirtualSwitch network, string name, LinkOptions link)
    {
        link.Validate();
        _switch = network;
        Name = name;
        _link = link;
        _queue = new FrameQueue(link.QueueBytes);
        _timer = network.Timers.CreateTimer(() => Arrived?.Invoke());
    }

    /// <summary>The name it was given.</summary>
    public string Name { get; }

    /// <inheritdoc/>
    public Action? Arrived { get; set; }

    /// <inheritdoc/>
    public bool IsUp { get; internal set; } = true;

    /// <summary>What passed so far: in is what its station sent.</summary>
    public PortCounters Counters
    {
        get
        {
            lock (_switch.Gate)
                return new PortCounters(_framesIn, _bytesIn, _framesOut, _bytesOut, _dropped);
        }
    }

    /// <summary>Whether it is on the switch's list of ports to tell. The switch's.</summary>
    internal bool IsListed { get; set; }

    /// <inheritdoc/>
    public void Send(ReadOnlySpan<byte> frame)
    {
        lock (_switch.Gate)
        {
            _framesIn++;
            _bytesIn += frame.Length;
            long now = _switch.Timers.NowNanoseconds;
            long left = Pass(ref _inFreeAt, now, frame.Length);
            if (frame.Length is < INetworkPort.HeaderSize or > INetworkPort.MaximumFrame || !IsUp || IsBacklogged(left, now)
                || !_switch.Forward(this, frame, left))
                _dropped++;
        }
    }

    /// <inheritdoc/>
    public void Flush() => _switch.Flush();

    /// <inheritdoc/>
    public int Receive(Span<byte> buffer)
    {
        lock (_switch.Gate)
        {
            long due = _queue.FirstDue;
            if (due == long.MaxValue)
                return 0;
            if (due <= _switch.Timers.NowNanoseconds)
                return _queue.Take(buffer);
            _switch.Timers.Arm(_timer, due);
            return 0;
        }
    }

    /// <summary>Takes a frame for the station at the link's end, which left its sender's link at a time. Under the switch's lock.</summary>
    internal void Deliver(ReadOnlySpan<byte> frame, long left)
    {
        long now = _switch.Timers.NowNanoseconds;
        if (!IsUp || (_link.Loss > 0 && _switch.NextRandom() < _link.Loss))
        {
            _dropped++;
            return;
        }

        long due = Pass(ref _outFreeAt, left, frame.Length) + _link.LatencyNanoseconds;
        if (!_queue.TryAdd(frame, due))
        {
            _dropped++;
            return;
        }

        _framesOut++;
        _bytesOut += frame.Length;
        if (due <= now)
            _switch.List(this);
        else if (_queue.Count == 1)
            _switch.Timers.Arm(_timer, due);
    }

    /// <summary>Gives the timer back. Under the switch's lock.</summary>
    internal void Unplug()
    {
        IsUp = false;
        Arrived = null;
        _queue.Clear();
        _switch.Timers.DeleteTimer(_timer);
    }

    /// <summary>When a frame that starts at a time is through a direction of the link.</summary>
    private long Pass(ref long freeAt, long start, int length)
    {
        if (_link.BitsPerSecond == 0)
            return start;
        freeAt = Math.Max(freeAt, start) + (long)(length * 8L * (Int128)NanosecondsPerSecond / _link.BitsPerSecond);
        return freeAt;
    }

    /// <summary>Whether more waits to leave the station than its queue may hold.</summary>
    private bool IsBacklogged(long left, long now)
        => _link.BitsPerSecond != 0 && (Int128)(left - now) * _link.BitsPerSecond / 8 / NanosecondsPerSecond > _link.QueueBytes;
}
