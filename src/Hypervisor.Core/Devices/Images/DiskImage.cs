namespace Hypervisor.Core.Devices.Images;

/// <summary>Opens and makes disk images of the formats known here.</summary>
public static class DiskImage
{
    /// <summary>The format that is just the disk's bytes.</summary>
    public const string Raw = "raw";

    /// <summary>The format that takes storage as it is written, over another image or none.</summary>
    public const string Qcow2 = "qcow2";

    private const int DeepestChain = 16;
    private const int DefaultClusterBits = 16;
    private const long LargestDisk = 1L << 50;

    /// <summary>Opens an image as a disk.</summary>
    /// <param name="path">The file.</param>
    /// <param name="format">
    /// <see cref="Raw"/> or <see cref="Qcow2"/>; null to go by the file's name: qcow2 where it ends so. The content is not looked
    /// at, as the guest of a raw image could write there what makes the next one take it for another.
    /// </param>
    /// <param name="readOnly">Whether the guest may not write.</param>
    /// <returns>The disk. Whoever opens it disposes of it, where it is <see cref="IDisposable"/>, after the machine.</returns>
    /// <exception cref="HypervisorException">The image, or one below it, cannot be used; says which and why.</exception>
    public static IBlockBackend Open(string path, string? format = null, bool readOnly = false) => Open(path, format, readOnly, 0);

    /// <summary>
    /// Opens an image whose content a guest may change for itself: what it writes goes to a temporary file that is gone when
    /// the disk is disposed of.
    /// </summary>
    /// <param name="path">The file, only read.</param>
    /// <param name="format">As for <see cref="Open(string, string?, bool)"/>.</param>
    /// <returns>The disk, to be disposed of after the machine.</returns>
    /// <exception cref="HypervisorException">The image cannot be used, or no temporary file made.</exception>
    public static IBlockBackend OpenForgetful(string path, string? format = null)
    {
        IBlockBackend below = Open(path, format, readOnly: true);
        try
        {
            string file = Path.Combine(Path.GetTempPath(), $"hv-disk-{Guid.NewGuid():n}.qcow2");
            Create(file, below.Length, Path.GetFullPath(path), format ?? FormatOf(path));

            // Gone from the folder, or from the host when it closes, whatever becomes of this process.
            var handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose | FileOptions.RandomAccess);
            if (!OperatingSystem.IsWindows())
                File.Delete(file);
            return new Qcow2Image(handle, file, readOnly: false, (_, _) => below);
        }
        catch (Exception error)
        {
            (below as IDisposable)?.Dispose();
            if (error is IOException or UnauthorizedAccessException)
                throw new HypervisorException($"No temporary file could be made for changes to '{path}': {error.Message}", error);
            throw;
        }
    }

    /// <summary>Makes a qcow2 image.</summary>
    /// <param name="path">The file, which must not be there yet.</param>
    /// <param name="length">Bytes of the disk, a multiple of 512; null for those of the image below.</param>
    /// <param name="backing">The image below, named from where the new one is; null for none.</param>
    /// <param name="backingFormat">Its format; null to go by its name.</param>
    /// <exception cref="HypervisorException">It cannot be made, or the image below cannot be used.</exception>
    public static void Create(string path, long? length, string? backing = null, string? backingFormat = null)
    {
        if (backing is not null)
        {
            backingFormat ??= FormatOf(backing);
            IBlockBackend below = Open(Beside(path, backing), backingFormat, readOnly: true);
            length ??= below.Length;
            (below as IDisposable)?.Dispose();
        }

        if (length is not (> 0 and <= LargestDisk) || length % 512 != 0)
            throw new HypervisorException($"'{path}' cannot be a disk of {length?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "no"} bytes: give a multiple of 512, up to 1 PiB.");
        const ulong cluster = 1UL << DefaultClusterBits;
        const ulong perTable = cluster / 8;
        ulong l1Entries = (((ulong)length.Value + cluster - 1) / cluster + perTable - 1) / perTable;
        ulong l1Clusters = ((l1Entries * 8) + cluster - 1) / cluster;
        var header = new Qcow2Header
        {
            Version = 3,
            ClusterBits = DefaultClusterBits,
            Size = (ulong)length.Value,
            RefcountTableOffset = cluster,
            RefcountTableClusters = 1,
            L1Offset = 3 * cluster,
            L1Entries = (uint)l1Entries,
            BackingFile = backing,
            BackingFileFormat = backing is null ? null : backingFormat,
        };
        byte[] first = header.ToBytes();
        if (first.Length > Qcow2Header.LargestHeader)
            throw new HypervisorException($"The name of the image below '{path}' is too long: '{backing}'.");
        try
        {
            using var file = new ImageFile(File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None));
            file.Write(0, first);

            // Header, table of counts, one block of counts, and the first table of the disk: each used once.
            file.WriteLong(cluster, 2 * cluster);
            var counts = new byte[2 * (3 + l1Clusters)];
            for (int i = 1; i < counts.Length; i += 2)
                counts[i] = 1;
            file.Write(2 * cluster, counts);
            file.WriteTable(3 * cluster, new ulong[l1Clusters * perTable]);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new HypervisorException($"The disk image '{path}' cannot be made: {error.Message}", error);
        }
    }

    private static string FormatOf(string path) => path.EndsWith(".qcow2", StringComparison.OrdinalIgnoreCase) ? Qcow2 : Raw;

    private static string Beside(string path, string name) => Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name);

    private static IBlockBackend Open(string path, string? format, bool readOnly, int depth)
    {
        if (depth > DeepestChain)
            throw new HypervisorException($"The disk image '{path}' lies below {DeepestChain} others, or below itself.");
        return (format ?? FormatOf(path)) switch
        {
            Raw => new FileBlockBackend(path, readOnly),
            Qcow2 => new Qcow2Image(FileBlockBackend.OpenImage(path, readOnly), path, readOnly, (name, below) => Open(Beside(path, name), below, readOnly: true, depth + 1)),
            string other => throw new HypervisorException($"The disk image '{path}' is of format '{other}', which is not known here; there are {Raw} and {Qcow2}."),
        };
    }
}
