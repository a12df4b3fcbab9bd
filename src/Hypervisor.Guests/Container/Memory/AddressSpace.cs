using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Memory;

/// <summary>Why an access got no page.</summary>
internal enum PageFailure : byte
{
    None,

    /// <summary>The mapping reaches beyond the end of its file (SIGBUS).</summary>
    BeyondFile,

    /// <summary>The container or the machine has no memory left.</summary>
    NoMemory,
}

/// <summary>
/// The memory of a process: mappings, and the frames present in them. It is the translator of its tasks' harts, so that a
/// first touch and a copy on write are served inside the translation, without an exit.
/// </summary>
/// <remarks>
/// A page that is shared copy-on-write is never writable in a TLB; whoever takes a page away or narrows its rights flushes the
/// harts of all tasks that use the space. Harts in guest code on another thread are told to, and frames they could still reach
/// are held back until they have (<see cref="FrameAllocator.Settle"/>). Translations are made under the kernel's lock.
/// </remarks>
internal sealed unsafe partial class AddressSpace : AddressTranslator
{
    public const ulong PageSize = GuestMemory.PageSize;

    /// <summary>Addresses end here: the lower half of Sv39.</summary>
    public const ulong Limit = 1UL << 38;

    private const int ResolvedCount = 16;

    private readonly GuestMemory _memory;
    private readonly FrameAllocator _frames;
    private readonly MemoryAccount _account;
    /// <summary>In the order of their addresses.</summary>
    private readonly List<Mapping> _mappings = [];
    private readonly Dictionary<ulong, Page> _pages = [];
    private readonly List<Kernel.KernelTask> _tasks = [];
    private readonly Resolved[] _resolved = new Resolved[ResolvedCount];
    private HartState* _translating;
    private int _references = 1;

    public AddressSpace(FrameAllocator frames, MemoryAccount account)
    {
        _memory = frames.Memory;
        _frames = frames;
        _account = account;
    }

    public GuestMemory Memory => _memory;

    public ulong BreakStart { get; set; }

    public ulong Break { get; set; }

    /// <summary>Where the arguments and the environment stand on the stack, as /proc/PID/cmdline and environ tell them.</summary>
    public (ulong Start, ulong End) Arguments { get; set; }

    /// <inheritdoc cref="Arguments"/>
    public (ulong Start, ulong End) Environment { get; set; }

    public IEnumerable<Mapping> Mappings => _mappings;

    public int MappingCount => _mappings.Count;

    public int ResidentPages => _pages.Count;

    /// <summary>The most that were resident at a time.</summary>
    public int PeakPages { get; private set; }

    /// <summary>Bytes of all mappings.</summary>
    public ulong MappedBytes { get; private set; }

    /// <summary>Bytes of those that are private and may be written, but for stacks: what RLIMIT_DATA counts.</summary>
    public ulong DataBytes { get; private set; }

    /// <summary>Why the last access that failed did.</summary>
    public PageFailure LastFailure { get; set; }

    public void AddTask(Kernel.KernelTask task) => _tasks.Add(task);

    public void RemoveTask(Kernel.KernelTask task) => _tasks.Remove(task);

    public void Acquire() => _references++;

    /// <summary>Gives up a reference; the last one frees all frames.</summary>
    public void Release()
    {
        if (--_references == 0)
            Clear();
    }

    public override TranslationStatus Translate(HartState* state, ulong address, AccessKind kind, TlbContext context, out Translation translation)
    {
        using (_frames.Kernel.Enter())
        {
            // Whoever translates may drop its own translations; once it is back in guest code, nobody else may do it for it.
            _translating = state;
            TranslationStatus status = TranslateLocked(address, kind, out translation);
            _translating = null;
            return status;
        }
    }

    private TranslationStatus TranslateLocked(ulong address, AccessKind kind, out Translation translation)
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
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryResolve(ulong address, bool write, out ulong physical)
    {
        if (!_frames.Kernel.IsHeldByCurrentThread)
            return TryResolveAnew(address, write, out physical);

        // What was found lately holds until the harts must drop it.
        ref Resolved known = ref _resolved[(int)(address >> 12) & (ResolvedCount - 1)];
        ulong key = (address & ~(PageSize - 1)) | (write ? 3UL : 1UL);
        if (known.Key == key || known.Key == (key | 2))
        {
            physical = known.Frame | (address & (PageSize - 1));
            return true;
        }

        if (!TryResolveAnew(address, write, out physical))
            return false;
        known = new Resolved { Key = key, Frame = physical & ~(PageSize - 1) };
        return true;
    }

    private bool TryResolveAnew(ulong address, bool write, out ulong physical)
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
        Mapping mapping = _mappings[index];
        return address < mapping.End ? mapping : null;
    }

    /// <summary>Adds a mapping over whatever was there; it becomes one with its neighbour below where the two are of a kind.</summary>
    public void Map(Mapping mapping)
    {
        Unmap(mapping.Start, mapping.End);
        if (mapping is { File: null, Start: > 0 } && Find(mapping.Start - 1) is { } below && mapping.IsLike(below))
        {
            Delete(below);
            mapping = mapping with { Start = below.Start };
        }

        Insert(mapping);
    }

    /// <summary>Removes what lies between two addresses, splitting mappings at the edges.</summary>
    public void Unmap(ulong start, ulong end)
    {
        List<Mapping> found = Overlapping(start, end);
        if (found.Count == 0)
            return;
        bool any = false;
        foreach (Mapping mapping in found)
        {
            any |= DropPages(Math.Max(start, mapping.Start), Math.Min(end, mapping.End));
            Cut(mapping, start, end);
        }

        if (any)
            Flush();
    }

    /// <summary>Changes the protection between two addresses; 0 or a negated error.</summary>
    public int Protect(ulong start, ulong end, Protection protection)
    {
        ulong next = start;
        List<Mapping> parts = Overlapping(start, end);
        foreach (Mapping mapping in parts)
        {
            if (mapping.Start > next)
                return -Errno.ENOMEM;
            if ((protection & Protection.Write) != 0 && !mapping.MayWrite)
                return -Errno.EACCES;
            next = mapping.End;
        }

        if (next < end)
            return -Errno.ENOMEM;
        Change(parts, start, end, mapping => mapping with { Protection = protection });
        Flush();
        return 0;
    }

    /// <summary>Changes what a fork does with the mappings between two addresses.</summary>
    public void SetForkBehaviour(ulong start, ulong end, ForkBehaviour behaviour)
        => Change(Overlapping(start, end), start, end, mapping => mapping with { OnFork = behaviour });

    /// <summary>Drops the contents of private pages: they read as at the first touch again (MADV_DONTNEED).</summary>
    public void Discard(ulong start, ulong end)
    {
        if (DropPages(start, end))
            Flush();
    }

    /// <summary>Drops what is mapped of a file from a page on, because the file became shorter or holds something else there.</summary>
    public void DropFilePages(FilePages file, long firstPage, long endPage)
    {
        bool any = false;
        foreach (Mapping mapping in _mappings)
        {
            if (mapping.File?.Pages != file)
                continue;
            long start = Math.Max(firstPage, mapping.PageOf(mapping.Start));
            long end = Math.Min(endPage, mapping.PageOf(mapping.End));
            for (long page = start; page < end; page++)
            {
                ulong address = mapping.Start + ((ulong)(page - mapping.PageOf(mapping.Start)) << 12);
                if (_pages.TryGetValue(address, out Page present) && present.OfFile)
                    any |= DropPage(address);
            }
        }

        if (any)
            Flush();
    }

    /// <summary>Moves a range to a free one and lets it grow or shrink: pages keep their frames.</summary>
    public void Move(Mapping mapping, ulong from, ulong oldSize, ulong to, ulong newSize, bool keepOld)
    {
        Mapping part = mapping.Slice(from, from + oldSize);
        var moved = new List<(ulong Address, Page Page)>();
        for (ulong offset = 0; offset < Math.Min(oldSize, newSize); offset += PageSize)
        {
            if (_pages.Remove(from + offset, out Page page))
                moved.Add((to + offset, page));
        }

        if (!keepOld)
            Unmap(from, from + oldSize);
        Unmap(to, to + newSize);
        Insert(part with { Start = to, End = to + newSize });
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
            Mapping mapping = _mappings[i];
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

    /// <summary>Whether every address between two is mapped.</summary>
    public bool IsMapped(ulong start, ulong end)
    {
        ulong next = start;
        foreach (Mapping mapping in Overlapping(start, end))
        {
            if (mapping.Start > next)
                return false;
            next = mapping.End;
        }

        return next >= end;
    }

    /// <summary>The mappings that touch a range.</summary>
    public List<Mapping> Overlapping(ulong start, ulong end)
    {
        var found = new List<Mapping>();
        for (int i = Math.Max(0, LowerBound(start)); i < _mappings.Count; i++)
        {
            Mapping mapping = _mappings[i];
            if (mapping.Start >= end)
                break;
            if (mapping.End > start)
                found.Add(mapping);
        }

        return found;
    }

    /// <summary>Whether a task may be in guest code on another thread, where its hart is not to be touched.</summary>
    private bool IsElsewhere(Kernel.KernelTask task) => task.InGuest && task.State != _translating;

    private void Insert(Mapping mapping)
    {
        _mappings.Insert(LowerBound(mapping.Start) + 1, mapping);
        MappedBytes += mapping.End - mapping.Start;
        if (mapping.IsData)
            DataBytes += mapping.End - mapping.Start;
        if (mapping.File is { } file)
        {
            file.Acquire();
            file.Pages?.AddMapper(this);
        }
    }

    private void Delete(Mapping mapping)
    {
        _mappings.RemoveAt(LowerBound(mapping.Start));
        MappedBytes -= mapping.End - mapping.Start;
        if (mapping.IsData)
            DataBytes -= mapping.End - mapping.Start;
        if (mapping.File is { } file)
        {
            file.Pages?.RemoveMapper(this);
            file.Release();
        }
    }

    /// <summary>Leaves of a mapping what lies outside a range.</summary>
    private void Cut(Mapping mapping, ulong start, ulong end)
    {
        // The file behind must not lose its last holder in between.
        mapping.File?.Acquire();
        Delete(mapping);
        if (mapping.Start < start)
            Insert(mapping.Slice(mapping.Start, start));
        if (mapping.End > end)
            Insert(mapping.Slice(end, mapping.End));
        mapping.File?.Release();
    }

    private void Change(List<Mapping> parts, ulong start, ulong end, Func<Mapping, Mapping> change)
    {
        foreach (Mapping mapping in parts)
        {
            ulong from = Math.Max(start, mapping.Start);
            ulong to = Math.Min(end, mapping.End);
            Mapping part = mapping.Slice(from, to);
            part.File?.Acquire();
            Cut(mapping, from, to);
            Insert(change(part));
            part.File?.Release();
        }
    }

    /// <summary>The last mapping that starts at or below an address, or -1.</summary>
    private int LowerBound(ulong address)
    {
        int low = 0;
        int high = _mappings.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) >> 1;
            if (_mappings[middle].Start <= address)
                low = middle + 1;
            else
                high = middle - 1;
        }

        return high;
    }
}
