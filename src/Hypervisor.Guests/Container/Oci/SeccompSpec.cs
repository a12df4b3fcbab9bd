using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>The configuration's <c>linux.seccomp</c>: which system calls a container may make (config-linux.md, "Seccomp").</summary>
internal sealed record SeccompSpec
{
    private const uint Eperm = 1;
    private const uint MostError = 4095;

    /// <summary>Actions by name, in the order in which <c>features</c> tells them.</summary>
    public static IReadOnlyDictionary<string, uint> Actions { get; } = new Dictionary<string, uint>
    {
        ["SCMP_ACT_ALLOW"] = FilterAction.Allow, ["SCMP_ACT_ERRNO"] = FilterAction.Error, ["SCMP_ACT_KILL"] = FilterAction.KillTask,
        ["SCMP_ACT_KILL_PROCESS"] = FilterAction.KillProcess, ["SCMP_ACT_KILL_THREAD"] = FilterAction.KillTask, ["SCMP_ACT_LOG"] = FilterAction.Log,
        ["SCMP_ACT_TRACE"] = FilterAction.Trace, ["SCMP_ACT_TRAP"] = FilterAction.Trap,
    };

    /// <summary>Comparisons by name.</summary>
    public static IReadOnlyDictionary<string, SeccompOperator> Operators { get; } = new Dictionary<string, SeccompOperator>
    {
        ["SCMP_CMP_NE"] = SeccompOperator.NotEqual, ["SCMP_CMP_LT"] = SeccompOperator.Less, ["SCMP_CMP_LE"] = SeccompOperator.LessOrEqual,
        ["SCMP_CMP_EQ"] = SeccompOperator.Equal, ["SCMP_CMP_GE"] = SeccompOperator.GreaterOrEqual, ["SCMP_CMP_GT"] = SeccompOperator.Greater,
        ["SCMP_CMP_MASKED_EQ"] = SeccompOperator.MaskedEqual,
    };

    /// <summary>What becomes of calls that no rule is about.</summary>
    public required uint DefaultAction { get; init; }

    public IReadOnlyList<SeccompRule> Rules { get; init; } = [];

    /// <summary>Whether it was written with riscv64 in mind.</summary>
    public bool KnowsArchitecture { get; init; }

    /// <summary>Reads it.</summary>
    /// <exception cref="Core.HypervisorException">Something in it is wrong, or asks for a listener, which is not served.</exception>
    public static SeccompSpec Read(SpecValue seccomp)
    {
        IReadOnlyList<SpecValue> architectures = seccomp.ItemsOf("architectures");
        foreach (SpecValue architecture in architectures)
        {
            if (!architecture.Text().StartsWith("SCMP_ARCH_", StringComparison.Ordinal))
                throw architecture.Wrong($"'{architecture.Text()}' is no architecture; their names begin with SCMP_ARCH_.");
        }

        foreach (SpecValue flag in seccomp.ItemsOf("flags"))
        {
            if (!flag.Text().StartsWith("SECCOMP_FILTER_FLAG_", StringComparison.Ordinal))
                throw flag.Wrong($"'{flag.Text()}' is no flag; their names begin with SECCOMP_FILTER_FLAG_.");
        }

        if (seccomp.Find("listenerPath") is { } listener)
            throw listener.Wrong("notifications of system calls are not served; leave it out.");
        return new SeccompSpec
        {
            DefaultAction = ActionOf(seccomp.Get("defaultAction"), seccomp.Find("defaultErrnoRet")),
            Rules = [.. seccomp.ItemsOf("syscalls").SelectMany(RulesOf)],
            KnowsArchitecture = architectures.Any(architecture => architecture.Text() == "SCMP_ARCH_RISCV64"),
        };
    }

    /// <summary>
    /// A rule; or several, any of which may hold, where one argument is compared more than once: that is how callers of libseccomp,
    /// which takes but one comparison of an argument, have always read it.
    /// </summary>
    private static IEnumerable<SeccompRule> RulesOf(SpecValue rule)
    {
        IReadOnlyList<string> names = rule.TextsOf("names");
        if (names.Count == 0)
            throw rule.Wrong("names no system calls.");
        uint action = ActionOf(rule.Get("action"), rule.Find("errnoRet"));
        SeccompComparison[] comparisons = [.. rule.ItemsOf("args").Select(ComparisonOf)];
        bool isRepeated = comparisons.DistinctBy(each => each.Index).Count() < comparisons.Length;
        return isRepeated ? comparisons.Select(each => new SeccompRule(names, action, [each])) : [new SeccompRule(names, action, comparisons)];
    }

    private static SeccompComparison ComparisonOf(SpecValue argument)
    {
        SpecValue name = argument.Get("op");
        if (!Operators.TryGetValue(name.Text(), out SeccompOperator kind))
            throw name.Wrong($"'{name.Text()}' is no comparison; they are {string.Join(", ", Operators.Keys)}.");
        return new SeccompComparison((int)argument.Get("index").Number(0, 5), kind, argument.Get("value").Unsigned(), argument.Find("valueTwo")?.Unsigned() ?? 0);
    }

    private static uint ActionOf(SpecValue name, SpecValue? error)
    {
        if (name.Text() == "SCMP_ACT_NOTIFY")
            throw name.Wrong("notifications of system calls are not served; choose another action.");
        if (!Actions.TryGetValue(name.Text(), out uint action))
            throw name.Wrong($"'{name.Text()}' is no action; they are {string.Join(", ", Actions.Keys)}.");
        if (action is FilterAction.Error or FilterAction.Trace)
            return action | (error is { } given ? (uint)given.Number(0, MostError) : Eperm);
        return error is { } needless ? throw needless.Wrong($"goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE, not with {name.Text()}.") : action;
    }
}
