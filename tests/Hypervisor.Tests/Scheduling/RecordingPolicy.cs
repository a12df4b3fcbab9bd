using Hypervisor.Core.Scheduling;

namespace Hypervisor.Tests.Scheduling;

/// <summary>A policy that notes what it is told.</summary>
internal sealed class RecordingPolicy(IScheduler inner) : IScheduler
{
    private readonly Dictionary<int, long> _since = [];

    /// <summary>Runs: CPU, vCPU, beginning and length.</summary>
    public List<(int Cpu, int VCpu, long At, long Used)> Runs { get; } = [];

    public string Name => inner.Name;

    public CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default) => inner.Set(vcpu, in parameters, now, arriving);

    public CpuSet Ready(int vcpu, ReadyReason reason, long now) => inner.Ready(vcpu, reason, now);

    public PickResult Pick(int cpu, long now)
    {
        _since[cpu] = now;
        return inner.Pick(cpu, now);
    }

    public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
    {
        Runs.Add((cpu, vcpu, _since[cpu], used));
        return inner.Stopped(cpu, vcpu, used, reason, yieldTo, now);
    }

    public RemovalToken Remove(int vcpu, long now) => inner.Remove(vcpu, now);

    /// <summary>What a vCPU ran in each of the periods of some length, from a moment on.</summary>
    public long[] ByPeriod(int vcpu, long period, int periods, long first = 0)
    {
        var used = new long[periods];
        foreach ((_, int id, long start, long length) in Runs)
        {
            long at = start - first;
            for (long from = Math.Max(0, at); id == vcpu && from < at + length;)
            {
                long to = Math.Min(at + length, ((from / period) + 1) * period);
                if (from / period < periods)
                    used[from / period] += to - from;
                from = to;
            }
        }

        return used;
    }
}
