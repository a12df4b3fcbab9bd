using Hypervisor.Core.Isa;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Which registers a region must read where it is entered and write where it is left, by the usual equations over its blocks.
/// Sets are words: integer registers in the low half, floating-point ones in the high half.
/// </summary>
internal sealed class RegionFlow
{
    private readonly RegionPlan _plan;
    private readonly ulong[] _writes;

    public RegionFlow(RegionPlan plan)
    {
        _plan = plan;
        int count = plan.Blocks.Count;
        _writes = new ulong[count];
        WrittenBefore = new ulong[count];
        Needed = new ulong[count];
        for (int b = 0; b < count; b++)
        {
            foreach (Instruction i in plan.Blocks[b].Instructions)
            {
                Needed[b] |= ReadsOf(in i) & ~_writes[b];
                _writes[b] |= WritesOf(in i);
                Touched |= ReadsOf(in i) | WritesOf(in i);
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
                    changed |= Add(ref WrittenBefore[to], WrittenAfter(b));
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
                    after |= Needed[to];
                changed |= Add(ref Needed[b], (after & ~_writes[b]) | WrittenBefore[b]);
            }
        }
    }

    /// <summary>Registers that have a local.</summary>
    public ulong Touched { get; }

    /// <summary>Registers that are written anywhere.</summary>
    public ulong Written { get; }

    /// <summary>What may have been written when a block begins, for each block.</summary>
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
            written |= WritesOf(in i);
        }

        return written;
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
            if (_plan.Blocks[b].Entry >= 0)
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
