namespace Hypervisor.Guests.Container.Files;

/// <summary>What the files of one container's tree share: numbers, the time, and the room that writes may take.</summary>
internal sealed class FileStore(Func<long> now, long capacityBytes)
{
    private ulong _next = 1;
    private long _used;

    public long Now => now();

    public long Capacity { get; } = capacityBytes;

    public long Used => _used;

    public ulong NextNumber() => _next++;

    public bool TryTake(long bytes)
    {
        if (_used + bytes > Capacity)
            return false;
        _used += bytes;
        return true;
    }
}

/// <summary>A directory in memory, over a read-only host directory or over nothing. Changes stay in memory.</summary>
internal sealed class MemoryDirectory : Inode
{
    private readonly FileStore _store;
    private readonly HostDirectory? _lower;

    // A null entry hides one of the lower directory's.
    private readonly Dictionary<string, Inode?> _children = [];

    public MemoryDirectory(FileStore store, uint permissions, HostDirectory? lower = null)
        : base(store.NextNumber(), InodeMode.Directory | permissions, store.Now)
    {
        _store = store;
        _lower = lower;
        Links = 2;
    }

    /// <summary>The directory that holds it; itself for a root.</summary>
    public Inode? Parent { get; set; }

    public override long Size => 4096;

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

    public override IEnumerable<(string Name, Inode Inode)> Entries()
    {
        if (_lower is not null)
        {
            foreach (string name in _lower.Names())
                Lookup(name);
        }

        return _children.Where(entry => entry.Value is not null)
            .OrderBy(entry => entry.Key, StringComparer.Ordinal)
            .Select(entry => (entry.Key, entry.Value!))
            .ToList();
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
    }

    private void Touch() => ModifyTime = ChangeTime = _store.Now;
}

internal sealed class Symlink(FileStore store, string target) : Inode(store.NextNumber(), InodeMode.Symlink | 0x1FF, store.Now)
{
    public override string Target => target;

    public override long Size => target.Length;

    public override OpenFile Open(int flags) => new RegularFile(this, flags);
}

/// <summary>A regular file in memory; one that began as a host file reads from there until it is first changed.</summary>
internal sealed class MemoryFile : Inode
{
    private const long LargestFile = 1L << 31;

    private readonly FileStore _store;
    private HostFile? _lower;
    private byte[] _data = [];
    private long _size;

    public MemoryFile(FileStore store, uint permissions, HostFile? lower = null)
        : base(store.NextNumber(), InodeMode.Regular | permissions, store.Now)
    {
        _store = store;
        _lower = lower;
        _size = lower?.Length ?? 0;
    }

    public override long Size => _size;

    public override int ReadAt(Span<byte> buffer, long offset)
    {
        if (offset >= _size)
            return 0;
        int count = (int)Math.Min(buffer.Length, _size - offset);
        if (_lower is not null)
            return _lower.Read(buffer[..count], offset);
        _data.AsSpan((int)offset, count).CopyTo(buffer);
        return count;
    }

    public override int WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        if (offset + data.Length > LargestFile)
            return -Errno.EFBIG;
        int error = Own(Math.Max(_size, offset + data.Length));
        if (error != 0)
            return error;
        data.CopyTo(_data.AsSpan((int)offset));
        _size = Math.Max(_size, offset + data.Length);
        ModifyTime = ChangeTime = _store.Now;
        return data.Length;
    }

    public override int Truncate(long size)
    {
        if (size > LargestFile)
            return -Errno.EFBIG;
        int error = Own(size);
        if (error != 0)
            return error;
        if (size < _size)
            _data.AsSpan((int)size, (int)(_size - size)).Clear();
        _size = size;
        ModifyTime = ChangeTime = _store.Now;
        return 0;
    }

    public override OpenFile Open(int flags) => new RegularFile(this, flags);

    /// <summary>Makes the content this file's own, with room for a size.</summary>
    private int Own(long size)
    {
        if (size > _data.Length)
        {
            long room = Math.Min(LargestFile, Math.Max(size, Math.Min(_data.Length * 2L, _data.Length + (16L << 20))));
            if (!_store.TryTake(room - _data.Length))
                return -Errno.ENOSPC;
            Array.Resize(ref _data, (int)room);
        }

        if (_lower is null)
            return 0;
        int keep = (int)Math.Min(_size, _data.Length);
        if (_lower.Read(_data.AsSpan(0, keep), 0) != keep)
            return -Errno.EIO;
        _lower = null;
        return 0;
    }
}
