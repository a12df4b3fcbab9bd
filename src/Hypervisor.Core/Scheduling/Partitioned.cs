namespace Hypervisor.Core.Scheduling;

/// <summary>
/// A queue for each CPU around any policy, with stealing: each CPU has a policy of its own for one CPU, as most kernels do it.
/// </summary>
/// <remarks>
/// <para>Who becomes ready goes to the CPU with the least weight, and stays where it was among equals. A CPU with nothing of its own
/// takes the one that has waited longest in the queue with the most weight; and once in sixteen slices a CPU takes one whose moving
/// makes the weights of two queues more alike. Whoever moves takes along what it was owed, from Remove to Set. So no CPU idles
/// while one that may run there waits; shares hold as the inner policy promises among those of one queue, and between queues only as
/// far as their weights are alike: of three equals on two CPUs one has a CPU and two share the other. That, for decisions that look at
/// one queue only, is the bargain.</para>
/// <para>With policies that give time (reservation, rtds, cyclic) nobody is moved: a vCPU stays on the first CPU that admits it.</para>
/// </remarks>
internal sealed class Partitioned : Policy
{
    private const int SlicesPerBalance = 16;

    // Of a queue that is a little heavier nobody may be light enough to move: so many are looked at.
    private const int MostLookedAt = 16;

    private readonly Queue[] _queues;
    private readonly string _name;
    private readonly long _balanceInterval;
    private readonly bool _moves;
    private Place[] _places = [];
    private long _until;
    private long _nextEvent;
    private CpuSet _wish;

    private struct Place
    {
        public int Cpu;
        public int Member;
        public bool Runs;
        public long Used;
    }

    /// <summary>What may run where, asked by a queue that knows one CPU and numbers of its own.</summary>
    private sealed class QueueFilter(Partitioned all, int cpu) : IRunFilter
    {
        public bool MayRun(int member, int first) => all.MayRun(all._queues[cpu].VCpus[member], cpu);

        public void Refused(int member) => all.Filter!.Refused(all._queues[cpu].VCpus[member]);
    }

    private sealed class Queue(Policy policy, LinkedOrder waiting)
    {
        public readonly Policy Policy = policy;
        public readonly LinkedOrder Waiting = waiting;
        public readonly List<int> VCpus = [];
        public readonly Stack<int> FreeMembers = new();

        // Of all that are ready or run.
        public long Weight;
        public long BalancesAt;
    }

    public Partitioned(string policy, int cpus, long slice, ulong seed)
        : base(cpus, slice)
    {
        _queues = new Queue[cpus];
        LinkedOrder? first = null;
        for (int cpu = 0; cpu < cpus; cpu++)
        {
            var waiting = new LinkedOrder(first);
            first ??= waiting;
            _queues[cpu] = new Queue(Schedulers.Make(policy, 1, slice, seed + (ulong)cpu), waiting);
        }

        _name = Schedulers.PartitionedPrefix + policy;
        _balanceInterval = slice * SlicesPerBalance;
        _moves = !_queues[0].Policy.GivesTime;
    }

    public override string Name => _name;

    internal override bool GivesTime => !_moves;

    internal override Policy Kind => _queues[0].Policy;

    internal override IRunFilter? Filter
    {
        get => base.Filter;
        set
        {
            base.Filter = value;
            for (int cpu = 0; cpu < _queues.Length; cpu++)
                _queues[cpu].Policy.Filter = value is null ? null : new QueueFilter(this, cpu);
        }
    }

    internal override int WeightLimit
    {
        get => base.WeightLimit;
        set
        {
            base.WeightLimit = value;
            foreach (Queue queue in _queues)
                queue.Policy.WeightLimit = value;
        }
    }

    protected override bool HandsYieldsOn => true;

    protected override void Check(int vcpu, in SchedulingParameters parameters, bool isNew, RemovalToken arriving, long now)
    {
        if (!isNew)
        {
            if (!_moves && !parameters.Affinity.Contains(_places[vcpu].Cpu))
                throw new HypervisorException($"vCPU {vcpu} was admitted to CPU {_places[vcpu].Cpu}; under '{Name}' its affinity must keep that one.");
            _queues[_places[vcpu].Cpu].Policy.Set(_places[vcpu].Member, Inner(in parameters), now);
            return;
        }

        Reserve(Math.Max(vcpu + 1, _places.Length));
        if (_moves)
        {
            Enter(vcpu, Lightest(parameters.Affinity, -1), in parameters, arriving, now);
            return;
        }

        HypervisorException? refusal = null;
        for (int cpu = 0; cpu < _queues.Length; cpu++)
        {
            try
            {
                if (!parameters.Affinity.Contains(cpu))
                    continue;
                Enter(vcpu, cpu, in parameters, arriving, now);
                return;
            }
            catch (HypervisorException problem)
            {
                refusal = problem;
            }
        }

        throw new HypervisorException($"No CPU that vCPU {vcpu} may use admits it; the last: {refusal!.Message}", refusal);
    }

    protected override void Reserve(int capacity)
    {
        if (capacity > _places.Length)
            Array.Resize(ref _places, capacity);
        _queues[0].Waiting.Reserve(capacity);
    }

    protected override void Added(int vcpu, RemovalToken arriving, long now)
    {
    }

    protected override void Changed(int vcpu, in SchedulingParameters old, long now)
    {
        Queue queue = _queues[_places[vcpu].Cpu];
        if (!IsAsleep(vcpu))
            queue.Weight += Weight(vcpu) - old.Weight;
        if (!IsReady(vcpu) || Parameters(vcpu).Affinity.Contains(_places[vcpu].Cpu))
            return;
        Dequeue(vcpu);
        queue.Weight -= Weight(vcpu);
        Join(vcpu, now);
    }

    protected override void Join(int vcpu, long now)
    {
        ref Place place = ref _places[vcpu];
        int cpu = _moves || !Parameters(vcpu).Affinity.Contains(place.Cpu) ? Lightest(Useful(vcpu), place.Cpu) : place.Cpu;
        MoveTo(vcpu, cpu, now);
        Queue queue = _queues[cpu];
        queue.Weight += Weight(vcpu);
        queue.Waiting.Append(vcpu);
        _wish = queue.Policy.Ready(place.Member, ReadyReason.Woken, now).IsEmpty ? CpuSet.None : CpuSet.Of(cpu);
    }

    protected override CpuSet Preempt(int vcpu, long now) => _wish;

    protected override void Requeue(int vcpu, StopReason reason, long now)
    {
        Stop(vcpu, reason, now);
        ref Place place = ref _places[vcpu];
        _queues[place.Cpu].Waiting.Append(vcpu);
        if (Parameters(vcpu).Affinity.Contains(place.Cpu))
            return;

        // It lost this CPU while it ran.
        Dequeue(vcpu);
        _queues[place.Cpu].Weight -= Weight(vcpu);
        Join(vcpu, now);
    }

    protected override void Dequeue(int vcpu) => _queues[_places[vcpu].Cpu].Waiting.Remove(vcpu);

    protected override void Leave(int vcpu, long now)
    {
        Queue queue = _queues[_places[vcpu].Cpu];
        if (_places[vcpu].Runs)
            Stop(vcpu, StopReason.Blocked, now);
        else
            queue.Policy.Sleep(_places[vcpu].Member, now);
        queue.Weight -= Weight(vcpu);
    }

    protected override int Choose(int cpu, long now)
    {
        Queue queue = _queues[cpu];
        if (_moves && now >= queue.BalancesAt)
        {
            queue.BalancesAt = now + _balanceInterval;
            Steal(cpu, mustBalance: true, now);
        }

        PickResult pick = queue.Policy.Pick(0, now);
        if (pick.VCpu < 0 && _moves && Steal(cpu, mustBalance: false, now))
            pick = queue.Policy.Pick(0, now);
        _nextEvent = pick.NextEvent;
        if (pick.VCpu < 0)
            return -1;
        int vcpu = queue.VCpus[pick.VCpu];
        queue.Waiting.Remove(vcpu);
        _places[vcpu].Runs = true;
        _until = pick.RunUntil;
        return vcpu;
    }

    protected override void Charge(int vcpu, long used, long now) => _places[vcpu].Used += used;

    protected override long Quantum(int vcpu, long now) => _until - now;

    protected override long NextEvent(long now) => _nextEvent;

    protected override RemovalToken Removed(int vcpu, long now)
    {
        RemovalToken token = Exit(vcpu, now);
        _places[vcpu] = default;
        return token;
    }

    private static SchedulingParameters Inner(in SchedulingParameters parameters) => parameters with { Cap = default, Affinity = CpuSet.Of(0) };

    /// <summary>The CPU with the least weight of those allowed; the preferred one among equals.</summary>
    private int Lightest(CpuSet allowed, int preferred)
    {
        int best = preferred >= 0 && allowed.Contains(preferred) ? preferred : -1;
        for (int cpu = 0; cpu < _queues.Length; cpu++)
        {
            if (allowed.Contains(cpu) && (best < 0 || _queues[cpu].Weight < _queues[best].Weight))
                best = cpu;
        }

        return best;
    }

    /// <summary>The CPUs of its affinity at which one has something to run now; all of them where it has none.</summary>
    private CpuSet Useful(int vcpu)
    {
        ulong useful = 0;
        for (int cpu = 0; Filter is not null && cpu < _queues.Length; cpu++)
            useful |= MayRun(vcpu, cpu) ? 1UL << cpu : 0;
        return useful == 0 ? Parameters(vcpu).Affinity : new CpuSet(useful);
    }

    private void Enter(int vcpu, int cpu, in SchedulingParameters parameters, RemovalToken arriving, long now)
    {
        Queue queue = _queues[cpu];
        bool reused = queue.FreeMembers.TryPop(out int member);
        if (!reused)
        {
            member = queue.VCpus.Count;
            queue.VCpus.Add(vcpu);
        }

        try
        {
            queue.Policy.Set(member, Inner(in parameters), now, arriving);
        }
        catch (HypervisorException)
        {
            queue.FreeMembers.Push(member);
            throw;
        }

        queue.VCpus[member] = vcpu;
        _places[vcpu].Cpu = cpu;
        _places[vcpu].Member = member;
    }

    private RemovalToken Exit(int vcpu, long now)
    {
        Queue queue = _queues[_places[vcpu].Cpu];
        queue.FreeMembers.Push(_places[vcpu].Member);
        return queue.Policy.Remove(_places[vcpu].Member, now);
    }

    private void MoveTo(int vcpu, int cpu, long now)
    {
        if (_places[vcpu].Cpu != cpu)
            Enter(vcpu, cpu, in Parameters(vcpu), Exit(vcpu, now), now);
    }

    /// <summary>Takes a waiting one from the heaviest queue that has one for this CPU.</summary>
    private bool Steal(int cpu, bool mustBalance, long now)
    {
        int stolen = -1;
        long heaviest = mustBalance ? _queues[cpu].Weight : -1;
        for (int other = 0; other < _queues.Length; other++)
        {
            Queue queue = _queues[other];
            if (other == cpu || (Filter is null && queue.Weight <= heaviest))
                continue;
            int lookedAt = 0;
            for (int vcpu = queue.Waiting.First; vcpu >= 0; vcpu = queue.Waiting.After(vcpu))
            {
                if (mustBalance && Filter is null && ++lookedAt > MostLookedAt)
                    break;

                // One that has nothing to run where it waits is taken whatever the weights are.
                bool isLost = Filter is not null && !MayRun(vcpu, other);
                bool isWorthIt = isLost || (queue.Weight > heaviest && (!mustBalance || queue.Weight - _queues[cpu].Weight > Weight(vcpu)));
                if (!isWorthIt || !MayRun(vcpu, cpu))
                    continue;
                stolen = vcpu;
                heaviest = isLost ? long.MaxValue : queue.Weight;
                break;
            }
        }

        if (stolen >= 0)
            Take(stolen, cpu, now);
        return stolen >= 0;
    }

    private void Take(int vcpu, int cpu, long now)
    {
        Dequeue(vcpu);
        _queues[_places[vcpu].Cpu].Weight -= Weight(vcpu);
        MoveTo(vcpu, cpu, now);
        _queues[cpu].Weight += Weight(vcpu);
        _queues[cpu].Waiting.Append(vcpu);
        _queues[cpu].Policy.Ready(_places[vcpu].Member, ReadyReason.Woken, now);
    }

    private void Stop(int vcpu, StopReason reason, long now)
    {
        ref Place place = ref _places[vcpu];
        long used = place.Used;
        place.Used = 0;
        place.Runs = false;
        int favoured = Favoured(place.Cpu);
        int yieldTo = -1;
        if (favoured >= 0 && IsKnown(favoured) && IsReady(favoured) && favoured != vcpu)
        {
            if (_places[favoured].Cpu != place.Cpu && _moves && MayRun(favoured, place.Cpu))
                Take(favoured, place.Cpu, now);
            yieldTo = _places[favoured].Cpu == place.Cpu ? _places[favoured].Member : -1;
        }

        _queues[place.Cpu].Policy.Stopped(0, place.Member, used, reason, yieldTo, now);
    }
}
