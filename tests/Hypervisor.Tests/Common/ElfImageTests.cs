using System.Buffers.Binary;
using Hypervisor.Core;
using Hypervisor.Guests.Common;

namespace Hypervisor.Tests.Common;

public sealed class ElfImageTests
{
    private static ElfImage Parse(byte[] file) => ElfImage.Parse(file, "test.elf");

    private static void Refused(byte[] file, string reason, ulong limit = ElfImage.DefaultMaximumMemory)
    {
        var error = Assert.Throws<HypervisorException>(() => ElfImage.Parse(file, "test.elf", limit));
        Assert.Contains("test.elf", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    private static void Refused(Action<ElfFile> damage, string reason)
    {
        var file = new ElfFile();
        damage(file);
        Refused(file.ToArray(), reason);
    }

    private static byte[] With(int offset, byte value)
    {
        var file = new ElfFile().ToArray();
        file[offset] = value;
        return file;
    }

    [Fact]
    public void Parse_StaticExecutable_GivesSegmentsInOrder()
    {
        var file = new ElfFile();
        file.Parts.Reverse();
        var image = Parse(file.ToArray());
        Assert.False(image.IsPositionIndependent);
        Assert.Equal(0x10000UL, image.Entry);
        Assert.True(image.UsesCompressed);
        Assert.Equal(ElfFloatAbi.Double, image.FloatAbi);
        Assert.Equal(2, image.Segments.Count);
        Assert.Equal(0x10000UL, image.LowestAddress);
        Assert.Equal(0x11120UL, image.EndAddress);
        var data = image.Segments[1];
        Assert.Equal(ElfAccess.Read | ElfAccess.Write, data.Access);
        Assert.Equal(0x100UL, data.MemorySize);
        Assert.Equal(0x10, data.Data.Length);
        Assert.Equal(0x20, data.Data.Span[0]);
        Assert.Null(image.Interpreter);
        Assert.Null(image.ProgramHeadersAddress);
        Assert.Equal(2, image.ProgramHeaderCount);
        Assert.Equal(0x11021UL, image.ToPhysical(0x11021));
    }

    [Fact]
    public void Parse_DynamicExecutable_GivesInterpreterAndHeaders()
    {
        var file = new ElfFile { Type = 3, Entry = 0x100 };
        file.Parts.Clear();
        file.Parts.Add(new(6, 4, 64, 64, 56 * 4, 56 * 4, 8));
        file.Parts.Add(new(3, 4, 0x1040, 0x1040, 11, 11, 1));
        file.Parts.Add(new(1, 5, 0, 0, 0x1060, 0x1060, 0x1000));
        file.Parts.Add(new(0x6474e551, 7, 0, 0, 0, 0, 16));
        var image = Parse(file.ToArray());
        Assert.True(image.IsPositionIndependent);
        Assert.Equal("/lib/ld.so", image.Interpreter);
        Assert.Equal(64UL, image.ProgramHeadersAddress);
        Assert.True(image.StackIsExecutable);
        Assert.Single(image.Segments);
    }

    [Fact]
    public void Parse_NoHeaderSegment_FindsHeadersInsideASegment()
    {
        var file = new ElfFile();
        file.Parts[0] = new(1, 5, 0, 0x10000, 0x1020, 0x1020, 0x1000);
        file.Parts[1] = new(1, 6, 0x1020, 0x12020, 0x10, 0x100, 0x1000);
        Assert.Equal(0x10040UL, Parse(file.ToArray()).ProgramHeadersAddress);
    }

    [Fact]
    public void TryGetSymbol_PresentAndAbsent_Answers()
    {
        var image = Parse(new ElfFile().ToArray());
        Assert.True(image.TryGetSymbol("tohost", out var address));
        Assert.Equal(0x11020UL, address);
        Assert.True(image.TryGetSymbol("other", out address));
        Assert.Equal(0x10004UL, address);
        Assert.False(image.TryGetSymbol("tohos", out _));
        Assert.False(image.TryGetSymbol("tohost2", out _));
        Assert.False(image.TryGetSymbol("", out _));
    }

    [Fact]
    public void TryGetSymbol_GlobalLocalAndUndefined_GlobalWins()
    {
        var file = new ElfFile { Symbols = [("a", 1, 0, 1), ("a", 2, 1, 0), ("a", 3, 1, 1), ("b", 4, 1, 0)] };
        var image = Parse(file.ToArray());
        Assert.True(image.TryGetSymbol("a", out var address));
        Assert.Equal(3UL, address);
        Assert.False(image.TryGetSymbol("b", out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(15)]
    [InlineData(63)]
    public void Parse_TruncatedHeader_SaysTruncated(int length)
        => Refused(new ElfFile().ToArray()[..length], "truncated");

    [Theory]
    [InlineData(100)]
    [InlineData(0x1008)]
    [InlineData(0x1101)]
    public void Parse_TruncatedBody_SaysPastTheEnd(int length)
        => Refused(new ElfFile().ToArray()[..length], "past the end of the file");

    [Fact]
    public void Parse_NotElf_SaysMagic() => Refused(With(0, (byte)'#'), "magic number");

    [Fact]
    public void Parse_32Bit_SaysSo() => Refused(With(4, 1), "32-bit");

    [Fact]
    public void Parse_BigEndian_SaysSo() => Refused(With(5, 2), "big-endian");

    [Theory]
    [InlineData(62, "x86-64")]
    [InlineData(183, "aarch64")]
    [InlineData(3, "x86 (i386)")]
    [InlineData(250, "machine 250")]
    public void Parse_ForeignMachine_NamesIt(byte machine, string expected) => Refused(With(18, machine), expected);

    [Theory]
    [InlineData(1, "object file")]
    [InlineData(4, "core dump")]
    [InlineData(9, "type 9")]
    public void Parse_OtherType_SaysWhat(byte type, string expected) => Refused(With(16, type), expected);

    [Theory]
    [InlineData(8, "RV64E")]
    [InlineData(6, "quad")]
    public void Parse_UnsupportedAbi_SaysWhich(byte flags, string expected) => Refused(With(48, flags), expected);

    [Fact]
    public void Parse_OverlappingSegments_SaysWhere()
        => Refused(file => file.Parts[1] = file.Parts[1] with { Address = 0x10000, Offset = 0x1000 }, "overlap");

    [Fact]
    public void Parse_SegmentPastEndOfFile_SaysSo()
        => Refused(file => file.Parts[1] = file.Parts[1] with { FileSize = 0x10000, MemorySize = 0x10000 }, "past the end of the file");

    [Fact]
    public void Parse_SegmentOffsetOverflow_SaysSo()
        => Refused(file => file.Parts[1] = file.Parts[1] with { Offset = ulong.MaxValue - 7, Alignment = 1 }, "past the end of the file");

    [Fact]
    public void Parse_MemorySmallerThanFile_SaysSo()
        => Refused(file => file.Parts[1] = file.Parts[1] with { MemorySize = 4 }, "only 4 in memory");

    [Fact]
    public void Parse_AddressOverflow_SaysSo()
        => Refused(file => file.Parts[1] = file.Parts[1] with { Address = ulong.MaxValue - 0xfdf, MemorySize = 0xfe0 }, "end of the address space");

    [Fact]
    public void Parse_HugeMemory_SaysLimit()
        => Refused(file => file.Parts[1] = file.Parts[1] with { MemorySize = 1UL << 40 }, "over the limit");

    [Fact]
    public void Parse_SumOverLimit_SaysLimit() => Refused(new ElfFile().ToArray(), "over the limit of 287 bytes", 287);

    [Fact]
    public void Parse_LimitWithoutBound_StillChecksSums()
    {
        var file = new ElfFile();
        file.Parts[0] = file.Parts[0] with { MemorySize = 1UL << 63, FileSize = 0, Address = 0 };
        file.Parts[1] = file.Parts[1] with { MemorySize = 1UL << 63, FileSize = 0, Address = 1UL << 62 };
        Refused(file.ToArray(), "over the limit", ulong.MaxValue);
    }

    [Fact]
    public void Parse_NoLoadableSegment_SaysSo()
    {
        Refused(file => file.Parts.Clear(), "no loadable segment");
        Refused(file => file.Parts.RemoveAll(part => part.Type == 1 && file.Parts.Remove(part)), "no loadable segment");
    }

    [Fact]
    public void Parse_Misaligned_SaysSo()
    {
        Refused(file => file.Parts[1] = file.Parts[1] with { Alignment = 3 }, "not a power of two");
        Refused(file => file.Parts[1] = file.Parts[1] with { Address = 0x11021 }, "misaligned");
        Refused(file => file.Entry = 0x10001, "misaligned");
    }

    [Fact]
    public void Parse_TooManyHeaders_SaysSo()
    {
        var file = new ElfFile().ToArray();
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(56), ushort.MaxValue);
        Refused(file, "at most 512");
    }

    [Fact]
    public void Parse_DamagedInterpreter_SaysSo()
    {
        Refused(file => file.Parts.Add(new(3, 4, 0x1040, 0, 10, 10, 1)), "zero-terminated");
        Refused(file => file.Parts.Add(new(3, 4, 0x1040, 0, 0, 0, 1)), "interpreter path has 0 bytes");
        Refused(file => file.Parts.AddRange([new(3, 4, 0x1040, 0, 11, 11, 1), new(3, 4, 0x1040, 0, 11, 11, 1)]), "two interpreters");
    }
}
