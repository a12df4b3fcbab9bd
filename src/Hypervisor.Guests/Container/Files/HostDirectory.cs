namespace Hypervisor.Guests.Container.Files;

/// <summary>What an image says of a file's owner and permissions, by its path without a slash at its start.</summary>
internal delegate bool LayerOwners(string path, out uint mode, out uint uid, out uint gid);

/// <summary>One of the layers that a read-only directory is made of.</summary>
/// <param name="Directory">Its directory of the host.</param>
/// <param name="Owners">What the image says where the host could not keep it; null for nothing.</param>
internal sealed record HostLayer(HostTreeDirectory Directory, LayerOwners? Owners);

/// <summary>
/// Directories of the host, one over the other, as the read-only part of a container's tree. Entries are opened by single names
/// under directories that were themselves opened so, and symbolic links are handed to the container's own path walk as text: the
/// host never resolves a path that the container wrote, so nothing outside can be reached.
/// </summary>
internal sealed class HostDirectory : ILowerDirectory
{
    /// <summary>Before the name of what a layer takes away from those below (OCI image specification, layer.md).</summary>
    public const string Whiteout = ".wh.";

    /// <summary>In a directory that hides all that is below it.</summary>
    public const string Opaque = ".wh..wh..opq";

    private readonly IReadOnlyList<HostLayer> _layers;
    private readonly bool _isImage;
    private readonly string _path;

    /// <summary>A directory as it is, everything in it the superuser's.</summary>
    public HostDirectory(string path)
        : this(HostFolder.Open(path))
    {
    }

    /// <inheritdoc cref="HostDirectory(string)"/>
    public HostDirectory(HostFolder folder)
        : this([new HostLayer(new HostVolume(new FileStore(() => 0, 0), folder).Root, null)], isImage: false, "")
    {
    }

    /// <summary>The layers of an image, the topmost first, with their marks of what is taken away.</summary>
    public HostDirectory(IReadOnlyList<HostLayer> layers)
        : this(layers, isImage: true, "")
    {
    }

    private HostDirectory(IReadOnlyList<HostLayer> layers, bool isImage, string path)
    {
        _layers = layers;
        _isImage = isImage;
        _path = path;
    }

    public bool IsCounted => false;

    public IEnumerable<string> Names()
    {
        if (!_isImage)
            return [.. _layers[0].Directory.Names()];
        var names = new HashSet<string>();
        var hidden = new HashSet<string>();
        foreach (HostLayer layer in _layers)
        {
            IReadOnlyList<string> all = layer.Directory.Names();
            names.UnionWith(all.Where(name => !name.StartsWith(Whiteout, StringComparison.Ordinal) && !hidden.Contains(name)));
            hidden.UnionWith(all.Where(name => name.StartsWith(Whiteout, StringComparison.Ordinal)).Select(name => name[Whiteout.Length..]));
        }

        return names;
    }

    public bool Exists(string name) => Find(name, out _) is not null;

    /// <summary>The entry as a file of the container, or null. Sockets and devices of the host are not shown.</summary>
    public Inode? Open(string name, FileStore store) => Open(name, store, out _, out _);

    /// <summary>As <see cref="Open(string, FileStore)"/>, with what a directory, or a file, is made of.</summary>
    public Inode? Open(string name, FileStore store, out HostDirectory? directory, out IFileContent? content)
    {
        (directory, content) = (null, null);
        if (Find(name, out List<HostLayer> layers) is not { } top)
            return null;
        string path = _path.Length == 0 ? name : $"{_path}/{name}";
        uint permissions = top.Mode & InodeMode.Permissions;
        Inode made = top switch
        {
            HostTreeDirectory => new MemoryDirectory(store, permissions, directory = new HostDirectory(layers, _isImage, path)),
            HostTreeFile file => new MemoryFile(store, permissions, (HostFile)(content = new HostFile(file))),
            _ => new Symlink(store, top.Target),
        };
        made.ModifyTime = made.ChangeTime = made.AccessTime = top.ModifyTime;
        if (layers[0].Owners is { } owners && owners(path, out uint mode, out uint uid, out uint gid))
        {
            made.Mode = (made.Mode & InodeMode.TypeMask) | (mode & InodeMode.Permissions);
            (made.Uid, made.Gid) = (uid, gid);
        }

        return made;
    }

    /// <summary>The topmost entry of a name, and the layers that it is made of: several for a directory that lies over others.</summary>
    private Inode? Find(string name, out List<HostLayer> layers)
    {
        layers = [];
        if (_isImage && name.StartsWith(Whiteout, StringComparison.Ordinal))
            return null;
        Inode? top = null;
        foreach (HostLayer layer in _layers)
        {
            Inode? entry = layer.Directory.Lookup(name);
            if (entry is HostTreeDirectory directory)
            {
                top ??= directory;
                layers.Add(new HostLayer(directory, layer.Owners));
                if (_isImage && directory.Lookup(Opaque) is not null)
                    break;
            }
            else if (entry is not null)
            {
                // A file under a directory is hidden by it; above all else it is what is seen.
                if (top is null)
                    layers.Add(new HostLayer(layer.Directory, layer.Owners));
                return top ?? entry;
            }

            if (_isImage && layer.Directory.Lookup(Whiteout + name) is not null)
                break;
        }

        return top;
    }
}

/// <summary>The content that a file has below what was changed of it in memory, or that its changes go to.</summary>
internal interface IFileContent
{
    /// <summary>Bytes it has.</summary>
    long Length { get; }

    /// <summary>Whether changes go to it, too.</summary>
    bool WritesThrough { get; }

    /// <summary>Equal for contents that are the same and stay so, so that files may share their pages; null where nobody knows.</summary>
    object? Identity { get; }

    /// <summary>Reads; how many bytes, or a negated error.</summary>
    int Read(Span<byte> buffer, long offset);

    /// <summary>Writes; how many bytes, or a negated error.</summary>
    int Write(ReadOnlySpan<byte> data, long offset);

    /// <summary>Cuts or extends; 0 or a negated error.</summary>
    int SetLength(long length);
}

/// <summary>What a content is told by: which file, unchanged since when, and how much of it.</summary>
internal sealed record HostContent(HostVersion Version, long Length);

/// <summary>The content of a host file, of which nothing is changed.</summary>
internal sealed class HostFile(HostTreeFile file) : IFileContent
{
    /// <summary>Its length when it was found: what the host adds later is not shown.</summary>
    public long Length { get; } = file.Length;

    public bool WritesThrough => false;

    public object? Identity { get; } = file.Version is { } version ? new HostContent(version, file.Length) : null;

    public int Read(Span<byte> buffer, long offset) => file.Read(buffer, offset);

    public int Write(ReadOnlySpan<byte> data, long offset) => -Errno.EROFS;

    public int SetLength(long length) => -Errno.EROFS;
}
