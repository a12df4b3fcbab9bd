namespace Hypervisor.Guests.Container.Files;

/// <summary>
/// A host directory as the read-only lower layer of a container's tree. Entries are opened by single names under directories
/// that were themselves opened so, and symbolic links are handed to the container's own path walk as text: the host never
/// resolves a path that the container wrote, so nothing outside can be reached.
/// </summary>
internal sealed class HostDirectory(string path)
{
    public IEnumerable<string> Names()
    {
        try
        {
            return new DirectoryInfo(path).EnumerateFileSystemInfos().Select(info => KernelText.FromHost(info.Name)).ToList();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A directory that the host withdrew reads as empty, as an unreadable one does.
            return [];
        }
    }

    public bool Exists(string name) => Info(name) is not null;

    /// <summary>The entry as a file of the container, or null. Sockets and devices of the host are not shown.</summary>
    public Inode? Open(string name, FileStore store)
    {
        if (Info(name) is not { } info)
            return null;
        Inode? inode = info switch
        {
            { LinkTarget: { } target } => new Symlink(store, KernelText.FromHost(target)),
            DirectoryInfo => new MemoryDirectory(store, Permissions(info), new HostDirectory(info.FullName)),
            FileInfo file when (file.Attributes & FileAttributes.Device) == 0 => new MemoryFile(store, Permissions(info), new HostFile(file.FullName, file.Length)),
            _ => null,
        };
        if (inode is not null)
            inode.ModifyTime = inode.ChangeTime = inode.AccessTime = (info.LastWriteTimeUtc.Ticks - DateTime.UnixEpoch.Ticks) * 100;
        return inode;
    }

    private FileSystemInfo? Info(string name)
    {
        if (name.Length == 0 || name is "." or ".." || name.Contains('/') || name.Contains('\0') || name.Contains(Path.DirectorySeparatorChar))
            return null;
        string full = Path.Combine(path, KernelText.ToHost(name));
        var file = new FileInfo(full);
        if (file.LinkTarget is not null)
            return file;
        if (Directory.Exists(full))
            return new DirectoryInfo(full);
        return file.Exists ? file : null;
    }

    private static uint Permissions(FileSystemInfo info)
        => OperatingSystem.IsWindows() ? 0x1EDu : (uint)info.UnixFileMode & InodeMode.Permissions;
}

/// <summary>The content that a file has below what was changed of it in memory, or that its changes go to.</summary>
internal interface IFileContent
{
    /// <summary>Bytes it has.</summary>
    long Length { get; }

    /// <summary>Whether changes go to it, too.</summary>
    bool WritesThrough { get; }

    /// <summary>Reads; how many bytes, or a negated error.</summary>
    int Read(Span<byte> buffer, long offset);

    /// <summary>Writes; how many bytes, or a negated error.</summary>
    int Write(ReadOnlySpan<byte> data, long offset);

    /// <summary>Cuts or extends; 0 or a negated error.</summary>
    int SetLength(long length);
}

/// <summary>The content of a host file, opened when first read.</summary>
internal sealed class HostFile(string path, long length) : IFileContent
{
    private Microsoft.Win32.SafeHandles.SafeFileHandle? _handle;

    public long Length { get; } = length;

    public bool WritesThrough => false;

    public int Write(ReadOnlySpan<byte> data, long offset) => -Errno.EROFS;

    public int SetLength(long length) => -Errno.EROFS;

    public int Read(Span<byte> buffer, long offset)
    {
        try
        {
            _handle ??= File.OpenHandle(path);
            int total = 0;
            while (total < buffer.Length)
            {
                int count = RandomAccess.Read(_handle, buffer[total..], offset + total);
                if (count == 0)
                    break;
                total += count;
            }

            return total;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return -Errno.EIO;
        }
    }
}
