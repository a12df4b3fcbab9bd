using Hypervisor.Core.Network.Routing;
using Hypervisor.Core.Scheduling;
using Hypervisor.Host.Networks;
using Hypervisor.Host.Run;

namespace Hypervisor.Host.Manifest;

/// <summary>What a manifest describes: guests of any kind on one host, and the networks between them.</summary>
internal sealed record MachineManifest
{
    public string? Scheduler { get; init; }

    /// <summary>Physical CPUs; null for as many as the guests' vCPUs can use.</summary>
    public int? PhysicalCpus { get; init; }

    public required IReadOnlyList<NetworkOptions> Networks { get; init; }

    public required IReadOnlyList<RouteRule> Routes { get; init; }

    public required IReadOnlyList<ManifestGuest> Guests { get; init; }
}

/// <summary>One guest of a manifest.</summary>
/// <param name="Name">Its name, unique in the manifest.</param>
/// <param name="Options">What it runs.</param>
/// <param name="Cards">Its network cards.</param>
/// <param name="ConsoleFile">Where what it prints goes; null for standard output, with its name before each line.</param>
/// <param name="Group">What it is to the scheduler as a whole; null in a manifest without groups, where each vCPU counts.</param>
internal sealed record ManifestGuest(string Name, RunOptions Options, IReadOnlyList<ManifestCard> Cards, string? ConsoleFile, SchedulingGroup? Group);

/// <summary>A network card.</summary>
/// <param name="Network">The network it is in.</param>
/// <param name="Address">Its IPv4 address; null for the next free one.</param>
/// <param name="Published">Its ports that the host's loopback leads to.</param>
internal sealed record ManifestCard(string Network, uint? Address, IReadOnlyList<PortMapping> Published);
