using Hypervisor.Core.Isa;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>How a block of a plan ends.</summary>
internal enum BlockEnd : byte
{
    /// <summary>Goes on at <see cref="PlanBlock.Next"/>: another block begins there, or an instruction that is not translated.</summary>
    FallsThrough,

    /// <summary>A conditional branch: <see cref="PlanBlock.Taken"/> or <see cref="PlanBlock.Next"/>.</summary>
    Branches,

    /// <summary>A direct jump or call to <see cref="PlanBlock.Taken"/>.</summary>
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

    public required ulong Physical { get; init; }

    /// <summary>Number of its page among the plan's.</summary>
    public required int Page { get; init; }

    /// <summary>Number of the page that its one instruction runs into; -1 for none.</summary>
    public int SecondPage { get; init; } = -1;

    public List<Instruction> Instructions { get; } = [];

    public BlockEnd End { get; set; }

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

    public const int MaxPages = 16;

    private volatile bool _cancelled;

    public required ulong Pc { get; init; }

    public required ulong Physical { get; init; }

    /// <summary>The interpreter's handlers, for instructions that translated code leaves to them.</summary>
    public required Interpreter.HandlerTable Handlers { get; init; }

    /// <summary>Whether accesses with a common base register are looked up together.</summary>
    public required bool GroupsAccesses { get; init; }

    /// <summary>Addresses of accesses that were seen to change pages all the time.</summary>
    public required IReadOnlySet<ulong> Scattered { get; init; }

    /// <summary>Blocks by rising address.</summary>
    public required IReadOnlyList<PlanBlock> Blocks { get; init; }

    /// <summary>The pages, virtual and guest-physical addresses.</summary>
    public required IReadOnlyList<(ulong Virtual, ulong Physical)> Pages { get; init; }

    public int InstructionCount => Blocks.Sum(block => block.Instructions.Count);

    /// <summary>Whether one of its blocks begins at an address.</summary>
    public bool Covers(ulong pc, ulong physical)
    {
        foreach (PlanBlock block in Blocks)
        {
            if (block.Pc == pc && block.Physical == physical)
                return true;
        }

        return false;
    }

    /// <summary>Whether the code has changed since, so that the plan is of no use.</summary>
    public bool IsCancelled => _cancelled;

    public void Cancel() => _cancelled = true;
}
