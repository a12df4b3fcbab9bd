namespace Hypervisor.Core.Network;

/// <summary>What a link does to frames on their way to the station at its end.</summary>
internal sealed record LinkOptions
{
    /// <summary>Nanoseconds a frame travels.</summary>
    public long LatencyNanoseconds { get; init; }

    /// <summary>Bits a second, in each direction; 0 for no limit.</summary>
    public long BitsPerSecond { get; init; }

    /// <summary>The share of frames that is lost, from 0 to 1.</summary>
    public double Loss { get; init; }

    /// <summary>Bytes that may wait for the station; frames beyond are dropped.</summary>
    public int QueueBytes { get; init; } = 512 << 10;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="HypervisorException">A value is out of range.</exception>
    public void Validate()
    {
        if (LatencyNanoseconds is < 0 or > 3_600_000_000_000)
            throw new HypervisorException($"A link's latency lies between 0 and an hour, not {LatencyNanoseconds} ns.");
        if (BitsPerSecond is not 0 and (< 1000 or > 1_000_000_000_000))
            throw new HypervisorException($"A link carries 1 kbit/s to 1 Tbit/s, or 0 for no limit, not {BitsPerSecond} bit/s.");
        if (!(Loss is >= 0 and <= 1))
            throw new HypervisorException($"A link loses a share between 0 and 1 of its frames, not {Loss}.");
        if (QueueBytes is < 2048 or > 1 << 30)
            throw new HypervisorException($"A link's queue has 2048 bytes to 1 GiB, not {QueueBytes}.");
    }
}
