using Hypervisor.Core.Hart;

namespace Hypervisor.Core.Memory;

/// <summary>Where a walker finds page-table entries: plain RAM, RAM behind a second stage, RAM that is watched.</summary>
internal interface IPageTableMemory
{
    /// <summary>
    /// Reads the entry at a guest-physical address, a multiple of 8. Other than <see cref="TranslationStatus.Ok"/> ends the
    /// walk with that status.
    /// </summary>
    TranslationStatus TryRead(ulong address, out ulong entry);

    /// <summary>
    /// Replaces an entry just read, at once for all harts. <paramref name="swapped"/> is false where it is no longer what
    /// was read: the walker looks again.
    /// </summary>
    TranslationStatus TryReplace(ulong address, ulong expected, ulong entry, out bool swapped);
}

/// <summary>The rights under which a walk is made.</summary>
/// <param name="User">User mode.</param>
/// <param name="UserMemory">Supervisor mode may load and store user pages (SUM).</param>
/// <param name="ExecutableReadable">Executable pages may be read (MXR).</param>
/// <param name="MemoryTypes">Leaf entries may name a memory type (Svpbmt: menvcfg.PBMTE); otherwise its bits are reserved.</param>
/// <param name="SetsAccessedAndDirty">The hart sets A and D bits itself (Svadu: menvcfg.ADUE); otherwise it faults (Svade).</param>
internal readonly record struct WalkRights(
    bool User, bool UserMemory, bool ExecutableReadable, bool MemoryTypes = false, bool SetsAccessedAndDirty = false);

/// <summary>What a walk found.</summary>
internal struct WalkResult
{
    /// <summary>Guest-physical address of the byte asked for.</summary>
    public ulong GuestPhysical;

    /// <summary>The base-2 logarithm of the bytes that the entry maps.</summary>
    public int PageShift;

    /// <summary>The leaf entry, its A and D bits up to date.</summary>
    public ulong Entry;

    /// <summary>Loads may pass under the rights of the walk.</summary>
    public bool Readable;

    /// <summary>Stores may pass under the rights of the walk, and D is set already.</summary>
    public bool Writable;

    /// <summary>Fetches may pass under the rights of the walk.</summary>
    public bool Executable;
}

/// <summary>
/// The Sv39, Sv48 and Sv57 translation algorithm (privileged specification, section 12.3.2), with Svnapot, Svpbmt, Svade and
/// Svadu. All memory being coherent, a memory type has no effect beyond being legal or not.
/// </summary>
internal static class PageWalker
{
    public const ulong Valid = 1;
    public const ulong Read = 2;
    public const ulong Write = 4;
    public const ulong Execute = 8;
    public const ulong User = 16;
    public const ulong Accessed = 64;
    public const ulong Dirty = 128;

    private const ulong Napot = 1UL << 63;
    private const ulong Reserved = 0x7FUL << 54;
    private const ulong MemoryType = 3UL << 61;
    private const ulong PageNumberMask = (1UL << 44) - 1;

    /// <summary>satp.MODE of bare addresses.</summary>
    public static bool IsBare(ulong satp) => satp >> 60 == 0;

    /// <summary>Walks the tables of a satp whose mode is one of Sv39, Sv48 and Sv57.</summary>
    public static TranslationStatus Walk<TMemory>(
        ref TMemory memory, ulong satp, ulong address, AccessKind kind, WalkRights rights, out WalkResult result)
        where TMemory : struct, IPageTableMemory
    {
        result = default;
        int levels = (int)(satp >> 60) - 5;
        int bits = 12 + levels * 9;
        if ((ulong)((long)(address << (64 - bits)) >> (64 - bits)) != address)
            return TranslationStatus.PageFault;
        ulong table = (satp & PageNumberMask) << 12;
        for (int level = levels - 1; level >= 0; level--)
        {
            ulong slot = table + ((address >> (12 + level * 9)) & 511) * 8;
        again:
            TranslationStatus status = memory.TryRead(slot, out ulong entry);
            if (status != TranslationStatus.Ok)
                return status;
            if ((entry & Valid) == 0 || (entry & (Read | Write)) == Write || (entry & Reserved) != 0)
                return TranslationStatus.PageFault;
            if ((entry & (Read | Execute)) == 0)
            {
                if ((entry & (User | Accessed | Dirty | Napot | MemoryType)) != 0)
                    return TranslationStatus.PageFault;
                table = ((entry >> 10) & PageNumberMask) << 12;
                continue;
            }

            // Type 3 is reserved; without Svpbmt all but 0 are.
            ulong type = entry & MemoryType;
            if (type != 0 && (!rights.MemoryTypes || type == MemoryType))
                return TranslationStatus.PageFault;
            int shift = 12 + level * 9;
            ulong number = (entry >> 10) & PageNumberMask;
            if ((number & ((1UL << (level * 9)) - 1)) != 0)
                return TranslationStatus.PageFault;
            if ((entry & Napot) != 0)
            {
                if (level != 0 || (number & 15) != 8)
                    return TranslationStatus.PageFault;
                shift = 16;
                number &= ~15UL;
            }

            if (!Allowed(entry, kind, rights))
                return TranslationStatus.PageFault;
            ulong wanted = entry | Accessed | (kind == AccessKind.Store ? Dirty : 0);
            if (wanted != entry)
            {
                if (!rights.SetsAccessedAndDirty)
                    return TranslationStatus.PageFault;
                status = memory.TryReplace(slot, entry, wanted, out bool swapped);
                if (status != TranslationStatus.Ok)
                    return status;
                if (!swapped)
                    goto again;
            }

            result.GuestPhysical = (number << 12) | (address & ((1UL << shift) - 1));
            result.PageShift = shift;
            result.Entry = wanted;
            result.Readable = Allowed(wanted, AccessKind.Load, rights);
            result.Writable = (wanted & Dirty) != 0 && Allowed(wanted, AccessKind.Store, rights);
            result.Executable = Allowed(wanted, AccessKind.Fetch, rights);
            return TranslationStatus.Ok;
        }

        return TranslationStatus.PageFault;
    }

    private static bool Allowed(ulong entry, AccessKind kind, WalkRights rights)
    {
        bool user = (entry & User) != 0;
        if (rights.User ? !user : user && (kind == AccessKind.Fetch || !rights.UserMemory))
            return false;
        return kind switch
        {
            AccessKind.Fetch => (entry & Execute) != 0,
            AccessKind.Load => (entry & Read) != 0 || (rights.ExecutableReadable && (entry & Execute) != 0),
            _ => (entry & Write) != 0,
        };
    }

    /// <summary>The rights of an access from a TLB context, and whether it goes by satp at all.</summary>
    /// <returns>False where the address is physical: machine mode without MPRV.</returns>
    public static bool Translates(in PrivilegedState p, AccessKind kind, TlbContext context, out WalkRights rights, out PrivilegeMode mode)
    {
        bool executable = (p.Mstatus & MstatusBits.Mxr) != 0;
        mode = context switch
        {
            TlbContext.User => PrivilegeMode.User,
            TlbContext.Machine => PrivilegeMode.Machine,
            _ => PrivilegeMode.Supervisor,
        };
        bool userMemory = context == TlbContext.SupervisorUserMemory;
        if (mode == PrivilegeMode.Machine && kind != AccessKind.Fetch && (p.Mstatus & MstatusBits.Mprv) != 0)
        {
            mode = (PrivilegeMode)((p.Mstatus & MstatusBits.Mpp) >> MstatusBits.MppShift);
            userMemory = (p.Mstatus & MstatusBits.Sum) != 0;
        }

        rights = new WalkRights(mode == PrivilegeMode.User, userMemory, executable,
            (p.Menvcfg & CsrFile.EnvMemoryTypes) != 0, (p.Menvcfg & CsrFile.EnvSetsAccessedAndDirty) != 0);
        return mode != PrivilegeMode.Machine && !IsBare(p.Satp);
    }
}
