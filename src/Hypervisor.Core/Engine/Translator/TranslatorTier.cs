using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine.Interpreter;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// The second tier: turns hot guest code into host code, below the seam, so that it serves every mode. It holds no state of
/// guests; their translated code is with their code caches.
/// </summary>
internal sealed class TranslatorTier
{
    private readonly Lock _starting = new();
    private CompileQueue? _queue;
    private volatile RegionStore? _store;

    private TranslatorTier(TranslatorSettings settings) => Settings = settings;

    /// <summary>What was compiled for any guest. It comes with the first guest that has something to compile.</summary>
    public RegionStore Store
    {
        get
        {
            if (_store is { } store)
                return store;
            lock (_starting)
            {
                if (_store is { } started)
                    return started;
                store = new RegionStore(Settings);
                _queue = new CompileQueue(store);
                return _store = store;
            }
        }
    }

    public TranslatorSettings Settings { get; }

    /// <summary>Whether this runtime can compile code while it runs, and hand it out by address.</summary>
    public static bool IsSupported { get; } =
        MayBeSupported && RegionCompiler.IsSupported;

    /// <summary>What can be told of that without a trial, which takes longer than a small program runs.</summary>
    private static bool MayBeSupported
        => RuntimeFeature.IsDynamicCodeSupported && RuntimeFeature.IsDynamicCodeCompiled && BitConverter.IsLittleEndian && nint.Size == 8;

    /// <summary>The tier, or null where the runtime offers no means for it.</summary>
    public static TranslatorTier? TryCreate(TranslatorSettings? settings = null)
        => IsSupported ? new TranslatorTier(settings ?? new TranslatorSettings()) : null;

    /// <summary>As <see cref="TryCreate"/>, but the trial waits for the first code that is hot: where it fails, nothing is ever translated.</summary>
    public static TranslatorTier? TryCreateUntried(TranslatorSettings settings) => MayBeSupported ? new TranslatorTier(settings) : null;

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
        else if (wanted && (code.Retired >= Settings.GraceOf(code) || (_store is { IsEmpty: false } && code.Retired >= Settings.SampleInterval)) && IsSupported)
        {
            // What others had compiled is taken over before it would pay to compile.
            RegionStore store = Store;
            code.Regions = new RegionCache(code, _queue!, store, Settings, handlers);
        }
    }
}
