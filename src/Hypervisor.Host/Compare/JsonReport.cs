using System.Text.Json;

namespace Hypervisor.Host.Compare;

/// <summary>A comparison as JSON.</summary>
internal static class JsonReport
{
    private const int SchemaVersion = 1;

    /// <summary>Writes a report.</summary>
    public static void Write(Stream stream, ComparisonReport report)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteNumber("schema", SchemaVersion);
        json.WriteStartObject("host");
        json.WriteString("system", report.Host.System);
        json.WriteString("processor", report.Host.Processor);
        json.WriteNumber("cores", report.Host.Cores);
        json.WriteString("runtime", report.Host.Runtime);
        json.WriteEndObject();
        json.WriteString("engine", report.Engine);
        json.WriteString("scheduler", report.Scheduler);
        json.WriteNumber("physicalCpus", report.PhysicalCpus);
        json.WriteBoolean("quick", report.Quick);
        json.WriteStartArray("workloads");
        foreach (WorkloadReport row in report.Workloads)
            WriteRow(json, report, row);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteRow(Utf8JsonWriter json, ComparisonReport report, WorkloadReport row)
    {
        json.WriteStartObject();
        json.WriteString("name", row.Name);
        json.WriteString("unit", row.Unit);
        json.WriteNumber("iterations", row.Iterations);
        json.WriteString("checksum", row.Checksum.ToString("x16"));
        json.WriteStartObject("modes");
        foreach (string mode in report.Modes)
        {
            ModeReport cell = row.Modes[mode];
            json.WriteStartObject(mode);
            json.WriteNumber("nanosecondsPerOperation", cell.Nanoseconds.Median);
            json.WriteNumber("low", cell.Nanoseconds.Low);
            json.WriteNumber("high", cell.Nanoseconds.High);
            if (row.Overhead(mode) is { } overhead)
                json.WriteNumber("overhead", overhead);
            json.WriteNumber("operations", cell.Operations);
            json.WriteNumber("retiredPerOperation", cell.RetiredPerOperation);
            json.WriteStartObject("exitsPerOperation");
            foreach (var (reason, count) in cell.Exits)
                json.WriteNumber(Figures.Key(reason), count);
            json.WriteEndObject();
            json.WriteStartArray("samples");
            foreach (double sample in cell.Samples)
                json.WriteNumberValue(sample);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}
