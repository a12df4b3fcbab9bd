using System.Diagnostics;

namespace Hypervisor.Core.Scheduling;

/// <summary>
/// Round robin, the baseline. One queue for all physical CPUs; a ready vCPU joins at the end, a CPU takes the first that may
/// run on it, and one whose slice ends joins at the end again. Weights play no part. With n ready vCPUs that may run
/// anywhere and slice q on one CPU, none waits longer than (n − 1)·q, and services over any interval in which all are ready
/// differ by at most q.
/// </summary>
internal sealed class RoundRobin : IScheduler
{
    private const int Absent = -2;
    private const int End = -1;

    private readonly long _slice;
    private readonly ulong _cpuMask;
    private readonly int[] _running;
    private Entity[] _entities = new Entity[16];
    private int _first = End;
    private int _last = End;
    private ulong _idle;

    private struct Entity
    {
        public bool Known;
        public bool Running;
        public int Next;
        public int Previous;
        public SchedulingParameters Parameters;
    }

    public RoundRobin(int cpus, long slice)
    {
        _slice = slice;
        _cpuMask = CpuSet.First(cpus).Bits;
        _running = new int[cpus];
        Array.Fill(_running, -1);
    }

    public string Name => "round-robin";

    public void Set(int vcpu, in SchedulingParameters parameters, long now)
    {
        parameters.Validate(vcpu, _running.Length);
        if (vcpu >= _entities.Length)
            Array.Resize(ref _entities, Math.Max(vcpu + 1, _entities.Length * 2));
        ref Entity entity = ref _entities[vcpu];
        if (!entity.Known)
            entity = new Entity { Known = true, Next = Absent };
        entity.Parameters = parameters;
    }

    public CpuSet Ready(int vcpu, ReadyReason reason, long now)
    {
        ref Entity entity = ref Known(vcpu);
        if (entity.Running || entity.Next != Absent)
            throw new UnreachableException($"vCPU {vcpu} is ready already");
        Append(vcpu);
        return Kick(_idle & entity.Parameters.Affinity.Bits);
    }

    public PickResult Pick(int cpu, long now)
    {
        for (int vcpu = _first; vcpu != End; vcpu = _entities[vcpu].Next)
        {
            ref Entity entity = ref _entities[vcpu];
            if (!entity.Parameters.Affinity.Contains(cpu))
                continue;
            Unlink(vcpu);
            entity.Running = true;
            _running[cpu] = vcpu;
            _idle &= ~(1UL << cpu);
            long slice = entity.Parameters.SliceNanoseconds == 0 ? _slice : entity.Parameters.SliceNanoseconds;
            return new PickResult(vcpu, now + slice, long.MaxValue);
        }

        _idle |= 1UL << cpu & _cpuMask;
        return PickResult.Idle;
    }

    public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
    {
        ref Entity entity = ref Known(vcpu);
        if (_running[cpu] != vcpu)
            throw new UnreachableException($"vCPU {vcpu} does not run on CPU {cpu}");
        _running[cpu] = -1;
        entity.Running = false;
        if (reason == StopReason.Blocked)
            return CpuSet.None;
        Append(vcpu);
        return Kick(_idle & entity.Parameters.Affinity.Bits & ~(1UL << cpu));
    }

    public RemovalToken Remove(int vcpu, long now)
    {
        ref Entity entity = ref Known(vcpu);
        if (entity.Running)
            throw new UnreachableException($"vCPU {vcpu} is running");
        if (entity.Next != Absent)
            Unlink(vcpu);
        entity = default;
        return default;
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

    private ref Entity Known(int vcpu)
    {
        if ((uint)vcpu >= (uint)_entities.Length || !_entities[vcpu].Known)
            throw new UnreachableException($"vCPU {vcpu} is not in this scheduling domain");
        return ref _entities[vcpu];
    }

    private void Append(int vcpu)
    {
        ref Entity entity = ref _entities[vcpu];
        entity.Next = End;
        entity.Previous = _last;
        if (_last == End)
            _first = vcpu;
        else
            _entities[_last].Next = vcpu;
        _last = vcpu;
    }

    private void Unlink(int vcpu)
    {
        ref Entity entity = ref _entities[vcpu];
        if (entity.Previous == End)
            _first = entity.Next;
        else
            _entities[entity.Previous].Next = entity.Next;
        if (entity.Next == End)
            _last = entity.Previous;
        else
            _entities[entity.Next].Previous = entity.Previous;
        entity.Next = Absent;
    }
}
