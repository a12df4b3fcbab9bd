namespace Hypervisor.Core.Engine.Translator;

/// <summary>When code is translated. The defaults are for use; others are for tests and measurements.</summary>
internal sealed record TranslatorSettings
{
    /// <summary>Instructions between two looks at where the guest is.</summary>
    public long SampleInterval { get; init; } = 32_768;

    /// <summary>Looks that must find the same block before it is translated.</summary>
    public int HotSamples { get; init; } = 16;

    /// <summary>
    /// Instructions that a code cache runs before the first look. Looking, planning and emitting are code that the runtime must
    /// compile first: what that costs is lost on programs that end sooner.
    /// </summary>
    public long Grace { get; init; }

    /// <summary>
    /// The grace of a code cache: longer where traces are host code already, as what compiling wins is less, and longest where they do nearly all
    /// themselves. The first region costs a tenth of a second, for what the runtime loads and compiles to make it.
    /// </summary>
    public long GraceOf(CodeCache code) => code.Traces switch
    {
        null => Grace,
        { LeavesMuch: true } => 2 * Grace,
        _ => 6 * Grace,
    };

    /// <summary>Looks that must find the same block of a code cache, for the same reason.</summary>
    public int HotSamplesOf(CodeCache code) => code.Traces is null ? HotSamples : 4 * HotSamples;

    /// <summary>Whether code is translated on another thread, while the guest goes on; if not, at once.</summary>
    public bool Background { get; init; } = true;

    /// <summary>Whether every block is translated when it is first looked up, so that tests run translated code only.</summary>
    public bool Eager { get; init; }

    /// <summary>Guest instructions that a machine's translated code may hold for each host thread, before the oldest goes.</summary>
    public int Capacity { get; init; } = 200_000;

    /// <summary>Guest instructions that translated code may hold for all guests of an engine, before what was not taken into use for longest goes.</summary>
    public int SharedCapacity { get; init; } = 400_000;

    /// <summary>
    /// For guests of whom nothing is known: what translating costs is spent when interpreting has cost as much. Who ends before has
    /// lost nothing, and who goes on loses the same once more at most.
    /// </summary>
    public static TranslatorSettings Auto { get; } = new() { Grace = 300_000_000, HotSamples = 64 };

    /// <summary>Everything translated when first met, on the guest's own thread.</summary>
    public static TranslatorSettings Forced { get; } = new() { Eager = true, Background = false, HotSamples = 1 };
}
