using System.Diagnostics;

namespace Hypervisor.Core.Time;

/// <summary>The host's monotonic clock, from the moment this object was made.</summary>
public sealed class RealClock : IClock
{
    private readonly long _start = Stopwatch.GetTimestamp();

    /// <inheritdoc/>
    public long NowNanoseconds => (long)((Int128)(Stopwatch.GetTimestamp() - _start) * 1_000_000_000 / Stopwatch.Frequency);
}
