using Hypervisor.Guests.Container.Files;
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

    public ResourceLimits Limits { get; init; }

    public SignalAction[] Actions { get; set; } = new SignalAction[65];

    /// <summary>Signals sent to the process, bit n-1 for signal n.</summary>
    public ulong Pending { get; set; }

    public int Group { get; set; }

    public int Session { get; set; }

    public uint Umask { get; set; } = 0x12;

    public string Name { get; set; } = "";

    public string ExecutablePath { get; set; } = "";

    public IReadOnlyList<string> Arguments { get; set; } = [];

    /// <summary>Set when it has ended and waits for its parent: the status that wait4 gives.</summary>
    public int? WaitStatus { get; set; }

    /// <summary>Woken when a child changes state.</summary>
    public WaitQueue ChildChanged { get; } = new();

    public long StartedAt { get; init; }

    /// <summary>Called with its exit code when it has ended; for processes that were added from outside.</summary>
    public Action<int>? Ended { get; init; }

    public long UserNanoseconds { get; set; }

    /// <summary>Nanoseconds of ITIMER_REAL between alarms, 0 for once.</summary>
    public long AlarmInterval { get; set; }

    public long AlarmDeadline { get; set; }

    public int AlarmTimer { get; set; } = -1;
}
