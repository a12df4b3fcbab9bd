using Hypervisor.Core;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Time;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;
using Hypervisor.Guests.Container.Syscalls;

namespace Hypervisor.Guests.Container;

/// <summary>
/// A machine without a guest kernel: containers of Linux riscv64 programs on the one kernel that is written here. Each of
/// their tasks is a vCPU of <see cref="Machine"/>, scheduled, metered and stopped like any other.
/// </summary>
/// <remarks>
/// All state of the kernel is under one lock, taken at every exit: tasks run their own code in parallel and the kernel's one at
/// a time. Nothing in the kernel waits.
/// </remarks>
public sealed partial class ContainerHost : IPersonality, IDisposable
{
    private readonly Lock _kernel = new();
    private readonly IExecutionEngine _shared;
    private readonly List<VCpu> _gone = [];
    private readonly List<Container> _containers = [];

    /// <summary>Makes a container host and puts it on a host loop, where it stays until it is disposed of or the loop is.</summary>
    /// <param name="host">The host loop.</param>
    /// <param name="memoryBytes">RAM for all its containers together, a multiple of 4096; committed as they touch it.</param>
    /// <param name="name">The machine's name.</param>
    /// <exception cref="HypervisorException">The host has not that much memory.</exception>
    public ContainerHost(HypervisorHost host, ulong memoryBytes, string name = "containers")
        : this(name, memoryBytes, host.Timers, new Core.Engine.Interpreter.Interpreter(), endWithLastContainer: false)
    {
        SetParameters = host.SetParameters;
        host.Add(Machine, SchedulingParameters.Default);
    }

    internal ContainerHost(string name, ulong memoryBytes, ITimerService timers, IExecutionEngine engine, bool endWithLastContainer = true)
    {
        _shared = engine;
        EndWithLastContainer = endWithLastContainer;
        Machine = new VirtualMachine(name, new GuestMemory(new MemoryRegion(0x1_0000_0000, memoryBytes)), timers);
        Frames = new FrameAllocator(Machine.Memory, _kernel);
    }

    string IPersonality.Name => "container";

    /// <summary>The machine, to be put on a host loop.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>Its containers, ended ones included.</summary>
    public IReadOnlyList<Container> Containers => _containers;

    /// <summary>System calls served so far.</summary>
    public long SystemCalls { get; private set; }

    /// <summary>Wall-clock time, in nanoseconds since 1970, at the host loop's time zero. Fixed by default, so that runs repeat.</summary>
    public long EpochNanoseconds { get; init; } = 1_700_000_000_000_000_000;

    /// <summary>Called for a vCPU whose container has a weight of its own, once the host loop knows it.</summary>
    internal Action<VCpu, SchedulingParameters>? SetParameters { get; set; }

    internal bool EndWithLastContainer { get; }

    internal FrameAllocator Frames { get; }

    internal KernelTask? Current { get; private set; }

    internal long Now => Machine.Timers.NowNanoseconds;

    /// <summary>Makes a container and starts its first process.</summary>
    /// <exception cref="HypervisorException">The options are wrong, or the program cannot be loaded; the message says why.</exception>
    public Container Create(ContainerOptions options)
    {
        Container.Validate(options);

        // A program from outside is checked here, where the reason can be told; the kernel itself only knows ENOEXEC.
        if (options.ProgramImage is { } image && !image.Span.StartsWith("#!"u8))
            Common.ElfImage.Parse(image, options.Program);
        lock (_kernel)
        {
            var container = new Container(this, options);
            var space = new AddressSpace(Frames, container.Account);
            Place directory = container.DirectoryAt(options.WorkingDirectory);
            string program = container.FindProgram(options.Program, options.Environment, directory);
            var process = new Process(container, container.NextId(), space, new DescriptorTable(), directory) { StartedAt = Now };
            KernelTask task = NewTask(process, process.Id);
            int error = Exec(task, program, options.Arguments, options.Environment, space);
            if (error != 0)
            {
                container.Forget(task);
                Machine.RemoveVCpu(task.VCpu);
                throw new HypervisorException($"Container '{options.Name}' cannot run '{options.Program}': {LoadError(error)}");
            }

            container.Add(process);
            Inode console = container.Paths.Resolve(container.Paths.Root, "/dev/console", true, out PathResult found) == 0 ? found.Inode! : container.Paths.Root.Inode;
            for (int fd = 0; fd < 3; fd++)
            {
                OpenFile stream = ContainerTree.Stream(container, console, fd, OpenFlags.ReadWrite);
                stream.Path = "/dev/console";
                process.Files.Add(stream, closeOnExec: false);
            }

            if (options.Input is { } input)
                input.Arrived = () => Woken(container);
            _containers.Add(container);
            Start(task);
            return container;
        }
    }

    void IPersonality.PrepareRun(VCpu vcpu)
    {
        lock (_kernel)
        {
            if (vcpu.Data is KernelTask task)
            {
                task.WasWoken = false;
                if (task.FlushOwed != 0)
                {
                    task.Hart.FlushTlb();
                    Frames.Paid(task);
                }

                BeforeUser(task);
                task.InGuest = true;
                Frames.Settle();
            }
        }
    }

    ExitVerdict IPersonality.BeforeSlice(VCpu vcpu)
    {
        if (vcpu.Data is KernelTask { Killed: false, Process.Container.IsPaused: true })
            return ExitVerdict.Block;
        if (vcpu.Data is not KernelTask { Killed: false, Process.Container.Cpu: { } account } task)
            return ExitVerdict.Resume;
        lock (_kernel)
            return account.MayRun(task) ? ExitVerdict.Resume : ExitVerdict.Block;
    }

    bool IPersonality.HasPendingWork(VCpu vcpu)
    {
        lock (_kernel)
        {
            return vcpu.Data is KernelTask task
                && (task.Killed || (task.WasWoken && task.Process.Container is { IsPaused: false, Cpu: not { IsThrottled: true } }));
        }
    }

    ExitVerdict IPersonality.OnExit(VCpu vcpu, in VmExit exit)
    {
        var task = (KernelTask)vcpu.Data!;
        lock (_kernel)
        {
            Current = task;
            task.InGuest = false;
            try
            {
                ExitVerdict verdict = Serve(task, in exit);
                if (task.FlushOwed != 0)
                {
                    task.Hart.FlushTlb();
                    Frames.Paid(task);
                }

                task.InGuest = verdict == ExitVerdict.Resume;
                return verdict;
            }
            finally
            {
                Frames.Settle();
                Current = null;
            }
        }
    }

    /// <summary>Releases the machine. No host loop may hold it any more.</summary>
    public void Dispose()
    {
        foreach (VCpu vcpu in _gone)
            vcpu.Dispose();
        Machine.Dispose();
    }

    /// <summary>Makes a task of a process; it runs once <see cref="Start"/> is called.</summary>
    internal unsafe KernelTask NewTask(Process process, int id)
    {
        Sweep();
        var hart = new HartContext(Machine.Memory, process.Space, new ExitControls { Exceptions = ExitControls.AllExceptions }, singleContext: true);
        hart.State->FpEnabled = 1;

        // Programs may read all counters, and clear, clean and flush cache blocks.
        hart.State->Privileged.Mcounteren = hart.State->Privileged.Scounteren = uint.MaxValue;
        hart.State->Privileged.Menvcfg = hart.State->Privileged.Senvcfg = CsrFile.EnvCacheZero | CsrFile.EnvCacheClean;
        var vcpu = new VCpu(Machine, id, hart, this, _shared);
        var task = new KernelTask(process, id, vcpu);
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
        int error = ProgramLoader.Load(process.Container, process.WorkingDirectory, path, arguments, environment, space, task.State, out string executable);
        if (error != 0)
        {
            if (into is null)
                space.Release();
            return error;
        }

        if (into is null)
        {
            ReleaseVforkParent(task);
            process.Space.RemoveTask(task);
            process.Space.Release();
            process.Space = space;
            space.AddTask(task);
            task.Hart.Translator = space;
            task.Hart.FlushTlb();
        }

        process.ExecutablePath = executable;
        process.Arguments = arguments;
        process.Name = executable[(executable.LastIndexOf('/') + 1)..];
        return 0;
    }

    /// <summary>Ends one task; with the last one its process ends with the given status.</summary>
    internal void EndTask(KernelTask task, int waitStatus)
    {
        Process process = task.Process;
        task.LeaveQueues();
        process.Container.Futexes.Leave(task);
        Futex.LeaveRobustList(task);
        ReleaseVforkParent(task);
        if (task.ClearOnExit != 0)
        {
            task.TryWrite(task.ClearOnExit, 0u);
            Futex.Wake(task, task.ClearOnExit, 1);
        }

        if (task.Timer >= 0)
            Machine.Timers.DeleteTimer(task.Timer);
        task.Timer = -1;
        task.Killed = true;
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
        foreach (KernelTask task in process.Tasks)
        {
            task.Killed = true;
            if (task != Current)
                task.Woken();
        }
    }

    internal void Send(Process process, int signal)
    {
        if (process.Tasks.Count == 0 || Signals.IsIgnored(process, signal))
            return;
        process.Pending |= Signals.Bit(signal);
        foreach (KernelTask task in process.Tasks)
        {
            if ((task.SignalMask & Signals.Bit(signal)) == 0 && task != Current)
                task.Woken();
        }
    }

    internal void Send(KernelTask task, int signal)
    {
        if (Signals.IsIgnored(task.Process, signal))
            return;
        task.Pending |= Signals.Bit(signal);
        if (task != Current)
            task.Woken();
    }

    /// <summary>Does something of a timer's under the kernel's lock.</summary>
    internal void Locked(Action action)
    {
        lock (_kernel)
            action();
    }

    private void Woken(Container container)
    {
        lock (_kernel)
            container.InputReady.WakeAll();
    }

    private ExitVerdict Serve(KernelTask task, in VmExit exit)
    {
        if (task.Killed)
            return Stop(task);
        ExitVerdict verdict = ExitVerdict.Resume;
        if (exit.Reason == VmExitReason.EnvironmentCall)
        {
            SystemCalls++;
            verdict = SyscallTable.Dispatch(task);
        }
        else
        {
            verdict = Fault(task, in exit);
        }

        if (task.Process.Container.Account.IsShort)
            OutOfMemory(task);
        if (task.Killed)
            return Stop(task);
        if (verdict != ExitVerdict.Block)
            BeforeUser(task);
        else if (task.DeliverableSignals != 0)
            verdict = ExitVerdict.Resume; // The call is made again, and gives EINTR.
        return task.Killed ? Stop(task) : verdict;
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

    /// <summary>A fault becomes a signal; one that cannot be taken ends the process.</summary>
    private ExitVerdict Fault(KernelTask task, in VmExit exit)
    {
        int signal = exit.Reason switch
        {
            VmExitReason.Breakpoint => Signals.SIGTRAP,
            VmExitReason.IllegalInstruction or VmExitReason.PrivilegedInstruction => Signals.SIGILL,
            VmExitReason.AccessFault => Signals.SIGBUS,
            _ => Signals.SIGSEGV,
        };
        if (exit.Reason == VmExitReason.AccessFault && task.Process.Space.LastFailure == PageFailure.NoMemory)
        {
            OutOfMemory(task);
            return ExitVerdict.Yield;
        }

        SignalAction action = task.Process.Actions[signal];
        if (action.Handler <= 1 || (task.SignalMask & Signals.Bit(signal)) != 0 || !Signals.TryEnter(task, signal, in action, exit.Value))
            Kill(task.Process, signal);
        return ExitVerdict.Resume;
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
    private unsafe void BeforeUser(KernelTask task)
    {
        while (!task.Killed && task.DeliverableSignals is var signals && signals != 0)
        {
            // A call that is being made again decides for itself whether it ends with EINTR.
            if (task.Restarted)
                return;
            int signal = System.Numerics.BitOperations.TrailingZeroCount(signals) + 1;
            ulong bit = Signals.Bit(signal);
            if ((task.Pending & bit) != 0)
                task.Pending &= ~bit;
            else
                task.Process.Pending &= ~bit;
            SignalAction action = task.Process.Actions[signal];
            if (action.Handler == 1 || (action.Handler == 0 && (Signals.IsIgnoredByDefault(signal) || signal == Signals.SIGSTOP)))
                continue;
            if (action.Handler == 0 || !Signals.TryEnter(task, signal, in action, 0))
                Kill(task.Process, action.Handler == 0 ? signal : Signals.SIGSEGV);
        }

        if (task.Killed)
            task.State->Pc = ulong.MaxValue & ~1UL;
    }

    private void EndProcess(Process process, int waitStatus)
    {
        process.WaitStatus = waitStatus;
        process.Files.Release();
        process.Space.Release();
        if (process.AlarmTimer >= 0)
            Machine.Timers.DeleteTimer(process.AlarmTimer);
        Container container = process.Container;
        Process? init = process.Id == 1 ? null : container.FindProcess(1);
        foreach (Process child in process.Children)
        {
            child.Parent = init;
            init?.Children.Add(child);
        }

        process.Children.Clear();
        if (process.Parent is { } parent)
        {
            if (parent.Actions[Signals.SIGCHLD].Handler == 1)
            {
                parent.Children.Remove(process);
                container.Forget(process);
            }

            Send(parent, Signals.SIGCHLD);
            parent.ChildChanged.WakeAll();
        }
        else
        {
            container.Forget(process);
        }

        process.Ended?.Invoke((waitStatus & 0x7F) == 0 ? waitStatus >> 8 & 0xFF : 128 + (waitStatus & 0x7F));
        if (process.Id != 1)
            return;
        container.End(waitStatus);
        if (EndWithLastContainer && _containers.All(other => other.Exit is not null))
            Machine.PowerOff(new MachineExit(container.Exit!.Value.Code, container.Exit.Value.Reason));
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

    private static string LoadError(int error) => -error switch
    {
        Errno.ENOENT => "there is no such file in the container, or its interpreter is missing.",
        Errno.EACCES => "it is no executable file; make it executable or name another.",
        Errno.ENOEXEC => "it is no riscv64 Linux program.",
        Errno.ENOMEM => "it does not fit into the container's memory limit.",
        Errno.E2BIG => "its arguments and environment exceed 128 KiB.",
        _ => $"error {-error}.",
    };
}
