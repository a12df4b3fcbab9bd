using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Assisted;

/// <summary>
/// Two-dimensional translation, as a CPU with a hypervisor extension makes it: the guest's own tables give a guest-physical
/// address, the second stage a host page, and every read of a table goes by the second stage too.
/// </summary>
internal sealed unsafe class TwoStageTranslator(GuestMemory memory, SecondStage stage) : AddressTranslator
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
            ulong missing = 0;
            var tables = new StagedPageTables(memory, stage, &state->Privileged, &missing);
            TranslationStatus status = PageWalker.Walk(ref tables, p.Satp, address, kind, rights, out WalkResult walk);
            translation.ExitValue = missing;
            if (status != TranslationStatus.Ok)
                return status;
            physical = walk.GuestPhysical;
            readable = walk.Readable;
            writable = walk.Writable;
            translation.PageShift = (byte)walk.PageShift;
        }

        if (!Pmp.Allows(in p, physical, kind, mode))
            return TranslationStatus.AccessFault;
        translation.GuestPhysical = physical;
        translation.Readable = readable && Pmp.Allows(in p, physical, AccessKind.Load, mode);
        translation.Writable = writable && Pmp.Allows(in p, physical, AccessKind.Store, mode);
        if (!stage.Covers(physical))
            return TranslationStatus.Ok;
        translation.ExitValue = physical;
        return stage.TryMap(physical, kind, out translation.HostPage);
    }

    /// <summary>The guest's tables, each read and write of which passes the second stage.</summary>
    private readonly struct StagedPageTables(GuestMemory memory, SecondStage stage, PrivilegedState* p, ulong* missing) : IPageTableMemory
    {
        public TranslationStatus TryRead(ulong address, out ulong entry)
        {
            TranslationStatus status = TryMap(address, AccessKind.Load, out byte* page);
            entry = status == TranslationStatus.Ok ? Volatile.Read(ref *(ulong*)(page + (address & 0xFF8))) : 0;
            return status;
        }

        public TranslationStatus TryReplace(ulong address, ulong expected, ulong entry, out bool swapped)
        {
            TranslationStatus status = TryMap(address, AccessKind.Store, out byte* page);
            swapped = status == TranslationStatus.Ok && PageTableWrites.Replace(memory, page, address, expected, entry);
            return status;
        }

        private TranslationStatus TryMap(ulong address, AccessKind kind, out byte* page)
        {
            page = null;
            if (!stage.Covers(address) || !Pmp.Allows(in *p, address, kind, PrivilegeMode.Supervisor))
                return TranslationStatus.AccessFault;
            *missing = address;
            return stage.TryMap(address, kind, out page);
        }
    }
}
