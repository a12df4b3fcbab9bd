using System.Diagnostics;

namespace Hypervisor.Core.Time;

/// <summary>The host's monotonic clock, from the moment this object was made.</summary>
public sealed class RealClock : IClock
{
    private static readonly bool s_ticksAreNanoseconds = Stopwatch.Frequency == 1_000_000_000;
    private readonly long _start = Stopwatch.GetTimestamp();

    /// <inheritdoc/>
    public long NowNanoseconds
    {
        get
        {
            // Read several times at each change of task: 128-bit arithmetic is for hosts whose clock needs it.
            long ticks = Stopwatch.GetTimestamp() - _start;
            return s_ticksAreNanoseconds ? ticks : (long)((Int128)ticks * 1_000_000_000 / Stopwatch.Frequency);
        }
    }
}
