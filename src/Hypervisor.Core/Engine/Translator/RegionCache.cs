using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Translated code of one code cache: which blocks are hot, which regions there are and where they are entered. A region
/// stands in the place of an interpreter block's first handler, so that code which is not hot pays nothing for it.
/// </summary>
/// <remarks>
/// Everything but <see cref="Post"/> is called by the cache's own thread while no handler runs. Invariant for the unsafe code:
/// a block's <see cref="BlockHeader.Original"/> is not 0 exactly while its first handler is a live region's.
/// </remarks>
internal sealed unsafe class RegionCache : IDisposable
{
    /// <summary>A page whose translated code was dropped so often is left to the interpreter: it holds data, or code that keeps changing.</summary>
    private const int MostDrops = 4;

    private const int MostCounters = 8192;

    private readonly CodeCache _code;
    private readonly CompileQueue _queue;
    private readonly nint _stale;
    private readonly Dictionary<(ulong Pc, ulong Physical), int> _hits = [];
    private readonly Dictionary<(ulong Pc, ulong Physical), (Region Region, int Entry)> _blocks = [];
    private readonly Dictionary<int, List<Region>> _byPage = [];
    private readonly Dictionary<int, int> _drops = [];
    private readonly List<Region> _regions = [];
    private readonly List<RegionPlan> _pending = [];
    private readonly ConcurrentQueue<Region> _finished = new();
    private readonly HashSet<ulong> _ungrouped = [];
    private readonly HashSet<ulong> _scattered = [];
    private volatile bool _anyFinished;
    private int _instructions;
    private long _looks;

    public RegionCache(CodeCache code, CompileQueue queue, TranslatorSettings settings, HandlerTable handlers)
    {
        _code = code;
        _queue = queue;
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

    /// <summary>Regions made so far, for reports.</summary>
    public long Made { get; private set; }

    /// <summary>Whether a region is entered at an address.</summary>
    public bool IsEntry(ulong pc, ulong physical) => _blocks.TryGetValue((pc, physical), out (Region, int Entry) block) && block.Entry >= 0;

    /// <summary>Whether a block of a region begins at an address.</summary>
    public bool IsBlock(ulong pc, ulong physical) => _blocks.ContainsKey((pc, physical));

    /// <summary>Whether the page's code changes too often to be translated.</summary>
    public bool IsUnstable(ulong physical) => _drops.Count != 0 && _drops.GetValueOrDefault(_code.PageIndex(physical)) >= MostDrops;

    /// <summary>Addresses of accesses that were seen to change pages all the time: a set that stays as it is.</summary>
    public IReadOnlySet<ulong> Scattered { get; private set; } = new HashSet<ulong>();

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
        first->Handler = block.Region.Handler;
    }

    /// <summary>The guest was found at a block: translates it, if it was there often enough.</summary>
    public void Sample(HartContext hart, Op* op)
    {
        Poll();
        DropMissing();
        BlockHeader* header = BlockHeader.Of(op);
        if (op->Index != 0 || header->Unlinkable != 0 || header->Original != 0 || op->Handler == _stale)
            return;
        if (_hits.Count >= MostCounters)
            _hits.Clear();
        (ulong Pc, ulong Physical) key = (header->Pc, header->PhysicalPc);
        ref int hits = ref CollectionsMarshal.GetValueRefOrAddDefault(_hits, key, out _);
        if (++hits < Settings.HotSamples)
            return;

        // What is on its way covers most of what is met meanwhile. What it does not will be met again.
        if (Settings.Background && (_queue.IsFull || IsPending(key.Pc, key.Physical)))
            return;
        RegionPlan? plan = RegionPlanner.Plan(_code, this, hart, key.Pc, key.Physical);
        if (plan is null)
        {
            hits = -100 * Settings.HotSamples; // An instruction that is never translated: not asked about again for long.
            return;
        }

        hits = -100 * Settings.HotSamples;
        if (!Settings.Background)
        {
            Note(plan);
            Install(RegionCompiler.Compile(plan));
            return;
        }

        if (_queue.TryAdd(plan, this))
            Note(plan);
        else
            hits = 0;
    }

    /// <summary>Takes what was compiled in the background into use.</summary>
    public void Poll()
    {
        if (!_anyFinished)
            return;
        _anyFinished = false;
        while (_finished.TryDequeue(out Region? region))
        {
            if (region.Plan.IsCancelled)
                region.Dispose();
            else
                Install(region);
        }
    }

    /// <summary>A region is compiled. Any thread.</summary>
    public void Post(Region region)
    {
        _finished.Enqueue(region);
        _anyFinished = true;
    }

    /// <summary>Decoded bytes of a page were written.</summary>
    public void DropPage(int page)
    {
        for (int i = _pending.Count - 1; i >= 0; i--)
        {
            if (!_pending[i].Pages.Any(p => _code.PageIndex(p.Physical) == page))
                continue;
            _pending[i].Cancel();
            _hits.Remove((_pending[i].Pc, _pending[i].Blocks[0].Physical));
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
    }

    public void Dispose()
    {
        Clear();
        Poll();
    }

    /// <summary>Drops a region that had better be translated otherwise. One is examined at each look: to read what all have counted took 3.8 % of a run.</summary>
    private void DropMissing()
    {
        _looks++;
        if (_regions.Count == 0)
            return;
        Region region = _regions[(int)(_looks % _regions.Count)];
        long looks = _looks - region.Examined;
        region.Examined = _looks;
        if (region.MissesGroups)
            _ungrouped.Add(region.Plan.Pc);
        else if (region.FindScattered(_scattered, looks))
            Scattered = new HashSet<ulong>(_scattered);
        else
            return;
        Drop(region);
        _hits.Remove((region.Plan.Pc, region.Plan.Physical));
    }

    private bool IsPending(ulong pc, ulong physical)
    {
        foreach (RegionPlan plan in _pending)
        {
            if (plan.Covers(pc, physical))
                return true;
        }

        return false;
    }

    private void Note(RegionPlan plan)
    {
        _pending.Add(plan);
        foreach (PlanBlock block in plan.Blocks)
        {
            int length = 0;
            foreach (Instruction i in block.Instructions)
                length += i.Length;
            int offset = (int)(block.Physical & 0xFFF);
            _code.NoteTranslated(_code.PageIndex(block.Physical), offset, Math.Min(length, GuestMemory.PageSize - offset));
            if (block.SecondPage >= 0)
                _code.NoteTranslated(_code.PageIndex(plan.Pages[block.SecondPage].Physical), 0, 2);
        }
    }

    private void Install(Region region)
    {
        RegionPlan plan = region.Plan;
        _pending.Remove(plan);
        _hits.Remove((plan.Pc, plan.Blocks.First(block => block.Pc == plan.Pc).Physical));
        while (_regions.Count != 0 && _instructions + plan.InstructionCount > Settings.Capacity)
            Drop(_regions[0]);
        region.Examined = _looks;
        _regions.Add(region);
        _instructions += plan.InstructionCount;
        Made++;
        foreach (PlanBlock block in plan.Blocks)
        {
            (ulong, ulong) key = (block.Pc, block.Physical);
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

        foreach ((_, ulong physical) in plan.Pages)
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
        _instructions -= region.Plan.InstructionCount;
        foreach (PlanBlock block in region.Plan.Blocks)
        {
            if (!_blocks.TryGetValue((block.Pc, block.Physical), out (Region Region, int Entry) entered) || entered.Region != region)
                continue;
            _blocks.Remove((block.Pc, block.Physical));
            Op* first = _code.Find(block.Pc, block.Physical);
            if (first != null && first->Handler == region.Handler)
            {
                first->Handler = BlockHeader.Of(first)->Original;
                BlockHeader.Of(first)->Original = 0;
            }
        }

        foreach ((_, ulong physical) in region.Plan.Pages)
        {
            if (_byPage.TryGetValue(_code.PageIndex(physical), out List<Region>? regions))
                regions.Remove(region);
        }

        region.Dispose();
    }
}
