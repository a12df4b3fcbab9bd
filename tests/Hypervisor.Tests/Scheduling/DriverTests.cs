using System.Text;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Scheduling.Simulation;
using Hypervisor.Host.Schedule;
using Hypervisor.Tests.Machine;

namespace Hypervisor.Tests.Scheduling;

/// <summary>The virtual-time host loop and the simulator drive a policy in the same way: the same input gives the same schedule, run for run.</summary>
public sealed class DriverTests : IDisposable
{
    private const long Millisecond = 1_000_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("drivers").FullName;

    public static TheoryData<string, int> AllOnOneAndThreeCpus
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (string id in PolicyCatalogue.Ids)
            {
                data.Add(id, 1);
                data.Add(id, 3);
            }

            return data;
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // Machines that always run, in groups where the policy knows them; at known moments a weight changes, one is bound to a CPU, and a machine arrives.
    [Theory]
    [MemberData(nameof(AllOnOneAndThreeCpus))]
    public void HostLoopAndSimulator_SameWorkload_GiveTheSameSchedule(string id, int cpus)
    {
        int[] weights = [100, 300, 700, 200, 100, 50];
        SchedulingGroup[] groups = [new("a") { Weight = 200 }, new("b") { Weight = 100, Limit = new Bandwidth(6 * Millisecond, 10 * Millisecond) }];
        SchedulingParameters Of(int i) => SchedulingParameters.Default with { Weight = weights[i], Group = PolicyCatalogue.KnowsGroups(id) && i < 4 ? groups[i / 2] : null };

        // Where time is given, admission and tables know one CPU for each: nobody is bound to another.
        bool changes = !Schedulers.GivesTime(PolicyCatalogue.Kind(id));
        SchedulingParameters heavier = Of(0) with { Weight = 900 };
        SchedulingParameters bound = Of(4) with { Affinity = CpuSet.Of(0) };

        var running = new RecordingPolicy(PolicyCatalogue.Create(id, cpus));
        using var host = new HypervisorHost(new HostOptions { PhysicalCpus = cpus, Groups = true }, running);
        VirtualMachine[] machines = [.. weights.Select(_ => HypervisorHostTests.Spinner(host))];
        for (int i = 0; i < 5; i++)
            host.Add(machines[i], Of(i));
        At(7_300_001, () => host.Add(machines[5], Of(5)));
        if (changes)
        {
            At(11_100_003, () => host.SetParameters(machines[0].VCpus[0], heavier));
            At(13_700_005, () => host.SetParameters(machines[4].VCpus[0], bound));
        }

        host.RunFor(50 * Millisecond);

        var simulated = new RecordingPolicy(PolicyCatalogue.Create(id, cpus));
        new ScheduleSimulation(simulated, cpus, [.. weights.Select((_, i) => new SimulatedVCpu($"v{i}", Simulated(i, Of(i)))
        {
            Arrives = i == 5 ? 7_300_001 : 0,
            Changes = !changes ? [] : i == 0 ? [(11_100_003, Simulated(0, heavier))] : i == 4 ? [(13_700_005, Simulated(4, bound))] : [],
        })]).Run(50 * Millisecond);

        AssertSame(simulated, running, 50 * Millisecond);

        // The host makes a gang of each machine that is in no group.
        SchedulingParameters Simulated(int i, SchedulingParameters parameters)
            => parameters.Group is null && PolicyCatalogue.IsGang(id) ? parameters with { Group = s_own[i] } : parameters;

        void At(long time, Action action) => host.Timers.Arm(host.Timers.CreateTimer(action), time);
    }

    private static readonly SchedulingGroup[] s_own = [.. new[] { 100, 300, 700, 200, 100, 50 }.Select((weight, i) => new SchedulingGroup($"own {i}") { Weight = weight })];

    // Guests that sleep and wake beside others that do not, written down on the host loop and simulated from that: run for run the same.
    [Theory]
    [MemberData(nameof(All))]
    public void TraceOfTheHostLoop_Simulated_IsTheSameSchedule(string id)
    {
        string file = Path.Combine(_folder, "trace.csv");
        RecordingPolicy running;
        using (FileStream stream = File.Create(file))
        {
            running = new RecordingPolicy(PolicyCatalogue.Create(id, 1));
            using var recorder = new TraceRecorder(running, stream, 1, Millisecond);
            using var host = new HypervisorHost(new HostOptions { PicosecondsPerInstruction = 100_000, Groups = true }, recorder);
            var group = new SchedulingGroup("tenant of two") { Weight = 150 };
            for (int i = 0; i < 3; i++)
                host.Add(HypervisorHostTests.Spinner(host), SchedulingParameters.Default with { Weight = 100 * (i + 1), Group = i > 0 && PolicyCatalogue.KnowsGroups(id) ? group : null });
            foreach (long sleep in new[] { 1_700_000L, 3_100_000 })
                host.Add(HypervisorHostTests.Sleeper(host, sleep).Machine, SchedulingParameters.Default);
            host.RunFor(60 * Millisecond);
        }

        ScheduleWorkload workload = TraceReader.Read(file);
        Assert.Equal((1, Millisecond), (workload.Cpus, workload.Slice));
        Assert.Equal(["v0", "v1", "v2", "v3", "v4"], workload.VCpus.Select(vcpu => vcpu.Name));
        var simulated = new RecordingPolicy(PolicyCatalogue.Create(id, 1));
        new ScheduleSimulation(simulated, 1, workload.VCpus).Run(50 * Millisecond);
        AssertSame(simulated, running, 50 * Millisecond);
    }

    // Of the host the last slices are cut where it stops.
    private static void AssertSame(RecordingPolicy simulated, RecordingPolicy running, long end)
    {
        List<(int, int, long, long)> expected = [.. simulated.Runs.Where(run => run.At + run.Used < end)];
        Assert.True(expected.Count > 40, $"{expected.Count} runs");
        Assert.Equal(expected, running.Runs.Where(run => run.At + run.Used < end));
    }

    public static TheoryData<string> All => [.. PolicyCatalogue.Ids];

    [Fact]
    public void PerfScript_Lines_BecomeRunsAndSleeps()
    {
        string file = Path.Combine(_folder, "perf.txt");
        File.WriteAllText(file, """
            # some heading
                        swapper     0 [001]    10.000000000:       sched:sched_wakeup: comm=web pid=7 prio=120 target_cpu=001
                        swapper     0 [001]    10.000100000:       sched:sched_switch: prev_comm=swapper/1 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=web next_pid=7 next_prio=120
                            web     7 [001]    10.000600000:       sched:sched_switch: prev_comm=web prev_pid=7 prev_prio=120 prev_state=S ==> next_comm=cc1 next_pid=9 next_prio=125
                            cc1     9 [001]    10.002600000:       sched:sched_wakeup: comm=web pid=7 prio=120 target_cpu=001
                            cc1     9 [001]    10.002700000:       sched:sched_switch: prev_comm=cc1 prev_pid=9 prev_prio=125 prev_state=R+ ==> next_comm=web next_pid=7 next_prio=120
                            web     7 [001]    10.003000000:       sched:sched_switch: prev_comm=web prev_pid=7 prev_prio=120 prev_state=S ==> next_comm=cc1 next_pid=9 next_prio=125

            """, Encoding.UTF8);
        ScheduleWorkload workload = TraceReader.Read(file);
        Assert.Equal((2, 3 * Millisecond), (workload.Cpus, workload.Duration));
        Assert.Equal(["web-7", "cc1-9"], workload.VCpus.Select(vcpu => vcpu.Name));
        Assert.Equal([1024, 336], workload.VCpus.Select(vcpu => vcpu.Parameters.Weight));
        Assert.Equal([500_000, 2_000_000, 300_000], workload.VCpus[0].Phases.Take(3).Select(span => span.Most));
        Assert.Equal(3, workload.VCpus[0].Phases.Count % 2 == 0 ? 3 : 0);
        SimulationResult result = workload.Simulate("eevdf", CancellationToken.None);
        Assert.Equal(800_000, result.VCpus[0].RunNanoseconds);
    }

    [Theory]
    [InlineData("", "nobody runs in this trace")]
    [InlineData("# hv schedule trace 1\n# cpus=99\n", ":2: '99' must be a whole number from 1 to 64")]
    [InlineData("# hv schedule trace 1\n# scheduler=best\n", "no scheduler 'best'")]
    [InlineData("# hv schedule trace 1\n0,a,arrive\n", ":2: '0,a,arrive' has 3 columns")]
    [InlineData("# hv schedule trace 1\n0,a,arrive,weight=0\n", "'0' must be a whole number")]
    [InlineData("# hv schedule trace 1\n0,a,arrive,speed=1\n", "'speed' is not of a vCPU")]
    [InlineData("# hv schedule trace 1\n0,a,arrive,weight=1 group=g\n", "no group 'g' above")]
    [InlineData("# hv schedule trace 1\n5,a,arrive,\n4,a,wake,\n", ":3: '4' must be a whole number from 5")]
    [InlineData("# hv schedule trace 1\n0,a,wake,\n", "'a' has not arrived")]
    [InlineData("# hv schedule trace 1\n0,a,arrive,\n0,a,arrive,\n", "arrives twice")]
    [InlineData("# hv schedule trace 1\n0,a,arrive,\n0,a,dance,\n", "there is no event 'dance'")]
    public void Trace_Senseless_IsRefusedWithWhereAndWhy(string text, string message)
    {
        string file = Path.Combine(_folder, "wrong.csv");
        File.WriteAllText(file, text);
        Assert.Contains(message, Assert.Throws<Core.HypervisorException>(() => TraceReader.Read(file)).Message, StringComparison.Ordinal);
    }
}
