namespace Hypervisor.Guests.Container;

/// <summary>What is mounted.</summary>
public enum ContainerMountKind
{
    /// <summary>A directory or a file of the host; what the container changes is changed on the host.</summary>
    Host,

    /// <summary>A file system in memory (tmpfs), empty at first.</summary>
    Memory,

    /// <summary>The container's devices (devtmpfs).</summary>
    Devices,

    /// <summary>The container's processes (proc).</summary>
    Processes,

    /// <summary>What the system says of itself (sysfs).</summary>
    System,
}

/// <summary>Something that is mounted in a container's tree.</summary>
public sealed record ContainerMount
{
    /// <summary>Where: an absolute path within the container; made where it is missing.</summary>
    public required string Destination { get; init; }

    /// <summary>What.</summary>
    public required ContainerMountKind Kind { get; init; }

    /// <summary>The host's directory or file, for <see cref="ContainerMountKind.Host"/>.</summary>
    public string? Source { get; init; }

    /// <summary>Whether nothing may be changed by way of it.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Bytes that a file system in memory may take; null for what the container's files may take together.</summary>
    public long? SizeLimit { get; init; }

    /// <summary>Permissions of the root of a file system in memory; null for 1777.</summary>
    public uint? Permissions { get; init; }
}
