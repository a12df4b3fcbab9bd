using System.Numerics;

namespace Hypervisor.Core.Scheduling.Simulation;

/// <summary>Counts of nanoseconds in buckets whose width is a 32nd of their octave: percentiles are right to 3 %.</summary>
public sealed class LatencyHistogram
{
    private const int BucketsPerOctave = 32;
    private const int Shift = 5;

    // As long as the largest value seen needs: a simulation has many of these.
    private long[] _counts = [];

    /// <summary>How many were counted.</summary>
    public long Count { get; private set; }

    /// <summary>The largest, exactly.</summary>
    public long Longest { get; private set; }

    /// <summary>The value below or at which a fraction of them lies; 0 where there are none.</summary>
    /// <param name="fraction">0 to 1: 0.99 for the 99th percentile.</param>
    public long Percentile(double fraction)
    {
        long wanted = Math.Max(1, (long)Math.Ceiling(fraction * Count));
        long seen = 0;
        for (int bucket = 0; bucket < _counts.Length && Count > 0; bucket++)
        {
            seen += _counts[bucket];
            if (seen >= wanted)
                return Math.Min(Longest, UpperEnd(bucket));
        }

        return 0;
    }

    internal void Add(long nanoseconds)
    {
        Count++;
        Longest = Math.Max(Longest, nanoseconds);
        int bucket = BucketOf(nanoseconds);
        if (bucket >= _counts.Length)
            Array.Resize(ref _counts, bucket + BucketsPerOctave);
        _counts[bucket]++;
    }

    private static int BucketOf(long value)
    {
        if (value < BucketsPerOctave)
            return (int)value;
        int octave = BitOperations.Log2((ulong)value) - Shift;
        return ((octave + 1) * BucketsPerOctave) + (int)(value >> octave) - BucketsPerOctave;
    }

    private static long UpperEnd(int bucket)
    {
        if (bucket < BucketsPerOctave)
            return bucket;
        int octave = (bucket / BucketsPerOctave) - 1;
        long mantissa = (bucket % BucketsPerOctave) + BucketsPerOctave;
        return ((mantissa + 1) << octave) - 1;
    }
}
