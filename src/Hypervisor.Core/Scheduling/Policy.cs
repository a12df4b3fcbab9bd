using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Time;

namespace Hypervisor.Core.Scheduling;

/// <summary>
/// What all policies share: who is known, asleep, ready or running, on which physical CPU; which CPUs idle and are to be called;
/// directed yields; that time is charged at the weight it was run at; and caps. A policy adds an order.
/// </summary>
/// <remarks>
/// A cap of Q in T: in every period [k·T, (k + 1)·T) of the clock a vCPU runs at most Q, and what it overran is taken from the periods
/// after. Who has used its own up leaves the policy's order as if it slept, which keeps what it is owed, and joins again when the
/// first period begins that leaves it something. No run goes over the end of a period, so that none counts for two.
/// A directed yield hands on what is left of the yielder's slice, to one that the policy would not wait long for anyway
/// (<see cref="MayFavour"/>): two that name each other go on until the slice of the first is over, and hold nobody up beyond it.
/// </remarks>
internal abstract partial class Policy : IScheduler
{
    // A shorter rest of a slice is not worth a switch.
    private const long LeastHandedOn = 1000;

    private readonly long _slice;
    private readonly ulong _cpuMask;
    private readonly int[] _running;
    private bool _isUnsettled;
    private readonly int[] _favoured;

    // When the slice in progress on each CPU ends, and with it what its vCPU may hand on.
    private readonly long[] _until;

    // Of what runs on each CPU: since when, and how much of that is charged.
    private readonly long[] _since;
    private readonly long[] _settled;
    private Entity[] _entities = new Entity[16];
    private Terms[] _terms = new Terms[16];
    private readonly IndexedHeap _throttled = new();
    private long _throttledSequence;
    private ulong _idle;

    // How many run, and the sum of the moments from which they are uncharged: modulo 2^64, as only the difference to now counts.
    private int _runs;
    private long _runStarts;

    protected Policy(int cpus, long slice)
    {
        _slice = slice;
        _cpuMask = CpuSet.First(cpus).Bits;
        _running = new int[cpus];
        _favoured = new int[cpus];
        _until = new long[cpus];
        _since = new long[cpus];
        _settled = new long[cpus];
        for (int cpu = 0; cpu < cpus; cpu++)
            _running[cpu] = _favoured[cpu] = -1;
    }

    private enum Activity : byte
    {
        Asleep,
        Ready,
        Running,

        // Ready, but its cap is used up.
        Throttled,
    }

    // What every decision reads, apart from what few do: with very many vCPUs reading memory is what decisions cost.
    private struct Entity
    {
        public long Slice;
        public ulong Affinity;
        public int Weight;
        public int Cpu;
        public Activity Activity;
        public bool Known;
        public bool HasCap;
    }

    private struct Terms
    {
        public SchedulingParameters Parameters;
        public long CapLeft;
        public long CapPeriod;

        // How many CPUs it uses at once where that is not 1.
        public int Width;
    }

    public abstract string Name { get; }

    /// <summary>What runs on each physical CPU, or -1.</summary>
    protected ReadOnlySpan<int> Running => _running;

    /// <summary>Refuses CPUs to some beyond their affinity; null for none.</summary>
    internal virtual IRunFilter? Filter { get; set; }

    /// <summary>The largest weight it takes.</summary>
    internal virtual int WeightLimit { get; set; } = SchedulingParameters.MaximumWeight;

    /// <summary>Whether it gives time at given moments, instead of shares or turns: of a group it then knows one server, or window.</summary>
    internal virtual bool GivesTime => false;

    /// <summary>The policy that decides: this one, or the one that it has for each of several queues.</summary>
    internal virtual Policy Kind => this;

    /// <summary>Whether its vCPUs may be in groups.</summary>
    protected virtual bool KnowsGroups => false;

    public CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default)
    {
        parameters.Validate(vcpu, _running.Length, WeightLimit);
        if (parameters.Group is { } group && !KnowsGroups)
            throw new HypervisorException($"vCPU {vcpu} is to be in group '{group.Name}'; the policy '{Name}' was made without groups.");
        if (vcpu >= _entities.Length)
        {
            Array.Resize(ref _entities, Math.Max(vcpu + 1, _entities.Length * 2));
            Array.Resize(ref _terms, _entities.Length);
        }

        ref Entity entity = ref _entities[vcpu];
        ref Terms terms = ref _terms[vcpu];
        if (!entity.Known)
        {
            Check(vcpu, in parameters, isNew: true, arriving, now);
            entity = new Entity { Known = true };
            terms = new Terms { CapLeft = parameters.Cap.Budget, CapPeriod = PeriodAt(in parameters, now) };
            Agree(ref entity, ref terms, in parameters);
            if (arriving.CapPeriod == terms.CapPeriod && arriving.CapUsed > 0)
                terms.CapLeft -= arriving.CapUsed;
            Reserve(_entities.Length);
            Added(vcpu, arriving, now);
            return CpuSet.None;
        }

        Check(vcpu, in parameters, isNew: false, default, now);
        Settle(vcpu, now);
        SchedulingParameters old = terms.Parameters;
        Agree(ref entity, ref terms, in parameters);
        Changed(vcpu, in old, now);
        if (parameters.Cap != old.Cap)
        {
            terms.CapLeft = parameters.Cap.Budget;
            terms.CapPeriod = PeriodAt(in parameters, now);
            if (entity.Activity == Activity.Throttled)
            {
                _throttled.Remove(vcpu);
                entity.Activity = Activity.Ready;
                Join(vcpu, now);
                return Call(parameters.Affinity.Bits & _idle);
            }
        }

        if (parameters.Affinity == old.Affinity || IsAsleep(vcpu))
            return CpuSet.None;
        if (entity.Activity == Activity.Running)
            return parameters.Affinity.Contains(entity.Cpu) ? CpuSet.None : CpuSet.Of(entity.Cpu);
        return Call(parameters.Affinity.Bits & _idle);
    }

    public CpuSet Ready(int vcpu, ReadyReason reason, long now)
    {
        ref Entity entity = ref Known(vcpu);
        if (entity.Activity != Activity.Asleep)
            throw new UnreachableException($"vCPU {vcpu} is ready already");
        if (IsThrottled(vcpu, ref entity, now))
            return Call(entity.Affinity & _idle);
        entity.Activity = Activity.Ready;
        Join(vcpu, now);
        CpuSet called = Call(entity.Affinity & _idle);
        return called.IsEmpty ? Preempt(vcpu, now) : called;
    }

    public PickResult Pick(int cpu, long now)
    {
        if (_running[cpu] >= 0)
            throw new UnreachableException($"CPU {cpu} picks while vCPU {_running[cpu]} runs on it");
        while (_throttled.Count > 0 && _throttled.FirstKey <= now)
        {
            int released = _throttled.First;
            _throttled.Remove(released);
            _entities[released].Activity = Activity.Ready;
            Join(released, now);
        }

        int chosen = TakeFavoured(cpu, now);
        bool isFavoured = chosen >= 0;
        if (!isFavoured)
            chosen = Choose(cpu, now);
        if (chosen < 0)
        {
            _idle |= 1UL << cpu & _cpuMask;
            return PickResult.Idle with { NextEvent = Math.Min(NextEvent(now), _throttled.Count > 0 ? _throttled.FirstKey : long.MaxValue) };
        }

        ref Entity entity = ref _entities[chosen];
        entity.Activity = Activity.Running;
        entity.Cpu = cpu;
        _since[cpu] = now;
        _settled[cpu] = 0;
        _runs++;
        _runStarts += now;
        _running[cpu] = chosen;
        _idle &= ~(1UL << cpu);
        long quantum = Quantum(chosen, now);
        if (entity.HasCap)
            quantum = WithinCap(ref _terms[chosen], quantum, now);

        _until[cpu] = isFavoured ? Math.Min(_until[cpu], now + quantum) : checked(now + quantum);
        return new PickResult(chosen, _until[cpu], long.MaxValue);
    }

    public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
    {
        ref Entity entity = ref Known(vcpu);
        if (_running[cpu] != vcpu)
            throw new UnreachableException($"vCPU {vcpu} does not run on CPU {cpu}");
        long due = used - _settled[cpu];
        _running[cpu] = -1;
        _runs--;
        _runStarts -= _since[cpu] + _settled[cpu];
        Charge(vcpu, due, now);
        if (entity.HasCap)
            _terms[vcpu].CapLeft -= used;
        _favoured[cpu] = yieldTo;
        if (reason == StopReason.Blocked)
        {
            entity.Activity = Activity.Asleep;
            Leave(vcpu, now);
            return TakeUnsettled() ? Call(_idle & ~(1UL << cpu)) : CpuSet.None;
        }

        if (IsThrottled(vcpu, ref entity, now))
        {
            // CPUs that idle without an event must learn of this one's.
            Leave(vcpu, now);
            return Call(entity.Affinity & _idle & ~(1UL << cpu));
        }

        entity.Activity = Activity.Ready;
        Requeue(vcpu, reason, now);
        return Call((TakeUnsettled() ? ulong.MaxValue : entity.Affinity) & _idle & ~(1UL << cpu));
    }

    public RemovalToken Remove(int vcpu, long now)
    {
        ref Entity entity = ref Known(vcpu);
        if (entity.Activity == Activity.Running)
            throw new UnreachableException($"vCPU {vcpu} is running");
        Withdraw(vcpu, ref entity, now);

        // Whoever gets its number next was not meant by a yield to this one.
        foreach (ref int favoured in _favoured.AsSpan())
            favoured = favoured == vcpu ? -1 : favoured;
        RemovalToken token = Removed(vcpu, now) with { CapPeriod = _terms[vcpu].CapPeriod, CapUsed = _terms[vcpu].Parameters.Cap.Budget - _terms[vcpu].CapLeft };
        entity = default;
        _terms[vcpu] = default;
        return token;
    }

    /// <summary>One that is ready goes to sleep without having run, and keeps what it is owed.</summary>
    internal void Sleep(int vcpu, long now)
    {
        ref Entity entity = ref Known(vcpu);
        if (entity.Activity is Activity.Running or Activity.Asleep)
            throw new UnreachableException($"vCPU {vcpu} is not ready");
        Withdraw(vcpu, ref entity, now);
    }

    /// <summary>How many CPUs one uses at once, where it is not 1: gangs use several.</summary>
    /// <returns>How many it was before.</returns>
    internal int SetWidth(int vcpu, int width, long now)
    {
        int before = Width(vcpu);
        if (before == width)
            return before;
        Settle(vcpu, now);
        _terms[vcpu].Width = width;
        WidthChanged(vcpu, now);
        return before;
    }

    /// <summary>A refusal of parameters that this policy cannot keep; nothing has changed yet.</summary>
    protected virtual void Check(int vcpu, in SchedulingParameters parameters, bool isNew, RemovalToken arriving, long now)
    {
    }

    /// <summary>Makes room for vCPUs up to a number.</summary>
    protected abstract void Reserve(int capacity);

    /// <summary>A vCPU is new and sleeps; what it was owed where it came from, if anywhere.</summary>
    protected abstract void Added(int vcpu, RemovalToken arriving, long now);

    /// <summary>Parameters changed; what it ran until now is charged.</summary>
    protected virtual void Changed(int vcpu, in SchedulingParameters old, long now)
    {
    }

    /// <summary>One uses more or fewer CPUs at once; what it ran until now is charged.</summary>
    protected virtual void WidthChanged(int vcpu, long now)
    {
    }

    /// <summary>A sleeping vCPU becomes ready: it competes from now on.</summary>
    protected abstract void Join(int vcpu, long now);

    /// <summary>A vCPU that ran stays ready.</summary>
    protected abstract void Requeue(int vcpu, StopReason reason, long now);

    /// <summary>Takes a ready vCPU out of the order, to run or to leave.</summary>
    protected abstract void Dequeue(int vcpu);

    /// <summary>A vCPU that is in no order now sleeps: it no longer competes.</summary>
    protected virtual void Leave(int vcpu, long now)
    {
    }

    /// <summary>Chooses who runs and takes it out of the order; -1 for nobody.</summary>
    protected abstract int Choose(int cpu, long now);

    /// <summary>Books time that a vCPU ran; below 0 where more was booked before than it ran.</summary>
    protected abstract void Charge(int vcpu, long used, long now);

    /// <summary>What it takes along.</summary>
    protected virtual RemovalToken Removed(int vcpu, long now) => default;

    /// <summary>Which CPU should drop what it runs for one that became ready; none unless the policy preempts.</summary>
    protected virtual CpuSet Preempt(int vcpu, long now) => CpuSet.None;

    /// <summary>How long the one chosen may run.</summary>
    protected virtual long Quantum(int vcpu, long now) => Slice(vcpu);

    /// <summary>When an idle CPU should look again.</summary>
    protected virtual long NextEvent(long now) => long.MaxValue;

    /// <summary>A vCPU's slice.</summary>
    protected long Slice(int vcpu) => _entities[vcpu].Slice;

    protected int Weight(int vcpu) => _entities[vcpu].Weight;

    /// <summary>How many CPUs one uses at once.</summary>
    protected int Width(int vcpu) => Math.Max(1, _terms[vcpu].Width);

    protected ref readonly SchedulingParameters Parameters(int vcpu) => ref _terms[vcpu].Parameters;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected bool MayRun(int vcpu, int cpu)
        => (_entities[vcpu].Affinity >> cpu & 1) != 0 && (Filter is null || Filter.MayRun(vcpu, cpu));

    /// <summary>The same, of one that is the next in order: who decides above learns where it may not.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected bool MayRunNext(int vcpu, int cpu)
    {
        if (MayRun(vcpu, cpu))
            return true;
        Filter?.Refused(vcpu);
        return false;
    }

    /// <summary>Where one that runs does.</summary>
    protected int CpuOf(int vcpu) => _entities[vcpu].Cpu;

    /// <summary>Whom the last yield on a CPU favours, or -1.</summary>
    protected int Favoured(int cpu) => _favoured[cpu];

    /// <summary>CPUs that idle and were not called.</summary>
    protected CpuSet Idle => new(_idle);

    internal bool IsReady(int vcpu) => _entities[vcpu].Activity == Activity.Ready;

    protected bool IsRunning(int vcpu) => _entities[vcpu].Activity == Activity.Running;

    protected bool IsAsleep(int vcpu) => _entities[vcpu].Activity is Activity.Asleep or Activity.Throttled;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected bool IsKnown(int vcpu) => (uint)vcpu < (uint)_entities.Length && _entities[vcpu].Known;

    /// <summary>Nanoseconds a running vCPU has run that are not charged yet.</summary>
    protected long Uncharged(int vcpu, long now) => Math.Max(0, now - _since[CpuOf(vcpu)]) - _settled[CpuOf(vcpu)];

    /// <summary>What all that run have run, together, and were not charged for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected long UnchargedOfAll(long now) => Math.Max(0, unchecked((now * _runs) - _runStarts));

    /// <summary>Charges a running vCPU for what it ran so far, before its weight changes.</summary>
    protected void Settle(int vcpu, long now)
    {
        ref Entity entity = ref _entities[vcpu];
        if (entity.Activity != Activity.Running)
            return;
        long due = Uncharged(vcpu, now);
        _settled[entity.Cpu] += due;
        _runStarts += due;
        Charge(vcpu, due, now);
    }

    /// <summary>Takes the first of an order that may run on a CPU; -1 for nobody. Those before it keep their places.</summary>
    protected int TakeFirst(HeapOrder order, int cpu)
    {
        int chosen = -1;
        while (chosen < 0 && order.Count > 0)
        {
            if (MayRunNext(order.First, cpu))
                order.Remove(chosen = order.First);
            else
                order.PassOver();
        }

        order.PutBack();
        return chosen;
    }

    /// <summary>a / b toward minus infinity: truncation toward zero would favour whoever is behind.</summary>
    internal static Int128 FloorDivide(Int128 a, Int128 b)
    {
        if (a == (long)a && b == (long)b && a != long.MinValue)
        {
            (long whole, long rest) = Math.DivRem((long)a, (long)b);
            return rest != 0 && (rest ^ (long)b) < 0 ? whole - 1 : whole;
        }

        Int128 quotient = a / b;
        return a < 0 && quotient * b != a ? quotient - 1 : quotient;
    }

    private void Withdraw(int vcpu, ref Entity entity, long now)
    {
        Activity before = entity.Activity;
        if (before == Activity.Ready)
            Dequeue(vcpu);
        else if (before == Activity.Throttled)
            _throttled.Remove(vcpu);
        entity.Activity = Activity.Asleep;
        if (before == Activity.Ready)
            Leave(vcpu, now);
    }

    private void Agree(ref Entity entity, ref Terms terms, in SchedulingParameters parameters)
    {
        terms.Parameters = parameters;
        entity.Weight = parameters.Weight;
        entity.Slice = parameters.SliceNanoseconds > 0 ? parameters.SliceNanoseconds : _slice;
        entity.Affinity = parameters.Affinity.Bits;
        entity.HasCap = !parameters.Cap.IsNone;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int TakeFavoured(int cpu, long now) => _favoured[cpu] < 0 ? -1 : TakeFavoured(_favoured[cpu], cpu, now);

    private int TakeFavoured(int favoured, int cpu, long now)
    {
        if (HandsYieldsOn)
            return -1;
        _favoured[cpu] = -1;
        if (_until[cpu] - now < LeastHandedOn || !IsKnown(favoured) || !IsReady(favoured) || !MayRun(favoured, cpu) || !MayFavour(favoured, now))
            return -1;
        Dequeue(favoured);
        return favoured;
    }

    /// <summary>
    /// Whether a directed yield may run this one out of turn: a policy of shares refuses whoever had more than its own by a slice, for
    /// otherwise one that yields all the time could have another run all the time.
    /// </summary>
    protected virtual bool MayFavour(int vcpu, long now) => true;

    /// <summary>Whether the policies within this one favour, instead of it.</summary>
    protected virtual bool HandsYieldsOn => false;

    /// <summary>Others may run, or may run at a known moment, because one stopped: idle CPUs are called when it has.</summary>
    protected void Unsettle() => _isUnsettled = true;

    /// <summary>Whether idle CPUs are to be called, asked once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TakeUnsettled()
    {
        bool was = _isUnsettled;
        _isUnsettled = false;
        return was;
    }

    /// <summary>
    /// Calls all idle CPUs that could run it: with affinities, the one that takes it is only known when they pick. A called CPU
    /// counts as idle again when it picked and found nothing.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private CpuSet Call(ulong candidates)
    {
        _idle &= ~candidates;
        return new CpuSet(candidates);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref Entity Known(int vcpu)
    {
        if (!IsKnown(vcpu))
            ThrowUnknown(vcpu);
        return ref _entities[vcpu];
    }

    [DoesNotReturn]
    private static void ThrowUnknown(int vcpu) => throw new UnreachableException($"vCPU {vcpu} is not in this scheduling domain");
}
