using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Scheduling.Simulation;

namespace Hypervisor.Tests.Scheduling;

/// <summary>One of a random workload, in microseconds; 0 where there is none.</summary>
internal sealed record Actor(int Weight)
{
    public int Run { get; init; }

    public int Sleep { get; init; }

    public int Arrives { get; init; }

    public int Leaves { get; init; }

    public int Slice { get; init; }

    /// <summary>The CPU it is bound to, from 1.</summary>
    public int Cpu { get; init; }

    /// <summary>Its cap in a period of 10 ms.</summary>
    public int Cap { get; init; }

    /// <summary>Its group, from 1.</summary>
    public int Group { get; init; }

    public int ChangesAt { get; init; }

    public int ChangesTo { get; init; }
}

/// <summary>A group of a random workload.</summary>
internal sealed record Grouping(int Weight)
{
    /// <summary>The group it lies in, from 1; it comes before this one.</summary>
    public int Parent { get; init; }

    /// <summary>Microseconds in 10 ms.</summary>
    public int Limit { get; init; }
}

/// <summary>A random workload that shrinks to the least that still fails, and prints itself so that it can be read.</summary>
internal sealed record Workload(int Cpus, Actor[] Actors, Grouping[] Groups, int Seed)
{
    public const int Microsecond = 1000;

    private const long Period = 10_000_000;

    /// <summary>Workloads of everything: sleeps, comings and goings, affinities, caps, groups, changes of weight.</summary>
    public static Arbitrary<Workload> Any { get; } = Of(mostWeight: 1000, isCalm: false);

    /// <summary>Workloads with small weights, no caps and no limits.</summary>
    public static Arbitrary<Workload> Calm { get; } = Of(mostWeight: 10, isCalm: true);

    public static Arbitrary<Workload> Of(int mostWeight, bool isCalm)
    {
        Gen<Actor> actors =
            from weight in Gen.Choose(1, mostWeight)
            from run in Gen.Choose(1, 5000)
            from sleep in Gen.Choose(1, 5000)
            from sleeps in Gen.Choose(0, 1)
            from arrives in Gen.Choose(-50_000, 25_000)
            from leaves in Gen.Choose(-75_000, 25_000)
            from slice in Gen.Choose(-2000, 2000)
            from cpu in Gen.Choose(-4, 2)
            from cap in Gen.Choose(-20_000, 9_000)
            from @group in Gen.Choose(0, 4)
            from changesAt in Gen.Choose(-30_000, 30_000)
            from changesTo in Gen.Choose(1, mostWeight)
            select new Actor(weight)
            {
                Run = sleeps * run,
                Sleep = sleeps * sleep,
                Arrives = Math.Max(0, arrives),
                Leaves = leaves <= 0 ? 0 : Math.Max(0, arrives) + leaves,
                Slice = isCalm || slice < 20 ? 0 : slice,
                Cpu = Math.Max(0, cpu),
                Cap = isCalm || cap < 50 ? 0 : cap,
                Group = @group,
                ChangesAt = changesAt <= 0 || leaves > 0 ? 0 : Math.Max(0, arrives) + changesAt,
                ChangesTo = changesTo,
            };
        Gen<Grouping> groups =
            from weight in Gen.Choose(1, mostWeight)
            from parent in Gen.Choose(0, 3)
            from limit in Gen.Choose(-20_000, 15_000)
            select new Grouping(weight) { Parent = parent, Limit = isCalm || limit < 100 ? 0 : limit };
        Gen<Workload> workloads =
            from cpus in Gen.Choose(1, 4)
            from count in Gen.Choose(1, isCalm ? 7 : 12)
            from each in actors.ArrayOf(count)
            from four in groups.ArrayOf(4)
            from seed in Gen.Choose(0, 1_000_000)
            select new Workload(cpus, each, four, seed).Sane();
        return Arb.From(workloads, workload => workload.Smaller());
    }

    /// <summary>The same with every vCPU in a group that no other lies in; in none where there are no groups.</summary>
    public Workload InLeaves() => this with { Actors = [.. Actors.Select(actor => actor with { Group = Leaf(actor.Group) })] };

    /// <summary>The vCPUs for a policy of the catalogue; in groups where it knows them.</summary>
    public SimulatedVCpu[] VCpus(string id)
    {
        bool withGroups = PolicyCatalogue.KnowsGroups(id);
        var groups = new SchedulingGroup[Groups.Length];
        for (int i = 0; i < groups.Length; i++)
        {
            groups[i] = new SchedulingGroup($"g{i + 1}")
            {
                Weight = Groups[i].Weight,
                Parent = Groups[i].Parent > 0 ? groups[Groups[i].Parent - 1] : null,
                Limit = Groups[i].Limit > 0 ? new Bandwidth(Math.Min((long)Groups[i].Limit * Microsecond, Period * Cpus), Period) : default,
            };
        }

        return [.. Actors.Select((actor, i) =>
        {
            // Where time is given, a group uses one CPU, and refuses vCPUs that have none in common.
            bool isBound = actor.Cpu > 0 && !(withGroups && actor.Group > 0 && Schedulers.GivesTime(PolicyCatalogue.Kind(id)));
            var parameters = new SchedulingParameters(actor.Weight, (long)actor.Slice * Microsecond, isBound ? CpuSet.Of(actor.Cpu - 1) : CpuSet.All)
            {
                Cap = actor.Cap > 0 ? new Bandwidth((long)actor.Cap * Microsecond, Period) : default,
                Group = withGroups && actor.Group > 0 ? groups[actor.Group - 1] : null,
            };
            return new SimulatedVCpu($"v{i}", parameters)
            {
                Phases = actor.Run > 0 ? [new(1, (long)actor.Run * Microsecond), new(1, (long)actor.Sleep * Microsecond)] : [],
                Arrives = (long)actor.Arrives * Microsecond,
                Leaves = actor.Leaves > 0 ? (long)actor.Leaves * Microsecond : long.MaxValue,
                Changes = actor.ChangesAt > 0 ? [((long)actor.ChangesAt * Microsecond, parameters with { Weight = actor.ChangesTo, Affinity = CpuSet.All })] : [],
            };
        })];
    }

    /// <summary>Runs it under a policy and checks at every call what all must keep.</summary>
    public (CheckedPolicy Policy, SimulationResult Result) Simulate(string id, long span, long slice = 1_000_000, Func<IScheduler, IScheduler>? fault = null)
    {
        SimulatedVCpu[] vcpus = VCpus(id);
        IScheduler policy = PolicyCatalogue.Create(id, Cpus, slice);
        var guarded = new CheckedPolicy(fault?.Invoke(policy) ?? policy, Cpus, PolicyCatalogue.ConservesWork(id));
        SimulationResult result = new ScheduleSimulation(guarded, Cpus, vcpus, (ulong)Seed).Run(span);
        guarded.Finish(span);
        return (guarded, result);
    }

    public override string ToString()
    {
        var text = new StringBuilder($"{Cpus} CPUs, seed {Seed}, times in µs\n");
        for (int i = 0; i < Groups.Length; i++)
        {
            if (Array.Exists(Actors, actor => actor.Group == i + 1) || Array.Exists(Groups, each => each.Parent == i + 1))
                text.Append(CultureInfo.InvariantCulture, $"  group g{i + 1}: weight {Groups[i].Weight}{(Groups[i].Parent > 0 ? $" in g{Groups[i].Parent}" : "")}{(Groups[i].Limit > 0 ? $" limit {Groups[i].Limit}/10000" : "")}\n");
        }

        for (int i = 0; i < Actors.Length; i++)
        {
            Actor actor = Actors[i];
            text.Append(CultureInfo.InvariantCulture, $"  v{i}: weight {actor.Weight}{(actor.Run > 0 ? $" runs ≤{actor.Run} sleeps ≤{actor.Sleep}" : "")}{(actor.Arrives > 0 ? $" from {actor.Arrives}" : "")}{(actor.Leaves > 0 ? $" to {actor.Leaves}" : "")}{(actor.Slice > 0 ? $" slice {actor.Slice}" : "")}{(actor.Cpu > 0 ? $" on CPU {actor.Cpu - 1}" : "")}{(actor.Cap > 0 ? $" cap {actor.Cap}/10000" : "")}{(actor.Group > 0 ? $" in g{actor.Group}" : "")}{(actor.ChangesAt > 0 ? $" weight {actor.ChangesTo} at {actor.ChangesAt}" : "")}\n");
        }

        return text.ToString();
    }

    /// <summary>Workloads with one thing less.</summary>
    private IEnumerable<Workload> Smaller()
    {
        for (int i = 0; i < Actors.Length && Actors.Length > 1; i++)
            yield return this with { Actors = [.. Actors[..i], .. Actors[(i + 1)..]] };
        if (Cpus > 1)
            yield return (this with { Cpus = Cpus - 1 }).Sane();
        for (int i = 0; i < Actors.Length; i++)
        {
            Actor actor = Actors[i];
            foreach (Actor simpler in new[]
            {
                actor with { Arrives = 0, Leaves = 0, ChangesAt = 0 }, actor with { Leaves = 0 }, actor with { ChangesAt = 0 }, actor with { Run = 0, Sleep = 0 }, actor with { Slice = 0 },
                actor with { Cpu = 0 }, actor with { Cap = 0 }, actor with { Group = 0 }, actor with { Weight = 1 }, actor with { Run = actor.Run > 0 ? 1000 : 0, Sleep = actor.Run > 0 ? 1000 : 0 },
            })
            {
                if (simpler != actor)
                    yield return this with { Actors = [.. Actors[..i], simpler, .. Actors[(i + 1)..]] };
            }
        }

        for (int i = 0; i < Groups.Length; i++)
        {
            foreach (Grouping simpler in new[] { Groups[i] with { Limit = 0 }, Groups[i] with { Parent = 0 }, Groups[i] with { Weight = 1 } })
            {
                if (simpler != Groups[i])
                    yield return this with { Groups = [.. Groups[..i], simpler, .. Groups[(i + 1)..]] };
            }
        }
    }

    private int Leaf(int group)
    {
        int child = Array.FindIndex(Groups, each => each.Parent == group);
        return child < 0 ? group : Leaf(child + 1);
    }

    private Workload Sane() => this with
    {
        Actors = [.. Actors.Select(actor => actor.Cpu > Cpus ? actor with { Cpu = Cpus } : actor)],
        Groups = [.. Groups.Select((each, i) => each.Parent > i ? each with { Parent = 0 } : each)],
    };
}
