using System.Runtime.InteropServices;
using Hypervisor.Core.Hart;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>What a region's code reads and writes that is one guest's, before the tables that follow it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct RegionCell
{
    /// <summary>The <see cref="HartState.FetchEpoch"/> for which <see cref="ValidPages"/> holds; 0 for none.</summary>
    public ulong Epoch;

    /// <summary>A bit for each of the region's pages that is known to be mapped as it was when the code was taken into use.</summary>
    public ulong ValidPages;

    /// <summary>Groups of accesses that were left to the interpreter.</summary>
    public long GroupsLeft;

    /// <summary>How often the region was entered.</summary>
    public long Entered;

    public ulong PageCount;

    /// <summary>The pages: virtual and physical address in turn.</summary>
    public ulong* Pages;

    /// <summary>How often each window was left for another page.</summary>
    public long* Misses;

    /// <summary>Where its indirect jumps led out of it.</summary>
    public RegionJump* Jumps;
}

/// <summary>What is noted of an indirect jump each time that it leads out of its region.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct RegionJump
{
    public const int Remembered = 16;

    /// <summary>How often it did.</summary>
    public long Count;

    /// <summary>Where to, lately; the place of the next is the count's low bits.</summary>
    public fixed ulong Recent[Remembered];
}

/// <summary>Translated code in use by one code cache: where its pages lie in the guest, and what is counted of it there.</summary>
/// <remarks>Invariant: the cell lives until <see cref="Dispose"/>, which comes only while no handler of the cache runs.</remarks>
internal sealed unsafe class Region : IDisposable
{
    private const int MostGroupsLeft = 2000;

    /// <summary>Instructions for each jump out of the region below which it is asked where the jumps lead.</summary>
    private const int FewestBetweenJumps = 512;

    /// <summary>Moves of a window between two looks above which they cost more than it saves: one for some 550 instructions.</summary>
    private const int MostMisses = 60;

    /// <summary>
    /// Instructions for each entry below which a region is not worth it beside traces: to enter and leave one takes some ninety of the host's.
    /// </summary>
    private const int ShortestStay = 150;

    /// <summary>Entries that must be counted before that is judged.</summary>
    private const long FewestEntries = 10_000;

    private readonly ulong[] _pages;
    private readonly long[] _missesBefore;
    private readonly long[] _jumpsBefore;
    private RegionCell* _cell;

    /// <param name="code">What it runs.</param>
    /// <param name="pages">Guest-physical addresses of the code's pages.</param>
    public Region(RegionCode code, ReadOnlySpan<ulong> pages)
    {
        Code = code;
        _pages = pages.ToArray();
        _missesBefore = new long[code.Windows.Count];
        _jumpsBefore = new long[code.Jumps.Count];
        _cell = (RegionCell*)NativeMemory.AllocZeroed((nuint)(
            sizeof(RegionCell) + pages.Length * 16 + _missesBefore.Length * sizeof(long) + _jumpsBefore.Length * sizeof(RegionJump)));
        _cell->PageCount = (ulong)pages.Length;
        _cell->Pages = (ulong*)(_cell + 1);
        _cell->Misses = (long*)(_cell->Pages + 2 * pages.Length);
        _cell->Jumps = (RegionJump*)(_cell->Misses + _missesBefore.Length);
        for (int i = 0; i < pages.Length; i++)
        {
            _cell->Pages[2 * i] = code.Pages[i];
            _cell->Pages[2 * i + 1] = pages[i];
        }
    }

    ~Region() => Free();

    public RegionCode Code { get; }

    /// <summary>Guest-physical addresses of the code's pages.</summary>
    public ReadOnlySpan<ulong> Pages => _pages;

    /// <summary>Guest-physical address of the hot block that the code was made for.</summary>
    public ulong Physical => _pages[0] | (Code.Pc & 0xFFF);

    /// <summary>What stands in <see cref="Interpreter.BlockHeader.Cell"/> of the blocks that lead into it.</summary>
    public nint Cell => (nint)_cell;

    /// <summary>Addresses that lead into this region and no later one.</summary>
    public int Entries { get; set; }

    /// <summary>Whether accesses that were looked up together cross pages so often that they had better not be.</summary>
    public bool MissesGroups => _cell->GroupsLeft > MostGroupsLeft;

    public bool IsDropped { get; set; }

    /// <summary>The look at which its counters were last read.</summary>
    public long Examined { get; set; }

    /// <summary>Looks that found the guest in it since its counters were last judged.</summary>
    public long Looks { get; set; }

    /// <summary>Whether the guest stays in it for too few instructions at a time; told once enough is known, and then counted anew.</summary>
    public bool IsFleeting(long sampleInterval)
    {
        if (_cell->Entered < FewestEntries)
            return false;
        bool fleeting = Looks * sampleInterval < _cell->Entered * ShortestStay;
        Looks = 0;
        _cell->Entered = 0;
        return fleeting;
    }

    /// <summary>Guest-physical address at which a block of it begins.</summary>
    public ulong PhysicalOf(PlanBlock block) => _pages[block.Page] | (block.Pc & 0xFFF);

    /// <summary>Adds the accesses whose windows changed pages too often in so many looks, since the last call; whether there were any.</summary>
    public bool FindScattered(HashSet<ulong> scattered, long looks)
    {
        bool any = false;
        for (int i = 0; i < _missesBefore.Length; i++)
        {
            if (_cell->Misses[i] - _missesBefore[i] > MostMisses * looks)
            {
                any = true;
                scattered.UnionWith(Code.Windows.SitesOf(i));
            }

            _missesBefore[i] = _cell->Misses[i];
        }

        return any;
    }

    /// <summary>Tells where those jumps led that left the region often in so many instructions, since the last call; whether it had better be planned anew.</summary>
    public bool FindJumps(JumpTargets targets, long instructions)
    {
        bool any = false;
        for (int i = 0; i < _jumpsBefore.Length; i++)
        {
            RegionJump* jump = _cell->Jumps + i;
            (ulong pc, int page) = Code.Jumps[i];
            if ((jump->Count - _jumpsBefore[i]) * FewestBetweenJumps > instructions)
                any |= targets.Learn(pc, _pages[page] | (pc & 0xFFF), new ReadOnlySpan<ulong>(jump->Recent, RegionJump.Remembered));
            _jumpsBefore[i] = jump->Count;
        }

        return any;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.Free(_cell);
        _cell = null;
    }
}
