using System.Globalization;
using System.Text.Json;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Machine;
using Hypervisor.Host.Compare;

namespace Hypervisor.Host.Run;

/// <summary>What a guest used, for <c>--stats</c> and <c>--stats-json</c>.</summary>
internal sealed record RunStatistics
{
    public required string Mode { get; init; }

    public required string Engine { get; init; }

    public required long Retired { get; init; }

    public required double WallSeconds { get; init; }

    public required double CpuSeconds { get; init; }

    public required IReadOnlyDictionary<VmExitReason, long> Exits { get; init; }

    /// <summary>Mean nanoseconds of handling an exit.</summary>
    public required IReadOnlyDictionary<VmExitReason, double> ExitNanoseconds { get; init; }

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

    /// <summary>Prints them for people.</summary>
    public void Write(TextWriter writer)
    {
        writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"hv: mode {Mode}, engine {Engine}: {Retired:#,0} instructions in {WallSeconds:0.000} s ({GuestSeconds:0.000} s on a physical CPU), {Mips:0} MIPS, {MemoryResidentBytes / 1048576.0:0.0} MiB resident"));
        foreach (var (reason, count) in Exits.OrderByDescending(each => each.Value))
        {
            string mean = ExitNanoseconds.TryGetValue(reason, out double nanoseconds)
                ? string.Create(CultureInfo.InvariantCulture, $", {nanoseconds:0} ns each") : "";
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"hv: {count,12:#,0} exits: {Figures.Reason(reason)}{mean}"));
        }
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
        json.WriteNumber("memoryResidentBytes", MemoryResidentBytes);
        json.WriteEndObject();
    }
}
