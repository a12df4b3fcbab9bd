using Hypervisor.Core.Memory;
using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Memory;

/// <summary>The frames of an address space: first touch, copy on write, fork, and taking pages away.</summary>
internal sealed partial class AddressSpace
{
    private struct Page
    {
        public ulong Frame;

        /// <summary>The frame is somebody else's too: copy it before writing.</summary>
        public bool CopyOnWrite;

        /// <summary>The frame is a page of the file: the file keeps it and accounts for it.</summary>
        public bool OfFile;
    }

    /// <summary>What the kernel found behind a page for loads or stores of its own.</summary>
    private struct Resolved
    {
        /// <summary>Address of the page, with bit 0 set, and bit 1 where it serves stores too: pages that may be stored to may be loaded from.</summary>
        public ulong Key;

        public ulong Frame;
    }

    /// <summary>A copy for a forked process: private pages are shared until one of the two writes.</summary>
    public AddressSpace Fork(MemoryAccount account)
    {
        var copy = new AddressSpace(_frames, account) { BreakStart = BreakStart, Break = Break, Arguments = Arguments, Environment = Environment };
        bool all = true;
        foreach (Mapping mapping in _mappings)
        {
            if (mapping.OnFork != ForkBehaviour.Omit)
                copy.Insert(mapping);
            all &= mapping.OnFork == ForkBehaviour.Copy;
        }

        copy._pages.EnsureCapacity(_pages.Count);
        foreach ((ulong address, Page each) in _pages)
        {
            Page page = each;

            // Pages of files are found again at the first touch.
            if (page.OfFile && !page.CopyOnWrite)
                continue;
            if (!all && Find(address) is not { OnFork: ForkBehaviour.Copy })
                continue;
            _frames.Share(page.Frame);
            if (!page.CopyOnWrite)
            {
                page.CopyOnWrite = true;
                System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrNullRef(_pages, address) = page;
            }

            copy._pages.Add(address, page);
        }

        copy.PeakPages = copy._pages.Count;
        Flush();
        return copy;
    }

    /// <summary>Brings in every page of a range, for writing where it is writable (MAP_POPULATE, MADV_POPULATE); false on a fault.</summary>
    public bool Populate(ulong start, ulong end, bool write)
    {
        for (ulong address = start; address < end; address += PageSize)
        {
            if (!TryResolve(address, write, out _))
                return false;
        }

        return true;
    }

    /// <summary>Whether a page is in memory.</summary>
    public bool IsResident(ulong address) => _pages.ContainsKey(address);

    /// <summary>Pages of a range that are in memory.</summary>
    public int ResidentIn(Mapping mapping)
    {
        if ((mapping.End - mapping.Start) >> 12 > (ulong)_pages.Count)
            return _pages.Keys.Count(address => address >= mapping.Start && address < mapping.End);
        int count = 0;
        for (ulong address = mapping.Start; address < mapping.End; address += PageSize)
            count += _pages.ContainsKey(address) ? 1 : 0;
        return count;
    }

    /// <summary>Makes harts in guest code come into the kernel before they go on.</summary>
    public void Synchronize()
    {
        foreach (Kernel.KernelTask task in _tasks)
        {
            if (IsElsewhere(task))
                _frames.Owe(task);
        }
    }

    private bool TryMakePresent(Mapping mapping, ulong address, bool write, out Page page)
    {
        if (!_pages.TryGetValue(address, out page))
            return mapping.File is { Pages: { } pages } ? TryMapFile(mapping, pages, address, write, out page) : TryMakeZero(address, out page);
        if (!write || !page.CopyOnWrite)
            return true;
        if (page.OfFile || !_frames.IsSole(page.Frame))
        {
            if (!TryTake(out ulong copy))
                return false;
            _memory.Window(page.Frame, (int)PageSize).CopyTo(_memory.WritableWindow(copy, (int)PageSize));
            _frames.Release(page.Frame);
            page.Frame = copy;
            page.OfFile = false;

            // Other tasks of this process may still read the old frame.
            FlushPage(address);
        }

        page.CopyOnWrite = false;
        _pages[address] = page;
        return true;
    }

    private bool TryMapFile(Mapping mapping, FilePages pages, ulong address, bool write, out Page page)
    {
        long index = mapping.PageOf(address);
        page = default;
        if (index >= (pages.Size + (long)PageSize - 1) >> 12)
        {
            LastFailure = PageFailure.BeyondFile;
            return false;
        }

        if (mapping.Shared || !write)
        {
            if (!pages.TryFrame(index, mapping.Shared && mapping.MayWrite, out ulong frame))
            {
                LastFailure = PageFailure.NoMemory;
                return false;
            }

            _frames.Share(frame);
            Keep(address, page = new Page { Frame = frame, CopyOnWrite = !mapping.Shared, OfFile = true });
            return true;
        }

        if (!TryTake(out ulong own))
            return false;
        _ = pages.Read(_memory.WritableWindow(own, (int)PageSize), index << 12);
        Keep(address, page = new Page { Frame = own });
        return true;
    }

    private bool TryMakeZero(ulong address, out Page page)
    {
        page = default;
        if (!TryTake(out ulong frame))
            return false;
        Keep(address, page = new Page { Frame = frame });
        return true;
    }

    private void Keep(ulong address, Page page)
    {
        _pages[address] = page;
        PeakPages = Math.Max(PeakPages, _pages.Count);
    }

    /// <summary>Takes a frame on the container's account.</summary>
    private bool TryTake(out ulong frame)
    {
        frame = 0;
        if (_account.TryCharge(1))
        {
            if (_frames.TryAllocate(out frame))
                return true;
            _account.Release(1);
            _account.IsShort = true;
        }

        LastFailure = PageFailure.NoMemory;
        return false;
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
        GiveBack(in page);
        return true;
    }

    private void GiveBack(in Page page)
    {
        // A frame that was shared with a process forked off counts until the last of them lets go.
        if (_frames.Release(page.Frame) && !page.OfFile)
            _account.Release(1);
    }

    private void Clear()
    {
        foreach (Page page in _pages.Values)
            GiveBack(in page);
        _pages.Clear();
        while (_mappings.Count > 0)
            Delete(_mappings[^1]);
        Flush();
    }

    private void Flush()
    {
        Array.Clear(_resolved);
        foreach (Kernel.KernelTask task in _tasks)
        {
            if (IsElsewhere(task))
                _frames.Owe(task);
            else
                task.Hart.FlushTlb();
        }
    }

    private void FlushPage(ulong address)
    {
        _resolved[(int)(address >> 12) & (ResolvedCount - 1)] = default;
        foreach (Kernel.KernelTask task in _tasks)
        {
            if (IsElsewhere(task))
                _frames.Owe(task);
            else
                task.Hart.FlushTlbPage(address);
        }
    }
}
