namespace Hypervisor.Core.Machine;

/// <summary>How a host loop keeps time.</summary>
public enum HostClock : byte
{
    /// <summary>
    /// Discrete-event simulation on the calling thread: time is instructions retired times a rate. The same machines and
    /// calls always give the same results, whatever the host does meanwhile.
    /// </summary>
    Virtual,

    /// <summary>The host's monotonic clock, with a thread for each physical CPU.</summary>
    Real,
}

/// <summary>What a <see cref="HypervisorHost"/> is made of.</summary>
public sealed record HostOptions
{
    /// <summary>Physical CPUs, 1 to 64: simulated ones in virtual time, threads in real time.</summary>
    public int PhysicalCpus { get; init; } = 1;

    /// <summary>The scheduling policy, as <see cref="Scheduling.Schedulers.Create"/> knows it.</summary>
    public string Scheduler { get; init; } = "eevdf";

    /// <summary>Whether machines may be in groups (<see cref="Scheduling.SchedulingParameters.Group"/>) around that policy.</summary>
    public bool Groups { get; init; }

    /// <summary>The policy's slice in nanoseconds, at least 1000.</summary>
    public long SliceNanoseconds { get; init; } = 1_000_000;

    /// <summary>How time is kept.</summary>
    public HostClock Clock { get; init; } = HostClock.Virtual;

    /// <summary>In virtual time, picoseconds an instruction takes, 1 to 1,000,000,000: 1000 makes a CPU of 1 GHz and one instruction a cycle.</summary>
    public long PicosecondsPerInstruction { get; init; } = 1000;

    internal void Validate()
    {
        if (PhysicalCpus is < 1 or > 64)
            throw new HypervisorException($"{PhysicalCpus} physical CPUs were asked for; a host has 1 to 64.");
        if (PicosecondsPerInstruction is < 1 or > 1_000_000_000)
            throw new HypervisorException($"{PicosecondsPerInstruction} ps an instruction were asked for; the rate lies between 1 and 1,000,000,000.");
    }
}
