namespace Hypervisor.Guests.Container.Files;

/// <summary>Readiness, as in poll(2) and epoll.</summary>
[Flags]
internal enum PollEvents : uint
{
    None = 0,
    In = 1,
    Out = 4,
    Error = 8,
    HangUp = 16,
    ReadHangUp = 0x2000,
}

/// <summary>Somebody who keeps a file in view without holding it open.</summary>
internal interface IFileWatcher
{
    /// <summary>The file's last descriptor is gone.</summary>
    void FileClosed();
}

/// <summary>
/// An open file description, shared by all descriptors duplicated from it. Reads and writes give the bytes moved or a negated
/// error; <see cref="Errno.EAGAIN"/> means that it would block, and that <see cref="Ready"/> wakes whoever waits.
/// </summary>
internal abstract class OpenFile
{
    private string? _path;
    private PathResult? _found;

    private int _references = 1;

    protected OpenFile(Inode inode, int flags)
    {
        Inode = inode;
        Flags = flags;
        inode.Acquire();
    }

    public Inode Inode { get; }

    public int Flags { get; set; }

    public long Position { get; set; }

    /// <summary>The path it was opened by, for /proc/self/fd and for paths relative to it.</summary>
    public string Path
    {
        get => _path ??= _found?.Path ?? "";
        set => _path = value;
    }

    /// <summary>Where it was found: its path is made of that when somebody asks, unless it has one of its own.</summary>
    public void FoundAt(in PathResult found) => _found = found;

    /// <summary>Who is signalled about it, and how (F_SETOWN, F_SETSIG); null before anybody asked.</summary>
    public ReadinessSignal? Readiness { get; set; }

    /// <summary>The mounted tree it was opened in; null for files of none.</summary>
    public MountedTree? Mount { get; set; }

    /// <summary>Where it is, as a place to start from, where it is a directory.</summary>
    public Place? Place { get; set; }

    /// <summary>The directory it was opened in, where it was opened by name.</summary>
    public Inode? Directory { get; set; }

    public bool CanRead => (Flags & (OpenFlags.AccessMode | OpenFlags.PathOnly)) is 0 or OpenFlags.ReadWrite;

    public bool CanWrite => (Flags & OpenFlags.AccessMode) != 0 && (Flags & OpenFlags.PathOnly) == 0;

    /// <summary>Woken when it may have become readable or writable.</summary>
    public virtual WaitQueue? Ready => null;

    public virtual bool CanSeek => false;

    public virtual bool IsTerminal => false;

    /// <summary>The terminal it is an end of; null for other files.</summary>
    public virtual Terminal? Terminal => null;

    public abstract int Read(Span<byte> buffer);

    public abstract int Write(ReadOnlySpan<byte> data);

    public virtual int ReadAt(Span<byte> buffer, long offset) => -Errno.ESPIPE;

    public virtual int WriteAt(ReadOnlySpan<byte> data, long offset) => -Errno.ESPIPE;

    public virtual PollEvents Poll() => PollEvents.In | PollEvents.Out;

    public void Acquire() => _references++;

    public void Release()
    {
        if (--_references != 0)
            return;
        foreach (IFileWatcher watcher in Watchers?.ToArray() ?? [])
            watcher.FileClosed();
        Watchers = null;
        Readiness?.Stop();
        if (Inode.Locks is { } locks)
            locks.GiveAll(this);
        Notify.Closed(this);
        Closed();
        Inode.Release();
    }

    /// <summary>Who watches it; null for nobody.</summary>
    public List<IFileWatcher>? Watchers { get; set; }

    /// <summary>The last descriptor is gone.</summary>
    protected virtual void Closed()
    {
    }
}

/// <summary>An open regular file: a position over an inode.</summary>
internal sealed class RegularFile(Inode inode, int flags) : OpenFile(inode, flags)
{
    public override bool CanSeek => true;

    public override int Read(Span<byte> buffer)
    {
        int count = Inode.ReadAt(buffer, Position);
        if (count > 0)
            Position += count;
        return count;
    }

    public override int Write(ReadOnlySpan<byte> data)
    {
        if ((Flags & OpenFlags.Append) != 0)
            Position = Inode.Size;
        int count = Inode.WriteAt(data, Position);
        if (count > 0)
            Position += count;
        return count;
    }

    public override int ReadAt(Span<byte> buffer, long offset) => Inode.ReadAt(buffer, offset);

    public override int WriteAt(ReadOnlySpan<byte> data, long offset) => Inode.WriteAt(data, offset);
}

/// <summary>An open directory. Its listing is taken when reading starts, so that changes meanwhile cannot confuse it.</summary>
internal sealed class DirectoryFile(Inode inode, int flags, Inode parent) : OpenFile(inode, flags)
{
    private List<(string Name, Inode Inode)>? _listing;

    public override bool CanSeek => true;

    public override int Read(Span<byte> buffer) => -Errno.EISDIR;

    public override int ReadAt(Span<byte> buffer, long offset) => -Errno.EISDIR;

    public override int Write(ReadOnlySpan<byte> data) => -Errno.EBADF;

    /// <summary>Fills a buffer with <c>linux_dirent64</c> records from the position on; 0 at the end.</summary>
    public int ReadEntries(Span<byte> buffer)
    {
        if (_listing is null || Position == 0)
            _listing = [(".", Inode), ("..", parent), .. Inode.Entries()];
        int used = 0;
        for (; Position < _listing.Count; Position++)
        {
            (string name, Inode inode) = _listing[(int)Position];
            int bytes = name.Length;
            int length = (19 + bytes + 1 + 7) & ~7;
            if (used + length > buffer.Length)
                return used == 0 ? -Errno.EINVAL : used;
            Span<byte> record = buffer.Slice(used, length);
            record.Clear();
            BitConverter.TryWriteBytes(record, inode.Number);
            BitConverter.TryWriteBytes(record[8..], Position + 1);
            BitConverter.TryWriteBytes(record[16..], (ushort)length);
            record[18] = (byte)(inode.Mode >> 12);
            KernelText.Encode(name).CopyTo(record[19..]);
            used += length;
        }

        return used;
    }
}

/// <summary>A file that was opened as a place only (O_PATH).</summary>
internal sealed class PathFile(Inode inode, int flags) : OpenFile(inode, flags)
{
    public override int Read(Span<byte> buffer) => -Errno.EBADF;

    public override int Write(ReadOnlySpan<byte> data) => -Errno.EBADF;
}
