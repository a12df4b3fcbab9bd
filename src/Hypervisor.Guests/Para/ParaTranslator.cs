using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Para;

/// <summary>
/// A paravirtual guest's address space: its own tables, walked in one stage as satp says (Bare or Sv39), every frame checked
/// against RAM. Entries need A, and D for stores: a clear one faults, and the guest sets it.
/// </summary>
/// <remarks>
/// Invariant for the unsafe code: <c>state</c> is the calling hart's, and a host page comes only from
/// <see cref="GuestMemory.HostPage"/>, which checks its bounds.
/// </remarks>
internal sealed unsafe class ParaTranslator(GuestMemory memory) : AddressTranslator
{
    private const ulong User = 1 << 4;
    private const ulong Accessed = 1 << 6;
    private const ulong Dirty = 1 << 7;

    public override TranslationStatus Translate(
        HartState* state, ulong address, AccessKind kind, TlbContext context, out Translation translation)
    {
        translation = default;
        ulong satp = state->Privileged.Satp;
        if (satp >> 60 == 0)
            return Finish(address, kind, readable: true, writable: true, TranslationStatus.AccessFault, ref translation);
        if ((ulong)((long)address << 25 >> 25) != address)
            return TranslationStatus.PageFault;

        ulong table = (satp & 0xFFF_FFFF_FFFF) << 12;
        for (int level = 2; level >= 0; level--)
        {
            ulong index = (address >> (12 + (9 * level))) & 0x1FF;
            if (!memory.TryRead(table + (index * 8), out ulong entry))
                return TranslationStatus.AccessFault;
            if ((entry & Sv39.Valid) == 0 || (entry & Sv39.ReservedBits) != 0 || (entry & (Sv39.Read | Sv39.Write)) == Sv39.Write)
                return TranslationStatus.PageFault;
            if (Sv39.IsPointer(entry))
            {
                if ((entry & (User | Accessed | Dirty)) != 0)
                    return TranslationStatus.PageFault;
                table = Sv39.Address(entry);
                continue;
            }

            ulong offset = Sv39.LeafSize(level) - 1;
            bool readable = (entry & Sv39.Read) != 0
                || ((state->Privileged.Mstatus & MstatusBits.Mxr) != 0 && (entry & Sv39.Execute) != 0);
            bool writable = (entry & (Sv39.Write | Dirty)) == (Sv39.Write | Dirty);
            bool allowed = kind switch
            {
                AccessKind.Fetch => (entry & Sv39.Execute) != 0,
                AccessKind.Load => readable,
                _ => writable,
            };
            if (!allowed || !ReachesPrivilege(entry, kind, context) || (entry & Accessed) == 0 || (Sv39.Address(entry) & offset) != 0)
                return TranslationStatus.PageFault;
            translation.IsLarge = level > 0;
            return Finish(Sv39.Address(entry) | (address & offset), kind, readable, writable, TranslationStatus.PageFault, ref translation);
        }

        return TranslationStatus.PageFault;
    }

    private static bool ReachesPrivilege(ulong entry, AccessKind kind, TlbContext context)
    {
        bool isUserPage = (entry & User) != 0;
        return context switch
        {
            TlbContext.User => isUserPage,
            TlbContext.SupervisorUserMemory => !isUserPage || kind != AccessKind.Fetch,
            _ => !isUserPage,
        };
    }

    /// <summary>Ends a walk at a physical address; a store to a pinned page faults whatever maps it.</summary>
    private TranslationStatus Finish(
        ulong physical, AccessKind kind, bool readable, bool writable, TranslationStatus whenProtected, ref Translation translation)
    {
        translation.GuestPhysical = physical;
        translation.HostPage = memory.HostPage(physical);
        translation.Readable = readable;
        if (translation.HostPage != null && (memory.FlagsOf(memory.PageIndex(physical)) & PageFlag.Protected) != 0)
        {
            if (kind == AccessKind.Store)
                return whenProtected;
            writable = false;
        }

        translation.Writable = writable;
        return TranslationStatus.Ok;
    }
}
