using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Hypervisor.Core;
using Hypervisor.Core.Engine;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Host.Compare;
using Spectre.Console;

namespace Hypervisor.Tests.Host;

public sealed class CompareTests
{
    private static readonly BuiltInGuests s_guests = new();

    [Theory]
    [InlineData(new double[] { 3 }, 3, 3, 3)]
    [InlineData(new double[] { 9, 1, 2 }, 2, 1, 9)]
    [InlineData(new double[] { 4, 1, 3, 2 }, 2.5, 1, 4)]
    public void Spread_Values_GivesMedianAndRange(double[] values, double median, double low, double high)
        => Assert.Equal(new Spread(median, low, high), Spread.Of(values));

    [Theory]
    [InlineData(1.234, "1.23 ns")]
    [InlineData(47.5, "47.5 ns")]
    [InlineData(323.4, "323 ns")]
    [InlineData(6770, "6.77 µs")]
    [InlineData(587_000, "587 µs")]
    [InlineData(1_500_000, "1.50 ms")]
    [InlineData(2_000_000_000, "2.00 s")]
    public void Figures_Time_HasThreeDigitsAndAUnit(double nanoseconds, string text) => Assert.Equal(text, Figures.Time(nanoseconds));

    [Theory]
    [InlineData(0, "0")]
    [InlineData(0.001, "<0.01")]
    [InlineData(7, "7")]
    [InlineData(3.138, "3.14")]
    [InlineData(1234.4, "1,234")]
    public void Figures_Count_NeverHidesWhatHappened(double count, string text) => Assert.Equal(text, Figures.Count(count));

    [Fact]
    public void Plan_NoNames_TakesEverythingInOrder()
    {
        ComparePlan plan = ComparePlan.Create(null, [], quick: true);
        Assert.Equal(["bare", "full", "assisted", "para", "container"], plan.Modes);
        Assert.Equal(BuiltInGuests.Workloads, plan.Workloads);
        plan = ComparePlan.Create(["para", "bare"], ["syscall", "compute"], quick: false);
        Assert.Equal(["bare", "para"], plan.Modes);
        Assert.Equal(["compute", "syscall"], plan.Workloads.Select(each => each.Name));
    }

    [Fact]
    public void Plan_UnknownName_ThrowsWithTheKnownOnes()
    {
        var mode = Assert.Throws<HypervisorException>(() => ComparePlan.Create(["warp"], null, false));
        Assert.Contains("'warp'", mode.Message);
        Assert.Contains("bare, full, assisted, para, container", mode.Message);
        var workload = Assert.Throws<HypervisorException>(() => ComparePlan.Create(null, ["sing"], false));
        Assert.Contains("compute, memory", workload.Message);
    }

    [Fact]
    public void Runner_TwoModes_InterleavesAndSummarises()
    {
        ComparePlan plan = ComparePlan.Create(["bare", "full"], ["syscall", "timer"], quick: true);
        var order = new List<string>();
        var modes = new Dictionary<string, IModeRunner> { ["bare"] = new FakeMode("bare", order, 100), ["full"] = new FakeMode("full", order, 300) };
        var progress = new List<CompareProgress>();
        IReadOnlyList<WorkloadReport> rows = new CompareRunner(plan, modes, TimeProvider.System).Run(progress.Add, CancellationToken.None);

        Assert.Equal((plan.Rounds + 1) * 4, order.Count);
        Assert.Equal(order.Count, progress[^1].Total);
        Assert.Equal(["bare syscall", "full syscall", "bare timer", "full timer", "full syscall", "bare syscall"], order.Take(6));
        WorkloadReport row = rows[0];
        Assert.Equal(3.0, row.Overhead("full"));
        Assert.Equal(1.0, row.Overhead("bare"));
        Assert.Equal(plan.Rounds, row.Modes["full"].Samples.Count);
        Assert.Equal([(VmExitReason.PrivilegedInstruction, 7.0), (VmExitReason.EnvironmentCall, 1.0)], row.Modes["full"].Exits);
        Assert.Equal(8.0, row.Modes["full"].TotalExits);
    }

    [Fact]
    public void Runner_DifferentChecksums_FailsLoudly()
    {
        ComparePlan plan = ComparePlan.Create(["bare", "full"], ["syscall"], quick: true);
        var modes = new Dictionary<string, IModeRunner> { ["bare"] = new FakeMode("bare", [], 1), ["full"] = new FakeMode("full", [], 1, checksum: 2) };
        var error = Assert.Throws<GuestFailedException>(() => new CompareRunner(plan, modes, TimeProvider.System).Run(_ => { }, CancellationToken.None));
        Assert.True(error.ModesDisagree);
        Assert.Contains("syscall", error.Message);
        Assert.Contains("full", error.Message);
    }

    [Theory]
    [InlineData("bare")]
    [InlineData("full")]
    [InlineData("assisted")]
    [InlineData("para")]
    [InlineData("container")]
    public void ModeRunner_EveryWorkload_MarksItsOperationsAndComputesTheSame(string mode)
    {
        var setting = new CompareSetting(Support.TestEngine.Create(), s_guests, new Core.Machine.HostOptions());
        IModeRunner bare = ModeRunners.Create(["bare"], setting)["bare"];
        IModeRunner runner = ModeRunners.Create([mode], setting)[mode];
        foreach (Workload workload in BuiltInGuests.Workloads)
        {
            WorkloadSample sample = runner.Run(workload, 64, CancellationToken.None);
            Assert.Equal((workload.Name, 64L), (workload.Name, sample.Operations));
            Assert.Equal(bare.Run(workload, 64, CancellationToken.None).Checksum, sample.Checksum);
            Assert.True(sample.Retired > 64, $"{workload.Name} in {mode} retired {sample.Retired}");
        }
    }

    [Fact]
    public void ModeRunner_NullSystemCall_ExitsAsTheModeMust()
    {
        var setting = new CompareSetting(Support.TestEngine.Create(), s_guests, new Core.Machine.HostOptions());
        Workload workload = s_guests.Find("syscall");
        var exits = ModeRunners.Create(ComparePlan.AllModes, setting)
            .ToDictionary(each => each.Key, each => each.Value.Run(workload, 2000, CancellationToken.None).Exits.Where(one => one.Key > VmExitReason.Attention).Sum(one => one.Value) / 2000.0);
        Assert.InRange(exits["bare"], 0, 0.02);
        Assert.InRange(exits["assisted"], 0, 0.02);
        Assert.InRange(exits["para"], 0, 0.02);
        Assert.InRange(exits["container"], 1, 1.02);
        Assert.InRange(exits["full"], 3, 20);
    }

    [Fact]
    public void JsonReport_Written_ReadsBack()
    {
        using var stream = new MemoryStream();
        JsonReport.Write(stream, Sample());
        using JsonDocument document = JsonDocument.Parse(stream.ToArray());
        JsonElement cell = document.RootElement.GetProperty("workloads")[0].GetProperty("modes").GetProperty("full");
        Assert.Equal(300, cell.GetProperty("nanosecondsPerOperation").GetDouble());
        Assert.Equal(3, cell.GetProperty("overhead").GetDouble());
        Assert.Equal(7, cell.GetProperty("exitsPerOperation").GetProperty("privilegedInstruction").GetDouble());
        Assert.Equal("00000000000000ff", document.RootElement.GetProperty("workloads")[0].GetProperty("checksum").GetString());
    }

    [Fact]
    public void HtmlReport_Written_IsOneWellFormedPageThatLoadsNothing()
    {
        string page = HtmlReport.Write(Sample());
        Assert.DoesNotContain("http://", page);
        Assert.DoesNotContain("https://", page);
        Assert.DoesNotContain("<script", page);
        Assert.Contains("prefers-color-scheme:dark", page);
        Assert.Contains("a &lt;b&gt; &amp; c", page);
        int start = page.IndexOf("<svg", StringComparison.Ordinal);
        int end = page.IndexOf("</svg>", start, StringComparison.Ordinal) + 6;
        XElement chart = XElement.Parse(page[start..end]);
        Assert.Equal(2, chart.Elements("rect").Count());
    }

    [Fact]
    public void TextReport_Written_ShowsTimesFactorsAndExitsWithoutColour()
    {
        var text = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 160;
        TextReport.Write(console, Sample());
        string output = text.ToString();
        Assert.Contains("300 ns", output);
        Assert.Contains("3.00×", output);
        Assert.Contains("7 privileged", output);
        Assert.DoesNotContain("\u001b", output);
    }

    private static ComparisonReport Sample() => new()
    {
        Host = new HostDescription("Test OS", "Test CPU", 2, ".NET"),
        Engine = "interpreter",
        Scheduler = "stride",
        PhysicalCpus = 1,
        Quick = true,
        Modes = ["bare", "full"],
        Workloads =
        [
            new WorkloadReport
            {
                Name = "syscall", Unit = "a <b> & c", Iterations = 10, Checksum = 255,
                Modes = new Dictionary<string, ModeReport> { ["bare"] = Cell(100), ["full"] = Cell(300, (VmExitReason.PrivilegedInstruction, 7)) },
            },
        ],
    };

    private static ModeReport Cell(double time, params (VmExitReason, double)[] exits) => new()
    {
        Nanoseconds = new Spread(time, time - 10, time + 10), Samples = [time], Operations = 10, RetiredPerOperation = 50, Exits = exits,
    };

    private sealed class FakeMode(string mode, List<string> order, long nanoseconds, ulong checksum = 1) : IModeRunner
    {
        public string Mode => mode;

        public WorkloadSample Run(Workload workload, long iterations, CancellationToken cancellation)
        {
            order.Add($"{mode} {workload.Name}");
            return new WorkloadSample
            {
                Nanoseconds = nanoseconds * iterations, Operations = iterations, Retired = iterations, Checksum = checksum,
                Exits = new Dictionary<VmExitReason, long>
                {
                    [VmExitReason.BudgetExpired] = 3, [VmExitReason.EnvironmentCall] = iterations, [VmExitReason.PrivilegedInstruction] = 7 * iterations,
                },
            };
        }
    }
}
