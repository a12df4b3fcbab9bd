using Hypervisor.Core.Scheduling;

namespace Hypervisor.Tests.Scheduling;

/// <summary>What a synthetic vCPU does: runs so long, then sleeps so long, again and again; 0 sleep never blocks.</summary>
internal sealed record SyntheticVCpu(int Weight, long Run = long.MaxValue, long Sleep = 0, long Arrives = 0, long Leaves = long.MaxValue, ulong Affinity = ulong.MaxValue)
{
    public SchedulingGroup? Group { get; init; }
}

/// <summary>
/// A discrete-event simulation of a policy with no engine attached: it checks at every step what every policy must keep, and
/// records who ran when.
/// </summary>
internal sealed class SchedulerSimulator
{
    private readonly IScheduler _policy;
    private readonly SyntheticVCpu[] _vcpus;
    private readonly Cpu[] _cpus;
    private readonly State[] _states;
    private readonly bool _mustConserveWork;
    private long _now;

    // CPUs that may pick: those that just stopped their vCPU and those the policy called. Nobody else looks, as in the host loop.
    private ulong _mayPick = ulong.MaxValue;

    private struct Cpu
    {
        public int VCpu;
        public long Since;
        public long Until;
        public long Busy;
        public long Idle;
        public long IdleSince;

        // When an idle one looks again, as the policy said.
        public long LooksAt;
    }

    private struct State
    {
        public bool Present;
        public bool Ready;
        public bool Running;
        public long WakesAt;
        public long BurstLeft;
        public long ReadySince;
    }

    public SchedulerSimulator(IScheduler policy, int cpus, SyntheticVCpu[] vcpus, bool mustConserveWork = true, long start = 0)
    {
        _policy = policy;
        _vcpus = vcpus;
        _cpus = new Cpu[cpus];
        _states = new State[vcpus.Length];
        _mustConserveWork = mustConserveWork;
        _now = Start = start;
        Service = new long[vcpus.Length];
        LongestWait = new long[vcpus.Length];
        for (int i = 0; i < cpus; i++)
            _cpus[i] = new Cpu { VCpu = -1, IdleSince = start, LooksAt = long.MaxValue };
    }

    public long Start { get; }

    /// <summary>Nanoseconds each vCPU ran.</summary>
    public long[] Service { get; }

    /// <summary>The longest each was ready without running.</summary>
    public long[] LongestWait { get; }

    /// <summary>Who ran where from when on, in order.</summary>
    public List<(long At, int Cpu, int VCpu)> Trace { get; } = [];

    /// <summary>Called whenever time moves on.</summary>
    public Action<long>? Observe { get; set; }

    public void RunFor(long span)
    {
        long end = Start + span;
        while (true)
        {
            Deliver();
            Dispatch();
            CheckWorkConservation();
            long next = NextEvent();
            if (next > end)
            {
                Advance(end);
                break;
            }

            Advance(next);
            StopDue();
        }

        CheckTimeIsConserved(end);
    }

    private void Deliver()
    {
        for (int i = 0; i < _vcpus.Length; i++)
        {
            ref State state = ref _states[i];
            SyntheticVCpu vcpu = _vcpus[i];
            if (!state.Present && _now >= Start + vcpu.Arrives && (vcpu.Leaves == long.MaxValue || _now < Start + vcpu.Leaves))
            {
                state.Present = true;
                _policy.Set(i, new SchedulingParameters(vcpu.Weight, 0, new CpuSet(vcpu.Affinity)) { Group = vcpu.Group }, _now);
                MakeReady(i, ReadyReason.Started);
            }
            else if (state is { Present: true, Ready: false, Running: false } && _now >= state.WakesAt)
            {
                MakeReady(i, ReadyReason.Woken);
            }

            if (state is { Present: true, Running: false } && vcpu.Leaves != long.MaxValue && _now >= Start + vcpu.Leaves)
            {
                _policy.Remove(i, _now);
                state = new State { WakesAt = long.MaxValue };
            }
        }
    }

    private void MakeReady(int vcpu, ReadyReason reason)
    {
        ref State state = ref _states[vcpu];
        state.Ready = true;
        state.ReadySince = _now;
        state.BurstLeft = _vcpus[vcpu].Run;
        _mayPick |= _policy.Ready(vcpu, reason, _now).Bits;
    }

    private void Dispatch()
    {
        for (int c = 0; c < _cpus.Length; c++)
        {
            ref Cpu cpu = ref _cpus[c];
            if (cpu.VCpu >= 0 || ((_mayPick >> c & 1) == 0 && cpu.LooksAt > _now))
                continue;
            _mayPick &= ~(1UL << c);
            PickResult pick = _policy.Pick(c, _now);
            cpu.LooksAt = pick.VCpu < 0 && pick.NextEvent != long.MaxValue ? Math.Max(_now + 1, pick.NextEvent) : long.MaxValue;
            if (pick.VCpu < 0)
                continue;
            ref State state = ref _states[pick.VCpu];
            Assert.True(state.Present && state.Ready && !state.Running, $"vCPU {pick.VCpu} was picked and is not ready, or runs elsewhere");
            Assert.True((_vcpus[pick.VCpu].Affinity >> c & 1) != 0, $"vCPU {pick.VCpu} was picked for CPU {c} outside its affinity");
            Assert.True(pick.RunUntil > _now, "a slice has no length");
            state.Ready = false;
            state.Running = true;
            LongestWait[pick.VCpu] = Math.Max(LongestWait[pick.VCpu], _now - state.ReadySince);
            cpu.Idle += _now - cpu.IdleSince;
            cpu.VCpu = pick.VCpu;
            cpu.Since = _now;
            cpu.Until = Math.Min(pick.RunUntil, state.BurstLeft > long.MaxValue - _now ? long.MaxValue : _now + state.BurstLeft);
            Trace.Add((_now - Start, c, pick.VCpu));
        }
    }

    private void CheckWorkConservation()
    {
        if (!_mustConserveWork)
            return;
        for (int c = 0; c < _cpus.Length; c++)
        {
            if (_cpus[c].VCpu >= 0)
                continue;
            for (int i = 0; i < _vcpus.Length; i++)
                Assert.False(_states[i].Ready && (_vcpus[i].Affinity >> c & 1) != 0, $"CPU {c} idles while vCPU {i} waits");
        }
    }

    private long NextEvent()
    {
        long next = long.MaxValue;
        foreach (Cpu cpu in _cpus)
        {
            next = Math.Min(next, cpu.VCpu >= 0 ? cpu.Until : cpu.LooksAt);
        }

        for (int i = 0; i < _vcpus.Length; i++)
        {
            if (_states[i] is { Present: true, Ready: false, Running: false })
                next = Math.Min(next, Math.Max(_now + 1, _states[i].WakesAt));
            if (!_states[i].Present && _states[i].WakesAt != long.MaxValue)
                next = Math.Min(next, Math.Max(_now + 1, Start + _vcpus[i].Arrives));
        }

        return next;
    }

    private void Advance(long to)
    {
        foreach (Cpu cpu in _cpus)
        {
            if (cpu.VCpu >= 0)
                Service[cpu.VCpu] += to - _now;
        }

        _now = to;
        Observe?.Invoke(_now - Start);
    }

    private void StopDue()
    {
        for (int c = 0; c < _cpus.Length; c++)
        {
            ref Cpu cpu = ref _cpus[c];
            if (cpu.VCpu < 0 || cpu.Until > _now)
                continue;
            int vcpu = cpu.VCpu;
            ref State state = ref _states[vcpu];
            long used = _now - cpu.Since;
            cpu.Busy += used;
            cpu.VCpu = -1;
            cpu.IdleSince = _now;
            state.Running = false;
            if (state.BurstLeft != long.MaxValue)
                state.BurstLeft -= used;
            bool blocks = state.BurstLeft == 0 && _vcpus[vcpu].Sleep > 0;
            if (blocks)
            {
                state.WakesAt = _now + _vcpus[vcpu].Sleep;
            }
            else
            {
                state.Ready = true;
                state.ReadySince = _now;
                if (state.BurstLeft == 0)
                    state.BurstLeft = _vcpus[vcpu].Run;
            }

            _mayPick |= 1UL << c | _policy.Stopped(c, vcpu, used, blocks ? StopReason.Blocked : StopReason.Expired, -1, _now).Bits;
        }
    }

    private void CheckTimeIsConserved(long end)
    {
        long total = 0;
        for (int c = 0; c < _cpus.Length; c++)
        {
            ref Cpu cpu = ref _cpus[c];
            long busy = cpu.Busy + (cpu.VCpu >= 0 ? end - cpu.Since : 0);
            long idle = cpu.Idle + (cpu.VCpu < 0 ? end - cpu.IdleSince : 0);
            Assert.Equal(end - Start, busy + idle);
            total += busy;
        }

        Assert.Equal(total, Service.Sum());
    }
}
