namespace Hypervisor.Guests.Container.Files;

/// <summary>File types and mode bits, as in <c>st_mode</c>.</summary>
internal static class InodeMode
{
    public const uint TypeMask = 0xF000, Fifo = 0x1000, Character = 0x2000, Directory = 0x4000, Block = 0x6000, Regular = 0x8000, Symlink = 0xA000, Socket = 0xC000;
    public const uint Permissions = 0xFFF;
}

/// <summary>Open flags (asm-generic).</summary>
internal static class OpenFlags
{
    public const int AccessMode = 3, WriteOnly = 1, ReadWrite = 2, Create = 0x40, Exclusive = 0x80, Truncate = 0x200, Append = 0x400;
    public const int NoControl = 0x100, NonBlock = 0x800, Directory = 0x10000, NoFollow = 0x20000, CloseOnExec = 0x80000, PathOnly = 0x200000;
    public const int LargeFile = 0x8000, Asynchronous = 0x2000, Nameless = 0x400000;

    /// <summary>Those that are kept and told, and change nothing: everything is written through, and read as it is.</summary>
    public const int Kept = 0x101000 | 0x40000 | 0x4000 | 0x2000 | LargeFile;
}

/// <summary>What a link leads to that does not lead by name.</summary>
/// <param name="Inode">The file.</param>
/// <param name="Path">The path it has, or had.</param>
/// <param name="Mount">The mount it is in; null for none.</param>
/// <param name="Place">The place, where it is a directory.</param>
internal readonly record struct JumpTarget(Inode Inode, string Path, MountedTree? Mount, Place? Place)
{
    public static JumpTarget? Of(OpenFile? file) => file is null ? null : new JumpTarget(file.Inode, file.Path, file.Mount, file.Inode.IsDirectory ? file.Place : null);

    public static JumpTarget Of(Place place) => new(place.Inode, place.Path, place.Mount, place);
}

/// <summary>
/// A file of any kind, as file systems keep it. What a kind cannot do answers with the error Linux gives. Names are single
/// path components: never empty, never with a slash, never <c>.</c> or <c>..</c>.
/// </summary>
internal abstract class Inode(ulong number, uint mode, long now)
{
    private int _holders;

    public ulong Number { get; } = number;

    /// <summary>Type and permissions.</summary>
    public uint Mode { get; set; } = mode;

    public uint Uid { get; set; }

    public uint Gid { get; set; }

    /// <summary>Names that lead to it.</summary>
    public uint Links { get; set; } = 1;

    /// <summary>The number of links that is told.</summary>
    public virtual uint LinkCount => Links;

    public long CreatedAt { get; } = now;

    public long AccessTime { get; set; } = now;

    public long ModifyTime { get; set; } = now;

    public long ChangeTime { get; set; } = now;

    public virtual long Size => 0;

    /// <summary>Device number of a character device.</summary>
    public virtual ulong Device => 0;

    public bool IsDirectory => (Mode & InodeMode.TypeMask) == InodeMode.Directory;

    public bool IsSymlink => (Mode & InodeMode.TypeMask) == InodeMode.Symlink;

    public bool IsRegular => (Mode & InodeMode.TypeMask) == InodeMode.Regular;

    /// <summary>Where a symbolic link leads.</summary>
    public virtual string Target => "";

    /// <summary>What a link of /proc leads to by itself; null for links by name.</summary>
    public virtual JumpTarget? Jump => null;

    /// <summary>Takes over another's mode, owners and times.</summary>
    protected void TakeAttributes(Inode from)
    {
        (Mode, Uid, Gid) = (from.Mode, from.Uid, from.Gid);
        (AccessTime, ModifyTime, ChangeTime) = (from.AccessTime, from.ModifyTime, from.ChangeTime);
    }

    /// <summary>The entry of that name, or null.</summary>
    public virtual Inode? Lookup(string name) => null;

    public virtual IEnumerable<(string Name, Inode Inode)> Entries() => [];

    /// <summary>Adds an entry; 0 or a negated error.</summary>
    public virtual int Add(string name, Inode child) => -Errno.EROFS;

    /// <summary>Makes a regular file, directory or fifo in this directory.</summary>
    public virtual int Make(string name, uint mode, out Inode? child)
    {
        child = null;
        return -Errno.EROFS;
    }

    /// <summary>Makes a symbolic link in this directory.</summary>
    public virtual int MakeSymlink(string name, string target) => -Errno.EROFS;

    public virtual int Remove(string name) => -Errno.EROFS;

    public virtual int ReadAt(Span<byte> buffer, long offset) => -Errno.EINVAL;

    public virtual int WriteAt(ReadOnlySpan<byte> data, long offset) => -Errno.EINVAL;

    public virtual int Truncate(long size) => -Errno.EINVAL;

    /// <summary>Takes room for a range (fallocate).</summary>
    public virtual int Allocate(long offset, long length, bool keepSize) => -Errno.EOPNOTSUPP;

    /// <summary>Makes a range read as zeroes and frees what it took.</summary>
    public virtual int PunchHole(long offset, long length) => -Errno.EOPNOTSUPP;

    /// <summary>Bytes it takes.</summary>
    public virtual long Allocated => Size;

    /// <summary>Its content by pages, where it can be mapped; null where it cannot.</summary>
    public virtual FilePages? Pages => null;

    /// <summary>Moves an entry of this directory to another directory or name, replacing what is there; 0 or a negated error.</summary>
    public virtual int Rename(string name, Inode to, string newName)
    {
        if (Lookup(name) is not { } child)
            return -Errno.ENOENT;
        int error = to.Add(newName, child);
        return error != 0 ? error : Remove(name);
    }

    /// <summary>Whether entries can be moved and linked between where this and another are.</summary>
    public virtual bool SharesFileSystem(Inode other) => other is not IOnVolume;

    /// <summary>Changes its permissions; 0 or a negated error.</summary>
    public virtual int ChangeMode(uint mode)
    {
        Mode = (Mode & InodeMode.TypeMask) | (mode & InodeMode.Permissions);
        return 0;
    }

    /// <summary>Changes its owners, those that are not all ones; 0 or a negated error.</summary>
    public virtual int ChangeOwner(uint uid, uint gid)
    {
        if (uid != uint.MaxValue)
            Uid = uid;
        if (gid != uint.MaxValue)
            Gid = gid;
        return 0;
    }

    /// <summary>Changes when it was last read and written; 0 or a negated error.</summary>
    public virtual int ChangeTimes(long access, long modify)
    {
        AccessTime = access;
        ModifyTime = modify;
        return 0;
    }

    /// <summary>Whether open files or mappings hold it.</summary>
    protected bool IsHeld => _holders > 0;

    /// <summary>Advisory locks on it; null before the first.</summary>
    public FileLocks? Locks { get; set; }

    /// <summary>Who is told what happens to it; null for nobody.</summary>
    public List<NotifyWatch>? NotifyWatches { get; set; }

    /// <summary>Extended attributes by name; null before the first.</summary>
    public Dictionary<string, byte[]>? Attributes { get; set; }

    /// <summary>One more open file or mapping holds it.</summary>
    public void Acquire() => _holders++;

    /// <summary>An open file or mapping lets go of it.</summary>
    public void Release()
    {
        if (--_holders == 0 && Links == 0)
            Forgotten();
    }

    /// <summary>One name less leads to it.</summary>
    public void Unlinked()
    {
        if (Links > 0)
            Links--;
        if (Links == 0 && _holders == 0)
            Forgotten();
    }

    /// <summary>No name leads to it and nobody holds it: what it takes is given back.</summary>
    protected virtual void Forgotten()
    {
    }

    /// <summary>Opens it for a task; 0 or a negated error, EAGAIN where the task must wait for <see cref="OpenReady"/>.</summary>
    public virtual int TryOpen(Kernel.KernelTask task, int flags, out OpenFile? file)
    {
        file = Open(flags);
        return 0;
    }

    /// <summary>Woken when an opening that had to wait may go on.</summary>
    public virtual WaitQueue? OpenReady => null;

    /// <summary>Opens it. The flags were checked against its kind.</summary>
    public abstract OpenFile Open(int flags);
}
