using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine.Interpreter;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// The second tier: turns hot guest code into host code, below the seam, so that it serves every mode. It holds no state of
/// guests; their translated code is with their code caches.
/// </summary>
internal sealed class TranslatorTier
{
    private readonly CompileQueue _queue = new();

    private TranslatorTier(TranslatorSettings settings) => Settings = settings;

    public TranslatorSettings Settings { get; }

    /// <summary>Whether this runtime can compile code while it runs, and hand it out by address.</summary>
    public static bool IsSupported { get; } =
        RuntimeFeature.IsDynamicCodeSupported && RuntimeFeature.IsDynamicCodeCompiled && BitConverter.IsLittleEndian
        && nint.Size == 8 && RegionCompiler.IsSupported;

    /// <summary>The tier, or null where the runtime offers no means for it.</summary>
    public static TranslatorTier? TryCreate(TranslatorSettings? settings = null)
        => IsSupported ? new TranslatorTier(settings ?? new TranslatorSettings()) : null;

    /// <summary>Gives a code cache its translated code. A debugger's breakpoints and counted accesses are the interpreter's alone.</summary>
    public void Attach(CodeCache code, HandlerTable handlers)
    {
        bool wanted = code.Breakpoints is null && !code.CountsAccesses;
        if (code.Regions is { } regions)
        {
            if (wanted)
            {
                regions.Poll();
                return;
            }

            regions.Dispose();
            code.Regions = null;
        }
        else if (wanted && code.Retired >= Settings.Grace)
        {
            code.Regions = new RegionCache(code, _queue, Settings, handlers);
        }
    }
}
