using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Oci;

namespace Hypervisor.Host.Oci;

/// <summary>From a bundle's configuration to a container's options.</summary>
internal static class OciContainers
{
    private const ulong DefaultMemory = 2UL << 30;
    private const ulong PageBytes = 4096;

    /// <summary>Memory for a container: its limit, or where it has none, what a host of today can spare; committed as it is touched.</summary>
    public static ulong MemoryFor(RuntimeSpec spec)
    {
        ulong spare = (ulong)Math.Max(64 << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        return (Math.Min(spec.Resources.Memory ?? DefaultMemory, spare) + PageBytes - 1) & ~(PageBytes - 1);
    }

    /// <summary>The options for a container's first process and its surroundings.</summary>
    public static ContainerOptions Options(RuntimeSpec spec, string id, ulong memory)
    {
        ProcessSpec process = spec.Process!;
        return new ContainerOptions
        {
            Name = id,
            HostName = spec.HostName ?? id,
            RootDirectory = spec.RootPath,
            Program = process.Arguments[0],
            Arguments = process.Arguments,
            Environment = process.Environment,
            WorkingDirectory = process.WorkingDirectory,
            MemoryLimit = memory,
            TaskLimit = spec.Resources.Tasks ?? 32768,
            Weight = spec.Resources.Weight ?? 100,
            CpuLimit = spec.Resources.Cpus,
            Seed = Random.Shared.Next(),
            Terminal = process.Terminal,
        };
    }

    /// <summary>The options for one more process.</summary>
    public static ProcessOptions Process(ProcessSpec process) => new()
    {
        Program = process.Arguments[0],
        Arguments = process.Arguments,
        Environment = process.Environment,
        WorkingDirectory = process.WorkingDirectory,
    };

    /// <summary>The container's terminal has another size.</summary>
    public static void Resize(Container? container, ushort rows, ushort columns)
    {
    }
}
