namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Where vCPUs stand in a virtual time that passes for each by its time divided by its share. Tags advance exactly: what a
/// division leaves over is kept. On several CPUs infeasible weights count as what they can use.
/// </summary>
internal sealed class WeightedTags(int cpus, bool lowersInfeasibleWeights = true)
{
    private readonly int _unit = cpus > 1 ? FeasibleWeights.Unit : 1;

    // Units for one nanosecond at a share of 1.
    private readonly int _scale = cpus > 1 ? 64 * FeasibleWeights.Unit : 64;
    private readonly FeasibleWeights? _feasible = lowersInfeasibleWeights ? FeasibleWeights.For(cpus) : null;
    private readonly List<(int VCpu, long Share)> _none = [];
    private Entry[] _entries = [];

    private struct Entry
    {
        public long Tag;
        public int Remainder;
        public int Share;
    }

    /// <summary>A vCPU's tag.</summary>
    public long this[int vcpu] => _entries[vcpu].Tag;

    public void Reserve(int capacity)
    {
        if (capacity > _entries.Length)
            Array.Resize(ref _entries, capacity);
        _feasible?.Reserve(capacity);
    }

    /// <summary>Puts a vCPU at a virtual time.</summary>
    public void Place(int vcpu, long tag) => (_entries[vcpu].Tag, _entries[vcpu].Remainder) = (tag, 0);

    /// <summary>Puts a new vCPU behind a virtual time by what it is owed, in nanoseconds.</summary>
    public void Enter(int vcpu, long origin, long lag, int weight)
    {
        _entries[vcpu].Share = weight * _unit;
        Place(vcpu, origin - (long)Policy.FloorDivide((Int128)lag * _scale, weight * _unit));
    }

    /// <summary>One competes from now on; those whose share is another for it.</summary>
    public List<(int VCpu, long Share)> Join(int vcpu, int weight, int width)
    {
        _feasible?.Add(vcpu, weight, width);
        return Changes;
    }

    /// <summary>One does not compete any more; those whose share is another for it.</summary>
    public List<(int VCpu, long Share)> Leave(int vcpu)
    {
        _feasible?.Remove(vcpu);
        return Changes;
    }

    /// <summary>One that competes has another weight or width; those whose share is another for it.</summary>
    public List<(int VCpu, long Share)> Change(int vcpu, int weight, int width)
    {
        _feasible?.Change(vcpu, weight, width);
        return Changes;
    }

    /// <summary>What a weight counts as where it is feasible.</summary>
    public long ShareOf(int weight) => (long)weight * _unit;

    /// <summary>Another share: what it is ahead or behind, in time, stays the same, so that the distance scales with the share. False where it was that before.</summary>
    public bool Reweigh(int vcpu, long origin, long share)
    {
        ref Entry entry = ref _entries[vcpu];
        if (entry.Share == share)
            return false;
        Place(vcpu, origin + (long)Policy.FloorDivide((Int128)(entry.Tag - origin) * entry.Share, share));
        entry.Share = (int)share;
        return true;
    }

    /// <summary>A vCPU ran for a time.</summary>
    public void Advance(int vcpu, long used)
    {
        ref Entry entry = ref _entries[vcpu];
        if (used is >= 0 and < 1L << 50)
        {
            (long whole, long rest) = Math.DivRem((used * _scale) + entry.Remainder, entry.Share);
            entry.Tag += whole;
            entry.Remainder = (int)rest;
            return;
        }

        Int128 due = ((Int128)used * _scale) + entry.Remainder;
        long step = (long)Policy.FloorDivide(due, entry.Share);
        entry.Tag += step;
        entry.Remainder = (int)(due - ((Int128)step * entry.Share));
    }

    /// <summary>
    /// Cuts what a vCPU is ahead of a virtual time. On several CPUs affinities, and gangs that do not fit, can have one run while others may
    /// not, without end; were that counted without end, it would wait for as long later.
    /// </summary>
    public void Bound(int vcpu, long origin, long nanoseconds)
    {
        if (_feasible is not null && !IsAheadWithin(vcpu, origin, nanoseconds))
            Place(vcpu, origin + (nanoseconds * _scale / _entries[vcpu].Share));
    }

    /// <summary>What a vCPU is owed, in nanoseconds.</summary>
    public long Lag(int vcpu, long origin) => (long)((Int128)(origin - _entries[vcpu].Tag) * _entries[vcpu].Share / _scale);

    /// <summary>Whether a vCPU is ahead by no more than a time.</summary>
    public bool IsAheadWithin(int vcpu, long origin, long nanoseconds)
        => (Int128)(_entries[vcpu].Tag - origin) * _entries[vcpu].Share <= (Int128)nanoseconds * _scale;

    private List<(int VCpu, long Share)> Changes => _feasible?.Balance() ?? _none;
}
