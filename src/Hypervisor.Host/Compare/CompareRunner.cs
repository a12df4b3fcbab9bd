using System.Diagnostics;
using Hypervisor.Core.Engine;
using Hypervisor.Guests.BuiltIn;

namespace Hypervisor.Host.Compare;

/// <summary>Something was measured: for a progress display.</summary>
/// <param name="Workload">The workload.</param>
/// <param name="Mode">The mode.</param>
/// <param name="Done">Runs done.</param>
/// <param name="Total">Runs there may be.</param>
internal readonly record struct CompareProgress(string Workload, string Mode, int Done, int Total);

/// <summary>
/// Carries a plan out: a warm-up, then rounds in which every workload runs once in every mode, so that whatever drifts on
/// the host hits all modes alike.
/// </summary>
internal sealed class CompareRunner(ComparePlan plan, IReadOnlyDictionary<string, IModeRunner> modes, TimeProvider time)
{
    /// <summary>Measures everything.</summary>
    /// <exception cref="GuestFailedException">A guest failed, or two modes computed different things.</exception>
    public IReadOnlyList<WorkloadReport> Run(Action<CompareProgress> progress, CancellationToken cancellation)
    {
        int perRound = plan.Workloads.Count * plan.Modes.Count;
        int done = 0;
        int total = perRound * (plan.Rounds + 1);
        var samples = new Dictionary<(string Workload, string Mode), List<WorkloadSample>>();
        long start = time.GetTimestamp();
        long roundStart = start;
        for (int round = 0; round <= plan.Rounds; round++)
        {
            // The first measured round always runs; a further one only if it will be done in time, as the last one was.
            bool warmsUp = round == 0;
            if (round > 1 && time.GetElapsedTime(start) + time.GetElapsedTime(roundStart) > plan.TimeLimit)
                break;
            roundStart = time.GetTimestamp();
            foreach (Workload workload in plan.Workloads)
            {
                // Each round begins with another mode: none is always the first after a pause.
                for (int i = 0; i < plan.Modes.Count; i++)
                {
                    string mode = plan.Modes[(i + round) % plan.Modes.Count];
                    cancellation.ThrowIfCancellationRequested();
                    progress(new CompareProgress(workload.Name, mode, done++, total));
                    long iterations = warmsUp ? ComparePlan.WarmUpIterations(workload) : plan.Iterations(workload);
                    WorkloadSample sample = modes[mode].Run(workload, iterations, cancellation);
                    if (sample.Operations <= 0)
                        throw new GuestFailedException($"{workload.Name} in mode {mode} marked no operations: its kernel does not report marks.");
                    if (warmsUp)
                        continue;
                    if (!samples.TryGetValue((workload.Name, mode), out List<WorkloadSample>? list))
                        samples.Add((workload.Name, mode), list = []);
                    list.Add(sample);
                }
            }
        }

        return [.. plan.Workloads.Select(workload => Summarise(workload, samples))];
    }

    private WorkloadReport Summarise(Workload workload, Dictionary<(string Workload, string Mode), List<WorkloadSample>> samples)
    {
        var cells = new Dictionary<string, ModeReport>();
        (string Mode, ulong Checksum)? first = null;
        foreach (string mode in plan.Modes)
        {
            List<WorkloadSample> runs = samples[(workload.Name, mode)];
            foreach (WorkloadSample run in runs)
            {
                first ??= (mode, run.Checksum);
                if (run.Checksum != first.Value.Checksum)
                    throw new GuestFailedException(
                        $"{workload.Name} computed {run.Checksum:x16} in mode {mode} and {first.Value.Checksum:x16} in mode {first.Value.Mode}: "
                        + "the modes do not run the same program alike, so no time of theirs can be compared.",
                        modesDisagree: true);
            }

            cells.Add(mode, Summarise(runs));
        }

        return new WorkloadReport
        {
            Name = workload.Name,
            Unit = workload.Unit,
            Iterations = plan.Iterations(workload),
            Checksum = first is { } value ? value.Checksum : throw new UnreachableException("a plan has a mode"),
            Modes = cells,
        };
    }

    private static ModeReport Summarise(List<WorkloadSample> runs)
    {
        double[] times = [.. runs.Select(run => (double)run.Nanoseconds / run.Operations)];
        WorkloadSample last = runs[^1];
        return new ModeReport
        {
            Nanoseconds = Spread.Of(times),
            Samples = times,
            Operations = last.Operations,
            RetiredPerOperation = (double)last.Retired / last.Operations,
            Exits =
            [
                .. last.Exits
                    .Where(each => each.Value > 0 && each.Key > VmExitReason.Attention)
                    .OrderByDescending(each => each.Value).ThenBy(each => each.Key)
                    .Select(each => (each.Key, (double)each.Value / last.Operations)),
            ],
        };
    }
}
