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
        Argument<string> file = new("file") { Description = "The workload: a YAML file, a trace that hv run --sched-trace wrote, or what perf script prints after perf sched record (docs/scheduling.md says what they hold).", HelpName = "FILE" };
        Option<string?> scheduler = new("--scheduler") { Description = "Policies to simulate, separated by commas, in place of the file's.", HelpName = "a,b" };
        Option<long?> seed = new("--seed") { Description = "What random spans come from, in place of the file's.", HelpName = "N" };
        Option<int?> cpus = new("--cpus") { Description = "CPUs to simulate, in place of the file's.", HelpName = "N" };
        Option<string?> slice = new("--slice") { Description = "The default slice, such as 1ms, in place of the file's.", HelpName = "TIME" };
        Option<string?> cost = new("--switch") { Description = "What it costs to go on to another vCPU, such as 2us, in place of the file's.", HelpName = "TIME" };
        Option<string?> duration = new("--duration") { Description = "How long to simulate, such as 10s, in place of the file's.", HelpName = "TIME" };
        Option<string?> json = new("--json") { Description = "Write the figures to a file as JSON.", HelpName = "F" };
        Option<string?> html = new("--html") { Description = "Write one self-contained page with charts.", HelpName = "F" };
        var simulate = new Command("simulate", "Run a workload of synthetic vCPUs under scheduling policies, without guests, and show who got what and when.")
        {
            file, scheduler, seed, cpus, slice, cost, duration, json, html,
        };
        simulate.SetAction((parsed, cancellation) =>
        {
            string name = parsed.GetValue(file)!;
            ScheduleWorkload workload = TraceReader.IsYaml(name) ? WorkloadReader.Read(name) : TraceReader.Read(name);
            if (parsed.GetValue(scheduler) is { } names)
                workload = workload with { Schedulers = names.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) };
            if (workload.Schedulers.Count == 0)
                throw new HypervisorException("--scheduler names no policy; give one or more, separated by commas.");
            if (parsed.GetValue(seed) is { } number)
                workload = workload with { Seed = (ulong)number };
            if (parsed.GetValue(cpus) is { } count)
                workload = workload with { Cpus = count is >= 1 and <= 64 ? count : throw new HypervisorException($"--cpus {count}: a simulation has 1 to 64 CPUs.") };
            if (parsed.GetValue(slice) is { } length)
                workload = workload with { Slice = Time("--slice", length, 1000) };
            if (parsed.GetValue(cost) is { } each)
                workload = workload with { SwitchCost = Time("--switch", each, 0) };
            if (parsed.GetValue(duration) is { } span)
                workload = workload with { Duration = Time("--duration", span, 1) };
            var results = workload.Schedulers.Select(policy => workload.Simulate(policy, cancellation)).ToList();
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
        static long Time(string option, string text, long least)
            => ScheduleYaml.TryTime(text, out long time) && time >= least ? time : throw new HypervisorException($"{option} {text}: give a time with a unit, such as 10ms, of {least} ns to an hour.");

        return new Command("schedule", "Study scheduling policies without guests.") { simulate };
    }
}
