using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>How a block of a plan ends.</summary>
internal enum BlockEnd : byte
{
    /// <summary>Goes on at <see cref="PlanBlock.Next"/>: another block begins there, or an instruction that is not translated.</summary>
    FallsThrough,

    /// <summary>A conditional branch: <see cref="PlanBlock.Taken"/> or <see cref="PlanBlock.Next"/>.</summary>
    Branches,

    /// <summary>A direct jump or call to <see cref="PlanBlock.Taken"/>, or one through a register whose value is known.</summary>
    Jumps,

    /// <summary>An indirect jump, call or return.</summary>
    JumpsToRegister,
}

/// <summary>Where control goes: an address and, where the region holds it, its block.</summary>
internal readonly record struct PlanEdge(ulong Pc, int Block);

/// <summary>A stretch of instructions entered only at its beginning.</summary>
internal sealed class PlanBlock
{
    public required ulong Pc { get; init; }

    /// <summary>Number of its page among the plan's.</summary>
    public required int Page { get; init; }

    /// <summary>Number of the page that its one instruction runs into; -1 for none.</summary>
    public int SecondPage { get; init; } = -1;

    public List<Instruction> Instructions { get; } = [];

    /// <summary>The bytes that it was decoded from: those in its page, and those that its one instruction has in the next.</summary>
    public IEnumerable<(int Page, int Offset, int Length)> Stretches
    {
        get
        {
            int offset = (int)(Pc & 0xFFF);
            int length = Instructions.Sum(i => i.Length);
            int here = Math.Min(length, GuestMemory.PageSize - offset);
            yield return (Page, offset, here);
            if (SecondPage >= 0)
                yield return (SecondPage, 0, length - here);
        }
    }

    public BlockEnd End { get; set; }

    /// <summary>The address of its last instruction.</summary>
    public ulong LastPc { get; set; }

    /// <summary>Its place among the blocks that end with an indirect jump; -1 for none.</summary>
    public int Jump { get; set; } = -1;

    public PlanEdge Taken { get; set; } = new(0, -1);

    public PlanEdge Next { get; set; } = new(0, -1);

    /// <summary>Its place among the blocks that can be entered from outside; -1 for none.</summary>
    public int Entry { get; set; } = -1;

    /// <summary>Its place among the entries that indirect jumps within the region may lead to; -1 for none.</summary>
    public int Target { get; set; } = -1;
}

/// <summary>Decoded code to translate as one method: blocks with the edges between them, taken from memory at one moment.</summary>
internal sealed class RegionPlan
{
    /// <summary>
    /// Instructions at most. The JIT's time grows faster than linearly, and with some 2,400 instructions it stops optimising.
    /// A run whose budget is below this goes on in the interpreter.
    /// </summary>
    public const int MaxInstructions = 400;

    /// <summary>
    /// Blocks at most. The JIT's time is theirs more than the instructions': those of a large function with a hundred became 30 KiB of code,
    /// and some were too much for it to optimise.
    /// </summary>
    public const int MaxBlocks = 48;

    /// <summary>The same where indirect jumps keep leading to the same few places, which it is to hold.</summary>
    public const int MaxWideBlocks = 112;

    public const int MaxPages = 16;

    private volatile bool _cancelled;

    public required ulong Pc { get; init; }

    /// <summary>The interpreter's handlers, for instructions that translated code leaves to them.</summary>
    public required Interpreter.HandlerTable Handlers { get; init; }

    /// <summary>Whether accesses with a common base register are looked up together.</summary>
    public required bool GroupsAccesses { get; init; }

    /// <summary>Addresses of accesses that were seen to change pages all the time.</summary>
    public required IReadOnlySet<ulong> Scattered { get; init; }

    /// <summary>Blocks by rising address.</summary>
    public required IReadOnlyList<PlanBlock> Blocks { get; init; }

    /// <summary>The pages, virtual and guest-physical addresses: that of the hot block is the first.</summary>
    public required IReadOnlyList<(ulong Virtual, ulong Physical)> Pages { get; init; }

    /// <summary>The pages' guest-physical addresses.</summary>
    public ulong[] PhysicalPages => [.. Pages.Select(page => page.Physical)];

    /// <summary>Guest-physical address at which a block begins.</summary>
    public ulong PhysicalOf(PlanBlock block) => Pages[block.Page].Physical | (block.Pc & 0xFFF);

    /// <summary>Guest-physical address of the hot block.</summary>
    public ulong Physical => Pages[0].Physical | (Pc & 0xFFF);

    public int InstructionCount => Blocks.Sum(block => block.Instructions.Count);

    /// <summary>Whether one of its blocks begins at an address.</summary>
    public bool Covers(ulong pc, ulong physical)
    {
        foreach (PlanBlock block in Blocks)
        {
            if (block.Pc == pc && PhysicalOf(block) == physical)
                return true;
        }

        return false;
    }

    /// <summary>
    /// Whether a block lies on a way that comes back to it without a jump through a register, other than the return of a function that the plan holds:
    /// then what runs there stays for long.
    /// </summary>
    public bool IsLoopAt(ulong pc)
    {
        int start = 0;
        while (start < Blocks.Count && Blocks[start].Pc != pc)
            start++;
        if (start == Blocks.Count)
            return false;
        var seen = new bool[Blocks.Count];
        var work = new Stack<int>([start]);
        while (work.TryPop(out int at))
        {
            PlanBlock block = Blocks[at];
            bool isCall = block.End == BlockEnd.Jumps && block.Instructions[^1].Rd != 0;
            if (block.End is BlockEnd.Branches or BlockEnd.Jumps && Reaches(block.Taken.Block))
                return true;
            if ((block.End is BlockEnd.Branches or BlockEnd.FallsThrough || (isCall && block.Taken.Block >= 0)) && Reaches(block.Next.Block))
                return true;
        }

        return false;

        bool Reaches(int block)
        {
            if (block == start)
                return true;
            if (block >= 0 && !seen[block])
            {
                seen[block] = true;
                work.Push(block);
            }

            return false;
        }
    }

    /// <summary>Whether the code has changed since, so that the plan is of no use.</summary>
    public bool IsCancelled => _cancelled;

    public void Cancel() => _cancelled = true;
}
