using System.Diagnostics;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Machine;

namespace Hypervisor.Host.Run;

/// <summary>
/// Times the handling of exits, around a personality. Only put in when figures are asked for: reading the clock costs more
/// than many an exit. A container's first task is timed, those it forks are not.
/// </summary>
internal sealed class TimedPersonality(IPersonality inner) : IPersonality
{
    private static readonly int s_reasons = Enum.GetValues<VmExitReason>().Length;

    private readonly long[] _ticks = new long[s_reasons];
    private readonly long[] _counts = new long[s_reasons];

    /// <inheritdoc/>
    public string Name => inner.Name;

    /// <summary>Mean nanoseconds of handling an exit, by reason; none for reasons that did not occur.</summary>
    public IEnumerable<(VmExitReason Reason, long Count, double MeanNanoseconds)> Means()
    {
        for (int i = 0; i < s_reasons; i++)
        {
            long count = Interlocked.Read(ref _counts[i]);
            if (count > 0)
                yield return ((VmExitReason)i, count, Math.Max(0, Interlocked.Read(ref _ticks[i]) * (1e9 / Stopwatch.Frequency) / count));
        }
    }

    /// <inheritdoc/>
    public ExitVerdict BeforeSlice(VCpu vcpu) => inner.BeforeSlice(vcpu);

    /// <inheritdoc/>
    public void PrepareRun(VCpu vcpu) => inner.PrepareRun(vcpu);

    /// <inheritdoc/>
    public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
    {
        long start = Stopwatch.GetTimestamp();
        ExitVerdict verdict = inner.OnExit(vcpu, in exit);
        Interlocked.Add(ref _ticks[(int)exit.Reason], Stopwatch.GetTimestamp() - start);
        Interlocked.Increment(ref _counts[(int)exit.Reason]);
        return verdict;
    }

    /// <inheritdoc/>
    public bool HasPendingWork(VCpu vcpu) => inner.HasPendingWork(vcpu);
}
