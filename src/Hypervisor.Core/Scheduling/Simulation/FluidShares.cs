namespace Hypervisor.Core.Scheduling.Simulation;

/// <summary>
/// What each vCPU would get of CPUs that could be divided without end: φ = min(1, λ·w) each moment, λ such that all of them, or all
/// CPUs, are used. The measure that lag is taken against.
/// </summary>
internal sealed class FluidShares(int cpus, int vcpus)
{
    private readonly double[] _due = new double[vcpus];
    private readonly double[] _rates = new double[vcpus];
    private readonly List<(long Weight, int VCpu)> _competing = [];
    private long _at;

    /// <summary>What a vCPU was due until now, in nanoseconds.</summary>
    public double Due(int vcpu, long now) => _due[vcpu] + (_rates[vcpu] * (now - _at));

    /// <summary>A vCPU competes from now on, with a weight; 0 for not any more.</summary>
    public void Set(int vcpu, long weight, long now)
    {
        foreach ((_, int each) in _competing)
            _due[each] += _rates[each] * (now - _at);
        _at = now;
        _competing.RemoveAll(each => each.VCpu == vcpu);
        _rates[vcpu] = 0;
        if (weight > 0)
        {
            int place = _competing.FindIndex(each => each.Weight < weight);
            _competing.Insert(place < 0 ? _competing.Count : place, (weight, vcpu));
        }

        double left = _competing.Sum(each => (double)each.Weight);
        double cpusLeft = Math.Min(cpus, _competing.Count);
        foreach ((long each, int id) in _competing)
        {
            double rate = Math.Min(1, cpusLeft * each / left);
            _rates[id] = rate;
            if (rate >= 1)
            {
                left -= each;
                cpusLeft--;
            }
        }
    }
}
