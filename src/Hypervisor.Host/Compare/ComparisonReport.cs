using Hypervisor.Core.Engine;

namespace Hypervisor.Host.Compare;

/// <summary>What a comparison found: the model behind text, JSON and HTML.</summary>
internal sealed record ComparisonReport
{
    /// <summary>What it ran on.</summary>
    public required HostDescription Host { get; init; }

    /// <summary>The engine's name.</summary>
    public required string Engine { get; init; }

    /// <summary>The scheduling policy's name.</summary>
    public required string Scheduler { get; init; }

    /// <summary>Physical CPUs.</summary>
    public required int PhysicalCpus { get; init; }

    /// <summary>Whether iterations were cut for a rough figure.</summary>
    public required bool Quick { get; init; }

    /// <summary>The modes, in column order.</summary>
    public required IReadOnlyList<string> Modes { get; init; }

    /// <summary>The workloads, in row order.</summary>
    public required IReadOnlyList<WorkloadReport> Workloads { get; init; }
}

/// <summary>The machine a report was made on.</summary>
/// <param name="System">Operating system.</param>
/// <param name="Processor">Processor.</param>
/// <param name="Cores">Logical processors available.</param>
/// <param name="Runtime">.NET version.</param>
internal sealed record HostDescription(string System, string Processor, int Cores, string Runtime);

/// <summary>One row.</summary>
internal sealed record WorkloadReport
{
    /// <summary>The workload's name.</summary>
    public required string Name { get; init; }

    /// <summary>What one operation is.</summary>
    public required string Unit { get; init; }

    /// <summary>Iterations of each run.</summary>
    public required long Iterations { get; init; }

    /// <summary>What the program computed, the same in every mode.</summary>
    public required ulong Checksum { get; init; }

    /// <summary>The cells by mode.</summary>
    public required IReadOnlyDictionary<string, ModeReport> Modes { get; init; }

    /// <summary>
    /// A mode's time as a multiple of the baseline's: the median over rounds, as the runs of one round met the host in the
    /// same state. Null where the baseline was not measured.
    /// </summary>
    public double? Overhead(string mode)
        => Modes.TryGetValue(ComparePlan.Baseline, out ModeReport? bare) && Modes.TryGetValue(mode, out ModeReport? cell)
            ? Spread.Of([.. cell.Samples.Zip(bare.Samples, (own, baseline) => own / baseline)]).Median
            : null;
}

/// <summary>One cell: a workload in a mode.</summary>
internal sealed record ModeReport
{
    /// <summary>Nanoseconds for one operation.</summary>
    public required Spread Nanoseconds { get; init; }

    /// <summary>The single runs behind it, in order.</summary>
    public required IReadOnlyList<double> Samples { get; init; }

    /// <summary>Operations of one run.</summary>
    public required long Operations { get; init; }

    /// <summary>Guest instructions for one operation.</summary>
    public required double RetiredPerOperation { get; init; }

    /// <summary>Exits for one operation, by reason, the most frequent first; none that did not occur.</summary>
    public required IReadOnlyList<(VmExitReason Reason, double PerOperation)> Exits { get; init; }

    /// <summary>All exits for one operation.</summary>
    public double TotalExits => Exits.Sum(each => each.PerOperation);
}
