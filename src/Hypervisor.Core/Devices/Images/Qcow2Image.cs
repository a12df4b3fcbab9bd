using System.IO.Compression;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Core.Devices.Images;

/// <summary>
/// A disk in a qcow2 image: storage is taken as it is written, and what was never written is read from the image below. Images
/// of QEMU are read and written, those with compressed clusters and internal snapshots too.
/// </summary>
/// <remarks>
/// Every change is written through, in an order that leaves a sound image but for counts that are too high or too low; the
/// image is marked as dirty from the first change until it is closed, and one found so is counted anew.
/// </remarks>
internal sealed partial class Qcow2Image : IBlockBackend, IDisposable
{
    private const ulong Copied = 1UL << 63;
    private const ulong Compressed = 1UL << 62;
    private const ulong Zero = 1;
    private const ulong OffsetMask = 0x00FF_FFFF_FFFF_FE00;
    private const int CachedTableBytes = 32 << 20;

    private readonly ImageFile _file;
    private readonly Qcow2Header _header;
    private readonly IBlockBackend? _backing;
    private readonly Qcow2Clusters? _clusters;
    private readonly ulong[] _l1;
    private readonly Dictionary<ulong, ulong[]> _l2 = [];
    private readonly string _name;
    private readonly byte[] _cluster;
    private readonly ulong _end;
    private byte[]? _inflated;
    private ulong _inflatedEntry;
    private bool _isMarked;

    /// <summary>Opens an image.</summary>
    /// <param name="handle">Its file, which it takes over.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <param name="readOnly">Whether it is only read.</param>
    /// <param name="openBacking">Opens the image below by its name and format.</param>
    /// <exception cref="HypervisorException">It cannot be used.</exception>
    public Qcow2Image(SafeFileHandle handle, string name, bool readOnly, Func<string, string?, IBlockBackend> openBacking)
    {
        _file = new ImageFile(handle);
        _name = name;
        IsReadOnly = readOnly;
        try
        {
            var first = new byte[Math.Min(_file.Length, Qcow2Header.LargestHeader)];
            _file.Read(0, first);
            _header = Qcow2Header.Parse(first, name);
            if (!readOnly && _header.RefcountOrder != Qcow2Header.UsualRefcountOrder)
                throw new HypervisorException($"The disk image '{name}' has reference counts of {1 << (int)_header.RefcountOrder} bits and can only be read here: convert it with qemu-img, or open it with ro.");
            _end = ((ulong)_file.Length + ClusterSize - 1) & ~(ClusterSize - 1);
            if (_header.L1Offset > _end || 8UL * _header.L1Entries > _end - _header.L1Offset || _header.RefcountTableOffset >= _end)
                throw new InvalidDataException("it ends before its tables do");
            _l1 = _file.ReadTable(_header.L1Offset, (int)_header.L1Entries);
            _cluster = new byte[ClusterSize];
            if (_header.BackingFile is { } below)
                _backing = openBacking(below, _header.BackingFileFormat);
            if (readOnly)
                return;
            _clusters = new Qcow2Clusters(_file, _header);
            if ((_header.Incompatible & Qcow2Header.Dirty) != 0)
                Repair();

            // Features that whoever writes the image must know, and which lapse where it does not.
            if (_header.Version >= 3)
                _file.WriteLong(Qcow2Header.AutoclearField, 0);
        }
        catch (Exception error) when (error is IOException or InvalidDataException or HypervisorException)
        {
            (_backing as IDisposable)?.Dispose();
            _file.Dispose();
            if (error is HypervisorException)
                throw;
            throw new HypervisorException($"The disk image '{name}' cannot be used: {error.Message}", error);
        }
    }

    /// <inheritdoc/>
    public long Length => (long)(_header.Size & ~511UL);

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <summary>The last failure of the host's storage, or damage of the image, that the guest saw as an I/O error; null while all went well.</summary>
    public IOException? LastError { get; private set; }

    private ulong ClusterSize => 1UL << _header.ClusterBits;

    /// <inheritdoc/>
    public bool TryRead(long offset, Span<byte> destination)
    {
        try
        {
            for (ulong place = (ulong)offset; destination.Length > 0;)
            {
                int part = PartLength(place, destination.Length);
                ReadPart(place, destination[..part]);
                destination = destination[part..];
                place += (ulong)part;
            }

            return true;
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            return Failed(error);
        }
    }

    /// <inheritdoc/>
    public bool TryWrite(long offset, ReadOnlySpan<byte> source)
    {
        if (IsReadOnly)
            return false;
        try
        {
            for (ulong place = (ulong)offset; source.Length > 0;)
            {
                int part = PartLength(place, source.Length);
                WritePart(place, source[..part]);
                source = source[part..];
                place += (ulong)part;
            }

            return true;
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            return Failed(error);
        }
    }

    /// <inheritdoc/>
    public bool TryZero(long offset, long length) => TryClear((ulong)offset, (ulong)length, discards: false);

    /// <inheritdoc/>
    public bool TryDiscard(long offset, long length) => TryClear((ulong)offset, (ulong)length, discards: true);

    /// <inheritdoc/>
    public bool TryFlush()
    {
        if (IsReadOnly)
            return true;
        try
        {
            _file.Flush();
            _clusters!.Flushed();
            return true;
        }
        catch (IOException error)
        {
            return Failed(error);
        }
    }

    /// <summary>Closes the image. The machine must not run any more.</summary>
    public void Dispose()
    {
        if (_isMarked && TryFlush())
        {
            _file.WriteLong(Qcow2Header.IncompatibleField, _header.Incompatible & ~Qcow2Header.Dirty);
            TryFlush();
        }

        _file.Dispose();
        (_backing as IDisposable)?.Dispose();
    }

    /// <summary>How much of a range lies in its first cluster.</summary>
    private int PartLength(ulong place, int length) => (int)Math.Min(ClusterSize - (place & (ClusterSize - 1)), (ulong)length);

    private void ReadPart(ulong place, Span<byte> target)
    {
        ulong entry = Entry(place);
        ulong within = place & (ClusterSize - 1);
        if ((entry & Compressed) != 0)
            Inflate(entry).AsSpan((int)within, target.Length).CopyTo(target);
        else if ((entry & Zero) != 0)
            target.Clear();
        else if ((entry & OffsetMask) != 0)
            _file.Read(DataOffset(entry) + within, target);
        else
            ReadBelow(place, target);
    }

    private void ReadBelow(ulong place, Span<byte> target)
    {
        int there = _backing is null ? 0 : (int)Math.Clamp(_backing.Length - (long)place, 0, target.Length);
        if (there > 0 && !_backing!.TryRead((long)place, target[..there]))
            throw new IOException("The image below could not be read.");
        target[there..].Clear();
    }

    /// <summary>What the tables say of the cluster at a place of the disk; 0 where they say nothing.</summary>
    private ulong Entry(ulong place)
    {
        ulong table = _l1[L1Index(place)] & OffsetMask;
        return table == 0 ? 0 : Table(table)[L2Index(place)];
    }

    private int L1Index(ulong place) => (int)(place >> ((2 * _header.ClusterBits) - 3));

    private int L2Index(ulong place) => (int)((place >> _header.ClusterBits) & ((ClusterSize / 8) - 1));

    private ulong[] Table(ulong offset)
    {
        if (_l2.TryGetValue(offset, out ulong[]? table))
            return table;
        CheckCluster(offset);

        // All changes are written at once, so that forgetting is always right.
        if ((ulong)_l2.Count * ClusterSize >= CachedTableBytes)
            _l2.Clear();
        table = _file.ReadTable(offset, (int)(ClusterSize / 8));
        _l2.Add(offset, table);
        return table;
    }

    private ulong DataOffset(ulong entry)
    {
        ulong offset = entry & OffsetMask;
        CheckCluster(offset);
        return offset;
    }

    /// <summary>Refuses what a damaged image names as a cluster and is none: nothing is written there.</summary>
    private void CheckCluster(ulong offset)
    {
        if ((offset & (ClusterSize - 1)) != 0 || offset >= (_clusters?.End ?? _end))
            throw new InvalidDataException($"it names 0x{offset:x} as a cluster, where none is");
    }

    /// <summary>Where the bytes of a compressed cluster lie: whole sectors, from anywhere on.</summary>
    private (ulong Offset, int Length) CompressedAt(ulong entry)
    {
        int offsetBits = 62 - (_header.ClusterBits - 8);
        ulong offset = entry & ((1UL << offsetBits) - 1);
        ulong sectors = ((entry & ~(Copied | Compressed)) >> offsetBits) + 1;
        return (offset, (int)((sectors * 512) - (offset & 511)));
    }

    /// <summary>The content of a compressed cluster, valid until the next call.</summary>
    private byte[] Inflate(ulong entry)
    {
        if (_inflated is not null && _inflatedEntry == entry)
            return _inflated;
        (ulong offset, int length) = CompressedAt(entry);
        var bytes = new byte[length];
        _file.Read(offset, bytes);
        _inflated ??= new byte[ClusterSize];
        _inflatedEntry = 0;
        using var stream = new DeflateStream(new MemoryStream(bytes), CompressionMode.Decompress);
        stream.ReadExactly(_inflated);
        _inflatedEntry = entry;
        return _inflated;
    }

    private bool Failed(Exception error)
    {
        LastError = error as IOException ?? new IOException(error.Message, error);
        return false;
    }
}
