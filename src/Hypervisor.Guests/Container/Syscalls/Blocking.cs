using System.Runtime.CompilerServices;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>
/// How calls wait. A call that cannot go on puts its task on the queues that may help and gives
/// <see cref="SyscallTable.Blocked"/>; woken, the task makes the same call again from the start, with its deadline kept.
/// </summary>
internal static class Blocking
{
    /// <summary>Waits for a queue: Blocked, or EINTR where a signal is there to be taken.</summary>
    /// <param name="task">Who waits.</param>
    /// <param name="queue">For what.</param>
    /// <param name="handlersMayRestart">Whether a handler may ask that the call be made again after it; of some calls none may (signal(7)).</param>
    public static long On(KernelTask task, WaitQueue queue, bool handlersMayRestart = true)
    {
        if (task.DeliverableSignals != 0)
            return Interrupted(task, handlersMayRestart);
        task.WaitOn(queue);
        return SyscallTable.Blocked;
    }

    /// <summary>EINTR; but a call whose handler asks for it (SA_RESTART), or that no handler interrupts, is made again after.</summary>
    public static long Interrupted(KernelTask task, bool handlersMayRestart = true)
    {
        const ulong restart = 0x1000_0000;
        int signal = System.Numerics.BitOperations.TrailingZeroCount(task.DeliverableSignals) + 1;
        SignalAction action = task.Process.Actions[signal];
        bool again = action.Handler <= 1 || (handlersMayRestart && (action.Flags & restart) != 0);
        return again ? SyscallTable.RegistersSet : -Errno.EINTR;
    }

    /// <summary>Sets the deadline of a call made for the first time; a repeated call keeps its own.</summary>
    public static void SetDeadline(KernelTask task, long deadline)
    {
        if (task.Restarted)
            return;
        task.Deadline = deadline;
        if (deadline == long.MaxValue)
            return;
        if (task.Timer < 0)
            task.Timer = task.Process.Container.Host.Machine.Timers.CreateTimer(task.Woken);
        task.Process.Container.Host.Machine.Timers.Arm(task.Timer, deadline);
    }

    public static bool IsLate(KernelTask task) => task.Process.Container.Host.Now >= task.Deadline;

    /// <summary>The call is over: nothing it left behind may wake the task.</summary>
    public static void Finish(KernelTask task)
    {
        task.LeaveQueues();
        if (task.Deadline != long.MaxValue && task.Timer >= 0)
            task.Process.Container.Host.Machine.Timers.Disarm(task.Timer);
        task.Deadline = long.MaxValue;
        task.Restarted = false;
        task.Progress = 0;
        task.MessagesDone = 0;
        task.WaitsForLock = null;
        task.AwaitedSignals = 0;
        task.Held?.Release();
        task.Held = null;
        if (task.Futexes.Count > 0)
            task.Process.Container.Futexes.Leave(task);
    }

    /// <summary>A call that waited under a signal mask of its own ends: the task's comes back.</summary>
    public static long End(KernelTask task, long result)
    {
        if (task.SavedMask is { } mask)
            task.SignalMask = mask;
        task.SavedMask = null;
        if (!task.Restarted)
            Finish(task);
        return result;
    }

    /// <summary>What a file's own result means for a call that may wait for it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Wait(KernelTask task, OpenFile file, int result)
    {
        if (result != -Errno.EAGAIN || (file.Flags & OpenFlags.NonBlock) != 0 || file.Ready is not { } queue)
            return result;
        return On(task, queue);
    }
}
