using System.Buffers.Binary;
using System.Text;

namespace Hypervisor.Core.Devices.Images;

/// <summary>The header of a qcow2 image (QEMU's docs/interop/qcow2), versions 2 and 3. All numbers are big-endian.</summary>
internal sealed record Qcow2Header
{
    public const uint Magic = 0x5146_49FB;
    public const int LargestHeader = 4096;

    /// <summary>Byte offsets of the fields that change while an image is in use.</summary>
    public const int RefcountTableField = 48;
    public const int IncompatibleField = 72;
    public const int AutoclearField = 88;

    /// <summary>Reference counts may be wrong: whoever had the image open for writing did not close it.</summary>
    public const ulong Dirty = 1;

    /// <summary>Entries of 16 bits, as nearly every image has them.</summary>
    public const uint UsualRefcountOrder = 4;

    private const uint ShortHeader = 72;
    private const uint LongHeader = 104;
    private const int Version3 = 3;
    private const uint BackingFormat = 0xE279_2ACA;
    private const uint LargestTable = 32 << 20;
    private const uint LongestBackingName = 1023;

    public required uint Version { get; init; }

    public required int ClusterBits { get; init; }

    /// <summary>Bytes of the disk.</summary>
    public required ulong Size { get; init; }

    public required uint L1Entries { get; init; }

    public required ulong L1Offset { get; init; }

    public required ulong RefcountTableOffset { get; init; }

    public required uint RefcountTableClusters { get; init; }

    public uint Snapshots { get; init; }

    public ulong Incompatible { get; init; }

    public uint RefcountOrder { get; init; } = UsualRefcountOrder;

    /// <summary>The image below this one, as it is named in it; null for none.</summary>
    public string? BackingFile { get; init; }

    /// <summary>That image's format; null where it is not said.</summary>
    public string? BackingFileFormat { get; init; }

    /// <summary>Reads a header.</summary>
    /// <param name="bytes">The image's first bytes, up to <see cref="LargestHeader"/>.</param>
    /// <param name="name">The image, for messages.</param>
    /// <exception cref="HypervisorException">It is no such header, or asks for what is not known here.</exception>
    public static Qcow2Header Parse(ReadOnlySpan<byte> bytes, string name)
    {
        HypervisorException Bad(string what) => new($"The disk image '{name}' {what}.");
        if (bytes.Length < ShortHeader || Word(bytes, 0) != Magic)
            throw Bad("is no qcow2 image: its first bytes are others. Say format=raw if it is a raw one");
        uint version = Word(bytes, 4);
        if (version is not (2 or Version3))
            throw Bad($"is qcow2 of version {version}; versions 2 and 3 are known here");
        uint bits = Word(bytes, 20);
        ulong size = Long(bytes, 24);
        if (bits is < 9 or > 21 || size > long.MaxValue / 2)
            throw Bad($"is damaged: clusters of 2^{bits} bytes, a disk of {size} bytes");
        if (Word(bytes, 32) != 0)
            throw Bad("is encrypted, which is not possible here: convert it with qemu-img");
        bool isLong = version == Version3;
        if (isLong && bytes.Length < LongHeader)
            throw Bad("is damaged: it ends within its header");
        ulong incompatible = isLong ? Long(bytes, IncompatibleField) : 0;
        if ((incompatible & 2) != 0)
            throw Bad("is marked as corrupt: repair it with qemu-img check -r all");
        if ((incompatible & ~Dirty) != 0)
            throw Bad($"needs features not known here (bits 0x{incompatible & ~Dirty:x}: an external data file, another compression or subclusters): convert it with qemu-img");
        uint headerLength = isLong ? Word(bytes, 100) : ShortHeader;
        if (headerLength < (isLong ? LongHeader : ShortHeader) || headerLength > bytes.Length || (headerLength & 7) != 0)
            throw Bad("is damaged: the length of its header makes no sense");
        var header = new Qcow2Header
        {
            Version = version,
            ClusterBits = (int)bits,
            Size = size,
            L1Entries = Word(bytes, 36),
            L1Offset = Long(bytes, 40),
            RefcountTableOffset = Long(bytes, 48),
            RefcountTableClusters = Word(bytes, 56),
            Snapshots = Word(bytes, 60),
            Incompatible = incompatible,
            RefcountOrder = isLong ? Word(bytes, 96) : UsualRefcountOrder,
            BackingFile = ReadBackingName(bytes, Bad),
            BackingFileFormat = FindExtension(bytes[(int)headerLength..], BackingFormat),
        };
        ulong mask = (1UL << (int)bits) - 1;
        ulong neededEntries = (((size + mask) >> (int)bits) + (1UL << ((int)bits - 3)) - 1) >> ((int)bits - 3);
        if (header.L1Entries < neededEntries || header.L1Entries > LargestTable / 8 || (header.L1Offset & mask) != 0
            || (header.RefcountTableOffset & mask) != 0 || ((ulong)header.RefcountTableClusters << (int)bits) > LargestTable)
            throw Bad("is damaged: its tables do not fit the disk");
        return header;
    }

    /// <summary>The header as bytes, of version 3, to begin an image with.</summary>
    public byte[] ToBytes()
    {
        byte[] backing = Encoding.UTF8.GetBytes(BackingFile ?? "");
        byte[] format = Encoding.ASCII.GetBytes(BackingFileFormat ?? "");
        int padded = (format.Length + 7) & ~7;
        int nameAt = (int)LongHeader + (format.Length > 0 ? 8 + padded : 0) + 8;
        var bytes = new byte[nameAt + backing.Length];
        Put(bytes, 0, Magic);
        Put(bytes, 4, Version3);
        if (backing.Length > 0)
        {
            PutLong(bytes, 8, (ulong)nameAt);
            Put(bytes, 16, (uint)backing.Length);
        }

        Put(bytes, 20, (uint)ClusterBits);
        PutLong(bytes, 24, Size);
        Put(bytes, 36, L1Entries);
        PutLong(bytes, 40, L1Offset);
        PutLong(bytes, 48, RefcountTableOffset);
        Put(bytes, 56, RefcountTableClusters);
        Put(bytes, 96, UsualRefcountOrder);
        Put(bytes, 100, LongHeader);
        if (format.Length > 0)
        {
            Put(bytes, (int)LongHeader, BackingFormat);
            Put(bytes, (int)LongHeader + 4, (uint)format.Length);
            format.CopyTo(bytes, (int)LongHeader + 8);
        }

        backing.CopyTo(bytes, nameAt);
        return bytes;
    }

    private static string? ReadBackingName(ReadOnlySpan<byte> bytes, Func<string, HypervisorException> bad)
    {
        ulong at = Long(bytes, 8);
        uint length = Word(bytes, 16);
        if (at == 0 || length == 0)
            return null;
        if (length > LongestBackingName || at > (ulong)bytes.Length - length)
            throw bad("is damaged: the name of the image below it lies outside its header");
        return Encoding.UTF8.GetString(bytes.Slice((int)at, (int)length));
    }

    private static string? FindExtension(ReadOnlySpan<byte> bytes, uint wanted)
    {
        while (bytes.Length >= 8)
        {
            uint type = Word(bytes, 0);
            uint length = Word(bytes, 4);
            if (type == 0 || length > bytes.Length - 8)
                return null;
            if (type == wanted)
                return Encoding.ASCII.GetString(bytes.Slice(8, (int)length));
            bytes = bytes[(int)Math.Min(8 + ((length + 7) & ~7u), (uint)bytes.Length)..];
        }

        return null;
    }

    private static uint Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);

    private static ulong Long(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64BigEndian(bytes[at..]);

    private static void Put(Span<byte> bytes, int at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(bytes[at..], value);

    private static void PutLong(Span<byte> bytes, int at, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(bytes[at..], value);
}
