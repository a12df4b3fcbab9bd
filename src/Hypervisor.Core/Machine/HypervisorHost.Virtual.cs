namespace Hypervisor.Core.Machine;

/// <summary>Virtual time: a discrete-event loop on the caller's thread.</summary>
/// <remarks>
/// Each physical CPU has a time of its own; the one that is furthest behind always goes first and runs one slice as a whole,
/// cut short by the next timer. With one CPU events therefore happen exactly when they are due; with several, what one does
/// to another is seen at the other's next slice edge, at the latest a slice later, and always in the same way.
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
            return false;
        PhysicalCpu? next = null;
        foreach (PhysicalCpu cpu in _cpus)
        {
            if (!cpu.IsIdle && (next is null || cpu.LocalTime < next.LocalTime))
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
        RunSlice(next, Math.Min(limit, timer));
        return true;
    }

    private bool Reach(long limit)
    {
        _now = Math.Max(_now, limit);
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

    private void RunSlice(PhysicalCpu cpu, long horizon)
    {
        long start = cpu.LocalTime;
        VCpu? vcpu = PickFor(cpu, start);
        if (vcpu is null)
            return;
        horizon = Math.Min(horizon, cpu.SliceEnd);
        cpu.SliceEnd = horizon;
        long rate = _options.PicosecondsPerInstruction;
        long budget = (long)Int128.Min(long.MaxValue / 4, ((Int128)(horizon - start) * 1000 - cpu.LocalPicoseconds + rate - 1) / rate);
        vcpu.Hart.TimeAtEntry = start;
        vcpu.Processor = cpu.Number;
        _active = cpu;
        SliceEnd end = vcpu.RunSlice(Math.Max(1, budget), vcpu.Machine.CodeCacheFor(0), out long retired);
        _active = null;

        // A slice in which nothing retired still moves time, so that a vCPU that only ever comes out cannot stop it.
        Int128 picoseconds = (Int128)Math.Max(1, retired) * rate + cpu.LocalPicoseconds;
        long used = (long)(picoseconds / 1000);
        cpu.LocalPicoseconds = (long)(picoseconds % 1000);
        cpu.LocalTime = start + used;
        CloseSlice(cpu, vcpu, end, used, cpu.LocalTime);
    }

    /// <summary>A timer was armed: the slice in progress must end by then. Under the lock.</summary>
    private void TimerArmed(long deadline)
    {
        if (_realClock is not null)
        {
            RealTimerArmed(deadline);
            return;
        }

        if (_active is { Current: { } vcpu } cpu && deadline < cpu.SliceEnd)
            vcpu.Kick();
    }
}
