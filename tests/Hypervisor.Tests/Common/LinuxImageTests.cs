using System.Buffers.Binary;
using Hypervisor.Core;
using Hypervisor.Guests.Common;

namespace Hypervisor.Tests.Common;

public sealed class LinuxImageTests
{
    private static byte[] Image(ulong textOffset = 0x200000, ulong size = 0x500000, ulong flags = 0)
    {
        var image = new byte[0x1000];
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(8), textOffset);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(16), size);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(24), flags);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(32), 2);
        "RISCV\0\0\0RSC\u0005"u8.CopyTo(image.AsSpan(48));
        return image;
    }

    [Fact]
    public void TryParse_KernelHeader_GivesPlacement()
    {
        Assert.True(LinuxImage.TryParse(Image(), "Image", out var image));
        Assert.Equal(0x200000UL, image.TextOffset);
        Assert.Equal(0x500000UL, image.MemorySize);
        Assert.Equal(new Version(0, 2), image.HeaderVersion);
        Assert.Equal(0x80200000UL, image.LoadAddress(0x80000000));
        Assert.Equal(0x80400000UL, image.LoadAddress(0x80001000));
    }

    [Fact]
    public void TryParse_SizeBelowFile_ReservesTheFile()
    {
        Assert.True(LinuxImage.TryParse(Image(size: 16), "Image", out var image));
        Assert.Equal(0x1000UL, image.MemorySize);
    }

    [Fact]
    public void TryParse_OtherBytes_IsFalse()
    {
        Assert.False(LinuxImage.TryParse(new byte[4096], "Image", out _));
        Assert.False(LinuxImage.TryParse(Image()[..63], "Image", out _));
        Assert.False(LinuxImage.TryParse(new ElfFile().ToArray(), "Image", out _));
    }

    [Theory]
    [InlineData(0x200000, 0x500000, 1, "big-endian")]
    [InlineData(0x200000, 0, 0, "0 bytes of memory")]
    [InlineData(0x200000, 1L << 40, 0, "bytes of memory")]
    [InlineData(-1, 0x500000, 0, "above the start of memory")]
    public void TryParse_ImpossibleHeader_SaysWhy(long textOffset, long size, ulong flags, string reason)
    {
        var error = Assert.Throws<HypervisorException>(
            () => LinuxImage.TryParse(Image((ulong)textOffset, (ulong)size, flags), "Image", out _));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }
}
