namespace Hypervisor.Core.Time;

/// <summary>
/// Timers by deadline, then by the order in which they were armed: the same calls always fire in the same order. Arming and
/// disarming allocate nothing once a timer exists. Not synchronised.
/// </summary>
internal sealed class TimerQueue
{
    private readonly IndexedHeap _armed = new();
    private readonly List<Action?> _actions = [];
    private readonly Stack<int> _free = new();
    private long _sequence;

    /// <summary>The earliest deadline, or <see cref="long.MaxValue"/>.</summary>
    public long NextDeadline => _armed.Count > 0 ? _armed.FirstKey : long.MaxValue;

    /// <summary>Makes a disarmed timer.</summary>
    public int Create(Action fired)
    {
        if (_free.TryPop(out int timer))
        {
            _actions[timer] = fired;
            return timer;
        }

        _actions.Add(fired);
        return _actions.Count - 1;
    }

    public void Arm(int timer, long deadline)
    {
        Disarm(timer);
        if (deadline != long.MaxValue)
            _armed.Add(timer, deadline, _sequence++);
    }

    public void Disarm(int timer)
    {
        if (_armed.Contains(timer))
            _armed.Remove(timer);
    }

    public void Delete(int timer)
    {
        Disarm(timer);
        if (_actions[timer] is null)
            return;
        _actions[timer] = null;
        _free.Push(timer);
    }

    /// <summary>Disarms the first timer that is due and gives its action; null where none is.</summary>
    public Action? TakeDue(long now)
    {
        while (_armed.Count > 0 && _armed.FirstKey <= now)
        {
            int timer = _armed.First;
            _armed.Remove(timer);
            if (_actions[timer] is { } action)
                return action;
        }

        return null;
    }
}
