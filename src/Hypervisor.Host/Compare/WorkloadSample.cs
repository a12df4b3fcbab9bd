using Hypervisor.Core.Engine;
using Hypervisor.Guests.BuiltIn;

namespace Hypervisor.Host.Compare;

/// <summary>One run of one workload in one mode, between its marks.</summary>
internal sealed record WorkloadSample
{
    /// <summary>Host nanoseconds.</summary>
    public required long Nanoseconds { get; init; }

    /// <summary>Operations the guest says it did.</summary>
    public required long Operations { get; init; }

    /// <summary>Guest instructions, of program and kernel.</summary>
    public required long Retired { get; init; }

    /// <summary>Exits by reason; reasons that did not occur may be absent.</summary>
    public required IReadOnlyDictionary<VmExitReason, long> Exits { get; init; }

    /// <summary>What the program computed.</summary>
    public required ulong Checksum { get; init; }
}

/// <summary>Runs workloads in one mode.</summary>
internal interface IModeRunner
{
    /// <summary>The mode's name.</summary>
    string Mode { get; }

    /// <summary>Makes a fresh guest, runs the workload in it to its end, and says what happened between its marks.</summary>
    /// <exception cref="GuestFailedException">The guest did not come to its end.</exception>
    WorkloadSample Run(Workload workload, long iterations, CancellationToken cancellation);
}

/// <summary>A guest that was to be measured failed, or computed something else than in the other modes.</summary>
internal sealed class GuestFailedException(string message, bool modesDisagree = false) : Exception(message)
{
    /// <summary>Whether guests came to their ends with different results: the hypervisor's fault, not theirs.</summary>
    public bool ModesDisagree => modesDisagree;
}
