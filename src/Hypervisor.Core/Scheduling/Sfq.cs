namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996; for CPUs: Goyal, Guo and Vin, OSDI 1996). A vCPU's next
/// quantum has a start tag, S = max(V, F), where F is the finish tag of its last one; the ready vCPU with the smallest start
/// tag runs, and when it has run for a time, F = S + time / weight. The virtual time V is the smallest start tag in service,
/// and, when nobody competes, the largest finish tag given out. Over any interval in which f and m are both ready,
/// |S_f/w_f − S_m/w_m| ≤ l_f/w_f + l_m/w_m, where l is the longest each ran without a choice between.
/// </summary>
internal sealed class Sfq(int cpus, long slice, bool lowersInfeasibleWeights = true) : TaggedPolicy(cpus, slice, lowersInfeasibleWeights)
{
    private long _largestFinish;
    private int _competing;

    public override string Name => "sfq";

    protected override void Join(int vcpu, long now)
    {
        _competing++;
        base.Join(vcpu, now);
    }

    protected override void Leave(int vcpu, long now)
    {
        if (--_competing == 0)
            VirtualTime = Math.Max(VirtualTime, _largestFinish);
        base.Leave(vcpu, now);
    }

    protected override int Choose(int cpu, long now)
    {
        int chosen = base.Choose(cpu, now);
        if (chosen >= 0)
            VirtualTime = Math.Max(VirtualTime, SmallestRunning(Tags[chosen]));
        return chosen;
    }

    protected override void Charge(int vcpu, long used, long now)
    {
        base.Charge(vcpu, used, now);
        _largestFinish = Math.Max(_largestFinish, Tags[vcpu]);
    }
}
