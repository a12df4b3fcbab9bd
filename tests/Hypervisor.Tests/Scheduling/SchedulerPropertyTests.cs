using FsCheck;
using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Core.Scheduling;
using Hypervisor.Tests.Support;
using Property = Hypervisor.Tests.Support.Property;

namespace Hypervisor.Tests.Scheduling;

/// <summary>The bounds that each policy promises, and what all must keep, over random workloads.</summary>
public sealed class SchedulerPropertyTests
{
    private const long Slice = 1_000_000;

    public static TheoryData<string> Policies => [.. Schedulers.Names, .. Combined];

    /// <summary>Combinators around policies.</summary>
    internal static string[] Combined => ["partitioned:eevdf", "partitioned:stride", "partitioned:round-robin", "partitioned:lottery", "gang:eevdf", "gang:stride", "gang:round-robin"];

    /// <summary>What a random case is made of; FsCheck prints it where a property fails.</summary>
    public sealed record Case(int Cpus, int[] Weights, int[] Runs, int[] Sleeps, int Seed);

    private static Gen<Case> Cases =>
        from cpus in Gen.Choose(1, 4)
        from count in Gen.Choose(1, 12)
        from weights in Gen.Choose(1, 1000).ArrayOf(count)
        from runs in Gen.Choose(1, 3_000).ArrayOf(count)
        from sleeps in Gen.Choose(0, 5_000).ArrayOf(count)
        from seed in Gen.Choose(0, int.MaxValue)
        select new Case(cpus, weights, runs, sleeps, seed);

    /// <summary>All but the cyclic table, whose promise is that CPUs idle in the windows of those who sleep.</summary>
    public static TheoryData<string> ConservingPolicies => [.. Schedulers.Names.Where(name => name != "cyclic"), .. Combined];

    [Theory]
    [MemberData(nameof(ConservingPolicies))]
    public void AnyPolicy_AnyWorkload_ConservesTimeAndWork(string name)
        => Property.ForAll(Cases, test =>
        {
            Simulate(Schedulers.Create(name, test.Cpus, Slice), test).RunFor(200_000_000);
            return true;
        }, cases: 300);

    [Theory]
    [MemberData(nameof(Policies))]
    public void AnyPolicy_SameInputLaterStart_GivesTheSameTrace(string name)
        => Property.ForAll(Cases, test =>
        {
            SchedulerSimulator first = Simulate(Schedulers.Create(name, test.Cpus, Slice), test);
            SchedulerSimulator second = Simulate(Schedulers.Create(name, test.Cpus, Slice), test, start: 123_456_789_000);
            first.RunFor(100_000_000);
            second.RunFor(100_000_000);
            return first.Trace.SequenceEqual(second.Trace);
        }, cases: 100);

    [Fact]
    public void RoundRobin_AlwaysReady_WaitsAndSpreadAreBounded()
        => Property.ForAll(Gen.Choose(1, 40), count => RoundRobinHolds(new RoundRobin(1, Slice), count), cases: 40);

    [Fact]
    public void Stride_AlwaysReady_PairsDifferByAtMostASliceEach()
        => Property.ForAll(Cases, test => StrideHolds(new Stride(1, Slice), test.Weights), cases: 300);

    [Fact]
    public void Stride_Sleeper_GainsNothingByHavingSlept()
        => Property.ForAll(Cases, test => SleeperHolds(new Stride(1, Slice), test.Runs[0] * 1000L, test.Sleeps[0] * 1000L + 1), cases: 200);

    [Fact]
    public void Stride_LongSleeper_DoesNotCatchUp() => Assert.True(LongSleeperHolds(new Stride(1, Slice)));

    [Fact]
    public void Stride_PartialRuns_AreChargedForWhatTheyUsed()
        => Property.ForAll(Gen.Choose(1, 1_000_000), run => PartialRunsHold(new Stride(1, Slice), run), cases: 100);

    [Fact]
    public void Stride_Weights_AreSharesOnOneCpu()
    {
        int[] weights = [1, 2, 4, 8];
        var simulator = new SchedulerSimulator(new Stride(1, Slice), 1, [.. weights.Select(weight => new SyntheticVCpu(weight))]);
        simulator.RunFor(10_000_000_000);
        for (int i = 0; i < weights.Length; i++)
            Assert.InRange(simulator.Service[i] / 10_000_000_000.0, weights[i] / 15.0 - 0.001, weights[i] / 15.0 + 0.001);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void AnyPolicy_Affinity_IsKeptAndNobodyStarves(string name)
    {
        SyntheticVCpu[] vcpus = [.. Enumerable.Range(0, 8).Select(i => new SyntheticVCpu(100, Affinity: 1UL << (i & 1) | (i == 7 ? 2UL : 0)))];
        var simulator = new SchedulerSimulator(Schedulers.Create(name, 2, Slice), 2, vcpus);
        simulator.RunFor(1_000_000_000);
        Assert.All(simulator.Service, service => Assert.True(service > 50_000_000));

        // A lottery bounds nothing: at five tickets a CPU a wait of a hundred draws has a chance of (4/5)^100.
        Assert.All(simulator.LongestWait, wait => Assert.True(wait < (name.EndsWith("lottery", StringComparison.Ordinal) ? 100 : 20) * Slice));
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void AnyPolicy_AfterWarmUp_AllocatesNothing(string name)
    {
        IScheduler policy = Schedulers.Create(name, 1, Slice);
        for (int i = 0; i < 1000; i++)
        {
            policy.Set(i, new SchedulingParameters(1 + i % 7, 0, CpuSet.All), 0);
            policy.Ready(i, ReadyReason.Started, 0);
        }

        long now = 0;
        Turn(1000);
        Assert.Equal(0, Allocations.Of(() => Turn(100_000)));

        void Turn(int times)
        {
            for (int i = 0; i < times; i++)
            {
                PickResult pick = policy.Pick(0, now);
                now += 1000;
                bool block = i % 5 == 0;
                policy.Stopped(0, pick.VCpu, 1000, block ? StopReason.Blocked : StopReason.Expired, -1, now);
                if (block)
                    policy.Ready(pick.VCpu, ReadyReason.Woken, now);
            }
        }
    }

    [Fact]
    public void Create_BadInput_SaysWhatAndWhatToDo()
    {
        Assert.Contains("eevdf, stride", Message(() => Schedulers.Create("fastest", 1)), StringComparison.Ordinal);
        Assert.Contains("1 to 64", Message(() => Schedulers.Create("stride", 0)), StringComparison.Ordinal);
        Assert.Contains("1 to 64", Message(() => Schedulers.Create("stride", 65)), StringComparison.Ordinal);
        Assert.Contains("1000", Message(() => Schedulers.Create("stride", 1, 10)), StringComparison.Ordinal);
        foreach (string name in Schedulers.Names)
        {
            IScheduler policy = Schedulers.Create(name, 1);
            foreach (SchedulingParameters wrong in new SchedulingParameters[] { new(0, 0, CpuSet.All), new(-5, 0, CpuSet.All), new(int.MaxValue, 0, CpuSet.All), new(1, 999, CpuSet.All), new(1, -1, CpuSet.All), new(1, long.MaxValue, CpuSet.All), new(1, 0, CpuSet.None), new(1, 0, CpuSet.Of(5)) })
                Assert.Contains("vCPU 3", Message(() => policy.Set(3, in wrong, 0)), StringComparison.Ordinal);
        }

        static string Message(Action action) => Assert.Throws<HypervisorException>(action).Message;
    }

    // Each mutant is a policy with one known fault; the properties above must see it within the stated number of cases.
    [Fact]
    public void Mutants_EachFault_IsSeenByAProperty()
    {
        AssertKilled("stride that ignores weight", 20, test => StrideHolds(new Mutant(new Stride(1, Slice)) { Weight = 100 }, test.Weights));
        AssertKilled("stride that charges nothing for partial runs", 5, test => PartialRunsHold(new Mutant(new Stride(1, Slice)) { FreeBelow = Slice }, 900_000));
        AssertKilled("round robin that never rotates", 5, test => RoundRobinHolds(new Stuck(Slice), Math.Max(2, test.Weights.Length)));
        AssertKilled("a policy that idles with work waiting", 50, test => Holds(() => Simulate(new Mutant(Schedulers.Create("stride", test.Cpus, Slice)) { IdleEvery = 7 }, test).RunFor(200_000_000)));
        AssertKilled("a sleeper that is never charged", 50, test => SleeperHolds(new Mutant(new Stride(1, Slice)) { SleepsFree = true }, test.Runs[0] * 1000L, test.Sleeps[0] * 1000L + 1));

        AssertKilled("a policy that calls no idle CPU", 50, test => Holds(() => Simulate(new Mutant(Schedulers.Create("stride", test.Cpus, Slice)) { NeverKicks = true }, test).RunFor(200_000_000)));
        AssertKilled("stride that does not lift the pass of one that slept", 50, test => LongSleeperHolds(new NoLift(Slice)));

        static void AssertKilled(string fault, int cases, Func<Case, bool> property)
        {
            bool killed = false;
            foreach (Case test in Cases.Sample(cases, new Rnd(1), 50))
            {
                if (!Holds(() => Assert.True(property(test))))
                {
                    killed = true;
                    break;
                }
            }

            Assert.True(killed, $"{fault} survived {cases} cases");
        }

        static bool Holds(Action action)
        {
            try
            {
                action();
                return true;
            }
            catch (Xunit.Sdk.XunitException)
            {
                return false;
            }
        }
    }

    [Theory]
    [InlineData("stride")]
    [InlineData("sfq")]
    [InlineData("eevdf")]
    public void FairPolicy_AlwaysReady_PairsStayWithinTheirSlices(string name)
        => Property.ForAll(Cases, test => StrideHolds(Schedulers.Create(name, 1, Slice), test.Weights, name == "eevdf" ? 2 : 1), cases: 200);

    [Fact]
    public void Credit2_WeightsWithinItsRange_PairsDifferByAtMostItsMinimumEach()
        => Property.ForAll(Gen.Choose(100, 1000).ArrayOf(6), weights => StrideHolds(new Credit2(1, Slice), weights), cases: 200);

    [Fact]
    public void Lottery_ManyDraws_SharesAndWaitsFollowTheOdds()
    {
        int[] weights = [1, 2, 4, 8];
        const int Draws = 100_000;
        var wins = new int[weights.Length];
        int last = 0;
        int longWaits = 0;
        var policy = new Lottery(1, Slice, seed: 7);
        for (int i = 0; i < weights.Length; i++)
        {
            policy.Set(i, new SchedulingParameters(weights[i], 0, CpuSet.All), 0);
            policy.Ready(i, ReadyReason.Started, 0);
        }

        for (int draw = 1; draw <= Draws; draw++)
        {
            int winner = policy.Pick(0, draw * Slice).VCpu;
            policy.Stopped(0, winner, Slice, StopReason.Expired, -1, (draw + 1) * Slice);
            wins[winner]++;
            if (winner == 2)
            {
                longWaits += draw - last > 10 ? 1 : 0;
                last = draw;
            }
        }

        for (int i = 0; i < weights.Length; i++)
        {
            double p = weights[i] / 15.0;
            Assert.InRange(wins[i], (Draws * p) - (5 * Math.Sqrt(Draws * p * (1 - p))), (Draws * p) + (5 * Math.Sqrt(Draws * p * (1 - p))));
        }

        double rare = Math.Pow(11 / 15.0, 10);
        Assert.InRange(longWaits / (double)wins[2], rare * 0.9, rare * 1.1);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void AnyPolicy_AffinityChanged_CallsTheCpusConcerned(string name)
    {
        IScheduler policy = Schedulers.Create(name, 2, Slice);
        for (int i = 0; i < 2; i++)
        {
            policy.Set(i, new SchedulingParameters(100, 0, CpuSet.Of(0)), 0);
            policy.Ready(i, ReadyReason.Started, 0);
        }

        int running = policy.Pick(0, 0).VCpu;
        Assert.Equal(-1, policy.Pick(1, 0).VCpu);
        Assert.Equal(CpuSet.Of(1), policy.Set(1 - running, new SchedulingParameters(100, 0, CpuSet.All), 10));
        Assert.Equal(1 - running, policy.Pick(1, 10).VCpu);
        Assert.Equal(CpuSet.Of(0), policy.Set(running, new SchedulingParameters(100, 0, CpuSet.Of(1)), 20));
        policy.Stopped(0, running, 20, StopReason.Preempted, -1, 20);
        Assert.Equal(-1, policy.Pick(0, 20).VCpu);
    }

    [Theory]
    [InlineData("stride")]
    [InlineData("sfq")]
    [InlineData("eevdf")]
    public void FairPolicy_WeightChangedWhileRunning_ChargesEachPartAtItsOwnWeight(string name)
    {
        // Half a slice at weight 1, half at weight 100, beside one of weight 1: it is then owed nothing worth speaking of, and
        // gets 100 of 101 from here on. Charged whole at weight 1 or 100 it would be a half slice wrong either way.
        IScheduler policy = Schedulers.Create(name, 1, Slice);
        for (int i = 0; i < 2; i++)
        {
            policy.Set(i, new SchedulingParameters(1, 0, CpuSet.All), 0);
            policy.Ready(i, ReadyReason.Started, 0);
        }

        int first = policy.Pick(0, 0).VCpu;
        policy.Set(first, new SchedulingParameters(100, 0, CpuSet.All), Slice / 2);
        policy.Stopped(0, first, Slice, StopReason.Expired, -1, Slice);
        Assert.Equal(1 - first, policy.Pick(0, Slice).VCpu);
        policy.Stopped(0, 1 - first, Slice, StopReason.Expired, -1, 2 * Slice);
        long[] service = [0, 0];
        long now = 2 * Slice;
        for (int i = 0; i < 1010; i++)
        {
            PickResult pick = policy.Pick(0, now);
            service[pick.VCpu] += pick.RunUntil - now;
            policy.Stopped(0, pick.VCpu, pick.RunUntil - now, StopReason.Expired, -1, pick.RunUntil);
            now = pick.RunUntil;
        }

        Assert.InRange(service[1 - first] / (double)Slice, 8, 12);
    }

    /// <summary>Gangs hand a CPU on inside a gang only.</summary>
    public static TheoryData<string> YieldingPolicies => [.. Schedulers.Names.Where(name => name != "cyclic"), .. Combined.Where(name => name.StartsWith("part", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(YieldingPolicies))]
    public void AnyPolicy_DirectedYield_RunsTheOneNamedNext(string name)
    {
        IScheduler policy = Schedulers.Create(name, 1, Slice);
        for (int i = 0; i < 5; i++)
        {
            policy.Set(i, SchedulingParameters.Default, 0);
            policy.Ready(i, ReadyReason.Started, 0);
        }

        int first = policy.Pick(0, 0).VCpu;
        int favoured = first == 4 ? 3 : 4;
        policy.Stopped(0, first, 10, StopReason.Yielded, favoured, 10);
        Assert.Equal(favoured, policy.Pick(0, 10).VCpu);
        policy.Stopped(0, favoured, 10, StopReason.Yielded, 99, 20); // One that is not there favours nobody.
        Assert.InRange(policy.Pick(0, 20).VCpu, 0, 4);
    }

    // More weight gives more time, by the difference of the fluid shares but for what the policy may be off.
    [Theory]
    [InlineData("eevdf", false)]
    [InlineData("stride", true)]
    [InlineData("sfq", true)]
    public void FairPolicy_MoreWeight_GivesTheMoreTime(string name, bool isOffByMembers)
        => Property.ForAll(Cases, test => MonotoneHolds(() => Schedulers.Create(name, 1, Slice), test, isOffByMembers ? test.Weights.Length + 2 : 2), cases: 200);

    [Fact]
    public void Mutants_OfWeight_BreakMonotony()
    {
        Assert.Contains(Cases.Sample(20, new Rnd(1), 50), test => !MonotoneHolds(() => new Mutant(new Eevdf(1, Slice)) { InvertsWeights = true }, test, 2));
        Assert.Contains(Cases.Sample(20, new Rnd(1), 50), test => !MonotoneHolds(() => new Mutant(new Eevdf(1, Slice)) { Weight = 100 }, test, 2));
    }

    private static bool MonotoneHolds(Func<IScheduler> make, Case test, int slices)
    {
        int heavier = test.Weights[0] + 1 + (test.Seed % 1000);
        double others = test.Weights.Skip(1).Sum();
        double due = 400 * Slice * ((heavier / (heavier + others)) - (test.Weights[0] / (test.Weights[0] + others)));
        return Service(heavier) - Service(test.Weights[0]) > due - (slices * Slice) - 1;

        long Service(int weight)
        {
            var simulator = new SchedulerSimulator(make(), 1, [new(weight), .. test.Weights.Skip(1).Select(each => new SyntheticVCpu(each))]);
            simulator.RunFor(400 * Slice);
            return simulator.Service[0];
        }
    }

    // Who leaves one domain and enters another is owed there what it was owed here.
    [Theory]
    [InlineData("eevdf")]
    [InlineData("stride")]
    [InlineData("sfq")]
    public void RemovalToken_TakenToAnotherDomain_CarriesWhatIsOwed(string name)
        => Property.ForAll(Cases, test =>
        {
            IScheduler from = Started(test);
            IScheduler to = Started(test);
            long now = 0;
            Turn(from, 0, 37 + (test.Seed % 20));
            long untilFirst = now;
            Turn(to, 0, 37 + (test.Seed % 20));
            RemovalToken token = from.Remove(0, untilFirst);
            const int There = 1000;
            to.Set(There, new SchedulingParameters(test.Weights[0], 0, CpuSet.All), untilFirst, token);
            RemovalToken back = to.Remove(There, untilFirst);
            return Math.Abs(back.Lag - token.Lag) <= test.Weights[0];

            IScheduler Started(Case test)
            {
                IScheduler policy = Schedulers.Create(name, 1, Slice);
                for (int i = 0; i < test.Weights.Length; i++)
                {
                    policy.Set(i, new SchedulingParameters(test.Weights[i], 0, CpuSet.All), 0);
                    policy.Ready(i, ReadyReason.Started, 0);
                }

                return policy;
            }

            void Turn(IScheduler policy, long start, int turns)
            {
                now = start;
                for (int i = 0; i < turns; i++)
                {
                    PickResult pick = policy.Pick(0, now);
                    policy.Stopped(0, pick.VCpu, pick.RunUntil - now, StopReason.Expired, -1, pick.RunUntil);
                    now = pick.RunUntil;
                }
            }
        }, cases: 100);

    private static bool RoundRobinHolds(IScheduler policy, int count)
    {
        var simulator = new SchedulerSimulator(policy, 1, [.. Enumerable.Range(0, count).Select(_ => new SyntheticVCpu(100))]);
        simulator.Observe = _ => Assert.True(simulator.Service.Max() - simulator.Service.Min() <= Slice, "services differ by more than a slice");
        simulator.RunFor(200 * Slice);
        return simulator.LongestWait.All(wait => wait <= (count - 1) * Slice);
    }

    private static bool StrideHolds(IScheduler policy, int[] weights, int slices = 1)
    {
        var simulator = new SchedulerSimulator(policy, 1, [.. weights.Select(weight => new SyntheticVCpu(weight))]);
        simulator.Observe = _ =>
        {
            for (int i = 0; i < weights.Length; i++)
            {
                for (int j = 0; j < i; j++)
                {
                    double difference = Math.Abs(simulator.Service[i] / (double)weights[i] - simulator.Service[j] / (double)weights[j]);
                    Assert.True(difference <= slices * Slice * (1.0 / weights[i] + 1.0 / weights[j]) + 1, $"vCPUs {i} and {j} differ by {difference}");
                }
            }
        };
        simulator.RunFor(400 * Slice);
        return true;
    }

    /// <summary>One that was away for a hundred slices gets its half from then on, and none of what it missed.</summary>
    private static bool LongSleeperHolds(IScheduler policy)
    {
        var simulator = new SchedulerSimulator(policy, 1, [new SyntheticVCpu(100, Run: 20 * Slice, Sleep: 200 * Slice), new SyntheticVCpu(100)]);
        simulator.RunFor(1000 * Slice);
        return simulator.LongestWait[1] <= 2 * Slice;
    }

    /// <summary>One that gives up its slice early, again and again, gets as much as one that never does.</summary>
    private static bool PartialRunsHold(IScheduler policy, long run)
    {
        var simulator = new SchedulerSimulator(policy, 1, [new SyntheticVCpu(100, run), new SyntheticVCpu(100)]);
        simulator.RunFor(100 * Slice);
        return Math.Abs(simulator.Service[0] - simulator.Service[1]) <= 2 * Slice;
    }

    /// <summary>One that runs a burst and sleeps, beside one that always runs, never gets more than half of what it is ready for, plus a slice.</summary>
    private static bool SleeperHolds(IScheduler policy, long run, long sleep)
    {
        var simulator = new SchedulerSimulator(policy, 1, [new SyntheticVCpu(100, run, sleep), new SyntheticVCpu(100)]);
        simulator.RunFor(500 * Slice);
        long busy = simulator.Service[0];
        int bursts = simulator.Trace.Count(entry => entry.VCpu == 0);

        // Were sleeping worth anything, the always-running one would fall below its half by more than a slice for the whole run.
        return simulator.Service[1] >= 500 * Slice / 2 - Slice - Math.Min(run, Slice) && busy <= 500 * Slice / 2 + 2 * Slice && bursts > 0
            && simulator.LongestWait[1] <= Slice + Math.Min(run, Slice);
    }

    private static SchedulerSimulator Simulate(IScheduler policy, Case test, long start = 0)
    {
        var random = new Random(test.Seed);
        var vcpus = new SyntheticVCpu[test.Weights.Length];
        for (int i = 0; i < vcpus.Length; i++)
        {
            long arrives = random.Next(3) == 0 ? random.Next(50_000_000) : 0;
            long leaves = random.Next(4) == 0 ? arrives + random.Next(1, 80_000_000) : long.MaxValue;
            ulong affinity = random.Next(3) == 0 ? 1UL << random.Next(test.Cpus) : ulong.MaxValue;
            vcpus[i] = new SyntheticVCpu(test.Weights[i], test.Runs[i] * 1000L, test.Sleeps[i] * 1000L, arrives, leaves, affinity);
        }

        return new SchedulerSimulator(policy, test.Cpus, vcpus, mustConserveWork: policy.Name != "cyclic", start: start);
    }

    /// <summary>A policy with a fault switched on.</summary>
    private sealed class Mutant(IScheduler inner) : IScheduler
    {
        private int _picks;

        public int? Weight { get; init; }

        public bool InvertsWeights { get; init; }

        public long FreeBelow { get; init; }

        public int IdleEvery { get; init; }

        public bool SleepsFree { get; init; }

        public bool NeverKicks { get; init; }

        public string Name => inner.Name;

        public CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default) => inner.Set(vcpu, parameters with { Weight = Weight ?? (InvertsWeights ? 3000 - parameters.Weight : parameters.Weight) }, now, arriving);

        public CpuSet Ready(int vcpu, ReadyReason reason, long now)
        {
            CpuSet kicks = inner.Ready(vcpu, reason, now);
            return NeverKicks ? CpuSet.None : kicks;
        }

        public PickResult Pick(int cpu, long now) => IdleEvery != 0 && ++_picks % IdleEvery == 0 ? PickResult.Idle : inner.Pick(cpu, now);

        public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
            => inner.Stopped(cpu, vcpu, used < FreeBelow || (SleepsFree && reason == StopReason.Blocked) || (SleepsFree && vcpu == 0) ? 0 : used, reason, yieldTo, now);

        public RemovalToken Remove(int vcpu, long now) => inner.Remove(vcpu, now);
    }

    /// <summary>Stride without the lift: whoever slept comes back with the pass it left with.</summary>
    private sealed class NoLift(long slice) : IScheduler
    {
        private readonly Dictionary<int, long> _pass = [];
        private readonly SortedSet<int> _ready = [];

        public string Name => "no-lift";

        public CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default)
        {
            _pass[vcpu] = 0;
            return CpuSet.None;
        }

        public CpuSet Ready(int vcpu, ReadyReason reason, long now)
        {
            _ready.Add(vcpu);
            return CpuSet.None;
        }

        public PickResult Pick(int cpu, long now)
        {
            if (_ready.Count == 0)
                return PickResult.Idle;
            int vcpu = _ready.MinBy(id => _pass[id]);
            _ready.Remove(vcpu);
            return new PickResult(vcpu, now + slice, long.MaxValue);
        }

        public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
        {
            _pass[vcpu] += used;
            if (reason != StopReason.Blocked)
                _ready.Add(vcpu);
            return CpuSet.None;
        }

        public RemovalToken Remove(int vcpu, long now)
        {
            _ready.Remove(vcpu);
            return default;
        }
    }

    /// <summary>Runs the first ready vCPU for ever.</summary>
    private sealed class Stuck(long slice) : IScheduler
    {
        private readonly SortedSet<int> _ready = [];

        public string Name => "stuck";

        public CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default) => CpuSet.None;

        public CpuSet Ready(int vcpu, ReadyReason reason, long now)
        {
            _ready.Add(vcpu);
            return CpuSet.None;
        }

        public PickResult Pick(int cpu, long now)
        {
            if (_ready.Count == 0)
                return PickResult.Idle;
            int vcpu = _ready.Min;
            _ready.Remove(vcpu);
            return new PickResult(vcpu, now + slice, long.MaxValue);
        }

        public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
        {
            if (reason != StopReason.Blocked)
                _ready.Add(vcpu);
            return CpuSet.None;
        }

        public RemovalToken Remove(int vcpu, long now)
        {
            _ready.Remove(vcpu);
            return default;
        }
    }
}
