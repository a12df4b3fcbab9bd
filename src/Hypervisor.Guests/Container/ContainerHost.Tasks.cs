using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;
using Hypervisor.Guests.Container.Syscalls;

namespace Hypervisor.Guests.Container;

/// <summary>How tasks and processes begin, replace their program and end.</summary>
public sealed partial class ContainerHost
{
    /// <summary>Makes a task of a process; it runs once <see cref="Start"/> is called.</summary>
    internal unsafe KernelTask NewTask(Process process, int id)
    {
        Sweep();
        var hart = new HartContext(Machine.Memory, process.Space, new ExitControls { Exceptions = ExitControls.AllExceptions }, singleContext: true, Machine.VectorBits);
        hart.State->FpEnabled = 1;
        VectorUnit.Enable(hart.State, enabled: true);

        // Programs may read all counters, and clear, clean and flush cache blocks.
        hart.State->Privileged.Mcounteren = hart.State->Privileged.Scounteren = uint.MaxValue;
        hart.State->Privileged.Menvcfg = hart.State->Privileged.Senvcfg = CsrFile.EnvCacheZero | CsrFile.EnvCacheClean;
        var vcpu = new VCpu(Machine, id, hart, this, _shared) { Group = process.Container.Group };
        var task = new KernelTask(process, id, vcpu);
        process.Pids.Enter(id);
        process.Space.AddTask(task);
        process.Tasks.Add(task);
        process.Container.Add(task);
        return task;
    }

    internal void Start(KernelTask task)
    {
        Machine.Add(task.VCpu);
        if (task.Process.Container.Options.Weight != SchedulingParameters.Default.Weight)
            SetParameters?.Invoke(task.VCpu, SchedulingParameters.Default with { Weight = task.Process.Container.Options.Weight });
    }

    /// <summary>Loads a program into a task's process: 0, or a negated error with nothing changed.</summary>
    internal unsafe int Exec(KernelTask task, string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, AddressSpace? into = null)
    {
        Process process = task.Process;
        AddressSpace space = into ?? new AddressSpace(Frames, process.Container.Account);
        int error = ProgramLoader.Load(process, path, arguments, environment, space, task.State, out LoadedProgram program);
        if (error != 0)
        {
            if (into is null)
                space.Release();
            return error;
        }

        if (into is null)
        {
            ReleaseVforkParent(task);
            EndOthers(task);
            process.Space.RemoveTask(task);
            process.Space.Release();
            process.Space = space;
            space.AddTask(task);
            task.Hart.Translator = space;
            task.Hart.FlushTlb();
        }

        process.ExecutablePath = program.Path;
        process.Arguments = arguments;
        process.Environment = environment;
        process.Dumpable = program.Credentials.EffectiveUid == program.Credentials.Uid && program.Credentials.EffectiveGid == program.Credentials.Gid ? 1 : 0;
        process.Credentials = program.Credentials;
        process.HasExecuted = true;
        string name = path[(path.LastIndexOf('/') + 1)..];
        task.Name = process.Name = name.Length > 15 ? name[..15] : name;
        return 0;
    }

    /// <summary>A task replaces the program: the others of its process end, and it takes the process's number.</summary>
    private static void EndOthers(KernelTask task)
    {
        Process process = task.Process;
        foreach (KernelTask other in process.Tasks)
        {
            if (other == task)
                continue;

            // What they would mark in memory when they end is no longer theirs.
            other.ClearOnExit = other.RobustList = 0;
            other.Killed = true;
            other.Woken();
        }

        if (task.Id != process.Id)
            process.Container.Rename(task, process.Id);
    }

    /// <summary>Ends one task; with the last one its process ends with the given status.</summary>
    internal void EndTask(KernelTask task, int waitStatus)
    {
        Process process = task.Process;
        task.LeaveQueues();
        task.Held?.Release();
        task.Held = null;
        process.Container.Futexes.Leave(task);
        Futex.LeaveRobustList(task);
        ReleaseVforkParent(task);
        if (task.ClearOnExit != 0 && process.IsAlive)
        {
            task.TryWrite(task.ClearOnExit, 0u);
            Futex.Wake(task, task.ClearOnExit, 1);
        }

        if (task.Timer >= 0)
            Machine.Timers.DeleteTimer(task.Timer);
        task.Timer = -1;
        task.Killed = true;
        process.EndedNanoseconds += task.UsedNanoseconds;
        _systemCalls += task.DirectCalls;
        process.Space.RemoveTask(task);
        Frames.Paid(task);
        process.Tasks.Remove(task);
        process.Container.Forget(task);
        Machine.RemoveVCpu(task.VCpu);
        _gone.Add(task.VCpu);
        if (process.Tasks.Count == 0)
            EndProcess(process, waitStatus);
    }

    /// <summary>Makes every task of a process end; the last one gives it the status.</summary>
    internal void Kill(Process process, int waitStatus)
    {
        process.WaitStatus ??= waitStatus;
        process.StoppedBy = 0;
        foreach (KernelTask task in process.Tasks)
        {
            task.Killed = true;
            if (task != Current)
                task.Woken();
        }
    }

    /// <summary>The parent of a vfork sleeps until its child executes or ends.</summary>
    internal static void ReleaseVforkParent(KernelTask task)
    {
        if (task.VforkParent is not { } parent)
            return;
        task.VforkParent = null;
        parent.VforkChild = null;
        parent.Woken();
    }

    private ExitVerdict Stop(KernelTask task)
    {
        if (task.Process.Tasks.Contains(task))
            EndTask(task, task.Process.WaitStatus ?? Signals.SIGKILL);
        return ExitVerdict.Stop;
    }

    private void EndProcess(Process process, int waitStatus)
    {
        process.WaitStatus = waitStatus;
        process.EndedPeakPages = process.Space.PeakPages;
        if (process.Terminal is { } terminal && process.Session == process.Id && terminal.Session == process.Id)
            JobControl.GiveUp(process.Container, terminal);
        process.Undo?.Apply(process.Id);
        process.Files.Release();
        process.Space.Release();
        process.Timers.Delete();
        process.DeletePosixTimers();
        JobControl.Left(process);
        Container container = process.Container;
        EndNamespace(process);
        HandOver(process);
        Tell(process, waitStatus);
        process.LeaveNamespaces();
        process.Ended.WakeAll();
        process.WhenEnded?.Invoke((waitStatus & 0x7F) == 0 ? waitStatus >> 8 & 0xFF : 128 + (waitStatus & 0x7F));
        if (process.Id != 1)
            return;
        container.End(waitStatus);
        if (EndWithLastContainer && _containers.TrueForAll(other => other.Exit is not null))
            Machine.PowerOff(new MachineExit(container.Exit!.Value.Code, container.Exit.Value.Reason));
    }

    /// <summary>With the first process of a namespace all others in it end.</summary>
    private void EndNamespace(Process process)
    {
        if (process.Pids.First != process)
            return;
        process.Pids.IsDead = true;
        List<Process> within = [];
        foreach (Process other in process.Container.Processes)
        {
            if (other.IsAlive && other.Pids.IsWithin(process.Pids))
                within.Add(other);
        }

        foreach (Process other in within)
            Kill(other, Signals.SIGKILL);
    }

    /// <summary>Children of a process that ends go to its nearest ancestor that takes orphans, or to the first process.</summary>
    private void HandOver(Process process)
    {
        Process? heir = process.Parent;
        while (heir is not null && !(heir.IsReaper && heir.IsAlive && heir.Pids == process.Pids))
            heir = heir.Parent;
        heir ??= process.Pids.Level > 0 ? process.Pids.First is { IsAlive: true } first ? first : null
            : process.Id == 1 ? null : process.Container.FindProcess(1);
        if (process.Pids.First == process)
            heir = null;
        foreach (Process child in process.Children)
        {
            child.Parent = heir;
            heir?.Children.Add(child);
            if (child.ParentDeathSignal != 0 && child.IsAlive)
                Send(child, SignalInfo.OfProcess(child.ParentDeathSignal, process, child));
            if (child.IsAlive || (heir is null && process.Pids.Level == 0))
                continue;

            // It ended before, unheard: now its new parent hears of it.
            Tell(child, child.WaitStatus ?? 0);
        }

        process.Children.Clear();
    }

    /// <summary>Tells a process's parent that it has ended; one that does not care leaves nothing to wait for.</summary>
    private void Tell(Process process, int waitStatus)
    {
        const ulong noChildWait = 2;
        if (process.Parent is not { } parent)
        {
            process.Container.Forget(process);
            return;
        }

        SignalAction action = parent.Actions[Signals.SIGCHLD];
        if (process.ExitSignal == Signals.SIGCHLD && (action.Handler == 1 || (action.Flags & noChildWait) != 0))
        {
            parent.Children.Remove(process);
            process.Container.Forget(process);
        }

        if (process.ExitSignal is >= 1 and <= Signals.Count)
            Send(parent, SignalInfo.OfEnd(parent, process, waitStatus) with { Signal = process.ExitSignal });
        parent.ChildChanged.WakeAll();
    }

    /// <summary>Releases the harts of ended tasks once the host loop has let go of them.</summary>
    private void Sweep()
    {
        for (int i = _gone.Count - 1; i >= 0; i--)
        {
            if (_gone[i].SchedulingId >= 0 || _gone[i].Status is VCpuStatus.Running or VCpuStatus.Runnable)
                continue;
            _gone[i].Dispose();
            _gone.RemoveAt(i);
        }
    }
}
