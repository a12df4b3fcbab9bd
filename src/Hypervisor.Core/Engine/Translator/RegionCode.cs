using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>Where an indirect jump within the region goes: a hash table's entry.</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal struct RegionTarget
{
    /// <summary>The address; odd where the entry is empty.</summary>
    public ulong Pc;

    /// <summary>Its place in the switch over such targets.</summary>
    public ulong Number;

    /// <summary>The page's bit in <see cref="RegionCell.ValidPages"/>.</summary>
    public ulong PageBit;
}

/// <summary>Where the region is left for the dispatcher.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RegionLeave
{
    public ulong Pc;

    /// <summary>Instructions that the block charged and that have not been executed.</summary>
    public long Unused;

    /// <summary>Registers that may have been written since the region was entered: integer ones in the low half.</summary>
    public ulong Written;

    public EngineEvent Event;

    /// <summary>Which of the TLB's windows did not hold an access; -1 where that is not why it is left.</summary>
    public int Window;

    /// <summary>Bytes of that access, or of the range that it is looked up for with others.</summary>
    public int Size;

    public int IsStore;

    /// <summary>Number of the window in the region, to count its moves.</summary>
    public int Counter;

    /// <summary>Whether it is a group of accesses, of which those that no window can hold are counted.</summary>
    public int IsGroup;
}

/// <summary>
/// A compiled region: a handler like the interpreter's, the tables it reads, and the bytes it was made from. Nothing in it is
/// one guest's, so that all whose memory holds the same bytes at the same addresses run it (<see cref="RegionStore"/>).
/// </summary>
/// <remarks>Invariant: tables and code live as long as this is referred to, by the regions that use it or the store.</remarks>
internal sealed unsafe class RegionCode
{
    private readonly Delegate _code;
    private readonly nint _tables;
    private readonly nint _leaves;
    private readonly List<(int Page, int Offset, byte[] Bytes)> _ranges = [];

    /// <param name="plan">What it was made from.</param>
    /// <param name="windows">The windows of its accesses.</param>
    /// <param name="code">Its method, which lives as long as this is referred to.</param>
    /// <param name="handler">Its address.</param>
    /// <param name="tables">Native memory that it reads, freed with it.</param>
    /// <param name="leaves">The same.</param>
    public RegionCode(RegionPlan plan, RegionWindows windows, Delegate code, nint handler, nint tables, nint leaves)
    {
        Pc = plan.Pc;
        Blocks = plan.Blocks;
        GroupsAccesses = plan.GroupsAccesses;
        InstructionCount = plan.InstructionCount;
        Pages = [.. plan.Pages.Select(page => page.Virtual)];
        Windows = windows;
        Jumps = [.. Blocks.Where(block => block.End == BlockEnd.JumpsToRegister).Select(block => (block.LastPc, block.Page))];
        _code = code;
        Handler = handler;
        _tables = tables;
        _leaves = leaves;
        foreach (PlanBlock block in Blocks)
            NoteBytes(block);
    }

    ~RegionCode()
    {
        NativeMemory.Free((void*)_tables);
        NativeMemory.Free((void*)_leaves);
        GC.KeepAlive(_code);
    }

    /// <summary>The hot block it was made for.</summary>
    public ulong Pc { get; }

    public IReadOnlyList<PlanBlock> Blocks { get; }

    /// <summary>Virtual addresses of its pages.</summary>
    public IReadOnlyList<ulong> Pages { get; }

    public RegionWindows Windows { get; }

    /// <summary>Its indirect jumps, in the order of the blocks, and their pages.</summary>
    public IReadOnlyList<(ulong Pc, int Page)> Jumps { get; }

    public bool GroupsAccesses { get; }

    public int InstructionCount { get; }

    /// <summary>What stands in an op's handler to enter it.</summary>
    public nint Handler { get; }

    /// <summary>When it was last taken into use, by the store's count.</summary>
    public long LastUse { get; set; }

    /// <summary>Whether it can be entered at an address.</summary>
    public bool IsEntry(ulong pc)
    {
        foreach (PlanBlock block in Blocks)
        {
            if (block.Pc == pc)
                return block.Entry >= 0;
        }

        return false;
    }

    /// <summary>Whether it is what a plan asks for.</summary>
    public bool Fits(RegionPlan plan)
    {
        if (Pc != plan.Pc || GroupsAccesses != plan.GroupsAccesses || Blocks.Count != plan.Blocks.Count || Windows.HasAny(plan.Scattered))
            return false;
        for (int i = 0; i < Blocks.Count; i++)
        {
            PlanBlock mine = Blocks[i];
            PlanBlock other = plan.Blocks[i];
            if (mine.Pc != other.Pc || mine.Entry != other.Entry || mine.Target != other.Target || mine.Page != other.Page || mine.SecondPage != other.SecondPage
                || mine.Instructions.Count != other.Instructions.Count)
                return false;
            for (int k = 0; k < mine.Instructions.Count; k++)
            {
                if (mine.Instructions[k].Raw != other.Instructions[k].Raw)
                    return false;
            }
        }

        return true;
    }

    /// <summary>Whether memory holds what it was made from, its pages lying at guest-physical addresses.</summary>
    public bool Matches(GuestMemory memory, ReadOnlySpan<ulong> pages)
    {
        foreach ((int page, int offset, byte[] bytes) in _ranges)
        {
            byte* host = memory.HostPage(pages[page]);
            if (host == null || !bytes.AsSpan().SequenceEqual(new ReadOnlySpan<byte>(host + offset, bytes.Length)))
                return false;
        }

        return true;
    }

    private void NoteBytes(PlanBlock block)
    {
        Span<byte> word = stackalloc byte[4];
        var bytes = new List<byte>();
        foreach (Instruction i in block.Instructions)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(word, i.Raw);
            bytes.AddRange(word[..i.Length]);
        }

        int at = 0;
        foreach ((int page, int offset, int length) in block.Stretches)
        {
            _ranges.Add((page, offset, [.. bytes[at..(at + length)]]));
            at += length;
        }
    }
}
