namespace Hypervisor.Core.Time;

/// <summary>
/// Timers of one host loop, as devices and personalities see them: in virtual time they are events of the simulation, in
/// real time the loop's own timer calls them. All members may be called from any thread that runs the machine.
/// </summary>
internal interface ITimerService
{
    /// <summary>The loop's time, in nanoseconds; in virtual time, that of the event or slice being processed.</summary>
    long NowNanoseconds { get; }

    /// <summary>Makes a timer that calls <paramref name="fired"/> each time its deadline passes. It starts disarmed.</summary>
    int CreateTimer(Action fired);

    /// <summary>Arms or re-arms a timer for a deadline in nanoseconds; a past one fires at once (from the loop, not from this call).</summary>
    void Arm(int timer, long deadlineNanoseconds);

    /// <summary>Disarms a timer.</summary>
    void Disarm(int timer);

    /// <summary>Disarms a timer and forgets it; its number may be given out again.</summary>
    void DeleteTimer(int timer);
}
