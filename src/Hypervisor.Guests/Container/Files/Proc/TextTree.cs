namespace Hypervisor.Guests.Container.Files.Proc;

/// <summary>
/// Directories of files whose text is made when they are opened, built by path. All are made once, so that a file keeps its
/// number.
/// </summary>
internal sealed class TextTree(FileStore store)
{
    private readonly Dictionary<string, Inode> _entries = [];

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
        foreach (Inode inode in _entries.Values)
            (inode.Uid, inode.Gid) = (uid, gid);
    }

    /// <summary>The tree as a directory, with more entries by name where a function gives some.</summary>
    public GeneratedDirectory Build(Func<string, Inode?>? more = null, Func<IEnumerable<string>>? moreNames = null) => new(store,
        name => _entries.GetValueOrDefault(name) ?? more?.Invoke(name),
        () => moreNames is null ? _entries.Keys : _entries.Keys.Concat(moreNames()));

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
