using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Files;

/// <summary>A program as it was parsed at a version of its file.</summary>
/// <param name="Version">The version.</param>
/// <param name="Head">The file's beginning.</param>
/// <param name="Elf">What its headers say.</param>
internal sealed record ParsedProgram(long Version, ReadOnlyMemory<byte> Head, Common.ElfImage Elf);

/// <summary>
/// The content of a regular file, page by page: nothing where it was never written, bytes of the host's heap, or, once somebody
/// maps it, a frame that all mappings share with read and write. A file that began as one of the host's takes what was not
/// changed from there; such pages are mapped from frames that files of other containers may share (<see cref="SharedPages"/>).
/// </summary>
/// <remarks>
/// A page that is in <see cref="_pages"/> is mapped from there and from nowhere else: whoever adds one that was shared makes all
/// mappings drop the shared frame.
/// </remarks>
internal sealed class FilePages(FileStore store, IFileContent? lower = null) : IFrameCache
{
    private const int PageSize = 4096;
    private const int PageShift = 12;
    private const long Largest = long.MaxValue - PageSize;

    private readonly Dictionary<long, Page> _pages = [];
    private readonly Dictionary<AddressSpace, int> _mappers = [];
    private readonly bool _through = lower?.WritesThrough == true;
    private long _unchanged = lower is { WritesThrough: false } ? lower.Length : 0;
    private long _size = lower is { WritesThrough: false } ? lower.Length : 0;
    private bool _registered;
    private SharedPages? _shared;

    private struct Page
    {
        public byte[]? Bytes;
        public ulong Frame;

        /// <summary>Its content is nowhere else, and counted against the store.</summary>
        public bool IsOwn;
    }

    public long Size
    {
        get => _through ? lower!.Length : _size;
        private set => _size = value;
    }

    /// <summary>How much of it, from its start, comes from below where no page says otherwise.</summary>
    private long LowerLength => _through ? lower!.Length : _unchanged;

    /// <summary>Counts changes of content by calls, for whoever keeps something that was read from it.</summary>
    public long Version { get; private set; }

    /// <summary>Whether a mapping may write to it.</summary>
    public bool IsMappedShared => _mappers.Keys.Any(space => space.Mappings.Any(mapping => mapping.File?.Pages == this && mapping.Shared && mapping.MayWrite));

    /// <summary>Bytes that it takes, in whole pages.</summary>
    public long Allocated => CountOwn() * (long)PageSize + (LowerLength + PageSize - 1 & ~(PageSize - 1L));

    /// <summary>What exec found in it, and at which version.</summary>
    public ParsedProgram? Program
    {
        get => field ?? (Version == 0 ? Shared()?.Program : null);
        set
        {
            field = value;
            if (Version == 0 && Shared() is { } shared)
                shared.Program = value;
        }
    }

    public void AddMapper(AddressSpace space) => System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_mappers, space, out _)++;

    public void RemoveMapper(AddressSpace space)
    {
        if (--System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrNullRef(_mappers, space) != 0)
            return;
        _mappers.Remove(space);

        // Nobody maps a file of the host's any more: from here on the host's own content is what is read.
        if (_through && _mappers.Count == 0)
        {
            WriteBack();
            Drop(0, long.MaxValue);
        }
    }

    /// <summary>Writes to the host what mappings wrote; 0 or a negated error. Nothing to do for files that are not the host's.</summary>
    public int WriteBack()
    {
        if (!_through)
            return 0;
        int result = 0;
        long size = Size;
        foreach ((long index, Page page) in _pages)
        {
            long at = index << PageShift;
            if (page.IsOwn && at < size && lower!.Write(Content(in page)[..(int)Math.Min(PageSize, size - at)], at) is < 0 and int error)
                result = error;
        }

        return result;
    }

    /// <summary>Reads; how many bytes, or a negated error.</summary>
    public int Read(Span<byte> buffer, long offset)
    {
        if (offset >= Size)
            return 0;
        buffer = buffer[..(int)Math.Min(buffer.Length, Size - offset)];
        int done = 0;
        while (done < buffer.Length)
        {
            long at = offset + done;
            int inPage = (int)(at & (PageSize - 1));
            int count = Math.Min(buffer.Length - done, PageSize - inPage);
            if (_pages.TryGetValue(at >> PageShift, out Page page))
            {
                Content(in page).Slice(inPage, count).CopyTo(buffer[done..]);
            }
            else if (at < LowerLength)
            {
                if (_shared is not null && _shared.TryGet(at >> PageShift, out ulong shared))
                {
                    store.Frames!.Memory.Window(shared, PageSize).Slice(inPage, count).CopyTo(buffer[done..]);
                }
                else
                {
                    // As far as pages in a row are the host's, in one go.
                    while (done + count < buffer.Length && !_pages.ContainsKey(offset + done + count >> PageShift))
                        count = Math.Min(buffer.Length - done, count + PageSize);
                    Span<byte> part = buffer.Slice(done, count);
                    int error = ReadLower(part, at);
                    if (error < 0)
                        return done > 0 ? done : error;
                }
            }
            else
            {
                buffer.Slice(done, count).Clear();
            }

            done += count;
        }

        return done;
    }

    /// <summary>Writes; how many bytes, or a negated error.</summary>
    public int Write(ReadOnlySpan<byte> data, long offset)
    {
        if (offset > Largest - data.Length)
            return -Errno.EFBIG;
        if (_through)
            return WriteThrough(data, offset);
        int done = 0;
        while (done < data.Length)
        {
            long at = offset + done;
            int inPage = (int)(at & (PageSize - 1));
            int count = Math.Min(data.Length - done, PageSize - inPage);
            int error = Own(at >> PageShift, whole: count == PageSize, out Page page);
            if (error != 0)
            {
                if (done == 0)
                    return error;
                break;
            }

            data.Slice(done, count).CopyTo(Writable(in page).Slice(inPage, count));
            done += count;
        }

        Size = Math.Max(Size, offset + done);
        Version++;
        return done;
    }

    /// <summary>Writes to the host, and to the pages that mappings see.</summary>
    private int WriteThrough(ReadOnlySpan<byte> data, long offset)
    {
        int written = lower!.Write(data, offset);
        for (int done = 0; done < written && _pages.Count > 0;)
        {
            int inPage = (int)(offset + done & (PageSize - 1));
            int count = Math.Min(written - done, PageSize - inPage);
            if (_pages.TryGetValue(offset + done >> PageShift, out Page page))
                data.Slice(done, count).CopyTo(Writable(in page)[inPage..]);
            done += count;
        }

        Version++;
        return written;
    }

    /// <summary>Cuts or extends; 0 or a negated error.</summary>
    public int Resize(long size)
    {
        if (size > Largest)
            return -Errno.EFBIG;
        if (_through)
        {
            Drop((size + PageSize - 1) >> PageShift, long.MaxValue);
            if ((size & (PageSize - 1)) != 0 && _pages.TryGetValue(size >> PageShift, out Page cut))
                Writable(in cut)[(int)(size & (PageSize - 1))..].Clear();
            Version++;
            return lower!.SetLength(size);
        }

        if (size < Size)
        {
            long first = (size + PageSize - 1) >> PageShift;
            Drop(first, long.MaxValue);
            if ((size & (PageSize - 1)) != 0 && (_pages.ContainsKey(size >> PageShift) || size < LowerLength))
            {
                int error = Own(size >> PageShift, whole: false, out Page last);
                if (error != 0)
                    return error;
                Writable(in last)[(int)(size & (PageSize - 1))..].Clear();
            }

            _unchanged = Math.Min(_unchanged, size);
        }

        Size = size;
        Version++;
        return 0;
    }

    /// <summary>Makes a range read as zeroes, freeing whole pages of it; 0 or a negated error.</summary>
    public int PunchHole(long offset, long length)
    {
        long end = Math.Min(offset + length, Size);
        long at = offset;
        while (at < end)
        {
            int inPage = (int)(at & (PageSize - 1));
            long count = Math.Min(end - at, PageSize - inPage);
            long index = at >> PageShift;
            if (_through)
            {
                int error = WriteThrough(new byte[count], at);
                if (error < 0)
                    return error;
            }
            else if (count == PageSize && at >= LowerLength)
            {
                Drop(index, index + 1);
            }
            else if (_pages.ContainsKey(index) || at < LowerLength)
            {
                int error = Own(index, whole: count == PageSize, out Page page);
                if (error != 0)
                    return error;
                Writable(in page).Slice(inPage, (int)count).Clear();
            }

            at += count;
        }

        Version++;
        return 0;
    }

    /// <summary>Takes room for a range that has none yet; 0 or a negated error.</summary>
    public int Allocate(long offset, long length)
    {
        if (_through)
            return 0;
        for (long index = offset >> PageShift; index <= offset + length - 1 >> PageShift; index++)
        {
            int error = Own(index, whole: false, out _);
            if (error != 0)
                return error;
        }

        return 0;
    }

    /// <summary>The first byte from a place on that is data, or that is a hole; the end counts as a hole. -1 beyond the end.</summary>
    public long Seek(long offset, bool data)
    {
        if (offset >= Size)
            return -1;
        long index = offset >> PageShift;
        while (index << PageShift < Size)
        {
            bool isData = _pages.ContainsKey(index) || index << PageShift < LowerLength;
            if (isData == data)
                return Math.Max(offset, index << PageShift);

            // Over a long hole in one step.
            index = data && _pages.Count < 4096 ? _pages.Keys.Where(key => key > index).DefaultIfEmpty(long.MaxValue >> PageShift).Min() : index + 1;
        }

        return data ? -1 : Size;
    }

    /// <summary>The frame of a page, for a mapping; false where there is no room for it.</summary>
    /// <param name="index">The page.</param>
    /// <param name="own">Whether the mapping may write, so that the content is the file's own from now on.</param>
    /// <param name="frame">The frame, on which the caller takes a reference.</param>
    public bool TryFrame(long index, bool own, out ulong frame)
    {
        frame = 0;
        if (store.Frames is not { } frames)
            return false;
        bool isKnown = _pages.TryGetValue(index, out Page page);
        if (!own && !isKnown && index << PageShift < LowerLength && Shared()?.TryFrame(index, lower!, out frame) == true)
            return true;
        if (own && !page.IsOwn)
        {
            if (!_through && !store.TryTake(PageSize))
                return false;
            page.IsOwn = true;
        }

        if (page.Frame == 0)
        {
            if (!frames.TryAllocate(out page.Frame))
            {
                if (page.IsOwn && page.Bytes is null && !_through)
                    store.Give(PageSize);
                return false;
            }

            Span<byte> window = frames.Memory.WritableWindow(page.Frame, PageSize);
            if (page.Bytes is { } bytes)
                bytes.CopyTo(window);
            else if (index << PageShift < LowerLength && ReadLower(window, index << PageShift) < 0)
                window.Clear();
            page.Bytes = null;
            if (!_registered)
            {
                frames.Register(this);
                store.HasFrames(this);
                _registered = true;
            }
        }

        _pages[index] = page;
        if (!isKnown)
            Unshare(index, index + 1);
        frame = page.Frame;
        return true;
    }

    private int CountOwn()
    {
        int count = 0;
        foreach (Page page in _pages.Values)
            count += page.IsOwn ? 1 : 0;
        return count;
    }

    int IFrameCache.Reclaim()
    {
        int count = 0;
        foreach ((long index, Page page) in _pages.Where(each => !each.Value.IsOwn && each.Value.Frame != 0 && store.Frames!.IsSole(each.Value.Frame)).ToArray())
        {
            _pages.Remove(index);
            store.Frames!.Release(page.Frame);
            count++;
        }

        return count;
    }

    /// <summary>Nobody has the file any more: gives back all it holds.</summary>
    public void Discard()
    {
        WriteBack();
        Drop(0, long.MaxValue);
        if (_registered)
            store.Frames!.Unregister(this);
        _registered = false;
        _shared?.Release();
        _shared = null;
        store.HasNoFrames(this);
        Size = _unchanged = 0;
    }

    /// <summary>Where its unchanged pages are that other files have too; null for files that share nothing.</summary>
    private SharedPages? Shared()
    {
        if (_shared is null && _unchanged > 0 && store is { Frames: not null, Shared: { } contents } && lower?.Identity is { } identity)
        {
            (_shared = contents.Of(identity)).Acquire();
            store.HasFrames(this);
        }

        return _shared;
    }

    /// <summary>Makes mappings drop shared frames of pages that are the file's own now, or gone.</summary>
    private void Unshare(long first, long end)
    {
        if (_shared is not null && _mappers.Count != 0)
            DropMapped(first, end);
    }

    private void DropMapped(long first, long end)
    {
        foreach (AddressSpace space in _mappers.Keys.ToArray())
            space.DropFilePages(this, first, end);
    }

    private void Drop(long first, long end)
    {
        if (_pages.Count == 0 || !HasPages(first, end))
            Unshare(first, end);
        else
            DropPages(first, end);
    }

    private bool HasPages(long first, long end) => _pages.Keys.Any(index => index >= first && index < end);

    private void DropPages(long first, long end)
    {
        DropMapped(first, end);
        foreach (long index in _pages.Keys.Where(index => index >= first && index < end).ToArray())
        {
            _pages.Remove(index, out Page page);
            if (page.Frame != 0)
                store.Frames!.Release(page.Frame);
            if (page.IsOwn && !_through)
                store.Give(PageSize);
        }
    }

    /// <summary>Makes a page the file's own, with its content unless all of it will be overwritten.</summary>
    private int Own(long index, bool whole, out Page page)
    {
        if (_pages.TryGetValue(index, out page) && page.IsOwn)
            return 0;
        if (!store.TryTake(PageSize))
            return -Errno.ENOSPC;
        if (page.Frame == 0)
        {
            page.Bytes = new byte[PageSize];
            if (!whole && index << PageShift < LowerLength && ReadLower(page.Bytes, index << PageShift) is < 0 and int error)
            {
                store.Give(PageSize);
                return error;
            }
        }

        page.IsOwn = true;
        bool isNew = _pages.TryAdd(index, page);
        if (isNew)
            Unshare(index, index + 1);
        else
            _pages[index] = page;
        return 0;
    }

    private int ReadLower(Span<byte> buffer, long offset)
    {
        int wanted = (int)Math.Min(buffer.Length, Math.Max(0, LowerLength - offset));
        int count = lower!.Read(buffer[..wanted], offset);
        if (count < 0)
            return count;
        buffer[count..].Clear();
        return count;
    }

    private ReadOnlySpan<byte> Content(in Page page) => page.Bytes ?? store.Frames!.Memory.Window(page.Frame, PageSize);

    private Span<byte> Writable(in Page page) => page.Bytes ?? store.Frames!.Memory.WritableWindow(page.Frame, PageSize);
}
