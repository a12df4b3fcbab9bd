using System.CommandLine;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Host.Compare;

namespace Hypervisor.Host.Cli;

/// <summary><c>hv compare</c>.</summary>
internal static class CompareCommand
{
    /// <summary>The command and what it does.</summary>
    public static Command Create()
    {
        Option<string> modes = new("--modes") { Description = $"Modes to compare, separated by commas (default: {string.Join(',', ComparePlan.AllModes)}).", HelpName = "a,b" };
        Option<string> workloads = new("--workloads")
        {
            Description = $"Workloads to run, separated by commas (default: {string.Join(',', Guests.BuiltIn.BuiltInGuests.Workloads.Select(each => each.Name))}).",
            HelpName = "a,b",
        };
        Option<int> cpus = new("--pcpus") { Description = "Physical CPUs of the host loop.", HelpName = "N", DefaultValueFactory = _ => 1 };
        Option<string> scheduler = new("--scheduler")
        {
            Description = $"Scheduling policy: {string.Join(", ", Schedulers.Names)}.",
            HelpName = "S",
            DefaultValueFactory = _ => new HostOptions().Scheduler,
        };
        Option<bool> quick = new("--quick") { Description = "Fewer and shorter repetitions: rough figures in under 15 seconds." };
        Option<string> json = new("--json") { Description = "Write the figures to a file as JSON.", HelpName = "F" };
        Option<string> html = new("--html") { Description = "Write one self-contained page with charts.", HelpName = "F" };
        var command = new Command("compare", "Run the same built-in workloads in every mode and show what each mode costs.")
        {
            modes, workloads, cpus, scheduler, quick, json, html,
        };
        command.SetAction((parsed, cancellation) => Task.FromResult(CompareSession.Run(
            new CompareSessionOptions
            {
                Modes = Names(parsed.GetValue(modes)),
                Workloads = Names(parsed.GetValue(workloads)),
                PhysicalCpus = parsed.GetValue(cpus),
                Scheduler = parsed.GetValue(scheduler)!,
                Quick = parsed.GetValue(quick),
                JsonFile = parsed.GetValue(json),
                HtmlFile = parsed.GetValue(html),
            },
            cancellation)));
        return command;
    }

    private static string[] Names(string? list)
        => list?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
}
