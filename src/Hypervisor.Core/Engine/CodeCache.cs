using System.Runtime.InteropServices;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine;

/// <summary>
/// Decoded code of one machine, for one host thread: an arena of blocks, found by virtual and physical address, and the jump
/// cache of the hart that runs. Blocks of changed pages are unhooked at once; the arena is cleared when it is full.
/// </summary>
/// <remarks>
/// Invariant for the unsafe code: ops stay readable until the next <see cref="Clear"/>, which happens only while no handler
/// runs; a dropped block's first op leads to the dispatcher, and its other ops may still be finished.
/// </remarks>
internal sealed unsafe class CodeCache : ICodeObserver, IDisposable
{
    private const int FirstChunkBytes = 64 << 10;
    private const int ChunkBytes = 1 << 20;
    private const int MostInBlock = 16 << 10;
    private const int ScratchBytes = 16 << 10;

    private readonly GuestMemory _memory;
    private readonly Lock _lock = new();
    private readonly List<nint> _chunks = new(capacity: 1);
    private readonly Dictionary<int, List<nint>> _pages = [];
    private readonly List<int> _written = [];
    private readonly HashSet<int> _unsettled = [];
    private byte* _scratch;
    private Slot[] _slots = new Slot[64];
    private int _count;
    private int _chunk = -1;
    private int _used;
    private bool _anyWritten;

    private struct Slot
    {
        public ulong Pc;
        public ulong Physical;
        public nint Op;
    }

    public CodeCache(GuestMemory memory)
    {
        _memory = memory;
        memory.Code.Register(this);
    }

    ~CodeCache() => Release();

    /// <summary>Where the blocks of jumps' targets are found.</summary>
    public JumpCaches Jumps { get; } = new();

    /// <summary>Whether pages with blocks were written since the last <see cref="Settle"/>.</summary>
    public bool IsUnsettled => Volatile.Read(ref _anyWritten);

    /// <summary>Room for one block that nobody finds again: a single step.</summary>
    public byte* Scratch
    {
        get
        {
            if (_scratch == null)
                _scratch = (byte*)AlignedMemory.Allocate(ScratchBytes);
            return _scratch;
        }
    }

    /// <summary>The decoder's buffers, which belong to the cache's thread.</summary>
    public BlockBuilder? Builder { get; set; }

    /// <summary>Bytes of arena in use at most, before everything is dropped and decoded anew.</summary>
    public long Capacity { get; set; } = 64L << 20;

    /// <summary>Translated code; null where nothing is translated.</summary>
    public Translator.RegionCache? Regions { get; set; }

    /// <summary>Host code of traces; null where none is made.</summary>
    public Native.TraceCode? Traces { get; set; }

    /// <summary>Whether code is decoded so that it counts its memory accesses: slower, and used for samples only.</summary>
    public bool CountsAccesses { get; init; }

    /// <summary>Virtual addresses at which a debugger wants to stop; null for none. Changed only together with <see cref="Clear"/>.</summary>
    public IReadOnlySet<ulong>? Breakpoints { get; set; }

    /// <summary>Instructions retired.</summary>
    public long Retired { get; set; }

    /// <summary>Blocks decoded so far, for reports.</summary>
    public long BlocksBuilt { get; set; }

    /// <summary>The first op of the block at an address, or null.</summary>
    public Op* Find(ulong pc, ulong physical)
    {
        for (uint i = Hash(pc, physical); ; i++)
        {
            ref Slot slot = ref _slots[i & (uint)(_slots.Length - 1)];
            if (slot.Op == 0)
                return null;
            if (slot.Pc == pc && slot.Physical == physical && slot.Op != -1)
                return (Op*)slot.Op;
        }
    }

    /// <summary>Whether an allocation of so many bytes would pass the capacity, so that the cache must be cleared first.</summary>
    public bool IsFull => (FirstChunkBytes + (long)_chunk * ChunkBytes >= Capacity && _used > SizeOf(_chunk) - MostInBlock) || Traces is { IsFull: true };

    /// <summary>Room for a block: at most 16 KiB.</summary>
    public byte* Allocate(int bytes)
    {
        bytes = (bytes + 15) & ~15;
        if (_used + bytes > SizeOf(_chunk))
        {
            _chunk++;
            _used = 0;
            if (_chunk == _chunks.Count)
                _chunks.Add((nint)AlignedMemory.Allocate((nuint)SizeOf(_chunk)));
        }

        byte* start = (byte*)_chunks[_chunk] + _used;
        _used += bytes;
        return start;
    }

    /// <summary>Bytes of a chunk: the first is small, as many guests need no other. None before the first.</summary>
    private static int SizeOf(int chunk) => chunk switch
    {
        < 0 => 0,
        0 => FirstChunkBytes,
        _ => ChunkBytes,
    };

    /// <summary>Makes a block findable and notes the bytes it was decoded from.</summary>
    /// <param name="header">The block.</param>
    /// <param name="lowest">Offset in the page of the first decoded byte.</param>
    /// <param name="highest">Offset in the page after the last decoded byte; may pass its end where the block straddles.</param>
    /// <param name="secondPage">Physical address of the page an instruction runs into, or 0.</param>
    public void Add(BlockHeader* header, int lowest, int highest, ulong secondPage)
    {
        BlocksBuilt++;
        int page = _memory.PageIndex(header->PhysicalPc);
        Note(page, header, lowest, Math.Min(highest, GuestMemory.PageSize) - lowest);
        if (secondPage != 0)
            Note(_memory.PageIndex(secondPage), header, 0, 2);
        if (_count * 2 >= _slots.Length)
            Grow();
        Insert(header->Pc, header->PhysicalPc, (nint)BlockHeader.FirstOp(header));
    }

    /// <summary>A page with decoded code was written. On another thread than this cache's, it is acted on at the next fence or entry.</summary>
    public void CodePageWritten(int page)
    {
        lock (_lock)
        {
            _written.Add(page);
            Volatile.Write(ref _anyWritten, true);
        }
    }

    /// <summary>Unhooks the blocks of pages written since. Only while no handler of this cache runs.</summary>
    /// <param name="stale">The handler that leads a dropped block's entry back to the dispatcher.</param>
    /// <param name="fence">Also drop what may have been decoded while a store to it was in flight.</param>
    /// <returns>Whether any page's blocks were unhooked.</returns>
    public bool Settle(nint stale, bool fence)
    {
        bool any = false;
        if (fence && _unsettled.Count != 0)
        {
            any = true;
            foreach (int page in _unsettled)
                DropPage(page, stale);
            _unsettled.Clear();
        }

        if (!Volatile.Read(ref _anyWritten))
            return any;
        lock (_lock)
        {
            foreach (int page in _written)
                DropPage(page, stale);
            _written.Clear();
            _anyWritten = false;
        }

        return true;
    }

    /// <summary>The number of the page that holds an address in RAM.</summary>
    public int PageIndex(ulong physical) => _memory.PageIndex(physical);

    /// <summary>Notes that bytes of a page were decoded for translated code.</summary>
    public void NoteTranslated(int page, int offset, int length)
    {
        if (_memory.Code.MarkCode(page, offset, length))
            _unsettled.Add(page);
    }

    /// <summary>Has the blocks of a page decoded anew, because translated code begins within them. Only while no handler of this cache runs.</summary>
    public void Redecode(int page, nint stale)
    {
        if (!_pages.Remove(page, out List<nint>? blocks))
            return;
        Jumps.Clear();
        foreach (nint block in blocks)
            Unhook((BlockHeader*)block, stale);
    }

    /// <summary>Unhooks one block, which is not what its address holds any more. Only while no handler of this cache runs.</summary>
    public void Forget(Op* first, nint stale) => Unhook(BlockHeader.Of(first), stale);

    /// <summary>Drops everything. Only while no handler of this cache runs.</summary>
    public void Clear()
    {
        Regions?.Clear();
        Traces?.Clear();
        Array.Clear(_slots);
        _count = 0;
        _pages.Clear();
        _unsettled.Clear();
        _chunk = -1;
        _used = 0;
        Jumps.Clear();
    }

    public void Dispose()
    {
        _memory.Code.Unregister(this);
        Regions?.Dispose();
        Traces?.Dispose();
        Jumps.Dispose();
        Release();
        GC.SuppressFinalize(this);
    }

    private void Release()
    {
        foreach (nint chunk in _chunks)
            AlignedMemory.Free((void*)chunk);
        _chunks.Clear();
        AlignedMemory.Free(_scratch);
    }

    private void Note(int page, BlockHeader* header, int offset, int length)
    {
        if (!_pages.TryGetValue(page, out List<nint>? blocks))
            _pages[page] = blocks = new List<nint>(capacity: 4);
        blocks.Add((nint)header);
        if (_memory.Code.MarkCode(page, offset, length))
            _unsettled.Add(page);
    }

    private void DropPage(int page, nint stale)
    {
        Regions?.DropPage(page);
        Redecode(page, stale);
    }

    private void Unhook(BlockHeader* header, nint stale)
    {
        Op* first = BlockHeader.FirstOp(header);
        first->Handler = stale;
        header->Original = 0;
        Remove(header->Pc, header->PhysicalPc, (nint)first);
    }

    private static uint Hash(ulong pc, ulong physical)
        => (uint)((((pc >> 1) ^ (physical * 0x9E3779B97F4A7C15)) * 0xD6E8FEB86659FD93) >> 32);

    private void Insert(ulong pc, ulong physical, nint op)
    {
        for (uint i = Hash(pc, physical); ; i++)
        {
            ref Slot slot = ref _slots[i & (uint)(_slots.Length - 1)];
            if (slot.Op == 0)
            {
                slot = new Slot { Pc = pc, Physical = physical, Op = op };
                _count++;
                return;
            }
        }
    }

    private void Remove(ulong pc, ulong physical, nint op)
    {
        for (uint i = Hash(pc, physical); ; i++)
        {
            ref Slot slot = ref _slots[i & (uint)(_slots.Length - 1)];
            if (slot.Op == 0)
                return;
            if (slot.Op == op)
            {
                slot.Op = -1; // A tombstone: searches go on past it; Grow drops it.
                return;
            }
        }
    }

    private void Grow()
    {
        Slot[] old = _slots;
        int live = 0;
        foreach (Slot slot in old)
            live += slot.Op is not (0 or -1) ? 1 : 0;
        _slots = new Slot[live * 4 > old.Length ? old.Length * 2 : old.Length];
        _count = 0;
        foreach (Slot slot in old)
        {
            if (slot.Op is not (0 or -1))
                Insert(slot.Pc, slot.Physical, slot.Op);
        }
    }
}
