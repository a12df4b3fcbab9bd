namespace Hypervisor.Core.Scheduling;

/// <summary>
/// What policies share that run the ready vCPU with the smallest tag, in a virtual time that passes for each by its time divided by its
/// share: who arrives, changes weight or leaves keeps what it is owed or owes, and who was away comes back no earlier than the others
/// are. A policy says when its virtual time goes on.
/// </summary>
internal abstract class TaggedPolicy(int cpus, long slice, bool lowersInfeasibleWeights) : Policy(cpus, slice)
{
    /// <summary>Those that are ready, by their tags.</summary>
    protected HeapOrder Order { get; } = new();

    protected WeightedTags Tags { get; } = new(cpus, lowersInfeasibleWeights);

    /// <summary>Where the others are: who is neither owed nor owes has this tag.</summary>
    protected long VirtualTime { get; set; }

    protected override void Reserve(int capacity)
    {
        Tags.Reserve(capacity);
        Order.Reserve(capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
        => Tags.Enter(vcpu, VirtualTime, arriving.Lag, Weight(vcpu));

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        if (old.Weight == Weight(vcpu))
            return;
        Reweigh(vcpu, Tags.ShareOf(Weight(vcpu)), now);
        if (!IsAsleep(vcpu))
            Balance(Tags.Change(vcpu, Weight(vcpu), Width(vcpu)), now);
    }

    protected override void WidthChanged(int vcpu, long now)
    {
        if (!IsAsleep(vcpu))
            Balance(Tags.Change(vcpu, Weight(vcpu), Width(vcpu)), now);
    }

    protected override void Join(int vcpu, long now)
    {
        if (Tags[vcpu] < VirtualTime)
            Tags.Place(vcpu, VirtualTime);
        Order.Add(vcpu, Tags[vcpu]);
        Balance(Tags.Join(vcpu, Weight(vcpu), Width(vcpu)), now);
    }

    protected override void Requeue(int vcpu, StopReason reason, long now)
    {
        Tags.Bound(vcpu, VirtualTime, 4 * Slice(vcpu));
        Order.Add(vcpu, Tags[vcpu]);
    }

    protected override void Dequeue(int vcpu) => Order.Remove(vcpu);

    protected override void Leave(int vcpu, long now)
    {
        Reweigh(vcpu, Tags.ShareOf(Weight(vcpu)), now);
        Balance(Tags.Leave(vcpu), now);
    }

    protected override int Choose(int cpu, long now) => TakeFirst(Order, cpu);

    protected override bool MayFavour(int vcpu, long now) => Tags.IsAheadWithin(vcpu, VirtualTime, Slice(vcpu));

    protected override void Charge(int vcpu, long used, long now) => Tags.Advance(vcpu, used);

    protected override RemovalToken Removed(int vcpu, long now) => new(Tags.Lag(vcpu, VirtualTime));

    /// <summary>The smallest of a tag and of those that run.</summary>
    protected long SmallestRunning(long tag)
    {
        foreach (int vcpu in Running)
        {
            if (vcpu >= 0)
                tag = Math.Min(tag, Tags[vcpu]);
        }

        return tag;
    }

    /// <summary>Some have another share from now on.</summary>
    private void Balance(List<(int VCpu, long Share)> changes, long now)
    {
        foreach ((int vcpu, long share) in changes)
            Reweigh(vcpu, share, now);
    }

    private void Reweigh(int vcpu, long share, long now)
    {
        Settle(vcpu, now);
        if (Tags.Reweigh(vcpu, VirtualTime, share) && IsReady(vcpu))
            Order.Rekey(vcpu, Tags[vcpu]);
    }
}
