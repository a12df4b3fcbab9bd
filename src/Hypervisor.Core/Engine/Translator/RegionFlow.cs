using System.Numerics;
using Hypervisor.Core.Isa;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Which registers each block of a region keeps in locals, which it must read where it is entered and write where it is left, by the
/// usual equations over its blocks. Sets are words: integer registers in the low half, floating-point ones in the high half.
/// </summary>
/// <remarks>
/// A loop keeps the registers that it uses most, no more than the host has: with more, the JIT spills what the loop needs for what it
/// does not. The others are read and written in the hart's state, where ways between loops put them.
/// </remarks>
internal sealed class RegionFlow
{
    /// <summary>Integer registers in locals: budget, state and TLB take three of the host's, an access two more.</summary>
    private const int MostIntegers = 9;

    private const int MostFloats = 13;

    private readonly RegionPlan _plan;
    private readonly ulong[] _writes;

    public RegionFlow(RegionPlan plan, RegionLoops loops)
    {
        _plan = plan;
        int count = plan.Blocks.Count;
        _writes = new ulong[count];
        Cached = Choose(plan, loops);
        CarriedIndirectly = ulong.MaxValue;
        WrittenBefore = new ulong[count];
        Needed = new ulong[count];
        for (int b = 0; b < count; b++)
        {
            if (plan.Blocks[b].Target >= 0 || plan.Blocks[b].End == BlockEnd.JumpsToRegister)
                CarriedIndirectly &= Cached[b];
            foreach (Instruction i in plan.Blocks[b].Instructions)
            {
                Needed[b] |= ReadsOf(in i) & Cached[b] & ~_writes[b];
                _writes[b] |= WritesOf(in i) & Cached[b];
                Touched |= (ReadsOf(in i) | WritesOf(in i)) & Cached[b];
            }

            Written |= _writes[b];
        }

        int[][] next = [.. plan.Blocks.Select(Successors)];
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int b = 0; b < count; b++)
            {
                foreach (int to in next[b])
                    changed |= Add(ref WrittenBefore[to], WrittenAfter(b) & Carried(b, to));
            }
        }

        // Wherever the region is left, what may have been written by then is written back: whether it was or not, the local holds it.
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int b = count - 1; b >= 0; b--)
            {
                ulong after = 0;
                foreach (int to in next[b])
                    after |= Needed[to] & Carried(b, to);
                changed |= Add(ref Needed[b], (after & ~_writes[b]) | WrittenBefore[b]);
            }
        }
    }

    /// <summary>Registers that each block has in locals.</summary>
    public ulong[] Cached { get; }

    /// <summary>Registers that stay in their locals over indirect jumps within the region.</summary>
    public ulong CarriedIndirectly { get; }

    /// <summary>Registers that have a local anywhere.</summary>
    public ulong Touched { get; }

    /// <summary>Registers whose locals are written anywhere.</summary>
    public ulong Written { get; }

    /// <summary>What may have been written when a block begins and is not in the state yet, for each block.</summary>
    public ulong[] WrittenBefore { get; }

    /// <summary>What must be in its local when a block begins, for each block.</summary>
    public ulong[] Needed { get; }

    /// <summary>What may have been written when a block has ended.</summary>
    public ulong WrittenAfter(int block) => WrittenBefore[block] | _writes[block];

    /// <summary>What may have been written when an instruction of a block begins.</summary>
    public ulong WrittenUntil(int block, int instruction)
    {
        ulong written = WrittenBefore[block];
        for (int k = 0; k < instruction; k++)
        {
            Instruction i = _plan.Blocks[block].Instructions[k];
            written |= WritesOf(in i) & Cached[block];
        }

        return written;
    }

    /// <summary>What a direct way between blocks must write to the state, because its end has no locals for it.</summary>
    public ulong PutAway(int from, int to) => WrittenAfter(from) & ~Cached[to];

    /// <summary>What a direct way between blocks must read from the state, because its start had no locals for it.</summary>
    public ulong Fetched(int from, int to) => Needed[to] & ~Cached[from];

    private ulong Carried(int from, int to)
        => _plan.Blocks[from].End == BlockEnd.JumpsToRegister ? CarriedIndirectly : Cached[from] & Cached[to];

    /// <summary>The registers that the blocks of each loop use most; where there is room, those of the loop around it.</summary>
    private static ulong[] Choose(RegionPlan plan, RegionLoops loops)
    {
        int count = plan.Blocks.Count;
        var used = new ulong[count][];
        for (int b = 0; b < count; b++)
            used[b] = [.. plan.Blocks[b].Instructions.Select(i => ReadsOf(in i) | WritesOf(in i))];
        var chosen = new ulong?[loops.Count + 1];

        ulong Of(int loop)
        {
            if (chosen[loop + 1] is { } known)
                return known;
            var weights = new long[64];
            for (int b = 0; b < count; b++)
            {
                if (loop >= 0 && !loops.Contains(loop, b))
                    continue;
                foreach (ulong registers in used[b])
                {
                    for (ulong left = registers; left != 0; left &= left - 1)
                        weights[BitOperations.TrailingZeroCount(left)] += 1L << 3 * loops.Depth[b];
                }
            }

            ulong around = loop < 0 ? 0 : Of(loops.Around(loop));
            ulong set = Most(weights, 0, MostIntegers, around) | Most(weights, 32, MostFloats, around);
            chosen[loop + 1] = set;
            return set;
        }

        return [.. Enumerable.Range(0, count).Select(b => Of(loops.Innermost[b]))];
    }

    private static ulong Most(long[] weights, int first, int most, ulong around)
    {
        ulong set = 0;
        foreach (int r in Enumerable.Range(first, 32).Where(r => weights[r] != 0).OrderByDescending(r => weights[r]).Take(most))
            set |= 1UL << r;
        for (int r = first; r < first + 32 && BitOperations.PopCount(set >> first & uint.MaxValue) < most; r++)
            set |= around & 1UL << r;
        return set;
    }

    private static bool Add(ref ulong set, ulong more)
    {
        ulong before = set;
        set |= more;
        return set != before;
    }

    private int[] Successors(PlanBlock block)
    {
        var successors = new List<int>();
        if (block.End is BlockEnd.Branches or BlockEnd.Jumps && block.Taken.Block >= 0)
            successors.Add(block.Taken.Block);
        if (block.End is BlockEnd.Branches or BlockEnd.FallsThrough && block.Next.Block >= 0)
            successors.Add(block.Next.Block);
        for (int b = 0; block.End == BlockEnd.JumpsToRegister && b < _plan.Blocks.Count; b++)
        {
            if (_plan.Blocks[b].Target >= 0)
                successors.Add(b);
        }

        return [.. successors];
    }

    private static ulong ReadsOf(in Instruction i)
    {
        OperandKinds kinds = OperandKinds.Of(i.Opcode);
        FloatOperands floats = FloatOperands.Of(i.Opcode);
        ulong integers = ((kinds.ReadsRs1 ? 1UL << i.Rs1 : 0) | (kinds.ReadsRs2 ? 1UL << i.Rs2 : 0)) & ~1UL;
        return integers | ((floats.Rs1 ? 1UL << i.Rs1 : 0) | (floats.Rs2 ? 1UL << i.Rs2 : 0) | (floats.Rs3 ? 1UL << i.Rs3 : 0)) << 32;
    }

    private static ulong WritesOf(in Instruction i)
        => (OperandKinds.Of(i.Opcode).WritesRd ? 1UL << i.Rd & ~1UL : 0) | (FloatOperands.Of(i.Opcode).Rd ? 1UL << i.Rd << 32 : 0);
}
