using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Scheduling.Simulation;

namespace Hypervisor.Host.Schedule;

/// <summary>A workload for policies: synthetic vCPUs and how long to watch them.</summary>
internal sealed record ScheduleWorkload
{
    public int Cpus { get; init; } = 1;

    public long Duration { get; init; } = 10_000_000_000;

    public long Slice { get; init; } = 1_000_000;

    public long SwitchCost { get; init; }

    public ulong Seed { get; init; } = 1;

    public IReadOnlyList<string> Schedulers { get; init; } = [Core.Scheduling.Schedulers.Names[0]];

    public IReadOnlyList<SimulatedVCpu> VCpus { get; init; } = [];

    /// <summary>Runs it under a policy.</summary>
    public SimulationResult Simulate(string scheduler, CancellationToken cancellation)
        => new ScheduleSimulation(Core.Scheduling.Schedulers.Create(scheduler, Cpus, Slice), Cpus, VCpus, Seed, SwitchCost).Run(Duration, cancellation);
}
