using Hypervisor.Core;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Translator;

namespace Hypervisor.Host.Run;

/// <summary>The engines by their names on the command line.</summary>
internal static class EngineChoice
{
    public const string Auto = "auto";
    public const string InterpreterAlone = "interpreter";
    public const string Translator = "translator";

    /// <summary>The names; the first is the default.</summary>
    public static IReadOnlyList<string> Names { get; } = [Auto, InterpreterAlone, Translator];

    /// <summary>Creates an engine by its name.</summary>
    /// <exception cref="HypervisorException">This runtime cannot make code while it runs.</exception>
    public static Interpreter Create(string name) => name switch
    {
        Translator => new Interpreter(tier: TranslatorTier.TryCreate() ?? throw new HypervisorException(
            "This runtime cannot compile code while it runs, so there is no translator; choose --engine interpreter or auto.")),
        InterpreterAlone => new Interpreter(),
        _ => new Interpreter(tier: TranslatorTier.TryCreate(TranslatorSettings.Auto)),
    };
}
