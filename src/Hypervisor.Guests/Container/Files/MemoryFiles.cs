namespace Hypervisor.Guests.Container.Files;

/// <summary>What the files of one container's tree share: numbers, the time, and the room that writes may take.</summary>
internal sealed class FileStore(Func<long> now, long capacityBytes, FileStore? whole = null)
{
    private readonly HashSet<FilePages> _framed = [];
    private readonly List<FileStore> _parts = [];
    private ulong _next = 1;
    private long _used;

    public long Now => now();

    public long Capacity { get; } = capacityBytes;

    public long Used => _used;

    /// <summary>Where files that are mapped have their pages; null where there is no machine to map them into.</summary>
    public Memory.FrameAllocator? Frames { get; init; }

    /// <summary>Contents whose pages files share with those of other containers; null for none.</summary>
    public SharedContents? Shared { get; init; }

    /// <summary>What pipes take their sizes from.</summary>
    public PipeBudget Pipes { get; } = whole?.Pipes ?? new PipeBudget();

    /// <summary>Where reads and writes of the host's files are counted and held to their limits; null for nowhere.</summary>
    public IoAccount? Io { get; set; }

    public ulong NextNumber() => _next++;

    public bool TryTake(long bytes)
    {
        if (_used + bytes > Capacity || whole?.TryTake(bytes) == false)
            return false;
        _used += bytes;
        return true;
    }

    public void Give(long bytes)
    {
        _used -= bytes;
        whole?.Give(bytes);
    }

    /// <summary>A part of it with a limit of its own, for a file system that is one of several.</summary>
    public FileStore Part(long capacity)
    {
        var part = new FileStore(now, Math.Min(capacity, Capacity), this) { Frames = Frames, Shared = Shared, Io = Io };
        _parts.Add(part);
        return part;
    }

    /// <summary>A part is needed no more.</summary>
    public void Leave() => whole?._parts.Remove(this);

    /// <summary>Notes a file that has frames of the machine.</summary>
    public void HasFrames(FilePages pages) => _framed.Add(pages);

    /// <summary>A file gave its frames back.</summary>
    public void HasNoFrames(FilePages pages) => _framed.Remove(pages);

    /// <summary>Gives back the frames of all files: their container has ended.</summary>
    public void Close()
    {
        var framed = new FilePages[_framed.Count];
        _framed.CopyTo(framed);
        foreach (FilePages pages in framed)
            pages.Discard();
        foreach (FileStore part in _parts)
            part.Close();
    }
}

/// <summary>What a directory in memory has before it is changed: entries made when somebody first looks for them.</summary>
internal interface ILowerDirectory
{
    /// <summary>Whether its directories are so few that they are counted when somebody asks.</summary>
    bool IsCounted { get; }

    /// <summary>The entry as a new file of the container, or null.</summary>
    Inode? Open(string name, FileStore store);

    bool Exists(string name);

    IEnumerable<string> Names();
}

/// <summary>A directory in memory, over a read-only one or over nothing. Changes stay in memory.</summary>
internal sealed class MemoryDirectory : Inode
{
    private readonly FileStore _store;
    private readonly ILowerDirectory? _lower;

    // A null entry hides one of the lower directory's.
    private readonly Dictionary<string, Inode?> _children = [];

    public MemoryDirectory(FileStore store, uint permissions, ILowerDirectory? lower = null)
        : base(store.NextNumber(), InodeMode.Directory | permissions, store.Now)
    {
        _store = store;
        _lower = lower;
        Links = 2;
    }

    /// <summary>The directory that holds it; itself for a root.</summary>
    public Inode? Parent { get; set; }

    public override long Size => 4096;

    /// <summary>Two and one for each directory in it; 1, which stands for any number, where not all are known.</summary>
    public override uint LinkCount => Links == 0 ? 0 : _lower is { IsCounted: false } ? 1 : 2 + CountDirectories();

    public override Inode? Lookup(string name)
    {
        if (_children.TryGetValue(name, out Inode? child))
            return child;
        child = _lower?.Open(name, _store);
        if (child is null)
            return null;
        Adopt(child);
        _children[name] = child;
        return child;
    }

    private uint CountDirectories()
    {
        uint count = 0;
        foreach ((_, Inode inode) in Entries())
            count += inode.IsDirectory ? 1u : 0;
        return count;
    }

    public override IEnumerable<(string Name, Inode Inode)> Entries()
    {
        if (_lower is not null)
        {
            foreach (string name in _lower.Names())
                Lookup(name);
        }

        // By their names alone: sorting pairs would be left to the JIT.
        var names = new string[_children.Count];
        int count = 0;
        foreach ((string name, Inode? child) in _children)
        {
            if (child is not null)
                names[count++] = name;
        }

        Array.Sort(names, 0, count, StringComparer.Ordinal);
        var entries = new List<(string, Inode)>(count + 1);
        for (int i = 0; i < count; i++)
            entries.Add((names[i], _children[names[i]]!));
        return entries;
    }

    public override int Add(string name, Inode child)
    {
        Adopt(child);
        _children[name] = child;
        Touch();
        return 0;
    }

    public override int Make(string name, uint mode, out Inode? child)
    {
        child = (mode & InodeMode.TypeMask) switch
        {
            InodeMode.Directory => new MemoryDirectory(_store, mode & InodeMode.Permissions),
            InodeMode.Fifo => new FifoInode(_store, mode & InodeMode.Permissions),
            _ => new MemoryFile(_store, mode & InodeMode.Permissions),
        };
        return Add(name, child);
    }

    public override int MakeSymlink(string name, string target) => Add(name, new Symlink(_store, target));

    public override int Remove(string name)
    {
        if (_lower?.Exists(name) == true)
            _children[name] = null;
        else
            _children.Remove(name);
        Touch();
        return 0;
    }

    public override OpenFile Open(int flags) => new DirectoryFile(this, flags, Parent ?? this);

    private void Adopt(Inode child)
    {
        if (child is MemoryDirectory directory)
            directory.Parent = this;
        else if (child is GeneratedDirectory generated)
            generated.Parent = this;
    }

    private void Touch() => ModifyTime = ChangeTime = _store.Now;
}

internal sealed class Symlink(FileStore store, string target) : Inode(store.NextNumber(), InodeMode.Symlink | 0x1FF, store.Now)
{
    public override string Target => target;

    public override long Size => target.Length;

    public override OpenFile Open(int flags) => new RegularFile(this, flags);
}
