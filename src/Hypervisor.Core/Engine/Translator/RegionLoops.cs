namespace Hypervisor.Core.Engine.Translator;

/// <summary>The loops of a region, as far as ways backwards tell: a stretch of blocks from where such a way leads to where it comes from.</summary>
internal sealed class RegionLoops
{
    private const int Deepest = 4;

    private readonly List<(int First, int Last)> _loops = [];

    public RegionLoops(RegionPlan plan)
    {
        var last = new SortedDictionary<int, int>();
        for (int b = 0; b < plan.Blocks.Count; b++)
        {
            PlanBlock block = plan.Blocks[b];
            if (block.End is BlockEnd.Branches or BlockEnd.Jumps && block.Taken.Block >= 0 && block.Taken.Block <= b)
                last[block.Taken.Block] = b;
        }

        foreach ((int to, int from) in last)
            _loops.Add((to, from));
        Depth = new int[plan.Blocks.Count];
        Innermost = new int[plan.Blocks.Count];
        Array.Fill(Innermost, -1);
        for (int loop = 0; loop < _loops.Count; loop++)
        {
            for (int b = _loops[loop].First; b <= _loops[loop].Last; b++)
            {
                Depth[b] = Math.Min(Depth[b] + 1, Deepest);
                if (Innermost[b] < 0 || Length(loop) < Length(Innermost[b]))
                    Innermost[b] = loop;
            }
        }

        HasCalls = new bool[_loops.Count];
        for (int loop = 0; loop < _loops.Count; loop++)
        {
            for (int b = _loops[loop].First; b <= _loops[loop].Last; b++)
            {
                PlanBlock block = plan.Blocks[b];
                HasCalls[loop] |= block.End == BlockEnd.JumpsToRegister || (block.End == BlockEnd.Jumps && block.Instructions[^1].Rd != 0);
            }
        }
    }

    public int Count => _loops.Count;

    /// <summary>How many loops each block lies in.</summary>
    public int[] Depth { get; }

    /// <summary>The smallest loop that each block lies in; -1 for none.</summary>
    public int[] Innermost { get; }

    /// <summary>Whether each loop calls or jumps through a register.</summary>
    public bool[] HasCalls { get; }

    /// <summary>Whether a block lies in a loop.</summary>
    public bool Contains(int loop, int block) => block >= _loops[loop].First && block <= _loops[loop].Last;

    /// <summary>The smallest loop around another; -1 for none.</summary>
    public int Around(int loop)
    {
        int around = -1;
        for (int other = 0; other < _loops.Count; other++)
        {
            if (other != loop && Contains(other, _loops[loop].First) && Contains(other, _loops[loop].Last)
                && (Length(other) > Length(loop) || (Length(other) == Length(loop) && other < loop)) && (around < 0 || Length(other) < Length(around)))
                around = other;
        }

        return around;
    }

    private int Length(int loop) => _loops[loop].Last - _loops[loop].First;
}
