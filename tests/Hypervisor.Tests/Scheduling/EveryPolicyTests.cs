using System.Diagnostics;
using FsCheck;
using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Scheduling.Simulation;
using Property = Hypervisor.Tests.Support.Property;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Scheduling;

/// <summary>What every policy keeps, alone and in every combinator, over random workloads that shrink.</summary>
public sealed class EveryPolicyTests
{
    private const long Millisecond = 1_000_000;

    public static TheoryData<string> All => [.. PolicyCatalogue.Ids];

    public static TheoryData<string> Bounding => [.. PolicyCatalogue.Ids.Where(PolicyCatalogue.BoundsWaits)];

    public static TheoryData<string> BoundingAlone => [.. PolicyCatalogue.Ids.Where(id => PolicyCatalogue.BoundsWaits(id) && !PolicyCatalogue.IsGang(id))];

    public static TheoryData<string> Weighted => [.. PolicyCatalogue.Ids.Where(PolicyCatalogue.KnowsWeights)];

    public static TheoryData<string> Fair => [.. PolicyCatalogue.Ids.Where(PolicyCatalogue.IsFair)];

    // Time, one CPU each, affinity, work (but for the declared exceptions), caps and limits in every period.
    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_AnyWorkload_KeepsWhatAllKeep(string id)
        => Property.ForAll(Workload.Any, workload =>
        {
            (_, SimulationResult result) = workload.Simulate(id, 60 * Millisecond);
            return result.Busy + result.Idle == workload.Cpus * result.Elapsed;
        }, cases: 60);

    // Slices of 100 µs and weights up to 10: nobody waits longer than a few turns of everybody, and of their weights over its own.
    [Theory]
    [OfEveryPolicy(Except = "a lottery bounds odds, not waits")]
    [MemberData(nameof(Bounding))]
    public void AnyPolicy_AnyWorkload_StarvesNobody(string id)
        => Property.ForAll(Workload.Calm, workload =>
        {
            const long Slice = Millisecond / 10;

            // A gang beside groups in its own group has the weight of a vCPU that was given none, far from these workloads' weights.
            if (PolicyCatalogue.IsGang(id) && PolicyCatalogue.KnowsGroups(id))
                workload = workload.InLeaves();
            (CheckedPolicy policy, _) = workload.Simulate(id, 200 * Millisecond, Slice);

            // Credit2 lets the heaviest run until its credit of ten slices, which burns at one tenth of the pace, is gone.
            double weights = workload.Actors.Sum(actor => Math.Max(actor.Weight, actor.ChangesTo));
            double groups = PolicyCatalogue.KnowsGroups(id) ? workload.Groups.Sum(group => group.Weight) * workload.Groups.Length : 1;
            double turns = (PolicyCatalogue.Kind(id) == "credit2" ? 10 : 4) * (workload.Actors.Length + weights) * groups;
            for (int i = 0; i < workload.Actors.Length; i++)
            {
                if (policy.LongestWait(i) > Math.Min(turns * Slice, 190 * Millisecond))
                    throw new Xunit.Sdk.XunitException($"v{i} waited {policy.LongestWait(i) / 1000} µs of at most {turns * Slice / 1000:0}");
            }

            return true;
        }, cases: 20);

    // Three that have one CPU of several between them: a heavy one, whose weight two CPUs could not serve while the third sleeps, a light one,
    // and one that sleeps all the time. What the sleeper takes along and brings back must not be the light one's loss.
    [Theory]
    [OfEveryPolicy(Except = "a lottery bounds odds, not waits; gangs share CPUs by other rules")]
    [MemberData(nameof(BoundingAlone))]
    public void AnyPolicy_LightOneBesideSleeperOnOneCpuOfTwo_IsServed(string id)
    {
        Actor heavy = new(9) { Cpu = 1 }, light = new(1) { Cpu = 1 }, sleeper = new(10) { Cpu = 1, Run = 58, Sleep = 66 };
        Workload[] workloads = [new(2, [heavy, light, sleeper], [], 903507)];
        if (PolicyCatalogue.KnowsGroups(id))
        {
            Actor[] together = [heavy with { Cpu = 0, Group = 1 }, light with { Cpu = 0, Group = 1 }, sleeper with { Cpu = 0, Group = 1 }];
            workloads = [.. workloads, new(2, together, [new Grouping(1)], 903507), new(2, [.. together, new Actor(10)], [new Grouping(1)], 903507)];
        }

        foreach (Workload workload in workloads)
        {
            (CheckedPolicy policy, _) = workload.Simulate(id, 200 * Millisecond, Millisecond / 10);
            Assert.True(policy.LongestWait(1) < 20 * Millisecond, $"{workload}the light one waited {policy.LongestWait(1) / 1000} µs");
        }
    }

    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_SameInput_GivesTheSameScheduleNowAndLater(string id)
        => Property.ForAll(Workload.Any, workload =>
        {
            ulong Hash(long shift) => new ScheduleSimulation(
                new LaterPolicy(PolicyCatalogue.Create(id, workload.Cpus), shift), workload.Cpus, workload.VCpus(id), (ulong)workload.Seed).Run(40 * Millisecond).TraceHash;

            // Later by whole periods of caps and limits.
            return Hash(0) == Hash(0) && Hash(0) == Hash(123_456_789 * 10 * Millisecond);
        }, cases: 20);

    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_CapAlone_IsUsedInFull(string id)
    {
        var cap = new Bandwidth(3 * Millisecond, 10 * Millisecond);
        SimulationResult result = new ScheduleSimulation(PolicyCatalogue.Create(id, 2), 2, [new SimulatedVCpu("capped", SchedulingParameters.Default with { Cap = cap })]).Run(1000 * Millisecond);
        Assert.Equal(300 * Millisecond, result.VCpus[0].RunNanoseconds);
    }

    // A newcomer beside one whose weight is more than a CPU's: it is served at once, and the heavy one keeps its CPU. A gang of two, and one of one.
    [Theory]
    [OfEveryPolicy(Except = "policies without weights have none that is infeasible")]
    [MemberData(nameof(Weighted))]
    public void AnyPolicy_InfeasibleWeight_StarvesNoNewcomerAndNoOther(string id)
    {
        SyntheticVCpu[] vcpus = [new(10), new(1), new(1, Arrives: 1000 * Millisecond)];
        var simulator = new SchedulerSimulator(PolicyCatalogue.Create(id, 2), 2, vcpus, mustConserveWork: false);
        long[] halfway = [];
        simulator.Observe = now => halfway = now <= 2000 * Millisecond ? [.. simulator.Service] : halfway;
        simulator.RunFor(3000 * Millisecond);

        // Of the last second the heavy one has all of a CPU (a lottery: its odds), the others half of one each. Under queues for each CPU
        // who shares with whom is a matter of weights alike.
        double[] last = [.. simulator.Service.Select((service, i) => (service - halfway[i]) / (1000.0 * Millisecond))];
        bool isLottery = PolicyCatalogue.Kind(id) == "lottery";
        Assert.InRange(last[0], isLottery ? 0.8 : 0.98, 1.001);
        Assert.All(last[1..], share => Assert.InRange(share, isLottery ? 0.3 : 0.45, isLottery ? 0.7 : 0.55));
        Assert.All(simulator.LongestWait[1..], wait => Assert.InRange(wait, 0, (isLottery ? 60 : 30) * Millisecond));
    }

    // Four bound to one CPU, and one that has the other for itself, which is more than it is due; then they may run anywhere.
    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_AffinityLifted_StarvesNobody(string id)
    {
        SchedulingParameters bound = SchedulingParameters.Default with { Affinity = CpuSet.Of(0) };
        SimulatedVCpu[] vcpus = [new("free", SchedulingParameters.Default), .. Enumerable.Range(0, 4).Select(i => new SimulatedVCpu($"bound-{i}", bound)
        {
            Changes = [(3000 * Millisecond, SchedulingParameters.Default)],
        })];
        var policy = new RecordingPolicy(PolicyCatalogue.Create(id, 2));
        new ScheduleSimulation(policy, 2, vcpus).Run(4000 * Millisecond);
        for (int i = 0; i < vcpus.Length; i++)
        {
            // In each tenth of a second after it, of 40 ms that are its share.
            Assert.All(policy.ByPeriod(i, 100 * Millisecond, 10, 3000 * Millisecond), used => Assert.InRange(used, 5 * Millisecond, 100 * Millisecond));
        }
    }

    // Over every span in which all compete, on one CPU: a few slices from the weighted shares.
    [Theory]
    [OfEveryPolicy(Except = "of the policies of shares the lottery keeps odds and credit2 shares within a range of weights; the others keep no shares")]
    [MemberData(nameof(Fair))]
    public void FairPolicy_Backlog_KeepsSharesOverEverySpan(string id)
        => Property.ForAll(Gen.Choose(1, 100).ArrayOf(5), weights =>
        {
            var simulator = new SchedulerSimulator(PolicyCatalogue.Create(id, 1), 1, [.. weights.Select(weight => new SyntheticVCpu(weight))]);
            double total = weights.Sum();
            var extremes = weights.Select(_ => (Least: 0.0, Most: 0.0)).ToArray();
            simulator.Observe = now =>
            {
                for (int i = 0; i < weights.Length; i++)
                {
                    double lag = (now * weights[i] / total) - simulator.Service[i];
                    extremes[i] = (Math.Min(extremes[i].Least, lag), Math.Max(extremes[i].Most, lag));
                }
            };
            simulator.RunFor(300 * Millisecond);

            // Between any two moments service differs from the share by what lag changed: stride and SFQ are off by n slices at most.
            double bound = (PolicyCatalogue.Kind(id) == "eevdf" ? 2 : weights.Length) * Millisecond;
            return Array.TrueForAll(extremes, each => each.Most - each.Least <= bound + 10);
        }, cases: 25);

    // On several CPUs, with weights of which some are more than a CPU's: fluid shares min(1, λ·w), to a few slices.
    [Theory]
    [OfEveryPolicy(Except = "queues for each CPU keep shares within a queue")]
    [MemberData(nameof(FairTogether))]
    public void FairPolicy_SeveralCpus_KeepsFluidSharesOfInfeasibleWeightsToo(string id)
        => Property.ForAll(Gen.Choose(1, 100).ArrayOf(7).SelectMany(weights => Gen.Choose(2, 5).Select(cpus => (Weights: weights, Cpus: cpus))), test =>
        {
            SimulationResult result = new ScheduleSimulation(PolicyCatalogue.Create(id, test.Cpus), test.Cpus,
                [.. test.Weights.Select((weight, i) => new SimulatedVCpu($"v{i}", SchedulingParameters.Default with { Weight = weight }))]).Run(500 * Millisecond);

            // Shares are whole numbers of a 24th of a weight: a 48th of a share at the least weights.
            return result.VCpus.All(vcpu => Math.Abs(vcpu.RunNanoseconds - vcpu.FluidNanoseconds!.Value)
                <= ((PolicyCatalogue.Kind(id) == "eevdf" ? 3 : test.Weights.Length + 3) * Millisecond) + (vcpu.FluidNanoseconds.Value / 48));
        }, cases: 30);

    public static TheoryData<string> FairTogether => [.. PolicyCatalogue.Ids.Where(id => PolicyCatalogue.IsFair(id) && !PolicyCatalogue.IsPartitioned(id))];

    // Time that does not move between calls: decisions go round, nothing is charged, nothing breaks; then it moves again.
    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_ClockThatStandsStill_GoesOn(string id)
    {
        var policy = new CheckedPolicy(PolicyCatalogue.Create(id, 2), 2, conservesWork: PolicyCatalogue.ConservesWork(id));
        Start(policy, 5, 0);
        for (int i = 0; i < 2000; i++)
        {
            int cpu = i % 2;
            PickResult pick = policy.Pick(cpu, 0);
            if (pick.VCpu >= 0)
                policy.Stopped(cpu, pick.VCpu, 0, i % 3 == 0 ? StopReason.Yielded : StopReason.Preempted, -1, 0);
        }

        Serve(policy, 2, 0, 400);
        Assert.All(Enumerable.Range(0, 5), vcpu => Assert.True(policy.Ran(vcpu) > 0 || !PolicyCatalogue.BoundsWaits(id), $"v{vcpu} never ran"));
    }

    // A month that passes between two calls, with somebody running and with nobody: who ran pays for it, who slept gains nothing.
    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_ClockThatJumps_GoesOn(string id)
    {
        const long Month = 30L * 24 * 3600 * 1_000_000_000;
        var policy = new CheckedPolicy(PolicyCatalogue.Create(id, 2), 2, conservesWork: false);
        Start(policy, 5, 0);
        long now = Serve(policy, 2, 0, 50);
        PickResult pick = policy.Pick(0, now);
        int sleeper = Enumerable.Range(0, 5).First(vcpu => vcpu != pick.VCpu);
        now += Month;
        if (pick.VCpu >= 0)
            policy.Stopped(0, pick.VCpu, Month, StopReason.Expired, -1, now);
        now = Serve(policy, 2, now, 200);
        now = Serve(policy, 2, now + Month, 200);
        long before = policy.Ran(sleeper);
        now = Serve(policy, 2, now, 200);
        Assert.True(policy.Ran(sleeper) > before || !PolicyCatalogue.BoundsWaits(id));
    }

    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_BrokenCaller_IsToldAndNothingElseHappens(string id)
    {
        IScheduler policy = PolicyCatalogue.Create(id, 1);
        Assert.Throws<UnreachableException>(() => policy.Ready(0, ReadyReason.Started, 0));
        Assert.Throws<UnreachableException>(() => policy.Remove(7, 0));
        for (int i = 0; i < 2; i++)
            policy.Set(i, SchedulingParameters.Default, 0);
        policy.Ready(0, ReadyReason.Started, 0);
        Assert.Throws<UnreachableException>(() => policy.Ready(0, ReadyReason.Woken, 0));
        PickResult pick = policy.Pick(0, 0);
        Assert.Equal(0, pick.VCpu);
        Assert.Throws<UnreachableException>(() => policy.Pick(0, 0));
        Assert.Throws<UnreachableException>(() => policy.Remove(0, 10));
        Assert.Throws<UnreachableException>(() => policy.Stopped(0, 1, 10, StopReason.Expired, -1, 10));
        policy.Stopped(0, 0, 10, StopReason.Blocked, -1, 10);
        policy.Remove(0, 10);
        Assert.Throws<UnreachableException>(() => policy.Stopped(0, 0, 10, StopReason.Expired, -1, 10));
        policy.Ready(1, ReadyReason.Started, 20);
        for (long now = 20; pick.VCpu != 1; now = Math.Max(now + 1, pick.NextEvent == long.MaxValue ? now + Millisecond : pick.NextEvent))
        {
            Assert.True(now < 100 * Millisecond);
            pick = policy.Pick(0, now);
        }
    }

    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_SenselessParameters_AreRefusedAndLeaveNothingBehind(string id)
    {
        IScheduler policy = PolicyCatalogue.Create(id, 2);
        SchedulingParameters good = SchedulingParameters.Default;
        (SchedulingParameters Parameters, string Word)[] wrong =
        [
            (good with { Weight = 0 }, "weight 0"), (good with { Weight = -1 }, "weight -1"), (good with { Weight = int.MinValue }, "weight"),
            (good with { Weight = unchecked((int)(1L << 63 >> 32)) }, "between 1 and 1048576"), (good with { Weight = int.MaxValue }, "between 1 and 1048576"),
            (good with { SliceNanoseconds = 999 }, "slice"), (good with { SliceNanoseconds = -1 }, "slice"), (good with { SliceNanoseconds = long.MaxValue }, "slice"),
            (good with { Affinity = CpuSet.None }, "no physical CPU"), (good with { Affinity = CpuSet.Of(2) }, "no physical CPU"),
            (good with { Cap = new Bandwidth(20 * Millisecond, 10 * Millisecond) }, "cap"), (good with { Cap = new Bandwidth(-1, 10 * Millisecond) }, "cap"), (good with { Cap = new Bandwidth(1000, 9999) }, "cap"),
            (good with { Reservation = new Bandwidth(long.MaxValue, 10 * Millisecond) }, "reservation"), (good with { Reservation = new Bandwidth(0, 1) }, "reservation"),
        ];
        foreach ((SchedulingParameters parameters, string word) in wrong)
            Assert.Contains(word, Assert.Throws<HypervisorException>(() => policy.Set(3, in parameters, 0)).Message, StringComparison.Ordinal);
        Assert.Throws<UnreachableException>(() => policy.Ready(3, ReadyReason.Started, 0));

        // What is refused as a change leaves the one before.
        policy.Set(3, in good, 0);
        Assert.Throws<HypervisorException>(() => policy.Set(3, good with { Weight = 0 }, 0));
        policy.Ready(3, ReadyReason.Started, 0);
        Assert.Equal(3, policy.Pick(0, 0).VCpu);
    }

    // A million of them come, some run, some sleep, some go; in combinators a tenth of that.
    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_AMillionVCpus_AreServed(string id)
    {
        int count = id.Contains(':', StringComparison.Ordinal) ? 100_000 : 1_000_000;
        IScheduler policy = PolicyCatalogue.Create(id, 1);
        for (int i = 0; i < count; i++)
            policy.Set(i, new SchedulingParameters(1 + (i % 100), 0, CpuSet.All), 0);
        for (int i = 0; i < count; i++)
            policy.Ready(i, ReadyReason.Started, 0);
        var seen = new HashSet<int>();
        long now = 0;
        for (int i = 0; i < 1000; i++)
        {
            PickResult pick = policy.Pick(0, now);
            Assert.InRange(pick.VCpu, 0, count - 1);
            now = pick.RunUntil;
            policy.Stopped(0, pick.VCpu, Millisecond, i % 4 == 0 ? StopReason.Blocked : StopReason.Expired, -1, now);
            if (i % 4 == 0)
                policy.Remove(pick.VCpu, now);
            seen.Add(pick.VCpu);
        }

        Assert.InRange(seen.Count, PolicyCatalogue.Kind(id) is "sfq" or "stride" or "eevdf" or "credit2" ? 250 : 900, 1000);
    }

    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_AfterWarmUp_AllocatesNothing(string id)
    {
        IScheduler policy = PolicyCatalogue.Create(id, 2);
        var group = new SchedulingGroup("g");
        for (int i = 0; i < 300; i++)
        {
            policy.Set(i, new SchedulingParameters(1 + (i % 7), 0, CpuSet.All) { Group = PolicyCatalogue.KnowsGroups(id) && i % 2 == 0 ? group : null }, 0);
            policy.Ready(i, ReadyReason.Started, 0);
        }

        long now = 0;
        Turn(3000);
        Assert.Equal(0, Allocations.Of(() => Turn(10_000)));

        void Turn(int times)
        {
            for (int i = 0; i < times; i++)
            {
                PickResult pick = policy.Pick(i & 1, now);
                now += 1000;
                if (pick.VCpu < 0)
                    continue;
                bool block = i % 5 == 0;
                policy.Stopped(i & 1, pick.VCpu, 1000, block ? StopReason.Blocked : StopReason.Expired, -1, now);
                if (block)
                    policy.Ready(pick.VCpu, ReadyReason.Woken, now);
            }
        }
    }

    // Directed yields: the one named runs next where the policy's books allow it, and one that is not there favours nobody.
    [Theory]
    [OfEveryPolicy]
    [MemberData(nameof(All))]
    public void AnyPolicy_DirectedYield_OfAnyNumber_IsHarmless(string id)
        => Property.ForAll(Gen.Choose(0, int.MaxValue), seed =>
        {
            var random = new Random(seed);
            var policy = new CheckedPolicy(PolicyCatalogue.Create(id, 2), 2, PolicyCatalogue.ConservesWork(id));
            Start(policy, 5, 0);
            long now = 0;
            for (int i = 0; i < 300; i++)
            {
                now += Millisecond / 2;
                for (int cpu = 0; cpu < 2; cpu++)
                {
                    if (policy.Running(cpu) is >= 0 and int vcpu)
                        policy.Stopped(cpu, vcpu, now - policy.Since(cpu), random.Next(2) == 0 ? StopReason.Yielded : StopReason.Expired, random.Next(-1, 9), now);
                }

                for (int cpu = 0; cpu < 2; cpu++)
                    policy.Pick(cpu, now);
            }

            return Enumerable.Range(0, 5).Sum(policy.Ran) <= 2 * now;
        }, cases: 5);

    private static void Start(IScheduler policy, int count, long now)
    {
        for (int i = 0; i < count; i++)
        {
            policy.Set(i, SchedulingParameters.Default, now);
            policy.Ready(i, ReadyReason.Started, now);
        }
    }

    /// <summary>Lets CPUs run what is picked, a slice of a millisecond at a time.</summary>
    private static long Serve(IScheduler policy, int cpus, long now, int turns)
    {
        var running = new int[cpus];
        for (int turn = 0; turn < turns; turn++)
        {
            for (int cpu = 0; cpu < cpus; cpu++)
                running[cpu] = policy.Pick(cpu, now).VCpu;
            now += Millisecond;
            for (int cpu = 0; cpu < cpus; cpu++)
            {
                if (running[cpu] >= 0)
                    policy.Stopped(cpu, running[cpu], Millisecond, StopReason.Expired, -1, now);
            }
        }

        return now;
    }

    /// <summary>A policy for which everything happens later.</summary>
    private sealed class LaterPolicy(IScheduler inner, long shift) : IScheduler
    {
        public string Name => inner.Name;

        public CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default) => inner.Set(vcpu, in parameters, now + shift, arriving);

        public CpuSet Ready(int vcpu, ReadyReason reason, long now) => inner.Ready(vcpu, reason, now + shift);

        public PickResult Pick(int cpu, long now)
        {
            PickResult pick = inner.Pick(cpu, now + shift);
            return pick with { RunUntil = pick.RunUntil - shift, NextEvent = pick.NextEvent == long.MaxValue ? long.MaxValue : pick.NextEvent - shift };
        }

        public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now) => inner.Stopped(cpu, vcpu, used, reason, yieldTo, now + shift);

        public RemovalToken Remove(int vcpu, long now) => inner.Remove(vcpu, now + shift);
    }
}
