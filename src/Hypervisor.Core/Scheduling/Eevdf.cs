using System.Runtime.CompilerServices;
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
/// <para>Ready vCPUs lie in two 4-ary heaps: the eligible by deadline and the others by v. V may move back when one leaves
/// with a lag; an eligible one that is not so any more goes back when it comes to the top. All sums are exact integers; the
/// fractions that divisions leave over are kept.</para>
/// </remarks>
internal sealed class Eevdf(int cpus, long slice, bool lowersInfeasibleWeights = true) : Policy(cpus, slice)
{
    // Units of virtual time for one nanosecond at a weight of 1: shares are weights times the unit on several CPUs.
    private readonly long _unit = cpus > 1 ? FeasibleWeights.Unit : 1;
    private readonly long _scale = cpus > 1 ? 64 * FeasibleWeights.Unit : 64;

    // Below these, what is multiplied stays within 64 bits.
    private const long SmallLag = 1L << 40;
    private const long SmallWeights = 1L << 22;

    // While the moment is below this the base need not move.
    private const long NearMoment = 1L << 40;

    // The number of no entry in a heap.
    private const uint None = 0;

    private readonly LazyHeap _eligible = new();
    private readonly LazyHeap _early = new();
    private Func<int, uint, bool>? _isCurrent;
    private uint _entry;
    private int _stale;
    private readonly FeasibleWeights? _feasible = lowersInfeasibleWeights ? FeasibleWeights.For(cpus) : null;
    // Not none: an empty array of our values would be the library's, which has no code ahead of time for it.
    private const int FirstRoom = 4;

    private Client[] _clients = new Client[FirstRoom];

    // What each was owed when it left, as a share times virtual time.
    private long[] _lags = new long[FirstRoom];
    private long _weights;

    // Σ w·(v − base). Every pick moves the base to V, so that the moment stays small.
    private Int128 _moment;
    private long _base;
    private long _virtualAtIdle;
    private long _longestSlice = slice;

    private struct Client
    {
        public long Virtual;
        public long Deadline;

        // Nanoseconds left of the request that the deadline is of.
        public long Rest;

        // What a whole slice is at its weight, and the rest of that division: most charges and requests are of whole slices.
        public long Span;
        public int SpanRest;

        // What charging left over, below the weight.
        public int Remainder;

        // The weight that counts: its own, or what one CPU can give. 0 while it does not compete.
        public int Share;

        // Of its entries in the heaps the one that counts; None while it waits in neither.
        public uint Entry;
    }

    public override string Name => "eevdf";

    /// <summary>What a competing vCPU is owed, in nanoseconds, and the domain's virtual time; for tests.</summary>
    internal (double Lag, double Virtual) Books(int vcpu, long now)
    {
        ref Client client = ref _clients[vcpu];
        double ahead = (double)Moment(now) / _weights;
        return ((ahead - (client.Virtual - _base)) * client.Share / _scale, (_base + ahead) * _unit / _scale);
    }

    protected override void Reserve(int capacity)
    {
        if (capacity > _clients.Length)
        {
            Array.Resize(ref _clients, capacity);
            Array.Resize(ref _lags, capacity);
        }

        _feasible?.Reserve(capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
        => (_clients[vcpu], _lags[vcpu]) = (default, Bounded(arriving.Lag, _scale));

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        if (IsAsleep(vcpu))
        {
            _clients[vcpu].Span = 0;
            return;
        }

        if (old.Weight != Weight(vcpu))
        {
            _feasible?.Change(vcpu, Weight(vcpu), Width(vcpu));
            Reweigh(vcpu, Weight(vcpu) * _unit, now);
            Balance(now);
        }

        if (old.SliceNanoseconds != Parameters(vcpu).SliceNanoseconds)
        {
            _clients[vcpu].Span = 0;
            Request(vcpu);
            Resort(vcpu);
        }
    }

    protected override void WidthChanged(int vcpu, long now)
    {
        if (_feasible is null || IsAsleep(vcpu))
            return;
        _feasible.Change(vcpu, Weight(vcpu), Width(vcpu));
        Balance(now);
    }

    protected override void Join(int vcpu, long now)
    {
        ref Client client = ref _clients[vcpu];
        long weight = MakeRoom(vcpu, now);
        long limit = 2 * _longestSlice * _scale;
        long lag = Math.Clamp(_lags[vcpu], -limit, limit);
        if (_weights == 0)
            client.Virtual = _virtualAtIdle;
        else if (lag is > -SmallLag and < SmallLag && _weights + weight < SmallWeights)
            client.Virtual = Mean(now) - FloorDivide(lag * (_weights + weight), _weights * weight);
        else
            client.Virtual = Before(Mean(now), lag, weight);
        client.Remainder = 0;
        client.Share = (int)weight;

        // On one CPU the share is that of before its sleep, unless the weight was changed meanwhile.
        if (_feasible is not null)
            client.Span = 0;
        Request(vcpu);
        _weights += weight;
        Count(client.Virtual - _base, weight);
        Enter(vcpu, ref client);
    }

    protected override void Requeue(int vcpu, StopReason reason, long now)
    {
        // Whoever yields gives up the rest of its request.
        if (reason == StopReason.Yielded)
            Request(vcpu);
        if (_feasible is not null)
            Bound(ref _clients[vcpu]);
        Enter(vcpu, ref _clients[vcpu]);
    }

    protected override void Dequeue(int vcpu)
    {
        _clients[vcpu].Entry = None;
        NoteStale();
    }

    protected override void Leave(int vcpu, long now)
    {
        ref Client client = ref _clients[vcpu];
        long mean = Mean(now);
        long ahead = mean - client.Virtual;
        _lags[vcpu] = ahead == (int)ahead ? ahead * client.Share : Bounded(ahead, client.Share);
        _weights -= client.Share;
        Count(client.Virtual - _base, -client.Share);
        client.Share = 0;
        if (_weights == 0)
            _virtualAtIdle = Math.Max(_virtualAtIdle, mean);
        _feasible?.Remove(vcpu);
        Balance(now);
    }

    protected override int Choose(int cpu, long now)
    {
        // The only one that waits runs, eligible or not, as when one that sleeps next wakes another: nothing is to be reckoned for it.
        if (_early.Count == 1 && _eligible.Count == 0 && _moment < NearMoment && _moment > -NearMoment)
        {
            int only = _early.First;
            if (_early.FirstEntry == _clients[only].Entry && MayRun(only, cpu))
            {
                _clients[only].Entry = None;
                _early.RemoveFirst();
                return only;
            }
        }

        long mean = MoveBase(now);
        while (_early.Count > 0 && _early.FirstKey <= mean)
        {
            int vcpu = _early.First;
            ref Client client = ref _clients[vcpu];
            if (_early.FirstEntry == client.Entry)
                _eligible.Add(vcpu, client.Deadline, client.Entry = NextEntry());
            else
                _stale--;
            _early.RemoveFirst();
        }

        int chosen = -1;
        while (chosen < 0 && _eligible.Count > 0)
        {
            int vcpu = _eligible.First;
            ref Client client = ref _clients[vcpu];
            if (_eligible.FirstEntry != client.Entry)
            {
                _stale--;
            }
            else if (client.Virtual > mean)
            {
                Enter(vcpu, ref client);
            }
            else if (MayRunNext(vcpu, cpu))
            {
                chosen = vcpu;
                client.Entry = None;
            }
            else
            {
                _eligible.PassOver();
                continue;
            }

            _eligible.RemoveFirst();
        }

        // With several CPUs, or with affinities, all that are eligible may run elsewhere: then the least early one runs.
        while (chosen < 0 && _early.Count > 0)
        {
            int vcpu = _early.First;
            ref Client client = ref _clients[vcpu];
            if (_early.FirstEntry != client.Entry)
            {
                _stale--;
            }
            else if (MayRun(vcpu, cpu))
            {
                chosen = vcpu;
                client.Entry = None;
            }
            else
            {
                _early.PassOver();
                continue;
            }

            _early.RemoveFirst();
        }

        _eligible.PutBack();
        _early.PutBack();
        return chosen;
    }

    protected override bool MayFavour(int vcpu, long now) => IsEligible(_clients[vcpu].Virtual, now);

    protected override void Charge(int vcpu, long used, long now)
    {
        ref Client client = ref _clients[vcpu];
        long step;
        if (used == Slice(vcpu) && client.Span > 0)
        {
            step = client.Span;
            client.Remainder += client.SpanRest;
            if (client.Remainder >= client.Share)
            {
                client.Remainder -= client.Share;
                step++;
            }
        }
        else if (used is >= 0 and < 1L << 50)
        {
            (step, long rest) = Math.DivRem((used * _scale) + client.Remainder, client.Share);
            client.Remainder = (int)rest;
        }
        else
        {
            step = LongStep(ref client, used);
        }

        client.Virtual += step;
        Count(step, client.Share);
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
        if (!IsEligible(client.Virtual, now))
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
        var token = new RemovalToken(_lags[vcpu] / _scale);
        _clients[vcpu] = default;
        return token;
    }

    /// <summary>A product, kept where it can be added to others.</summary>
    private static long Bounded(long lag, long share)
    {
        long high = Math.BigMul(lag, share, out long low);
        return high == low >> 63 ? Math.Clamp(low, long.MinValue / 4, long.MaxValue / 4) : high < 0 ? long.MinValue / 4 : long.MaxValue / 4;
    }

    // Methods with 128-bit numbers are not compiled ahead of time: what is seldom wanted stands by itself.

    [MethodImpl(MethodImplOptions.NoInlining)]
    private long WideAhead(long now) => (long)FloorDivide(Moment(now), _weights);

    /// <summary>Where one begins that is owed a lag, as it joins with a weight.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private long Before(long mean, long lag, long weight) => (long)(mean - FloorDivide((Int128)lag * (_weights + weight), (Int128)_weights * weight));

    /// <summary>How far virtual time goes for one in more time than 64 bits hold, scaled.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private long LongStep(ref Client client, long used)
    {
        Int128 due = ((Int128)used * _scale) + client.Remainder;
        var step = (long)FloorDivide(due, client.Share);
        client.Remainder = (int)(due - ((Int128)step * client.Share));
        return step;
    }

    /// <summary>A new request of a slice's length begins.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Request(int vcpu)
    {
        ref Client client = ref _clients[vcpu];
        client.Rest = Slice(vcpu);
        if (client.Span == 0)
        {
            // Slices are an hour at most: far below what overflows.
            _longestSlice = Math.Max(_longestSlice, client.Rest);
            (client.Span, long rest) = Math.DivRem(client.Rest * _scale, client.Share);
            client.SpanRest = (int)rest;
        }

        client.Deadline = client.Virtual + client.Span;
    }

    /// <summary>Σ w·(v − base), with what those that run have run and were not charged for.</summary>
    private Int128 Moment(long now) => _moment + ((Int128)UnchargedOfAll(now) * _scale);

    /// <summary>The same in 64 bits, where it is one of those: nearly always, for every pick moves the base.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryMoment(long now, out long moment)
    {
        const long most = 1L << 62;
        long uncharged = UnchargedOfAll(now);
        long charged = (long)_moment;
        moment = unchecked(charged + (uncharged * _scale));
        return uncharged <= 1L << 40 && charged is > -most and < most && charged == _moment;
    }

    /// <summary>Counts a share at a distance from the base in the moment.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Count(long distance, long share)
    {
        if (distance == (int)distance && share == (int)share)
            _moment += distance * share;
        else
            _moment += (Int128)distance * share;
    }

    /// <summary>How far V is ahead of the base. Floors toward minus infinity: v ≤ V exactly where v ≤ ⌊V⌋.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private long Ahead(long now) => TryMoment(now, out long moment) ? FloorDivide(moment, _weights) : WideAhead(now);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private long Mean(long now) => _weights == 0 ? _virtualAtIdle : _base + Ahead(now);

    /// <summary>Whether v ≤ V: without the division, where the products are of 64 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsEligible(long virtualTime, long now)
    {
        long distance = virtualTime - _base;
        return _weights > 0 && _weights == (int)_weights && distance == (int)distance && TryMoment(now, out long moment)
            ? distance * _weights <= moment
            : virtualTime <= Mean(now);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private long MoveBase(long now)
    {
        if (_weights == 0)
            return _virtualAtIdle;
        long ahead = Ahead(now);
        _base += ahead;
        Count(ahead, -_weights);
        return _base;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long FloorDivide(long a, long b)
    {
        (long whole, long rest) = Math.DivRem(a, b);
        return rest < 0 ? whole - 1 : whole;
    }

    private void Reweigh(int vcpu, long share, long now)
    {
        ref Client client = ref _clients[vcpu];
        if (client.Share == share)
            return;
        Settle(vcpu, now);
        long mean = Mean(now);
        long old = client.Share;
        long left = client.Deadline - client.Virtual;
        Count(client.Virtual - _base, -old);
        client.Virtual = mean + (long)FloorDivide((Int128)(client.Virtual - mean) * old, share);
        client.Deadline = client.Virtual + (long)FloorDivide((Int128)left * old, share);
        client.Remainder = 0;
        client.Share = (int)share;
        client.Span = 0;
        _weights += share - old;
        Count(client.Virtual - _base, share);
        Resort(vcpu);
    }

    private void Resort(int vcpu)
    {
        ref Client client = ref _clients[vcpu];
        if (client.Entry == None)
            return;
        Dequeue(vcpu);
        Enter(vcpu, ref client);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Enter(int vcpu, ref Client client)
    {
        client.Entry = NextEntry();
        _early.Add(vcpu, client.Virtual, client.Entry);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private uint NextEntry()
    {
        // Before a number comes again nothing stale may bear it.
        if ((++_entry & int.MaxValue) == 0)
        {
            Sweep();
            _entry++;
        }

        return _entry;
    }

    private void NoteStale()
    {
        if (++_stale > 64 && _stale > (_early.Count + _eligible.Count) / 2)
            Sweep();
    }

    private void Sweep()
    {
        _isCurrent ??= (vcpu, entry) => _clients[vcpu].Entry == entry;
        _early.Sweep(_isCurrent);
        _eligible.Sweep(_isCurrent);
        _stale = 0;
    }

    /// <summary>
    /// Cuts what one is owed or ahead to four of the longest slices. On several CPUs affinities, and gangs that do not fit, can keep one from
    /// what it is due, or have one run while others may not, without end; were that counted without end, others would wait for as long later.
    /// </summary>
    private void Bound(ref Client client)
    {
        long most = 4 * _longestSlice * _scale;
        Int128 ahead = (Int128)(client.Virtual - _base) * client.Share;
        if (ahead <= most && ahead >= -most)
            return;
        long change = _base + ((ahead > 0 ? most : -most) / client.Share) - client.Virtual;
        client.Virtual += change;
        client.Deadline += change;
        Count(change, client.Share);
    }

    /// <summary>
    /// Has the others count as they do beside one that joins; with what it counts itself. Before its lag is shared out among them, as
    /// they still count so when it leaves and takes its lag along: else one of them would lose a little by each sleep of another.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private long MakeRoom(int vcpu, long now)
    {
        long own = Weight(vcpu) * _unit;
        return _feasible is null ? own : MakeRoom(_feasible, vcpu, own, now);
    }

    private long MakeRoom(FeasibleWeights feasible, int vcpu, long own, long now)
    {
        feasible.Add(vcpu, Weight(vcpu), Width(vcpu));
        foreach ((int other, long share) in feasible.Balance())
        {
            if (other == vcpu)
                own = share;
            else
                Reweigh(other, share, now);
        }

        return own;
    }

    /// <summary>Has infeasible weights count as what they can use.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Balance(long now)
    {
        if (_feasible is not null)
            Balance(_feasible, now);
    }

    private void Balance(FeasibleWeights feasible, long now)
    {
        foreach ((int vcpu, long share) in feasible.Balance())
            Reweigh(vcpu, share, now);
    }
}
