using System.Runtime.InteropServices;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common.Sbi;

namespace Hypervisor.Guests.Para;

/// <summary>
/// The page tables of a paravirtual guest (docs/para-abi.md, section 5): which pages are pinned as tables and of what level,
/// and the only way by which pinned tables change.
/// </summary>
/// <remarks>
/// What is held: a pinned table's pointers all lead to pages pinned at the level below, each counted in that page. The
/// host's safety does not rest on it: the walk checks each frame against RAM, so that a guest whose device writes over its
/// own tables harms only itself.
/// </remarks>
internal sealed class DirectPaging
{
    private const int PagesPerChunk = 512;
    private const uint CountOne = 4;

    private readonly GuestMemory _memory;
    private readonly Func<ulong, bool> _isRoot;
    private readonly Lock _lock = new();

    // For each page of RAM its level + 1 in bits 1:0 (0: not pinned), and above them how many pinned entries point to it.
    private readonly uint[]?[] _pages;

    /// <summary>Creates the state of a machine with no pinned page.</summary>
    /// <param name="memory">The machine's RAM.</param>
    /// <param name="isRoot">Whether some hart uses the table at an address as its root.</param>
    public DirectPaging(GuestMemory memory, Func<ulong, bool> isRoot)
    {
        _memory = memory;
        _isRoot = isRoot;
        _pages = new uint[]?[(int)((memory.Region.Size / GuestMemory.PageSize + PagesPerChunk - 1) / PagesPerChunk)];
    }

    /// <summary>The level at which a page is pinned, or -1.</summary>
    public int LevelOf(ulong address)
        => _memory.Contains(address, 1) ? (int)(Page(_memory.PageIndex(address)) & 3) - 1 : -1;

    /// <summary>Pins a page as a table; the value is the index of the first bad entry.</summary>
    public SbiResult Pin(ulong address, ulong level, Func<ulong, bool> isInUse)
    {
        if (level > 2)
            return SbiError.InvalidParam;
        if (!IsPage(address))
            return SbiError.InvalidAddress;
        lock (_lock)
        {
            int page = _memory.PageIndex(address);
            if ((Page(page) & 3) != 0)
                return SbiError.AlreadyAvailable;
            if (isInUse(address))
                return SbiError.Denied;

            // Read-only first, so that what is checked is what stays.
            _memory.Code.SetProtected(page, true);
            ReadOnlySpan<ulong> table = Table(address);
            for (int index = NextUsed(table, 0); index < table.Length; index = NextUsed(table, index + 1))
            {
                if (!IsAllowed(table[index], (int)level))
                {
                    _memory.Code.SetProtected(page, false);
                    return new SbiResult(SbiError.InvalidParam, (ulong)index);
                }
            }

            CountAll(table, (int)level, 1);
            Slot(page) = (uint)level + 1;
            return SbiError.Success;
        }
    }

    /// <summary>Gives a table back as an ordinary page.</summary>
    public SbiResult Unpin(ulong address)
    {
        if (!IsPage(address))
            return SbiError.InvalidAddress;
        lock (_lock)
        {
            int page = _memory.PageIndex(address);
            uint state = Page(page);
            if ((state & 3) == 0)
                return SbiError.InvalidParam;
            if (state >= CountOne || _isRoot(address))
                return SbiError.Denied;
            int level = (int)(state & 3) - 1;
            CountAll(Table(address), level, -1);
            Slot(page) = 0;
            _memory.Code.SetProtected(page, false);
            return SbiError.Success;
        }
    }

    /// <summary>Applies a batch of entries in order, up to the first bad one; the value is how many were applied.</summary>
    public SbiResult Update(ulong entries, ulong count)
    {
        if (count > 512)
            return SbiError.InvalidParam;
        if ((entries & 7) != 0 || !_memory.Contains(entries, count * 16))
            return SbiError.InvalidAddress;
        lock (_lock)
        {
            for (ulong done = 0; done < count; done++)
            {
                _memory.TryRead(entries + (done * 16), out ulong address);
                _memory.TryRead(entries + (done * 16) + 8, out ulong value);
                int level = (address & 7) == 0 ? LevelOf(address) : -1;
                if (level < 0)
                    return new SbiResult(SbiError.InvalidAddress, done);
                if (!IsAllowed(value, level))
                    return new SbiResult(SbiError.InvalidParam, done);
                _memory.TryRead(address, out ulong old);
                Count(value, level, 1);
                Count(old, level, -1);
                _memory.TryWrite(address, value);
            }

            return SbiResult.Ok(count);
        }
    }

    /// <summary>Makes a pinned top-level table a hart's root, which keeps it pinned.</summary>
    public SbiError UseRoot(ulong address, ParaHart hart)
    {
        if (!IsPage(address))
            return SbiError.InvalidAddress;
        lock (_lock)
        {
            if (LevelOf(address) != 2)
                return SbiError.InvalidParam;
            hart.Root = address;
            return SbiError.Success;
        }
    }

    private bool IsAllowed(ulong entry, int level)
    {
        if ((entry & Sv39.Valid) == 0)
            return true;
        if ((entry & Sv39.ReservedBits) != 0)
            return false;
        ulong target = Sv39.Address(entry);
        if (Sv39.IsPointer(entry))
            return level > 0 && (entry & Sv39.FlagsButValid) == 0 && LevelOf(target) == level - 1;
        if ((entry & (Sv39.Read | Sv39.Write)) == Sv39.Write)
            return false;
        ulong size = Sv39.LeafSize(level);
        return (target & (size - 1)) == 0 && _memory.Contains(target, size);
    }

    private void Count(ulong entry, int level, int change)
    {
        ulong target = Sv39.Address(entry);
        if (level == 0 || !Sv39.IsPointer(entry) || !_memory.Contains(target, 1))
            return;
        ref uint state = ref Slot(_memory.PageIndex(target));

        // A table that a device wrote over may name pages that were never counted: the count then stays at zero.
        if (change > 0)
            state += CountOne;
        else if (state >= CountOne)
            state -= CountOne;
    }

    private bool IsPage(ulong address)
        => (address & (GuestMemory.PageSize - 1)) == 0 && _memory.Contains(address, GuestMemory.PageSize);

    // The guest cannot write a pinned page; what a device writes there meanwhile only upsets the guest's own counts.
    private ReadOnlySpan<ulong> Table(ulong address)
        => MemoryMarshal.Cast<byte, ulong>(_memory.Window(address, GuestMemory.PageSize));

    /// <summary>The first entry from an index on that is not zero: most of a table is.</summary>
    private static int NextUsed(ReadOnlySpan<ulong> table, int from)
    {
        int next = table[from..].IndexOfAnyExcept(0UL);
        return next < 0 ? table.Length : from + next;
    }

    private void CountAll(ReadOnlySpan<ulong> table, int level, int change)
    {
        if (level == 0)
            return;
        for (int index = NextUsed(table, 0); index < table.Length; index = NextUsed(table, index + 1))
            Count(table[index], level, change);
    }

    private uint Page(int page) => _pages[page / PagesPerChunk]?[page % PagesPerChunk] ?? 0;

    private ref uint Slot(int page) => ref (_pages[page / PagesPerChunk] ??= new uint[PagesPerChunk])[page % PagesPerChunk];
}
