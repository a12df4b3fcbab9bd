using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// Which accesses of a region keep the pages they last met. Those with one base register, which walks through its data or stays with
/// it, share a window: as long as they stay in its pages they need no look into the TLB. It pays in loops that call nothing,
/// and where windows do not move all the time.
/// </summary>
internal sealed class RegionWindows
{
    /// <summary>Windows of a region at most, so that regions do not take each other's all the time.</summary>
    public const int Most = 24;

    private readonly Dictionary<(int Block, int Instruction), int> _bySite = [];
    private readonly List<List<ulong>> _sites = [];

    public RegionWindows(RegionPlan plan, RegionLoops loops)
    {
        var weights = new Dictionary<(int Block, byte Base, int Definition, bool Store), (long Weight, List<(int Block, int Instruction, ulong Pc)> Sites)>();
        for (int b = 0; b < plan.Blocks.Count; b++)
        {
            if (loops.Innermost[b] < 0 || loops.HasCalls[loops.Innermost[b]])
                continue;
            PlanBlock block = plan.Blocks[b];
            var definitions = new int[32];
            Array.Fill(definitions, -1);
            ulong pc = block.Pc;
            for (int k = 0; k < block.Instructions.Count; k++)
            {
                Instruction i = block.Instructions[k];
                MemoryShape shape = MemoryShape.Of(i.Opcode);
                if (shape.Size != 0 && !shape.IsAtomic && (!shape.IsFloat || shape.Size >= 4) && !plan.Scattered.Contains(pc))
                {
                    int definition = definitions[i.Rs1];
                    (int, byte, int, bool) key = (definition < 0 ? -1 : b, i.Rs1, definition, shape.IsStore);
                    if (!weights.TryGetValue(key, out (long Weight, List<(int, int, ulong)> Sites) window))
                        window = (0, []);
                    window.Sites.Add((b, k, pc));
                    weights[key] = (window.Weight + (1L << 3 * loops.Depth[b]), window.Sites);
                }

                // A base that goes on by a constant is the same walk.
                bool steps = i.Opcode == Opcode.Addi && i.Rd == i.Rs1;
                if (OperandKinds.Of(i.Opcode).WritesRd && !steps)
                    definitions[i.Rd] = k;
                pc += i.Length;
            }
        }

        foreach ((_, List<(int Block, int Instruction, ulong Pc)> sites) in weights.Values.OrderByDescending(window => window.Weight).Take(Most))
        {
            foreach ((int block, int instruction, _) in sites)
                _bySite[(block, instruction)] = _sites.Count;
            _sites.Add([.. sites.Select(site => site.Pc)]);
        }

        First = (int)((plan.Pc >> 1) * 0x9E37_79B1 % Tlb.Windows);
    }

    public int Count => _sites.Count;

    /// <summary>Number of the first window in the TLB's context; the others follow, around its end.</summary>
    public int First { get; }

    /// <summary>Addresses of a window's accesses.</summary>
    public IReadOnlyList<ulong> SitesOf(int window) => _sites[window];

    /// <summary>Whether an access with one of some addresses has a window.</summary>
    public bool HasAny(IReadOnlySet<ulong> sites)
    {
        if (sites.Count == 0)
            return false;
        foreach (List<ulong> window in _sites)
        {
            if (sites.Overlaps(window))
                return true;
        }

        return false;
    }

    /// <summary>The window of an access; -1 for none.</summary>
    public int Of(int block, int instruction) => _bySite.GetValueOrDefault((block, instruction), -1);
}
