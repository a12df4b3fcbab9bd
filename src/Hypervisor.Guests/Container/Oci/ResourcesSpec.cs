using Hypervisor.Core;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>A configuration's limits for a container as a whole, in this runtime's own units; null where nothing is limited.</summary>
internal sealed record ResourcesSpec
{
    /// <summary>Shares that a group of processes has where nothing is said (cgroup v1); they are a weight of 100.</summary>
    private const long DefaultShares = 1024;

    private const long DefaultPeriod = 100_000;

    /// <summary>Bytes of memory.</summary>
    public ulong? Memory { get; init; }

    /// <summary>Tasks.</summary>
    public int? Tasks { get; init; }

    public int? Weight { get; init; }

    /// <summary>CPUs' worth of time.</summary>
    public double? Cpus { get; init; }

    /// <summary>Reads <c>linux.resources</c>.</summary>
    /// <exception cref="HypervisorException">Something in it is wrong.</exception>
    public static ResourcesSpec Read(SpecValue resources)
    {
        var spec = new ResourcesSpec();
        if (resources.Find("memory") is { } memory)
            spec = spec with { Memory = MemoryOf(memory) };
        if (resources.Find("pids") is { } pids && pids.NumberOf("limit", long.MinValue, long.MaxValue) is { } tasks && tasks > 0)
            spec = spec with { Tasks = (int)Math.Min(tasks, 1 << 22) };
        if (resources.Find("cpu") is { } cpu)
            spec = spec with { Weight = WeightOf(cpu), Cpus = CpusOf(cpu) };
        foreach (SpecValue item in resources.ItemsOf("devices"))
        {
            _ = item.Get("allow").Flag();
            if (item.TextOf("type") is { } type && type is not ("a" or "b" or "c"))
                throw item.Wrong($"'{type}' is no type of device; they are a, b and c.");
            if (item.Find("access") is { } access && (access.Text().Length == 0 || access.Text().Any(letter => letter is not ('r' or 'w' or 'm'))))
                throw access.Wrong($"'{access.Text()}' is no access; it is made of r, w and m.");
        }

        return ReadUnified(resources, spec);
    }

    /// <summary>Limits by the names of cgroup v2's files, which come before the others where both are given.</summary>
    private static ResourcesSpec ReadUnified(SpecValue resources, ResourcesSpec spec)
    {
        if (resources.Find("unified") is not { } unified)
            return spec;
        foreach ((string name, SpecValue value) in unified.Members())
        {
            if (name.Contains('/', StringComparison.Ordinal))
                throw value.Wrong($"'{name}' names a file outside the group's directory.");
            string text = value.Text().Trim();
            switch (name)
            {
                case "memory.max":
                    spec = spec with { Memory = text == "max" ? null : Whole(value, text) };
                    break;
                case "pids.max":
                    spec = spec with { Tasks = text == "max" ? null : (int)Math.Min(Whole(value, text), 1 << 22) };
                    break;
                case "cpu.weight":
                    spec = spec with { Weight = Whole(value, text) is >= 1 and <= 10_000 and var weight ? (int)weight : throw value.Wrong($"{text} lies outside 1 to 10000.") };
                    break;
                case "cpu.max":
                    string[] parts = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                    if (parts.Length is < 1 or > 2)
                        throw value.Wrong($"'{text}' is no quota and period.");
                    double period = parts.Length == 2 ? Whole(value, parts[1]) : DefaultPeriod;
                    spec = spec with { Cpus = parts[0] == "max" ? null : Bounded(Whole(value, parts[0]) / Math.Max(1, period)) };
                    break;
            }
        }

        return spec;
    }

    private static ulong? MemoryOf(SpecValue memory)
    {
        long? limit = memory.NumberOf("limit", -1, long.MaxValue);
        long? swap = memory.NumberOf("swap", -1, long.MaxValue);
        long? reservation = memory.NumberOf("reservation", -1, long.MaxValue);
        if (limit is > 0 && swap is > 0 && swap < limit)
            throw memory.Wrong($"swap {swap} is memory and swap together and cannot be below the limit {limit}.");
        if (limit is > 0 && reservation > limit)
            throw memory.Wrong($"the reservation {reservation} is above the limit {limit}.");
        return limit is > 0 ? (ulong)limit : null;
    }

    private static int? WeightOf(SpecValue cpu) => cpu.NumberOf("shares", 0, long.MaxValue) is { } shares && shares > 0
        ? (int)Math.Clamp(shares * 100 / DefaultShares, 1, Core.Scheduling.SchedulingParameters.MaximumWeight)
        : null;

    private static double? CpusOf(SpecValue cpu)
    {
        long? quota = cpu.NumberOf("quota", long.MinValue, long.MaxValue);
        long period = cpu.NumberOf("period", 0, 1_000_000_000) is { } given && given > 0 ? given : DefaultPeriod;
        return quota is > 0 ? Bounded((double)quota.Value / period) : null;
    }

    private static double Bounded(double cpus) => Math.Clamp(cpus, 0.01, 64);

    private static ulong Whole(SpecValue value, string text)
        => ulong.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out ulong number)
            ? number
            : throw value.Wrong($"'{text}' is no whole number.");
}
