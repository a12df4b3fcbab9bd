using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Files;

/// <summary>
/// Frames with the content that files of several containers begin with: one for each page that somebody mapped, mapped by all of
/// them and written by nobody. A file that changes a page takes a copy of its own (<see cref="FilePages"/>).
/// </summary>
/// <remarks>
/// Files share where their content has the same identity: that of a file of the host, with its times and its length, or of bytes that
/// are kept for it. They are gone with the last file that uses them.
/// </remarks>
internal sealed class SharedPages(SharedContents all, object identity, FrameAllocator frames) : IFrameCache
{
    private const int PageSize = 4096;

    private readonly Dictionary<long, ulong> _frames = [];
    private int _users;

    /// <summary>What exec found in the content.</summary>
    public ParsedProgram? Program { get; set; }

    public void Acquire()
    {
        if (_users++ == 0)
            frames.Register(this);
    }

    public void Release()
    {
        if (--_users != 0)
            return;
        foreach (ulong frame in _frames.Values)
            frames.Release(frame);
        _frames.Clear();
        frames.Unregister(this);
        all.Forget(identity);
    }

    /// <summary>The frame of a page, where somebody mapped it.</summary>
    public bool TryGet(long index, out ulong frame) => _frames.TryGetValue(index, out frame);

    /// <summary>The frame of a page, which the caller takes a reference on; false where there is no room for it or it cannot be read.</summary>
    public bool TryFrame(long index, IFileContent content, out ulong frame)
    {
        if (_frames.TryGetValue(index, out frame))
            return true;
        if (!frames.TryAllocate(out frame))
            return false;
        Span<byte> window = frames.Memory.WritableWindow(frame, PageSize);
        int count = content.Read(window[..(int)Math.Clamp(content.Length - index * PageSize, 0, PageSize)], index * PageSize);
        if (count < 0)
        {
            frames.Release(frame);
            return false;
        }

        window[count..].Clear();
        _frames.Add(index, frame);
        return true;
    }

    int IFrameCache.Reclaim()
    {
        int count = 0;
        foreach ((long index, ulong frame) in _frames.Where(each => frames.IsSole(each.Value)).ToArray())
        {
            _frames.Remove(index);
            frames.Release(frame);
            count++;
        }

        return count;
    }
}

/// <summary>The contents that files of a container host's containers share.</summary>
internal sealed class SharedContents(FrameAllocator frames)
{
    private readonly Dictionary<object, SharedPages> _pages = [];
    private readonly Dictionary<int, List<WeakReference<KeptBytes>>> _kept = [];

    // Made when a container first begins with a directory.
    private Dictionary<HostPlace, WeakReference<HostDirectory>> Directories => field ??= [];

    /// <summary>The pages of a content, which the caller acquires.</summary>
    public SharedPages Of(object identity)
    {
        if (!_pages.TryGetValue(identity, out SharedPages? pages))
            _pages.Add(identity, pages = new SharedPages(this, identity, frames));
        return pages;
    }

    public void Forget(object identity) => _pages.Remove(identity);

    /// <summary>A directory of the host, open once for all containers that begin with it.</summary>
    /// <exception cref="Core.HypervisorException">There is no such directory.</exception>
    public HostDirectory Directory(string path)
    {
        HostFolder folder = HostFolder.Open(path);
        if (!HostCalls.AreThere || folder.Status(".", out HostStatus status) < 0)
            return new HostDirectory(folder);

        // Another may have taken the path meanwhile.
        var key = new HostPlace(path, status.FileSystem, status.Number, status.BirthTime);
        if (Directories.TryGetValue(key, out WeakReference<HostDirectory>? reference) && reference.TryGetTarget(out HostDirectory? known))
        {
            folder.Dispose();
            return known;
        }

        List<HostPlace> gone = [];
        foreach ((HostPlace place, WeakReference<HostDirectory> each) in Directories)
        {
            if (!each.TryGetTarget(out _))
                gone.Add(place);
        }

        foreach (HostPlace place in gone)
            Directories.Remove(place);
        var made = new HostDirectory(folder);
        Directories[key] = new WeakReference<HostDirectory>(made);
        return made;
    }

    /// <summary>Bytes as the content of a file: a copy, which is one for all that are equal.</summary>
    public KeptBytes Keep(ReadOnlySpan<byte> bytes)
    {
        if (!_kept.TryGetValue(bytes.Length, out List<WeakReference<KeptBytes>>? candidates))
            _kept.Add(bytes.Length, candidates = []);
        for (int i = candidates.Count - 1; i >= 0; i--)
        {
            if (!candidates[i].TryGetTarget(out KeptBytes? kept))
                candidates.RemoveAt(i);
            else if (kept.Bytes.AsSpan().SequenceEqual(bytes))
                return kept;
        }

        var made = new KeptBytes(bytes.ToArray());
        candidates.Add(new WeakReference<KeptBytes>(made));
        return made;
    }
}

/// <summary>A directory of the host, which another may have taken the path of meanwhile.</summary>
internal sealed record HostPlace(string Path, ulong FileSystem, ulong Number, long BirthTime);

/// <summary>Bytes that do not change, as a file's content.</summary>
internal sealed class KeptBytes(byte[] bytes) : IFileContent
{
    public byte[] Bytes => bytes;

    public long Length => bytes.Length;

    public bool WritesThrough => false;

    public object Identity => this;

    public int Read(Span<byte> buffer, long offset)
    {
        int count = (int)Math.Clamp(bytes.Length - offset, 0, buffer.Length);
        bytes.AsSpan((int)Math.Min(offset, bytes.Length), count).CopyTo(buffer);
        return count;
    }

    public int Write(ReadOnlySpan<byte> data, long offset) => -Errno.EROFS;

    public int SetLength(long length) => -Errno.EROFS;
}
