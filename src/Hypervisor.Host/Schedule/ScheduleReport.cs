using System.Globalization;
using System.Text.Json;
using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Scheduling.Simulation;
using Hypervisor.Host.Compare;

namespace Hypervisor.Host.Schedule;

/// <summary>What simulations gave, as text and as JSON.</summary>
internal static class ScheduleReport
{
    private const int SchemaVersion = 1;
    private const int MostRows = 40;

    /// <summary>Writes tables: one line for each vCPU of each policy, one for the whole.</summary>
    public static void WriteText(TextWriter writer, ScheduleWorkload workload, IReadOnlyList<SimulationResult> results)
    {
        foreach (SimulationResult result in results)
        {
            writer.WriteLine(Invariant($"{result.Scheduler}: {result.VCpus.Count} vCPUs on {workload.Cpus} CPUs, {Figures.Time(result.Elapsed)}, slice {Figures.Time(workload.Slice)}, seed {workload.Seed}"));
            writer.WriteLine(Invariant($"  {"vCPU",-16} {"share",8} {"fluid",8} {"lag",21} {"longest wait",13} {"wakes",8} {"p50",9} {"p99",9} {"p99.9",9} {"max",9}"));
            foreach (SimulatedBooks vcpu in result.VCpus.Take(MostRows))
            {
                string lag = vcpu.Lag is { } range ? $"{Signed(range.Least)} … {Signed(range.Most)}" : "–";
                string fluid = vcpu.FluidNanoseconds is { } due ? Share(due, result) : "–";
                LatencyHistogram wakes = vcpu.WakeLatency;
                writer.WriteLine(Invariant($"  {vcpu.Name,-16} {Share(vcpu.RunNanoseconds, result),8} {fluid,8} {lag,21} {Figures.Time(vcpu.LongestWait),13} {wakes.Count,8} {Figures.Time(wakes.Percentile(0.5)),9} {Figures.Time(wakes.Percentile(0.99)),9} {Figures.Time(wakes.Percentile(0.999)),9} {Figures.Time(wakes.Longest),9}"));
            }

            if (result.VCpus.Count > MostRows)
                writer.WriteLine(Invariant($"  … and {result.VCpus.Count - MostRows} more (--json has all)"));
            foreach (SchedulingGroup group in workload.Groups)
                writer.WriteLine(Invariant($"  {"group " + group.Name,-25} {Share(workload.Sum(group, result, vcpu => vcpu.RunNanoseconds), result),-8} weight {group.Weight}{(group.Parent is { } parent ? $", in {parent.Name}" : "")}"));
            string jain = result.JainIndex is { } index ? index.ToString("0.000000", CultureInfo.InvariantCulture) : "–";
            writer.WriteLine(Invariant($"  busy {Percent(result.Busy, result, workload)}, idle {Percent(result.Idle, result, workload)}, switching {Percent(result.Overhead, result, workload)}; {result.Decisions} decisions, {result.Switches} switches; Jain {jain}; trace {result.TraceHash:x16}"));
            writer.WriteLine();
        }
    }

    /// <summary>Writes everything.</summary>
    public static void WriteJson(Stream stream, ScheduleWorkload workload, IReadOnlyList<SimulationResult> results)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteNumber("schema", SchemaVersion);
        json.WriteNumber("cpus", workload.Cpus);
        json.WriteNumber("duration", workload.Duration);
        json.WriteNumber("slice", workload.Slice);
        json.WriteNumber("switch", workload.SwitchCost);
        json.WriteNumber("seed", workload.Seed);
        json.WriteStartArray("schedulers");
        foreach (SimulationResult result in results)
            WriteResult(json, workload, result);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteResult(Utf8JsonWriter json, ScheduleWorkload workload, SimulationResult result)
    {
        json.WriteStartObject();
        json.WriteString("scheduler", result.Scheduler);
        json.WriteNumber("busy", result.Busy);
        json.WriteNumber("idle", result.Idle);
        json.WriteNumber("switching", result.Overhead);
        json.WriteNumber("decisions", result.Decisions);
        json.WriteNumber("switches", result.Switches);
        if (result.JainIndex is { } jain)
            json.WriteNumber("jain", jain);
        json.WriteString("trace", result.TraceHash.ToString("x16", CultureInfo.InvariantCulture));
        if (workload.Groups.Count > 0)
        {
            json.WriteStartObject("groups");
            foreach (SchedulingGroup group in workload.Groups)
                json.WriteNumber(group.Name, workload.Sum(group, result, vcpu => vcpu.RunNanoseconds));
            json.WriteEndObject();
        }

        json.WriteStartArray("vcpus");
        foreach (SimulatedBooks vcpu in result.VCpus)
        {
            json.WriteStartObject();
            json.WriteString("name", vcpu.Name);
            json.WriteNumber("run", vcpu.RunNanoseconds);
            json.WriteNumber("wait", vcpu.WaitNanoseconds);
            json.WriteNumber("longestWait", vcpu.LongestWait);
            if (vcpu.FluidNanoseconds is { } due)
                json.WriteNumber("fluid", due);
            if (vcpu.Lag is { } lag)
            {
                json.WriteNumber("leastLag", lag.Least);
                json.WriteNumber("mostLag", lag.Most);
            }

            json.WriteStartObject("wakeLatency");
            json.WriteNumber("count", vcpu.WakeLatency.Count);
            json.WriteNumber("p50", vcpu.WakeLatency.Percentile(0.5));
            json.WriteNumber("p99", vcpu.WakeLatency.Percentile(0.99));
            json.WriteNumber("p999", vcpu.WakeLatency.Percentile(0.999));
            json.WriteNumber("max", vcpu.WakeLatency.Longest);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static string Share(double nanoseconds, SimulationResult result)
        => (100 * nanoseconds / result.Elapsed).ToString("0.000", CultureInfo.InvariantCulture) + "%";

    private static string Percent(long nanoseconds, SimulationResult result, ScheduleWorkload workload)
        => (100.0 * nanoseconds / ((double)result.Elapsed * workload.Cpus)).ToString("0.00", CultureInfo.InvariantCulture) + "%";

    private static string Signed(double nanoseconds) => (nanoseconds < 0 ? "−" : "") + Figures.Time(Math.Abs(nanoseconds));

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
