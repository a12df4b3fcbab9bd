namespace Hypervisor.Guests.Container.Files;

/// <summary>A character device: what it does when read and written.</summary>
internal sealed class DeviceInode(FileStore store, uint major, uint minor, Func<DeviceInode, int, OpenFile> open)
    : Inode(store.NextNumber(), InodeMode.Character | 0x1B6, store.Now)
{
    public override ulong Device => (major << 8) | minor;

    public override OpenFile Open(int flags) => open(this, flags);
}

internal sealed class NullFile(Inode inode, int flags) : OpenFile(inode, flags)
{
    public override bool CanSeek => true;

    public override int Read(Span<byte> buffer) => 0;

    public override int Write(ReadOnlySpan<byte> data) => data.Length;

    public override int ReadAt(Span<byte> buffer, long offset) => 0;

    public override int WriteAt(ReadOnlySpan<byte> data, long offset) => data.Length;
}

/// <summary>/dev/zero, and /dev/full, which is the same but refuses writes.</summary>
internal sealed class ZeroFile(Inode inode, int flags, bool full) : OpenFile(inode, flags)
{
    public override bool CanSeek => true;

    public override int Read(Span<byte> buffer)
    {
        buffer.Clear();
        return buffer.Length;
    }

    public override int Write(ReadOnlySpan<byte> data) => full ? -Errno.ENOSPC : data.Length;
}

/// <summary>/dev/random and /dev/urandom, from the container's seeded generator.</summary>
internal sealed class RandomFile(Inode inode, int flags, Random random) : OpenFile(inode, flags)
{
    public override int Read(Span<byte> buffer)
    {
        random.NextBytes(buffer);
        return buffer.Length;
    }

    public override int Write(ReadOnlySpan<byte> data) => data.Length;
}

/// <summary>A file whose content is made when it is opened: most of /proc. What is written goes to a function, where there is one.</summary>
internal sealed class GeneratedInode(FileStore store, Func<byte[]> content, Func<byte[], int>? write = null)
    : Inode(store.NextNumber(), InodeMode.Regular | (write is null ? 0x124u : 0x1A4u), store.Now)
{
    public override int Truncate(long size) => write is null ? -Errno.EPERM : 0;

    public override OpenFile Open(int flags) => new Generated(this, flags, content, write);

    private sealed class Generated(Inode inode, int flags, Func<byte[]> content, Func<byte[], int>? write) : OpenFile(inode, flags)
    {
        private byte[]? _text;

        public override bool CanSeek => true;

        public override int Read(Span<byte> buffer)
        {
            int count = ReadAt(buffer, Position);
            Position += count;
            return count;
        }

        public override int ReadAt(Span<byte> buffer, long offset)
        {
            // Reading from the start again tells how things are now.
            byte[] text = _text = offset == 0 || _text is null ? content() : _text;
            if (offset >= text.Length)
                return 0;
            int count = Math.Min(buffer.Length, text.Length - (int)offset);
            text.AsSpan((int)offset, count).CopyTo(buffer);
            return count;
        }

        public override int Write(ReadOnlySpan<byte> data) => write is null ? -Errno.EACCES : write(data.ToArray()) is < 0 and int error ? error : data.Length;
    }
}

/// <summary>A directory whose entries are made when they are looked up.</summary>
internal sealed class GeneratedDirectory(FileStore store, Func<string, Inode?> lookup, Func<IEnumerable<string>> names)
    : Inode(store.NextNumber(), InodeMode.Directory | 0x16D, store.Now)
{
    public Inode? Parent { get; set; }

    /// <summary>Who fills it, while it is being built.</summary>
    public object? Builder { get; set; }

    public override Inode? Lookup(string name)
    {
        Inode? child = lookup(name);
        if (child is GeneratedDirectory directory)
            directory.Parent = this;
        return child;
    }

    public override IEnumerable<(string Name, Inode Inode)> Entries()
        => names().Select(name => (name, Inode: lookup(name))).Where(entry => entry.Inode is not null).Select(entry => (entry.name, entry.Inode!));

    public override OpenFile Open(int flags) => new DirectoryFile(this, flags, Parent ?? this);
}

/// <summary>A symbolic link whose target is made when it is read: /proc/self; or that leads to a file itself.</summary>
internal sealed class GeneratedLink(FileStore store, Func<string> target, Func<JumpTarget?>? jump = null) : Inode(store.NextNumber(), InodeMode.Symlink | 0x1FF, store.Now)
{
    public override string Target => target();

    public override JumpTarget? Jump => jump?.Invoke();

    public override OpenFile Open(int flags) => new RegularFile(this, flags);
}
