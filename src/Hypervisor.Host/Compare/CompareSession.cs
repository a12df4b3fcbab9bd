using Hypervisor.Core;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Host.Cli;
using Spectre.Console;

namespace Hypervisor.Host.Compare;

/// <summary>What <c>hv compare</c> was asked.</summary>
internal sealed record CompareSessionOptions
{
    public IReadOnlyCollection<string> Modes { get; init; } = [];

    public IReadOnlyCollection<string> Workloads { get; init; } = [];

    public int PhysicalCpus { get; init; } = 1;

    public required string Scheduler { get; init; }

    public bool Quick { get; init; }

    public string? JsonFile { get; init; }

    public string? HtmlFile { get; init; }
}

/// <summary>One <c>hv compare</c>: plan, measure, report.</summary>
internal static class CompareSession
{
    private const int WidthWithoutTerminal = 160;

    /// <summary>Runs it; the exit code.</summary>
    /// <exception cref="HypervisorException">The options name something that does not exist.</exception>
    public static int Run(CompareSessionOptions options, CancellationToken cancellation)
    {
        ComparePlan plan = ComparePlan.Create(options.Modes, options.Workloads, options.Quick);
        Schedulers.Create(options.Scheduler, options.PhysicalCpus);
        using FileStream? json = InputFile.CreateOutput(options.JsonFile);
        using FileStream? html = InputFile.CreateOutput(options.HtmlFile);
        var engine = new Interpreter();
        var setting = new CompareSetting(engine, new BuiltInGuests(), new HostOptions
        {
            PhysicalCpus = options.PhysicalCpus,
            Scheduler = options.Scheduler,
        });
        var runner = new CompareRunner(plan, ModeRunners.Create(plan.Modes, setting), TimeProvider.System);
        IReadOnlyList<WorkloadReport> workloads;
        try
        {
            workloads = WithProgress(report => runner.Run(report, cancellation));
        }
        catch (GuestFailedException failure)
        {
            Console.Error.WriteLine($"hv: {failure.Message}");
            return failure.ModesDisagree ? ExitCode.HostTrouble : ExitCode.GuestFailed;
        }

        var report = new ComparisonReport
        {
            Host = HostDescriber.Describe(),
            Engine = engine.Name,
            Scheduler = options.Scheduler,
            PhysicalCpus = options.PhysicalCpus,
            Quick = options.Quick,
            Modes = plan.Modes,
            Workloads = workloads,
        };
        TextReport.Write(OutputConsole(), report);
        if (json is not null)
            JsonReport.Write(json, report);
        if (html is not null)
        {
            using var writer = new StreamWriter(html);
            writer.Write(HtmlReport.Write(report));
        }

        return ExitCode.Success;
    }

    private static IAnsiConsole OutputConsole()
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
        if (Console.IsOutputRedirected)
            console.Profile.Width = WidthWithoutTerminal;
        return console;
    }

    private static T WithProgress<T>(Func<Action<CompareProgress>, T> run)
    {
        if (Console.IsErrorRedirected)
            return run(_ => { });
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress().AutoClear(true).HideCompleted(true).Start(context =>
        {
            ProgressTask task = context.AddTask("starting");
            return run(progress =>
            {
                task.MaxValue = progress.Total;
                task.Value = progress.Done;
                task.Description = $"{progress.Workload}, {progress.Mode}".PadRight(24);
            });
        });
    }
}
