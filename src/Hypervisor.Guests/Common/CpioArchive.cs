using System.Globalization;
using System.Text;
using Hypervisor.Core;

namespace Hypervisor.Guests.Common;

/// <summary>What an entry of a <see cref="CpioArchive"/> is.</summary>
public enum CpioKind
{
    /// <summary>A regular file.</summary>
    File = 0x8000,

    /// <summary>A directory.</summary>
    Directory = 0x4000,

    /// <summary>A symbolic link; its data is the target.</summary>
    SymbolicLink = 0xa000,

    /// <summary>A character device.</summary>
    CharacterDevice = 0x2000,

    /// <summary>A block device.</summary>
    BlockDevice = 0x6000,

    /// <summary>A named pipe.</summary>
    Pipe = 0x1000,

    /// <summary>A socket.</summary>
    Socket = 0xc000,
}

/// <summary>One entry of a <see cref="CpioArchive"/>.</summary>
/// <param name="Path">Its path without a leading slash.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Permissions">The permission bits, set-id and sticky bits included (octal 7777).</param>
/// <param name="Data">A file's content or a link's target; empty otherwise.</param>
/// <param name="Major">A device's major number.</param>
/// <param name="Minor">A device's minor number.</param>
/// <param name="UserId">The owner.</param>
/// <param name="GroupId">The owning group.</param>
public sealed record CpioEntry(
    string Path,
    CpioKind Kind,
    int Permissions,
    ReadOnlyMemory<byte> Data,
    uint Major = 0,
    uint Minor = 0,
    uint UserId = 0,
    uint GroupId = 0);

/// <summary>
/// An initramfs archive in the "newc" form of cpio (Linux Documentation/driver-api/early-userspace/buffer-format.rst).
/// Times are zero and inode numbers count from one, so the same calls give the same bytes.
/// </summary>
public sealed class CpioArchive
{
    internal const string Trailer = "TRAILER!!!";
    internal const int HeaderSize = 110;
    internal const int MaximumPathLength = 4096;

    private const long MaximumSize = 1L << 30;

    private readonly List<CpioEntry> _entries = [];
    private readonly Dictionary<string, int> _places = [];
    private long _size;

    /// <summary>The entries in the order they are written; a parent directory always before what it holds.</summary>
    public IReadOnlyList<CpioEntry> Entries => _entries;

    /// <summary>Adds a directory, or changes the permissions of one that exists.</summary>
    /// <param name="path">Its path; missing parents are added with permissions 755.</param>
    /// <param name="permissions">Its permission bits.</param>
    public CpioArchive AddDirectory(string path, int permissions = 0x1ed)
    {
        path = Normalize(path);
        var entry = new CpioEntry(path, CpioKind.Directory, permissions, default);
        if (_places.TryGetValue(path, out var place) && _entries[place].Kind == CpioKind.Directory)
        {
            CheckPermissions(entry);
            _entries[place] = entry;
            return this;
        }

        return Add(entry);
    }

    /// <summary>Adds a regular file.</summary>
    /// <param name="path">Its path; missing parents are added.</param>
    /// <param name="data">Its content; not copied.</param>
    /// <param name="permissions">Its permission bits, 644 unless told.</param>
    public CpioArchive AddFile(string path, ReadOnlyMemory<byte> data, int permissions = 0x1a4)
        => Add(new CpioEntry(path, CpioKind.File, permissions, data));

    /// <summary>Adds a symbolic link.</summary>
    /// <param name="path">Its path; missing parents are added.</param>
    /// <param name="target">Where it points.</param>
    public CpioArchive AddSymbolicLink(string path, string target)
        => Add(new CpioEntry(path, CpioKind.SymbolicLink, 0x1ff, Encoding.UTF8.GetBytes(target)));

    /// <summary>Adds a device node.</summary>
    /// <param name="path">Its path, such as <c>dev/console</c>; missing parents are added.</param>
    /// <param name="kind"><see cref="CpioKind.CharacterDevice"/> or <see cref="CpioKind.BlockDevice"/>.</param>
    /// <param name="major">The major number.</param>
    /// <param name="minor">The minor number.</param>
    /// <param name="permissions">Its permission bits, 600 unless told.</param>
    public CpioArchive AddDevice(string path, CpioKind kind, uint major, uint minor, int permissions = 0x180)
        => kind is CpioKind.CharacterDevice or CpioKind.BlockDevice
            ? Add(new CpioEntry(path, kind, permissions, default, major, minor))
            : throw new HypervisorException($"Cannot add '{path}' to the archive as a device: {kind} is not a kind of device.");

    /// <summary>Adds an entry as it stands.</summary>
    /// <param name="entry">The entry; missing parents of its path are added.</param>
    /// <exception cref="HypervisorException">The path is taken, or no path, or lies under something that is no directory.</exception>
    public CpioArchive Add(CpioEntry entry)
    {
        entry = entry with { Path = Normalize(entry.Path) };
        CheckPermissions(entry);
        if (_places.ContainsKey(entry.Path))
        {
            throw new HypervisorException($"The archive already holds '{entry.Path}': give each entry its own path.");
        }

        // The bound keeps the written archive within one array; headers and paths have the other half of it.
        if (entry.Data.Length > MaximumSize - _size)
        {
            throw new HypervisorException($"'{entry.Path}' takes the archive over {MaximumSize} bytes: put large files on a disk image.");
        }

        AddParents(entry.Path);
        _size += entry.Data.Length;
        _places.Add(entry.Path, _entries.Count);
        _entries.Add(entry);
        return this;
    }

    /// <summary>Writes the archive, padded to 512 bytes as the cpio tool does.</summary>
    public byte[] ToArray()
    {
        using var output = new MemoryStream();
        uint inode = 0;
        foreach (var entry in _entries)
        {
            Write(output, entry, ++inode);
        }

        Write(output, new CpioEntry(Trailer, 0, 0, default), 0);
        Pad(output, 512);
        return output.ToArray();
    }

    /// <summary>Reads an archive's entries as they stand, up to its trailer.</summary>
    /// <param name="archive">The bytes, uncompressed.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <exception cref="HypervisorException">It is not a well-formed "newc" archive; the message says why.</exception>
    public static IReadOnlyList<CpioEntry> Read(ReadOnlyMemory<byte> archive, string name)
        => new CpioReader(archive, name).Read();

    private void AddParents(string path)
    {
        for (var slash = path.IndexOf('/', StringComparison.Ordinal); slash >= 0; slash = path.IndexOf('/', slash + 1))
        {
            var parent = path[..slash];
            if (!_places.TryGetValue(parent, out var place))
            {
                _places.Add(parent, _entries.Count);
                _entries.Add(new CpioEntry(parent, CpioKind.Directory, 0x1ed, default));
            }
            else if (_entries[place].Kind != CpioKind.Directory)
            {
                throw new HypervisorException($"The archive cannot hold '{path}': '{parent}' is not a directory in it.");
            }
        }
    }

    private static void CheckPermissions(CpioEntry entry)
    {
        if ((entry.Permissions & ~0xfff) != 0)
        {
            throw new HypervisorException($"'{entry.Path}' has permission bits {entry.Permissions:x} beyond octal 7777.");
        }
    }

    private static string Normalize(string path)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var normal = string.Join('/', parts);
        if (normal.Length == 0 || parts.Contains("..") || parts.Contains(".") || path.Contains('\0', StringComparison.Ordinal)
            || normal == Trailer || Encoding.UTF8.GetByteCount(normal) >= MaximumPathLength)
        {
            throw new HypervisorException($"'{path}' cannot be a path in an archive: give a plain path from the root, without '.' and '..'.");
        }

        return normal;
    }

    private static void Write(MemoryStream output, CpioEntry entry, uint inode)
    {
        var path = Encoding.UTF8.GetBytes(entry.Path + "\0");
        ReadOnlySpan<uint> fields =
        [
            inode, (uint)entry.Kind | (uint)entry.Permissions, entry.UserId, entry.GroupId,
            entry.Kind == CpioKind.Directory ? 2u : 1u, 0, (uint)entry.Data.Length, 0, 0, entry.Major, entry.Minor,
            (uint)path.Length, 0,
        ];
        output.Write("070701"u8);
        foreach (var field in fields)
        {
            output.Write(Encoding.ASCII.GetBytes(field.ToString("x8", CultureInfo.InvariantCulture)));
        }

        output.Write(path);
        Pad(output, 4);
        output.Write(entry.Data.Span);
        Pad(output, 4);
    }

    private static void Pad(MemoryStream output, int alignment)
    {
        while (output.Length % alignment != 0)
        {
            output.WriteByte(0);
        }
    }
}
