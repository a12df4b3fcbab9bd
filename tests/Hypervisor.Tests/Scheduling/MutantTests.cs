using FsCheck;
using FsCheck.Fluent;
using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Scheduling.Simulation;
using Property = Hypervisor.Tests.Support.Property;

namespace Hypervisor.Tests.Scheduling;

/// <summary>Faults that have been in schedulers, each built into a policy: a property must see each within the stated number of cases, and see nothing without it.</summary>
public sealed class MutantTests
{
    private const long Slice = 1_000_000;

    // SFQ whose sleepers come back with the finish tag they left with: S = F instead of max(V, F). Against the bound over spans in which both are ready.
    [Fact]
    public void SfqWithoutMaximum_IsKilled()
    {
        Assert.DoesNotContain(Enumerable.Range(0, 20), seed => !SpansHold(new PlainSfq(keepsMaximum: true), seed));
        Assert.DoesNotContain(Enumerable.Range(0, 20), seed => !SpansHold(new Sfq(1, Slice), seed));
        Assert.Contains(Enumerable.Range(0, 5), seed => !SpansHold(new PlainSfq(keepsMaximum: false), seed));
    }

    // A weight that more than one CPU would be needed for counts in full.
    [Theory]
    [InlineData("eevdf")]
    [InlineData("stride")]
    [InlineData("sfq")]
    public void InfeasibleWeightThatCounts_IsKilled(string name)
    {
        Assert.True(NewcomerIsServed(Make(lowers: true)));
        Assert.False(NewcomerIsServed(Make(lowers: false)), $"{name} that does not lower infeasible weights survived 1 case");

        IScheduler Make(bool lowers) => name switch
        {
            "eevdf" => new Eevdf(2, Slice, lowers),
            "stride" => new Stride(2, Slice, lowers),
            _ => new Sfq(2, Slice, lowers),
        };
    }

    // Whoever was removed is still in the order and picked: the checks of every policy see it.
    [Fact]
    public void RemovedOneLeftInTheOrder_IsKilled()
        => AssertKilled("a removed one left in the order", 5, inner => new LeftBehind(inner));

    // A vCPU that changes queues takes its virtual time along as it is, not what it is owed: one queue may be far ahead of another.
    [Fact]
    public void MigrationOfAbsoluteTime_IsKilled()
    {
        Assert.DoesNotContain(Enumerable.Range(0, 10), seed => !MigrationIsFair(isAbsolute: false, seed));
        Assert.Contains(Enumerable.Range(0, 5), seed => !MigrationIsFair(isAbsolute: true, seed));
    }

    [Fact]
    public void LostCallOfAnIdleCpu_IsKilled() => AssertKilled("idle CPUs that are not called", 5, inner => new Deaf(inner));

    [Fact]
    public void CapThatIsForgotten_IsKilled() => AssertKilled("caps forgotten", 10, inner => new Uncapped(inner));

    [Fact]
    public void NoFault_Survives() => Assert.False(IsKilled(30, inner => inner));

    // What a failing property says: the seed, and a workload shrunk to what is needed, with the last calls.
    [Fact]
    public void FailingProperty_ShrinksToAReadableTraceAndPrintsItsSeed()
    {
        string message = Assert.ThrowsAny<Exception>(() => Property.ForAll(Workload.Any, workload =>
        {
            workload.Simulate("stride", 60 * Slice, fault: inner => new Deaf(inner));
            return true;
        }, cases: 200)).ToString();
        string shrunk = message[message.IndexOf("Shrunk:", StringComparison.Ordinal)..];
        Assert.Contains("with size", message.Replace("with a size", "with size", StringComparison.Ordinal).Replace("invoked with size", "invoked with size", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("seed of (", message, StringComparison.Ordinal);
        Assert.Contains("idles, uncalled, while v", shrunk, StringComparison.Ordinal);
        Assert.Contains("The last calls, in µs:", shrunk, StringComparison.Ordinal);
        Assert.InRange(shrunk.Split('\n').Count(line => line.StartsWith("  v", StringComparison.Ordinal)), 1, 2);
    }

    private static void AssertKilled(string fault, int cases, Func<IScheduler, IScheduler> make)
        => Assert.True(IsKilled(cases, make), $"{fault} survived {cases} cases");

    private static bool IsKilled(int cases, Func<IScheduler, IScheduler> make)
    {
        // The same cases each time: so few may miss a fault that most of them show.
        foreach (Workload workload in Workload.Any.Generator.Sample(cases, new Rnd(1), 50))
        {
            try
            {
                workload.Simulate("eevdf", 100 * Slice, fault: make);
            }
            catch (Xunit.Sdk.XunitException)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Two of which one sleeps now and then: over every span in which both are ready they stay within their slices.</summary>
    private static bool SpansHold(IScheduler policy, int seed)
    {
        var random = new Random(seed);
        int[] weights = [random.Next(1, 10), random.Next(1, 10)];
        long run = random.Next(5, 30) * Slice;
        long sleep = random.Next(50, 100) * Slice;
        var simulator = new SchedulerSimulator(policy, 1, [new SyntheticVCpu(weights[0]), new SyntheticVCpu(weights[1], run, sleep)]);
        double bound = (Slice / (double)weights[0]) + (Slice / (double)weights[1]) + 1;
        bool holds = true;
        long since = 0;
        long[] at = [0, 0];
        double least = 0;
        double most = 0;
        simulator.Observe = now =>
        {
            // A span ends where the other one's burst does.
            if (simulator.Service[1] / run != at[1] / run)
            {
                (least, most, since) = (0, 0, -1);
                at = [simulator.Service[0], simulator.Service[1]];
                return;
            }

            if (since < 0 && simulator.Service[1] == at[1])
            {
                at[0] = simulator.Service[0];
                return;
            }

            since = now;
            double difference = ((simulator.Service[0] - at[0]) / (double)weights[0]) - ((simulator.Service[1] - at[1]) / (double)weights[1]);
            (least, most) = (Math.Min(least, difference), Math.Max(most, difference));
            holds &= most - least <= 2 * bound;
        };
        simulator.RunFor(1000 * Slice);
        return holds;
    }

    private static bool NewcomerIsServed(IScheduler policy)
    {
        var simulator = new SchedulerSimulator(policy, 2, [new(10), new(1), new(1, Arrives: 1000 * Slice)]);
        simulator.RunFor(2000 * Slice);
        return simulator.LongestWait.All(wait => wait <= 5 * Slice);
    }

    /// <summary>One that goes from a queue that has run for long to one that has not: from then on it has its half.</summary>
    private static bool MigrationIsFair(bool isAbsolute, int seed)
    {
        var random = new Random(seed);
        IScheduler[] queues = [Schedulers.Create("stride", 1, Slice), Schedulers.Create("stride", 1, Slice)];
        int turns = random.Next(200, 1000);
        for (int i = 0; i < 2; i++)
        {
            queues[0].Set(i, SchedulingParameters.Default, 0);
            queues[0].Ready(i, ReadyReason.Started, 0);
        }

        queues[1].Set(0, SchedulingParameters.Default, 0);
        queues[1].Ready(0, ReadyReason.Started, 0);
        long now = Turn(queues[0], 0, turns, []);
        Turn(queues[1], 0, 1 + (turns / 10), []);
        RemovalToken token = queues[0].Remove(1, now);
        queues[1].Set(1, SchedulingParameters.Default, now, isAbsolute ? new RemovalToken(-turns * Slice / 2) : token);
        queues[1].Ready(1, ReadyReason.Started, now);
        var service = new long[2];
        Turn(queues[1], now, 100, service);
        return Math.Abs(service[0] - service[1]) <= 3 * Slice;

        static long Turn(IScheduler policy, long now, int turns, long[] service)
        {
            for (int i = 0; i < turns; i++)
            {
                PickResult pick = policy.Pick(0, now);
                if (service.Length > 0)
                    service[pick.VCpu] += Slice;
                now += Slice;
                policy.Stopped(0, pick.VCpu, Slice, StopReason.Expired, -1, now);
            }

            return now;
        }
    }

    /// <summary>Start-time fair queueing as its paper reads, for one CPU.</summary>
    private sealed class PlainSfq(bool keepsMaximum) : IScheduler
    {
        private readonly SortedDictionary<int, (int Weight, double Tag, bool IsReady)> _of = [];
        private double _virtual;

        public string Name => "plain-sfq";

        public CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default)
        {
            _of[vcpu] = (parameters.Weight, 0, false);
            return CpuSet.None;
        }

        public CpuSet Ready(int vcpu, ReadyReason reason, long now)
        {
            (int weight, double tag, _) = _of[vcpu];
            _of[vcpu] = (weight, keepsMaximum ? Math.Max(_virtual, tag) : tag, true);
            return CpuSet.None;
        }

        public PickResult Pick(int cpu, long now)
        {
            var ready = _of.Where(each => each.Value.IsReady).OrderBy(each => each.Value.Tag).Select(each => each.Key).ToList();
            if (ready.Count == 0)
                return PickResult.Idle;
            _virtual = _of[ready[0]].Tag;
            return new PickResult(ready[0], now + Slice, long.MaxValue);
        }

        public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
        {
            (int weight, double tag, _) = _of[vcpu];
            _of[vcpu] = (weight, tag + (used / (double)weight), reason != StopReason.Blocked);
            return CpuSet.None;
        }

        public RemovalToken Remove(int vcpu, long now)
        {
            _of.Remove(vcpu);
            return default;
        }
    }

    /// <summary>A policy that passes things on, but for what a fault changes.</summary>
    private abstract class Passing(IScheduler inner) : IScheduler
    {
        public string Name => inner.Name;

        public virtual CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default) => inner.Set(vcpu, in parameters, now, arriving);

        public virtual CpuSet Ready(int vcpu, ReadyReason reason, long now) => inner.Ready(vcpu, reason, now);

        public PickResult Pick(int cpu, long now) => inner.Pick(cpu, now);

        public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now) => inner.Stopped(cpu, vcpu, used, reason, yieldTo, now);

        public virtual RemovalToken Remove(int vcpu, long now) => inner.Remove(vcpu, now);
    }

    private sealed class LeftBehind(IScheduler inner) : Passing(inner)
    {
        public override RemovalToken Remove(int vcpu, long now) => default;
    }

    private sealed class Deaf(IScheduler inner) : Passing(inner)
    {
        public override CpuSet Ready(int vcpu, ReadyReason reason, long now)
        {
            base.Ready(vcpu, reason, now);
            return CpuSet.None;
        }
    }

    private sealed class Uncapped(IScheduler inner) : Passing(inner)
    {
        public override CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default)
            => base.Set(vcpu, parameters with { Cap = default }, now, arriving);
    }
}
