namespace Hypervisor.Core.Scheduling;

/// <summary>
/// After the algorithm that Xen's credit2 scheduler documents (xen/common/sched/credit2.c), for comparison with it.
/// </summary>
/// <remarks>
/// Every vCPU has credit, in time; running burns it at a rate that is the largest weight divided by the vCPU's own. The ready
/// vCPU with the most credit runs, until it would fall behind the next, but at least a minimum m and at most a slice. When the one
/// to run has none left, everyone gets the initial credit, ten slices, more than once where one is deep in debt, and what
/// exceeds it by more than m is lost, so that sleeping saves no more than that. With one CPU and weights within ten slices
/// over m of each other, |S_i/w_i − S_j/w_j| ≤ m/w_i + m/w_j where both are always ready; beyond, small weights get more
/// than their share. Here m is half the domain's slice (0.5 ms with the default of 1 ms); slices of a vCPU's own play no part.
/// A reset touches nobody: credit is kept relative to the number of resets and cut when a vCPU is looked at, in constant time.
/// </remarks>
internal sealed class Credit2(int cpus, long slice) : Policy(cpus, slice)
{
    private const long Scale = 64;

    private readonly HeapOrder _ready = new();
    private readonly long _slice = slice;
    private readonly long _least = Math.Max(1, slice / 2);
    private readonly long _initial = 10 * slice * Scale;
    private readonly long _carried = slice / 2 * Scale;
    private (long Key, long Remainder)[] _debts = [];
    private long _resets;
    private long _largestWeight = 1;

    public override string Name => "credit2";

    protected override void Reserve(int capacity)
    {
        if (capacity > _debts.Length)
            Array.Resize(ref _debts, capacity);
        _ready.Reserve(capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
    {
        _debts[vcpu] = (KeyOf(_initial), 0);
        _largestWeight = Math.Max(_largestWeight, Weight(vcpu));
    }

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        _debts[vcpu].Remainder = 0;
        _largestWeight = Math.Max(_largestWeight, Weight(vcpu));
    }

    protected override void Join(int vcpu, long now) => Enqueue(vcpu);

    protected override void Requeue(int vcpu, StopReason reason, long now) => Enqueue(vcpu);

    protected override void Dequeue(int vcpu) => _ready.Remove(vcpu);

    protected override int Choose(int cpu, long now)
    {
        int chosen = TakeFirst(_ready, cpu);
        if (chosen >= 0 && CreditOf(chosen) <= 0)
        {
            _resets = checked(_resets + 1 + (-CreditOf(chosen) / _initial));
            Cut(chosen);
        }

        return chosen;
    }

    protected override bool MayFavour(int vcpu, long now)
        => (Int128)(_debts[vcpu].Key - _ready.FirstKey) * Weight(vcpu) <= (Int128)_slice * Scale * _largestWeight;

    protected override void Charge(int vcpu, long used, long now)
    {
        Cut(vcpu);
        Int128 due = ((Int128)used * Scale * _largestWeight) + _debts[vcpu].Remainder;
        long burnt = (long)FloorDivide(due, Weight(vcpu));
        _debts[vcpu] = (_debts[vcpu].Key + burnt, (long)(due - ((Int128)burnt * Weight(vcpu))));
    }

    protected override long Quantum(int vcpu, long now)
    {
        if (_ready.Count == 0)
            return _slice;
        Int128 ahead = (Int128)(CreditOf(vcpu) - CreditOf(_ready.First)) * Weight(vcpu) / _largestWeight / Scale;
        return (long)Int128.Clamp(ahead, _least, _slice);
    }

    private void Enqueue(int vcpu)
    {
        Cut(vcpu);
        _ready.Add(vcpu, _debts[vcpu].Key);
    }

    // The key is what orders: minus the credit, as if no reset had been. A reset moves nobody's.
    private long KeyOf(long credit) => (_resets * _initial) - credit;

    private long CreditOf(int vcpu) => Math.Min((_resets * _initial) - _debts[vcpu].Key, _initial + _carried);

    private void Cut(int vcpu) => _debts[vcpu].Key = KeyOf(CreditOf(vcpu));
}
