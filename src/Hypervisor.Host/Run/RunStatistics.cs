using System.Globalization;
using System.Text.Json;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Machine;
using Hypervisor.Host.Compare;

namespace Hypervisor.Host.Run;

/// <summary>What a guest used, for <c>--stats</c> and <c>--stats-json</c>.</summary>
internal sealed record RunStatistics
{
    /// <summary>Kinds of exits shown for one reason, the dearest first; the JSON has all.</summary>
    private const int MostKinds = 12;

    public required string Mode { get; init; }

    public required string Engine { get; init; }

    public required long Retired { get; init; }

    public required double WallSeconds { get; init; }

    public required double CpuSeconds { get; init; }

    public required IReadOnlyDictionary<VmExitReason, long> Exits { get; init; }

    /// <summary>What handling exits took, by kind.</summary>
    public required IReadOnlyList<ExitTime> Times { get; init; }

    /// <summary>Names the kinds.</summary>
    public required ExitKinds Kinds { get; init; }

    /// <summary>What the mode and the engine counted.</summary>
    public required IReadOnlyList<(string Name, long Value)> Counters { get; init; }

    /// <summary>The part of memory accesses that found their TLB entry, by samples; null where none was taken.</summary>
    public required double? TlbHitRate { get; init; }

    /// <summary>Mean nanoseconds of handling an exit.</summary>
    public IReadOnlyDictionary<VmExitReason, double> ExitNanoseconds => Times.GroupBy(each => each.Reason)
        .ToDictionary(each => each.Key, each => Math.Max(0, each.Sum(one => one.Nanoseconds) / each.Sum(one => one.Count)));

    public required long MemoryResidentBytes { get; init; }

    /// <summary>Seconds that vCPUs were on a physical CPU, without hv's own start.</summary>
    public required double GuestSeconds { get; init; }

    /// <summary>Million guest instructions in a second on a physical CPU.</summary>
    public double Mips => GuestSeconds > 0 ? Retired / GuestSeconds / 1e6 : 0;

    /// <summary>The exits of all vCPUs that a machine has and had.</summary>
    public static Dictionary<VmExitReason, long> SumExits(VirtualMachine machine)
    {
        var sums = new Dictionary<VmExitReason, long>();
        foreach (VmExitReason reason in Enum.GetValues<VmExitReason>())
        {
            long count = machine.EndedVCpus.Exits(reason) + machine.VCpus.Sum(vcpu => vcpu.Meter.Exits(reason));
            if (count > 0)
                sums.Add(reason, count);
        }

        return sums;
    }

    /// <summary>The kinds of exits for a reason by their names, the dearest first; one without a name is empty.</summary>
    private IEnumerable<(string Name, long Count, double Nanoseconds)> NamedTimes(VmExitReason reason) => Times
        .Where(each => each.Reason == reason)
        .GroupBy(each => Kinds.NameOf(reason, each.Kind) ?? "")
        .Select(each => (each.Key, each.Sum(one => one.Count), each.Sum(one => one.Nanoseconds)))
        .OrderByDescending(each => each.Item3);

    /// <summary>Prints them for people.</summary>
    public void Write(TextWriter writer)
    {
        writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"hv: mode {Mode}, engine {Engine}: {Retired:#,0} instructions in {WallSeconds:0.000} s ({GuestSeconds:0.000} s on a physical CPU), {Mips:0} MIPS, {MemoryResidentBytes / 1048576.0:0.0} MiB resident"));
        double handled = Times.Sum(each => each.Nanoseconds) / 1e9;
        writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"hv: {handled:0.000} s handling exits, {Math.Max(0, GuestSeconds - handled):0.000} s in guest code{(TlbHitRate is { } rate ? $", {rate * 100:0.000} % of sampled accesses hit the TLB" : "")}"));
        foreach (var (reason, count) in Exits.OrderByDescending(each => each.Value))
        {
            string mean = ExitNanoseconds.TryGetValue(reason, out double nanoseconds)
                ? string.Create(CultureInfo.InvariantCulture, $", {nanoseconds:0} ns each, {nanoseconds * count / 1e6:0.0} ms") : "";
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"hv: {count,12:#,0} exits: {Figures.Reason(reason)}{mean}"));
            foreach ((string name, long times, double total) in NamedTimes(reason).Where(each => each.Name.Length > 0).Take(MostKinds))
            {
                writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"hv: {times,18:#,0} {name}, {Math.Max(0, total) / times:0} ns each, {Math.Max(0, total) / 1e6:0.0} ms"));
            }
        }

        foreach ((string name, long value) in Counters)
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"hv: {value,12:#,0} {name}"));
    }

    /// <summary>Writes them as JSON.</summary>
    public void WriteJson(Stream stream)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("mode", Mode);
        json.WriteString("engine", Engine);
        json.WriteNumber("retired", Retired);
        json.WriteNumber("wallSeconds", WallSeconds);
        json.WriteNumber("cpuSeconds", CpuSeconds);
        json.WriteNumber("guestSeconds", GuestSeconds);
        json.WriteNumber("mips", Mips);
        json.WriteStartObject("exits");
        foreach (var (reason, count) in Exits.OrderBy(each => each.Key))
            json.WriteNumber(Figures.Key(reason), count);
        json.WriteEndObject();
        json.WriteStartObject("exitNanoseconds");
        foreach (var (reason, mean) in ExitNanoseconds.OrderBy(each => each.Key))
            json.WriteNumber(Figures.Key(reason), mean);
        json.WriteEndObject();
        json.WriteStartArray("exitKinds");
        foreach (VmExitReason reason in Times.Select(each => each.Reason).Distinct().Order())
        {
            foreach ((string name, long times, double total) in NamedTimes(reason))
            {
                json.WriteStartObject();
                json.WriteString("reason", Figures.Key(reason));
                json.WriteString("kind", name);
                json.WriteNumber("count", times);
                json.WriteNumber("nanoseconds", total / times);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
        json.WriteStartObject("counters");
        foreach ((string name, long value) in Counters)
            json.WriteNumber(name, value);
        json.WriteEndObject();
        if (TlbHitRate is { } rate)
            json.WriteNumber("tlbHitRate", rate);
        json.WriteNumber("memoryResidentBytes", MemoryResidentBytes);
        json.WriteEndObject();
    }
}
