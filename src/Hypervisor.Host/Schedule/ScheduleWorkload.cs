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

    public IReadOnlyList<SchedulingGroup> Groups { get; init; } = [];

    public IReadOnlyList<SimulatedVCpu> VCpus { get; init; } = [];

    /// <summary>Runs it under a policy.</summary>
    public SimulationResult Simulate(string scheduler, CancellationToken cancellation)
        => new ScheduleSimulation(Policy(scheduler), Cpus, VCpus, Seed, SwitchCost).Run(Duration, cancellation);

    private IScheduler Policy(string scheduler) => Groups.Count == 0
        ? Core.Scheduling.Schedulers.Create(scheduler, Cpus, Slice)
        : Core.Scheduling.Schedulers.CreateGrouped(scheduler, Cpus, Slice);

    /// <summary>What the vCPUs of a group, and of the groups in it, have together.</summary>
    public long Sum(SchedulingGroup group, SimulationResult result, Func<SimulatedBooks, long> value)
    {
        long sum = 0;
        for (int i = 0; i < VCpus.Count; i++)
        {
            for (SchedulingGroup? each = VCpus[i].Parameters.Group; each is not null; each = each.Parent)
                sum += each == group ? value(result.VCpus[i]) : 0;
        }

        return sum;
    }
}
