using System.Diagnostics;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Machine;

namespace Hypervisor.Host.Run;

/// <summary>What was measured of one kind of exit.</summary>
internal readonly record struct ExitTime(VmExitReason Reason, ulong Kind, long Count, double Nanoseconds);

/// <summary>
/// Times the handling of exits, around a personality. Only put in when figures are asked for: reading the clock costs more
/// than many an exit. A container's first task is timed, those it forks are not.
/// </summary>
internal sealed class TimedPersonality(IPersonality inner, ExitKinds kinds) : IPersonality
{
    private readonly Dictionary<(VmExitReason Reason, ulong Kind), Tally>[] _tallies = [.. Enumerable.Range(0, Stripes).Select(_ => new Dictionary<(VmExitReason, ulong), Tally>())];

    /// <summary>Harts run side by side: each has a table of its own, by its number, and takes no lock for it.</summary>
    private const int Stripes = RunOptions.MostVCpus;

    private sealed class Tally
    {
        public long Count;
        public long Ticks;
    }

    /// <inheritdoc/>
    public string Name => inner.Name;

    /// <summary>The personality within.</summary>
    public IPersonality Inner => inner;

    /// <summary>What was measured. Only once the machine has stopped.</summary>
    public IEnumerable<ExitTime> Times() => _tallies.SelectMany(each => each).GroupBy(each => each.Key, each => each.Value)
        .Select(each => new ExitTime(each.Key.Reason, each.Key.Kind, each.Sum(one => one.Count), each.Sum(one => one.Ticks) * (1e9 / Stopwatch.Frequency)));

    /// <inheritdoc/>
    public ExitVerdict BeforeSlice(VCpu vcpu) => inner.BeforeSlice(vcpu);

    /// <inheritdoc/>
    public void PrepareRun(VCpu vcpu) => inner.PrepareRun(vcpu);

    /// <inheritdoc/>
    public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
    {
        Dictionary<(VmExitReason, ulong), Tally> tallies = _tallies[vcpu.Id % Stripes];
        var key = (exit.Reason, kinds.KeyOf(vcpu, in exit));
        if (!tallies.TryGetValue(key, out Tally? tally))
        {
            tally = new Tally();
            tallies.Add(key, tally);
        }

        long start = Stopwatch.GetTimestamp();
        ExitVerdict verdict = inner.OnExit(vcpu, in exit);
        tally.Ticks += Stopwatch.GetTimestamp() - start;
        tally.Count++;
        return verdict;
    }

    /// <inheritdoc/>
    public bool HasPendingWork(VCpu vcpu) => inner.HasPendingWork(vcpu);
}
