using Hypervisor.Core.Scheduling;

namespace Hypervisor.Tests.Scheduling;

/// <summary>
/// Every policy of the registry, alone and in every combinator that takes it, for the properties that all must keep. It is made
/// from the registry, so that a policy that is added there is tested here.
/// </summary>
internal static class PolicyCatalogue
{
    /// <summary>Before a name: groups around it.</summary>
    public const string GroupsPrefix = "groups:";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> Ids { get; } = [.. Schedulers.Names
        .SelectMany(name => new[] { name, Schedulers.PartitionedPrefix + name, Schedulers.GangPrefix + name })
        .Where(Schedulers.IsKnown)
        .SelectMany(name => new[] { name, GroupsPrefix + name })];

    /// <summary>Makes one.</summary>
    public static IScheduler Create(string id, int cpus, long slice = 1_000_000)
        => KnowsGroups(id) ? Schedulers.CreateGrouped(id[GroupsPrefix.Length..], cpus, slice) : Schedulers.Create(id, cpus, slice);

    public static bool KnowsGroups(string id) => id.StartsWith(GroupsPrefix, StringComparison.Ordinal);

    public static bool IsGang(string id) => id.Contains(Schedulers.GangPrefix, StringComparison.Ordinal);

    public static bool IsPartitioned(string id) => id.Contains(Schedulers.PartitionedPrefix, StringComparison.Ordinal);

    /// <summary>The policy inside all combinators.</summary>
    public static string Kind(string id) => id[(id.LastIndexOf(':') + 1)..];

    /// <summary>
    /// Whether no CPU idles while one that may run there waits. A table idles in the windows of those who sleep, a gang's round on what no
    /// gang fits; and where time is given, nobody moves between queues, and a group uses one CPU.
    /// </summary>
    public static bool ConservesWork(string id) => Kind(id) != "cyclic" && !IsGang(id) && !(Schedulers.GivesTime(Kind(id)) && (IsPartitioned(id) || KnowsGroups(id)));

    /// <summary>Whether waits have a bound, and not odds only.</summary>
    public static bool BoundsWaits(string id) => Kind(id) != "lottery";

    /// <summary>Whether weights count.</summary>
    public static bool KnowsWeights(string id) => Kind(id) is "eevdf" or "stride" or "sfq" or "credit2" or "lottery";

    /// <summary>Whether services stay within a few slices of weighted shares.</summary>
    public static bool IsFair(string id) => Kind(id) is "eevdf" or "stride" or "sfq";
}

/// <summary>A theory that says something of every policy there is; <see cref="PolicyCoverageTests"/> demands that it is asked of each.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OfEveryPolicyAttribute : Attribute
{
    /// <summary>Why some of them are not asked, where that is so: docs/scheduling.md declares the same exceptions.</summary>
    public string? Except { get; init; }
}
