using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Full;

/// <summary>
/// The shadow page tables of one deprivileged hart: the only translations it runs on. One space for each of the guest's satp
/// values it used lately, and one for its machine mode. Filled from the guest's own tables when an access finds nothing,
/// dropped by the guest's fences.
/// </summary>
/// <remarks>Invariant for the unsafe code: host pages come from <see cref="GuestMemory.HostPage"/>, which checks bounds.</remarks>
internal sealed unsafe class ShadowTables
{
    private const int MaximumSpaces = 16;
    private const ulong ReadBit = 1UL << (int)AccessKind.Load;
    private const ulong WriteBit = 1UL << (int)AccessKind.Store;
    private const ulong ExecuteBit = 1UL << (int)AccessKind.Fetch;

    private readonly GuestMemory _memory;
    private readonly List<ShadowSpace> _spaces = [];
    private readonly ShadowSpace _machine = new();
    private ShadowSpace _current;
    private long _clock;

    /// <summary>Entries made.</summary>
    public long Fills { get; private set; }

    /// <summary>Misses that the guest's own tables, or its PMP, refused too.</summary>
    public long Refusals { get; private set; }

    /// <summary>The satp whose space is in force.</summary>
    public ulong Satp => _current.Satp;

    /// <summary>Writes of satp.</summary>
    public long Switches => _clock;

    /// <summary>Spaces dropped because others were used later.</summary>
    public long Evictions { get; private set; }

    /// <summary>Fences for everything.</summary>
    public long FullFences { get; private set; }

    /// <summary>Fences for one page.</summary>
    public long PageFences { get; private set; }

    public ShadowTables(GuestMemory memory)
    {
        _memory = memory;
        _current = new ShadowSpace();
        _spaces.Add(_current);
    }

    /// <summary>The entry for an address in a context, or a null reference.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref ShadowEntry Find(ulong address, TlbContext context)
        => ref (context == TlbContext.Machine ? _machine : _current).Find(address, context);

    /// <summary>
    /// Makes an entry from what the guest's tables say now. Other than <see cref="TranslationStatus.Ok"/> is a fault of the
    /// guest's own.
    /// </summary>
    public TranslationStatus Fill(ref PrivilegedState p, ulong address, AccessKind kind, TlbContext context)
    {
        ulong rights = ReadBit | WriteBit | ExecuteBit;
        ulong physical = address;
        int shift = 12;
        if (PageWalker.Translates(in p, kind, context, out WalkRights walkRights, out PrivilegeMode mode))
        {
            fixed (PrivilegedState* protection = &p)
            {
                var tables = new RamPageTables(_memory, protection);
                TranslationStatus status = PageWalker.Walk(ref tables, p.Satp, address, kind, walkRights, out WalkResult walk);
                if (status != TranslationStatus.Ok)
                {
                    Refusals++;
                    return status;
                }

                physical = walk.GuestPhysical;
                shift = walk.PageShift;
                rights = (walk.Readable ? ReadBit : 0) | (walk.Writable ? WriteBit : 0) | (walk.Executable ? ExecuteBit : 0);
            }
        }

        if (!Pmp.Allows(in p, physical, kind, mode))
        {
            Refusals++;
            return TranslationStatus.AccessFault;
        }

        // Under MPRV machine mode fetches by other rules than it loads and stores: an entry then serves its own kind only.
        if (context == TlbContext.Machine && (p.Mstatus & MstatusBits.Mprv) != 0)
            rights &= kind == AccessKind.Fetch ? ExecuteBit : ReadBit | WriteBit;
        rights &= Allowed(in p, physical, mode);
        ShadowSpace space = context == TlbContext.Machine ? _machine : _current;
        Fills++;
        space.Fill(address, context, (physical & ~0xFFFUL) | rights, (nint)_memory.HostPage(physical), shift);
        return TranslationStatus.Ok;
    }

    /// <summary>Puts the space of a satp in force, remembered or new.</summary>
    public void Switch(ulong satp)
    {
        _clock++;
        foreach (ShadowSpace space in _spaces)
        {
            if (space.Satp == satp)
            {
                _current = space;
                space.LastUse = _clock;
                return;
            }
        }

        ShadowSpace chosen;
        if (_spaces.Count < MaximumSpaces)
        {
            chosen = new ShadowSpace();
            _spaces.Add(chosen);
        }
        else
        {
            chosen = _spaces[0];
            foreach (ShadowSpace space in _spaces)
            {
                if (space.LastUse < chosen.LastUse)
                    chosen = space;
            }

            chosen.DropAll();
            Evictions++;
        }

        chosen.Satp = satp;
        chosen.LastUse = _clock;
        _current = chosen;
    }

    /// <summary>
    /// A fence of the guest: for one address or all, in one address-space number or all. True where more than the page of the
    /// address went.
    /// </summary>
    public bool Fence(ulong? address, ulong? asid)
    {
        bool all = false;
        if (address is null)
            FullFences++;
        else
            PageFences++;
        foreach (ShadowSpace space in _spaces)
        {
            if (asid is { } number && ((space.Satp >> 44) & 0xFFFF) != (number & 0xFFFF))
                continue;
            all |= Drop(space, address);
        }

        if (asid is null)
            all |= Drop(_machine, address);
        return all;
    }

    /// <summary>Drops machine mode's entries, which depend on MPRV and MPP.</summary>
    public void DropMachine() => _machine.DropAll();

    private static bool Drop(ShadowSpace space, ulong? address)
    {
        if (address is { } page)
            return space.DropPage(page);
        space.DropAll();
        return true;
    }

    private static ulong Allowed(in PrivilegedState p, ulong physical, PrivilegeMode mode)
        => (Pmp.Allows(in p, physical, AccessKind.Load, mode) ? ReadBit : 0)
            | (Pmp.Allows(in p, physical, AccessKind.Store, mode) ? WriteBit : 0)
            | (Pmp.Allows(in p, physical, AccessKind.Fetch, mode) ? ExecuteBit : 0);
}

/// <summary>Translates by shadow entries alone; where there is none, the access leaves the engine.</summary>
internal sealed unsafe class ShadowTranslator(ShadowTables shadows) : AddressTranslator
{
    public override TranslationStatus Translate(
        HartState* state, ulong address, AccessKind kind, TlbContext context, out Translation translation)
    {
        translation = default;
        ref ShadowEntry entry = ref shadows.Find(address, context);
        if (Unsafe.IsNullRef(ref entry) || !entry.Allows(kind))
        {
            translation.ExitValue = address;
            return TranslationStatus.Exit;
        }

        translation.GuestPhysical = (entry.Page & ~0xFFFUL) | (address & 0xFFF);
        translation.HostPage = (byte*)entry.Host;
        translation.Readable = entry.Allows(AccessKind.Load);
        translation.Writable = entry.Allows(AccessKind.Store);
        return TranslationStatus.Ok;
    }
}
