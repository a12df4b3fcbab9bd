using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Scheduling.Simulation;

namespace Hypervisor.Tests.Scheduling;

/// <summary>Results that others published, measured here: docs/scheduling.md shows both numbers.</summary>
public sealed class PublishedResultsTests
{
    private const long Millisecond = 1_000_000;

    // Lottery (Waldspurger and Weihl, 1994, figure 5): two tasks 2 : 1 over 200 s of quanta of 100 ms gave 2.01 : 1.
    [Fact]
    public void Lottery_TwoToOneOverTwoThousandQuanta_IsTwoToOneWithinItsSpread()
    {
        double ratio = Ratio("lottery", 2, 1, 100 * Millisecond, 200_000 * Millisecond);

        // The spread of 2,000 draws at a third: 0.0105 of the wins' share, a twentieth of the ratio either way at three of it.
        Assert.InRange(ratio, 1.85, 2.16);
    }

    // Stride (Waldspurger and Weihl, 1995): the same is 2 : 1 to a quantum, over any span.
    [Fact]
    public void Stride_TwoToOne_IsExactToAQuantum() => Assert.InRange(Ratio("stride", 2, 1, 100 * Millisecond, 200_000 * Millisecond), 1.998, 2.002);

    // Lottery's error grows as the root of the allocations, stride's stays below a quantum: 7 : 3, 1,000 allocations (the papers' comparison).
    [Fact]
    public void SevenToThree_OverAThousandAllocations_ErrorsAreThoseOfThePapers()
    {
        Assert.InRange(WorstError("stride", 7, 3), 0, 1.0);
        double lottery = WorstError("lottery", 7, 3);

        // √(1000 · 0.7 · 0.3) = 14.5 quanta is one standard deviation at the end.
        Assert.InRange(lottery, 3, 45);
    }

    // SFQ (Goyal, Guo and Vin, 1996): two threads with weights 1 : 2 progress 1 : 2 whatever a third does in between.
    [Fact]
    public void Sfq_ThroughputsOneToTwo_WhileTheCapacityFluctuates()
    {
        SimulationResult result = new ScheduleSimulation(Schedulers.Create("sfq", 1), 1,
        [
            new("one", SchedulingParameters.Default with { Weight = 1 }), new("two", SchedulingParameters.Default with { Weight = 2 }),
            new("bursts", SchedulingParameters.Default with { Weight = 3 }) { Phases = [new(1, 50 * Millisecond), new(1, 50 * Millisecond)] },
        ]).Run(20_000 * Millisecond);
        Assert.InRange(result.VCpus[1].RunNanoseconds / (double)result.VCpus[0].RunNanoseconds, 1.99, 2.01);
    }

    // Xen (Barham and others, SOSP 2003, section 4): eight domains with different weights, each within 4 % of its share.
    [Theory]
    [InlineData("eevdf")]
    [InlineData("stride")]
    [InlineData("sfq")]
    [InlineData("credit2")]
    public void Xen_EightWeightedDomains_AreWithinFourPercent(string name)
    {
        int[] weights = [1, 2, 3, 4, 5, 6, 7, 8];
        SimulationResult result = new ScheduleSimulation(Schedulers.Create(name, 1, 5 * Millisecond), 1,
            [.. weights.Select((weight, i) => new SimulatedVCpu($"domain {i}", SchedulingParameters.Default with { Weight = weight * 32 }))], switchNanoseconds: 2000).Run(20_000 * Millisecond);
        for (int i = 0; i < weights.Length; i++)
            Assert.InRange(result.VCpus[i].RunNanoseconds / (20_000.0 * Millisecond) / (weights[i] / 36.0), 0.96, 1.04);
    }

    // The same: two that serve, beside a fork bomb and a hog of disks; the victims lost 4 % and 2 %.
    [Fact]
    public void Xen_TwoHostileDomains_TakeAFewPercentOfTheVictims()
    {
        SimulatedVCpu[] With(bool hostile)
        {
            SchedulingGroup[] domains = [.. Enumerable.Range(0, 4).Select(i => new SchedulingGroup($"d{i}"))];
            return
            [
                new("database", SchedulingParameters.Default with { Group = domains[0] }),
                new("web", SchedulingParameters.Default with { Group = domains[1] }) { Phases = [new(Millisecond, 5 * Millisecond), new(1, Millisecond)] },
                .. Enumerable.Range(0, hostile ? 60 : 1).Select(i => new SimulatedVCpu($"bomb {i}", SchedulingParameters.Default with { Group = domains[2] })),
                .. Enumerable.Range(0, hostile ? 30 : 1).Select(i => new SimulatedVCpu($"disk {i}", SchedulingParameters.Default with { Group = domains[3] })
                {
                    Phases = hostile ? [new(1000, 200_000), new(1000, 300_000)] : [],
                }),
            ];
        }

        SimulationResult quiet = new ScheduleSimulation(Schedulers.CreateGrouped("eevdf", 2), 2, With(hostile: false), switchNanoseconds: 5000).Run(5000 * Millisecond);
        SimulationResult hostile = new ScheduleSimulation(Schedulers.CreateGrouped("eevdf", 2), 2, With(hostile: true), switchNanoseconds: 5000).Run(5000 * Millisecond);
        for (int victim = 0; victim < 2; victim++)
            Assert.InRange(1 - (hostile.VCpus[victim].RunNanoseconds / (double)quiet.VCpus[victim].RunNanoseconds), -0.05, 0.04);
    }

    // The EEVDF series for Linux, as its author measured it: a shorter slice shortens a sleeper's tail where there are many others, with the share as it was.
    [Fact]
    public void Eevdf_ShorterSlice_ShortensTheTailAndBuysNoTime()
    {
        SimulatedBooks Sleeper(long slice) => new ScheduleSimulation(Schedulers.Create("eevdf", 1, 8 * Millisecond), 1,
        [
            new("cyclic", SchedulingParameters.Default with { SliceNanoseconds = slice }) { Phases = [new(50_000, 50_000), new(900_000, 1_100_000)] },
            .. Enumerable.Range(0, 10).Select(i => new SimulatedVCpu($"hackbench {i}", SchedulingParameters.Default) { Phases = [new(100_000, 20_000_000), new(100_000, 2_000_000)] }),
        ]).Run(30_000 * Millisecond).VCpus[0];

        SimulatedBooks with = Sleeper(Millisecond / 10);
        SimulatedBooks without = Sleeper(0);
        Assert.True(with.WakeLatency.Percentile(0.999) * 4 < without.WakeLatency.Percentile(0.999) * 3, $"{with.WakeLatency.Percentile(0.999)} and {without.WakeLatency.Percentile(0.999)}");
        Assert.True(with.RunNanoseconds < without.RunNanoseconds * 2);
    }

    // Constant bandwidth servers (Abeni and Buttazzo, 1998): a task that overruns what it asked for is slowed, and a hard one beside it misses nothing.
    [Fact]
    public void Cbs_OverrunningServer_LeavesTheHardOneAlone()
    {
        var hard = new SimulatedVCpu("hard", SchedulingParameters.Default with { Reservation = new Bandwidth(30 * Millisecond, 50 * Millisecond) });
        var overrunning = new SimulatedVCpu("overrunning", SchedulingParameters.Default with { Reservation = new Bandwidth(10 * Millisecond, 30 * Millisecond) })
        {
            Phases = [new(5 * Millisecond, 40 * Millisecond), new(1 * Millisecond, 30 * Millisecond)],
        };
        var policy = new RecordingPolicy(Schedulers.Create("reservation", 1));
        new ScheduleSimulation(policy, 1, [hard, overrunning]).Run(5000 * Millisecond);
        Assert.All(policy.ByPeriod(0, 50 * Millisecond, 99), used => Assert.Equal(30 * Millisecond, used));
    }

    // RTDS (RT-Xen): a server's vCPU has its budget in each of its periods, on as many CPUs as the sum of all fits.
    [Fact]
    public void Rtds_BudgetsOnFourCpus_AreHadInEveryPeriod()
    {
        SimulatedVCpu[] vcpus = [.. Enumerable.Range(0, 8).Select(i => new SimulatedVCpu($"rt {i}", SchedulingParameters.Default with { Reservation = new Bandwidth(4 * Millisecond, 10 * Millisecond) })), new("hog", SchedulingParameters.Default)];
        vcpus = vcpus[..7].Append(vcpus[8]).ToArray();
        var policy = new RecordingPolicy(Schedulers.Create("rtds", 4));
        new ScheduleSimulation(policy, 4, vcpus).Run(2000 * Millisecond);
        for (int i = 0; i < 7; i++)
            Assert.All(policy.ByPeriod(i, 10 * Millisecond, 199), used => Assert.Equal(4 * Millisecond, used));
    }

    private static double Ratio(string name, int a, int b, long slice, long span)
    {
        SimulationResult result = new ScheduleSimulation(Schedulers.Create(name, 1, slice), 1,
            [new("a", SchedulingParameters.Default with { Weight = a }), new("b", SchedulingParameters.Default with { Weight = b })]).Run(span);
        return result.VCpus[0].RunNanoseconds / (double)result.VCpus[1].RunNanoseconds;
    }

    /// <summary>The furthest that one of two is from its share in a thousand allocations, in quanta.</summary>
    private static double WorstError(string name, int a, int b)
    {
        IScheduler policy = Schedulers.Create(name, 1);
        for (int i = 0; i < 2; i++)
        {
            policy.Set(i, SchedulingParameters.Default with { Weight = i == 0 ? a : b }, 0);
            policy.Ready(i, ReadyReason.Started, 0);
        }

        double worst = 0;
        int wins = 0;
        for (int turn = 1; turn <= 1000; turn++)
        {
            int vcpu = policy.Pick(0, turn * Millisecond).VCpu;
            policy.Stopped(0, vcpu, Millisecond, StopReason.Expired, -1, (turn + 1) * Millisecond);
            wins += vcpu == 0 ? 1 : 0;
            worst = Math.Max(worst, Math.Abs(wins - (turn * (double)a / (a + b))));
        }

        return worst;
    }
}
