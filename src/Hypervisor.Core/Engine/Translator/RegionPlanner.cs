using System.Runtime.CompilerServices;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Chooses what to translate together with a hot block: what can be reached from it by direct jumps, branches and calls, and
/// has been executed as far as the code cache can tell, within limits.
/// </summary>
/// <remarks>
/// Only pages that the hart has fetched from since its last flush are looked at, so planning has no effect a guest could see.
/// Invariant for the unsafe code: bytes are read from a page of RAM at offsets below its size.
/// </remarks>
internal sealed unsafe class RegionPlanner
{
    private readonly CodeCache _code;
    private readonly RegionCache _regions;
    private readonly HartContext _hart;
    private readonly Dictionary<ulong, Instruction> _decoded = [];
    private readonly HashSet<ulong> _starts = [];
    private readonly HashSet<ulong> _entries = [];
    private readonly HashSet<ulong> _targets = [];
    private readonly Dictionary<ulong, ulong> _returns = [];
    private readonly Queue<ulong> _work = [];
    private ulong _seed;
    private int _mostBlocks;
    private readonly List<(ulong Virtual, ulong Physical)> _pages = [];

    private RegionPlanner(CodeCache code, RegionCache regions, HartContext hart)
    {
        _code = code;
        _regions = regions;
        _hart = hart;
    }

    /// <summary>A plan for the code at an address in the hart's context, or null where nothing there is worth translating.</summary>
    /// <param name="code">The blocks that are known.</param>
    /// <param name="regions">What is translated already.</param>
    /// <param name="hart">Tells which pages are mapped where.</param>
    /// <param name="pc">The hot block.</param>
    /// <param name="physical">Its guest-physical address.</param>
    /// <param name="entry">Another block where it is to be entered, if it comes to hold it.</param>
    public static RegionPlan? Plan(CodeCache code, RegionCache regions, HartContext hart, ulong pc, ulong physical, ulong? entry = null)
        => new RegionPlanner(code, regions, hart).Plan(pc, physical, entry ?? pc);

    private RegionPlan? Plan(ulong pc, ulong physical, ulong entry)
    {
        _seed = pc;
        _entries.Add(entry);
        _mostBlocks = _regions.Targets.IsWide(pc, physical) ? RegionPlan.MaxWideBlocks : RegionPlan.MaxBlocks;
        if (_regions.IsUnstable(physical))
            return null;
        _pages.Add((pc & ~0xFFFUL, physical & ~0xFFFUL));
        _entries.Add(pc);
        Start(pc);
        while (_work.TryDequeue(out ulong next))
            Decode(next);
        if (!_decoded.ContainsKey(pc))
            return null;
        List<PlanBlock> blocks = Blocks();
        return new RegionPlan { Pc = pc, Handlers = _regions.Handlers, GroupsAccesses = !_regions.IsUngrouped(pc), Scattered = _regions.Scattered, Blocks = blocks, Pages = _pages };
    }

    private void Start(ulong pc)
    {
        if (_starts.Count < _mostBlocks && _starts.Add(pc))
            _work.Enqueue(pc);
    }

    private void Decode(ulong pc)
    {
        while (_decoded.Count < RegionPlan.MaxInstructions)
        {
            if (_decoded.ContainsKey(pc))
            {
                Split(pc);
                return;
            }

            if (!TryFetch(pc, out Instruction i) || !RegionCompiler.CanTranslate(in i))
                return;
            // Blocks lie in one page each; an instruction across two is a block of its own.
            ulong next = pc + i.Length;
            bool straddles = Straddles(pc, i.Length);
            if (straddles && !Split(pc))
                return;
            if ((next >> 12 != pc >> 12) && !Split(next))
                return;
            _decoded.Add(pc, i);
            ulong target = pc + (ulong)(long)i.Immediate;
            switch (i.Opcode)
            {
                case Opcode.Beq or Opcode.Bne or Opcode.Blt or Opcode.Bge or Opcode.Bltu or Opcode.Bgeu:
                    if (!Split(next))
                        return;
                    if (WasExecuted(target))
                        Start(target);
                    break;

                case Opcode.Jal:
                    if (i.Rd != 0)
                    {
                        _entries.Add(next);
                        _entries.Add(target);
                        _returns[next] = target;
                        Start(next);
                    }

                    Start(target);
                    return;

                case Opcode.Jalr:
                    bool isDirect = TryTarget(pc, in i, out target);
                    if (i.Rd != 0)
                    {
                        _entries.Add(next);
                        _returns[next] = isDirect ? target : next;
                        Start(next);
                    }

                    if (isDirect)
                    {
                        if (i.Rd != 0)
                            _entries.Add(target);
                        Start(target);
                        return;
                    }

                    foreach (ulong seen in _regions.Targets.Of(pc, _pages[PageOf(pc)].Physical | (pc & 0xFFF)))
                    {
                        if (PageOf(seen) < 0)
                            continue;
                        _targets.Add(seen);
                        _entries.Add(seen);
                        Start(seen);
                    }

                    return;
            }

            pc = next;
        }
    }

    /// <summary>Where a jump through a register leads that auipc set right before it: a far call or jump, as compilers write them.</summary>
    private bool TryTarget(ulong pc, in Instruction jump, out ulong target)
    {
        target = 0;
        if (jump.Rs1 == 0 || !_decoded.TryGetValue(pc - 4, out Instruction before) || before.Opcode != Opcode.Auipc || before.Rd != jump.Rs1)
            return false;
        target = (pc - 4 + (ulong)(long)before.Immediate + (ulong)(long)jump.Immediate) & ~1UL;
        return true;
    }

    private bool Split(ulong pc) => _starts.Contains(pc) || (_starts.Count < _mostBlocks && _starts.Add(pc));

    /// <summary>Whether a branch was ever taken to an address: then a block of the code cache, or of another region, begins there.</summary>
    private bool WasExecuted(ulong pc)
    {
        int page = PageOf(pc);
        if (page < 0)
            return false;
        ulong physical = _pages[page].Physical | (pc & 0xFFF);
        return _starts.Contains(pc) || _decoded.ContainsKey(pc) || _code.Find(pc, physical) != null || _regions.IsBlock(pc, physical);
    }

    private int PageOf(ulong pc)
    {
        ulong start = pc & ~0xFFFUL;
        for (int i = 0; i < _pages.Count; i++)
        {
            if (_pages[i].Virtual == start)
                return i;
        }

        if (_pages.Count == RegionPlan.MaxPages || !_hart.TryFetchPage(pc, out ulong physical) || _regions.IsUnstable(physical))
            return -1;
        _pages.Add((start, physical));
        return _pages.Count - 1;
    }

    private bool TryFetch(ulong pc, out Instruction instruction)
    {
        instruction = default;
        int page = PageOf(pc);
        if (page < 0)
            return false;
        int offset = (int)(pc & 0xFFF);
        byte* host = _hart.Memory.HostPage(_pages[page].Physical);
        if (host == null || offset > GuestMemory.PageSize - 2)
            return false;
        bool whole = offset + 4 <= GuestMemory.PageSize;
        uint word = whole ? Unsafe.ReadUnaligned<uint>(host + offset) : Unsafe.ReadUnaligned<ushort>(host + offset);
        if (!whole && (word & 3) == 3)
        {
            int second = PageOf(pc + 2);
            byte* next = second < 0 ? null : _hart.Memory.HostPage(_pages[second].Physical);
            if (next == null)
                return false;
            word |= (uint)Unsafe.ReadUnaligned<ushort>(next) << 16;
        }

        instruction = Decoder.Decode(word);
        return true;
    }

    private static bool Straddles(ulong pc, int length) => (pc & 0xFFF) + (uint)length > GuestMemory.PageSize;

    private List<PlanBlock> Blocks()
    {
        ulong[] starts = [.. _starts.Where(_decoded.ContainsKey).Order()];
        var indexes = new Dictionary<ulong, int>();
        for (int i = 0; i < starts.Length; i++)
            indexes[starts[i]] = i;
        PlanEdge EdgeTo(ulong pc) => new(pc, indexes.GetValueOrDefault(pc, -1));

        var blocks = new List<PlanBlock>(starts.Length);
        foreach (ulong start in starts)
        {
            int page = PageOf(start);
            var block = new PlanBlock
            {
                Pc = start,
                Page = page,
                SecondPage = Straddles(start, _decoded[start].Length) ? PageOf(start + 2) : -1,
            };
            blocks.Add(block);
            ulong pc = start;
            while (true)
            {
                Instruction i = _decoded[pc];
                block.Instructions.Add(i);
                block.LastPc = pc;
                ulong target = pc + (ulong)(long)i.Immediate;
                pc += i.Length;
                block.Next = EdgeTo(pc);
                if (i.Opcode is Opcode.Beq or Opcode.Bne or Opcode.Blt or Opcode.Bge or Opcode.Bltu or Opcode.Bgeu)
                {
                    block.End = BlockEnd.Branches;
                    block.Taken = EdgeTo(target);
                    break;
                }

                if (i.Opcode is Opcode.Jal or Opcode.Jalr)
                {
                    // The register is known only where nobody jumps between the two.
                    bool isDirect = i.Opcode == Opcode.Jal || (block.Instructions is [.., { Opcode: Opcode.Auipc }, _] && TryTarget(block.LastPc, in i, out target));
                    block.End = isDirect ? BlockEnd.Jumps : BlockEnd.JumpsToRegister;
                    block.Taken = EdgeTo(target);
                    break;
                }

                if (indexes.ContainsKey(pc) || !_decoded.ContainsKey(pc))
                    break;
            }
        }

        MarkEntries(blocks, indexes);
        return blocks;
    }

    /// <summary>Loops, functions and what calls return to can be entered from outside: where the interpreter took over, it soon meets one.</summary>
    /// <remarks>
    /// Few of them are where indirect jumps of the region itself lead: the more do, the more of the JIT's time the region takes. Those
    /// that such jumps were seen to lead to are.
    /// </remarks>
    private void MarkEntries(List<PlanBlock> blocks, Dictionary<ulong, int> indexes)
    {
        for (int i = 0; i < blocks.Count; i++)
        {
            PlanBlock block = blocks[i];
            if (block.End is BlockEnd.Branches or BlockEnd.Jumps && block.Taken.Block >= 0 && block.Taken.Block <= i)
                _entries.Add(block.Taken.Pc);
        }

        int entries = 0;
        int targets = 0;
        int jumps = 0;
        foreach (PlanBlock block in blocks)
        {
            if (block.End == BlockEnd.JumpsToRegister)
                block.Jump = jumps++;
            if (!_entries.Contains(block.Pc))
                continue;
            block.Entry = entries++;

            // What was called out of the region returns from outside.
            if (block.Pc == _seed || _targets.Contains(block.Pc) || (_returns.TryGetValue(block.Pc, out ulong called) && indexes.ContainsKey(called)))
                block.Target = targets++;
        }
    }
}
