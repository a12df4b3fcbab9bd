using System.Diagnostics;

namespace Hypervisor.Core.Time;

/// <summary>The host's monotonic clock, from the moment this object was made.</summary>
public sealed class RealClock : IClock
{
    private const long NanosecondsPerSecond = 1_000_000_000;
    private static readonly bool s_ticksAreNanoseconds = Stopwatch.Frequency == NanosecondsPerSecond;
    private readonly long _start = Stopwatch.GetTimestamp();

    /// <inheritdoc/>
    public long NowNanoseconds
    {
        get
        {
            // Read several times at each change of task. In two parts where the host's clock counts otherwise: no product passes
            // 64 bits, and 128-bit arithmetic has no code ahead of time.
            long ticks = Stopwatch.GetTimestamp() - _start;
            if (s_ticksAreNanoseconds)
                return ticks;
            (long seconds, long rest) = Math.DivRem(ticks, Stopwatch.Frequency);
            return seconds * NanosecondsPerSecond + rest * NanosecondsPerSecond / Stopwatch.Frequency;
        }
    }
}
