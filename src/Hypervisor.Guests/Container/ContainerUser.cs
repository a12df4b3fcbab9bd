namespace Hypervisor.Guests.Container;

/// <summary>Who a container's process is, and what it may.</summary>
public sealed record ContainerUser
{
    /// <summary>The superuser, with all capabilities.</summary>
    public static ContainerUser Root { get; } = new();

    /// <summary>Its user.</summary>
    public uint Uid { get; init; }

    /// <summary>Its group.</summary>
    public uint Gid { get; init; }

    /// <summary>Groups it is in besides.</summary>
    public IReadOnlyList<uint> Groups { get; init; } = [];

    /// <summary>Permissions that files it makes do not get.</summary>
    public uint Umask { get; init; } = 0x12;

    /// <summary>Its capabilities, a bit each by Linux's numbers; null for all of root's, none of others'.</summary>
    public ulong? Capabilities { get; init; }

    /// <summary>Capabilities that its programs may ever have; null for all.</summary>
    public ulong? BoundingCapabilities { get; init; }

    /// <summary>Whether programs it executes gain nothing.</summary>
    public bool NoNewPrivileges { get; init; }

    /// <summary>
    /// A filter over its system calls, which its programs keep whatever they do (seccomp); null for none. It is checked as Linux
    /// checks one: a filter with an instruction that may not be is refused.
    /// </summary>
    public IReadOnlyList<FilterInstruction>? SystemCallFilter { get; init; }

    /// <summary>Limits on its resources, by Linux's numbers; those left out are the usual ones.</summary>
    public IReadOnlyList<ResourceLimit> Limits { get; init; } = [];
}

/// <summary>A limit on a resource of a process (getrlimit(2)).</summary>
/// <param name="Resource">Its number.</param>
/// <param name="Soft">The limit in force; all ones for none.</param>
/// <param name="Hard">The most that the process may raise it to.</param>
public sealed record ResourceLimit(int Resource, ulong Soft, ulong Hard);
