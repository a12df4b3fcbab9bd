using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Para;

/// <summary>The address space of a stopped hart: every access leaves the engine.</summary>
/// <remarks>Invariant for the unsafe code: nothing is dereferenced.</remarks>
internal sealed unsafe class ParkedTranslator : AddressTranslator
{
    private ParkedTranslator()
    {
    }

    public static ParkedTranslator Instance { get; } = new();

    public override TranslationStatus Translate(
        HartState* state, ulong address, AccessKind kind, TlbContext context, out Translation translation)
    {
        translation = new Translation { ExitValue = address };
        return TranslationStatus.Exit;
    }
}
