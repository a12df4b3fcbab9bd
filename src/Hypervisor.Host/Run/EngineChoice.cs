using Hypervisor.Core;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Native;
using Hypervisor.Core.Engine.Translator;

namespace Hypervisor.Host.Run;

/// <summary>The engines by their names on the command line.</summary>
internal static class EngineChoice
{
    public const string Auto = "auto";
    public const string InterpreterAlone = "interpreter";
    public const string Translator = "translator";

    /// <summary>Guest instructions before pairs are fused or traces made: by then a program has lost as much without as it takes to begin with it.</summary>
    private const long Grace = 2_000_000;

    /// <summary>The names; the first is the default.</summary>
    public static IReadOnlyList<string> Names { get; } = (string[])[Auto, InterpreterAlone, Translator];

    /// <summary>Creates an engine by its name.</summary>
    /// <exception cref="HypervisorException">This runtime cannot make code while it runs.</exception>
    public static Interpreter Create(string name)
    {
        if (name == InterpreterAlone)
            return new Interpreter(grace: Grace);

        // Where traces become host code, what is interpreted is too seldom used for pairs to pay.
        TraceTier? traces = TraceTier.TryCreate();
        TranslatorTier? tier = name == Translator
            ? TranslatorTier.TryCreate() ?? throw new HypervisorException(
                "This runtime cannot compile code while it runs, so there is no translator; choose --engine interpreter or auto.")
            : TranslatorTier.TryCreateUntried(TranslatorSettings.Auto);
        return new Interpreter(fuse: traces is null, tier, traces, name == Translator ? 0 : Grace);
    }
}

/// <summary>The engines of a run, one of each name: guests of one engine have compiled code in common, and so has a guest that reboots.</summary>
internal sealed class Engines
{
    private readonly Dictionary<string, Interpreter> _made = [];

    /// <summary>The engine that options ask for.</summary>
    /// <exception cref="HypervisorException">This runtime cannot make code while it runs.</exception>
    public Interpreter Of(RunOptions options)
    {
        if (!_made.TryGetValue(options.Engine, out Interpreter? engine))
            _made[options.Engine] = engine = EngineChoice.Create(options.Engine);
        return engine;
    }
}
