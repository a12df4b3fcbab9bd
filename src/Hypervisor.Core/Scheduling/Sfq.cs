namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996; for CPUs: Goyal, Guo and Vin, OSDI 1996). A vCPU's next
/// quantum has a start tag, S = max(V, F), where F is the finish tag of its last one; the ready vCPU with the smallest start
/// tag runs, and when it has run for a time, F = S + time / weight. The virtual time V is the smallest start tag in service,
/// and, when nobody competes, the largest finish tag given out. Over any interval in which f and m are both ready,
/// |S_f/w_f − S_m/w_m| ≤ l_f/w_f + l_m/w_m, where l is the longest each ran without a choice between.
/// </summary>
internal sealed class Sfq(int cpus, long slice) : Policy(cpus, slice)
{
    private const long Scale = 64;

    private readonly HeapOrder _ready = new();
    private (long Tag, long Remainder)[] _tags = [];
    private long _virtual;
    private long _largestFinish;
    private int _competing;

    public override string Name => "sfq";

    protected override void Reserve(int capacity)
    {
        if (capacity > _tags.Length)
            Array.Resize(ref _tags, capacity);
        _ready.Reserve(capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
        => _tags[vcpu] = (_virtual - (long)FloorDivide((Int128)arriving.Lag * Scale, Weight(vcpu)), 0);

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        if (old.Weight == Weight(vcpu))
            return;
        Int128 ahead = _tags[vcpu].Tag - _virtual;
        _tags[vcpu] = (_virtual + (long)FloorDivide(ahead * old.Weight, Weight(vcpu)), 0);
        if (IsReady(vcpu))
            _ready.Rekey(vcpu, _tags[vcpu].Tag);
    }

    protected override void Join(int vcpu, long now)
    {
        _competing++;
        if (_tags[vcpu].Tag < _virtual)
            _tags[vcpu] = (_virtual, 0);
        _ready.Add(vcpu, _tags[vcpu].Tag);
    }

    protected override void Requeue(int vcpu, StopReason reason, long now) => _ready.Add(vcpu, _tags[vcpu].Tag);

    protected override void Dequeue(int vcpu) => _ready.Remove(vcpu);

    protected override void Leave(int vcpu, long now)
    {
        if (--_competing == 0)
            _virtual = Math.Max(_virtual, _largestFinish);
    }

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
        if (chosen >= 0)
        {
            long inService = _tags[chosen].Tag;
            foreach (int vcpu in Running)
            {
                if (vcpu >= 0)
                    inService = Math.Min(inService, _tags[vcpu].Tag);
            }

            _virtual = Math.Max(_virtual, inService);
        }

        return chosen;
    }

    protected override bool MayFavour(int vcpu, long now)
        => (Int128)(_tags[vcpu].Tag - _virtual) * Weight(vcpu) <= (Int128)Slice(vcpu) * Scale;

    protected override void Charge(int vcpu, long used, long now)
    {
        (long tag, long remainder) = _tags[vcpu];
        Int128 due = ((Int128)used * Scale) + remainder;
        long step = (long)FloorDivide(due, Weight(vcpu));
        _tags[vcpu] = (tag + step, (long)(due - ((Int128)step * Weight(vcpu))));
        _largestFinish = Math.Max(_largestFinish, tag + step);
    }

    protected override RemovalToken Removed(int vcpu, long now)
        => new((long)((Int128)(_virtual - _tags[vcpu].Tag) * Weight(vcpu) / Scale));
}
