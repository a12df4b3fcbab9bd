namespace Hypervisor.Core.Engine.Translator;

/// <summary>When code is translated. The defaults are for use; others are for tests and measurements.</summary>
internal sealed record TranslatorSettings
{
    /// <summary>Instructions between two looks at where the guest is.</summary>
    public long SampleInterval { get; init; } = 32_768;

    /// <summary>Looks that must find the same block before it is translated.</summary>
    public int HotSamples { get; init; } = 16;

    /// <summary>Whether code is translated on another thread, while the guest goes on; if not, at once.</summary>
    public bool Background { get; init; } = true;

    /// <summary>Whether every block is translated when it is first looked up, so that tests run translated code only.</summary>
    public bool Eager { get; init; }

    /// <summary>Guest instructions that a machine's translated code may hold for each host thread, before the oldest goes.</summary>
    public int Capacity { get; init; } = 200_000;

    /// <summary>Everything translated when first met, on the guest's own thread.</summary>
    public static TranslatorSettings Forced { get; } = new() { Eager = true, Background = false, HotSamples = 1 };
}
