namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Lottery scheduling (Waldspurger and Weihl, OSDI 1994): the statistical control. Every decision draws a ticket; a vCPU holds
/// as many as its weight. Of n draws one with share p wins np on average, with variance np(1 − p), and waits more than k draws
/// with probability (1 − p)^k: fair in the long run and bound to nothing in the short. Draws come from a seeded generator
/// (splitmix64), so that a run can be repeated. Sums of tickets lie in a binary indexed tree: a draw is logarithmic. A vCPU
/// that uses only part of its slice holds no compensation tickets: it gets less than its share.
/// </summary>
internal sealed class Lottery(int cpus, long slice, ulong seed = 1) : Policy(cpus, slice)
{
    private readonly List<int> _passedOver = [];
    private long[] _tree = [];
    private int _capacity;
    private long _tickets;
    private ulong _state = seed;

    public override string Name => "lottery";

    protected override void Reserve(int capacity)
    {
        if (capacity <= _capacity)
            return;

        // A larger tree: nodes that cover the old ones whole get their sum.
        int size = 1;
        while (size < capacity)
            size *= 2;
        var tree = new long[size + 1];
        Array.Copy(_tree, tree, _tree.Length);
        for (int node = _capacity * 2; node <= size && node > 0; node *= 2)
            tree[node] = _tickets;
        _tree = tree;
        _capacity = size;
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
    {
    }

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        if (IsReady(vcpu))
            Add(vcpu, Weight(vcpu) - old.Weight);
    }

    protected override void Join(int vcpu, long now) => Add(vcpu, Weight(vcpu));

    protected override void Requeue(int vcpu, StopReason reason, long now) => Add(vcpu, Weight(vcpu));

    protected override void Dequeue(int vcpu) => Add(vcpu, -Weight(vcpu));

    protected override int Choose(int cpu, long now)
    {
        // A ticket of one that may not run here is put aside and the draw repeated: among the others the odds are unchanged.
        int chosen = -1;
        while (chosen < 0 && _tickets > 0)
        {
            int vcpu = Holder((long)(Next() % (ulong)_tickets));
            Dequeue(vcpu);
            if (MayRunNext(vcpu, cpu))
                chosen = vcpu;
            else
                _passedOver.Add(vcpu);
        }

        foreach (int vcpu in _passedOver)
            Add(vcpu, Weight(vcpu));
        _passedOver.Clear();
        return chosen;
    }

    protected override void Charge(int vcpu, long used, long now)
    {
    }

    private void Add(int vcpu, long tickets)
    {
        _tickets += tickets;
        for (int node = vcpu + 1; node <= _capacity; node += node & -node)
            _tree[node] += tickets;
    }

    private int Holder(long ticket)
    {
        int node = 0;
        for (int step = _capacity; step > 0; step /= 2)
        {
            if (node + step <= _capacity && _tree[node + step] <= ticket)
            {
                node += step;
                ticket -= _tree[node];
            }
        }

        return node;
    }

    private ulong Next()
    {
        ulong value = _state += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
