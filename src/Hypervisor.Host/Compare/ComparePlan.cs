using Hypervisor.Core;
using Hypervisor.Guests.BuiltIn;

namespace Hypervisor.Host.Compare;

/// <summary>What a comparison measures, and how often.</summary>
internal sealed record ComparePlan
{
    /// <summary>Every mode, in the order of a report; the first is the baseline.</summary>
    public static IReadOnlyList<string> AllModes { get; } = ["bare", "full", "assisted", "para", "container"];

    /// <summary>The mode that the others are held against.</summary>
    public const string Baseline = "bare";

    /// <summary>The modes, in the order of a report.</summary>
    public required IReadOnlyList<string> Modes { get; init; }

    /// <summary>The workloads, in the order of a report.</summary>
    public required IReadOnlyList<Workload> Workloads { get; init; }

    /// <summary>Whether a rough figure is enough.</summary>
    public bool Quick { get; init; }

    /// <summary>Measured rounds; in each, every workload runs once in every mode.</summary>
    public int Rounds => 5;

    /// <summary>A round that would end after this is not begun.</summary>
    public TimeSpan TimeLimit => Quick ? TimeSpan.FromSeconds(11) : TimeSpan.FromSeconds(48);

    /// <summary>How often a workload repeats its operation in one run.</summary>
    public long Iterations(Workload workload) => Quick ? workload.QuickIterations : workload.DefaultIterations;

    /// <summary>How often it does so to warm up: enough for the engine's own code to be compiled.</summary>
    public static long WarmUpIterations(Workload workload) => Math.Max(1, workload.QuickIterations / 10);

    /// <summary>Makes a plan from names; null or empty lists mean all.</summary>
    /// <exception cref="HypervisorException">A mode or workload is not known.</exception>
    public static ComparePlan Create(IReadOnlyCollection<string>? modes, IReadOnlyCollection<string>? workloads, bool quick)
        => new()
        {
            Modes = Select(modes, AllModes, name => name, "mode"),
            Workloads = Select(workloads, BuiltInGuests.Workloads, workload => workload.Name, "workload"),
            Quick = quick,
        };

    private static T[] Select<T>(IReadOnlyCollection<string>? names, IReadOnlyList<T> all, Func<T, string> nameOf, string what)
    {
        if (names is not { Count: > 0 })
            return [.. all];
        foreach (string name in names)
        {
            if (!all.Any(each => nameOf(each) == name))
                throw new HypervisorException($"There is no {what} '{name}'; choose from {string.Join(", ", all.Select(nameOf))}.");
        }

        return [.. all.Where(each => names.Contains(nameOf(each)))];
    }
}
