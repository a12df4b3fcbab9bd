using Hypervisor.Core;
using Hypervisor.Guests.Para;
using Hypervisor.Host.Networks;

namespace Hypervisor.Host.Run;

/// <summary>What <c>hv run</c> is to run.</summary>
internal sealed record RunOptions
{
    public const string ContainerMode = "container";
    public const string ParaMode = "para";
    public const string NoFirmware = "none";
    public const string BuiltInFirmware = "builtin";
    public const int MostVCpus = 64;
    public const int DefaultWeight = 100;

    /// <summary>The engines it knows; auto takes the fastest there is.</summary>
    public static IReadOnlyList<string> Engines => EngineChoice.Names;

    /// <summary>The modes it knows.</summary>
    public static IReadOnlyList<string> Modes { get; } = (string[])["container", "bare", "full", "assisted", "para"];

    /// <summary>The program to run as a container; null for a machine.</summary>
    public string? Program { get; init; }

    /// <summary>The program's arguments, without its name.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    public required string Mode { get; init; }

    /// <summary>Bytes of memory; null for the mode's default.</summary>
    public ulong? Memory { get; init; }

    /// <summary>Bytes of its memory that a para guest is asked to give back; null for none.</summary>
    public ulong? Balloon { get; init; }

    /// <summary>The para guests it may talk to by channels and grants; null for none.</summary>
    public ParaDomains? Domains { get; init; }

    public int VCpus { get; init; } = 1;

    /// <summary>Bits in a vector register; 0 for harts without vectors.</summary>
    public int VectorBits { get; init; }

    /// <summary>The kernel's file; null for a container.</summary>
    public string? Kernel { get; init; }

    public string Firmware { get; init; } = NoFirmware;

    public string? InitialRamDisk { get; init; }

    public IReadOnlyList<string> Disks { get; init; } = [];

    /// <summary>Directories of the host that the guest may mount: <c>DIR[,tag=NAME][,ro]</c>.</summary>
    public IReadOnlyList<string> Shares { get; init; } = [];

    /// <summary>Ports beside the console: <c>NAME=PATH</c>, the Unix socket at which the host reaches each.</summary>
    public IReadOnlyList<string> Ports { get; init; } = [];

    /// <summary>Where the host reaches the guest's vsock ports: <c>PATH[,cid=N]</c>; null for nowhere.</summary>
    public string? Vsock { get; init; }

    /// <summary>The name of the machine's network; null for none.</summary>
    public string? Network { get; init; }

    /// <summary>Whether that network leads out to the host's own.</summary>
    public bool Nat { get; init; }

    /// <summary>The machine's ports that the host's loopback leads to.</summary>
    public IReadOnlyList<PortMapping> Published { get; init; } = [];

    /// <summary>Where a capture of the network goes; null for nowhere.</summary>
    public string? CaptureFile { get; init; }

    /// <summary>A device tree to show the guest in place of the board's own; null for that.</summary>
    public string? DeviceTree { get; init; }

    public string? CommandLine { get; init; }

    public string? RootDirectory { get; init; }

    /// <summary>An image to take the root from, as the directory of an OCI image layout and, behind a colon, a tag; null for none.</summary>
    public string? Image { get; init; }

    /// <summary>Whether what a container changes under its root directory is changed on the host.</summary>
    public bool Writable { get; init; }

    /// <summary>A directory that takes what a container changes of its image or root directory; null for memory.</summary>
    public string? Upper { get; init; }

    /// <summary>What is mounted in a container besides the usual.</summary>
    public IReadOnlyList<Guests.Container.ContainerMount> Mounts { get; init; } = [];

    public IReadOnlyList<string> Environment { get; init; } = [];

    public int Weight { get; init; } = DefaultWeight;

    /// <summary>The policy by which its vCPUs, or its tasks, share physical CPUs.</summary>
    public string Scheduler { get; init; } = Core.Scheduling.Schedulers.Names[0];

    /// <summary>Where a trace of its scheduling goes; null for nowhere.</summary>
    public string? ScheduleTrace { get; init; }

    /// <summary>CPUs' worth of time a container may use; null for no limit.</summary>
    public double? Cpus { get; init; }

    public string Engine { get; init; } = Engines[0];

    public double? TimeoutSeconds { get; init; }

    /// <summary>Where a test program's signature goes; null for nowhere.</summary>
    public string? SignatureFile { get; init; }

    /// <summary>Bytes in a line of the signature.</summary>
    public int SignatureGranularity { get; init; } = 4;

    /// <summary>Whether a guest's reboot ends the run, as power-off does.</summary>
    public bool NoReboot { get; init; }

    /// <summary>The port on which GDB may attach before the guest starts; null for none.</summary>
    public int? GdbPort { get; init; }

    public bool Stats { get; init; }

    public string? StatsFile { get; init; }

    /// <summary>Returns the options if they describe something that can run.</summary>
    /// <exception cref="HypervisorException">They do not.</exception>
    public static RunOptions Check(RunOptions options)
    {
        if (!Has(Modes, options.Mode))
            throw new HypervisorException($"There is no mode '{options.Mode}'; choose from {string.Join(", ", Modes)}.");
        if (options.VCpus is < 1 or > MostVCpus)
            throw new HypervisorException($"--vcpus {options.VCpus} makes no machine; give 1 to {MostVCpus}.");
        if (options.VectorBits != 0 && !Core.Hart.VectorUnit.IsLength(options.VectorBits))
            throw new HypervisorException($"--vlen {options.VectorBits} is no length that vector registers have here; give 128, 256 or 512, or 0 for none.");
        if (options.Weight is < 1 or > Core.Scheduling.SchedulingParameters.MaximumWeight)
            throw new HypervisorException($"--weight {options.Weight} is no weight; give 1 to {Core.Scheduling.SchedulingParameters.MaximumWeight}.");
        if (!Core.Scheduling.Schedulers.IsKnown(options.Scheduler))
            throw new HypervisorException($"--scheduler: {Schedule.ScheduleYaml.Unknown(options.Scheduler)}.");
        if (!Has(Engines, options.Engine))
            throw new HypervisorException($"There is no engine '{options.Engine}'; choose from {string.Join(", ", Engines)}.");
        if (options.TimeoutSeconds is { } seconds && !(seconds > 0 && seconds < 1e9))
            throw new HypervisorException($"--timeout {seconds} is no time to wait; give seconds above zero.");
        if (!Run.SignatureFile.IsGranularity(options.SignatureGranularity))
            throw new HypervisorException($"--signature-granularity {options.SignatureGranularity}: give one of 1, 2, 4, 8, 16.");
        if (options.SignatureFile is not null && (options.Mode is ContainerMode or ParaMode))
            throw new HypervisorException("--signature is of programs that own a machine: choose --mode bare, full or assisted.");
        if (options.GdbPort is < 0 or > 65535)
            throw new HypervisorException($"--gdb {options.GdbPort} is no port; give 1 to 65535, or 0 for any that is free.");
        if (options.Network is null && (options.Published.Count > 0 || options.CaptureFile is not null || options.Nat))
            throw new HypervisorException("--publish, --pcap and --nat are of a network: give the machine one with --net NAME.");
        if (options.Balloon is { } back && (options.Mode != ParaMode || back >= (options.Memory ?? MachineGuests.DefaultMemory)))
            throw new HypervisorException(options.Mode != ParaMode ? "--balloon is of guests that cooperate: choose --mode para." : "--balloon asks back all memory of the guest or more; ask for less.");
        if (options.Mode == ContainerMode)
        {
            if (options.Ports.Count > 0)
                throw new HypervisorException("--port is of machines: choose --mode bare, full, assisted or para.");
            if (options.Vsock is not null)
                throw new HypervisorException("--vsock is of machines: choose --mode bare, full, assisted or para.");
            if (options.Shares.Count > 0)
                throw new HypervisorException("--share is of machines: choose --mode bare, full, assisted or para.");
            if (options.GdbPort is not null)
                throw new HypervisorException("--gdb attaches to a machine's harts, which a container has none of: choose --mode bare, full, assisted or para.");
            if (options.Kernel is not null)
                throw new HypervisorException("--kernel boots a machine: say which way with --mode bare, full, assisted or para.");
            if (options is { Image: not null, RootDirectory: not null })
                throw new HypervisorException("--image and --rootfs are both the container's root: give one of them.");
            if (options.Writable && options.RootDirectory is null)
                throw new HypervisorException("--writable is of a host directory: name it with --rootfs DIR.");
            if (options.Upper is not null && (options.Writable || (options.Image is null && options.RootDirectory is null)))
                throw new HypervisorException("--upper takes what changes of a root that stays as it is: give it with --image or --rootfs, and without --writable.");
            if (options.Program is null && options.Image is null)
                throw new HypervisorException("hv run needs a program, or --mode and --kernel for a machine.");
        }
        else
        {
            if (options.Program is not null)
                throw new HypervisorException($"'{options.Program}': a machine in mode {options.Mode} boots what --kernel names and takes no program.");
            if (options.Image is not null || options.Writable || options.Upper is not null || options.Mounts.Count > 0)
                throw new HypervisorException("--image, --writable, --upper, --volume and --mount are of containers; a machine has disks.");
            if (options.Kernel is null)
                throw new HypervisorException($"Mode {options.Mode} boots a machine: name what it boots with --kernel FILE.");
            if (options.DeviceTree is not null && (options.InitialRamDisk is not null || options.CommandLine is not null))
                throw new HypervisorException("--dtb is shown to the guest as it is: put the command line and the RAM disk into its /chosen, and leave --append and --initrd out.");
            if (options.Mode == ParaMode && options.Firmware is not (NoFirmware or BuiltInFirmware))
                throw new HypervisorException("Mode para always uses the built-in SBI; leave --firmware out.");
        }

        foreach (string variable in options.Environment)
        {
            if (variable.IndexOf('=', StringComparison.Ordinal) <= 0)
                throw new HypervisorException($"--env {variable} sets nothing; write NAME=VALUE.");
        }

        return options;
    }

    private static bool Has(IReadOnlyList<string> names, string name)
    {
        foreach (string each in names)
        {
            if (each == name)
                return true;
        }

        return false;
    }
}
