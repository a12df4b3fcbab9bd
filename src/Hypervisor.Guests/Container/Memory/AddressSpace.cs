using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Memory;

/// <summary>What a mapping allows, as PROT_READ, PROT_WRITE and PROT_EXEC.</summary>
[Flags]
internal enum Protection : byte
{
    None = 0,
    Read = 1,
    Write = 2,
    Execute = 4,
}

/// <summary>One mapping of an address space: whole pages, one protection, backed by zeroes or by a file.</summary>
internal sealed record Mapping(ulong Start, ulong End, Protection Protection, bool Shared, Inode? File, long FileOffset, string Name)
{
    /// <summary>The part of it between two addresses.</summary>
    public Mapping Slice(ulong start, ulong end) => this with { Start = start, End = end, FileOffset = FileOffset + (long)(start - Start) };
}

/// <summary>
/// The memory of a process: mappings, and the frames present in them. It is the translator of its tasks' harts, so that a
/// first touch and a copy on write are served inside the translation, without an exit.
/// </summary>
/// <remarks>
/// A page that is shared copy-on-write is never writable in a TLB; whoever takes a page away or narrows its rights flushes the
/// harts of all tasks that use the space.
/// </remarks>
internal sealed unsafe class AddressSpace : AddressTranslator
{
    public const ulong PageSize = GuestMemory.PageSize;

    /// <summary>Addresses end here: the lower half of Sv39.</summary>
    public const ulong Limit = 1UL << 38;

    private readonly GuestMemory _memory;
    private readonly FrameAllocator _frames;
    private readonly MemoryAccount _account;
    private readonly SortedList<ulong, Mapping> _mappings = [];
    private readonly Dictionary<ulong, Page> _pages = [];
    private readonly List<HartContext> _harts = [];
    private int _references = 1;

    private struct Page
    {
        public ulong Frame;

        /// <summary>The frame is another space's too: copy it before writing.</summary>
        public bool CopyOnWrite;
    }

    public AddressSpace(GuestMemory memory, FrameAllocator frames, MemoryAccount account)
    {
        _memory = memory;
        _frames = frames;
        _account = account;
    }

    public ulong BreakStart { get; set; }

    public ulong Break { get; set; }

    public IEnumerable<Mapping> Mappings => _mappings.Values;

    public int ResidentPages => _pages.Count;

    public void AddHart(HartContext hart) => _harts.Add(hart);

    public void RemoveHart(HartContext hart) => _harts.Remove(hart);

    public void Acquire() => _references++;

    /// <summary>Gives up a reference; the last one frees all frames.</summary>
    public void Release()
    {
        if (--_references == 0)
            Clear();
    }

    public override TranslationStatus Translate(HartState* state, ulong address, AccessKind kind, TlbContext context, out Translation translation)
    {
        translation = default;
        if (address >= Limit || Find(address) is not { } mapping)
            return TranslationStatus.PageFault;
        Protection needed = kind switch
        {
            AccessKind.Fetch => Protection.Execute,
            AccessKind.Store => Protection.Write,
            _ => Protection.Read,
        };

        // RISC-V pages cannot be writable and not readable.
        bool readable = (mapping.Protection & (Protection.Read | Protection.Write)) != 0;
        if (kind == AccessKind.Load ? !readable : (mapping.Protection & needed) == 0)
            return TranslationStatus.PageFault;
        if (!TryMakePresent(mapping, address & ~(PageSize - 1), kind == AccessKind.Store, out Page page))
            return TranslationStatus.AccessFault;
        translation.GuestPhysical = page.Frame | (address & (PageSize - 1));
        translation.HostPage = _memory.HostPage(page.Frame);
        translation.Readable = readable;
        translation.Writable = (mapping.Protection & Protection.Write) != 0 && !page.CopyOnWrite;
        return TranslationStatus.Ok;
    }

    /// <summary>The frame behind an address for the kernel's own access, under the mapping's rights; null on a fault.</summary>
    public bool TryResolve(ulong address, bool write, out ulong physical)
    {
        TranslationStatus status = Translate(null, address, write ? AccessKind.Store : AccessKind.Load, TlbContext.User, out Translation translation);
        physical = translation.GuestPhysical;
        return status == TranslationStatus.Ok;
    }

    /// <summary>The mapping that holds an address.</summary>
    public Mapping? Find(ulong address)
    {
        int index = LowerBound(address);
        if (index < 0)
            return null;
        Mapping mapping = _mappings.Values[index];
        return address < mapping.End ? mapping : null;
    }

    /// <summary>Adds a mapping over whatever was there.</summary>
    public void Map(Mapping mapping)
    {
        Unmap(mapping.Start, mapping.End);
        _mappings.Add(mapping.Start, mapping);
    }

    /// <summary>Removes what lies between two addresses, splitting mappings at the edges.</summary>
    public void Unmap(ulong start, ulong end)
    {
        bool any = false;
        foreach (Mapping mapping in Overlapping(start, end))
        {
            _mappings.Remove(mapping.Start);
            if (mapping.Start < start)
                _mappings.Add(mapping.Start, mapping.Slice(mapping.Start, start));
            if (mapping.End > end)
                _mappings.Add(end, mapping.Slice(end, mapping.End));
            any |= DropPages(Math.Max(start, mapping.Start), Math.Min(end, mapping.End));
        }

        if (any)
            Flush();
    }

    /// <summary>Changes the protection between two addresses; false where part of the range is not mapped.</summary>
    public bool Protect(ulong start, ulong end, Protection protection)
    {
        ulong next = start;
        List<Mapping> parts = Overlapping(start, end);
        foreach (Mapping mapping in parts)
        {
            if (mapping.Start > next)
                return false;
            next = mapping.End;
        }

        if (next < end)
            return false;
        foreach (Mapping mapping in parts)
        {
            ulong from = Math.Max(start, mapping.Start);
            ulong to = Math.Min(end, mapping.End);
            _mappings.Remove(mapping.Start);
            if (mapping.Start < from)
                _mappings.Add(mapping.Start, mapping.Slice(mapping.Start, from));
            if (mapping.End > to)
                _mappings.Add(to, mapping.Slice(to, mapping.End));
            _mappings.Add(from, mapping.Slice(from, to) with { Protection = protection });
        }

        Flush();
        return true;
    }

    /// <summary>Drops the contents of private pages: they read as at the first touch again (MADV_DONTNEED).</summary>
    public void Discard(ulong start, ulong end)
    {
        if (DropPages(start, end))
            Flush();
    }

    /// <summary>Moves a range to a free one and lets it grow: pages keep their frames.</summary>
    public void Move(Mapping mapping, ulong from, ulong oldSize, ulong to, ulong newSize)
    {
        Mapping part = mapping.Slice(from, from + oldSize);
        var moved = new List<(ulong Address, Page Page)>();
        for (ulong offset = 0; offset < oldSize; offset += PageSize)
        {
            if (_pages.Remove(from + offset, out Page page))
                moved.Add((to + offset, page));
        }

        Unmap(from, from + oldSize);
        Map(part with { Start = to, End = to + newSize });
        foreach ((ulong address, Page page) in moved)
            _pages[address] = page;
        Flush();
    }

    /// <summary>The highest free range of a size below a ceiling; 0 where there is none.</summary>
    public ulong FindFree(ulong size, ulong ceiling)
    {
        ulong end = ceiling;
        for (int i = _mappings.Count - 1; i >= 0; i--)
        {
            Mapping mapping = _mappings.Values[i];
            if (mapping.Start >= end)
                continue;
            if (mapping.End <= end && end - mapping.End >= size)
                return end - size;
            end = mapping.Start;
        }

        return end >= size + PageSize ? end - size : 0;
    }

    /// <summary>Whether nothing is mapped between two addresses.</summary>
    public bool IsFree(ulong start, ulong end) => Overlapping(start, end).Count == 0;

    /// <summary>A copy for a forked process: private pages are shared until one of the two writes.</summary>
    public AddressSpace? Fork(MemoryAccount account)
    {
        var copy = new AddressSpace(_memory, _frames, account) { BreakStart = BreakStart, Break = Break };
        foreach (Mapping mapping in _mappings.Values)
            copy._mappings.Add(mapping.Start, mapping);
        foreach (ulong address in _pages.Keys.ToArray())
        {
            Page page = _pages[address];
            if (!account.TryCharge(1))
            {
                copy.Clear();
                Flush();
                return null;
            }

            if (_frames.TryShare(page.Frame))
            {
                page.CopyOnWrite = Find(address) is not { Shared: true };
                _pages[address] = page;
                copy._pages[address] = page;
            }
            else
            {
                account.Release(1);
            }
        }

        Flush();
        return copy;
    }

    private bool TryMakePresent(Mapping mapping, ulong address, bool write, out Page page)
    {
        if (!_pages.TryGetValue(address, out page))
        {
            if (!_account.TryCharge(1))
                return false;
            if (!_frames.TryAllocate(out ulong frame))
            {
                _account.Release(1);
                return false;
            }

            if (mapping.File is { } file)
                _ = file.ReadAt(_memory.WritableWindow(frame, (int)PageSize), mapping.FileOffset + (long)(address - mapping.Start));
            page = new Page { Frame = frame };
            _pages[address] = page;
            return true;
        }

        if (!write || !page.CopyOnWrite)
            return true;
        if (!_frames.IsSole(page.Frame))
        {
            if (!_frames.TryAllocate(out ulong copy))
                return false;
            _memory.Window(page.Frame, (int)PageSize).CopyTo(_memory.WritableWindow(copy, (int)PageSize));
            _frames.Release(page.Frame);
            page.Frame = copy;

            // Other tasks of this process may still read the old frame.
            FlushPage(address);
        }

        page.CopyOnWrite = false;
        _pages[address] = page;
        return true;
    }

    private bool DropPages(ulong start, ulong end)
    {
        bool any = false;
        if ((end - start) / PageSize > (ulong)_pages.Count)
        {
            foreach (ulong address in _pages.Keys.ToArray())
            {
                if (address >= start && address < end)
                    any |= DropPage(address);
            }

            return any;
        }

        for (ulong address = start & ~(PageSize - 1); address < end; address += PageSize)
            any |= DropPage(address);
        return any;
    }

    private bool DropPage(ulong address)
    {
        if (!_pages.Remove(address, out Page page))
            return false;
        _frames.Release(page.Frame);
        _account.Release(1);
        return true;
    }

    private void Clear()
    {
        foreach (Page page in _pages.Values)
            _frames.Release(page.Frame);
        _account.Release(_pages.Count);
        _pages.Clear();
        _mappings.Clear();
        Flush();
    }

    private void Flush()
    {
        foreach (HartContext hart in _harts)
            hart.FlushTlb();
    }

    private void FlushPage(ulong address)
    {
        foreach (HartContext hart in _harts)
            hart.FlushTlbPage(address);
    }

    private List<Mapping> Overlapping(ulong start, ulong end)
    {
        var found = new List<Mapping>();
        for (int i = Math.Max(0, LowerBound(start)); i < _mappings.Count; i++)
        {
            Mapping mapping = _mappings.Values[i];
            if (mapping.Start >= end)
                break;
            if (mapping.End > start)
                found.Add(mapping);
        }

        return found;
    }

    /// <summary>The last mapping that starts at or below an address, or -1.</summary>
    private int LowerBound(ulong address)
    {
        int low = 0;
        int high = _mappings.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) >> 1;
            if (_mappings.Keys[middle] <= address)
                low = middle + 1;
            else
                high = middle - 1;
        }

        return high;
    }
}

/// <summary>The pages a container has in use, and its limit.</summary>
internal sealed class MemoryAccount(long limitPages)
{
    public long Limit { get; } = limitPages;

    public long Used { get; private set; }

    /// <summary>Set when a charge failed: the container's next fault kills the task that made it.</summary>
    public bool Exhausted { get; private set; }

    public bool TryCharge(long pages)
    {
        if (Used + pages > Limit)
        {
            Exhausted = true;
            return false;
        }

        Used += pages;
        return true;
    }

    public void Release(long pages) => Used -= pages;
}
