namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Stride scheduling (Waldspurger and Weihl, "Stride Scheduling: Deterministic Proportional-Share Resource Management", MIT,
/// 1995). Each vCPU has a pass; running for a time moves it on by that time divided by its weight; the ready vCPU with the
/// smallest pass runs. Passes advance exactly: what a division leaves over is kept. A vCPU that was away joins at the pass
/// of the domain, so that sleeping earns nothing. Two vCPUs that are ready all the time differ in weighted service by at
/// most one slice each. The domain's pass is the smallest of any vCPU that is ready or running, and never goes back.
/// </summary>
internal sealed class Stride(int cpus, long slice, bool lowersInfeasibleWeights = true) : Policy(cpus, slice)
{
    private readonly HeapOrder _ready = new();
    private readonly WeightedTags _passes = new(cpus, lowersInfeasibleWeights);
    private long _domainPass;

    public override string Name => "stride";

    protected override void Reserve(int capacity)
    {
        _passes.Reserve(capacity);
        _ready.Reserve(capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
        => _passes.Enter(vcpu, _domainPass, arriving.Lag, Weight(vcpu));

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        if (old.Weight == Weight(vcpu))
            return;
        Reweigh(vcpu, _passes.ShareOf(Weight(vcpu)), now);
        if (!IsAsleep(vcpu))
            Balance(_passes.Change(vcpu, Weight(vcpu), Width(vcpu)), now);
    }

    protected override void WidthChanged(int vcpu, long now)
    {
        if (!IsAsleep(vcpu))
            Balance(_passes.Change(vcpu, Weight(vcpu), Width(vcpu)), now);
    }

    protected override void Join(int vcpu, long now)
    {
        AdvanceDomain();
        if (_passes[vcpu] < _domainPass)
            _passes.Place(vcpu, _domainPass);
        _ready.Add(vcpu, _passes[vcpu]);
        Balance(_passes.Join(vcpu, Weight(vcpu), Width(vcpu)), now);
    }

    protected override void Requeue(int vcpu, StopReason reason, long now)
    {
        _passes.Bound(vcpu, _domainPass, 4 * Slice(vcpu));
        _ready.Add(vcpu, _passes[vcpu]);
        AdvanceDomain();
    }

    protected override void Dequeue(int vcpu) => _ready.Remove(vcpu);

    protected override void Leave(int vcpu, long now)
    {
        AdvanceDomain();
        Reweigh(vcpu, _passes.ShareOf(Weight(vcpu)), now);
        Balance(_passes.Leave(vcpu), now);
    }

    protected override int Choose(int cpu, long now) => TakeFirst(_ready, cpu);

    protected override bool MayFavour(int vcpu, long now)
        => _passes.IsAheadWithin(vcpu, _domainPass, Slice(vcpu));

    protected override void Charge(int vcpu, long used, long now) => _passes.Advance(vcpu, used);

    protected override RemovalToken Removed(int vcpu, long now)
        => new(_passes.Lag(vcpu, _domainPass));

    /// <summary>Some have another share from now on.</summary>
    private void Balance(List<(int VCpu, long Share)> changes, long now)
    {
        foreach ((int vcpu, long share) in changes)
            Reweigh(vcpu, share, now);
    }

    private void Reweigh(int vcpu, long share, long now)
    {
        Settle(vcpu, now);
        if (_passes.Reweigh(vcpu, _domainPass, share) && IsReady(vcpu))
            _ready.Rekey(vcpu, _passes[vcpu]);
    }

    private void AdvanceDomain()
    {
        long smallest = _ready.Count > 0 ? _ready.FirstKey : long.MaxValue;
        foreach (int vcpu in Running)
        {
            if (vcpu >= 0)
                smallest = Math.Min(smallest, _passes[vcpu]);
        }

        if (smallest != long.MaxValue)
            _domainPass = Math.Max(_domainPass, smallest);
    }
}
