using Hypervisor.Core.Hart;

namespace Hypervisor.Core.Memory;

/// <summary>Virtual addresses are guest-physical ones, and all of RAM may be read, written and executed: the plainest embedding.</summary>
internal sealed unsafe class FlatTranslator : AddressTranslator
{
    private readonly GuestMemory _memory;

    public FlatTranslator(GuestMemory memory) => _memory = memory;

    public override TranslationStatus Translate(HartState* state, ulong address, AccessKind kind, TlbContext context, out Translation translation)
    {
        byte* page = _memory.HostPage(address);
        translation = new Translation { GuestPhysical = address, HostPage = page, Readable = true, Writable = true };
        MemoryRegion ram = _memory.Region;
        ulong offset = (address - ram.Base) & ~(ulong)(GuestMemory.PageSize - 1);
        translation.Before = offset;
        translation.Behind = ram.Size - GuestMemory.PageSize - offset;
        return page == null ? TranslationStatus.AccessFault : TranslationStatus.Ok;
    }
}
