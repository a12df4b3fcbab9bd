using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Guests.Container.Files;

/// <summary>
/// A directory of the host with all below it, as a file system that a container may write to. Changes are the host's at once.
/// Files are the same object for as long as anybody holds them, by the host's numbers, so that locks and mappings meet.
/// </summary>
internal sealed class HostVolume
{
    private const int MostOpen = 1024;

    private readonly Dictionary<(ulong FileSystem, ulong Number), WeakReference<Inode>> _known = [];
    private readonly Queue<WeakReference<Inode>> _open = new();
    private int _sweepAt = 4096;

    public HostVolume(FileStore store, string path)
        : this(store, HostFolder.Open(path))
    {
    }

    /// <summary>A volume of a directory that is open, and is the volume's from now on.</summary>
    public HostVolume(FileStore store, HostFolder folder)
    {
        Store = store;
        folder.Status(".", out HostStatus status);
        Root = new HostTreeDirectory(this, status.Mode == 0 ? new HostStatus { Mode = InodeMode.Directory | 0x1ED } : status, folder);
    }

    public FileStore Store { get; }

    public HostTreeDirectory Root { get; }

    /// <summary>The file of a name in a directory, or null where there is none or of a kind that is not shown.</summary>
    public Inode? Find(HostTreeDirectory parent, HostFolder folder, string name)
    {
        if (folder.Status(name, out HostStatus status) < 0)
            return null;
        var key = (status.FileSystem, status.Number);
        if (_known.TryGetValue(key, out WeakReference<Inode>? reference) && reference.TryGetTarget(out Inode? known)
            && (known.Mode & InodeMode.TypeMask) == (status.Mode & InodeMode.TypeMask) && known is IHostEntry entry && entry.BirthTime == status.BirthTime && known.Links > 0)
        {
            entry.Found(parent, name, in status);
            return known;
        }

        Inode? inode = (status.Mode & InodeMode.TypeMask) switch
        {
            InodeMode.Directory => new HostTreeDirectory(this, status, null),
            InodeMode.Regular => new HostTreeFile(this, status),
            InodeMode.Symlink => folder.ReadLink(name, out string target) == 0 ? new HostTreeSymlink(this, status, target) : null,
            _ => null, // Devices, pipes and sockets of the host are the host's.
        };
        if (inode is null)
            return null;
        ((IHostEntry)inode).Found(parent, name, in status);
        if (_known.Count >= _sweepAt)
            Sweep();
        _known[key] = new WeakReference<Inode>(inode);
        return inode;
    }

    /// <summary>Notes that something was opened, and closes what was opened long ago where there is much.</summary>
    public void Opened(Inode inode)
    {
        _open.Enqueue(new WeakReference<Inode>(inode));
        for (int tries = 0; _open.Count > MostOpen && tries < 16; tries++)
        {
            if (_open.Dequeue().TryGetTarget(out Inode? old) && !((IHostEntry)old).TryClose())
                _open.Enqueue(new WeakReference<Inode>(old));
        }
    }

    private void Sweep()
    {
        foreach (var key in _known.Where(each => !each.Value.TryGetTarget(out _)).Select(each => each.Key).ToArray())
            _known.Remove(key);
        _sweepAt = Math.Max(4096, _known.Count * 2);
    }
}

/// <summary>Something that lies, or whose changes go, on a <see cref="HostVolume"/>.</summary>
internal interface IOnVolume
{
    /// <summary>Which one.</summary>
    HostVolume Volume { get; }
}

/// <summary>A file, directory or link of a <see cref="HostVolume"/>.</summary>
internal interface IHostEntry : IOnVolume
{
    /// <summary>When it was made, by the host.</summary>
    long BirthTime { get; }

    /// <summary>The directory and name it was last found at.</summary>
    (HostTreeDirectory? Parent, string Name) At { get; set; }

    /// <summary>It was found at a name, with this status.</summary>
    void Found(HostTreeDirectory parent, string name, in HostStatus status);

    /// <summary>Closes what it holds open of the host, if it can be opened again.</summary>
    bool TryClose();
}

/// <summary>What files, directories and links of a <see cref="HostVolume"/> do alike.</summary>
internal static class HostEntry
{
    public static void Take(Inode inode, in HostStatus status)
    {
        inode.Mode = status.Mode;
        inode.Uid = status.Uid;
        inode.Gid = status.Gid;
        inode.Links = status.Links;
        inode.AccessTime = status.AccessTime;
        inode.ModifyTime = status.ModifyTime;
        inode.ChangeTime = status.ChangeTime;
    }

    public static int ChangeMode<T>(T entry, uint mode) where T : Inode, IHostEntry => With(entry, (folder, name) => folder.ChangeMode(name, mode & InodeMode.Permissions));

    public static int ChangeOwner<T>(T entry, uint uid, uint gid) where T : Inode, IHostEntry => With(entry, (folder, name) => folder.ChangeOwner(name, uid, gid));

    public static int ChangeTimes<T>(T entry, long access, long modify) where T : Inode, IHostEntry => With(entry, (folder, name) => folder.ChangeTimes(name, access, modify));

    private static int With<T>(T entry, Func<HostFolder, string, int> action) where T : Inode, IHostEntry
    {
        (HostTreeDirectory? parent, string name) = entry.At;
        HostFolder? folder;
        int error;
        if (parent is null)
        {
            // The volume's root: it is reached through itself.
            name = ".";
            error = entry is HostTreeDirectory root ? root.TryFolder(out folder) : NoFolder(out folder);
        }
        else
        {
            error = parent.TryFolder(out folder);
        }

        if (error == 0)
            error = action(folder!, name);
        if (error == 0 && folder!.Status(name, out HostStatus status) == 0)
            Take(entry, in status);
        return error;

        static int NoFolder(out HostFolder? none)
        {
            none = null;
            return -Errno.ENOENT;
        }
    }
}

/// <summary>A directory of a <see cref="HostVolume"/>.</summary>
internal sealed class HostTreeDirectory : Inode, IHostEntry
{
    private HostFolder? _folder;

    // What no host file can stand for: sockets, pipes and devices of the container's.
    private Dictionary<string, Inode>? _own;

    public HostTreeDirectory(HostVolume volume, in HostStatus status, HostFolder? folder)
        : base(volume.Store.NextNumber(), status.Mode, status.ModifyTime)
    {
        Volume = volume;
        BirthTime = status.BirthTime;
        _folder = folder;
        HostEntry.Take(this, in status);
    }

    public HostVolume Volume { get; }

    public long BirthTime { get; }

    public (HostTreeDirectory? Parent, string Name) At { get; set; }

    public override long Size => 4096;

    public void Found(HostTreeDirectory parent, string name, in HostStatus status)
    {
        At = (parent, name);
        HostEntry.Take(this, in status);
    }

    public bool TryClose()
    {
        // The root is not reached through another.
        if (At.Parent is null)
            return false;
        _folder?.Dispose();
        _folder = null;
        return true;
    }

    public int TryFolder(out HostFolder? folder)
    {
        folder = _folder;
        if (folder is not null)
            return 0;
        if (At.Parent is null || Links == 0)
            return -Errno.ENOENT;
        int error = At.Parent.TryFolder(out HostFolder? above);
        if (error == 0)
            error = above!.OpenFolder(At.Name, out folder);
        if (error != 0)
            return error;
        _folder = folder;
        Volume.Opened(this);
        return 0;
    }

    /// <summary>The names of the host's files in it.</summary>
    public IReadOnlyList<string> Names() => TryFolder(out HostFolder? folder) == 0 ? folder!.Names() : [];

    public override Inode? Lookup(string name) => _own?.GetValueOrDefault(name) ?? (TryFolder(out HostFolder? folder) == 0 ? Volume.Find(this, folder!, name) : null);

    public override IEnumerable<(string Name, Inode Inode)> Entries()
    {
        if (TryFolder(out HostFolder? folder) != 0)
            return [];
        return folder!.Names().Where(name => _own?.ContainsKey(name) != true)
            .Select(name => (name, Inode: Volume.Find(this, folder, name)))
            .Where(entry => entry.Inode is not null)
            .Select(entry => (entry.name, entry.Inode!))
            .Concat(_own?.Select(entry => (entry.Key, entry.Value)) ?? [])
            .OrderBy(entry => entry.Item1, StringComparer.Ordinal)
            .ToList();
    }

    public override int Add(string name, Inode child)
    {
        if (child is IHostEntry { At: { Parent: { } parent } at } entry)
        {
            if (entry.Volume != Volume)
                return -Errno.EXDEV;
            int error = parent.TryFolder(out HostFolder? from);
            if (error == 0)
                error = TryFolder(out HostFolder? to) is var second && second != 0 ? second : from!.Link(at.Name, to!, name);
            return error;
        }

        (_own ??= [])[name] = child;
        return 0;
    }

    public override int Make(string name, uint mode, out Inode? child)
    {
        child = null;
        int error = TryFolder(out HostFolder? folder);
        if (error != 0)
            return error;
        switch (mode & InodeMode.TypeMask)
        {
            case InodeMode.Directory:
                error = folder!.MakeFolder(name, mode & InodeMode.Permissions);
                break;
            case InodeMode.Fifo:
                child = new FifoInode(Volume.Store, mode & InodeMode.Permissions);
                return Add(name, child);
            default:
                error = folder!.OpenFile(name, forWriting: true, isNew: true, mode & InodeMode.Permissions, out SafeFileHandle? file);
                file?.Dispose();
                break;
        }

        if (error != 0)
            return error;

        // The host's own mask took bits away that the container's did not.
        _ = folder.ChangeMode(name, mode & InodeMode.Permissions);
        child = Volume.Find(this, folder, name);
        return child is null ? -Errno.EIO : 0;
    }

    public override int MakeSymlink(string name, string target)
    {
        int error = TryFolder(out HostFolder? folder);
        return error != 0 ? error : folder!.MakeSymlink(name, target);
    }

    public override int Remove(string name)
    {
        if (_own?.Remove(name) == true)
            return 0;
        int error = TryFolder(out HostFolder? folder);
        if (error != 0)
            return error;
        Inode? child = Volume.Find(this, folder!, name);
        if (child is HostTreeFile file)
            file.KeepOpen();
        return folder!.Remove(name, child is { IsDirectory: true });
    }

    public override int Rename(string name, Inode to, string newName)
    {
        if (to is not HostTreeDirectory target || target.Volume != Volume)
            return -Errno.EXDEV;
        if (_own?.Remove(name, out Inode? own) == true)
            return target.Add(newName, own);
        target._own?.Remove(newName);
        int error = TryFolder(out HostFolder? from);
        if (error == 0)
            error = target.TryFolder(out HostFolder? there) is var second && second != 0 ? second : MoveTo(from!, there!);
        return error;

        int MoveTo(HostFolder source, HostFolder destination)
        {
            Inode? child = Volume.Find(this, source, name);
            (Volume.Find(target, destination, newName) as HostTreeFile)?.KeepOpen();
            int result = source.Rename(name, destination, newName);
            if (result == 0 && child is IHostEntry entry)
                entry.At = (target, newName);
            return result;
        }
    }

    public override bool SharesFileSystem(Inode other) => other is not IOnVolume entry ? !(other is MemoryDirectory or MemoryFile or Symlink) : entry.Volume == Volume;

    public override int ChangeMode(uint mode) => HostEntry.ChangeMode(this, mode);

    public override int ChangeOwner(uint uid, uint gid) => HostEntry.ChangeOwner(this, uid, gid);

    public override int ChangeTimes(long access, long modify) => HostEntry.ChangeTimes(this, access, modify);

    public override OpenFile Open(int flags) => new DirectoryFile(this, flags, At.Parent ?? this);
}

/// <summary>A symbolic link of a <see cref="HostVolume"/>: text that the container's own path walk reads.</summary>
internal sealed class HostTreeSymlink : Inode, IHostEntry
{
    public HostTreeSymlink(HostVolume volume, in HostStatus status, string target)
        : base(volume.Store.NextNumber(), status.Mode, status.ModifyTime)
    {
        Volume = volume;
        BirthTime = status.BirthTime;
        Target = target;
    }

    public HostVolume Volume { get; }

    public long BirthTime { get; }

    public (HostTreeDirectory? Parent, string Name) At { get; set; }

    public override string Target { get; }

    public override long Size => Target.Length;

    public void Found(HostTreeDirectory parent, string name, in HostStatus status)
    {
        At = (parent, name);
        HostEntry.Take(this, in status);
    }

    public bool TryClose() => true;

    public override bool SharesFileSystem(Inode other) => other is IOnVolume entry && entry.Volume == Volume;

    public override int ChangeOwner(uint uid, uint gid) => HostEntry.ChangeOwner(this, uid, gid);

    public override int ChangeTimes(long access, long modify) => HostEntry.ChangeTimes(this, access, modify);

    public override OpenFile Open(int flags) => new RegularFile(this, flags);
}
