using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Translator;

namespace Hypervisor.Tests.Support;

/// <summary>
/// The engine that tests run guests on. HV_ENGINE=forced translates every block when it is first met, so that the suite holds
/// translated code; HV_ENGINE=translator translates what is hot, as in use; otherwise all is interpreted.
/// </summary>
internal static class TestEngine
{
    public static Interpreter Create(bool fuse = true) => Environment.GetEnvironmentVariable("HV_ENGINE") switch
    {
        "forced" => Forced(fuse),
        "translator" => new Interpreter(fuse, TranslatorTier.TryCreate()),
        _ => new Interpreter(fuse),
    };

    /// <summary>Everything translated when first met.</summary>
    public static Interpreter Forced(bool fuse = true) => new(fuse, TranslatorTier.TryCreate(TranslatorSettings.Forced));
}
