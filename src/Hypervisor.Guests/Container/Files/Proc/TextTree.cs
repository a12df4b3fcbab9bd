namespace Hypervisor.Guests.Container.Files.Proc;

/// <summary>
/// Directories of files whose text is made when they are opened, built by path. All are made once, so that a file keeps its
/// number.
/// </summary>
/// <param name="store">Numbers the files.</param>
/// <param name="fill">Adds what is not there from the start, when somebody first looks for such: most never do. null for nothing.</param>
internal sealed class TextTree(FileStore store, Action<TextTree>? fill = null)
{
    private readonly Dictionary<string, Inode> _entries = [];
    private Action<TextTree>? _fill = fill;
    private (uint Uid, uint Gid)? _owner;

    /// <summary>Adds a file whose text is made when it is opened.</summary>
    public void Add(string path, Func<string> text) => Add(path, new GeneratedInode(store, () => KernelText.Encode(text())));

    /// <summary>Adds a file that may be written, too: what is written goes to a function that gives 0 or a negated error.</summary>
    public void Add(string path, Func<string> text, Func<string, int> write)
        => Add(path, new GeneratedInode(store, () => KernelText.Encode(text()), bytes => write(KernelText.Decode(bytes))));

    /// <summary>Adds a file of a setting that is kept and told, and changes nothing.</summary>
    public void AddSetting(string path, string value)
    {
        string kept = value;
        Add(path, () => kept + "\n", written =>
        {
            kept = written.Trim();
            return 0;
        });
    }

    /// <summary>Adds any file, in the place of one that is there.</summary>
    public void Add(string path, Inode inode)
    {
        int slash = path.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0)
        {
            _entries[path] = inode;
            return;
        }

        string first = path[..slash];
        if (!_entries.TryGetValue(first, out Inode? directory) || directory is not GeneratedDirectory { Builder: Branch })
            _entries[first] = directory = new Branch(store).Directory;
        ((Branch)((GeneratedDirectory)directory).Builder!).Tree.Add(path[(slash + 1)..], inode);
    }

    /// <summary>Gives all its entries to somebody.</summary>
    public void SetOwner(uint uid, uint gid)
    {
        _owner = (uid, gid);
        foreach (Inode inode in _entries.Values)
            (inode.Uid, inode.Gid) = (uid, gid);
    }

    /// <summary>The tree as a directory, with more entries by name where a function gives some.</summary>
    public GeneratedDirectory Build(Func<string, Inode?>? more = null, Func<IEnumerable<string>>? moreNames = null) => new(store,
        name => more?.Invoke(name) ?? Find(name),
        () => moreNames is null ? Filled().Keys : Filled().Keys.Concat(moreNames()));

    private Inode? Find(string name) => _entries.TryGetValue(name, out Inode? inode) ? inode : Filled().GetValueOrDefault(name);

    private Dictionary<string, Inode> Filled()
    {
        if (_fill is { } missing)
        {
            _fill = null;
            missing(this);
            if (_owner is var (uid, gid))
                SetOwner(uid, gid);
        }

        return _entries;
    }

    /// <summary>A directory that is still being filled.</summary>
    private sealed class Branch
    {
        public Branch(FileStore store)
        {
            Tree = new TextTree(store);
            Directory = Tree.Build();
            Directory.Builder = this;
        }

        public TextTree Tree { get; }

        public GeneratedDirectory Directory { get; }
    }
}
