namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Stride scheduling (Waldspurger and Weihl, "Stride Scheduling: Deterministic Proportional-Share Resource Management", MIT,
/// 1995). Each vCPU has a pass; running for a time moves it on by that time divided by its weight; the ready vCPU with the
/// smallest pass runs. Passes advance exactly: what a division leaves over is kept. A vCPU that was away joins at the pass
/// of the domain, so that sleeping earns nothing. Two vCPUs that are ready all the time differ in weighted service by at
/// most one slice each. The domain's pass is the smallest of any vCPU that is ready or running, and never goes back.
/// </summary>
internal sealed class Stride(int cpus, long slice) : Policy(cpus, slice)
{
    // Pass units for one nanosecond at weight 1.
    private const long Scale = 64;

    private readonly HeapOrder _ready = new();
    private (long Pass, long Remainder)[] _passes = [];
    private long _domainPass;

    public override string Name => "stride";

    protected override void Reserve(int capacity)
    {
        if (capacity > _passes.Length)
            Array.Resize(ref _passes, capacity);
        _ready.Reserve(capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
        => _passes[vcpu] = (_domainPass - (long)FloorDivide((Int128)arriving.Lag * Scale, Weight(vcpu)), 0);

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        if (old.Weight == Weight(vcpu))
            return;

        // What it is ahead or behind, in time, stays the same: the distance to the domain's pass scales with the weight.
        Int128 ahead = _passes[vcpu].Pass - _domainPass;
        _passes[vcpu] = (_domainPass + (long)FloorDivide(ahead * old.Weight, Weight(vcpu)), 0);
        if (IsReady(vcpu))
            _ready.Rekey(vcpu, _passes[vcpu].Pass);
    }

    protected override void Join(int vcpu, long now)
    {
        AdvanceDomain();
        if (_passes[vcpu].Pass < _domainPass)
            _passes[vcpu] = (_domainPass, 0);
        _ready.Add(vcpu, _passes[vcpu].Pass);
    }

    protected override void Requeue(int vcpu, StopReason reason, long now)
    {
        _ready.Add(vcpu, _passes[vcpu].Pass);
        AdvanceDomain();
    }

    protected override void Dequeue(int vcpu) => _ready.Remove(vcpu);

    protected override void Leave(int vcpu, long now) => AdvanceDomain();

    protected override int Choose(int cpu, long now)
    {
        int chosen = -1;
        while (chosen < 0 && _ready.Count > 0)
        {
            if (MayRun(_ready.First, cpu))
                _ready.Remove(chosen = _ready.First);
            else
                _ready.PassOver();
        }

        _ready.PutBack();
        return chosen;
    }

    protected override bool MayFavour(int vcpu, long now)
        => (Int128)(_passes[vcpu].Pass - _domainPass) * Weight(vcpu) <= (Int128)Slice(vcpu) * Scale;

    protected override void Charge(int vcpu, long used, long now)
    {
        (long pass, long remainder) = _passes[vcpu];
        Int128 due = ((Int128)used * Scale) + remainder;
        long step = (long)FloorDivide(due, Weight(vcpu));
        _passes[vcpu] = (pass + step, (long)(due - ((Int128)step * Weight(vcpu))));
    }

    protected override RemovalToken Removed(int vcpu, long now)
        => new((long)((Int128)(_domainPass - _passes[vcpu].Pass) * Weight(vcpu) / Scale));

    private void AdvanceDomain()
    {
        long smallest = _ready.Count > 0 ? _ready.FirstKey : long.MaxValue;
        foreach (int vcpu in Running)
        {
            if (vcpu >= 0)
                smallest = Math.Min(smallest, _passes[vcpu].Pass);
        }

        if (smallest != long.MaxValue)
            _domainPass = Math.Max(_domainPass, smallest);
    }
}
