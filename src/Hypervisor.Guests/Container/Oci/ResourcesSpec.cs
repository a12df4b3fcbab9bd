using Hypervisor.Core;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>A configuration's limits for a container as a whole, in this runtime's own units; null where nothing is limited.</summary>
internal sealed record ResourcesSpec
{
    /// <summary>Shares that a group of processes has where nothing is said (cgroup v1); they are a weight of 100.</summary>
    private const long DefaultShares = 1024;

    private const long DefaultPeriod = 100_000;
    private const int MostTasks = 1 << 22;

    private static readonly (string Name, Func<ulong, IoLimits> Make)[] s_throttles =
    [
        ("throttleReadBpsDevice", rate => new IoLimits(ReadBytes: rate)), ("throttleWriteBpsDevice", rate => new IoLimits(WriteBytes: rate)),
        ("throttleReadIOPSDevice", rate => new IoLimits(Reads: rate)), ("throttleWriteIOPSDevice", rate => new IoLimits(Writes: rate)),
    ];

    /// <summary>Bytes of memory; the most there can be where it is said that there is no limit.</summary>
    public ulong? Memory { get; init; }

    /// <summary>Tasks.</summary>
    public int? Tasks { get; init; }

    public int? Weight { get; init; }

    /// <summary>CPUs' worth of time; infinite where it is said that there is no limit.</summary>
    public double? Cpus { get; init; }

    /// <summary>How fast files of the host may be read and written. Of several devices the tightest counts: all of them are the host's files here.</summary>
    public IoLimits? Io { get; init; }

    /// <summary>Reads <c>linux.resources</c>.</summary>
    /// <exception cref="HypervisorException">Something in it is wrong.</exception>
    public static ResourcesSpec Read(SpecValue resources)
    {
        var spec = new ResourcesSpec();
        if (resources.Find("memory") is { } memory)
            spec = spec with { Memory = MemoryOf(memory) };
        if (resources.Find("pids") is { } pids && pids.NumberOf("limit", long.MinValue, long.MaxValue) is { } tasks && tasks != 0)
            spec = spec with { Tasks = tasks < 0 ? MostTasks : (int)Math.Min(tasks, MostTasks) };
        if (resources.Find("cpu") is { } cpu)
            spec = spec with { Weight = WeightOf(cpu), Cpus = CpusOf(cpu) };
        if (resources.Find("blockIO") is { } io)
            spec = spec with { Io = IoOf(io) };
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
                    spec = spec with { Memory = text == "max" ? ulong.MaxValue : Whole(value, text) };
                    break;
                case "pids.max":
                    spec = spec with { Tasks = text == "max" ? MostTasks : (int)Math.Min(Whole(value, text), MostTasks) };
                    break;
                case "cpu.weight":
                    spec = spec with { Weight = Whole(value, text) is >= 1 and <= 10_000 and var weight ? (int)weight : throw value.Wrong($"{text} lies outside 1 to 10000.") };
                    break;
                case "cpu.max":
                    string[] parts = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                    if (parts.Length is < 1 or > 2)
                        throw value.Wrong($"'{text}' is no quota and period.");
                    double period = parts.Length == 2 ? Whole(value, parts[1]) : DefaultPeriod;
                    spec = spec with { Cpus = parts[0] == "max" ? double.PositiveInfinity : Bounded(Whole(value, parts[0]) / Math.Max(1, period)) };
                    break;
                case "io.max":
                    spec = spec with { Io = text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Aggregate(spec.Io, (limits, line) => Tighter(limits, IoLine(value, line))) };
                    break;
            }
        }

        return spec;
    }

    private static IoLimits? IoOf(SpecValue io)
    {
        foreach (string weight in (string[])["weight", "leafWeight"])
        {
            // 0 stands for a weight that is not set.
            if (io.Find(weight) is { } value && value.Number(0, 1000) is > 0 and < 10)
                throw value.Wrong("is below 10, the least weight of input and output.");
        }

        IoLimits? limits = null;
        foreach ((string name, Func<ulong, IoLimits> make) in s_throttles)
        {
            foreach (SpecValue device in io.ItemsOf(name))
            {
                _ = device.Get("major").Number(0, uint.MaxValue);
                _ = device.Get("minor").Number(0, uint.MaxValue);

                // A rate of 0 lifts a limit.
                if (device.Get("rate").Unsigned() is > 0 and ulong rate)
                    limits = Tighter(limits, make(rate));
            }
        }

        return limits;
    }

    /// <summary>A line of io.max: a device, then limits by name (cgroup-v2.rst, "io.max").</summary>
    private static IoLimits IoLine(SpecValue value, string line)
    {
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string[] device = words.Length > 0 ? words[0].Split(':') : [];
        if (device.Length != 2 || !device.All(number => uint.TryParse(number, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out _)))
            throw value.Wrong($"'{line}' does not begin with a device's numbers, as 8:0.");
        var limits = new IoLimits();
        foreach (string word in words[1..])
        {
            string[] parts = word.Split('=');
            ulong? rate = parts.Length != 2 ? throw value.Wrong($"'{word}' is no limit; write rbps=1048576.") : parts[1] == "max" ? null : Whole(value, parts[1]);
            limits = parts[0] switch
            {
                "rbps" => limits with { ReadBytes = rate },
                "wbps" => limits with { WriteBytes = rate },
                "riops" => limits with { Reads = rate },
                "wiops" => limits with { Writes = rate },
                _ => throw value.Wrong($"'{parts[0]}' is no limit of input and output; they are rbps, wbps, riops and wiops."),
            };
        }

        return limits;
    }

    private static IoLimits Tighter(IoLimits? one, IoLimits other)
    {
        return one is null ? other : new IoLimits(Least(one.ReadBytes, other.ReadBytes), Least(one.WriteBytes, other.WriteBytes), Least(one.Reads, other.Reads), Least(one.Writes, other.Writes));

        static ulong? Least(ulong? a, ulong? b) => a is null || b < a ? b : a;
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
        return limit switch { > 0 => (ulong)limit, -1 => ulong.MaxValue, _ => null };
    }

    private static int? WeightOf(SpecValue cpu) => cpu.NumberOf("shares", 0, long.MaxValue) is { } shares && shares > 0
        ? (int)Math.Clamp(shares * 100 / DefaultShares, 1, Core.Scheduling.SchedulingParameters.MaximumWeight)
        : null;

    private static double? CpusOf(SpecValue cpu)
    {
        long? quota = cpu.NumberOf("quota", long.MinValue, long.MaxValue);
        long period = cpu.NumberOf("period", 0, 1_000_000_000) is { } given && given > 0 ? given : DefaultPeriod;
        return quota switch { > 0 => Bounded((double)quota.Value / period), < 0 => double.PositiveInfinity, _ => null };
    }

    private static double Bounded(double cpus) => Math.Clamp(cpus, 0.01, 64);

    private static ulong Whole(SpecValue value, string text)
        => ulong.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out ulong number)
            ? number
            : throw value.Wrong($"'{text}' is no whole number.");
}
