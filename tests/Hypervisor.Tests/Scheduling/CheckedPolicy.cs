using System.Globalization;
using Hypervisor.Core.Scheduling;

namespace Hypervisor.Tests.Scheduling;

/// <summary>
/// A policy under watch, whoever drives it: at every call it is checked that time does not go back, that a vCPU runs on one CPU of
/// its affinity at a time and for some time, that no CPU idles uncalled while one that may run there waits, and that caps and limits hold in every
/// period. What is wrong is told with the last calls.
/// </summary>
internal sealed class CheckedPolicy(IScheduler inner, int cpus, bool conservesWork) : IScheduler
{
    private const int CallsTold = 40;

    private readonly Dictionary<int, State> _vcpus = [];
    private readonly Cpu[] _cpus = [.. Enumerable.Range(0, cpus).Select(_ => new Cpu())];
    private readonly Dictionary<SchedulingGroup, Dictionary<long, long>> _used = [];
    private readonly Queue<string> _calls = new();
    private long _now;
    private long _begin = -1;
    private long _busy;
    private long _idle;

    private sealed class State
    {
        public SchedulingParameters Parameters;
        public bool Ready;
        public int Cpu = -1;
        public long Since;
        public long Ran;
        public long LongestWait;
        public bool IsNew;
        public Dictionary<long, long> CapUsed = [];
    }

    private sealed class Cpu
    {
        public int VCpu = -1;
        public long Since;
        public long Until;
        public bool Called = true;
    }

    public string Name => inner.Name;

    /// <summary>Decisions that chose someone: when, where, whom.</summary>
    public List<(long At, int Cpu, int VCpu)> Trace { get; } = [];

    /// <summary>The longest each waited while ready and neither capped nor in a limited group.</summary>
    public long LongestWait(int vcpu) => _vcpus.TryGetValue(vcpu, out State? state) ? state.LongestWait : 0;

    /// <summary>What each ran.</summary>
    public long Ran(int vcpu) => _vcpus.TryGetValue(vcpu, out State? state) ? state.Ran + (state.Cpu >= 0 ? _now - _cpus[state.Cpu].Since : 0) : 0;

    /// <summary>What a CPU runs, or -1, and since when.</summary>
    public int Running(int cpu) => _cpus[cpu].VCpu;

    public long Since(int cpu) => _cpus[cpu].Since;

    public CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default)
    {
        At(now, $"set v{vcpu} weight {parameters.Weight}{(parameters.Group is { } group ? " in " + group.Name : "")}");
        CpuSet called = inner.Set(vcpu, in parameters, now, arriving);
        if (!_vcpus.TryGetValue(vcpu, out State? state))
            _vcpus[vcpu] = state = new State { IsNew = true };
        state.Parameters = parameters;
        return Call(called);
    }

    public CpuSet Ready(int vcpu, ReadyReason reason, long now)
    {
        At(now, $"ready v{vcpu}");
        State state = _vcpus[vcpu];
        Must(!state.Ready && state.Cpu < 0, $"v{vcpu} is readied twice by the driver");
        state.Ready = true;
        state.Since = now;
        return Call(inner.Ready(vcpu, reason, now));
    }

    public PickResult Pick(int cpu, long now)
    {
        PickResult pick = inner.Pick(cpu, now);
        At(now, $"CPU {cpu} picks {(pick.VCpu < 0 ? "nobody" : $"v{pick.VCpu} until {Micro(pick.RunUntil)}")}");
        Must(_cpus[cpu].VCpu < 0, $"CPU {cpu} picks while it runs one");
        if (pick.VCpu < 0)
        {
            _idle += now - _cpus[cpu].Since;
            _cpus[cpu].Since = now;
            _cpus[cpu].Called = false;
            Must(pick.NextEvent > now, "an idle CPU is to look again at once");
            foreach ((int id, State waiting) in _vcpus)
                Must(!conservesWork || !CouldRun(waiting, cpu), $"CPU {cpu} finds nobody while v{id} waits");
            return pick;
        }

        State state = _vcpus[pick.VCpu];
        Must(state.Ready, $"v{pick.VCpu} is picked and is not ready");
        Must(state.Cpu < 0, $"v{pick.VCpu} is picked and runs on CPU {state.Cpu}");
        Must(state.Parameters.Affinity.Contains(cpu), $"v{pick.VCpu} is picked for CPU {cpu} outside its affinity");
        Must(pick.RunUntil > now, $"v{pick.VCpu} is given no time");
        if (IsFree(state) || state.IsNew)
            state.LongestWait = Math.Max(state.LongestWait, now - state.Since);
        state.IsNew = false;
        state.Ready = false;
        state.Cpu = cpu;
        _idle += now - _cpus[cpu].Since;
        _cpus[cpu].VCpu = pick.VCpu;
        _cpus[cpu].Since = now;
        _cpus[cpu].Until = pick.RunUntil;
        Trace.Add((now - _begin, cpu, pick.VCpu));
        return pick;
    }

    public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
    {
        At(now, $"CPU {cpu} stops v{vcpu} after {Micro(used)}: {reason}");
        State state = _vcpus[vcpu];
        Must(_cpus[cpu].VCpu == vcpu && state.Cpu == cpu, "the driver stops one that does not run there");
        Must(used == now - _cpus[cpu].Since, "the driver stops one at another time than it ran for");
        state.Ran += used;
        _busy += used;
        Charge(state, _cpus[cpu].Since, used);
        _cpus[cpu].VCpu = -1;
        _cpus[cpu].Since = now;
        _cpus[cpu].Called = true;
        state.Cpu = -1;
        state.Ready = reason != StopReason.Blocked;
        state.Since = now;
        return Call(inner.Stopped(cpu, vcpu, used, reason, yieldTo, now));
    }

    public RemovalToken Remove(int vcpu, long now)
    {
        At(now, $"remove v{vcpu}");
        RemovalToken token = inner.Remove(vcpu, now);
        _vcpus[vcpu].Ready = false;
        return token;
    }

    /// <summary>The end: time is conserved, and whoever waits has waited so long.</summary>
    public void Finish(long now)
    {
        At(now, "end");
        foreach (Cpu cpu in _cpus)
        {
            if (cpu.VCpu >= 0)
                _busy += now - cpu.Since;
            else
                _idle += now - cpu.Since;
        }

        foreach (State state in _vcpus.Values)
        {
            if (state.Ready && IsFree(state))
                state.LongestWait = Math.Max(state.LongestWait, now - state.Since);
        }

        Must(_busy + _idle == cpus * (now - _begin), $"busy {_busy} and idle {_idle} are not {cpus} times {now - _begin}");
        Must(_busy == _vcpus.Keys.Sum(Ran), "what vCPUs ran is not what CPUs were busy");
    }

    private void At(long now, string call)
    {
        _calls.Enqueue($"{Micro(now),12} {call}");
        if (_calls.Count > CallsTold)
            _calls.Dequeue();
        Must(now >= _now, $"time goes back to {now}");
        if (_begin < 0)
        {
            _begin = now;
            foreach (Cpu cpu in _cpus)
                cpu.Since = now;
        }

        if (now > _now && conservesWork)
        {
            for (int cpu = 0; cpu < _cpus.Length; cpu++)
            {
                if (_cpus[cpu].VCpu >= 0 || _cpus[cpu].Called)
                    continue;
                foreach ((int id, State waiting) in _vcpus)
                    Must(!CouldRun(waiting, cpu) || waiting.Since == now, $"CPU {cpu} idles, uncalled, while v{id} waits");
            }
        }

        _now = now;
    }

    private CpuSet Call(CpuSet called)
    {
        for (int cpu = 0; cpu < _cpus.Length; cpu++)
            _cpus[cpu].Called |= called.Contains(cpu);
        return called;
    }

    private static bool CouldRun(State state, int cpu) => state.Ready && state.Parameters.Affinity.Contains(cpu) && IsFree(state);

    private static bool IsFree(State state)
    {
        for (SchedulingGroup? group = state.Parameters.Group; group is not null; group = group.Parent)
        {
            if (!group.Limit.IsNone)
                return false;
        }

        return state.Parameters.Cap.IsNone;
    }

    // Exact, because no run goes over the end of a period.
    private void Charge(State state, long start, long used)
    {
        if (state.Parameters.Cap is { IsNone: false } cap)
            Must(Add(state.CapUsed, start / cap.Period, used) <= cap.Budget, $"a cap of {Micro(cap.Budget)} in {Micro(cap.Period)} is exceeded");
        for (SchedulingGroup? group = state.Parameters.Group; group is not null; group = group.Parent)
        {
            if (group.Limit.IsNone)
                continue;
            if (!_used.TryGetValue(group, out Dictionary<long, long>? periods))
                _used[group] = periods = [];
            Must(Add(periods, start / group.Limit.Period, used) <= group.Limit.Budget, $"the limit of {group.Name} is exceeded");
        }

        static long Add(Dictionary<long, long> periods, long period, long used) => periods[period] = periods.GetValueOrDefault(period) + used;
    }

    private void Must(bool holds, string what)
    {
        if (!holds)
            throw new Xunit.Sdk.XunitException($"{inner.Name}: {what}.\nThe last calls, in µs:\n{string.Join('\n', _calls)}\n");
    }

    private static string Micro(long nanoseconds) => (nanoseconds / 1000.0).ToString("0.###", CultureInfo.InvariantCulture);
}
