using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Time;

namespace Hypervisor.Core.Engine;

/// <summary>
/// One hart as an engine sees it: its state, its TLBs, and what the mode decided for it. Owned by one vCPU and used by one
/// thread at a time; only <see cref="RequestAttention"/> and <see cref="SetInterruptPending"/> may be called from others.
/// </summary>
/// <remarks>
/// Invariant for the unsafe code: the state lies in memory that lives as long as this object, so that an interrupt
/// that comes after disposal, from a timer or an input thread, finds memory; the TLBs, which only guest code and its exits
/// touch, lie in pages given back at disposal; every TLB entry points into <see cref="Memory"/>, which outlives it.
/// </remarks>
internal sealed unsafe class HartContext : IDisposable
{
    private const int CacheLine = 64;
    private static readonly int s_stateBytes = (sizeof(HartState) + CacheLine - 1) & -CacheLine;

    private readonly StateMemory _stateMemory;
    private HostPages? _tlbPages;
    private readonly int _contexts;
    private readonly TlbSpace?[] _spaces;
    private TlbSpace _space;
    private long* _storesMade;
    private byte* _fetchTables;
    private long _switches;
    private long _lastSpin;
    private int _spins;
    private TlbContext? _forcedContext;
    private ulong _translationBits;

    /// <summary>Address spaces whose translations are kept at a time.</summary>
    private const int KeptSpaces = 8;

    private const ulong MachineKey = 1UL << 62;
    private const int SatpIdentifierShift = 44;
    private const ulong SatpIdentifierMask = 0xFFFF;

    /// <summary>Creates a hart with all registers zero, in user mode.</summary>
    /// <param name="memory">The machine's RAM.</param>
    /// <param name="translator">How its addresses translate.</param>
    /// <param name="controls">What leaves the engine.</param>
    /// <param name="singleContext">A hart that only ever runs user mode (a container task) needs one TLB context.</param>
    /// <param name="vectorBits">Length of its vector registers: 128, 256 or 512, or 0 for a hart without vectors.</param>
    public HartContext(GuestMemory memory, AddressTranslator translator, ExitControls controls, bool singleContext = false, int vectorBits = 0)
    {
        Memory = memory;
        Translator = translator;
        Controls = controls;
        _contexts = singleContext ? 1 : 4;

        // Where memory costs before it is touched, the spaces of harts with several contexts are fewer.
        _spaces = new TlbSpace?[singleContext ? 1 : HostPages.AreLazy ? KeptSpaces : 2];
        _spaces[0] = _space = new TlbSpace(0);
        _stateMemory = new StateMemory(s_stateBytes + 32 * vectorBits / 8);
        State = (HartState*)_stateMemory.Start;
        if (vectorBits != 0)
        {
            State->V = (byte*)State + s_stateBytes;
            State->Vlenb = vectorBits / 8;
            VectorUnit.Configure(State, VectorUnit.Illegal, 0);
            State->VectorDirty = 0;
        }

        State->VectorSelect = VectorUnit.Off;
        State->ReservationAddress = HartState.NoReservation;
        State->Privileged.Stimecmp = ulong.MaxValue;
        State->Limit = Interpreter.BlockBuilder.MaxInstructions;
        _space.FetchNumber = memory.Code.NextFetchNumber();
        SetFetchEpoch();
    }

    public HartState* State { get; }

    /// <summary>An integer register, while the hart is not in guest code.</summary>
    public ulong Register(int number) => State->X[number & 31];

    /// <summary>The counters that counter CSRs are made of, while the hart is not in guest code.</summary>
    public CsrCounters Counters => new(State->UsedBefore, (ulong)Nanoseconds(0) / NanosecondsPerTick, State->UsedBefore - State->TrapsTaken);

    /// <summary>Seeds the entropy source behind the seed CSR with what the machine was given and the hart's number.</summary>
    public void SeedEntropy(ReadOnlySpan<byte> seed, int hart) => Entropy.Seed(State, seed, (ulong)hart);

    /// <summary>Memory accesses met by counting code.</summary>
    public ulong CountedAccesses => State->CountedAccesses;

    /// <summary>The engine that ran it last, whose addresses are in its state.</summary>
    public IExecutionEngine? Engine { get; set; }

    /// <summary>Address of the next instruction, while the hart is not in guest code.</summary>
    public ulong Pc => State->Pc;

    public GuestMemory Memory { get; }

    public AddressTranslator Translator { get; set; }

    /// <summary>The code cache of the run in progress, or of the last one.</summary>
    public CodeCache? Code { get; set; }

    public ExitControls Controls;

    /// <summary>Who makes environment calls that the controls send out before they leave; null for nobody.</summary>
    public CallHandler? Calls { get; set; }

    /// <summary>Device space, reached without an exit where the controls say so; null where the hart has none.</summary>
    public IPhysicalBus? Bus { get; set; }

    /// <summary>All TLB contexts; none before guest code first runs.</summary>
    public TlbEntry* Tlbs { get; private set; }

    /// <summary>Whether the context in force must be computed anew before guest code runs (mode or status bits changed).</summary>
    public bool ContextStale { get; set; } = true;

    /// <summary>
    /// The address context to run in whatever the hart's mode says: a deprivileged guest kernel runs in user mode but in its
    /// virtual mode's context. Null to follow the mode.
    /// </summary>
    public TlbContext? ForcedContext
    {
        get => _forcedContext;
        set
        {
            _forcedContext = value;
            ContextStale = true;
        }
    }

    /// <summary>TLB entries made because an access found none.</summary>
    public long TlbRefills => State->TlbRefills;

    /// <summary>Accesses done without a TLB entry: devices, misaligned ones, stores to pages that hold decoded code.</summary>
    public long UncachedAccesses { get; set; }

    /// <summary>Times that all translations were dropped.</summary>
    public long TlbFlushes { get; private set; }

    /// <summary>An access made a TLB entry.</summary>
    public void CountRefill() => State->TlbRefills++;

    /// <summary>Another hart ordered a FENCE.I of this one: code decoded while a store to it was in flight is dropped at the next entry.</summary>
    public bool InstructionFencePending { get; set; }

    /// <summary>While a debugger steps: no interrupt is taken, as no step is to end in a handler that has nothing to do with it.</summary>
    public bool HoldsInterrupts { get; set; }

    /// <summary>What a debugger watches; null for nothing. Changed only together with <see cref="FlushTlb()"/>.</summary>
    public WatchList? Watches { get; set; }

    /// <summary>The address context in force.</summary>
    public TlbContext Context { get; private set; }

    /// <summary>
    /// Notes that a cached translation came from a page of some size. One range that covers all superpages is kept: dropping
    /// a page inside it drops everything, because the superpage's other parts may be cached too.
    /// </summary>
    public void NotePageSize(ulong address, byte shift)
    {
        if (shift <= 12)
            return;
        ulong start = address >> shift << shift;
        _space.LargeStart = Math.Min(_space.LargeStart, start);
        _space.LargeLast = Math.Max(_space.LargeLast, start + ((1UL << shift) - 1));
    }

    /// <summary>Number of the fetch translations in force: what was found under it, jump caches among them, holds while it stands.</summary>
    public ulong FetchNumber => _space.FetchNumber;

    /// <summary>Guest time when the slice began, in nanoseconds. The host loop sets it before each slice.</summary>
    public long TimeAtEntry { get; set; }

    /// <summary>
    /// Budget units used in the slice before the current run, and those that calls made within the run took: they are no instructions
    /// that retired, and so not among those of the run.
    /// </summary>
    public long UsedInSlice { get; set; }

    /// <summary>Virtual time per retired instruction in picoseconds; 0 under a real clock.</summary>
    public long PicosecondsPerInstruction { get; set; }

    /// <summary>The clock that guest time follows in mid-run under a real clock; null in virtual time.</summary>
    public IClock? RealClock { get; set; }

    /// <summary>
    /// Called when the guest changes its own timer (stimecmp) with the new deadline in nanoseconds, so that the host loop
    /// can arm it. Null where nobody keeps time for the hart.
    /// </summary>
    public Action<long>? TimerChanged { get; set; }

    /// <summary>Nanoseconds in one tick of the guest's time CSR: a 10 MHz timebase, as QEMU's virt board has.</summary>
    public const long NanosecondsPerTick = 100;

    /// <summary>Guest time after <paramref name="retiredInRun"/> instructions of the current run.</summary>
    public long Nanoseconds(long retiredInRun)
        => RealClock is { } clock ? clock.NowNanoseconds : TimeAtEntry + VirtualNanoseconds(UsedInSlice + retiredInRun);

    /// <summary>The virtual time that instructions take. On the path of every exit, so that only long runs are reckoned in two parts.</summary>
    public long VirtualNanoseconds(long retired)
    {
        // The rate is at most 10^9, so the product of anything shorter fits.
        const long longRun = 1L << 33;
        return retired < longRun
            ? retired * PicosecondsPerInstruction / 1000
            : retired / 1000 * PicosecondsPerInstruction + retired % 1000 * PicosecondsPerInstruction / 1000;
    }

    /// <summary>Guest time at the instruction in progress, as far as the engine has told: exact at exits and device accesses.</summary>
    public long NowInRun => Nanoseconds(ProgressInRun);

    /// <summary>Budget units used in the run in progress, told by the engine before it calls out.</summary>
    public long ProgressInRun { get; set; }

    /// <summary>Instructions completed, up to the last exit: environment calls and others that trap are not among them (section 3.3.1).</summary>
    public long InstructionsRetired => (long)(State->UsedBefore - State->TrapsTaken);

    /// <summary>Budget units used in all runs, those of the run in progress included as far as the engine has told.</summary>
    public long UsedSoFar => (long)State->UsedBefore + ProgressInRun;

    /// <summary>
    /// A hint that the hart waits was executed, where <see cref="ProgressInRun"/> says; whether so many came one soon after another that
    /// what it waits for may need the physical CPU. By instructions and not by time, so that runs repeat.
    /// </summary>
    public bool NoteSpin()
    {
        const long apart = 64;
        const int enough = 64;
        long now = UsedSoFar;
        _spins = now - _lastSpin <= apart ? _spins + 1 : 1;
        _lastSpin = now;
        if (_spins < enough)
            return false;
        _spins = 0;
        return true;
    }

    /// <summary>Tells the host loop when the guest's supervisor timer is due.</summary>
    public void ReportTimer()
    {
        ulong deadline = CsrFile.TimerDeadline(in State->Privileged);
        TimerChanged?.Invoke(deadline > (ulong)(long.MaxValue / NanosecondsPerTick) ? long.MaxValue : (long)deadline * NanosecondsPerTick);
    }

    /// <summary>Makes the engine return at the next block edge. Any thread.</summary>
    public void RequestAttention() => Volatile.Write(ref State->Limit, long.MaxValue);

    /// <summary>Sets or clears bits of mip and, where set, asks for attention. Any thread.</summary>
    public void SetInterruptPending(ulong mask, bool pending)
    {
        if (!pending)
        {
            Interlocked.And(ref State->Privileged.Mip, ~mask);
            return;
        }

        ulong before = Interlocked.Or(ref State->Privileged.Mip, mask);
        if ((before & mask) != mask)
            RequestAttention();
    }

    /// <summary>Takes note of a request for attention, so that the next one is seen as new; whether there was one.</summary>
    public bool ConsumeAttention()
    {
        bool any = Volatile.Read(ref State->Limit) != Interpreter.BlockBuilder.MaxInstructions;
        if (any)
        {
            Volatile.Write(ref State->Limit, Interpreter.BlockBuilder.MaxInstructions);
            Interlocked.MemoryBarrier();
        }

        return any;
    }

    /// <summary>Puts the context of the hart's mode and status bits in force.</summary>
    public void UpdateContext()
    {
        ContextStale = false;
        ref PrivilegedState p = ref State->Privileged;
        TlbContext context = _forcedContext ?? p.Mode switch
        {
            PrivilegeMode.User => TlbContext.User,
            PrivilegeMode.Supervisor => (p.Mstatus & MstatusBits.Sum) != 0 ? TlbContext.SupervisorUserMemory : TlbContext.Supervisor,
            _ => TlbContext.Machine,
        };

        // What the cached translations of a context depend on beside the context itself.
        ulong bits = p.Mstatus & MstatusBits.Mxr;
        if ((p.Mstatus & MstatusBits.Mprv) != 0)
            bits |= p.Mstatus & (MstatusBits.Mprv | MstatusBits.Mpp | MstatusBits.Sum);
        if (bits != _translationBits)
        {
            _translationBits = bits;
            FlushTlb();
        }

        Context = context;
        if (_contexts == 1)
            context = TlbContext.User;
        if (_tlbPages is null)
            AllocateTlbs();
        State->Tlb = TlbOf(_space, (int)context);
        State->StoresMade = _storesMade + _space.Index * _contexts + (int)context;
        State->Filled = _space.Filled;
        int bit = 1 << (int)context;
        _space.UsedContexts |= bit;
        if ((_space.ClearedContexts & bit) == 0)
        {
            // At its first use, so that a hart which sleeps touches no memory for it.
            _space.ClearedContexts |= bit;
            AlignedMemory.SetOnes(State->Tlb, Tlb.EntriesPerContext * sizeof(TlbEntry));
        }

        State->KeyBits = Context switch
        {
            TlbContext.User => 1,
            TlbContext.Machine => MachineKey,
            _ => 0,
        };
        SetFetchEpoch();
    }

    /// <summary>The guest-physical page that code at an address was last fetched from, in the context in force.</summary>
    public bool TryFetchPage(ulong pc, out ulong physicalPage)
    {
        FetchEntry* entry = FetchEntry.For(State, pc);
        physicalPage = entry->Physical;
        return entry->Page == (pc & ~0xFFFUL) && entry->Epoch == State->FetchEpoch;
    }

    /// <summary>Remembers where code at an address is fetched from.</summary>
    public void NoteFetchPage(ulong pc, ulong physicalPage)
    {
        _space.NoteFetched(pc);
        *FetchEntry.For(State, pc) = new FetchEntry { Page = pc & ~0xFFFUL, Physical = physicalPage, Epoch = State->FetchEpoch };
    }

    /// <summary>
    /// A translation made since the last flush, which the TLB has no entry for any more: larger than it and behind it, so that
    /// tables are walked once for a page.
    /// </summary>
    public bool TryRecall(ulong address, AccessKind kind, out Translation translation)
    {
        if (TlbRuns.TryFind((TlbEntry*)State->Tlb, address, kind, out translation))
        {
            if (Watches is null)
                Note(address, kind, in translation);
            return true;
        }

        PageEntry* entry = PageEntry.For(State->PageEntries, address, kind);
        ulong physical = entry->Page & ~PageEntry.Flags;
        if (entry->Key != PageEntry.KeyOf(address, kind) || entry->Stamp != State->PageStamp
            || (kind == AccessKind.Store && (Memory.FlagsOf(Memory.PageIndex(physical)) & PageFlag.Protected) != 0))
        {
            translation = default;
            return false;
        }

        translation = new Translation
        {
            GuestPhysical = physical | (address & 0xFFF),
            HostPage = Memory.HostPage(physical),
            Readable = (entry->Page & PageEntry.IsReadable) != 0,
            Writable = (entry->Page & PageEntry.IsWritable) != 0,
        };
        return true;
    }

    /// <summary>Remembers a translation to RAM until it is flushed or its place is needed.</summary>
    public void Remember(ulong address, AccessKind kind, in Translation translation)
    {
        if (translation.HostPage == null || Watches is not null)
            return;
        if (kind == AccessKind.Store)
            NoteStoreFill();
        TlbRuns.TryMake(Memory, (TlbEntry*)State->Tlb, address, kind, in translation);
        Note(address, kind, in translation);
    }

    /// <summary>Notes a translation for when the TLB has no entry for it any more. For a store the right to do it is not among what is noted.</summary>
    private void Note(ulong address, AccessKind kind, in Translation translation) => *PageEntry.For(State->PageEntries, address, kind) = new PageEntry
    {
        Key = PageEntry.KeyOf(address, kind),
        Stamp = State->PageStamp,
        Page = (translation.GuestPhysical & ~0xFFFUL) | (translation.Readable ? PageEntry.IsReadable : 0) | (translation.Writable ? PageEntry.IsWritable : 0),
    };

    /// <summary>Number under which what is found out about stores to a page holds; read before it is found out.</summary>
    public ulong StoreNumber => Volatile.Read(ref *State->StoreNumber);

    /// <summary>
    /// The page of an address had neither code nor protection and was marked as stored to: while a number stands that was read before,
    /// its entry for stores may be made again without a look.
    /// </summary>
    public void AllowStores(ulong address, ulong number)
    {
        PageEntry* entry = PageEntry.For(State->PageEntries, address, AccessKind.Store);
        if (entry->Key == PageEntry.KeyOf(address, AccessKind.Store) && entry->Stamp == State->PageStamp)
            entry->StoreNumber = number;
    }

    /// <summary>Notes that an entry is being made, for the next flush.</summary>
    public void NoteFill(TlbEntry* entry)
    {
        nint* filled = State->Filled;
        if (filled[0] < TlbSpace.MostFilled)
            filled[1 + filled[0]] = (nint)entry;
        filled[0]++;
    }

    /// <summary>Notes that an entry for stores is being made in the context in force: before it is, for <see cref="CodeTracker"/>.</summary>
    public void NoteStoreFill() => Volatile.Write(ref *State->StoresMade, 1);

    /// <summary>
    /// Puts another address space in force: what is left keeps its translations under its number, and finds them again when it
    /// comes back, until they are dropped or their place is needed. Whoever changes tables of a space that is not in force
    /// says so by a fence, as the architecture asks (privileged specification, section 12.1.11).
    /// </summary>
    /// <param name="from">The value of satp, or what stands for it, under which the translations so far were made.</param>
    /// <param name="to">The value from now on.</param>
    public void SwitchSpace(ulong from, ulong to)
    {
        if (_spaces.Length == 1)
        {
            FlushTlb();
            return;
        }

        ContextStale = true;
        State->ReservationAddress = HartState.NoReservation;
        _space.Satp = from;
        _space.IsKept = true;
        _space.LastUse = ++_switches;
        TlbSpace? next = null;
        for (int i = 0; i < _spaces.Length; i++)
        {
            TlbSpace? space = _spaces[i];
            if (space is { IsKept: true } && space.Satp == to)
            {
                next = space;
                break;
            }

            // Best one that holds nothing, then a new one, then that which was not used for longest.
            if (next is null || (next.IsKept && (space is not { IsKept: true } || space.LastUse < next.LastUse)))
                next = space ?? GiveFilled(_spaces[i] = new TlbSpace(i))!;
        }

        _space = next!;
        if (!_space.IsKept || _space.Satp != to)
            Drop(_space);
        if (Tlbs != null)
            State->FetchTable = FetchTableOf(_space);
        SetFetchEpoch();
    }

    /// <summary>Drops all translations, of all address spaces.</summary>
    public void FlushTlb()
    {
        TlbFlushes++;
        foreach (TlbSpace? space in _spaces)
        {
            // Those not in force are emptied when their place is wanted.
            if (space is not null)
                space.IsKept = false;
        }

        Drop(_space);
        State->ReservationAddress = HartState.NoReservation;
    }

    /// <summary>Drops the translations of the address spaces with an identifier.</summary>
    /// <param name="identifier">The identifier (ASID).</param>
    /// <param name="satp">The value of satp in force.</param>
    public void FlushTlb(ulong identifier, ulong satp)
    {
        TlbFlushes++;
        foreach (TlbSpace? space in _spaces)
        {
            if (space is null || !HasIdentifier(space, identifier, satp))
                continue;
            if (space == _space)
                Drop(space);
            else
                space.IsKept = false;
        }

        State->ReservationAddress = HartState.NoReservation;
    }

    /// <summary>Drops the translations of one page in every context of every address space, or of those with an identifier.</summary>
    /// <param name="address">An address in the page.</param>
    /// <param name="identifier">The identifier (ASID), or null for all.</param>
    /// <param name="satp">The value of satp in force, with an identifier.</param>
    public void FlushTlbPage(ulong address, ulong? identifier = null, ulong satp = 0)
    {
        if (_tlbPages is null)
            return;
        State->ReservationAddress = HartState.NoReservation;
        foreach (AccessKind kind in (ReadOnlySpan<AccessKind>)[AccessKind.Load, AccessKind.Store])
            PageEntry.For(State->PageEntries, address, kind)->Key = 0;
        foreach (TlbSpace? space in _spaces)
        {
            if (space is null || (space != _space && !space.IsKept) || (identifier is { } number && !HasIdentifier(space, number, satp)))
                continue;
            if (address < space.LargeStart || address > space.LargeLast)
            {
                DropPage(space, address);
            }
            else if (space == _space)
            {
                TlbFlushes++;
                Drop(space);
            }
            else
            {
                space.IsKept = false;
            }
        }
    }

    public void Dispose()
    {
        if (_tlbPages is null)
            return;
        Memory.Code.UnregisterTlb(Tlbs);
        _tlbPages.Dispose();
    }

    private TlbEntry* TlbOf(TlbSpace space, int context) => Tlb.Context(Tlbs, space.Index * _contexts + context);

    private byte* FetchTableOf(TlbSpace space) => _fetchTables + space.Index * FetchEntry.Count * sizeof(FetchEntry);

    private bool HasIdentifier(TlbSpace space, ulong identifier, ulong satp)
        => (((space == _space ? satp : space.Satp) >> SatpIdentifierShift) & SatpIdentifierMask) == (identifier & SatpIdentifierMask);

    /// <summary>At the first use, as they take longer to get than all else of a guest that may never run.</summary>
    private void AllocateTlbs()
    {
        // The small words lie beside the end of the TLBs, in a page that is touched in any case.
        int contexts = _spaces.Length * _contexts;
        int words = (1 + contexts + _spaces.Length * (1 + TlbSpace.MostFilled)) * sizeof(long);
        int fetchTables = (contexts * Tlb.ContextBytes + words + CacheLine - 1) & -CacheLine;
        int pages = fetchTables + _spaces.Length * FetchEntry.Count * sizeof(FetchEntry);
        _tlbPages = HostPages.Allocate((nuint)(pages + PageEntry.Count * sizeof(PageEntry)));
        Tlbs = (TlbEntry*)_tlbPages.Base;
        State->StoreNumber = (ulong*)Tlb.Context(Tlbs, contexts);
        *State->StoreNumber = 1;
        _storesMade = (long*)State->StoreNumber + 1;
        _fetchTables = _tlbPages.Base + fetchTables;
        State->FetchTable = FetchTableOf(_space);
        State->PageEntries = _tlbPages.Base + pages;
        State->RamOffset = (nint)Memory.HostPage(Memory.Region.Base) - (nint)Memory.Region.Base;
        foreach (TlbSpace? space in _spaces)
            GiveFilled(space);
        Memory.Code.RegisterTlb(Tlbs, contexts, _storesMade, State->StoreNumber);
    }

    /// <summary>Drops the translations of an address space.</summary>
    private void Drop(TlbSpace space)
    {
        nint fills = space.Filled == null ? 0 : space.Filled[0];
        for (int i = 1; i <= fills && fills <= TlbSpace.MostFilled; i++)
            ((TlbEntry*)space.Filled[i])->Tag = Tlb.Invalid;
        for (int context = 0; context < _contexts; context++)
        {
            if ((space.UsedContexts & 1 << context) == 0)
                continue;
            if (fills > TlbSpace.MostFilled)
                Tlb.Clear(TlbOf(space, context), Tlb.EntriesPerContext);
            Tlb.DropWindows(TlbOf(space, context));
            _storesMade[space.Index * _contexts + context] = 0;
        }

        if (fills != 0)
            space.Filled[0] = 0;
        space.UsedContexts = space != _space || ContextStale ? 0 : 1 << (_contexts == 1 ? 0 : (int)Context);
        space.LargeStart = ulong.MaxValue;
        space.LargeLast = 0;
        DropFetches(space);
    }

    private void DropPage(TlbSpace space, ulong address)
    {
        ulong tag = address & ~0xFFFUL;
        for (int context = 0; context < _contexts; context++)
        {
            if ((space.UsedContexts & 1 << context) == 0)
                continue;
            TlbEntry* tlb = TlbOf(space, context);
            if (Tlb.LoadEntry(tlb, address)->Tag == tag)
                Tlb.LoadEntry(tlb, address)->Tag = Tlb.Invalid;
            if (Tlb.StoreEntry(tlb, address)->Tag == tag)
                Tlb.StoreEntry(tlb, address)->Tag = Tlb.Invalid;
            Tlb.DropWindowsAt(tlb, tag);
        }

        if (space.MayHaveFetched(address))
            DropFetches(space);
    }

    private void DropFetches(TlbSpace space)
    {
        space.FetchNumber = Memory.Code.NextFetchNumber();
        space.ForgetFetched();
        if (space == _space)
            SetFetchEpoch();
    }

    /// <summary>A space has its list of entries with the TLBs.</summary>
    private TlbSpace? GiveFilled(TlbSpace? space)
    {
        if (space is not null && _tlbPages is not null)
            space.Filled = (nint*)(_storesMade + _spaces.Length * _contexts) + space.Index * (1 + TlbSpace.MostFilled);
        return space;
    }

    /// <summary>
    /// Contexts have numbers of their own, so that changes between them invalidate nothing; zero is never one. What a remembered translation depends on
    /// beside its page is hart, flushes so far, and context.
    /// </summary>
    private void SetFetchEpoch()
    {
        State->FetchEpoch = _space.FetchNumber << 2 | State->KeyBits >> 61 | (State->KeyBits & 1);
        State->PageStamp = State->FetchEpoch << 2 | (uint)Context;
    }
}

/// <summary>
/// Zeroed memory on cache lines of its own, until nobody refers to it. Not a pinned array: those lie among what is old, and
/// collecting that took most of the time of making small guests.
/// </summary>
internal sealed unsafe class StateMemory(int bytes)
{
    ~StateMemory() => AlignedMemory.Free(Start);

    public void* Start { get; } = Allocate(bytes);

    private static void* Allocate(int bytes)
    {
        void* start = AlignedMemory.Allocate((nuint)bytes);
        NativeMemory.Clear(start, (nuint)bytes);
        return start;
    }
}

/// <summary>Where a page of code is fetched from.</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal unsafe struct FetchEntry
{
    /// <summary>Virtual address of the page.</summary>
    public ulong Page;

    /// <summary>Guest-physical address of the page.</summary>
    public ulong Physical;

    /// <summary>The <see cref="HartState.FetchEpoch"/> under which this holds.</summary>
    public ulong Epoch;

    public const int Count = 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FetchEntry* For(HartState* s, ulong pc) => (FetchEntry*)s->FetchTable + ((uint)(pc >> 12) & (Count - 1));
}

/// <summary>A translation behind the TLB.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PageEntry
{
    /// <summary>Virtual address of the page, and what kind of access was translated.</summary>
    public ulong Key;

    /// <summary>The <see cref="HartState.PageStamp"/> under which it holds.</summary>
    public ulong Stamp;

    /// <summary>Guest-physical address of the page, in RAM, and what it lets pass.</summary>
    public ulong Page;

    /// <summary>The number under which stores to it need no look at the page's flags; 0 where they always do.</summary>
    public ulong StoreNumber;

    public const ulong IsReadable = 1;
    public const ulong IsWritable = 2;
    public const ulong Flags = IsReadable | IsWritable;

    /// <summary>Pages that it holds: one entry for loads and one behind it for stores each.</summary>
    public const int Pages = 4096;

    public const int Count = 2 * Pages;

    public static ulong KeyOf(ulong address, AccessKind kind) => (address & ~0xFFFUL) | (uint)kind;

    /// <summary>The place of a page: what lies far apart, as stack and code, does not fall on the same.</summary>
    public static PageEntry* For(void* entries, ulong address, AccessKind kind)
        => (PageEntry*)entries + ((((uint)(address >> 12) ^ (uint)(address >> 22)) & (Pages - 1)) * 2 + (kind == AccessKind.Store ? 1u : 0u));
}
