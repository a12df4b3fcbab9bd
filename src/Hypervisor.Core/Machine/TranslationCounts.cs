using Hypervisor.Core.Engine;

namespace Hypervisor.Core.Machine;

/// <summary>What translating addresses took.</summary>
/// <param name="Refills">TLB entries made because an access found none.</param>
/// <param name="Uncached">Accesses done without a TLB entry: devices, misaligned ones, stores to pages that hold decoded code.</param>
/// <param name="Flushes">Times that all translations of a hart were dropped.</param>
internal readonly record struct TranslationCounts(long Refills, long Uncached, long Flushes)
{
    public static TranslationCounts Of(HartContext hart) => new(hart.TlbRefills, hart.UncachedAccesses, hart.TlbFlushes);

    public static TranslationCounts operator +(TranslationCounts a, TranslationCounts b) => new(a.Refills + b.Refills, a.Uncached + b.Uncached, a.Flushes + b.Flushes);
}
