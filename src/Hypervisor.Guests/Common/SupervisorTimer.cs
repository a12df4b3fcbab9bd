using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Time;

namespace Hypervisor.Guests.Common;

/// <summary>The timer behind a hart's stimecmp: raises the supervisor timer interrupt when the deadline passes.</summary>
internal sealed class SupervisorTimer
{
    private readonly ITimerService _timers;
    private readonly int _timer;

    /// <summary>Creates it unarmed.</summary>
    /// <param name="machine">The machine, in whose time it is and with which it ends.</param>
    /// <param name="due">Called when the deadline passes.</param>
    public SupervisorTimer(VirtualMachine machine, Action due)
    {
        _timers = machine.Timers;
        _timer = machine.CreateTimer(due);
    }

    /// <summary>Arms it for the deadline of a hart, or disarms it where the hart has none.</summary>
    public void Follow(in PrivilegedState p)
    {
        ulong ticks = CsrFile.TimerDeadline(in p);
        if (ticks > long.MaxValue / HartContext.NanosecondsPerTick)
            _timers.Disarm(_timer);
        else
            _timers.Arm(_timer, (long)ticks * HartContext.NanosecondsPerTick);
    }
}
