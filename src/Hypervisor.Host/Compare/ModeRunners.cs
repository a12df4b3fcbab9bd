using System.Diagnostics;
using Hypervisor.Guests;

namespace Hypervisor.Host.Compare;

/// <summary>The runner of each mode.</summary>
internal static class ModeRunners
{
    /// <summary>Makes those that a plan needs.</summary>
    public static IReadOnlyDictionary<string, IModeRunner> Create(IEnumerable<string> modes, CompareSetting setting)
        => modes.ToDictionary(mode => mode, mode => Create(mode, setting));

    private static IModeRunner Create(string mode, CompareSetting setting)
    {
        if (MachineFactory.Modes.Contains(mode))
            return new BoardModeRunner(mode, setting);
        return mode switch
        {
            "para" => new ParaModeRunner(setting),
            "container" => new ContainerModeRunner(setting),
            _ => throw new UnreachableException($"the plan let mode '{mode}' pass"),
        };
    }
}
