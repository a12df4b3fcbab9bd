using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Translated code of one code cache: which blocks are hot, which regions there are and where they are entered. A region
/// stands in the place of an interpreter block's first handler, so that code which is not hot pays nothing for it.
/// </summary>
/// <remarks>
/// Code that another guest had compiled is taken over when a block of it is first met. Everything but <see cref="Post"/> is called by the
/// cache's own thread while no handler runs. Invariant for the unsafe code:
/// a block's <see cref="BlockHeader.Original"/> is not 0 exactly while its first handler is a live region's.
/// </remarks>
internal sealed unsafe class RegionCache : IDisposable
{
    /// <summary>A page whose translated code was dropped so often is left to the interpreter: it holds data, or code that keeps changing.</summary>
    private const int MostDrops = 4;

    private const int MostCounters = 8192;


    private readonly CodeCache _code;
    private readonly CompileQueue _queue;
    private readonly RegionStore _store;
    private readonly nint _stale;
    private readonly Dictionary<(ulong Pc, ulong Physical), int> _hits = [];
    private readonly Dictionary<(ulong Pc, ulong Physical), (Region Region, int Entry)> _blocks = [];
    private readonly Dictionary<int, List<Region>> _byPage = [];
    private readonly Dictionary<int, int> _drops = [];

    /// <summary>Blocks that had better be left to their traces: no loops, or loops that were left too soon each time; by page.</summary>
    private readonly Dictionary<int, HashSet<(ulong Pc, ulong Physical)>> _left = [];
    private readonly List<Region> _regions = [];
    private readonly RegionCode[] _found = new RegionCode[RegionStore.MostForAddress];
    private readonly List<RegionPlan> _pending = [];
    private readonly ConcurrentQueue<(RegionCode Code, RegionPlan Plan)> _finished = new();
    private readonly HashSet<ulong> _ungrouped = [];
    private readonly HashSet<ulong> _scattered = [];
    private volatile bool _anyFinished;
    private int _instructions;
    private long _looks;

    public RegionCache(CodeCache code, CompileQueue queue, RegionStore store, TranslatorSettings settings, HandlerTable handlers)
    {
        _code = code;
        _queue = queue;
        _store = store;
        Handlers = handlers;
        _stale = handlers.Stale;
        Settings = settings;
        UntilSample = settings.SampleInterval;
    }

    public TranslatorSettings Settings { get; }

    /// <summary>The interpreter's handlers.</summary>
    public HandlerTable Handlers { get; }

    /// <summary>Instructions until the next look.</summary>
    public long UntilSample { get; set; }

    /// <summary>What was left of the budget when its last part was granted.</summary>
    public long Granted { get; set; }

    /// <summary>Regions in use.</summary>
    public int Count => _regions.Count;

    /// <summary>Regions taken into use so far, for reports.</summary>
    public long Made { get; private set; }

    /// <summary>Those of them that others had compiled.</summary>
    public long Adopted { get; private set; }

    /// <summary>Regions planned anew for what their jumps lead to, for reports.</summary>
    public long Widened { get; private set; }

    /// <summary>Whether a region is entered at an address.</summary>
    public bool IsEntry(ulong pc, ulong physical) => _blocks.TryGetValue((pc, physical), out (Region, int Entry) block) && block.Entry >= 0;

    /// <summary>Whether a block of a region begins at an address.</summary>
    public bool IsBlock(ulong pc, ulong physical) => _blocks.ContainsKey((pc, physical));

    /// <summary>Whether the page's code changes too often to be translated.</summary>
    public bool IsUnstable(ulong physical) => _drops.Count != 0 && _drops.GetValueOrDefault(_code.PageIndex(physical)) >= MostDrops;

    /// <summary>Addresses of accesses that were seen to change pages all the time: a set that stays as it is.</summary>
    public IReadOnlySet<ulong> Scattered { get; private set; } = new HashSet<ulong>();

    /// <summary>Where indirect jumps were seen to lead.</summary>
    public JumpTargets Targets { get; } = new();

    /// <summary>Whether accesses of the region at an address are looked up one by one.</summary>
    public bool IsUngrouped(ulong pc) => _ungrouped.Contains(pc);

    /// <summary>A block was decoded: where a region is entered at its address, it leads into the region.</summary>
    public void Enter(BlockHeader* header)
    {
        if (_blocks.Count == 0 || !_blocks.TryGetValue((header->Pc, header->PhysicalPc), out (Region Region, int Entry) block) || block.Entry < 0)
            return;
        Op* first = BlockHeader.FirstOp(header);
        header->Original = first->Handler;
        header->RegionEntry = (byte)block.Entry;
        header->Cell = block.Region.Cell;
        first->Handler = block.Region.Code.Handler;
    }

    /// <summary>Takes over what another guest had compiled for an address, where memory here holds the same. True where it did.</summary>
    public bool Adopt(HartContext hart, ulong pc, ulong physical)
    {
        if (_store.IsEmpty || IsEntry(pc, physical) || IsLeft((pc, physical)))
            return false;
        int count = _store.Find(pc, _found);
        bool adopted = false;

        // Better one that is entered here; else one that will soon be entered, as what goes around meets its loops and functions.
        for (int i = count - 1; i >= 0 && !adopted; i--)
            adopted = _found[i].IsEntry(pc) && TryAdopt(hart, _found[i], pc, physical);
        for (int i = count - 1; i >= 0 && !adopted && !IsBlock(pc, physical); i--)
            adopted = !_found[i].IsEntry(pc) && TryAdopt(hart, _found[i], pc, physical);
        Array.Clear(_found, 0, count);
        return adopted;
    }

    private bool TryAdopt(HartContext hart, RegionCode code, ulong pc, ulong physical)
    {
        if ((code.GroupsAccesses && IsUngrouped(code.Pc)) || code.Windows.HasAny(Scattered))
            return false;
        Span<ulong> pages = stackalloc ulong[code.Pages.Count];
        for (int i = 0; i < pages.Length; i++)
        {
            // Only pages that the hart has fetched from lately: others are not looked up, which a guest could see.
            if (code.Pages[i] == (pc & ~0xFFFUL))
                pages[i] = physical & ~0xFFFUL;
            else if (!hart.TryFetchPage(code.Pages[i], out pages[i]))
                return false;
            if (IsUnstable(pages[i]))
                return false;
        }

        if (!code.Matches(hart.Memory, pages))
            return false;
        NoteTranslated(code.Blocks, pages);
        Adopted++;
        Install(new Region(code, pages));
        return true;
    }

    /// <summary>The guest was found at a block: translates it, if it was there often enough.</summary>
    public void Sample(HartContext hart, Op* op)
    {
        Poll();
        Examine(hart);
        BlockHeader* header = BlockHeader.Of(op);
        if (op->Index != 0 || header->Unlinkable != 0 || op->Handler == _stale)
            return;
        (ulong Pc, ulong Physical) key = (header->Pc, header->PhysicalPc);
        if (_blocks.TryGetValue(key, out (Region Region, int Entry) block))
            block.Region.Looks++;
        if (header->Original != 0)
            return;
        if (IsLeft(key) || Adopt(hart, key.Pc, key.Physical) || _code.Retired < Settings.GraceOf(_code))
            return;
        if (_hits.Count >= MostCounters)
            _hits.Clear();
        ref int hits = ref CollectionsMarshal.GetValueRefOrAddDefault(_hits, key, out _);
        if (++hits < Settings.HotSamplesOf(_code))
            return;

        // What is on its way covers most of what is met meanwhile. What it does not will be met again.
        if (Settings.Background && (_queue.IsFull || IsPending(key.Pc, key.Physical)))
            return;
        hits = -100 * Settings.HotSamples; // On its way, or an instruction that is never translated: not asked about again for long.
        if (PlanAround(hart, key.Pc, key.Physical) is not { } plan)
            return;

        // What is no loop by itself is soon left, and then does no better than traces.
        if (IsBesideTraces && !plan.IsLoopAt(key.Pc))
        {
            Leave(key);
            return;
        }

        if (!TryCompile(plan))
            hits = 0;
    }

    /// <summary>A block is left to its trace.</summary>
    private void Leave((ulong Pc, ulong Physical) block)
    {
        ref HashSet<(ulong, ulong)>? blocks = ref CollectionsMarshal.GetValueRefOrAddDefault(_left, _code.PageIndex(block.Physical), out _);
        (blocks ??= []).Add(block);
    }

    private bool IsLeft((ulong Pc, ulong Physical) block)
        => _left.Count != 0 && _left.TryGetValue(_code.PageIndex(block.Physical), out HashSet<(ulong, ulong)>? blocks) && blocks.Contains(block);

    private bool IsBesideTraces => _code.Traces is not null && !Settings.Eager;

    /// <summary>Takes what was compiled in the background into use.</summary>
    public void Poll()
    {
        if (!_anyFinished)
            return;
        _anyFinished = false;
        while (_finished.TryDequeue(out (RegionCode Code, RegionPlan Plan) next))
        {
            if (!next.Plan.IsCancelled)
                Install(next.Code, next.Plan);
        }
    }

    /// <summary>A region is compiled. Any thread.</summary>
    public void Post(RegionCode code, RegionPlan plan)
    {
        _finished.Enqueue((code, plan));
        _anyFinished = true;
    }

    /// <summary>Decoded bytes of a page were written.</summary>
    public void DropPage(int page)
    {
        _left.Remove(page);
        for (int i = _pending.Count - 1; i >= 0; i--)
        {
            if (!_pending[i].Pages.Any(p => _code.PageIndex(p.Physical) == page))
                continue;
            _pending[i].Cancel();
            _hits.Remove((_pending[i].Pc, _pending[i].Physical));
            _pending.RemoveAt(i);
        }

        if (!_byPage.TryGetValue(page, out List<Region>? regions))
            return;
        CollectionsMarshal.GetValueRefOrAddDefault(_drops, page, out _)++;
        foreach (Region region in regions.ToArray())
            Drop(region);
    }

    /// <summary>Drops everything.</summary>
    public void Clear()
    {
        foreach (RegionPlan plan in _pending)
            plan.Cancel();
        _pending.Clear();
        foreach (Region region in _regions.ToArray())
            Drop(region);
        _hits.Clear();
        _left.Clear();
    }

    public void Dispose()
    {
        Clear();
        Poll();
    }

    /// <summary>Finds out whether a region had better be translated otherwise. One is examined at each look: to read what all have counted took 3.8 % of a run.</summary>
    private void Examine(HartContext hart)
    {
        _looks++;
        if (_regions.Count == 0)
            return;
        Region region = _regions[(int)(_looks % _regions.Count)];
        long looks = _looks - region.Examined;
        region.Examined = _looks;
        if (IsBesideTraces && region.IsFleeting(Settings.SampleInterval))
        {
            foreach (PlanBlock block in region.Code.Blocks)
                Leave((block.Pc, region.PhysicalOf(block)));
            Drop(region);
            return;
        }

        if (region.MissesGroups)
            _ungrouped.Add(region.Code.Pc);
        else if (region.FindScattered(_scattered, looks))
            Scattered = new HashSet<ulong>(_scattered);
        else
        {
            if (region.FindJumps(Targets, looks * Settings.SampleInterval))
                Widen(hart, region);
            return;
        }

        _store.Remove(region.Code);
        Drop(region);
        _hits.Remove((region.Code.Pc, region.Physical));
    }

    /// <summary>A plan for a hot block: where a wide region holds it, that region once more with one more entry.</summary>
    private RegionPlan? PlanAround(HartContext hart, ulong pc, ulong physical)
    {
        if (_blocks.TryGetValue((pc, physical), out (Region Region, int Entry) block))
        {
            (ulong seed, ulong place) = (block.Region.Code.Pc, block.Region.Physical);
            if (Targets.IsWide(seed, place) && IsMapped(hart, block.Region) && !IsPending(seed, place)
                && RegionPlanner.Plan(_code, this, hart, seed, place, pc) is { } plan && plan.Covers(pc, physical))
                return plan;
        }

        return RegionPlanner.Plan(_code, this, hart, pc, physical);
    }

    /// <summary>Plans a region anew, now that it is known where its indirect jumps lead. It stays in use until then.</summary>
    private void Widen(HartContext hart, Region region)
    {
        (ulong pc, ulong physical) = (region.Code.Pc, region.Physical);
        if (_code.Retired < Settings.GraceOf(_code) || (Settings.Background && (_queue.IsFull || IsPending(pc, physical))) || !IsMapped(hart, region)
            || !Targets.TryWiden(pc, physical))
            return;
        if (RegionPlanner.Plan(_code, this, hart, pc, physical) is not { } plan || region.Code.Fits(plan) || !TryCompile(plan))
            return;
        Widened++;
        _store.Remove(region.Code);
    }

    /// <summary>Whether a region's hot block is mapped where it was, as far as the hart knows.</summary>
    private static bool IsMapped(HartContext hart, Region region) => hart.TryFetchPage(region.Code.Pc, out ulong page) && page == region.Pages[0];

    private bool IsPending(ulong pc, ulong physical)
    {
        foreach (RegionPlan plan in _pending)
        {
            if (plan.Covers(pc, physical))
                return true;
        }

        return false;
    }

    /// <summary>Compiles a plan, or has it compiled. False where too many wait.</summary>
    private bool TryCompile(RegionPlan plan)
    {
        if (Settings.Background && !_queue.TryAdd(plan, this))
            return false;
        _pending.Add(plan);
        NoteTranslated(plan.Blocks, plan.PhysicalPages);
        if (!Settings.Background)
            Install(_store.Obtain(plan), plan);
        return true;
    }

    private void NoteTranslated(IReadOnlyList<PlanBlock> blocks, ReadOnlySpan<ulong> pages)
    {
        foreach (PlanBlock block in blocks)
        {
            foreach ((int page, int offset, int length) in block.Stretches)
                _code.NoteTranslated(_code.PageIndex(pages[page]), offset, length);
        }
    }

    private void Install(RegionCode code, RegionPlan plan)
    {
        _pending.Remove(plan);
        _hits.Remove((plan.Pc, plan.Physical));
        Install(new Region(code, plan.PhysicalPages));
    }

    private void Install(Region region)
    {
        RegionCode code = region.Code;
        while (_regions.Count != 0 && _instructions + code.InstructionCount > Settings.Capacity)
            Drop(_regions[0]);
        _store.Use(code);
        region.Examined = _looks;
        _regions.Add(region);
        _instructions += code.InstructionCount;
        Made++;
        foreach (PlanBlock block in code.Blocks)
        {
            (ulong, ulong) key = (block.Pc, region.PhysicalOf(block));
            bool known = _blocks.TryGetValue(key, out (Region Region, int Entry) before);
            if (known && before.Entry >= 0)
            {
                if (block.Entry < 0)
                    continue;
                before.Region.Entries--;
            }

            _blocks[key] = (region, block.Entry);
            if (block.Entry >= 0)
                region.Entries++;
        }

        foreach (ulong physical in region.Pages)
        {
            int page = _code.PageIndex(physical);
            if (!_byPage.TryGetValue(page, out List<Region>? regions))
                _byPage[page] = regions = [];
            if (!regions.Contains(region))
                regions.Add(region);
            _code.Redecode(page, _stale);
        }

        for (int i = _regions.Count - 1; i >= 0; i--)
        {
            if (_regions[i].Entries == 0)
                Drop(_regions[i]);
        }
    }

    private void Drop(Region region)
    {
        if (region.IsDropped)
            return;
        region.IsDropped = true;
        _regions.Remove(region);
        _instructions -= region.Code.InstructionCount;
        foreach (PlanBlock block in region.Code.Blocks)
        {
            (ulong Pc, ulong Physical) key = (block.Pc, region.PhysicalOf(block));
            if (!_blocks.TryGetValue(key, out (Region Region, int Entry) entered) || entered.Region != region)
                continue;
            _blocks.Remove(key);
            Op* first = _code.Find(key.Pc, key.Physical);
            if (first != null && first->Handler == region.Code.Handler)
            {
                first->Handler = BlockHeader.Of(first)->Original;
                BlockHeader.Of(first)->Original = 0;
            }
        }

        foreach (ulong physical in region.Pages)
        {
            if (_byPage.TryGetValue(_code.PageIndex(physical), out List<Region>? regions))
                regions.Remove(region);
        }

        region.Dispose();
    }
}
