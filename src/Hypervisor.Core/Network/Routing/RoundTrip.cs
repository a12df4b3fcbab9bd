namespace Hypervisor.Core.Network.Routing;

/// <summary>
/// How long to wait for an acknowledgement (RFC 6298 §2): from the round trips of numbers that were sent once, one at a time.
/// </summary>
internal struct RoundTrip()
{
    /// <summary>The wait before anything is known, and the shortest; RFC 6298 has a second, stacks of today a fifth of it.</summary>
    public const long ShortestTimeout = 200_000_000;

    /// <summary>The longest wait.</summary>
    public const long LongestTimeout = 20_000_000_000;

    private bool _timing;
    private uint _end;
    private long _began;
    private long _smoothed;
    private long _variation;

    /// <summary>The wait, in nanoseconds.</summary>
    public long Timeout { get; private set; } = ShortestTimeout;

    /// <summary>Times numbers sent for the first time, unless others are timed already.</summary>
    public void Begin(uint end, long now)
    {
        if (_timing)
            return;
        _timing = true;
        _end = end;
        _began = now;
    }

    /// <summary>Forgets what was timed: it was sent again, and nobody can tell which of the two is answered (§3).</summary>
    public void Forget() => _timing = false;

    /// <summary>Takes the round trip where what was timed is acknowledged; whether it was.</summary>
    public bool Acknowledged(uint number, long now)
    {
        if (!_timing || (int)(number - _end) < 0)
            return false;
        _timing = false;
        long sample = now - _began;
        _variation = _smoothed == 0 ? sample / 2 : _variation + ((Math.Abs(_smoothed - sample) - _variation) / 4);
        _smoothed = _smoothed == 0 ? sample : _smoothed + ((sample - _smoothed) / 8);
        Timeout = Math.Clamp(_smoothed + (4 * _variation), ShortestTimeout, LongestTimeout);
        return true;
    }
}
