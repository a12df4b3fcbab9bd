using System.Text.Json;
using Hypervisor.Host.Cli;

namespace Hypervisor.Tests.Host;

/// <summary><c>hv schedule simulate</c>: what it writes, and what it refuses.</summary>
public sealed class ScheduleCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("schedule").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Simulate_Workload_WritesFiguresThatRepeat()
    {
        string workload = Write("cpus: 1\nduration: 1s\nseed: 3\nschedulers: [eevdf, stride]\nvcpus:\n  one: {weight: 100}\n  two: {count: 2, weight: 200}\n  web: {run: 100us..300us, sleep: 5ms}\n");
        string[] traces = [.. Enumerable.Range(0, 2).Select(_ =>
        {
            string json = Path.Combine(_folder, "out.json");
            string html = Path.Combine(_folder, "out.html");
            Assert.Equal((0, ""), Run("schedule", "simulate", workload, "--json", json, "--html", html));
            Assert.Contains("<svg", File.ReadAllText(html), StringComparison.Ordinal);
            using JsonDocument document = JsonDocument.Parse(File.ReadAllText(json));
            JsonElement result = document.RootElement.GetProperty("schedulers")[0];
            Assert.Equal("eevdf", result.GetProperty("scheduler").GetString());
            Assert.Equal(["one", "two-0", "two-1", "web"], result.GetProperty("vcpus").EnumerateArray().Select(vcpu => vcpu.GetProperty("name").GetString()));
            Assert.Equal(1_000_000_000, result.GetProperty("busy").GetInt64() + result.GetProperty("idle").GetInt64());
            return result.GetProperty("trace").GetString()!;
        })];
        Assert.Equal(traces[0], traces[1]);
    }

    [Fact]
    public void Simulate_Groups_AreSummedUp()
    {
        string workload = Write("duration: 1s\nschedulers: [eevdf, gang:stride]\ngroups:\n  acme: {weight: 300}\n  lab: {in: acme}\n  other: {limit: 0.1}\nvcpus:\n  a: {count: 3, group: lab}\n  b: {group: other}\n  c: {weight: 100}\n");
        string json = Path.Combine(_folder, "groups.json");
        Assert.Equal(0, Run("schedule", "simulate", workload, "--json", json, "--scheduler", "eevdf").Code);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(json));
        JsonElement groups = document.RootElement.GetProperty("schedulers")[0].GetProperty("groups");
        Assert.InRange(groups.GetProperty("acme").GetInt64(), 670_000_000, 680_000_000);
        Assert.Equal(groups.GetProperty("acme").GetInt64(), groups.GetProperty("lab").GetInt64());
        Assert.Equal(100_000_000, groups.GetProperty("other").GetInt64());
        Assert.Equal(0, Run("schedule", "simulate", workload).Code);
        Assert.Equal((0, ""), Run("schedule", "simulate", workload, "--scheduler", "partitioned:eevdf,gang:eevdf", "--cpus", "2", "--slice", "500us", "--duration", "100ms", "--switch", "1us"));
        Assert.Contains("1 to 64 CPUs", Run("schedule", "simulate", workload, "--cpus", "0").Error, StringComparison.Ordinal);
        Assert.Contains("a time with a unit", Run("schedule", "simulate", workload, "--slice", "5").Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vcpus:\n  a: {group: acme}\n", "there is no group 'acme'")]
    [InlineData("groups: {g: {reservation: 2}}\nvcpus:\n  a: {group: g}\n", "there are 1 CPUs")]
    [InlineData("cpus: 0\nvcpus: {a: {}}\n", ":1: cpus must be a whole number from 1 to 64")]
    [InlineData("cpus: 1\n", "has no 'vcpus'")]
    [InlineData("vcpus:\n  a: {weight: 0}\n", ":2: weight must be")]
    [InlineData("vcpus:\n  a: {weight: 9223372036854775808}\n", ":2: weight must be")]
    [InlineData("vcpus:\n  a: {run: 5, sleep: 1ms}\n", ":2: run must be a time with a unit")]
    [InlineData("vcpus:\n  a: {run: 5ms}\n", "only one of run and sleep")]
    [InlineData("vcpus:\n  a: {run: 5ms..1ms, sleep: 1ms}\n", "ends before it begins")]
    [InlineData("vcpus:\n  a: {phases: [1ms]}\n", "pairs of run and sleep")]
    [InlineData("vcpus:\n  a: {count: 1000001}\n", "count must be")]
    [InlineData("vcpus:\n  a: {cap: 2}\n", "time in a period")]
    [InlineData("vcpus:\n  a: {cap: 20ms/10ms}\n", "the whole of one CPU")]
    [InlineData("vcpus:\n  a: {speed: 2}\n", "has no key 'speed'")]
    [InlineData("schedulers: best\nvcpus: {a: {}}\n", "there is no scheduler 'best'")]
    [InlineData("schedulers: reservation\nvcpus:\n  a: {count: 3, reservation: 4ms/10ms}\n", "0.2 too much")]
    public void Simulate_SenselessWorkload_IsRefusedWithWhereAndWhy(string text, string message)
    {
        (int code, string error) = Run("schedule", "simulate", Write(text));
        Assert.Equal(2, code);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    private static (int Code, string Error) Run(params string[] arguments)
    {
        var error = new StringWriter();
        return (HvCommandLine.Run(arguments, error), error.ToString());
    }

    private string Write(string text)
    {
        string file = Path.Combine(_folder, "workload.yaml");
        File.WriteAllText(file, text);
        return file;
    }
}
