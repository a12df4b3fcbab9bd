using Hypervisor.Core.Time;

namespace Hypervisor.Lockstep;

/// <summary>Time that stands still but for the steps of the machine: as many nanoseconds as it is told.</summary>
internal sealed class StepTimers : ITimerService
{
    private readonly List<(Action Fired, long Deadline)> _timers = [];

    public long NowNanoseconds { get; private set; }

    public int CreateTimer(Action fired)
    {
        _timers.Add((fired, long.MaxValue));
        return _timers.Count - 1;
    }

    public void Arm(int timer, long deadlineNanoseconds) => _timers[timer] = (_timers[timer].Fired, deadlineNanoseconds);

    public void Disarm(int timer) => Arm(timer, long.MaxValue);

    public void DeleteTimer(int timer) => Disarm(timer);

    /// <summary>Lets time pass and what is due fire.</summary>
    public void Advance(long nanoseconds)
    {
        NowNanoseconds += nanoseconds;
        for (int i = 0; i < _timers.Count; i++)
        {
            if (_timers[i].Deadline > NowNanoseconds)
                continue;
            Action fired = _timers[i].Fired;
            Disarm(i);
            fired();
        }
    }
}
