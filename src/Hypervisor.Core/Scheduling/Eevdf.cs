namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Earliest eligible virtual deadline first (Stoica and Abdel-Wahab, "Earliest Eligible Virtual Deadline First", Old Dominion
/// University TR-95-22, 1995), the default.
/// </summary>
/// <remarks>
/// <para>Each vCPU has a virtual time v that moves on by the time it ran divided by its weight, and a request r, its slice. The
/// domain's virtual time is the weighted mean V = Σ w·v / Σ w of all that compete, so that what they are owed, their lags
/// w·(V − v), always sum to 0. One that has had no more than its fluid share, v ≤ V, is eligible; of the eligible the one whose
/// request should end first, at the virtual deadline v₀ + r/w, runs. Hence −r &lt; lag &lt; max(r, q) for every client while nobody
/// joins or leaves with a lag, where q is the longest run without a choice between, and a shorter slice buys a shorter wait
/// and no greater share.</para>
/// <para>Lag is kept while a vCPU sleeps: it comes back at v = V − lag·(W + w)/(W·w), which gives it that lag in the mean of which it
/// is then a part. A change of weight keeps lag and V and scales the rest of the request. On several CPUs a weight above what one
/// CPU can give is infeasible and lowered to that, as in surplus fair scheduling (Chandra, Adler, Goyal and Shenoy, OSDI 2000);
/// without it such a vCPU's v would stay behind for ever and a newcomer would wait until it caught up.</para>
/// <para>Ready vCPUs lie in two indexed 4-ary heaps: the eligible by deadline and the others by v. V may move back when one leaves
/// with a lag; an eligible one that is not so any more goes back when it comes to the top. All sums are exact integers; the
/// fractions that divisions leave over are kept, and comparisons with V multiply instead of dividing.</para>
/// </remarks>
internal sealed class Eevdf(int cpus, long slice, bool lowersInfeasibleWeights = true) : Policy(cpus, slice)
{
    // Units of virtual time for one nanosecond at weight 1.
    private const long Scale = 64;

    private readonly HeapOrder _eligible = new();
    private readonly HeapOrder _early = new();
    private readonly int _cpus = cpus;
    private readonly HeapOrder? _heaviest = cpus > 1 && lowersInfeasibleWeights ? new HeapOrder() : null;
    private readonly List<int> _infeasible = [];
    private Client[] _clients = [];
    private long _weights;
    private long _rawWeights;
    private int _competing;
    private Int128 _moment;
    private long _virtualAtIdle;
    private long _longestSlice = slice;

    private struct Client
    {
        public long Virtual;
        public long Remainder;
        public long Deadline;

        // Nanoseconds left of the request that the deadline is of.
        public long Rest;

        // The weight that counts: its own, or what one CPU can give. 0 while it does not compete.
        public long Share;

        // What it was owed when it left, in Scale-ths of a nanosecond.
        public long Lag;
    }

    public override string Name => "eevdf";

    /// <summary>What a competing vCPU is owed, in nanoseconds, and the domain's virtual time; for tests.</summary>
    internal (double Lag, double Virtual) Books(int vcpu, long now)
    {
        ref Client client = ref _clients[vcpu];
        double mean = (double)Moment(now) / _weights;
        return ((mean - client.Virtual) * client.Share / Scale, mean / Scale);
    }

    protected override void Reserve(int capacity)
    {
        if (capacity > _clients.Length)
            Array.Resize(ref _clients, capacity);
        _eligible.Reserve(capacity);
        _early.Reserve(capacity);
        _heaviest?.Reserve(capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
        => _clients[vcpu] = new Client { Lag = Bounded((Int128)arriving.Lag * Scale) };

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        if (IsAsleep(vcpu))
            return;
        long weight = Weight(vcpu);
        if (old.Weight != weight)
        {
            _rawWeights += weight - old.Weight;
            if (_heaviest is not null)
            {
                _heaviest.Rekey(vcpu, -weight);
                Readjust(vcpu, now);
            }
            else
            {
                Reweigh(vcpu, weight, now);
            }
        }

        if (old.SliceNanoseconds != Parameters(vcpu).SliceNanoseconds)
        {
            Request(vcpu);
            Resort(vcpu);
        }
    }

    protected override void Join(int vcpu, long now)
    {
        ref Client client = ref _clients[vcpu];
        long weight = Weight(vcpu);
        long limit = 2 * _longestSlice * Scale;
        Int128 lag = Math.Clamp(client.Lag, -limit, limit);
        client.Virtual = _weights == 0
            ? _virtualAtIdle
            : (long)(Mean(now) - FloorDivide(lag * (_weights + weight), (Int128)_weights * weight));
        client.Remainder = 0;
        client.Share = weight;
        Request(vcpu);
        _weights += weight;
        _rawWeights += weight;
        _competing++;
        _moment += (Int128)client.Virtual * weight;
        _early.Add(vcpu, client.Virtual);
        if (_heaviest is not null)
        {
            _heaviest.Add(vcpu, -weight);
            Readjust(-1, now);
        }
    }

    protected override void Requeue(int vcpu, StopReason reason, long now)
    {
        // Whoever yields gives up the rest of its request.
        if (reason == StopReason.Yielded)
            Request(vcpu);
        _early.Add(vcpu, _clients[vcpu].Virtual);
    }

    protected override void Dequeue(int vcpu)
    {
        if (_early.Contains(vcpu))
            _early.Remove(vcpu);
        else
            _eligible.Remove(vcpu);
    }

    protected override void Leave(int vcpu, long now)
    {
        ref Client client = ref _clients[vcpu];
        long mean = Mean(now);
        client.Lag = Bounded((Int128)(mean - client.Virtual) * client.Share);
        _weights -= client.Share;
        _rawWeights -= Weight(vcpu);
        _competing--;
        _moment -= (Int128)client.Virtual * client.Share;
        client.Share = 0;
        if (_weights == 0)
            _virtualAtIdle = Math.Max(_virtualAtIdle, mean);
        if (_heaviest is not null)
        {
            _heaviest.Remove(vcpu);
            Readjust(-1, now);
        }
    }

    protected override int Choose(int cpu, long now)
    {
        Int128 moment = Moment(now);
        while (_early.Count > 0 && (Int128)_early.FirstKey * _weights <= moment)
        {
            int vcpu = _early.First;
            _early.Remove(vcpu);
            _eligible.Add(vcpu, _clients[vcpu].Deadline);
        }

        int chosen = -1;
        while (chosen < 0 && _eligible.Count > 0)
        {
            int vcpu = _eligible.First;
            if ((Int128)_clients[vcpu].Virtual * _weights > moment)
            {
                _eligible.Remove(vcpu);
                _early.Add(vcpu, _clients[vcpu].Virtual);
            }
            else if (MayRun(vcpu, cpu))
            {
                _eligible.Remove(chosen = vcpu);
            }
            else
            {
                _eligible.PassOver();
            }
        }

        // With several CPUs, or with affinities, all that are eligible may run elsewhere: then the least early one runs.
        while (chosen < 0 && _early.Count > 0)
        {
            if (MayRun(_early.First, cpu))
                _early.Remove(chosen = _early.First);
            else
                _early.PassOver();
        }

        _eligible.PutBack();
        _early.PutBack();
        return chosen;
    }

    protected override bool MayFavour(int vcpu, long now) => (Int128)_clients[vcpu].Virtual * _weights <= Moment(now);

    protected override void Charge(int vcpu, long used, long now)
    {
        ref Client client = ref _clients[vcpu];
        Int128 due = ((Int128)used * Scale) + client.Remainder;
        long step = (long)FloorDivide(due, client.Share);
        client.Remainder = (long)(due - ((Int128)step * client.Share));
        client.Virtual += step;
        _moment += (Int128)step * client.Share;
        client.Rest -= used;
        if (client.Rest <= 0)
            Request(vcpu);
    }

    protected override long Quantum(int vcpu, long now)
    {
        // To the end of the request. The rest of one may be next to nothing; a run has some length all the same.
        return Math.Clamp(_clients[vcpu].Rest, Math.Min(1000, Slice(vcpu)), Slice(vcpu));
    }

    protected override CpuSet Preempt(int vcpu, long now)
    {
        ref Client client = ref _clients[vcpu];
        if ((Int128)client.Virtual * _weights > Moment(now))
            return CpuSet.None;
        int latest = -1;
        long deadline = client.Deadline;
        for (int cpu = 0; cpu < Running.Length; cpu++)
        {
            if (Running[cpu] >= 0 && MayRun(vcpu, cpu) && _clients[Running[cpu]].Deadline > deadline)
            {
                latest = cpu;
                deadline = _clients[Running[cpu]].Deadline;
            }
        }

        return latest < 0 ? CpuSet.None : CpuSet.Of(latest);
    }

    protected override RemovalToken Removed(int vcpu, long now)
    {
        var token = new RemovalToken(_clients[vcpu].Lag / Scale);
        _clients[vcpu] = default;
        return token;
    }

    private static long Bounded(Int128 lag) => (long)Int128.Clamp(lag, long.MinValue / 4, long.MaxValue / 4);

    /// <summary>A new request of a slice's length begins.</summary>
    private void Request(int vcpu)
    {
        ref Client client = ref _clients[vcpu];
        client.Rest = Slice(vcpu);
        _longestSlice = Math.Max(_longestSlice, client.Rest);
        client.Deadline = client.Virtual + (long)FloorDivide((Int128)client.Rest * Scale, client.Share);
    }

    /// <summary>Σ w·v, with what those that run have run and were not charged for.</summary>
    private Int128 Moment(long now)
    {
        Int128 moment = _moment;
        foreach (int vcpu in Running)
        {
            if (vcpu >= 0)
                moment += (Int128)Uncharged(vcpu, now) * Scale;
        }

        return moment;
    }

    private long Mean(long now) => _weights == 0 ? _virtualAtIdle : (long)FloorDivide(Moment(now), _weights);

    private void Reweigh(int vcpu, long share, long now)
    {
        ref Client client = ref _clients[vcpu];
        if (client.Share == share)
            return;
        Settle(vcpu, now);
        long mean = Mean(now);
        long old = client.Share;
        long left = client.Deadline - client.Virtual;
        _moment -= (Int128)client.Virtual * old;
        client.Virtual = mean + (long)FloorDivide((Int128)(client.Virtual - mean) * old, share);
        client.Deadline = client.Virtual + (long)FloorDivide((Int128)left * old, share);
        client.Remainder = 0;
        client.Share = share;
        _weights += share - old;
        _moment += (Int128)client.Virtual * share;
        Resort(vcpu);
    }

    private void Resort(int vcpu)
    {
        if (_eligible.Contains(vcpu))
            _eligible.Remove(vcpu);
        else if (_early.Contains(vcpu))
            _early.Remove(vcpu);
        else
            return;
        _early.Add(vcpu, _clients[vcpu].Virtual);
    }

    /// <summary>
    /// Lowers weights above what one CPU can give: going down from the heaviest, one is infeasible while its weight times the CPUs
    /// left exceeds the weight left. At most one less than there are CPUs are.
    /// </summary>
    private void Readjust(int changed, long now)
    {
        int cpusLeft = Math.Min(_cpus, _competing);
        bool none = cpusLeft == 0 || (Int128)(-_heaviest!.FirstKey) * cpusLeft <= _rawWeights;
        if (changed >= 0)
            Reweigh(changed, Weight(changed), now);
        if (none && _infeasible.Count == 0)
            return;
        foreach (int vcpu in _infeasible)
        {
            if (_clients[vcpu].Share != 0)
                Reweigh(vcpu, Weight(vcpu), now);
        }

        _infeasible.Clear();
        if (none)
            return;
        long left = _rawWeights;
        while (cpusLeft > 1 && (Int128)(-_heaviest!.FirstKey) * cpusLeft > left)
        {
            _infeasible.Add(_heaviest.First);
            left += _heaviest.FirstKey;
            _heaviest.PassOver();
            cpusLeft--;
        }

        _heaviest!.PutBack();
        long most = Math.Max(1, left / cpusLeft);
        foreach (int vcpu in _infeasible)
            Reweigh(vcpu, most, now);
    }
}
