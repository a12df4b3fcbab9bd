using System.Globalization;
using Hypervisor.Core.Machine;

namespace Hypervisor.Guests.Debug;

/// <summary>Running and stopping.</summary>
internal sealed partial class GdbSession
{
    private const string Trapped = "05";
    private const string Interrupted = "02";

    /// <summary>c and s, as clients without vCont send them: an address to go on from may follow.</summary>
    private string? ResumeOld(string text)
    {
        if (text.Length > 1)
            TrySetRegister(TargetDescription.Pc, ParseNumber(text[1..]));
        DebugAction chosen = text[0] == 's' ? DebugAction.Step : DebugAction.Run;
        return Resume(each => each == _current || chosen == DebugAction.Run ? chosen : DebugAction.Hold);
    }

    /// <summary>vCont: for each thread the leftmost action that names it or all; a thread that none names stays held.</summary>
    private string? Resume(string actions)
    {
        var wanted = new Dictionary<VCpu, DebugAction>();
        foreach (string action in actions.Split(';'))
        {
            string[] parts = action.Split(':', 2);
            DebugAction chosen = parts[0].Length == 0 ? throw new FormatException() : parts[0][0] switch
            {
                'c' or 'C' => DebugAction.Run,
                's' or 'S' => DebugAction.Step,
                't' => DebugAction.Hold,
                _ => throw new FormatException(),
            };
            if (parts.Length == 1 || parts[1] == "-1")
            {
                foreach (VCpu vcpu in Threads)
                    wanted.TryAdd(vcpu, chosen);
            }
            else if (FindThread(parts[1]) is { } vcpu)
            {
                wanted.TryAdd(vcpu, chosen);
            }
            else
            {
                return Error.NoThread;
            }
        }

        return Resume(each => wanted.GetValueOrDefault(each, DebugAction.Hold));
    }

    private string? Resume(Func<VCpu, DebugAction> action)
    {
        // A watched access that was made while another stop was on its way to the client is told before its hart runs on.
        _watchStops.RemoveAll(each => !_debugger.Watches(each.Address));
        int waiting = _watchStops.FindIndex(each => action(each.VCpu) != DebugAction.Hold);
        if (waiting >= 0)
        {
            DebugStop stop = _watchStops[waiting];
            _watchStops.RemoveAt(waiting);
            Tell(stop);
            return null;
        }

        _lastStop = null;
        _interrupted = false;
        _running = true;
        _debugger.Resume(action);
        return null;
    }

    private void Interrupt()
    {
        if (!_running)
            return;
        _debugger.Hold();

        // One that stopped by itself at this moment comes first: its event is still to be taken.
        if (_events.Any(each => each.Stop is not null))
            return;
        _running = false;
        _interrupted = true;
        _packets.Send(DescribeStop());
    }

    private void OnStop(DebugStop stop)
    {
        if (!_running)
        {
            // Stopped together with the one the client heard of. Breakpoints and steps will show again; an access is over.
            if (stop.Kind is DebugStopKind.Load or DebugStopKind.Store)
                _watchStops.Add(stop);
            return;
        }

        _debugger.Hold();
        _running = false;
        Tell(stop);
    }

    private void Tell(DebugStop stop)
    {
        _current = stop.VCpu;
        _lastStop = stop;
        _packets.Send(DescribeStop());
    }

    /// <summary>The stop reply: which thread, and why.</summary>
    private string DescribeStop()
    {
        string signal = _interrupted ? Interrupted : Trapped;
        string thread = string.Create(CultureInfo.InvariantCulture, $"thread:{NumberOf(_current):x};");
        string why = _lastStop is { } stop ? stop.Kind switch
        {
            DebugStopKind.Breakpoint => "swbreak:;",
            DebugStopKind.Load => $"rwatch:{stop.Address:x};",
            DebugStopKind.Store => $"watch:{stop.Address:x};",
            _ => "",
        } : "";
        return $"T{signal}{thread}{why}";
    }
}
