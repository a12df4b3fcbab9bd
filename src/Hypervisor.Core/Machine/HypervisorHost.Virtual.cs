namespace Hypervisor.Core.Machine;

/// <summary>Virtual time: a discrete-event loop on the caller's thread.</summary>
/// <remarks>
/// Each physical CPU has a time of its own; the one that is furthest behind always goes first and runs up to the end of its slice or
/// the next timer. Of several at the same moment those whose slices ended are told to the policy first, then those pick that have
/// nobody, and then guest code runs: the order in which the simulator does it, so that the same input gives the same schedule in both. A
/// timer interrupts a slice and does not end it. With one CPU events happen exactly when they are due; with several, what one
/// does to another that is ahead of it is seen at the other's next edge, at the latest a slice later, and always in the same way.
/// </remarks>
public sealed partial class HypervisorHost
{
    /// <summary>Runs for a span of virtual time, or until no machine is left.</summary>
    public void RunFor(long nanoseconds, CancellationToken cancellation = default)
        => RunUntil(checked(NowNanoseconds + nanoseconds), cancellation);

    /// <summary>Runs until a moment of virtual time, or until no machine is left.</summary>
    public void RunUntil(long time, CancellationToken cancellation = default)
    {
        while (StepOnce(time) && !cancellation.IsCancellationRequested)
        {
        }
    }

    /// <summary>Runs until every vCPU sleeps and no timer is armed, or no machine is left.</summary>
    public void RunUntilIdle(CancellationToken cancellation = default) => RunUntil(long.MaxValue, cancellation);

    /// <summary>Runs one slice or one timer; false where nothing is left to do.</summary>
    public bool Step() => StepOnce(long.MaxValue);

    private bool StepOnce(long limit)
    {
        if (_realClock is not null)
            throw new HypervisorException("This host keeps real time: start it with Start and wait for its machines.");
        if (_machines.Count == 0)
        {
            CloseSlices();
            return false;
        }

        PhysicalCpu? next = null;
        foreach (PhysicalCpu cpu in _cpus)
        {
            if (!cpu.IsIdle && (next is null || cpu.LocalTime < next.LocalTime || (cpu.LocalTime == next.LocalTime && Turn(cpu) < Turn(next))))
                next = cpu;
        }

        long timer = _timers.NextDeadline;
        if (timer != long.MaxValue && (next is null || timer <= next.LocalTime))
        {
            if (timer > limit)
                return Reach(limit);
            _now = Math.Max(_now, timer);
            _timers.TakeDue(_now)?.Invoke();
            return true;
        }

        if (next is null)
            return limit != long.MaxValue && Reach(limit);
        if (next.LocalTime >= limit)
            return Reach(limit);
        _now = Math.Max(_now, next.LocalTime);
        if (next.Current is not { } vcpu)
            PickFor(next, next.LocalTime);
        else if (next.EndedBy is { } end)
            CloseSlice(next, vcpu, end, next.SliceUsed, next.LocalTime);
        else
            Continue(next, vcpu, Math.Min(limit, timer));
        return true;

        static int Turn(PhysicalCpu cpu) => cpu.Current is null ? 1 : cpu.EndedBy is null ? 2 : 0;
    }

    private bool Reach(long limit)
    {
        _now = Math.Max(_now, limit);
        CloseSlices();
        foreach (PhysicalCpu cpu in _cpus)
        {
            if (cpu.IsIdle && cpu.LocalTime < _now)
            {
                cpu.IdleNanoseconds += _now - cpu.LocalTime;
                cpu.LocalTime = _now;
                cpu.LocalPicoseconds = 0;
            }
        }

        return false;
    }

    /// <summary>Whoever looks at a host that stands finds no vCPU in the middle of a slice.</summary>
    private void CloseSlices()
    {
        foreach (PhysicalCpu cpu in _cpus)
        {
            if (cpu.Current is { } vcpu)
                CloseSlice(cpu, vcpu, cpu.EndedBy ?? SliceEnd.Attention, cpu.SliceUsed, cpu.LocalTime);
        }
    }

    /// <summary>Runs guest code up to a moment, or to the end of the slice.</summary>
    private void Continue(PhysicalCpu cpu, VCpu vcpu, long horizon)
    {
        if (cpu.LocalTime >= cpu.StopAt || vcpu.Machine.HasEnded)
        {
            cpu.EndedBy = SliceEnd.Attention;
            return;
        }

        long start = cpu.LocalTime;
        cpu.Horizon = Math.Min(horizon, Math.Min(cpu.SliceEnd, cpu.StopAt));
        long rate = _options.PicosecondsPerInstruction;
        long budget = (long)Int128.Min(long.MaxValue / 4, ((Int128)(cpu.Horizon - start) * 1000 - cpu.LocalPicoseconds + rate - 1) / rate);
        vcpu.Hart.TimeAtEntry = start;
        vcpu.RunningSince = start;
        vcpu.Processor = cpu.Number;
        vcpu.WakePending = false;
        _active = cpu;
        SliceEnd end = vcpu.RunSlice(Math.Max(1, budget), vcpu.Machine.CodeCacheFor(0), out long retired);
        _active = null;

        // A slice in which nothing retired still moves time, so that a vCPU that only ever comes out cannot stop it.
        Int128 picoseconds = (Int128)Math.Max(1, retired) * rate + cpu.LocalPicoseconds;
        long used = (long)(picoseconds / 1000);
        cpu.LocalPicoseconds = (long)(picoseconds % 1000);
        cpu.LocalTime = start + used;
        cpu.SliceUsed += used;
        Book(cpu, vcpu, used);
        if (end is not (SliceEnd.Expired or SliceEnd.Attention))
            cpu.EndedBy = end;
        else if (cpu.LocalTime >= cpu.SliceEnd)
            cpu.EndedBy = SliceEnd.Expired;
        else if (cpu.LocalTime >= cpu.StopAt)
            cpu.EndedBy = SliceEnd.Attention;
    }

    /// <summary>The policy wants a CPU to stop what it runs. Under the lock.</summary>
    private void StopVirtual(PhysicalCpu cpu, VCpu vcpu, long now)
    {
        cpu.StopAt = Math.Min(cpu.StopAt, now);
        if (cpu == _active)
            vcpu.Kick();
        else if (cpu.LocalTime == now && cpu.EndedBy is null)
            CloseSlice(cpu, vcpu, SliceEnd.Attention, cpu.SliceUsed, now);
    }

    /// <summary>A timer was armed: the slice in progress must end by then. Under the lock.</summary>
    private void TimerArmed(long deadline)
    {
        if (_realClock is not null)
        {
            RealTimerArmed(deadline);
            return;
        }

        if (_active is { Current: { } vcpu } cpu && deadline < cpu.Horizon)
            vcpu.Kick();
    }
}
