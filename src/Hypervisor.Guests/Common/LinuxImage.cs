using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Hypervisor.Core;

namespace Hypervisor.Guests.Common;

/// <summary>
/// A flat riscv64 Linux kernel, as <c>arch/riscv/boot/Image</c> is built (Linux Documentation/arch/riscv/boot-image-header.rst):
/// loaded as it stands at a 2 MiB boundary plus its text offset, entered at its first byte.
/// </summary>
public sealed class LinuxImage
{
    private const int HeaderSize = 64;
    private const int MagicOffset = 56;
    private const ulong FlagBigEndian = 1;
    private const ulong PlacementAlignment = 2UL << 20;
    private const ulong MaximumOffset = 1UL << 30;

    private LinuxImage(string name, ReadOnlyMemory<byte> data, ulong textOffset, ulong memorySize, uint version)
    {
        Name = name;
        Data = data;
        TextOffset = textOffset;
        MemorySize = memorySize;
        HeaderVersion = new Version((int)(version >> 16), (int)(version & 0xffff));
    }

    /// <summary>What the image was called when it was parsed; used in messages.</summary>
    public string Name { get; }

    /// <summary>The bytes to load; the kernel clears what it needs behind them itself.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>How far above the start of memory the image is to be loaded.</summary>
    public ulong TextOffset { get; }

    /// <summary>Bytes to keep free of anything else from the load address on; never less than the data.</summary>
    public ulong MemorySize { get; }

    /// <summary>The version of the image header, 0.2 in current kernels.</summary>
    public Version HeaderVersion { get; }

    /// <summary>Where the image belongs in RAM that starts at <paramref name="ramBase"/>.</summary>
    /// <param name="ramBase">The guest-physical address of the first byte of RAM open to the kernel.</param>
    public ulong LoadAddress(ulong ramBase)
        => ((ramBase + PlacementAlignment - 1) & ~(PlacementAlignment - 1)) + TextOffset;

    /// <summary>Reads the header; false when the bytes are no Linux Image at all.</summary>
    /// <param name="image">The whole file.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <param name="result">The image.</param>
    /// <exception cref="HypervisorException">It is a Linux Image, but one that cannot be loaded; the message says why.</exception>
    public static bool TryParse(ReadOnlyMemory<byte> image, string name, [NotNullWhen(true)] out LinuxImage? result)
    {
        result = null;
        var bytes = image.Span;
        if (bytes.Length < HeaderSize || !bytes.Slice(MagicOffset, 4).SequenceEqual("RSC\u0005"u8))
        {
            return false;
        }

        var textOffset = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        var imageSize = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
        var flags = BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]);
        if ((flags & FlagBigEndian) != 0)
        {
            throw Bad(name, "it is a big-endian kernel; only little-endian ones run here");
        }

        if (imageSize == 0 || imageSize > ElfImage.DefaultMaximumMemory)
        {
            throw Bad(name, $"its header claims {imageSize} bytes of memory, which no kernel needs; the file is damaged");
        }

        if (textOffset > MaximumOffset)
        {
            throw Bad(name, $"its header asks to be loaded {textOffset:x} bytes above the start of memory; the file is damaged");
        }

        if (EndOfSections(bytes) is { } end && end > (ulong)bytes.Length)
        {
            throw Bad(name, $"it is truncated: its sections take {end} bytes, the file has {bytes.Length}; fetch it again");
        }

        var version = BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]) & 0x7fff_ffff;
        result = new LinuxImage(name, image, textOffset, Math.Max(imageSize, (ulong)image.Length), version);
        return true;
    }

    /// <summary>
    /// Where the last section of the file ends, by the PE headers that kernels with an EFI stub carry (PE format, sections 3
    /// and 4); null where there are none.
    /// </summary>
    private static ulong? EndOfSections(ReadOnlySpan<byte> bytes)
    {
        const int headerOffset = 0x3C;
        const int coffHeader = 24;
        const int sectionHeader = 40;
        if (!bytes.StartsWith("MZ"u8))
            return null;
        uint header = BinaryPrimitives.ReadUInt32LittleEndian(bytes[headerOffset..]);
        if (header > 0x10000 || (int)header + coffHeader > bytes.Length || !bytes[(int)header..].StartsWith("PE\0\0"u8))
            return header is > 0 and <= 0x10000 ? header + (ulong)coffHeader : null;
        int sections = BinaryPrimitives.ReadUInt16LittleEndian(bytes[((int)header + 6)..]);
        int first = (int)header + coffHeader + BinaryPrimitives.ReadUInt16LittleEndian(bytes[((int)header + 20)..]);
        ulong end = (ulong)first + ((ulong)sections * sectionHeader);
        for (int i = 0; i < sections && first + ((i + 1) * sectionHeader) <= bytes.Length; i++)
        {
            ReadOnlySpan<byte> section = bytes[(first + (i * sectionHeader))..];
            end = Math.Max(end, (ulong)BinaryPrimitives.ReadUInt32LittleEndian(section[20..]) + BinaryPrimitives.ReadUInt32LittleEndian(section[16..]));
        }

        return end;
    }

    private static HypervisorException Bad(string name, string reason) => new($"Cannot load the Linux Image '{name}': {reason}.");
}
