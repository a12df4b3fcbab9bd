using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;
using Hypervisor.Guests.Container.Syscalls;

namespace Hypervisor.Guests.Container;

/// <summary>Entries into the kernel, and signals on the way out of it.</summary>
public sealed partial class ContainerHost
{
    /// <summary>Sends a signal to a process.</summary>
    internal void Send(Process process, in SignalInfo info)
    {
        if (!process.IsAlive || process.WaitStatus is not null || IsSpared(process, info.Signal))
            return;
        Affect(process, info.Signal);
        if (Signals.IsIgnored(process, info.Signal) && (process.Tasks[0].SignalMask & Signals.Bit(info.Signal)) == 0)
            return;
        process.Signals.Add(info);
        Arrived(process, info.Signal);
    }

    /// <summary>Sends a signal to one task.</summary>
    internal void Send(KernelTask task, in SignalInfo info)
    {
        if (IsSpared(task.Process, info.Signal))
            return;
        Affect(task.Process, info.Signal);
        if (Signals.IsIgnored(task.Process, info.Signal) && (task.SignalMask & Signals.Bit(info.Signal)) == 0)
            return;
        task.Signals.Add(info);
        task.Process.SignalArrived.WakeAll();
        if (task != Current)
            task.Woken();
    }

    /// <summary>
    /// The first process of a namespace takes only signals that it has handlers for, so that nobody in it can end it by accident:
    /// SIGKILL and SIGSTOP come from outside only (pid_namespaces(7)).
    /// </summary>
    private bool IsSpared(Process process, int signal)
        => process.Pids.First == process && process.Actions[signal].Handler == 0
            && (signal is not (Signals.SIGKILL or Signals.SIGSTOP) || Current?.Process.Pids.IsWithin(process.Pids) == true);

    /// <summary>Wakes a task of a process that may take a signal, its first by preference, and whoever waits for signals by a file.</summary>
    internal void Arrived(Process process, int signal)
    {
        ulong bit = Signals.Bit(signal);
        process.SignalArrived.WakeAll();
        KernelTask? taker = process.Tasks.Find(task => (task.SignalMask & bit) == 0 || (task.AwaitedSignals & bit) != 0);
        if (taker is not null && taker != Current)
            taker.Woken();
    }

    /// <summary>What a signal does at once, whether or not it is taken: SIGCONT continues, and it and the signals that stop undo each other.</summary>
    private void Affect(Process process, int signal)
    {
        if (signal == Signals.SIGCONT)
        {
            Drop(process, Signals.Stopping);
            Continue(process);
        }
        else if ((Signals.Stopping & Signals.Bit(signal)) != 0)
        {
            Drop(process, Signals.Bit(Signals.SIGCONT));
        }
        else if (signal == Signals.SIGKILL)
        {
            Kill(process, Signals.SIGKILL);
        }
    }

    private static void Drop(Process process, ulong signals)
    {
        process.Signals.Drop(signals);
        foreach (KernelTask task in process.Tasks)
            task.Signals.Drop(signals);
    }

    private void Continue(Process process)
    {
        if (process.StoppedBy == 0)
            return;
        process.StoppedBy = 0;
        process.StopIsNews = false;
        process.ContinueIsNews = true;
        TellOfStop(process, continued: true, Signals.SIGCONT);
        foreach (KernelTask task in process.Tasks)
        {
            if (task != Current)
                task.Woken();
        }
    }

    private void StopProcess(Process process, int signal)
    {
        if (process.StoppedBy != 0)
            return;
        process.StoppedBy = signal;
        process.StopIsNews = true;
        process.ContinueIsNews = false;
        TellOfStop(process, continued: false, signal);
        foreach (KernelTask task in process.Tasks)
        {
            if (task != Current && task.InGuest)
                task.VCpu.Kick();
        }
    }

    private void TellOfStop(Process process, bool continued, int signal)
    {
        const ulong noStops = 1;
        const int stoppedCode = 5, continuedCode = 6;
        if (process.Parent is not { } parent)
            return;
        if ((parent.Actions[Signals.SIGCHLD].Flags & noStops) == 0)
            Send(parent, SignalInfo.OfChild(parent, process, continued ? continuedCode : stoppedCode, signal));
        parent.ChildChanged.WakeAll();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ExitVerdict Serve(KernelTask task, in VmExit exit)
    {
        if (task.Killed)
            return Stop(task);
        return exit.Reason == VmExitReason.EnvironmentCall ? ServeCall(task) : Served(task, Fault(task, in exit));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ExitVerdict ServeCall(KernelTask task)
    {
        // A call that is made again after a sleep first lets signals act that no handler takes.
        if (task.Restarted && !ActWithoutHandlers(task))
            return task.Killed ? Stop(task) : ExitVerdict.Block;
        _systemCalls++;
        return Served(task, SyscallTable.Dispatch(task));
    }

    /// <summary>What is due at the end of an entry into the kernel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ExitVerdict Served(KernelTask task, ExitVerdict verdict)
    {
        if (task.Process.Container.Account.IsShort)
            OutOfMemory(task);
        if (task.Killed)
            return Stop(task);
        if (verdict != ExitVerdict.Block)
        {
            BeforeUser(task);
            Sequence(task);
        }
        else if (task.DeliverableSignals != 0)
            verdict = ExitVerdict.Resume; // The call is made again, and gives EINTR.
        if (task.Killed)
            return Stop(task);
        bool isHeld = task.Process.Container.Io is { Owes: true } io && io.TryHold(task);
        return isHeld || task.Process.StoppedBy != 0 ? ExitVerdict.Block : verdict;
    }

    /// <summary>A fault becomes a signal; one that cannot be taken ends the process.</summary>
    private ExitVerdict Fault(KernelTask task, in VmExit exit)
    {
        const int mapError = 1, accessError = 2;
        (int signal, int code) = exit.Reason switch
        {
            VmExitReason.Breakpoint => (Signals.SIGTRAP, 1),
            VmExitReason.IllegalInstruction or VmExitReason.PrivilegedInstruction => (Signals.SIGILL, 1),
            VmExitReason.AccessFault => (Signals.SIGBUS, 2),
            _ => (Signals.SIGSEGV, task.Process.Space.Find(exit.Value) is null ? mapError : accessError),
        };
        if (exit.Reason == VmExitReason.AccessFault && task.Process.Space.LastFailure == PageFailure.NoMemory)
        {
            OutOfMemory(task);
            return ExitVerdict.Yield;
        }

        ulong address = signal is Signals.SIGILL or Signals.SIGTRAP ? task.Pc : exit.Value;
        Force(task, new SignalInfo(signal, code, address));
        return ExitVerdict.Resume;
    }

    /// <summary>A signal that is taken at once; where no handler can take it, it ends the process.</summary>
    internal void Force(KernelTask task, in SignalInfo info)
    {
        SignalAction action = task.Process.Actions[info.Signal];
        if (action.Handler <= 1 || (task.SignalMask & Signals.Bit(info.Signal)) != 0 || !Signals.TryEnter(task, in info, in action))
            Kill(task.Process, info.Signal);
    }

    /// <summary>
    /// The container has no memory left: its largest process ends, and who needed the memory tries again. One that is ending
    /// already is waited for.
    /// </summary>
    private void OutOfMemory(KernelTask task)
    {
        Container container = task.Process.Container;
        container.Account.IsShort = false;
        if (container.Processes.Any(process => process.WaitStatus is not null && process.Tasks.Count > 0))
            return;
        Process victim = container.Processes.Where(process => process.Tasks.Count > 0).MaxBy(process => process.Space.ResidentPages)!;
        container.Account.Kills++;
        Kill(victim, Signals.SIGKILL);
    }

    /// <summary>Before a task runs its own code: signals are delivered, and a killed one is sent where it faults at once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void BeforeUser(KernelTask task)
    {
        if (task.DeliverableSignals != 0 || task.SavedMask is not null || task.Killed)
            TakeSignals(task);
    }

    private void TakeSignals(KernelTask task)
    {
        // A call that is being made again decides for itself whether it ends with EINTR.
        while (!task.Killed && !task.Restarted && task.Process.StoppedBy == 0 && task.DeliverableSignals is var signals && signals != 0)
        {
            int signal = Take(task, signals, out SignalInfo info);
            SignalAction action = task.Process.Actions[signal];
            if (action.Handler <= 1)
                ActByDefault(task, signal, action.Handler == 1);
            else if (task.Sequence?.TryAbort(task) == false || !Signals.TryEnter(task, in info, in action))
                Kill(task.Process, Signals.SIGSEGV);
        }

        if (!task.Restarted && task.SavedMask is { } mask)
        {
            // The call that had changed the mask is over, and no handler's frame took the old one along.
            task.SavedMask = null;
            task.SignalMask = mask;
        }

        if (task.Killed)
            task.Pc = ulong.MaxValue & ~1UL;
    }

    /// <summary>A task that was off its processor is told where it is now, and leaves the critical section that it was in.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Sequence(KernelTask task)
    {
        if (!task.WasPreempted || task.Killed || task.Restarted)
            return;
        task.WasPreempted = false;
        if (task.Sequence is { } sequence)
            Leave(sequence, task);
    }

    private void Leave(RestartableSequence sequence, KernelTask task)
    {
        if ((!sequence.TryAbort(task) || !sequence.TryTell(task, (uint)task.VCpu.Processor)))
            Kill(task.Process, Signals.SIGSEGV);
    }

    /// <summary>Lets those signals act that no handler takes; false where the task is not to go on now.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool ActWithoutHandlers(KernelTask task)
        => task.DeliverableSignals == 0 ? !task.Killed && task.Process.StoppedBy == 0 : ActOnSignals(task);

    private bool ActOnSignals(KernelTask task)
    {
        while (!task.Killed && task.Process.StoppedBy == 0)
        {
            ulong without = 0;
            for (ulong left = task.DeliverableSignals; left != 0; left &= left - 1)
            {
                int signal = System.Numerics.BitOperations.TrailingZeroCount(left) + 1;
                if (task.Process.Actions[signal].Handler <= 1)
                    without |= Signals.Bit(signal);
            }

            if (without == 0)
                return true;
            int taken = Take(task, without, out _);
            ActByDefault(task, taken, task.Process.Actions[taken].Handler == 1);
        }

        return false;
    }

    private void ActByDefault(KernelTask task, int signal, bool isIgnored)
    {
        if (isIgnored || Signals.IsIgnoredByDefault(signal))
            return;
        if ((Signals.Stopping & Signals.Bit(signal)) == 0)
        {
            Kill(task.Process, signal);
            return;
        }

        // A group that nobody could continue is not stopped by its terminal.
        if (signal == Signals.SIGSTOP || !JobControl.IsOrphaned(task.Process.Container, task.Process.Group))
            StopProcess(task.Process, signal);
    }

    private static int Take(KernelTask task, ulong among, out SignalInfo info)
    {
        int signal = System.Numerics.BitOperations.TrailingZeroCount(among) + 1;
        if (!task.Signals.TryTake(signal, out info))
            task.Process.Signals.TryTake(signal, out info);
        return signal;
    }
}
