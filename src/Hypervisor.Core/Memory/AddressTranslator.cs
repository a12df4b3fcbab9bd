using Hypervisor.Core.Hart;

namespace Hypervisor.Core.Memory;

/// <summary>The address contexts whose translations may differ; each has a TLB of its own, so that none is flushed on a switch.</summary>
internal enum TlbContext : byte
{
    /// <summary>User mode. The only context of a container task.</summary>
    User = 0,

    /// <summary>Supervisor mode with SUM clear.</summary>
    Supervisor = 1,

    /// <summary>Supervisor mode with SUM set: user pages are reachable too.</summary>
    SupervisorUserMemory = 2,

    /// <summary>Machine mode (bare addresses, or those of MPP under MPRV).</summary>
    Machine = 3,
}

/// <summary>How a translation ended.</summary>
internal enum TranslationStatus : byte
{
    /// <summary>The address maps to a page of RAM or, with a null host pointer, to device space.</summary>
    Ok,

    /// <summary>The guest's own tables refuse it: page-fault cause of the access kind.</summary>
    PageFault,

    /// <summary>Physical memory attributes refuse it: access-fault cause of the access kind.</summary>
    AccessFault,

    /// <summary>The hypervisor must act (fill a shadow entry, populate second-stage memory): the instruction is restarted after.</summary>
    Exit,
}

/// <summary>The answer of an <see cref="AddressTranslator"/> for one page.</summary>
internal unsafe struct Translation
{
    private const int SmallestSuperpage = 21;

    /// <summary>Guest-physical address of the accessed byte.</summary>
    public ulong GuestPhysical;

    /// <summary>Host address of the page that holds it, or null where it is not RAM.</summary>
    public byte* HostPage;

    /// <summary>Whether later stores to the page may go through the TLB (writable, dirty already recorded).</summary>
    public bool Writable;

    /// <summary>Whether later loads from the page may go through the TLB.</summary>
    public bool Readable;

    /// <summary>Size of the page in the guest's tables, as a power of two; 0 or 12 where it is no larger than 4 KiB.</summary>
    public byte PageShift;

    /// <summary>Bytes right before the page whose addresses translate to what lies right before it in RAM, with the same rights.</summary>
    public ulong Before;

    /// <summary>Bytes right behind the page whose addresses translate to what lies right behind it in RAM, with the same rights.</summary>
    public ulong Behind;

    /// <summary>With <see cref="TranslationStatus.Exit"/>: the address to report, as the guest-physical or virtual address the personality wants.</summary>
    public ulong ExitValue;

    /// <summary>Notes that what lies around in the same superpage translates likewise, as far as it is RAM and in an open range.</summary>
    /// <remarks>
    /// Not for NAPOT pages (Svnapot): they are 16 entries, and where a guest made them differ each page means what its own entry
    /// says, in every mode.
    /// </remarks>
    /// <param name="memory">The machine's RAM.</param>
    /// <param name="openStart">Guest-physical start of a range in which all accesses are allowed.</param>
    /// <param name="openBytes">Its size.</param>
    public void SpanSuperpage(GuestMemory memory, ulong openStart, ulong openBytes)
    {
        ulong page = GuestPhysical & ~(ulong)(GuestMemory.PageSize - 1);
        if (PageShift < SmallestSuperpage || HostPage == null || page - openStart >= openBytes)
            return;
        ulong first = Math.Max(Math.Max(page >> PageShift << PageShift, memory.Region.Base), openStart);
        ulong last = Math.Min(Math.Min(page | ((1UL << PageShift) - 1), memory.Region.Base + (memory.Region.Size - 1)), openStart + (openBytes - 1));
        Before = page - first;
        Behind = last - page & ~(ulong)(GuestMemory.PageSize - 1);
    }
}

/// <summary>
/// Translates guest-virtual addresses on a TLB miss. One kind per personality: this is where modes differ in how addresses
/// translate, and it is off the per-instruction path.
/// </summary>
internal abstract unsafe class AddressTranslator
{
    /// <summary>Translates one address.</summary>
    /// <param name="state">The hart, for its satp, status bits and mode.</param>
    /// <param name="address">The virtual address.</param>
    /// <param name="kind">The access.</param>
    /// <param name="context">The TLB context in force, which tells the effective privilege.</param>
    /// <param name="translation">The page, on success; <see cref="Translation.ExitValue"/> on an exit.</param>
    public abstract TranslationStatus Translate(
        HartState* state, ulong address, AccessKind kind, TlbContext context, out Translation translation);
}
