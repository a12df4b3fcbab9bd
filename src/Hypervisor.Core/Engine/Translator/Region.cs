using System.Runtime.InteropServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Engine.Interpreter;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>What a region's code reads of its own, before the tables that follow it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct RegionCell
{
    /// <summary>The <see cref="HartState.FetchEpoch"/> for which <see cref="ValidPages"/> holds; 0 for none.</summary>
    public ulong Epoch;

    /// <summary>A bit for each of the region's pages that is known to be mapped as it was when the code was translated.</summary>
    public ulong ValidPages;

    public ulong PageCount;

    /// <summary>The pages: virtual and physical address in turn.</summary>
    public ulong* Pages;

    /// <summary>How often each window was left for another page.</summary>
    public long* Misses;

    /// <summary>Where it is left for the dispatcher: memory of its own.</summary>
    public RegionLeave* Leaves;

    /// <summary>Groups of accesses that were left to the interpreter; the last field.</summary>
    public long GroupsLeft;
}

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
internal unsafe struct RegionLeave
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

    /// <summary>Counter of the window's moves.</summary>
    public long* Moves;

    /// <summary>Counter of the ranges that no window can hold; null for a single access.</summary>
    public long* Left;
}

/// <summary>A translated region: its code, a handler like the interpreter's, and the tables it reads.</summary>
/// <remarks>Invariant: the tables and the code live until <see cref="Dispose"/>, which comes only while no handler of the cache runs.</remarks>
internal sealed unsafe class Region : IDisposable
{
    private const int MostGroupsLeft = 2000;

    /// <summary>Moves of a window between two looks above which they cost more than it saves: one for some 550 instructions.</summary>
    private const int MostMisses = 60;

    private readonly Delegate _code;
    private readonly RegionWindows _windows;
    private readonly long[] _missesBefore;
    private nint _tables;

    /// <param name="plan">What it was made from.</param>
    /// <param name="windows">The windows of its accesses.</param>
    /// <param name="code">Its method, which lives as long as this is referred to.</param>
    /// <param name="handler">Its address.</param>
    /// <param name="tables">Native memory that it reads, freed with it.</param>
    public Region(RegionPlan plan, RegionWindows windows, Delegate code, nint handler, nint tables)
    {
        Plan = plan;
        _code = code;
        _windows = windows;
        _missesBefore = new long[windows.Count];
        Handler = handler;
        _tables = tables;
    }

    ~Region() => Free();

    public RegionPlan Plan { get; }

    /// <summary>What stands in an op's handler to enter it.</summary>
    public nint Handler { get; }

    /// <summary>Addresses that lead into this region and no later one.</summary>
    public int Entries { get; set; }

    /// <summary>Whether accesses that were looked up together cross pages so often that they had better not be.</summary>
    public bool MissesGroups => ((RegionCell*)_tables)->GroupsLeft > MostGroupsLeft;

    public bool IsDropped { get; set; }

    /// <summary>The look at which its counters were last read.</summary>
    public long Examined { get; set; }

    /// <summary>Adds the accesses whose windows changed pages too often in so many looks, since the last call; whether there were any.</summary>
    public bool FindScattered(HashSet<ulong> scattered, long looks)
    {
        bool any = false;
        long* misses = ((RegionCell*)_tables)->Misses;
        for (int i = 0; i < _missesBefore.Length; i++)
        {
            if (misses[i] - _missesBefore[i] > MostMisses * looks)
            {
                any = true;
                scattered.UnionWith(_windows.SitesOf(i));
            }

            _missesBefore[i] = misses[i];
        }

        return any;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
        GC.KeepAlive(_code);
    }

    private void Free()
    {
        if (_tables == 0)
            return;
        NativeMemory.Free(((RegionCell*)_tables)->Leaves);
        NativeMemory.Free((void*)_tables);
        _tables = 0;
    }
}
