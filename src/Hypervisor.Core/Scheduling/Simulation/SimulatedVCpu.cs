namespace Hypervisor.Core.Scheduling.Simulation;

/// <summary>A synthetic vCPU: when it comes and goes, and how it runs and sleeps.</summary>
/// <param name="Name">What reports call it.</param>
/// <param name="Parameters">Its weight, slice and affinity when it arrives.</param>
public sealed record SimulatedVCpu(string Name, SchedulingParameters Parameters)
{
    /// <summary>
    /// How long it runs and sleeps: run, sleep, run, sleep and so on, again from the start at the end. Empty for one that always
    /// runs. An even number of spans; a sleep of 0 gives up the rest of the slice.
    /// </summary>
    public IReadOnlyList<SimulatedSpan> Phases { get; init; } = [];

    /// <summary>When it arrives, in nanoseconds from the start.</summary>
    public long Arrives { get; init; }

    /// <summary>When it leaves; <see cref="long.MaxValue"/> for never.</summary>
    public long Leaves { get; init; } = long.MaxValue;

    /// <summary>Moments at which its parameters change, in order of time.</summary>
    public IReadOnlyList<(long At, SchedulingParameters Parameters)> Changes { get; init; } = [];
}

/// <summary>A length of time, drawn evenly between two bounds.</summary>
/// <param name="Least">The shortest, in nanoseconds.</param>
/// <param name="Most">The longest.</param>
public readonly record struct SimulatedSpan(long Least, long Most);
