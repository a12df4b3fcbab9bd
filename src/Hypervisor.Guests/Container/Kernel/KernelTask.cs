using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Kernel;

/// <summary>
/// A task: one thread of a process, on a vCPU of its own. A blocked call is data, never a parked thread: the vCPU sleeps at
/// the call, and makes it again when woken; what it must remember from the first time stands here.
/// </summary>
internal sealed unsafe class KernelTask : CallHandler, IWaiter
{
    private readonly List<WaitQueue> _queues = [];

    public KernelTask(Process process, int id, VCpu vcpu)
    {
        Process = process;
        Id = id;
        VCpu = vcpu;
        State = vcpu.Hart.State;
        vcpu.Data = this;
        vcpu.Hart.Calls = this;
    }

    /// <summary>Its number; that of its process for the first, and for one that replaced the program.</summary>
    public int Id { get; set; }

    public Process Process { get; }

    public VCpu VCpu { get; }

    public HartContext Hart => VCpu.Hart;

    public HartState* State { get; }

    public ulong SignalMask { get; set; }

    /// <summary>Signals sent to this task alone.</summary>
    public SignalQueue Signals { get; } = new();

    /// <summary>The blocked signals that the call in progress waits for.</summary>
    public ulong AwaitedSignals { get; set; }

    /// <summary>A file that a call in progress is opening.</summary>
    public OpenFile? Held { get; set; }

    /// <summary>What was counted when that opening began.</summary>
    public long HeldSince { get; set; }

    /// <summary>The lock it waits for: whose it would be, and whose it is.</summary>
    public (object Owner, object Holder)? WaitsForLock { get; set; }

    /// <summary>The filters over its system calls; null for none.</summary>
    public SystemCallFilter? Filter { get; set; }

    /// <summary>How its system calls are filtered (PR_GET_SECCOMP): not, strictly, or by filters.</summary>
    public int FilterMode { get; set; }

    /// <summary>The semaphore that it waits for.</summary>
    public Syscalls.SemaphoreCalls.Waiting? WaitsForSemaphore { get; set; }

    /// <summary>The queue that it waits for a message of.</summary>
    public Ipc.PosixQueue? ReceivesFrom { get; set; }

    /// <summary>Its number in the priority range of setpriority: -20 to 19.</summary>
    public int Nice { get; set; }

    /// <summary>How late its sleeps may end, in nanoseconds: kept, and told.</summary>
    public long TimerSlack { get; set; } = 50_000;

    /// <summary>Its name (PR_SET_NAME): its program's at first.</summary>
    public string Name { get; set; } = "";

    /// <summary>What it set as its policy, priority, input and output priority and processors: told, and without effect.</summary>
    public int Policy { get; set; }

    /// <inheritdoc cref="Policy"/>
    public int Priority { get; set; }

    /// <inheritdoc cref="Policy"/>
    public int InputOutputPriority { get; set; }

    /// <inheritdoc cref="Policy"/>
    public ulong Affinity { get; set; } = ulong.MaxValue;

    /// <summary>The mask to put back once a signal was taken in rt_sigsuspend or ppoll.</summary>
    public ulong? SavedMask { get; set; }

    /// <summary>Its restartable sequences (rseq(2)); null where it registered none.</summary>
    public RestartableSequence? Sequence { get; set; }

    /// <summary>It has been off its processor since it last ran its own code.</summary>
    public bool WasPreempted { get; set; }

    public ulong AlternateStack { get; set; }

    public ulong AlternateStackSize { get; set; }

    /// <summary>Cleared and woken as a futex when the task ends (CLONE_CHILD_CLEARTID).</summary>
    public ulong ClearOnExit { get; set; }

    /// <summary>Processor time that its container's limit has taken note of.</summary>
    public long BookedNanoseconds { get; set; }

    /// <summary>It sleeps until what it read or wrote is within its container's limit.</summary>
    public bool IsHeldForIo { get; set; }

    /// <summary>It must end at the next opportunity.</summary>
    public bool Killed { get; set; }

    /// <summary>The call in progress was started before and is being made again.</summary>
    public bool Restarted { get; set; }

    /// <summary>When the call in progress gives up; <see cref="long.MaxValue"/> for never.</summary>
    public long Deadline { get; set; } = long.MaxValue;

    /// <summary>A timer of its own for deadlines; -1 until the first.</summary>
    public int Timer { get; set; } = -1;

    /// <summary>Something woke it since it last began to wait.</summary>
    public bool WasWoken { get; set; }

    /// <summary>The futexes it waits on.</summary>
    public List<FutexWaiter> Futexes { get; } = [];

    /// <summary>The head of its list of locks to be marked when it ends; 0 for none.</summary>
    public ulong RobustList { get; set; }

    /// <summary>The task that sleeps until this one executes or ends (CLONE_VFORK).</summary>
    public KernelTask? VforkParent { get; set; }

    /// <summary>The child it sleeps for.</summary>
    public KernelTask? VforkChild { get; set; }

    /// <summary>Bytes a vectored or long write moved before it blocked.</summary>
    public long Progress { get; set; }

    /// <summary>Messages that a call for many of them has moved before it blocked, and until when it goes on.</summary>
    public int MessagesDone { get; set; }

    /// <inheritdoc cref="MessagesDone"/>
    public long MessagesUntil { get; set; }

    /// <summary>Its hart may be in guest code, on some thread.</summary>
    public bool InGuest { get; set; }

    /// <inheritdoc/>
    public override bool TryMake(HartContext hart) => Syscalls.DirectCalls.TryMake(this);

    /// <summary>Calls it made without entering the kernel.</summary>
    public long DirectCalls { get; set; }

    /// <summary>Number of the first flush that its hart has still to do; 0 for none.</summary>
    public long FlushOwed { get; set; }

    public ulong DeliverableSignals
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => PendingSignals & ~SignalMask;
    }

    public ulong PendingSignals
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Signals.Pending | Process.Signals.Pending;
    }

    public ulong Pc
    {
        get => State->Pc;
        set => State->Pc = value;
    }

    /// <summary>The number of the system call that it makes (a7).</summary>
    public ulong CallNumber => RegisterFile.X(State)[17];

    /// <summary>Processor time so far, that of the slice in progress included while it is in the kernel.</summary>
    public long UsedNanoseconds => VCpu.Meter.RunNanoseconds + (Process.Container.Host.Current == this ? Math.Max(0, Process.Container.Host.Now - VCpu.RunningSince) : 0);

    /// <summary>A number of the container's as this task sees it: 0 where it does not.</summary>
    public int LocalId(int id) => Process.Pids.ToLocal(id);

    /// <summary>A number that this task gave, as the container counts.</summary>
    public int GlobalId(int id) => id <= 0 ? -1 : Process.Pids.ToGlobal(id);

    /// <summary>The process that has a number for this task; null for none.</summary>
    public Process? FindProcess(int id) => Process.Container.FindProcess(GlobalId(id));

    /// <summary>The task that has a number for this one; null for none.</summary>
    public KernelTask? FindTask(int id) => Process.Container.FindTask(GlobalId(id));

    /// <summary>An argument of the system call that it makes, from a0 on.</summary>
    public ulong CallArgument(int index) => RegisterFile.X(State)[10 + index];

    public void WaitOn(WaitQueue queue)
    {
        queue.Add(this);
        _queues.Add(queue);
    }

    public void LeaveQueues()
    {
        WaitsForSemaphore = null;
        if (ReceivesFrom is { } messages)
            messages.Receivers--;
        ReceivesFrom = null;
        foreach (WaitQueue queue in _queues)
            queue.Remove(this);
        _queues.Clear();
    }

    public void Woken()
    {
        WasWoken = true;
        VCpu.Wake();
    }

    /// <summary>What it waits for may have come, by a call in progress or by something else that holds the kernel's lock.</summary>
    void IWaiter.Woken() => WokenInKernel();

    /// <inheritdoc cref="IWaiter.Woken"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void WokenInKernel()
    {
        WasWoken = true;
        if (Process.Container.Host.Current is { } current)
            VCpu.WakeSoon(current.VCpu);
        else
            VCpu.Wake();
    }

    public bool TryRead<T>(ulong address, out T value) where T : unmanaged => Process.Space.TryRead(address, out value);

    public bool TryWrite<T>(ulong address, T value) where T : unmanaged => Process.Space.TryWrite(address, value);

    public bool TryRead(ulong address, Span<byte> buffer) => Process.Space.TryRead(address, buffer);

    public int ReadUpTo(ulong address, Span<byte> buffer) => Process.Space.ReadUpTo(address, buffer);

    public bool TryWrite(ulong address, ReadOnlySpan<byte> data) => Process.Space.TryWrite(address, data);

    public int TryReadString(ulong address, int limit, int tooLong, out string text)
        => Process.Space.TryReadString(address, limit, tooLong, out text);
}
