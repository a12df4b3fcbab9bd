using System.Diagnostics;
using Hypervisor.Core.Time;

namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Stride scheduling (Waldspurger and Weihl, "Stride Scheduling: Deterministic Proportional-Share Resource Management", MIT,
/// 1995). Each vCPU has a pass; running for a time moves it on by that time divided by its weight; the ready vCPU with the
/// smallest pass runs. Passes advance exactly: what a division leaves over is kept. A vCPU that was away joins at the pass
/// of the domain, so that sleeping earns nothing. Two vCPUs that are ready all the time differ in weighted service by at
/// most one slice each. The domain's pass is the smallest of any vCPU that is ready or running, and never goes back.
/// </summary>
internal sealed class Stride : IScheduler
{
    // Pass units for one nanosecond at weight 1.
    private const long Scale = 64;

    private readonly long _slice;
    private readonly ulong _cpuMask;
    private readonly int[] _running;
    private readonly IndexedHeap _ready = new();
    private readonly List<int> _passedOver = [];
    private Entity[] _entities = new Entity[16];
    private ulong _idle;
    private long _domainPass;
    private long _sequence;

    private struct Entity
    {
        public bool Known;
        public bool Running;
        public long Pass;
        public long Remainder;
        public long Sequence;
        public SchedulingParameters Parameters;
    }

    public Stride(int cpus, long slice)
    {
        _slice = slice;
        _cpuMask = CpuSet.First(cpus).Bits;
        _running = new int[cpus];
        Array.Fill(_running, -1);
    }

    public string Name => "stride";

    public void Set(int vcpu, in SchedulingParameters parameters, long now)
    {
        parameters.Validate(vcpu, _running.Length);
        if (vcpu >= _entities.Length)
            Array.Resize(ref _entities, Math.Max(vcpu + 1, _entities.Length * 2));
        ref Entity entity = ref _entities[vcpu];
        if (!entity.Known)
        {
            entity = new Entity { Known = true, Pass = _domainPass, Parameters = parameters };
            return;
        }

        if (parameters.Weight != entity.Parameters.Weight)
        {
            // What it is ahead or behind, in time, stays the same: the distance to the domain's pass scales with the weight.
            bool queued = _ready.Contains(vcpu);
            if (queued)
                _ready.Remove(vcpu);
            long ahead = entity.Pass - _domainPass;
            entity.Pass = _domainPass + (long)((Int128)ahead * entity.Parameters.Weight / parameters.Weight);
            entity.Remainder = 0;
            if (queued)
                _ready.Add(vcpu, entity.Pass, entity.Sequence);
        }

        entity.Parameters = parameters;
    }

    public CpuSet Ready(int vcpu, ReadyReason reason, long now)
    {
        ref Entity entity = ref Known(vcpu);
        if (entity.Running || _ready.Contains(vcpu))
            throw new UnreachableException($"vCPU {vcpu} is ready already");
        AdvanceDomain();
        if (entity.Pass < _domainPass)
        {
            entity.Pass = _domainPass;
            entity.Remainder = 0;
        }

        Enqueue(vcpu, ref entity);
        return Kick(entity.Parameters.Affinity.Bits & _idle);
    }

    public PickResult Pick(int cpu, long now)
    {
        int chosen = -1;
        while (_ready.Count > 0)
        {
            int vcpu = _ready.First;
            _ready.Remove(vcpu);
            if (_entities[vcpu].Parameters.Affinity.Contains(cpu))
            {
                chosen = vcpu;
                break;
            }

            _passedOver.Add(vcpu);
        }

        foreach (int vcpu in _passedOver)
            _ready.Add(vcpu, _entities[vcpu].Pass, _entities[vcpu].Sequence);
        _passedOver.Clear();
        if (chosen < 0)
        {
            _idle |= 1UL << cpu & _cpuMask;
            return PickResult.Idle;
        }

        ref Entity entity = ref _entities[chosen];
        entity.Running = true;
        _running[cpu] = chosen;
        _idle &= ~(1UL << cpu);
        long slice = entity.Parameters.SliceNanoseconds == 0 ? _slice : entity.Parameters.SliceNanoseconds;
        return new PickResult(chosen, now + slice, long.MaxValue);
    }

    public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
    {
        ref Entity entity = ref Known(vcpu);
        if (_running[cpu] != vcpu)
            throw new UnreachableException($"vCPU {vcpu} does not run on CPU {cpu}");
        Int128 due = (Int128)used * Scale + entity.Remainder;
        entity.Pass += (long)(due / entity.Parameters.Weight);
        entity.Remainder = (long)(due % entity.Parameters.Weight);
        _running[cpu] = -1;
        entity.Running = false;
        if (reason == StopReason.Blocked)
        {
            AdvanceDomain();
            return CpuSet.None;
        }

        Enqueue(vcpu, ref entity);
        AdvanceDomain();
        return Kick(entity.Parameters.Affinity.Bits & _idle & ~(1UL << cpu));
    }

    public RemovalToken Remove(int vcpu, long now)
    {
        ref Entity entity = ref Known(vcpu);
        if (entity.Running)
            throw new UnreachableException($"vCPU {vcpu} is running");
        if (_ready.Contains(vcpu))
            _ready.Remove(vcpu);
        var token = new RemovalToken((long)((Int128)(_domainPass - entity.Pass) * entity.Parameters.Weight / Scale));
        entity = default;
        return token;
    }

    /// <summary>
    /// Calls all idle CPUs that could run it: with affinities, the one that takes it is only known when they pick. A called CPU
    /// counts as idle again when it picked and found nothing.
    /// </summary>
    private CpuSet Kick(ulong candidates)
    {
        _idle &= ~candidates;
        return new CpuSet(candidates);
    }

    private void Enqueue(int vcpu, ref Entity entity)
    {
        entity.Sequence = _sequence++;
        _ready.Add(vcpu, entity.Pass, entity.Sequence);
    }

    private void AdvanceDomain()
    {
        long smallest = _ready.Count > 0 ? _ready.FirstKey : long.MaxValue;
        foreach (int vcpu in _running)
        {
            if (vcpu >= 0)
                smallest = Math.Min(smallest, _entities[vcpu].Pass);
        }

        if (smallest != long.MaxValue)
            _domainPass = Math.Max(_domainPass, smallest);
    }

    private ref Entity Known(int vcpu)
    {
        if ((uint)vcpu >= (uint)_entities.Length || !_entities[vcpu].Known)
            throw new UnreachableException($"vCPU {vcpu} is not in this scheduling domain");
        return ref _entities[vcpu];
    }
}
