using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Files.Proc;
using Hypervisor.Guests.Container.Ipc;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Kernel;

/// <summary>What a process does on a signal: SIG_DFL 0, SIG_IGN 1, or a handler's address.</summary>
internal struct SignalAction
{
    public ulong Handler;
    public ulong Flags;
    public ulong Mask;
}

/// <summary>A process: memory, descriptors, place in the tree, signals; one or more tasks run in it.</summary>
internal sealed class Process
{
    public Process(Container container, int id, AddressSpace space, DescriptorTable files, Place workingDirectory)
    {
        Container = container;
        Id = id;
        Space = space;
        Files = files;
        WorkingDirectory = workingDirectory;
        Namespaces = container.FirstNamespaces;
        Pids = container.Pids;
        Group = id;
        Session = id;
        Limits = new ResourceLimits(container.Options.TaskLimit);
    }

    public Container Container { get; }

    public int Id { get; }

    public Process? Parent { get; set; }

    public List<Process> Children { get; } = [];

    public List<KernelTask> Tasks { get; } = [];

    public AddressSpace Space { get; set; }

    public DescriptorTable Files { get; set; }

    public Place WorkingDirectory { get; set; }

    /// <summary>The namespaces it is in.</summary>
    public ProcessNamespaces Namespaces
    {
        get;
        set
        {
            value.Acquire();
            field?.Release();
            field = value;
        }
    }

    /// <summary>The namespace whose numbers it has.</summary>
    public ProcessNamespace Pids { get; init; }

    /// <summary>The mounts it sees.</summary>
    public PathWalk Paths => Namespaces.Mounts.Paths;

    /// <summary>Where its absolute paths begin, where it changed that (chroot); null for its namespace's root.</summary>
    public Place? Root { get; set; }

    /// <summary>Where its absolute paths begin.</summary>
    public Place RootPlace => Root ?? Paths.Root;

    public ResourceLimits Limits { get; init; }

    /// <summary>Its directories in the /proc of namespaces, once somebody looked.</summary>
    public Dictionary<ProcessNamespace, ProcessDirectory> Directories { get; } = [];

    public Credentials Credentials
    {
        get;
        set
        {
            if (value.Namespace != field.Namespace)
            {
                value.Namespace?.Acquire();
                field.Namespace?.Release();
            }

            field = value;
        }
    } = Credentials.Root;

    public SignalAction[] Actions { get; set; } = new SignalAction[65];

    /// <summary>Signals sent to the process, for any of its tasks.</summary>
    public SignalQueue Signals { get; } = new();

    public int Group { get; set; }

    public int Session { get; set; }

    /// <summary>Its controlling terminal; null for none.</summary>
    public Terminal? Terminal { get; set; }

    public uint Umask { get; set; } = 0x12;

    public string Name { get; set; } = "";

    public string ExecutablePath { get; set; } = "";

    /// <summary>It has replaced its program since it was forked.</summary>
    public bool HasExecuted { get; set; }

    public IReadOnlyList<string> Arguments { get; set; } = [];

    public IReadOnlyList<string> Environment { get; set; } = [];

    /// <summary>Set when it has ended and waits for its parent: the status that wait4 gives.</summary>
    public int? WaitStatus { get; set; }

    /// <summary>What its parent is sent when it ends; 0 for nothing.</summary>
    public int ExitSignal { get; set; } = Kernel.Signals.SIGCHLD;

    /// <summary>What it is sent when its parent ends; 0 for nothing.</summary>
    public int ParentDeathSignal { get; set; }

    /// <summary>Orphans below it become its children (PR_SET_CHILD_SUBREAPER).</summary>
    public bool IsReaper { get; set; }

    /// <summary>The signal that stopped it; 0 while it runs.</summary>
    public int StoppedBy { get; set; }

    /// <summary>Its parent has not been told yet that it stopped, or that it went on.</summary>
    public bool StopIsNews { get; set; }

    /// <inheritdoc cref="StopIsNews"/>
    public bool ContinueIsNews { get; set; }

    /// <summary>Woken when a child changes state.</summary>
    public WaitQueue ChildChanged { get; } = new();

    /// <summary>Woken when a signal arrives for it or one of its tasks, blocked or not.</summary>
    public WaitQueue SignalArrived { get; } = new();

    /// <summary>Woken when it has ended.</summary>
    public WaitQueue Ended { get; } = new();

    public long StartedAt { get; init; }

    /// <summary>Processor time of its tasks that have ended.</summary>
    public long EndedNanoseconds { get; set; }

    /// <summary>Called with its exit code when it has ended; for processes that were added from outside.</summary>
    public Action<int>? WhenEnded { get; init; }

    /// <summary>Processor time of the children that were waited for.</summary>
    public long ChildrenNanoseconds { get; set; }

    /// <summary>The most pages that a child that was waited for had.</summary>
    public int ChildrenPeakPages { get; set; }

    /// <summary>Pages it had when it ended.</summary>
    public int EndedPeakPages { get; set; }

    /// <summary>What its end undoes of its operations on semaphores; null before the first.</summary>
    public SemaphoreUndo? Undo { get; set; }

    public IntervalTimers Timers { get; } = new();

    /// <summary>Timers of timer_create, by number.</summary>
    public Dictionary<int, PosixTimer> PosixTimers { get; } = [];

    /// <summary>The kinds of membarrier it asked for.</summary>
    public int BarrierRegistrations { get; set; }

    /// <summary>Whether a debugger of its own user may look at it (PR_SET_DUMPABLE).</summary>
    public int Dumpable { get; set; } = 1;

    /// <summary>Whether somebody runs in it.</summary>
    public bool IsAlive => Tasks.Count > 0;

    /// <summary>Processor time so far.</summary>
    public long UsedNanoseconds
    {
        get
        {
            long used = EndedNanoseconds;
            foreach (KernelTask task in Tasks)
                used += task.UsedNanoseconds;
            return used;
        }
    }

    /// <summary>Whether the process may send signals to another.</summary>
    public bool MaySignal(Process other) => MaySignal(Credentials, other);

    /// <summary>Whether somebody may send signals to a process.</summary>
    public static bool MaySignal(Credentials who, Process other)
        => who.HasIn(other.Credentials.Namespace, Capability.Kill) || who.EffectiveUid == other.Credentials.Uid || who.EffectiveUid == other.Credentials.SavedUid
            || who.Uid == other.Credentials.Uid || who.Uid == other.Credentials.SavedUid;

    /// <summary>Whether the process may look into another (ptrace(2), access mode checking).</summary>
    public bool MayTrace(Process other)
    {
        if (other == this)
            return true;
        (Credentials who, Credentials whom) = (Credentials, other.Credentials);
        bool isSame = who.FileUid == whom.Uid && who.FileUid == whom.EffectiveUid && who.FileUid == whom.SavedUid
            && who.FileGid == whom.Gid && who.FileGid == whom.EffectiveGid && who.FileGid == whom.SavedGid;
        bool may = who.HasIn(whom.Namespace, Capability.Trace);
        return may || (isSame && other.Dumpable == 1 && whom.Namespace == who.Namespace && (whom.Permitted & ~who.Permitted) == 0);
    }

    /// <summary>It has ended: it is in no namespace any more.</summary>
    public void LeaveNamespaces()
    {
        Namespaces.Release();
        Credentials.Namespace?.Release();
    }

    /// <summary>Gives it a table of descriptors of its own, where it shared one.</summary>
    public void Unshare()
    {
        DescriptorTable own = Files.Fork();
        Files.Release();
        Files = own;
    }

    /// <summary>Its timers of timer_create end with its program.</summary>
    public void DeletePosixTimers()
    {
        foreach (PosixTimer timer in PosixTimers.Values)
            timer.Timer.Delete();
        PosixTimers.Clear();
    }
}
