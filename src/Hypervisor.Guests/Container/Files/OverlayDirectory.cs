namespace Hypervisor.Guests.Container.Files;

/// <summary>
/// A directory of an overlay: read-only layers below, and a directory of the host above that takes all changes. What is removed is
/// whited out above (<see cref="HostDirectory.Whiteout"/>), a directory made in the place of another is opaque, and a file is copied
/// up before it is first changed. The marks are those of image layers, so that the upper directory is one.
/// </summary>
internal sealed class OverlayDirectory : Inode, IOnVolume
{
    private readonly HostDirectory? _lower;

    // What was found once stays the same object, whatever it is copied to.
    private readonly Dictionary<string, Inode> _children = [];
    private HostTreeDirectory? _upper;
    private OverlayDirectory? _parent;
    private string _name = "";

    /// <summary>The root of an overlay.</summary>
    public OverlayDirectory(HostVolume volume, HostDirectory lower)
        : this(volume, volume.Root, lower, volume.Root)
    {
    }

    private OverlayDirectory(HostVolume volume, HostTreeDirectory? upper, HostDirectory? lower, Inode seen)
        : base(volume.Store.NextNumber(), seen.Mode, seen.ModifyTime)
    {
        Volume = volume;
        _upper = upper;
        _lower = lower;
        Links = 2;
        TakeAttributes(seen);
    }

    public HostVolume Volume { get; }

    public override long Size => 4096;

    public override Inode? Lookup(string name)
    {
        if (name.StartsWith(HostDirectory.Whiteout, StringComparison.Ordinal))
            return null;
        if (_children.TryGetValue(name, out Inode? known))
        {
            // A file with several names is reached by the one that was asked for last: that one is there.
            if (known is IHostEntry or OverlayFile)
                _ = _upper?.Lookup(name);
            return known;
        }

        if (Find(name) is not { } found)
            return null;
        if (found is OverlayDirectory directory)
            (directory._parent, directory._name) = (this, name);
        _children[name] = found;
        return found;
    }

    public override IEnumerable<(string Name, Inode Inode)> Entries()
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        IReadOnlyList<string> above = _upper?.Names() ?? [];
        names.UnionWith(_lower?.Names() ?? []);
        names.UnionWith(above);
        names.UnionWith(_children.Keys);
        return names.Select(name => (name, Inode: Lookup(name))).Where(entry => entry.Inode is not null).Select(entry => (entry.name, entry.Inode!)).ToList();
    }

    public override int Make(string name, uint mode, out Inode? child)
    {
        child = null;
        int error = Prepare(name, out HostTreeDirectory? upper);
        if (error == 0)
            error = upper!.Make(name, mode, out child);
        if (error != 0)
            return error;
        if (child is HostTreeDirectory made)
        {
            MakeOpaque(name, made);
            child = new OverlayDirectory(Volume, made, null, made) { _parent = this, _name = name };
        }

        _children[name] = child!;
        return 0;
    }

    public override int MakeSymlink(string name, string target)
    {
        int error = Prepare(name, out HostTreeDirectory? upper);
        return error != 0 ? error : upper!.MakeSymlink(name, target);
    }

    public override int Add(string name, Inode child)
    {
        int error = Prepare(name, out HostTreeDirectory? upper);
        Inode above = child;
        if (error == 0 && child is OverlayFile file)
            error = file.CopyUp(out above!);
        if (error == 0)
            error = upper!.Add(name, above);
        if (error == 0)
            _children[name] = child;
        return error;
    }

    public override int Remove(string name)
    {
        Inode? child = Lookup(name);
        int error = 0;
        (child as OverlayFile)?.Hold();
        if (_upper?.Lookup(name) is { } above)
        {
            if (above is HostTreeDirectory directory)
                ClearMarks(directory);
            error = _upper.Remove(name);
        }

        if (error == 0 && _lower?.Exists(name) == true)
            error = Hide(name);
        if (error != 0)
            return error;
        (child as OverlayFile)?.Removed();
        _children.Remove(name);
        return 0;
    }

    public override int Rename(string name, Inode to, string newName)
    {
        if (to is not OverlayDirectory target || target.Volume != Volume)
            return -Errno.EXDEV;
        Inode? child = Lookup(name);

        // A directory of which a part lies below would have to be copied whole: programs that move do that themselves.
        if (child is null or OverlayDirectory { _lower: not null })
            return child is null ? -Errno.ENOENT : -Errno.EXDEV;
        int error = child is OverlayFile file ? file.CopyUp(out _) : 0;
        (target._children.GetValueOrDefault(newName) as OverlayFile)?.Hold();
        if (error == 0 && _upper?.Lookup(name) is null)
            error = MoveSymlink(child, target, newName);
        else if (error == 0)
            error = MoveAbove(name, target, newName);
        if (error == 0 && _lower?.Exists(name) == true)
            error = Hide(name);
        if (error != 0)
            return error;
        (target._children.GetValueOrDefault(newName) as OverlayFile)?.Removed();
        _children.Remove(name);
        target._children.Remove(newName);
        if (child is Symlink)
            return 0; // It is found anew above.
        target._children[newName] = child;
        if (child is OverlayDirectory directory)
        {
            (directory._parent, directory._name) = (target, newName);
            target.MakeOpaque(newName, directory._upper!);
        }
        else if (child is OverlayFile moved)
        {
            moved.Moved(target, newName);
        }

        return 0;
    }

    public override bool SharesFileSystem(Inode other) => other is IOnVolume entry && entry.Volume == Volume;

    public override int ChangeMode(uint mode) => Change(upper => upper.ChangeMode(mode));

    public override int ChangeOwner(uint uid, uint gid) => Change(upper => upper.ChangeOwner(uid, gid));

    public override int ChangeTimes(long access, long modify) => Change(upper => upper.ChangeTimes(access, modify));

    public override OpenFile Open(int flags) => new DirectoryFile(this, flags, _parent ?? this);

    /// <summary>The directory above, made with all that leads to it where it is missing; 0 or a negated error.</summary>
    public int TryUpper(out HostTreeDirectory? upper)
    {
        upper = _upper;
        if (upper is not null)
            return 0;
        int error = _parent!.TryUpper(out HostTreeDirectory? above);
        Inode? made = null;
        if (error == 0)
            error = above!.Make(_name, InodeMode.Directory | (Mode & InodeMode.Permissions), out made);
        if (error != 0)
            return error;
        upper = _upper = (HostTreeDirectory)made!;
        CopyAttributes(this, upper);
        return 0;
    }

    /// <summary>Gives what was copied up the owner and times of what it was copied from, as far as the host lets us.</summary>
    public static void CopyAttributes(Inode from, Inode to)
    {
        _ = to.ChangeOwner(from.Uid, from.Gid);
        _ = to.ChangeTimes(from.AccessTime, from.ModifyTime);
    }

    private static void ClearMarks(HostTreeDirectory directory)
    {
        foreach (string mark in directory.Names().Where(each => each.StartsWith(HostDirectory.Whiteout, StringComparison.Ordinal)))
            directory.Remove(mark);
    }

    private Inode? Find(string name)
    {
        Inode? above = _upper?.Lookup(name);
        bool isHidden = _upper?.Lookup(HostDirectory.Whiteout + name) is not null;
        if (above is not null and not HostTreeDirectory)
            return above;
        HostDirectory? below = null;
        IFileContent? content = null;
        Inode? seen = isHidden ? null : _lower?.Open(name, Volume.Store, out below, out content);
        if (above is HostTreeDirectory directory)
            return new OverlayDirectory(Volume, directory, directory.Lookup(HostDirectory.Opaque) is null ? below : null, directory);
        return below is not null ? new OverlayDirectory(Volume, null, below, seen!)
            : content is not null ? new OverlayFile(this, name, seen!, content)
            : seen;
    }

    /// <summary>Makes ready for a new entry of a name; 0 or a negated error.</summary>
    private int Prepare(string name, out HostTreeDirectory? upper)
    {
        upper = null;
        if (name.StartsWith(HostDirectory.Whiteout, StringComparison.Ordinal))
            return -Errno.EINVAL; // Names like these are marks.
        int error = TryUpper(out upper);
        if (error == 0 && upper!.Lookup(HostDirectory.Whiteout + name) is not null)
            error = upper.Remove(HostDirectory.Whiteout + name);
        return error;
    }

    private int Hide(string name)
    {
        int error = TryUpper(out HostTreeDirectory? upper);
        return error != 0 ? error : upper!.Lookup(HostDirectory.Whiteout + name) is not null ? 0 : upper.Make(HostDirectory.Whiteout + name, InodeMode.Regular, out _);
    }

    /// <summary>A directory that stands where another lies below hides all of that.</summary>
    private void MakeOpaque(string name, HostTreeDirectory made)
    {
        if (_lower?.Exists(name) == true && made.Lookup(HostDirectory.Opaque) is null)
            made.Make(HostDirectory.Opaque, InodeMode.Regular, out _);
    }

    private int MoveAbove(string name, OverlayDirectory target, string newName)
    {
        if (target._upper?.Lookup(newName) is HostTreeDirectory replaced)
            ClearMarks(replaced);
        int error = target.Prepare(newName, out HostTreeDirectory? there);
        return error != 0 ? error : _upper!.Rename(name, there!, newName);
    }

    private static int MoveSymlink(Inode child, OverlayDirectory target, string newName)
    {
        if (target._upper?.Lookup(newName) is not null && target._upper.Remove(newName) is < 0 and int error)
            return error;
        return target.MakeSymlink(newName, child.Target);
    }

    private int Change(Func<HostTreeDirectory, int> change)
    {
        int error = TryUpper(out HostTreeDirectory? upper);
        if (error == 0)
            error = change(upper!);
        if (error == 0)
            TakeAttributes(upper!);
        return error;
    }
}
