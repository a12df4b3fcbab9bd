using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container;

/// <summary>What a container is made of.</summary>
public sealed record ContainerOptions
{
    /// <summary>Its name.</summary>
    public string Name { get; init; } = "container";

    /// <summary>What it sees as the system's name; null for <see cref="Name"/>.</summary>
    public string? HostName { get; init; }

    /// <summary>The directory its first process starts in.</summary>
    public string WorkingDirectory { get; init; } = "/";

    /// <summary>A host directory shown as the root, read-only: what the container changes stays in memory. Null for an empty root.</summary>
    public string? RootDirectory { get; init; }

    /// <summary>An image whose files are the root, in the place of <see cref="RootDirectory"/>; what the container changes stays in memory.</summary>
    public ContainerImage? Image { get; init; }

    /// <summary>Whether what the container changes under <see cref="RootDirectory"/> is changed on the host.</summary>
    public bool RootIsHosts { get; init; }

    /// <summary>
    /// A host directory that takes what the container changes of <see cref="RootDirectory"/> or <see cref="Image"/>, which stay as they
    /// are: an overlay. Null for memory.
    /// </summary>
    public string? UpperDirectory { get; init; }

    /// <summary>Whether nothing under its root may be changed; what is mounted there may.</summary>
    public bool RootIsReadOnly { get; init; }

    /// <summary>
    /// What is mounted in its tree, in this order. Null for the usual: devices at /dev, processes at /proc. Where a list
    /// leaves out /dev, devices are there all the same.
    /// </summary>
    public IReadOnlyList<ContainerMount>? Mounts { get; init; }

    /// <summary>Paths that show nothing: an empty file or directory in the place of what is there.</summary>
    public IReadOnlyList<string> MaskedPaths { get; init; } = [];

    /// <summary>Paths below which nothing may be changed.</summary>
    public IReadOnlyList<string> ReadOnlyPaths { get; init; } = [];

    /// <summary>What it finds under /proc/sys, by names such as <c>net.core.somaxconn</c>: told to its programs, in the place of the kernel's own.</summary>
    public IReadOnlyDictionary<string, string> KernelParameters { get; init; } = new Dictionary<string, string>();

    /// <summary>The program as a path within the container; where <see cref="ProgramImage"/> is given, where that is put.</summary>
    public required string Program { get; init; }

    /// <summary>A program from outside the container's tree, put at <see cref="Program"/>.</summary>
    public ReadOnlyMemory<byte>? ProgramImage { get; init; }

    /// <summary>The arguments, the program's own name first.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The environment, as NAME=value.</summary>
    public IReadOnlyList<string> Environment { get; init; } = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb"];

    /// <summary>Who its first process is.</summary>
    public ContainerUser User { get; init; } = ContainerUser.Root;

    /// <summary>Bytes of memory its processes may use together, at least 64 KiB.</summary>
    public ulong MemoryLimit { get; init; } = 256 << 20;

    /// <summary>Bytes its changed files may take.</summary>
    public ulong FileLimit { get; init; } = 256 << 20;

    /// <summary>Tasks it may have at a time, at least 1.</summary>
    public int TaskLimit { get; init; } = 512;

    /// <summary>
    /// Its weight beside other containers, 1 to 1048576. On a host loop with groups (<see cref="Core.Machine.HostOptions.Groups"/>) the
    /// container has it, however many tasks it runs; without, each of its tasks has.
    /// </summary>
    public int Weight { get; init; } = 100;

    /// <summary>
    /// Physical CPUs' worth of time that its tasks may use together, 0.01 to 64; null for no limit. Held over periods of
    /// 100 ms: what a period's last slice uses beyond it, the next period has less.
    /// </summary>
    public double? CpuLimit { get; init; }

    /// <summary>How fast it may read and write files of the host; null for no limit.</summary>
    public IoLimits? Io { get; init; }

    /// <summary>Seed of everything random in it.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>What it reads; null for nothing.</summary>
    public ContainerInput? Input { get; init; }

    /// <summary>Takes standard output.</summary>
    public ContainerOutput? Output { get; init; }

    /// <summary>Takes standard error.</summary>
    public ContainerOutput? Error { get; init; }

    /// <summary>Whether the three streams present themselves as a terminal.</summary>
    public bool Terminal { get; init; }

    /// <summary>Lines of that terminal.</summary>
    public ushort TerminalRows { get; init; } = 24;

    /// <summary>Characters of its lines.</summary>
    public ushort TerminalColumns { get; init; } = 80;

    /// <summary>Where it is in a network; null for its own loopback only.</summary>
    internal Core.Network.Routing.StationLink? Link { get; init; }

    /// <summary>Asked before a TCP port of its network listens, and told when it no longer does: port and whether it does; whether it may.</summary>
    internal Func<ushort, bool, bool>? Listening { get; init; }

    /// <summary>Hears benchmark marks (system call 4096): whether it ends a region, and how many operations it had.</summary>
    public Action<bool, ulong>? Marked { get; init; }
}

/// <summary>How a container ended.</summary>
/// <param name="Code">Its first process's exit code; 128 and the signal where a signal ended it.</param>
/// <param name="Reason">For the user; empty where it simply exited.</param>
public readonly record struct ContainerExit(int Code, string Reason);
