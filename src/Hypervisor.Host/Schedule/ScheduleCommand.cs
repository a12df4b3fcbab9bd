using System.CommandLine;
using Hypervisor.Core;
using Hypervisor.Host.Cli;

namespace Hypervisor.Host.Schedule;

/// <summary><c>hv schedule</c>.</summary>
internal static class ScheduleCommand
{
    /// <summary>The command and what it does.</summary>
    public static Command Create()
    {
        Argument<string> file = new("file") { Description = "The workload: a YAML file (docs/scheduling.md says what it holds).", HelpName = "FILE.yaml" };
        Option<string?> scheduler = new("--scheduler") { Description = "Policies to simulate, separated by commas, in place of the file's.", HelpName = "a,b" };
        Option<long?> seed = new("--seed") { Description = "What random spans come from, in place of the file's.", HelpName = "N" };
        Option<string?> json = new("--json") { Description = "Write the figures to a file as JSON.", HelpName = "F" };
        Option<string?> html = new("--html") { Description = "Write one self-contained page with charts.", HelpName = "F" };
        var simulate = new Command("simulate", "Run a workload of synthetic vCPUs under scheduling policies, without guests, and show who got what and when.")
        {
            file, scheduler, seed, json, html,
        };
        simulate.SetAction((parsed, cancellation) =>
        {
            ScheduleWorkload workload = WorkloadReader.Read(parsed.GetValue(file)!);
            if (parsed.GetValue(scheduler) is { } names)
                workload = workload with { Schedulers = names.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) };
            if (workload.Schedulers.Count == 0)
                throw new HypervisorException("--scheduler names no policy; give one or more, separated by commas.");
            if (parsed.GetValue(seed) is { } number)
                workload = workload with { Seed = (ulong)number };
            var results = workload.Schedulers.Select(name => workload.Simulate(name, cancellation)).ToList();
            ScheduleReport.WriteText(Console.Out, workload, results);
            if (parsed.GetValue(json) is { } jsonFile)
            {
                using FileStream stream = File.Create(jsonFile);
                ScheduleReport.WriteJson(stream, workload, results);
            }

            if (parsed.GetValue(html) is { } htmlFile)
                File.WriteAllText(htmlFile, ScheduleHtml.Write(workload, results));
            return Task.FromResult(ExitCode.Success);
        });
        return new Command("schedule", "Study scheduling policies without guests.") { simulate };
    }
}
