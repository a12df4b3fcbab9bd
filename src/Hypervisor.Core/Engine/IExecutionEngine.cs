namespace Hypervisor.Core.Engine;

/// <summary>
/// Executes guest instructions. It knows harts and memory and nothing of modes: what leaves it is data
/// (<see cref="ExitControls"/>), and how addresses translate is the hart's translator.
/// </summary>
internal interface IExecutionEngine
{
    /// <summary>A name for reports.</summary>
    string Name { get; }

    /// <summary>
    /// Runs until the budget is used or something must leave. Retires exactly <paramref name="budget"/> instructions unless
    /// it exits earlier, and says how many. Environment calls that the hart's <see cref="HartContext.Calls"/> makes take a unit of the
    /// budget each, and do not retire: <see cref="HartContext.UsedInSlice"/> counts them.
    /// </summary>
    /// <param name="hart">The hart; its state is exact when this returns.</param>
    /// <param name="code">The code cache of the calling host thread for the hart's memory.</param>
    /// <param name="budget">Instructions to retire, at least 1.</param>
    VmExit Run(HartContext hart, CodeCache code, long budget);
}
