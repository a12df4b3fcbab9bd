using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Native;
using Hypervisor.Core.Engine.Translator;

namespace Hypervisor.Tests.Support;

/// <summary>
/// The engine that tests run guests on. HV_ENGINE=forced translates every block when it is first met, so that the suite holds
/// translated code; HV_ENGINE=translator translates what is hot, as in use; HV_ENGINE=traces makes
/// host code of every trace at its first use; otherwise all is interpreted.
/// </summary>
internal static class TestEngine
{
    /// <summary>One for all tests under HV_ENGINE=forced, so that guests run code which others had compiled.</summary>
    private static readonly TranslatorTier? s_forced = TranslatorTier.TryCreate(TranslatorSettings.Forced);

    public static Interpreter Create(bool fuse = true) => Environment.GetEnvironmentVariable("HV_ENGINE") switch
    {
        "forced" => new Interpreter(fuse, s_forced),
        "translator" => new Interpreter(fuse, TranslatorTier.TryCreate(), TraceTier.TryCreate()),
        "traces" => Traced(fuse),
        _ => new Interpreter(fuse),
    };

    /// <summary>Every trace host code from its first use.</summary>
    public static Interpreter Traced(bool fuse = true) => new(fuse, traces: TraceTier.TryCreate(threshold: 1));

    /// <summary>Everything translated when first met.</summary>
    public static Interpreter Forced(bool fuse = true) => new(fuse, TranslatorTier.TryCreate(TranslatorSettings.Forced));
}
