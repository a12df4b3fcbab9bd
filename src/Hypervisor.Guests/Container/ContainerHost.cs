using System.Runtime.CompilerServices;
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
    private readonly LightLock _kernel = new();
    private readonly IExecutionEngine _shared;
    private readonly List<VCpu> _gone = [];
    private readonly List<Container> _containers = [];
    private long _systemCalls;

    /// <summary>Makes a container host and puts it on a host loop, where it stays until it is disposed of or the loop is.</summary>
    /// <param name="host">The host loop.</param>
    /// <param name="memoryBytes">RAM for all its containers together, a multiple of 4096; committed as they touch it.</param>
    /// <param name="name">The machine's name.</param>
    /// <exception cref="HypervisorException">The host has not that much memory.</exception>
    public ContainerHost(HypervisorHost host, ulong memoryBytes, string name = "containers")
        : this(name, memoryBytes, host.Timers, new Core.Engine.Interpreter.Interpreter(), endWithLastContainer: false)
    {
        SetParameters = host.SetParameters;
        Processors = host.PhysicalCpus.Count;
        host.Add(Machine, SchedulingParameters.Default);
    }

    internal ContainerHost(string name, ulong memoryBytes, ITimerService timers, IExecutionEngine engine, bool endWithLastContainer = true)
    {
        _shared = engine;
        EndWithLastContainer = endWithLastContainer;
        Machine = new VirtualMachine(name, new GuestMemory(new MemoryRegion(0x1_0000_0000, memoryBytes)), timers);
        Frames = new FrameAllocator(Machine.Memory, _kernel);
        SharedContents = new SharedContents(Frames);
    }

    string IPersonality.Name => "container";

    /// <summary>The machine, to be put on a host loop.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>Its containers, ended ones included.</summary>
    public IReadOnlyList<Container> Containers => _containers;

    /// <summary>System calls served so far.</summary>
    public long SystemCalls
    {
        get
        {
            using (_kernel.Enter())
                return _systemCalls + _containers.Sum(container => container.DirectCalls);
        }
    }

    /// <summary>Wall-clock time, in nanoseconds since 1970, at the host loop's time zero. Fixed by default, so that runs repeat.</summary>
    public long EpochNanoseconds { get; init; } = 1_700_000_000_000_000_000;

    /// <summary>Physical CPUs as programs are told of them.</summary>
    internal int Processors { get; init; } = 1;

    /// <summary>Bits in a vector register as programs find it: 128, 256 or 512, or 0 for none.</summary>
    internal int VectorBits
    {
        get => Machine.VectorBits;
        init => Machine.VectorBits = value;
    }

    /// <summary>Called for a vCPU whose container has a weight of its own, once the host loop knows it.</summary>
    internal Action<VCpu, SchedulingParameters>? SetParameters { get; set; }

    internal bool EndWithLastContainer { get; }

    internal FrameAllocator Frames { get; }

    /// <summary>What files of its containers share.</summary>
    internal SharedContents SharedContents { get; }

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
        using (_kernel.Enter())
        {
            var container = new Container(this, options);
            var space = new AddressSpace(Frames, container.Account);
            Place directory = container.DirectoryAt(options.WorkingDirectory);
            string program = container.FindProgram(options.Program, options.Environment, directory);
            var process = new Process(container, container.NextId(), space, new DescriptorTable(), directory) { StartedAt = Now };
            BecomeUser(process, options.User);
            KernelTask task = NewTask(process, process.Id);
            Confine(task, options.User);
            int error = Exec(task, KernelText.FromHost(program), Texts(options.Arguments), Texts(options.Environment), space);
            if (error != 0)
            {
                string? interpreter = ProgramLoader.InterpreterOf(process, KernelText.FromHost(program));
                container.Forget(task);
                Machine.RemoveVCpu(task.VCpu);
                throw new HypervisorException($"Container '{options.Name}' cannot run '{options.Program}': {LoadError(error, interpreter)}");
            }

            container.Add(process);
            Inode console = container.Paths.Resolve(container.Paths.Root, "/dev/console", true, out PathResult found) == 0 ? found.Inode! : container.Paths.Root.Inode;
            for (int fd = 0; fd < 3; fd++)
            {
                OpenFile stream = ContainerTree.Stream(container, console, fd, OpenFlags.ReadWrite);
                stream.Path = "/dev/console";
                process.Files.Add(stream, closeOnExec: false);
            }

            if (container.Console is { } terminal)
                JobControl.Control(process, terminal.Terminal);
            if (options.Input is { } input)
                input.Arrived = () => Woken(container);
            _containers.Add(container);
            Start(task);
            return container;
        }
    }

    private static List<string> Texts(IReadOnlyList<string> texts)
    {
        var made = new List<string>(texts.Count);
        foreach (string text in texts)
            made.Add(KernelText.FromHost(text));
        return made;
    }

    void IPersonality.PrepareRun(VCpu vcpu)
    {
        using (_kernel.Enter())
        {
            if (vcpu.Data is KernelTask task)
                Prepare(task);
        }
    }

    private void Prepare(KernelTask task)
    {
        task.WasWoken = false;
        if (task.FlushOwed != 0)
        {
            task.Hart.FlushTlb();
            Frames.Paid(task);
        }

        BeforeUser(task);
        Sequence(task);
        task.InGuest = true;
        Frames.Settle();
    }

    ExitVerdict IPersonality.BeforeSlice(VCpu vcpu)
    {
        if (vcpu.Data is KernelTask { Killed: false, Process.Container.IsPaused: true })
            return ExitVerdict.Block;
        if (vcpu.Data is not KernelTask { Killed: false } task)
            return ExitVerdict.Resume;
        ExitVerdict verdict;
        using (_kernel.Enter())
        {
            task.WasPreempted = true;
            if ((task.Process.StoppedBy != 0 || task.IsHeldForIo) && !task.Killed)
                return ExitVerdict.Block;
            if (task.Process.Container.Cpu is { } account && !account.MayRun(task))
                return ExitVerdict.Block;

            // A call that slept is made again here: in guest code the task would only come back to it at once.
            bool makesAgain = task.Restarted && !task.Killed;
            verdict = makesAgain ? MakeAgain(task) : ExitVerdict.Resume;
            if (verdict == ExitVerdict.Resume)
            {
                // The run follows at once: it is prepared under the same lock. A call ends as prepared but for a flush.
                if (!makesAgain || task.FlushOwed != 0)
                    Prepare(task);
                task.InGuest = true;
                vcpu.IsPrepared = true;
            }
        }

        Flush(task);
        return verdict;
    }

    private ExitVerdict MakeAgain(KernelTask task)
    {
        Current = task;
        task.WasWoken = false;
        try
        {
            return ServeCall(task);
        }
        finally
        {
            Frames.Settle();
            Current = null;
        }
    }

    /// <summary>What a call sent into the network is told without the kernel's lock: receivers have locks of their own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Flush(KernelTask task)
    {
        if (task.Process.Container.Network.Station is { OwesFlush: true } station)
            station.Flush();
    }

    /// <remarks>
    /// Asked under the host loop's lock, which is taken within the kernel's by every wake: it must not wait for the kernel. What it
    /// reads may be changing; whoever changes it wakes the vCPU afterwards, and the host loop sees that.
    /// </remarks>
    bool IPersonality.HasPendingWork(VCpu vcpu)
        => vcpu.Data is KernelTask task
            && (task.Killed || (task is { WasWoken: true, IsHeldForIo: false } && task.Process is { StoppedBy: 0, Container: { IsPaused: false, Cpu: not { IsThrottled: true } } }));

    ExitVerdict IPersonality.OnExit(VCpu vcpu, in VmExit exit)
    {
        var task = (KernelTask)vcpu.Data!;

        // What the engine could have had made has been asked for already.
        if (exit.Reason == VmExitReason.EnvironmentCall && vcpu.Hart.Calls is null && DirectCalls.TryMake(task))
            return ExitVerdict.Resume;
        ExitVerdict verdict = ServeLocked(task, in exit);
        Flush(task);
        return verdict;
    }

    private ExitVerdict ServeLocked(KernelTask task, in VmExit exit)
    {
        using (_kernel.Enter())
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

    /// <summary>Does something of a timer's under the kernel's lock.</summary>
    internal void Locked(Action action)
    {
        using (_kernel.Enter())
            action();
    }

    private void Woken(Container container)
    {
        using (_kernel.Enter())
        {
            container.Console?.Pump();
            container.InputReady.WakeAll();
        }
    }

    private static string LoadError(int error, string? interpreter) => -error switch
    {
        Errno.ENOENT when interpreter is not null => $"its interpreter '{interpreter}' is not in the container; give a root directory that holds it, or link the program statically.",
        Errno.ELIBBAD => $"its interpreter '{interpreter}' is no riscv64 Linux program; put the one that belongs to it there.",
        Errno.EACCES when interpreter is not null => $"it or its interpreter '{interpreter}' is no executable file; make it executable.",
        Errno.ENOENT => "there is no such file in the container.",
        Errno.EACCES => "it is no executable file; make it executable or name another.",
        Errno.ENOEXEC => "it is no riscv64 Linux program.",
        Errno.ENOMEM => "it does not fit into the container's memory limit.",
        Errno.E2BIG => "its arguments and environment exceed 2 MiB.",
        _ => $"error {-error}.",
    };
}
