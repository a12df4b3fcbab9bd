namespace Hypervisor.Core.Memory;

/// <summary>Hears that code it may have cached has changed.</summary>
internal interface ICodeObserver
{
    /// <summary>The page was written where code was cached. Called on the writer's thread, at a point where the writer runs no guest code.</summary>
    void CodePageWritten(int page);
}

/// <summary>
/// Keeps cached code true to memory. A page that holds cached code never has a store entry in any TLB, so that every store
/// to it comes by the slow path, which tells the observers (the code caches) if it hits bytes that were decoded.
/// </summary>
/// <remarks>
/// Decoding and TLB fills race on machines with several host threads: a filler publishes its entry and then looks at the
/// flag again; the decoder sets the flag and then clears entries. One of the two always sees the other.
/// </remarks>
internal sealed unsafe class CodeTracker
{
    private readonly GuestMemory _memory;
    private readonly Lock _lock = new();
    private readonly Dictionary<int, ulong> _chunks = [];
    private readonly List<ICodeObserver> _observers = [];
    private TlbOfHart[] _tlbs = new TlbOfHart[2];
    private int _tlbCount;
    private ulong _fetchNumber;

    public CodeTracker(GuestMemory memory) => _memory = memory;

    public void Register(ICodeObserver observer)
    {
        lock (_lock)
            _observers.Add(observer);
    }

    public void Unregister(ICodeObserver observer)
    {
        lock (_lock)
            _observers.Remove(observer);
    }

    /// <summary>Takes note of a hart's TLB.</summary>
    /// <param name="tlb">Its contexts.</param>
    /// <param name="contexts">How many they are.</param>
    /// <param name="storesMade">A word for each, not 0 from before it has an entry for stores: others need not be looked through.</param>
    /// <param name="storeNumber">Number under which the hart makes such entries anew without a look at the page's flags.</param>
    public void RegisterTlb(TlbEntry* tlb, int contexts, long* storesMade, ulong* storeNumber)
    {
        lock (_lock)
        {
            if (_tlbCount == _tlbs.Length)
                Array.Resize(ref _tlbs, 2 * _tlbCount);
            _tlbs[_tlbCount++] = new TlbOfHart((nint)tlb, contexts, (nint)storesMade, (nint)storeNumber);
        }
    }

    /// <summary>A number for the fetch translations that a hart makes until it drops them: no hart of the memory gets it again.</summary>
    public ulong NextFetchNumber() => Interlocked.Increment(ref _fetchNumber);

    public void UnregisterTlb(TlbEntry* tlb)
    {
        lock (_lock)
        {
            for (int i = _tlbCount - 1; i >= 0; i--)
            {
                if (_tlbs[i].Tlb == (nint)tlb)
                    _tlbs[i] = _tlbs[--_tlbCount];
            }
        }
    }

    /// <summary>
    /// Notes that bytes of a page were decoded. True where another TLB had let stores to it pass: what was just decoded may
    /// be overtaken by a store in flight, and the cache must decode it again at the next fence.i.
    /// </summary>
    public bool MarkCode(int page, int offset, int length)
    {
        ulong mask = ChunkMask(offset, length);
        lock (_lock)
        {
            _chunks.TryGetValue(page, out ulong old);
            if ((old | mask) == old && (_memory.FlagsOf(page) & PageFlag.Code) != 0)
                return false;
            _chunks[page] = old | mask;
            PageFlag before = _memory.ChangeFlags(page, PageFlag.Code, PageFlag.WriteMapped);
            Interlocked.MemoryBarrier();
            return (before & PageFlag.WriteMapped) != 0 && DropStoreEntries(page);
        }
    }

    /// <summary>A store by the slow path to a page that holds code: tells the observers if it hits decoded bytes.</summary>
    /// <returns>Whether cached code was dropped.</returns>
    public bool Store(int page, int offset, int length)
    {
        lock (_lock)
        {
            if (!_chunks.TryGetValue(page, out ulong chunks) || (chunks & ChunkMask(offset, length)) == 0)
                return false;
            Drop(page);
            return true;
        }
    }

    /// <summary>The host wrote to a page that holds code.</summary>
    public void PageWritten(int page)
    {
        lock (_lock)
            Drop(page);
    }

    /// <summary>
    /// Makes a page read-only to the guest, or gives it back: a protected page has no store entry in any TLB, and
    /// translators grant it none.
    /// </summary>
    public void SetProtected(int page, bool isProtected)
    {
        lock (_lock)
        {
            PageFlag before = isProtected
                ? _memory.ChangeFlags(page, PageFlag.Protected, PageFlag.WriteMapped)
                : _memory.ChangeFlags(page, PageFlag.None, PageFlag.Protected);
            Interlocked.MemoryBarrier();
            if (isProtected && (before & PageFlag.WriteMapped) != 0)
                DropStoreEntries(page);
        }
    }

    private static ulong ChunkMask(int offset, int length)
    {
        int first = offset >> 6;
        int last = Math.Min((offset + length - 1) >> 6, 63);
        return (ulong.MaxValue << first) & (ulong.MaxValue >> (63 - last));
    }

    private void Drop(int page)
    {
        _chunks.Remove(page);
        _memory.ChangeFlags(page, PageFlag.None, PageFlag.Code);
        foreach (ICodeObserver observer in _observers)
            observer.CodePageWritten(page);
    }

    private bool DropStoreEntries(int page)
    {
        bool any = false;
        var host = (nint)_memory.HostPage(_memory.Region.Base + ((ulong)page << 12));

        // First the number, which whoever makes an entry by it looks at once more behind that; each of these is a barrier.
        foreach (TlbOfHart tlb in _tlbs.AsSpan(0, _tlbCount))
            Interlocked.Increment(ref *(ulong*)tlb.StoreNumber);
        foreach ((nint start, int contexts, nint made, _) in _tlbs.AsSpan(0, _tlbCount))
        {
            for (int context = 0; context < contexts; context++)
            {
                if (Volatile.Read(ref ((long*)made)[context]) == 0)
                    continue;
                TlbEntry* stores = Tlb.Context((TlbEntry*)start, context) + Tlb.Entries;
                for (int i = 0; i < Tlb.Entries; i++)
                {
                    if (stores[i].Tag != Tlb.Invalid && (nint)stores[i].Tag + stores[i].Addend == host)
                    {
                        Volatile.Write(ref stores[i].Tag, Tlb.Invalid);
                        any = true;
                    }
                }

                any |= Tlb.DropRunsOn(Tlb.Context((TlbEntry*)start, context), host);
            }
        }

        // Windows are made from entries and runs, which are looked at once more when they are made: behind those they go too.
        Interlocked.MemoryBarrier();
        foreach ((nint start, int contexts, nint made, _) in _tlbs.AsSpan(0, _tlbCount))
        {
            for (int context = 0; context < contexts; context++)
            {
                if (Volatile.Read(ref ((long*)made)[context]) != 0)
                    any |= Tlb.DropWindowsOn(Tlb.Context((TlbEntry*)start, context), host);
            }
        }

        return any;
    }

    /// <summary>A hart's TLB: its contexts, how many they are, the words that tell of entries for stores, and the number that these hold under.</summary>
    private readonly record struct TlbOfHart(nint Tlb, int Contexts, nint StoresMade, nint StoreNumber);
}
