using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Para;

/// <summary>
/// A paravirtual guest's address space: its own tables, walked in one stage as satp says, every frame checked against RAM.
/// A store to a pinned page faults whatever maps it, and so does a fetch from a page shared with another machine, whose
/// stores no code cache here hears of.
/// </summary>
/// <remarks>Invariant for the unsafe code: <c>state</c> is the calling hart's, alive for the call.</remarks>
internal sealed unsafe class ParaTranslator(GuestMemory memory) : AddressTranslator
{
    private readonly DirectTranslator _tables = new(memory, protection: false);

    public override TranslationStatus Translate(
        HartState* state, ulong address, AccessKind kind, TlbContext context, out Translation translation)
    {
        TranslationStatus status = _tables.Translate(state, address, kind, context, out translation);
        if (status != TranslationStatus.Ok || translation.HostPage == null)
            return status;
        PageFlag flags = memory.FlagsOf(memory.PageIndex(translation.GuestPhysical));
        if (kind == AccessKind.Fetch && (flags & PageFlag.Shared) != 0)
            return TranslationStatus.AccessFault;
        if ((flags & PageFlag.Protected) == 0)
            return TranslationStatus.Ok;
        if (kind == AccessKind.Store)
            return PageWalker.IsBare(state->Privileged.Satp) ? TranslationStatus.AccessFault : TranslationStatus.PageFault;
        translation.Writable = false;
        return TranslationStatus.Ok;
    }
}
