namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Stride scheduling (Waldspurger and Weihl, "Stride Scheduling: Deterministic Proportional-Share Resource Management", MIT,
/// 1995). Each vCPU has a pass; running for a time moves it on by that time divided by its weight; the ready vCPU with the
/// smallest pass runs. Passes advance exactly: what a division leaves over is kept. A vCPU that was away joins at the pass
/// of the domain, so that sleeping earns nothing. Two vCPUs that are ready all the time differ in weighted service by at
/// most one slice each. The domain's pass is the smallest of any vCPU that is ready or running, and never goes back.
/// </summary>
internal sealed class Stride(int cpus, long slice, bool lowersInfeasibleWeights = true) : TaggedPolicy(cpus, slice, lowersInfeasibleWeights)
{
    public override string Name => "stride";

    protected override void Join(int vcpu, long now)
    {
        AdvanceDomain();
        base.Join(vcpu, now);
    }

    protected override void Requeue(int vcpu, StopReason reason, long now)
    {
        base.Requeue(vcpu, reason, now);
        AdvanceDomain();
    }

    protected override void Leave(int vcpu, long now)
    {
        AdvanceDomain();
        base.Leave(vcpu, now);
    }

    private void AdvanceDomain()
    {
        long smallest = SmallestRunning(Order.Count > 0 ? Order.FirstKey : long.MaxValue);
        if (smallest != long.MaxValue)
            VirtualTime = Math.Max(VirtualTime, smallest);
    }
}
