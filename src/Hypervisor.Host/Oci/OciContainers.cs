using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Oci;

namespace Hypervisor.Host.Oci;

/// <summary>From a bundle's configuration to a container's options.</summary>
internal static class OciContainers
{
    private const ulong DefaultMemory = 2UL << 30;
    private const ulong PageBytes = 4096;

    /// <summary>
    /// Memory for a container: its limit, or where it has none, what a host of today can spare; committed as it is touched. Its
    /// machine has no less than a container without a limit, so that the limit may be raised.
    /// </summary>
    public static (ulong Limit, ulong Machine) MemoryFor(RuntimeSpec spec)
    {
        ulong spare = (ulong)Math.Max(64 << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        ulong limit = spec.Resources.Memory is { } given and not ulong.MaxValue ? given : DefaultMemory;
        return (Pages(Math.Min(limit, spare)), Pages(Math.Min(Math.Max(limit, DefaultMemory), spare)));

        static ulong Pages(ulong bytes) => (bytes + PageBytes - 1) & ~(PageBytes - 1);
    }

    /// <summary>The options for a container's first process and its surroundings.</summary>
    public static ContainerOptions Options(RuntimeSpec spec, string bundle, string id, ulong memory)
    {
        ProcessSpec process = spec.Process!;
        return new ContainerOptions
        {
            Name = id,
            HostName = spec.HostName ?? id,
            RootDirectory = spec.RootPath,
            RootIsHosts = true,
            RootIsReadOnly = spec.RootReadOnly,
            Mounts = MountSpecs.From(spec.Mounts, Path.GetFullPath(bundle)),
            MaskedPaths = spec.MaskedPaths,
            ReadOnlyPaths = spec.ReadOnlyPaths,
            KernelParameters = spec.Sysctl,
            User = User(process, spec.SystemCallFilter),
            FileLimit = memory / 2,
            Program = process.Arguments[0],
            Arguments = process.Arguments,
            Environment = process.Environment,
            WorkingDirectory = process.WorkingDirectory,
            MemoryLimit = memory,
            TaskLimit = spec.Resources.Tasks ?? 32768,
            Weight = spec.Resources.Weight ?? 100,
            CpuLimit = spec.Resources.Cpus is { } cpus && double.IsFinite(cpus) ? cpus : null,
            Io = spec.Resources.Io,
            Seed = Random.Shared.Next(),
            Terminal = process.Terminal,
            TerminalRows = process.Rows == 0 ? (ushort)24 : process.Rows,
            TerminalColumns = process.Columns == 0 ? (ushort)80 : process.Columns,
        };
    }

    /// <summary>The options for one more process.</summary>
    /// <param name="process">The process.</param>
    /// <param name="filter">Decides which system calls the container's programs may make; null where all are theirs.</param>
    public static ProcessOptions Process(ProcessSpec process, IReadOnlyList<FilterInstruction>? filter) => new()
    {
        Program = process.Arguments[0],
        Arguments = process.Arguments,
        Environment = process.Environment,
        WorkingDirectory = process.WorkingDirectory,
        User = User(process, filter),
        Terminal = process.Terminal,
        TerminalRows = process.Rows == 0 ? (ushort)24 : process.Rows,
        TerminalColumns = process.Columns == 0 ? (ushort)80 : process.Columns,
    };

    private static ContainerUser User(ProcessSpec process, IReadOnlyList<FilterInstruction>? filter) => new()
    {
        Uid = process.Uid,
        Gid = process.Gid,
        Groups = process.Groups,
        Umask = process.Umask ?? ContainerUser.Root.Umask,
        Capabilities = process.Capabilities,
        BoundingCapabilities = process.BoundingCapabilities,
        NoNewPrivileges = process.NoNewPrivileges,
        Limits = process.Limits,
        SystemCallFilter = filter,
    };
}
