namespace Hypervisor.Guests.Container.Kernel;

/// <summary>
/// A timer of the kernel's, once or again and again, by the host loop's time or by processor time used. A timer of processor
/// time looks when it can expire at the earliest, and again if it has not.
/// </summary>
/// <param name="host">The host, whose lock is held when it expires.</param>
/// <param name="used">The processor time it goes by; null for the host loop's time.</param>
/// <param name="expired">Called with how often it expired, missed times included.</param>
internal sealed class KernelTimer(ContainerHost host, Func<long>? used, Action<long> expired)
{
    private int _timer = -1;
    private long _deadline = long.MaxValue;

    /// <summary>Nanoseconds between expirations, 0 for once.</summary>
    public long Interval { get; private set; }

    public bool IsArmed => _deadline != long.MaxValue;

    /// <summary>Nanoseconds to the next expiration, at least 1; 0 where it is not armed.</summary>
    public long Left => IsArmed ? Math.Max(1, _deadline - Clock) : 0;

    private long Clock => used?.Invoke() ?? host.Now;

    /// <summary>Arms it for a time of its clock, or disarms it with <see cref="long.MaxValue"/>.</summary>
    public void Set(long deadline, long interval)
    {
        _deadline = deadline;
        Interval = interval;
        if (deadline == long.MaxValue)
        {
            if (_timer >= 0)
                host.Machine.Timers.Disarm(_timer);
            return;
        }

        if (_timer < 0)
            _timer = host.Machine.Timers.CreateTimer(() => host.Locked(Fired));
        Arm();
    }

    /// <summary>As <see cref="Set"/>, with a time from now; 0 disarms.</summary>
    public void SetFromNow(long delay, long interval)
        => Set(delay == 0 ? long.MaxValue : Clock > long.MaxValue - delay ? long.MaxValue - 1 : Clock + delay, interval);

    public void Delete()
    {
        if (_timer >= 0)
            host.Machine.Timers.DeleteTimer(_timer);
        _timer = -1;
        _deadline = long.MaxValue;
    }

    private void Arm()
        => host.Machine.Timers.Arm(_timer, used is null ? Math.Max(_deadline, host.Now) : host.Now + Math.Max(100_000, _deadline - Clock));

    private void Fired()
    {
        if (!IsArmed)
            return;
        long now = Clock;
        if (now < _deadline)
        {
            Arm();
            return;
        }

        long times = 1;
        if (Interval > 0)
        {
            // What was missed meanwhile counts, but is not lived through again.
            times += (now - _deadline) / Interval;
            _deadline += Interval * times;
            Arm();
        }
        else
        {
            _deadline = long.MaxValue;
        }

        expired(times);
    }
}

/// <summary>The three timers of setitimer(2): real time, the process's own, and its own with the kernel's for it.</summary>
internal sealed class IntervalTimers
{
    private readonly KernelTimer?[] _timers = new KernelTimer?[3];

    /// <summary>One of them, made at its first use.</summary>
    public KernelTimer Get(Process process, int which)
    {
        ContainerHost host = process.Container.Host;
        int signal = which switch { 0 => Signals.SIGALRM, 1 => Signals.SIGVTALRM, _ => Signals.SIGPROF };
        return _timers[which] ??= new KernelTimer(host, which == 0 ? null : () => process.UsedNanoseconds, _ => host.Send(process, SignalInfo.OfKernel(signal)));
    }

    public void Delete()
    {
        foreach (KernelTimer? timer in _timers)
            timer?.Delete();
    }
}
