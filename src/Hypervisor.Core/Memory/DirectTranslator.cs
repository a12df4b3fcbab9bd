using Hypervisor.Core.Hart;

namespace Hypervisor.Core.Memory;

/// <summary>
/// One-stage translation: the guest's own tables, and guest-physical addresses that are the machine's. Machine mode sees
/// physical addresses; what is not RAM is device space.
/// </summary>
/// <param name="memory">The machine's RAM.</param>
/// <param name="protection">Whether the hart's PMP registers guard physical memory. Off for harts without a machine mode.</param>
internal sealed unsafe class DirectTranslator(GuestMemory memory, bool protection = true) : AddressTranslator
{
    public override TranslationStatus Translate(
        HartState* state, ulong address, AccessKind kind, TlbContext context, out Translation translation)
    {
        translation = default;
        ref PrivilegedState p = ref state->Privileged;
        bool readable = true;
        bool writable = true;
        ulong physical = address;
        if (PageWalker.Translates(in p, kind, context, out WalkRights rights, out PrivilegeMode mode))
        {
            var tables = new RamPageTables(memory, protection ? &state->Privileged : null);
            TranslationStatus status = PageWalker.Walk(ref tables, p.Satp, address, kind, rights, out WalkResult walk);
            if (status != TranslationStatus.Ok)
                return status;
            physical = walk.GuestPhysical;
            readable = walk.Readable;
            writable = walk.Writable;
            translation.PageShift = (byte)walk.PageShift;
        }

        if (protection)
        {
            if (!Pmp.Allows(in p, physical, kind, mode))
                return TranslationStatus.AccessFault;
            readable = readable && Pmp.Allows(in p, physical, AccessKind.Load, mode);
            writable = writable && Pmp.Allows(in p, physical, AccessKind.Store, mode);
        }

        translation.GuestPhysical = physical;
        translation.HostPage = memory.HostPage(physical);
        translation.Readable = readable;
        translation.Writable = writable;
        if (!protection)
            translation.SpanSuperpage(memory, 0, ulong.MaxValue);
        else if (mode != PrivilegeMode.Machine)
            translation.SpanSuperpage(memory, p.PmpOpenStart, p.PmpOpenBytes);
        return TranslationStatus.Ok;
    }
}
