using System.Diagnostics;
using Hypervisor.Core.Time;

namespace Hypervisor.Core.Scheduling.Simulation;

/// <summary>
/// A discrete-event simulation of a policy over synthetic vCPUs, with no engine attached: the same calls that the host loop makes,
/// in exact time. The same workload and seed give the same schedule.
/// </summary>
public sealed class ScheduleSimulation
{
    /// <summary>Fluid shares cost time in proportion to the vCPUs at every wake: with more than this many they are not followed.</summary>
    public const int MostFollowed = 1024;

    private const long AfterAllOthers = 1L << 62;

    private readonly IScheduler _policy;
    private readonly SimulatedVCpu[] _vcpus;
    private readonly State[] _states;
    private readonly Cpu[] _cpus;
    private readonly SimulatedBooks[] _books;
    private readonly SimulationResult _result;
    private readonly IndexedHeap _events = new();
    private readonly FluidShares? _fluid;
    private readonly long _switchCost;
    private long _sequence;
    private long _now;
    private ulong _mayPick;
    private ulong _random;

    private enum Activity : byte
    {
        Absent,
        Ready,
        Running,
        Asleep,
        Gone,
    }

    private struct State
    {
        public Activity Activity;
        public int Cpu;
        public int Phase;
        public int Change;
        public long PhaseLeft;
        public long ReadySince;
        public bool Woken;
    }

    private struct Cpu
    {
        public int VCpu;
        public int Last;
        public long IdleSince;
        public long SwitchedAt;
        public long Since;
    }

    /// <summary>Makes a simulation.</summary>
    /// <param name="policy">A policy for so many CPUs that knows nobody yet.</param>
    /// <param name="cpus">Physical CPUs, 1 to 64.</param>
    /// <param name="vcpus">The workload.</param>
    /// <param name="seed">What random spans come from.</param>
    /// <param name="switchNanoseconds">What it costs a CPU to go on to another vCPU.</param>
    /// <exception cref="HypervisorException">The workload makes no sense.</exception>
    public ScheduleSimulation(IScheduler policy, int cpus, IReadOnlyList<SimulatedVCpu> vcpus, ulong seed = 1, long switchNanoseconds = 0)
    {
        if (cpus is < 1 or > 64)
            throw new HypervisorException($"{cpus} physical CPUs were asked for; a simulation has 1 to 64.");
        if (switchNanoseconds is < 0 or > 1_000_000_000)
            throw new HypervisorException($"A switch of {switchNanoseconds} ns was asked for; it takes 0 to a second.");
        _policy = policy;
        _vcpus = [.. vcpus];
        _states = new State[_vcpus.Length];
        _cpus = new Cpu[cpus];
        Array.Fill(_cpus, new Cpu { VCpu = -1, Last = -1 });
        _books = [.. _vcpus.Select(vcpu => new SimulatedBooks(vcpu.Name))];
        _result = new SimulationResult(policy.Name, _books);
        _switchCost = switchNanoseconds;
        _random = seed;
        _mayPick = CpuSet.First(cpus).Bits;
        if (_vcpus.Length <= MostFollowed && Array.TrueForAll(_vcpus, IsFree))
            _fluid = new FluidShares(cpus, _vcpus.Length);
        for (int id = 0; id < _vcpus.Length; id++)
        {
            Validate(_vcpus[id], cpus, id);
            Schedule(Plan(id), _vcpus[id].Arrives);
        }
    }

    /// <summary>Called when a CPU begins to run a vCPU: time, CPU, vCPU.</summary>
    public Action<long, int, int>? Picked { get; set; }

    // Of each vCPU an event for what it does, and one for what is done to it; of each CPU the end of a slice and a look.
    private int Body(int vcpu) => vcpu * 2;

    private int Plan(int vcpu) => (vcpu * 2) + 1;

    private int End(int cpu) => (_vcpus.Length * 2) + (cpu * 2);

    private int Look(int cpu) => (_vcpus.Length * 2) + (cpu * 2) + 1;

    /// <summary>Simulates a span of time, once.</summary>
    /// <param name="nanoseconds">How long.</param>
    /// <param name="cancellation">Ends it early, with an exception.</param>
    public SimulationResult Run(long nanoseconds, CancellationToken cancellation = default)
    {
        if (nanoseconds < 1)
            throw new HypervisorException($"A simulation of {nanoseconds} ns was asked for; it lasts some time.");
        while (true)
        {
            while (_events.Count > 0 && _events.FirstKey <= _now)
            {
                int due = _events.First;
                _events.Remove(due);
                Handle(due);
            }

            Dispatch();
            if (_events.Count > 0 && _events.FirstKey <= _now)
                continue;
            if (_events.Count == 0 || _events.FirstKey > nanoseconds)
                break;
            _now = _events.FirstKey;
            if ((_result.Decisions & 0xFFF) == 0)
                cancellation.ThrowIfCancellationRequested();
        }

        _now = nanoseconds;
        return Close();
    }

    private static void Validate(SimulatedVCpu vcpu, int cpus, int id)
    {
        vcpu.Parameters.Validate(id, cpus);
        if (vcpu.Phases.Count % 2 != 0)
            throw new HypervisorException($"vCPU '{vcpu.Name}' has {vcpu.Phases.Count} spans; they are pairs of run and sleep.");
        for (int i = 0; i < vcpu.Phases.Count; i++)
        {
            SimulatedSpan span = vcpu.Phases[i];
            if (span.Least < (i % 2 == 0 ? 1 : 0) || span.Most < span.Least || span.Most > SchedulingParameters.MaximumSlice)
                throw new HypervisorException($"vCPU '{vcpu.Name}' has a span of {span.Least} to {span.Most} ns; it runs at least 1 ns, sleeps at least 0, and either at most an hour.");
        }

        if (vcpu.Arrives < 0 || vcpu.Leaves <= vcpu.Arrives)
            throw new HypervisorException($"vCPU '{vcpu.Name}' arrives at {vcpu.Arrives} ns and leaves at {vcpu.Leaves} ns; it leaves after it has come.");
        long last = vcpu.Arrives;
        foreach ((long at, SchedulingParameters parameters) in vcpu.Changes)
        {
            if (at < last || at >= vcpu.Leaves)
                throw new HypervisorException($"vCPU '{vcpu.Name}' is changed at {at} ns; changes lie in order between its arrival and its end.");
            parameters.Validate(id, cpus);
            last = at;
        }
    }

    /// <summary>Whether nothing but weights decides what it is due: fluid shares know of nothing else.</summary>
    private bool IsFree(SimulatedVCpu vcpu)
        => (vcpu.Parameters.Affinity.Bits & _mayPick) == _mayPick && vcpu.Parameters.Cap.IsNone && vcpu.Parameters.Reservation.IsNone && vcpu.Parameters.Group is null;

    // At one moment wakes and plans come first, in the order in which they were made, then ends of slices in that of CPUs: as timers and
    // CPUs do on the host loop.
    private void Schedule(int id, long at) => _events.Add(id, at, id < _vcpus.Length * 2 ? _sequence++ : AfterAllOthers + id);

    private void Cancel(int id)
    {
        if (_events.Contains(id))
            _events.Remove(id);
    }

    private void Handle(int id)
    {
        if (id >= _vcpus.Length * 2)
        {
            int cpu = (id - (_vcpus.Length * 2)) / 2;
            if (id == End(cpu))
                Stop(cpu, StopReason.Expired);
            else
                _mayPick |= 1UL << cpu;
        }
        else if (id % 2 == 0)
        {
            Wake(id / 2, ReadyReason.Woken);
        }
        else
        {
            FollowPlan(id / 2);
        }
    }

    private void FollowPlan(int vcpu)
    {
        ref State state = ref _states[vcpu];
        SimulatedVCpu plan = _vcpus[vcpu];
        if (state.Activity == Activity.Absent)
        {
            Kick(_policy.Set(vcpu, plan.Parameters, _now));
            state.Phase = -1;
            Wake(vcpu, ReadyReason.Started);
        }
        else if (state.Change < plan.Changes.Count)
        {
            SchedulingParameters parameters = plan.Changes[state.Change++].Parameters;
            Kick(_policy.Set(vcpu, parameters, _now));
            if (state.Activity is Activity.Ready or Activity.Running)
                _fluid?.Set(vcpu, parameters.Weight, _now);
        }
        else
        {
            Go(vcpu);
            return;
        }

        long next = state.Change < plan.Changes.Count ? plan.Changes[state.Change].At : plan.Leaves;
        if (next != long.MaxValue)
            Schedule(Plan(vcpu), next);
    }

    private void Go(int vcpu)
    {
        ref State state = ref _states[vcpu];
        if (state.Activity == Activity.Running)
            Stop(state.Cpu, StopReason.Blocked);
        if (state.Activity == Activity.Ready)
            _fluid?.Set(vcpu, 0, _now);
        Cancel(Body(vcpu));
        _policy.Remove(vcpu, _now);
        state.Activity = Activity.Gone;
    }

    private int WeightOf(int vcpu)
        => _states[vcpu].Change is > 0 and int change ? _vcpus[vcpu].Changes[change - 1].Parameters.Weight : _vcpus[vcpu].Parameters.Weight;

    private void Wake(int vcpu, ReadyReason reason)
    {
        ref State state = ref _states[vcpu];
        NextPhase(vcpu);
        state.Activity = Activity.Ready;
        state.ReadySince = _now;
        state.Woken = true;
        _fluid?.Set(vcpu, WeightOf(vcpu), _now);
        Kick(_policy.Ready(vcpu, reason, _now));
    }

    private void NextPhase(int vcpu)
    {
        ref State state = ref _states[vcpu];
        IReadOnlyList<SimulatedSpan> phases = _vcpus[vcpu].Phases;
        state.PhaseLeft = phases.Count == 0 ? long.MaxValue : Draw(phases[state.Phase = (state.Phase + 1) % phases.Count]);
    }

    private long Draw(SimulatedSpan span)
    {
        if (span.Least == span.Most)
            return span.Least;
        ulong value = _random += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return span.Least + (long)((value ^ (value >> 31)) % (ulong)(span.Most - span.Least + 1));
    }

    private void Kick(CpuSet cpus)
    {
        for (int cpu = 0; cpu < _cpus.Length; cpu++)
        {
            if (!cpus.Contains(cpu))
                continue;
            _mayPick |= 1UL << cpu;
            if (_cpus[cpu].VCpu >= 0)
                Stop(cpu, StopReason.Preempted);
        }
    }

    private void Stop(int number, StopReason reason)
    {
        ref Cpu cpu = ref _cpus[number];
        int vcpu = cpu.VCpu;
        ref State state = ref _states[vcpu];
        long used = Account(ref cpu);
        Cancel(End(number));
        cpu.VCpu = -1;
        cpu.IdleSince = _now;
        _mayPick |= 1UL << number;
        if (state.PhaseLeft != long.MaxValue)
            state.PhaseLeft -= used;
        long sleep = 0;
        while (state.PhaseLeft == 0 && sleep == 0)
        {
            NextPhase(vcpu);
            sleep = state.PhaseLeft;
            if (sleep != 0)
                continue;

            // A sleep of no length gives up the rest of the slice.
            NextPhase(vcpu);
            reason = reason == StopReason.Blocked ? reason : StopReason.Yielded;
        }

        bool blocks = sleep > 0 || reason == StopReason.Blocked;
        state.Activity = blocks ? Activity.Asleep : Activity.Ready;
        state.ReadySince = _now;
        state.Woken = false;
        NoteLag(vcpu);
        if (blocks)
            _fluid?.Set(vcpu, 0, _now);
        if (sleep > 0)
            Schedule(Body(vcpu), _now + sleep);
        Kick(_policy.Stopped(number, vcpu, used, blocks ? StopReason.Blocked : reason, -1, _now));
    }

    /// <summary>Books what a CPU did since it picked; how long its vCPU ran.</summary>
    private long Account(ref Cpu cpu)
    {
        long used = Math.Max(0, _now - cpu.Since);
        _result.Overhead += Math.Min(_now, cpu.Since) - cpu.SwitchedAt;
        _result.Busy += used;
        _books[cpu.VCpu].RunNanoseconds += used;
        return used;
    }

    private void Dispatch()
    {
        for (int number = 0; number < _cpus.Length && _mayPick != 0; number++)
        {
            ref Cpu cpu = ref _cpus[number];
            if ((_mayPick >> number & 1) == 0)
                continue;
            _mayPick &= ~(1UL << number);
            if (cpu.VCpu >= 0)
                continue;
            Cancel(Look(number));
            _result.Decisions++;
            PickResult pick = _policy.Pick(number, _now);
            if (pick.VCpu < 0)
            {
                if (pick.NextEvent != long.MaxValue)
                    Schedule(Look(number), Math.Max(_now + 1, pick.NextEvent));
                continue;
            }

            Begin(number, pick);
        }
    }

    private void Begin(int number, PickResult pick)
    {
        ref Cpu cpu = ref _cpus[number];
        ref State state = ref _states[pick.VCpu];
        if (state.Activity != Activity.Ready)
            throw new UnreachableException($"the policy picked vCPU {pick.VCpu}, which is not ready");
        if (pick.RunUntil <= _now)
            throw new UnreachableException($"the policy gave vCPU {pick.VCpu} no time");
        long cost = cpu.Last == pick.VCpu ? 0 : _switchCost;
        _result.Idle += _now - cpu.IdleSince;
        _result.Switches += cpu.Last == pick.VCpu ? 0 : 1;
        cpu.VCpu = cpu.Last = pick.VCpu;
        cpu.SwitchedAt = _now;
        cpu.Since = _now + cost;
        SimulatedBooks books = _books[pick.VCpu];
        long waited = _now - state.ReadySince;
        books.WaitNanoseconds += waited;
        books.LongestWait = Math.Max(books.LongestWait, waited);
        if (state.Woken)
            books.WakeLatency.Add(waited + cost);
        state.Activity = Activity.Running;
        state.Cpu = number;
        NoteLag(pick.VCpu);
        Schedule(End(number), cost + Math.Min(pick.RunUntil, state.PhaseLeft > long.MaxValue - _now - cost ? long.MaxValue - cost : _now + state.PhaseLeft));
        Hash((ulong)_now);
        Hash(((ulong)number << 32) | (uint)pick.VCpu);
        Picked?.Invoke(_now, number, pick.VCpu);
    }

    private void NoteLag(int vcpu)
    {
        if (_fluid is null)
            return;
        double lag = _fluid.Due(vcpu, _now) - _books[vcpu].RunNanoseconds;
        (double least, double most) = _books[vcpu].Lag ?? (lag, lag);
        _books[vcpu].Lag = (Math.Min(least, lag), Math.Max(most, lag));
    }

    private void Hash(ulong value) => _result.TraceHash = (_result.TraceHash ^ value) * 1099511628211;

    private SimulationResult Close()
    {
        _result.Elapsed = _now;
        for (int number = 0; number < _cpus.Length; number++)
        {
            ref Cpu cpu = ref _cpus[number];
            if (cpu.VCpu >= 0)
                Account(ref cpu);
            else
                _result.Idle += _now - cpu.IdleSince;
        }

        for (int vcpu = 0; vcpu < _vcpus.Length; vcpu++)
        {
            if (_states[vcpu].Activity == Activity.Ready)
            {
                long waited = _now - _states[vcpu].ReadySince;
                _books[vcpu].WaitNanoseconds += waited;
                _books[vcpu].LongestWait = Math.Max(_books[vcpu].LongestWait, waited);
            }

            if (_fluid is not null)
                _books[vcpu].FluidNanoseconds = _fluid.Due(vcpu, _now);
        }

        return _result;
    }
}
