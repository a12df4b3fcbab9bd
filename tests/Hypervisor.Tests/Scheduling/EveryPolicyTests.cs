using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Scheduling.Simulation;
using Property = Hypervisor.Tests.Support.Property;

namespace Hypervisor.Tests.Scheduling;

/// <summary>What every policy keeps, alone and in every combinator, over random workloads that shrink.</summary>
public sealed class EveryPolicyTests
{
    private const long Millisecond = 1_000_000;

    public static TheoryData<string> All => [.. PolicyCatalogue.Ids];

    public static TheoryData<string> Bounding => [.. PolicyCatalogue.Ids.Where(PolicyCatalogue.BoundsWaits)];

    // Time, one CPU each, affinity, work (but for the declared exceptions), caps and limits in every period.
    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_AnyWorkload_KeepsWhatAllKeep(string id)
        => Property.ForAll(Workload.Any, workload =>
        {
            (_, SimulationResult result) = workload.Simulate(PolicyCatalogue.Create(id, workload.Cpus), PolicyCatalogue.KnowsGroups(id), PolicyCatalogue.ConservesWork(id), 60 * Millisecond);
            return result.Busy + result.Idle == workload.Cpus * result.Elapsed;
        }, cases: 60);
}
