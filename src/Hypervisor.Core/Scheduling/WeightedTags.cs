namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Where vCPUs stand in a virtual time that passes for each by its time divided by its weight. Tags advance exactly: what a
/// division leaves over is kept.
/// </summary>
internal struct WeightedTags()
{
    // Units for one nanosecond at weight 1.
    private const long Scale = 64;

    private (long Tag, long Remainder)[] _tags = [];

    /// <summary>A vCPU's tag.</summary>
    public readonly long this[int vcpu] => _tags[vcpu].Tag;

    public void Reserve(int capacity)
    {
        if (capacity > _tags.Length)
            Array.Resize(ref _tags, capacity);
    }

    /// <summary>Puts a vCPU at a virtual time.</summary>
    public readonly void Place(int vcpu, long tag) => _tags[vcpu] = (tag, 0);

    /// <summary>Puts a vCPU behind a virtual time by what it is owed, in nanoseconds.</summary>
    public readonly void PlaceOwed(int vcpu, long origin, long lag, long weight)
        => Place(vcpu, origin - (long)Policy.FloorDivide((Int128)lag * Scale, weight));

    /// <summary>Another weight: what it is ahead or behind, in time, stays the same, so that the distance scales with the weight.</summary>
    public readonly void Reweigh(int vcpu, long origin, long old, long weight)
        => Place(vcpu, origin + (long)Policy.FloorDivide((Int128)(this[vcpu] - origin) * old, weight));

    /// <summary>A vCPU ran for a time.</summary>
    public readonly void Advance(int vcpu, long used, long weight)
    {
        (long tag, long remainder) = _tags[vcpu];
        Int128 due = ((Int128)used * Scale) + remainder;
        long step = (long)Policy.FloorDivide(due, weight);
        _tags[vcpu] = (tag + step, (long)(due - ((Int128)step * weight)));
    }

    /// <summary>What a vCPU is owed, in nanoseconds.</summary>
    public readonly long Lag(int vcpu, long origin, long weight) => (long)((Int128)(origin - this[vcpu]) * weight / Scale);

    /// <summary>Whether a vCPU is ahead by no more than a time.</summary>
    public readonly bool IsAheadWithin(int vcpu, long origin, long nanoseconds, long weight)
        => (Int128)(this[vcpu] - origin) * weight <= (Int128)nanoseconds * Scale;
}
