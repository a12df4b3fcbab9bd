namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Round robin, the baseline. One queue for all physical CPUs; a ready vCPU joins at the end, a CPU takes the first that may
/// run on it, and one whose slice ends joins at the end again. Weights play no part. With n ready vCPUs that may run
/// anywhere and slice q on one CPU, none waits longer than (n − 1)·q, and services over any interval in which all are ready
/// differ by at most q.
/// </summary>
internal sealed class RoundRobin(int cpus, long slice) : Policy(cpus, slice)
{
    private readonly LinkedOrder _queue = new();

    public override string Name => "round-robin";

    protected override void Reserve(int capacity) => _queue.Reserve(capacity);

    protected override void Added(int vcpu, RemovalToken arriving, long now)
    {
    }

    protected override void Join(int vcpu, long now) => _queue.Append(vcpu);

    protected override void Requeue(int vcpu, StopReason reason, long now) => _queue.Append(vcpu);

    protected override void Dequeue(int vcpu) => _queue.Remove(vcpu);

    protected override int Choose(int cpu, long now)
    {
        for (int vcpu = _queue.First; vcpu >= 0; vcpu = _queue.After(vcpu))
        {
            if (!MayRunNext(vcpu, cpu))
                continue;
            _queue.Remove(vcpu);
            return vcpu;
        }

        return -1;
    }

    protected override void Charge(int vcpu, long used, long now)
    {
    }
}
