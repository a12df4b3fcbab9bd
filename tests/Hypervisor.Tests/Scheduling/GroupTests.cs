using FsCheck;
using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Scheduling.Simulation;
using Property = Hypervisor.Tests.Support.Property;

namespace Hypervisor.Tests.Scheduling;

/// <summary>Groups around policies: what happens inside moves nobody's share outside; limits and reservations of groups.</summary>
public sealed class GroupTests
{
    internal const long Millisecond = 1_000_000;

    public static TheoryData<string> ConservingPolicies => ["eevdf", "stride", "sfq", "credit2", "lottery", "round-robin"];

    [Theory]
    [MemberData(nameof(ConservingPolicies))]
    public void AnyPolicy_RandomTreesOfGroups_ConserveTimeAndWork(string name)
        => Property.ForAll(Gen.Choose(0, int.MaxValue), seed =>
        {
            RandomTree(seed, Schedulers.CreateGrouped).Run(name);
            return true;
        }, cases: 200);

    // In a group of their own all are scheduled as in none, decision for decision.
    [Theory]
    [InlineData("stride", 1)]
    [InlineData("sfq", 1)]
    [InlineData("round-robin", 1)]
    [InlineData("stride", 3)]
    [InlineData("round-robin", 3)]
    public void OneGroupOfAll_IsScheduledAsNone(string name, int cpus)
        => Property.ForAll(Gen.Choose(0, int.MaxValue), seed =>
        {
            List<(int, int, long, long)> Runs(SchedulingGroup? group)
            {
                var random = new Random(seed);
                var policy = new RecordingPolicy(Schedulers.CreateGrouped(name, cpus, Millisecond));
                SimulatedVCpu[] vcpus = [.. Enumerable.Range(0, random.Next(1, 8)).Select(i =>
                    new SimulatedVCpu($"v{i}", new SchedulingParameters(random.Next(1, 500), 0, CpuSet.All) { Group = group })
                    {
                        Phases = random.Next(2) == 0 ? [] : [new(1, random.Next(1, 3_000_000)), new(1, random.Next(1, 5_000_000))],
                    })];
                new ScheduleSimulation(policy, cpus, vcpus, (ulong)seed).Run(100 * Millisecond);
                return policy.Runs;
            }

            return Runs(null).SequenceEqual(Runs(new SchedulingGroup("all")));
        }, cases: 60);

    // A group that is always ready gets its share to a slice, whatever forks, sleeps and wakes in it and in its neighbours.
    [Theory]
    [InlineData("eevdf", 2)]
    [InlineData("stride", 3)]
    [InlineData("sfq", 3)]
    public void Hierarchy_WhateverHappensInside_IsolatesGroups(string name, int slices)
        => Property.ForAll(Gen.Choose(0, int.MaxValue), seed => Isolates(groups => Schedulers.CreateGrouped(name, 1, Millisecond), seed, slices * Millisecond), cases: 200);

    [Fact]
    public void Hierarchy_SeveralCpus_GroupsStayWithinSlicesOfTheirShares()
        => Property.ForAll(Gen.Choose(0, int.MaxValue), seed =>
        {
            var random = new Random(seed);
            int cpus = random.Next(2, 5);
            SchedulingGroup[] groups = [.. Enumerable.Range(0, random.Next(2, 5)).Select(i => new SchedulingGroup($"g{i}") { Weight = random.Next(100, 200) })];
            SyntheticVCpu[] vcpus = [.. groups.SelectMany(group => Enumerable.Range(0, random.Next(cpus, 3 * cpus)).Select(_ => new SyntheticVCpu(random.Next(1, 100)) { Group = group }))];
            var simulator = new SchedulerSimulator(Schedulers.CreateGrouped("eevdf", cpus, Millisecond), cpus, vcpus);
            double total = groups.Sum(group => group.Weight);
            simulator.Observe = now =>
            {
                foreach (SchedulingGroup group in groups)
                {
                    long service = vcpus.Select((vcpu, i) => vcpu.Group == group ? simulator.Service[i] : 0).Sum();
                    Assert.InRange((now * cpus * group.Weight / total) - service, -2 * cpus * Millisecond, 2 * cpus * Millisecond);
                }
            };
            simulator.RunFor(200 * Millisecond);
            return true;
        }, cases: 60);

    // A weight that few members could not use is lowered to what they can: min(m, λ·w) for a group of m.
    [Fact]
    public void InfeasibleGroup_GetsWhatItsMembersCanUse()
    {
        var wide = new SchedulingGroup("wide");
        var narrow = new SchedulingGroup("narrow") { Weight = 1000 };
        var simulator = new SchedulerSimulator(Schedulers.CreateGrouped("eevdf", 4, Millisecond), 4,
            [new(100) { Group = narrow }, .. Enumerable.Range(0, 9).Select(_ => new SyntheticVCpu(100) { Group = wide })]);
        simulator.RunFor(1000 * Millisecond);
        Assert.InRange(simulator.Service[0], 990 * Millisecond, 1000 * Millisecond);
        Assert.All(simulator.Service.Skip(1), service => Assert.InRange(service, 323 * Millisecond, 343 * Millisecond));
    }

    [Fact]
    public void DeepTree_SharesMultiplyOnTheWayDown()
    {
        var a = new SchedulingGroup("a") { Weight = 300 };
        var b = new SchedulingGroup("b") { Weight = 100 };
        var a1 = new SchedulingGroup("a1") { Parent = a, Weight = 1 };
        var a2 = new SchedulingGroup("a2") { Parent = a, Weight = 2, Inside = "round-robin" };
        var simulator = new SchedulerSimulator(Schedulers.CreateGrouped("eevdf", 1, Millisecond), 1,
        [
            new(100) { Group = a1 }, new(700) { Group = a2 }, new(1) { Group = a2 }, new(5) { Group = b }, new(15) { Group = b }, new(100),
        ]);
        simulator.RunFor(6000 * Millisecond);

        // 300 : 100 : 100; in a 1 : 2, halves in a2 whose turns know no weight; in b 1 : 3.
        double[] expected = [1200, 1200, 1200, 300, 900, 1200];
        for (int i = 0; i < expected.Length; i++)
            Assert.InRange(simulator.Service[i] / (double)Millisecond, expected[i] * 0.99, expected[i] * 1.01);
    }

    [Theory]
    [MemberData(nameof(ConservingPolicies))]
    public void Limit_AnyWorkload_IsExceededInNoPeriod(string name)
        => Property.ForAll(Gen.Choose(0, int.MaxValue), seed => LimitIsKept((policy, cpus) => Schedulers.CreateGrouped(policy, cpus, Millisecond), name, seed), cases: 60);

    [Fact]
    public void Limit_AloneOnItsCpus_IsUsedInFull()
        => Property.ForAll(Gen.Choose(0, int.MaxValue), seed =>
        {
            var random = new Random(seed);
            int cpus = random.Next(1, 4);
            long period = random.Next(5, 20) * Millisecond;
            var group = new SchedulingGroup("g") { Limit = new Bandwidth(random.NextInt64(Millisecond, period * cpus), period) };
            var policy = new RecordingPolicy(Schedulers.CreateGrouped("eevdf", cpus, Millisecond));
            SimulatedVCpu[] vcpus = [.. Enumerable.Range(0, cpus + random.Next(3)).Select(i => new SimulatedVCpu($"v{i}", SchedulingParameters.Default with { Group = group }))];
            new ScheduleSimulation(policy, cpus, vcpus).Run(21 * period);
            return Used(policy, vcpus.Length, period, 20).All(used => used == group.Limit.Budget);
        }, cases: 60);

    // A group with little weight and a promise beside heavy ones that take all they can.
    [Theory]
    [InlineData("eevdf")]
    [InlineData("stride")]
    [InlineData("sfq")]
    public void Reservation_OfAGroup_IsMetBesideHeavyNeighbours(string name)
        => Property.ForAll(Gen.Choose(0, int.MaxValue), seed => ReservationsAreMet(inner => inner, name, seed), cases: 60);

    [Fact]
    public void Reservations_OfAHundredGroups_AreAllMet()
    {
        SchedulingGroup[] groups = [.. Enumerable.Range(0, 100).Select(i => new SchedulingGroup($"g{i}") { Weight = 1, Reservation = new Bandwidth(Millisecond / 5, 40 * Millisecond) })];
        var simulator = new SchedulerSimulator(Schedulers.CreateGrouped("eevdf", 1, Millisecond), 1, [.. groups.Select(group => new SyntheticVCpu(100) { Group = group }), new(100_000)]);
        simulator.RunFor(4000 * Millisecond);
        Assert.All(simulator.Service.Take(100), service => Assert.InRange(service, 19 * Millisecond, 22 * Millisecond));
    }

    [Fact]
    public void Reservation_UnderTimePolicies_IsMetByAServer()
    {
        foreach (string name in new[] { "reservation", "rtds" })
        {
            var promised = new SchedulingGroup("promised") { Reservation = new Bandwidth(3 * Millisecond, 10 * Millisecond) };
            var policy = new RecordingPolicy(Schedulers.CreateGrouped(name, 2, Millisecond));
            new ScheduleSimulation(policy, 2,
            [
                new("a", SchedulingParameters.Default with { Group = promised }), new("b", SchedulingParameters.Default with { Group = promised }),
                new("c", SchedulingParameters.Default), new("d", SchedulingParameters.Default), new("e", SchedulingParameters.Default),
            ]).Run(1010 * Millisecond);
            Assert.All(Used(policy, 2, 10 * Millisecond, 100), used => Assert.Equal(3 * Millisecond, used));
        }
    }

    [Fact]
    public void Cyclic_GivesAGroupOneWindow()
    {
        var group = new SchedulingGroup("partition") { SliceNanoseconds = 4 * Millisecond };
        var policy = new RecordingPolicy(Schedulers.CreateGrouped("cyclic", 1, Millisecond));
        new ScheduleSimulation(policy, 1,
        [
            new("a", SchedulingParameters.Default with { Group = group, Weight = 300 }), new("b", SchedulingParameters.Default with { Group = group }), new("c", SchedulingParameters.Default),
        ]).Run(1000 * Millisecond);
        long[] used = [.. Enumerable.Range(0, 3).Select(i => policy.Runs.Where(run => run.VCpu == i).Sum(run => run.Used) / Millisecond)];
        Assert.InRange(used[2], 199, 201);
        Assert.InRange(used[0] + used[1], 799, 801);
        Assert.InRange(used[0], 595, 605);
    }

    // One of two in b moves to a, where one is: while it runs, while it waits or while it sleeps. From then on a's two halve a's half.
    [Fact]
    public void Move_ToAnotherGroup_MovesItsClaimAtOnce()
        => Property.ForAll(Gen.Choose(0, int.MaxValue), seed =>
        {
            SchedulingGroup a = new("a"), b = new("b");
            var random = new Random(seed);
            long at = 500 * Millisecond + random.Next(5_000_000);
            bool sleeps = random.Next(2) == 0;
            var mover = new SimulatedVCpu("mover", SchedulingParameters.Default with { Group = b })
            {
                Phases = sleeps ? [new(2 * Millisecond, 4 * Millisecond), new(1, 300_000)] : [],
                Changes = [(at, SchedulingParameters.Default with { Group = a })],
            };
            var policy = new RecordingPolicy(Schedulers.CreateGrouped("eevdf", 1, Millisecond));
            new ScheduleSimulation(policy, 1, [mover, new("a1", SchedulingParameters.Default with { Group = a }), new("b1", SchedulingParameters.Default with { Group = b })], (ulong)seed)
                .Run(1000 * Millisecond);
            long[] halves = policy.ByPeriod(1, 500 * Millisecond, 2);
            long[] others = policy.ByPeriod(2, 500 * Millisecond, 2);
            return Near(halves[0], 250) && Near(halves[1], sleeps ? 135 : 125, sleeps ? 15 : 5) && Near(others[0], sleeps ? 135 : 125, sleeps ? 15 : 5) && Near(others[1], 250);

            static bool Near(long used, double milliseconds, double slack = 5) => Math.Abs((used / (double)Millisecond) - milliseconds) <= slack;
        }, cases: 60);

    // The flat policies know vCPUs: one that splits into many of the same weight gains, and one that divides its weight does not.
    [Theory]
    [InlineData("eevdf")]
    [InlineData("stride")]
    [InlineData("sfq")]
    public void Splitting_AGroupOrAWeight_GainsNothing(string name)
        => Property.ForAll(Gen.Choose(0, int.MaxValue), seed =>
        {
            var random = new Random(seed);
            int parts = random.Next(2, 12);
            int weight = random.Next(1, 50) * parts;
            int[] others = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => random.Next(1, 500))];
            var group = new SchedulingGroup("g") { Weight = weight };
            long whole = Service([new(weight)], null);
            long divided = Service([.. Enumerable.Repeat(new SyntheticVCpu(weight / parts), parts)], null);
            long grouped = Service([.. Enumerable.Repeat(new SyntheticVCpu(weight) { Group = group }, parts)], group);
            long slack = (parts + 2) * Millisecond;
            return divided <= whole + slack && grouped <= whole + (3 * Millisecond);

            long Service(SyntheticVCpu[] own, SchedulingGroup? group)
            {
                var simulator = new SchedulerSimulator(group is null ? Schedulers.Create(name, 1, Millisecond) : Schedulers.CreateGrouped(name, 1, Millisecond), 1,
                    [.. own, .. others.Select(each => new SyntheticVCpu(each))]);
                simulator.RunFor(200 * Millisecond);
                return simulator.Service.Take(own.Length).Sum();
            }
        }, cases: 60);

    // Each fault must be seen within so many cases.
    [Fact]
    public void Mutants_NoFault_Holds()
        => Assert.DoesNotContain(Enumerable.Range(0, 20), seed =>
            !Isolates(_ => new Faulty("", Schedulers.CreateGrouped("eevdf", 1, Millisecond)), seed, 2 * Millisecond)
            || !LimitIsKept((name, cpus) => new Faulty("", Schedulers.CreateGrouped(name, cpus, Millisecond)), "eevdf", seed)
            || !ReservationsAreMet(inner => new Faulty("", inner), "eevdf", seed));

    [Theory]
    [InlineData("groups ignored", 5)]
    [InlineData("weights of groups ignored", 5)]
    [InlineData("outer groups ignored", 20)]
    [InlineData("limit forgotten", 10)]
    [InlineData("limit charged in part", 20)]
    [InlineData("limit for each member", 10)]
    [InlineData("inner limit only", 20)]
    [InlineData("reservation forgotten", 10)]
    public void Mutant_Fault_IsKilledWithinItsCases(string fault, int cases)
    {
        Assert.Contains(Enumerable.Range(0, cases), seed =>
            !Isolates(_ => new Faulty(fault, Schedulers.CreateGrouped("eevdf", 1, Millisecond)), seed, 2 * Millisecond)
            || !LimitIsKept((name, cpus) => new Faulty(fault, Schedulers.CreateGrouped(name, cpus, Millisecond)), "eevdf", seed)
            || !ReservationsAreMet(inner => new Faulty(fault, inner), "eevdf", seed));
    }

    [Fact]
    public void BadGroups_AreRefusedAndLeaveNothingBehind()
    {
        IScheduler policy = Schedulers.CreateGrouped("eevdf", 2, Millisecond);
        var promised = new SchedulingGroup("p") { Reservation = new Bandwidth(15 * Millisecond, 10 * Millisecond) };
        policy.Set(0, SchedulingParameters.Default with { Group = promised }, 0);
        (SchedulingGroup Group, string Word)[] wrong =
        [
            (new SchedulingGroup("g") { Weight = 0 }, "weight 0"),
            (new SchedulingGroup("g") { Weight = int.MaxValue }, "weight"),
            (new SchedulingGroup("g") { SliceNanoseconds = 1 }, "slice"),
            (new SchedulingGroup("g") { Limit = new Bandwidth(21 * Millisecond, 10 * Millisecond) }, "limit"),
            (new SchedulingGroup("g") { Limit = new Bandwidth(-1, 10 * Millisecond) }, "limit"),
            (new SchedulingGroup("g") { Limit = new Bandwidth(Millisecond, 1) }, "period"),
            (new SchedulingGroup("g") { Reservation = new Bandwidth(6 * Millisecond, 10 * Millisecond) }, "0.1 too much"),
            (new SchedulingGroup("g") { Parent = promised, Reservation = new Bandwidth(16 * Millisecond, 10 * Millisecond) }, "in group 'p'"),
            (new SchedulingGroup("g") { Parent = new SchedulingGroup("q"), Reservation = new Bandwidth(Millisecond, 10 * Millisecond) }, "in group 'q'"),
            (new SchedulingGroup("g") { Reservation = new Bandwidth(2 * Millisecond, 10 * Millisecond), Limit = new Bandwidth(Millisecond, 10 * Millisecond) }, "no more than the limit"),
            (new SchedulingGroup("g") { Inside = "cyclic" }, "'cyclic' inside"),
            (new SchedulingGroup("g") { Inside = "magic" }, "'magic' inside"),
            (Enumerable.Range(0, 20).Aggregate((SchedulingGroup?)null, (parent, i) => new SchedulingGroup($"g{i}") { Parent = parent })!, "lies in"),
        ];
        foreach ((SchedulingGroup group, string word) in wrong)
            Assert.Contains(word, Assert.Throws<HypervisorException>(() => policy.Set(1, SchedulingParameters.Default with { Group = group }, 0)).Message, StringComparison.Ordinal);
        Assert.Equal(CpuSet.None, policy.Set(1, SchedulingParameters.Default, 0));
        policy.Ready(1, ReadyReason.Started, 0);
        Assert.Equal(1, policy.Pick(0, 0).VCpu);
        Assert.Contains("without groups", Assert.Throws<HypervisorException>(() => Schedulers.Create("eevdf", 1).Set(0, SchedulingParameters.Default with { Group = promised }, 0)).Message, StringComparison.Ordinal);
    }

    internal static IEnumerable<long> Used(RecordingPolicy policy, int vcpus, long period, int periods)
    {
        long[][] each = [.. Enumerable.Range(0, vcpus).Select(i => policy.ByPeriod(i, period, periods))];
        return Enumerable.Range(0, periods).Select(period => each.Sum(used => used[period]));
    }

    /// <summary>Whether an always ready group keeps its share to a slack beside neighbours, with everything going on inside of all.</summary>
    internal static bool Isolates(Func<SchedulingGroup[], IScheduler> make, int seed, long slack)
    {
        var random = new Random(seed);
        SchedulingGroup[] groups = [.. Enumerable.Range(0, random.Next(2, 5)).Select(i => new SchedulingGroup($"g{i}") { Weight = random.Next(50, 400) })];
        var vcpus = new List<SyntheticVCpu>();
        foreach (SchedulingGroup group in groups)
        {
            // One that always runs keeps the group ready; others fork, end, sleep and wake.
            vcpus.Add(new SyntheticVCpu(random.Next(1, 1000)) { Group = group });
            SchedulingGroup inner = random.Next(2) == 0 ? group : new SchedulingGroup("inner") { Parent = group, Weight = random.Next(1, 1000) };
            for (int i = random.Next(12); i > 0; i--)
            {
                long arrives = random.Next(100) * Millisecond;
                long leaves = random.Next(2) == 0 ? long.MaxValue : arrives + (random.Next(1, 100) * Millisecond);
                bool sleeps = random.Next(2) == 0;
                vcpus.Add(new SyntheticVCpu(random.Next(1, 1000), sleeps ? random.Next(1, 3_000_000) : long.MaxValue, sleeps ? random.Next(1, 8_000_000) : 0, arrives, leaves) { Group = inner });
            }
        }

        var simulator = new SchedulerSimulator(make(groups), 1, [.. vcpus]);
        double total = groups.Sum(group => group.Weight);
        bool holds = true;
        simulator.Observe = now =>
        {
            foreach (SchedulingGroup group in groups)
            {
                long service = 0;
                for (int i = 0; i < vcpus.Count; i++)
                    service += vcpus[i].Group == group || vcpus[i].Group?.Parent == group ? simulator.Service[i] : 0;
                holds &= Math.Abs((now * group.Weight / total) - service) <= slack;
            }
        };
        simulator.RunFor(200 * Millisecond);
        return holds;
    }

    internal static bool LimitIsKept(Func<string, int, IScheduler> make, string name, int seed)
    {
        var random = new Random(seed);
        int cpus = random.Next(1, 4);
        long period = random.Next(5, 20) * Millisecond;
        var outer = new SchedulingGroup("outer") { Limit = new Bandwidth(random.NextInt64(Millisecond, period * cpus), period) };
        var inner = new SchedulingGroup("inner") { Parent = outer, Limit = new Bandwidth(random.NextInt64(Millisecond, outer.Limit.Budget + 1), period) };
        var policy = new RecordingPolicy(make(name, cpus));
        int count = random.Next(2, 8);
        SimulatedVCpu[] vcpus = [.. Enumerable.Range(0, count + 2).Select(i =>
            new SimulatedVCpu($"v{i}", new SchedulingParameters(random.Next(1, 500), 0, random.Next(3) == 0 ? CpuSet.Of(random.Next(cpus)) : CpuSet.All)
            {
                // The last two are outside.
                Group = i >= count ? null : i % 2 == 0 ? inner : outer,
                Cap = random.Next(4) == 0 ? new Bandwidth(Millisecond, 7 * Millisecond) : default,
            })
            {
                Phases = random.Next(2) == 0 ? [] : [new(1, random.Next(1, 3_000_000)), new(1, random.Next(1, 5_000_000))],
            })];
        new ScheduleSimulation(policy, cpus, vcpus, (ulong)seed).Run(21 * period);
        long[][] each = [.. Enumerable.Range(0, count).Select(i => policy.ByPeriod(i, period, 20))];
        return Enumerable.Range(0, 20).All(at => each.Sum(used => used[at]) <= outer.Limit.Budget && each.Where((_, i) => i % 2 == 0).Sum(used => used[at]) <= inner.Limit.Budget);
    }

    internal static bool ReservationsAreMet(Func<IScheduler, IScheduler> fault, string name, int seed)
    {
        var random = new Random(seed);
        int cpus = random.Next(1, 5);
        SchedulingGroup[] promised = [.. Enumerable.Range(0, random.Next(1, 4)).Select(i => new SchedulingGroup($"p{i}")
        {
            Weight = random.Next(1, 20), Reservation = new Bandwidth(random.Next(1, 3) * cpus * Millisecond, 10 * Millisecond),
        })];
        var hogs = new SchedulingGroup("hogs") { Weight = random.Next(500, 2000) };
        SyntheticVCpu[] vcpus = [.. promised.SelectMany(group => Enumerable.Range(0, cpus + random.Next(3)).Select(_ => new SyntheticVCpu(random.Next(1, 1000)) { Group = group })),
            .. Enumerable.Range(0, cpus + random.Next(10)).Select(_ => new SyntheticVCpu(100) { Group = hogs })];
        var simulator = new SchedulerSimulator(fault(Schedulers.CreateGrouped(name, cpus, Millisecond)), cpus, vcpus);
        simulator.RunFor(1000 * Millisecond);
        return promised.All(group =>
        {
            long service = vcpus.Select((vcpu, i) => vcpu.Group == group ? simulator.Service[i] : 0).Sum();
            return service >= (1000 * Millisecond * SchedulingGroup.Rate(group.Reservation)) - (3 * cpus * Millisecond);
        });
    }

    /// <summary>A random tree of groups with random vCPUs, run under the simulator that checks what all must keep.</summary>
    private static RandomWorkload RandomTree(int seed, Func<string, int, long, IScheduler> make) => new(seed, make);

    private sealed class RandomWorkload(int seed, Func<string, int, long, IScheduler> make)
    {
        public void Run(string name)
        {
            var random = new Random(seed);
            int cpus = random.Next(1, 5);
            var groups = new List<SchedulingGroup?> { null };
            for (int i = random.Next(6); i > 0; i--)
                groups.Add(new SchedulingGroup($"g{i}") { Parent = groups[random.Next(groups.Count)], Weight = random.Next(1, 1000), SliceNanoseconds = random.Next(2) * random.Next(1000, 3_000_000) });
            SyntheticVCpu[] vcpus = [.. Enumerable.Range(0, random.Next(1, 16)).Select(_ =>
            {
                long arrives = random.Next(3) == 0 ? random.Next(50_000_000) : 0;
                return new SyntheticVCpu(random.Next(1, 1000), random.Next(1, 5_000_000), random.Next(3) * random.Next(1, 5_000_000), arrives,
                    random.Next(4) == 0 ? arrives + random.Next(1, 80_000_000) : long.MaxValue,
                    random.Next(3) == 0 ? 1UL << random.Next(cpus) : ulong.MaxValue) { Group = groups[random.Next(groups.Count)] };
            })];
            new SchedulerSimulator(make(name, cpus, Millisecond), cpus, vcpus).RunFor(150 * Millisecond);
        }
    }

    /// <summary>A policy that is told of other groups than there are.</summary>
    private sealed class Faulty(string fault, IScheduler inner) : IScheduler
    {
        private readonly Dictionary<SchedulingGroup, SchedulingGroup> _groups = [];

        public string Name => inner.Name;

        public CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default)
            => inner.Set(vcpu, parameters with { Group = Map(parameters.Group, vcpu) }, now, arriving);

        public CpuSet Ready(int vcpu, ReadyReason reason, long now) => inner.Ready(vcpu, reason, now);

        public PickResult Pick(int cpu, long now) => inner.Pick(cpu, now);

        public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
            => inner.Stopped(cpu, vcpu, fault == "limit charged in part" ? used - (used / 4) : used, reason, yieldTo, now);

        public RemovalToken Remove(int vcpu, long now) => inner.Remove(vcpu, now);

        private SchedulingGroup? Map(SchedulingGroup? group, int vcpu)
        {
            if (group is null || fault == "groups ignored")
                return null;
            bool each = fault == "limit for each member";
            if (!each && _groups.TryGetValue(group, out SchedulingGroup? known))
                return known;
            return _groups[group] = new SchedulingGroup(group.Name)
            {
                Parent = fault == "outer groups ignored" ? null : Map(group.Parent, vcpu),
                Weight = fault == "weights of groups ignored" ? 100 : group.Weight,
                SliceNanoseconds = group.SliceNanoseconds,
                Limit = fault == "limit forgotten" || (fault == "inner limit only" && group.Parent is null) ? default : group.Limit,
                Reservation = fault == "reservation forgotten" ? default : group.Reservation,
                Inside = group.Inside,
            };
        }
    }
}
