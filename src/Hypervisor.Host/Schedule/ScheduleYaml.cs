using System.Globalization;
using Hypervisor.Core;
using Hypervisor.Core.Scheduling;
using Hypervisor.Host.Manifest;
using YamlDotNet.RepresentationModel;

namespace Hypervisor.Host.Schedule;

/// <summary>What workloads and manifests say of scheduling in the same words: times, time in periods, groups.</summary>
internal sealed class ScheduleYaml(YamlNodes yaml)
{
    // What a bare number of CPUs means: so much in every period.
    private const long DefaultPeriod = 10_000_000;

    /// <summary>A time with its unit.</summary>
    public long Time(YamlNode node, string what, long least) => Time(node, yaml.Text(node, what), what, least);

    /// <summary>A time with its unit, in a text that lies at a node.</summary>
    public long Time(YamlNode node, string text, string what, long least)
    {
        if (!TryTime(text, out long time))
            throw yaml.Wrong(node, $"{what} must be a time with a unit, such as 10ms, not '{text}'");
        if (time < least || time > SchedulingParameters.MaximumSlice)
            throw yaml.Wrong(node, $"{what} must be {least} ns to an hour, not '{text}'");
        return time;
    }

    /// <summary>A time with its unit, up to an hour and a little.</summary>
    public static bool TryTime(string text, out long nanoseconds)
    {
        ReadOnlySpan<(string Name, double Nanoseconds)> units = [("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
        double time = text == "0" ? 0 : double.NaN;
        foreach ((string unit, double length) in units)
        {
            if (double.IsNaN(time) && text.EndsWith(unit, StringComparison.Ordinal)
                && double.TryParse(text.AsSpan(0, text.Length - unit.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double count))
                time = count * length;
        }

        nanoseconds = double.IsNaN(time) ? 0 : (long)Math.Min(time, SchedulingParameters.MaximumSlice + 1.0);
        return !double.IsNaN(time);
    }

    /// <summary>Time in a period, such as 2ms/10ms.</summary>
    public Bandwidth Bandwidth(YamlNode node, string what)
    {
        string[] parts = yaml.Text(node, what).Split('/');
        if (parts.Length != 2)
            throw yaml.Wrong(node, $"{what} must be time in a period, such as 2ms/10ms");
        return new Bandwidth(Time(node, parts[0].Trim(), what, 1), Time(node, parts[1].Trim(), what, 1));
    }

    /// <summary>CPUs, such as 1.5, or time in a period, such as 15ms/10ms.</summary>
    public Bandwidth Cpus(YamlNode node, string what)
        => yaml.Text(node, what).Contains('/', StringComparison.Ordinal) ? Bandwidth(node, what) : new Bandwidth((long)(yaml.Number(node, what, 0.001, 64) * DefaultPeriod), DefaultPeriod);

    /// <summary>Groups by their names; each may lie in one named before it.</summary>
    public Dictionary<string, SchedulingGroup> Groups(YamlNode node)
    {
        var groups = new Dictionary<string, SchedulingGroup>();
        foreach ((string name, YamlNode each) in yaml.Entries(node, "groups"))
        {
            Dictionary<string, YamlNode> fields = yaml.Fields(each, $"group '{name}'", "in", "weight", "slice", "limit", "reservation", "inside");
            string? inside = fields.TryGetValue("inside", out YamlNode? policy) ? yaml.Text(policy, "inside") : null;
            if (inside is not null && !Schedulers.Names.Contains(inside))
                throw yaml.Wrong(policy!, $"there is no scheduler '{inside}'; choose from {string.Join(", ", Schedulers.Names)}");
            groups.Add(name, new SchedulingGroup(name)
            {
                Parent = fields.TryGetValue("in", out YamlNode? parent) ? Group(parent, groups) : null,
                Weight = fields.TryGetValue("weight", out YamlNode? weight) ? Weight(weight) : SchedulingParameters.Default.Weight,
                SliceNanoseconds = fields.TryGetValue("slice", out YamlNode? slice) ? Time(slice, "slice", 1000) : 0,
                Limit = fields.TryGetValue("limit", out YamlNode? limit) ? Cpus(limit, "limit") : default,
                Reservation = fields.TryGetValue("reservation", out YamlNode? reservation) ? Cpus(reservation, "reservation") : default,
                Inside = inside,
            });
        }

        return groups;
    }

    /// <summary>A group that was named before.</summary>
    public SchedulingGroup Group(YamlNode node, IReadOnlyDictionary<string, SchedulingGroup> groups)
        => groups.TryGetValue(yaml.Text(node, "a group's name"), out SchedulingGroup? group)
            ? group
            : throw yaml.Wrong(node, $"there is no group '{yaml.Text(node, "a group's name")}'; 'groups' has: {(groups.Count == 0 ? "none" : string.Join(", ", groups.Keys))}");

    /// <summary>A weight.</summary>
    public int Weight(YamlNode node) => (int)yaml.Integer(node, "weight", 1, SchedulingParameters.MaximumWeight);

    /// <summary>A policy's name.</summary>
    public string Scheduler(YamlNode node)
    {
        string name = yaml.Text(node, "a scheduler");
        return Schedulers.IsKnown(name) ? name : throw yaml.Wrong(node, Unknown(name));
    }

    /// <summary>What is said of a policy that there is not.</summary>
    public static string Unknown(string name)
        => $"there is no scheduler '{name}'; choose from {string.Join(", ", Schedulers.Names)}, alone or behind {Schedulers.PartitionedPrefix} or {Schedulers.GangPrefix}";
}
