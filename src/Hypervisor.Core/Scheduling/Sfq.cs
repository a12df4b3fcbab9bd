namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996; for CPUs: Goyal, Guo and Vin, OSDI 1996). A vCPU's next
/// quantum has a start tag, S = max(V, F), where F is the finish tag of its last one; the ready vCPU with the smallest start
/// tag runs, and when it has run for a time, F = S + time / weight. The virtual time V is the smallest start tag in service,
/// and, when nobody competes, the largest finish tag given out. Over any interval in which f and m are both ready,
/// |S_f/w_f − S_m/w_m| ≤ l_f/w_f + l_m/w_m, where l is the longest each ran without a choice between.
/// </summary>
internal sealed class Sfq(int cpus, long slice, bool lowersInfeasibleWeights = true) : Policy(cpus, slice)
{
    private readonly HeapOrder _ready = new();
    private readonly WeightedTags _tags = new(cpus, lowersInfeasibleWeights);
    private long _virtual;
    private long _largestFinish;
    private int _competing;

    public override string Name => "sfq";

    protected override void Reserve(int capacity)
    {
        _tags.Reserve(capacity);
        _ready.Reserve(capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
        => _tags.Enter(vcpu, _virtual, arriving.Lag, Weight(vcpu));

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        if (old.Weight == Weight(vcpu))
            return;
        Reweigh(vcpu, _tags.ShareOf(Weight(vcpu)), now);
        if (!IsAsleep(vcpu))
            Balance(_tags.Change(vcpu, Weight(vcpu), Width(vcpu)), now);
    }

    protected override void WidthChanged(int vcpu, long now)
    {
        if (!IsAsleep(vcpu))
            Balance(_tags.Change(vcpu, Weight(vcpu), Width(vcpu)), now);
    }

    protected override void Join(int vcpu, long now)
    {
        _competing++;
        if (_tags[vcpu] < _virtual)
            _tags.Place(vcpu, _virtual);
        _ready.Add(vcpu, _tags[vcpu]);
        Balance(_tags.Join(vcpu, Weight(vcpu), Width(vcpu)), now);
    }

    protected override void Requeue(int vcpu, StopReason reason, long now)
    {
        _tags.Bound(vcpu, _virtual, 4 * Slice(vcpu));
        _ready.Add(vcpu, _tags[vcpu]);
    }

    protected override void Dequeue(int vcpu) => _ready.Remove(vcpu);

    protected override void Leave(int vcpu, long now)
    {
        if (--_competing == 0)
            _virtual = Math.Max(_virtual, _largestFinish);
        Reweigh(vcpu, _tags.ShareOf(Weight(vcpu)), now);
        Balance(_tags.Leave(vcpu), now);
    }

    protected override int Choose(int cpu, long now)
    {
        int chosen = TakeFirst(_ready, cpu);
        if (chosen >= 0)
        {
            long inService = _tags[chosen];
            foreach (int vcpu in Running)
            {
                if (vcpu >= 0)
                    inService = Math.Min(inService, _tags[vcpu]);
            }

            _virtual = Math.Max(_virtual, inService);
        }

        return chosen;
    }

    protected override bool MayFavour(int vcpu, long now)
        => _tags.IsAheadWithin(vcpu, _virtual, Slice(vcpu));

    protected override void Charge(int vcpu, long used, long now)
    {
        _tags.Advance(vcpu, used);
        _largestFinish = Math.Max(_largestFinish, _tags[vcpu]);
    }

    protected override RemovalToken Removed(int vcpu, long now)
        => new(_tags.Lag(vcpu, _virtual));

    /// <summary>Some have another share from now on.</summary>
    private void Balance(List<(int VCpu, long Share)> changes, long now)
    {
        foreach ((int vcpu, long share) in changes)
            Reweigh(vcpu, share, now);
    }

    private void Reweigh(int vcpu, long share, long now)
    {
        Settle(vcpu, now);
        if (_tags.Reweigh(vcpu, _virtual, share) && IsReady(vcpu))
            _ready.Rekey(vcpu, _tags[vcpu]);
    }
}
