using Hypervisor.Core;
using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Scheduling.Simulation;
using Hypervisor.Host.Manifest;
using YamlDotNet.RepresentationModel;

namespace Hypervisor.Host.Schedule;

/// <summary>Reads a workload for <c>hv schedule simulate</c>.</summary>
internal sealed class WorkloadReader
{
    private const int MostVCpus = 1_000_000;

    private readonly YamlNodes _yaml;
    private readonly int _cpus;

    private readonly ScheduleYaml _words;
    private Dictionary<string, SchedulingGroup> _groups = [];

    private WorkloadReader(YamlNodes yaml, int cpus) => (_yaml, _cpus, _words) = (yaml, cpus, new ScheduleYaml(yaml));

    /// <summary>Reads a file.</summary>
    /// <exception cref="HypervisorException">It cannot be read, or says what makes no sense.</exception>
    public static ScheduleWorkload Read(string file)
    {
        string text;
        try
        {
            text = File.ReadAllText(file);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new HypervisorException($"The workload '{file}' cannot be read: {problem.Message}", problem);
        }

        var yaml = new YamlNodes(file);
        YamlMappingNode root = yaml.Load(text);
        Dictionary<string, YamlNode> fields = yaml.Fields(root, "the workload", "cpus", "duration", "slice", "switch", "seed", "schedulers", "groups", "vcpus");
        var workload = new ScheduleWorkload();
        if (fields.TryGetValue("cpus", out YamlNode? cpus))
            workload = workload with { Cpus = (int)yaml.Integer(cpus, "cpus", 1, 64) };
        var reader = new WorkloadReader(yaml, workload.Cpus);
        if (fields.TryGetValue("duration", out YamlNode? duration))
            workload = workload with { Duration = reader._words.Time(duration, "duration", 1) };
        if (fields.TryGetValue("slice", out YamlNode? slice))
            workload = workload with { Slice = reader._words.Time(slice, "slice", 1000) };
        if (fields.TryGetValue("switch", out YamlNode? cost))
            workload = workload with { SwitchCost = reader._words.Time(cost, "switch", 0) };
        if (fields.TryGetValue("seed", out YamlNode? seed))
            workload = workload with { Seed = (ulong)yaml.Integer(seed, "seed", 0, long.MaxValue) };
        if (fields.TryGetValue("schedulers", out YamlNode? schedulers))
        {
            workload = workload with { Schedulers = [.. YamlNodes.Items(schedulers).Select(reader._words.Scheduler)] };
        }

        if (fields.TryGetValue("groups", out YamlNode? groups))
            workload = workload with { Groups = [.. (reader._groups = reader._words.Groups(groups)).Values] };
        if (!fields.TryGetValue("vcpus", out YamlNode? vcpus))
            throw new HypervisorException($"{file}: the workload has no 'vcpus'; say who runs, such as vcpus: {{spinner: {{count: 4}}}}.");
        var all = new List<SimulatedVCpu>();
        foreach ((string name, YamlNode node) in yaml.Entries(vcpus, "vcpus"))
        {
            all.AddRange(reader.VCpus(name, node));
            if (all.Count > MostVCpus)
                throw yaml.Wrong(node, $"with '{name}' there are {all.Count} vCPUs; a workload has at most {MostVCpus}");
        }

        if (all.Count == 0)
            throw yaml.Wrong(vcpus, "vcpus names nobody");
        return workload with { VCpus = all };
    }

    private IEnumerable<SimulatedVCpu> VCpus(string name, YamlNode node)
    {
        Dictionary<string, YamlNode> fields = _yaml.Fields(
            node, $"vCPU '{name}'", "count", "group", "weight", "weights", "slice", "cpus", "cap", "reservation", "run", "sleep", "phases", "arrives", "leaves");
        int count = fields.TryGetValue("count", out YamlNode? many) ? (int)_yaml.Integer(many, "count", 1, MostVCpus) : 1;
        SchedulingParameters parameters = SchedulingParameters.Default;
        if (fields.TryGetValue("weight", out YamlNode? weight))
            parameters = parameters with { Weight = _words.Weight(weight) };
        if (fields.TryGetValue("group", out YamlNode? group))
            parameters = parameters with { Group = _words.Group(group, _groups) };
        if (fields.TryGetValue("slice", out YamlNode? slice))
            parameters = parameters with { SliceNanoseconds = _words.Time(slice, "slice", 1000) };
        if (fields.TryGetValue("cpus", out YamlNode? cpus))
        {
            ulong bits = 0;
            foreach (YamlNode each in YamlNodes.Items(cpus))
                bits |= 1UL << (int)_yaml.Integer(each, "a CPU", 0, _cpus - 1);
            parameters = parameters with { Affinity = new CpuSet(bits) };
        }

        if (fields.TryGetValue("cap", out YamlNode? cap))
            parameters = parameters with { Cap = _words.Bandwidth(cap, "cap") };
        if (fields.TryGetValue("reservation", out YamlNode? reservation))
            parameters = parameters with { Reservation = _words.Bandwidth(reservation, "reservation") };
        var phases = new List<SimulatedSpan>();
        if (fields.TryGetValue("phases", out YamlNode? spans))
        {
            if (fields.ContainsKey("run") || fields.ContainsKey("sleep"))
                throw _yaml.Wrong(spans, $"vCPU '{name}' has phases and run or sleep; phases say both");
            phases.AddRange(YamlNodes.Items(spans).Select((each, i) => Span(each, "a phase", i % 2 == 0 ? 1 : 0)));
            if (phases.Count % 2 != 0)
                throw _yaml.Wrong(spans, $"vCPU '{name}' has {phases.Count} phases; they are pairs of run and sleep");
        }
        else if (fields.ContainsKey("run") != fields.ContainsKey("sleep"))
        {
            throw _yaml.Wrong(node, $"vCPU '{name}' has only one of run and sleep; give both, or neither for one that always runs");
        }
        else if (fields.TryGetValue("run", out YamlNode? run))
        {
            phases.Add(Span(run, "run", 1));
            phases.Add(Span(fields["sleep"], "sleep", 0));
        }

        var changes = new List<(long, SchedulingParameters)>();
        if (fields.TryGetValue("weights", out YamlNode? weights))
        {
            foreach ((string at, YamlNode value) in _yaml.Entries(weights, "weights"))
                changes.Add((_words.Time(value, at, "a moment of weights", 0), parameters with { Weight = _words.Weight(value) }));
        }

        var vcpu = new SimulatedVCpu(name, parameters)
        {
            Phases = phases,
            Arrives = fields.TryGetValue("arrives", out YamlNode? arrives) ? _words.Time(arrives, "arrives", 0) : 0,
            Leaves = fields.TryGetValue("leaves", out YamlNode? leaves) ? _words.Time(leaves, "leaves", 1) : long.MaxValue,
            Changes = changes,
        };
        return Enumerable.Range(0, count).Select(i => count == 1 ? vcpu : vcpu with { Name = $"{name}-{i}" });
    }

    /// <summary>A span, such as 2ms or 1ms..3ms.</summary>
    private SimulatedSpan Span(YamlNode node, string what, long least)
    {
        string[] ends = _yaml.Text(node, what).Split("..");
        if (ends.Length > 2)
            throw _yaml.Wrong(node, $"{what} must be a time such as 2ms, or two such as 1ms..3ms");
        var bounds = new long[2];
        for (int i = 0; i < 2; i++)
            bounds[i] = _words.Time(node, ends[Math.Min(i, ends.Length - 1)].Trim(), what, least);
        if (bounds[1] < bounds[0])
            throw _yaml.Wrong(node, $"{what} ends before it begins");
        return new SimulatedSpan(bounds[0], bounds[1]);
    }
}
