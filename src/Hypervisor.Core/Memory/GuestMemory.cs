using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Core.Memory;

/// <summary>A range of guest-physical RAM.</summary>
/// <param name="Base">First guest-physical address, a multiple of 4096.</param>
/// <param name="Size">Bytes, a multiple of 4096.</param>
public readonly record struct MemoryRegion(ulong Base, ulong Size);

/// <summary>
/// The RAM of one machine: lazily committed host memory at a guest-physical address, with a byte of flags per page.
/// Whoever writes it from the host side goes through here, so that cached code of the written bytes is dropped.
/// </summary>
/// <remarks>
/// Invariant for the unsafe code: a guest-physical address becomes a host address only after <c>address - Base &lt;= Size - length</c>
/// was checked in unsigned arithmetic.
/// </remarks>
public sealed unsafe class GuestMemory : IDisposable
{
    /// <summary>Bytes in a page.</summary>
    public const int PageSize = 4096;

    /// <summary>The most memory of a guest: pages are numbered by int, and tables grow with it.</summary>
    private const ulong MostBytes = 1UL << 40;

    private readonly HostPages _pages;
    private readonly byte* _start;
    private readonly ulong _base;
    private ulong _size;
    private readonly byte[] _flags;

    /// <summary>Creates zeroed RAM.</summary>
    /// <param name="region">Where it lies and how large it is.</param>
    /// <exception cref="HypervisorException">
    /// The region is empty, misaligned or wraps; or it exceeds 1 TiB or, on systems that do not commit memory lazily, what the host has.
    /// </exception>
    public GuestMemory(MemoryRegion region)
    {
        if (region.Size == 0 || (region.Size & (PageSize - 1)) != 0 || (region.Base & (PageSize - 1)) != 0)
            throw new HypervisorException(
                $"Guest memory at 0x{region.Base:x} of 0x{region.Size:x} bytes is not a whole number of 4096-byte pages; choose a multiple of 4 KiB.");
        if (region.Base + region.Size < region.Base || region.Base + region.Size > 1UL << 56)
            throw new HypervisorException(
                $"Guest memory at 0x{region.Base:x} of 0x{region.Size:x} bytes passes the end of the 56-bit physical address space.");
        ulong available = HostPages.AreLazy ? MostBytes : (ulong)GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (region.Size > available)
            throw new HypervisorException(
                $"A guest wants {region.Size >> 20} MiB of memory and {(HostPages.AreLazy ? $"at most {MostBytes >> 20} MiB are possible" : $"the host has {available >> 20} MiB")}; ask for less.");
        _pages = HostPages.Allocate((nuint)region.Size);
        _start = _pages.Base;
        _base = region.Base;
        _size = region.Size;
        _flags = new byte[region.Size / PageSize];
        Code = new CodeTracker(this);
    }

    /// <summary>Where this RAM lies.</summary>
    public MemoryRegion Region => new(_base, _size);

    /// <summary>Which pages hold cached code, and who must hear when they change.</summary>
    internal CodeTracker Code { get; }

    /// <summary>The flags of each page, by index from the start of the region.</summary>
    internal Span<byte> PageFlags => _flags;

    /// <summary>Releases the memory. No vCPU of the machine may run any more.</summary>
    public void Dispose()
    {
        // A device that is asked late finds no RAM rather than pages of somebody else.
        _size = 0;
        _pages.Dispose();
    }

    /// <summary>Whether all of the range is RAM.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Contains(ulong address, ulong length) => length <= _size && address - _base <= _size - length;

    /// <summary>Copies guest memory to the host; false, with nothing copied, where part of the range is not RAM.</summary>
    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (!Contains(address, (ulong)destination.Length))
            return false;
        new ReadOnlySpan<byte>(_start + (address - _base), destination.Length).CopyTo(destination);
        return true;
    }

    /// <summary>Copies host bytes to guest memory; false, with nothing copied, where part of the range is not RAM.</summary>
    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        if (!Contains(address, (ulong)source.Length))
            return false;
        source.CopyTo(new Span<byte>(_start + (address - _base), source.Length));
        NoteHostWrite(address, source.Length);
        return true;
    }

    /// <summary>Reads a little-endian value; false where it is not all RAM.</summary>
    public bool TryRead<T>(ulong address, out T value) where T : unmanaged
    {
        if (!Contains(address, (ulong)sizeof(T)))
        {
            value = default;
            return false;
        }

        value = Unsafe.ReadUnaligned<T>(_start + (address - _base));
        return true;
    }

    /// <summary>Writes a little-endian value; false where it is not all RAM.</summary>
    public bool TryWrite<T>(ulong address, T value) where T : unmanaged
    {
        if (!Contains(address, (ulong)sizeof(T)))
            return false;
        Unsafe.WriteUnaligned(_start + (address - _base), value);
        NoteHostWrite(address, sizeof(T));
        return true;
    }

    /// <summary>
    /// A window for reading without a copy; empty where part of the range is not RAM. The guest may change the bytes at
    /// any time: read each once, and never trust a value read twice.
    /// </summary>
    internal ReadOnlySpan<byte> Window(ulong address, int length)
        => Contains(address, (ulong)length) ? new ReadOnlySpan<byte>(_start + (address - _base), length) : default;

    /// <summary>
    /// Gives whole pages back to the host, to be zero when they are touched again; how many bytes. Parts of pages, and what is
    /// not RAM, are left alone.
    /// </summary>
    internal long Release(ulong address, long length)
    {
        ulong first = (address + PageSize - 1) & ~(ulong)(PageSize - 1);
        ulong end = address + (ulong)length & ~(ulong)(PageSize - 1);
        if (length <= 0 || first < address || end <= first || !Contains(first, end - first))
            return 0;
        NoteHostWrite(first, (int)Math.Min((long)(end - first), int.MaxValue));
        long released = 0;
        for (ulong run = first; run < end;)
        {
            // What another machine has mapped too stays.
            int page = PageIndex(run);
            int last = PageIndex(end - 1);
            bool shared = (FlagsOf(page) & PageFlag.Shared) != 0;
            int next = page + 1;
            while (next <= last && (FlagsOf(next) & PageFlag.Shared) != 0 == shared)
                next++;
            ulong size = (ulong)(next - page) * PageSize;
            if (!shared)
            {
                _pages.Discard((nuint)(run - _base), (nuint)size);
                released += (long)size;
            }

            run += size;
        }

        return released;
    }

    /// <summary>
    /// Makes whole pages such that other machines can map them too (<see cref="TryMapShared"/>); null where the host cannot.
    /// They keep their content, but for what others write to them meanwhile.
    /// </summary>
    internal SafeFileHandle? TryShare(ulong address, int pages)
    {
        SafeFileHandle? shared = _pages.TryShare((nuint)(address - _base), (nuint)pages * PageSize);
        if (shared is not null)
            MarkShared(address, pages, true);
        return shared;
    }

    /// <summary>Puts another machine's shared pages in place of own ones, whose content is lost; false where the host refuses.</summary>
    internal bool TryMapShared(SafeFileHandle shared, ulong address, int pages)
    {
        if (!_pages.TryJoin(shared, (nuint)(address - _base), (nuint)pages * PageSize))
            return false;
        MarkShared(address, pages, true);
        return true;
    }

    /// <summary>Ends the sharing of pages: they become the machine's own, with what they held or zeroed; false where the host refuses.</summary>
    internal bool TryUnshare(ulong address, int pages, bool keepContent)
    {
        byte[] content = keepContent ? Window(address, pages * PageSize).ToArray() : [];
        if (!_pages.TryLeave((nuint)(address - _base), (nuint)pages * PageSize))
            return false;
        content.CopyTo(new Span<byte>(_start + (address - _base), content.Length));
        MarkShared(address, pages, false);
        return true;
    }

    private void MarkShared(ulong address, int pages, bool isShared)
    {
        NoteHostWrite(address, pages * PageSize);
        int first = PageIndex(address);
        for (int page = first; page < first + pages; page++)
            ChangeFlags(page, isShared ? PageFlag.Shared : PageFlag.None, isShared ? PageFlag.None : PageFlag.Shared);
    }

    /// <summary>A window for writing without a copy; the caller has the range's cached code dropped by this call.</summary>
    internal Span<byte> WritableWindow(ulong address, int length)
    {
        if (!Contains(address, (ulong)length))
            return default;
        NoteHostWrite(address, length);
        return new Span<byte>(_start + (address - _base), length);
    }

    /// <summary>The host address of the page that holds a guest-physical address, or null where it is not RAM.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal byte* HostPage(ulong address)
    {
        ulong offset = address - _base;
        return offset < _size ? _start + (offset & ~(ulong)(PageSize - 1)) : null;
    }

    /// <summary>The index of the page that holds an address known to be RAM.</summary>
    internal int PageIndex(ulong address) => (int)((address - _base) >> 12);

    /// <summary>Changes the flags of a page, which several threads do: by compare and exchange.</summary>
    /// <returns>The flags before.</returns>
    internal PageFlag ChangeFlags(int page, PageFlag set, PageFlag clear)
    {
        ref byte flags = ref _flags[page];
        byte seen = Volatile.Read(ref flags);
        while (true)
        {
            byte wanted = (byte)((seen | (byte)set) & ~(byte)clear);
            if (wanted == seen)
                return (PageFlag)seen;
            byte was = Interlocked.CompareExchange(ref flags, wanted, seen);
            if (was == seen)
                return (PageFlag)seen;
            seen = was;
        }
    }

    /// <summary>The flags of a page as they stand now.</summary>
    internal PageFlag FlagsOf(int page) => (PageFlag)Volatile.Read(ref _flags[page]);

    /// <summary>
    /// Drops cached code of bytes the host wrote. After the last byte of a write through a window too, where other harts may
    /// have decoded the page in between.
    /// </summary>
    internal void NoteHostWrite(ulong address, int length)
    {
        if (length == 0)
            return;
        int first = PageIndex(address);
        int last = PageIndex(address + (ulong)length - 1);
        for (int page = first; page <= last; page++)
        {
            if ((_flags[page] & (byte)PageFlag.Code) != 0)
                Code.PageWritten(page);
        }
    }
}

/// <summary>What is known of a page of guest RAM.</summary>
[Flags]
internal enum PageFlag : byte
{
    None = 0,

    /// <summary>Some code cache holds blocks decoded from the page: stores to it take the slow path.</summary>
    Code = 1,

    /// <summary>Some TLB may let stores to the page pass without the slow path.</summary>
    WriteMapped = 2,

    /// <summary>The hypervisor keeps the page read-only to the guest (a pinned page table).</summary>
    Protected = 4,

    /// <summary>Written since dirty tracking last looked.</summary>
    Dirty = 8,

    /// <summary>Another machine may have the page mapped too: it is not to be executed or given back to the host.</summary>
    Shared = 16,
}
