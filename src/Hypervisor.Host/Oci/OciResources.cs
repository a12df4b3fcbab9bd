using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Hypervisor.Core;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Oci;
using Hypervisor.Host.Cli;

namespace Hypervisor.Host.Oci;

/// <summary>What <c>update</c> changes and <c>events</c> tells.</summary>
internal static class OciResources
{
    // Options of update: the member that each sets, below linux.resources.
    private static readonly (string Option, string Section, string Member)[] s_numbers =
    [
        ("--memory", "memory", "limit"), ("--memory-reservation", "memory", "reservation"), ("--memory-swap", "memory", "swap"),
        ("--cpu-period", "cpu", "period"), ("--cpu-quota", "cpu", "quota"), ("--cpu-share", "cpu", "shares"),
        ("--pids-limit", "pids", "limit"), ("--blkio-weight", "blockIO", "weight"),
    ];

    /// <summary>The resources that a command line asks for, as JSON: a file's, or its options'.</summary>
    /// <exception cref="HypervisorException">They say nothing, or something that is wrong.</exception>
    public static string From(OciArguments arguments)
    {
        string json;
        if (arguments["--resources"] is { } file)
        {
            json = file == "-" ? Console.In.ReadToEnd() : Encoding.UTF8.GetString(InputFile.Read(file, "description of resources"));
        }
        else
        {
            var resources = new JsonObject();
            foreach ((string option, string section, string member) in s_numbers)
            {
                if (arguments[option] is { } text)
                    ((JsonObject)(resources[section] ??= new JsonObject()))[member] = Number(option, text);
            }

            if (resources.Count == 0)
                throw new HypervisorException("hv oci update needs something to change: --resources FILE, or options such as --memory 256m.");
            json = resources.ToJsonString();
        }

        _ = Parse(json);
        return json;
    }

    /// <summary>Reads resources.</summary>
    /// <exception cref="HypervisorException">Something in them is wrong.</exception>
    public static ResourcesSpec Parse(string json) => ResourcesSpec.Read(SpecValue.Parse(Encoding.UTF8.GetBytes(json), "resources.json"));

    /// <summary>Limits to give a running container, whose machine has so much memory.</summary>
    public static ContainerLimits Limits(ResourcesSpec resources, ulong machine) => new()
    {
        Memory = resources.Memory == ulong.MaxValue ? machine : resources.Memory,
        Tasks = resources.Tasks,
        Cpus = resources.Cpus,
        Io = resources.Io,
    };

    /// <summary>An event of the statistics, in the form that runc gives it.</summary>
    public static string Event(string id, ContainerStatistics statistics) => new JsonObject
    {
        ["type"] = "stats",
        ["id"] = id,
        ["data"] = new JsonObject
        {
            ["cpu"] = new JsonObject { ["usage"] = new JsonObject { ["total"] = statistics.CpuNanoseconds, ["kernel"] = 0, ["user"] = statistics.CpuNanoseconds } },
            ["memory"] = new JsonObject
            {
                ["usage"] = new JsonObject
                {
                    ["limit"] = statistics.MemoryLimit,
                    ["usage"] = statistics.Memory,
                    ["max"] = statistics.MemoryPeak,
                    ["failcnt"] = statistics.OutOfMemoryKills,
                },
            },
            ["pids"] = new JsonObject { ["current"] = statistics.Tasks, ["limit"] = statistics.TaskLimit },
            ["blkio"] = new JsonObject
            {
                ["ioServiceBytesRecursive"] = Entries(statistics.Io.BytesRead, statistics.Io.BytesWritten),
                ["ioServicedRecursive"] = Entries(statistics.Io.Reads, statistics.Io.Writes),
                ["ioWaitTimeRecursive"] = new JsonArray(new JsonObject { ["op"] = "Total", ["value"] = statistics.Io.HeldNanoseconds }),
            },
        },
    }.ToJsonString();

    private static JsonArray Entries(long read, long written)
        => new(new JsonObject { ["op"] = "Read", ["value"] = read }, new JsonObject { ["op"] = "Write", ["value"] = written });

    private static long Number(string option, string text)
    {
        string digits = text.TrimEnd('b', 'B');
        int shift = digits.Length == 0 ? 0 : char.ToLowerInvariant(digits[^1]) switch { 'k' => 10, 'm' => 20, 'g' => 30, _ => 0 };
        return long.TryParse(shift == 0 ? digits : digits[..^1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && Math.Abs(number) <= long.MaxValue >> shift
            ? number << shift
            : throw new HypervisorException($"{option} {text}: that is no number.");
    }
}
