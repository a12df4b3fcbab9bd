using System.Buffers.Binary;
using System.Text;
using Hypervisor.Core;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Devices;

public sealed class VirtioDeviceTests : IDisposable
{
    private const ulong Header = VirtioDriver.Ram + 0x40000;
    private const ulong Status = VirtioDriver.Ram + 0x41000;
    private const ulong Data = VirtioDriver.Ram + 0x50000;
    private const ulong Flush = 1 << 9;

    private readonly GuestMemory _memory = new(new MemoryRegion(VirtioDriver.Ram, 1 << 20));
    private readonly FakeTimers _timers = new();
    private readonly FakeLine _line = new();

    public void Dispose() => _memory.Dispose();

    /// <summary>A disk that counts flushes and can fail.</summary>
    private sealed class Disk(byte[] bytes, bool readOnly = false) : IBlockBackend
    {
        private readonly MemoryBlockBackend _memory = new(bytes, readOnly);

        public int Flushes { get; private set; }

        public bool Fails { get; set; }

        public long Length => _memory.Length;

        public bool IsReadOnly => readOnly;

        public bool TryRead(long offset, Span<byte> destination) => !Fails && _memory.TryRead(offset, destination);

        public bool TryWrite(long offset, ReadOnlySpan<byte> source) => !Fails && _memory.TryWrite(offset, source);

        public bool TryZero(long offset, long length) => !Fails && _memory.TryZero(offset, length);

        public bool TryDiscard(long offset, long length) => !Fails && _memory.TryDiscard(offset, length);

        public bool TryFlush()
        {
            Flushes++;
            return !Fails;
        }
    }

    private static byte[] Pattern(int length)
    {
        var bytes = new byte[length];
        new Random(7).NextBytes(bytes);
        return bytes;
    }

    private VirtioMmio Mmio(VirtioDevice device) => new(_memory, _timers, _line, device);

    private void WriteHeader(uint type, ulong sector)
    {
        Span<byte> header = stackalloc byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], sector);
        Assert.True(_memory.TryWrite(Header, header));
        Assert.True(_memory.TryWrite(Status, (byte)0xee));
    }

    private (byte Status, uint Written) Request(VirtioDriver driver, uint type, ulong sector, uint length, bool toGuest)
    {
        WriteHeader(type, sector);
        if (length == 0)
            driver.Add(new GuestBuffer(Header, 16, false), new(Status, 1, true));
        else
            driver.Add(new GuestBuffer(Header, 16, false), new(Data, length, toGuest), new(Status, 1, true));
        driver.Notify();
        var (_, written) = driver.Take();
        Assert.True(_memory.TryRead(Status, out byte status));
        return (status, written);
    }

    private byte[] Guest(ulong address, int length)
    {
        var bytes = new byte[length];
        Assert.True(_memory.TryRead(address, bytes));
        return bytes;
    }

    [Fact]
    public void Block_Configuration_TellsItsSize()
    {
        var mmio = Mmio(new VirtioBlock(new MemoryBlockBackend(new byte[512 * 77]), "disk"));
        Assert.Equal(2u, VirtioDriver.Get(mmio, 8));
        Assert.Equal(77UL, mmio.Read(0x100, 8));
        Assert.Equal(254u, mmio.Read(0x10c, 4));
        Assert.Equal(512UL, mmio.Read(0x114, 4));
        Assert.Equal(77UL, mmio.Read(0x100, 1));
        Assert.Equal(0UL, mmio.Read(0xff8, 8));
    }

    [Fact]
    public void Block_ReadAndWrite_MoveTheRightBytes()
    {
        var bytes = Pattern(512 * 64);
        var disk = (byte[])bytes.Clone();
        var driver = VirtioDriver.Start(_memory, Mmio(new VirtioBlock(new MemoryBlockBackend(disk), "disk")), features: Flush);
        Assert.Equal((0, 4097u), Request(driver, 0, 5, 4096, toGuest: true));
        Assert.Equal(bytes[(5 * 512)..((5 * 512) + 4096)], Guest(Data, 4096));
        var content = Pattern(1024);
        Assert.True(_memory.TryWrite(Data, content));
        Assert.Equal((0, 1u), Request(driver, 1, 62, 1024, toGuest: false));
        Assert.Equal(content, disk[(62 * 512)..]);
        Assert.Equal(bytes[..(62 * 512)], disk[..(62 * 512)]);
    }

    [Fact]
    public void Block_OddlyCutRequest_IsServedAllTheSame()
    {
        var disk = Pattern(512 * 4);
        var driver = VirtioDriver.Start(_memory, Mmio(new VirtioBlock(new MemoryBlockBackend(disk), "disk")), size: 16);
        WriteHeader(0, 1);
        driver.Add(new GuestBuffer(Header, 3, false), new(Header + 3, 13, false), new(Data, 100, true), new(Data + 100, 411, true), new(Data + 511, 2, true));
        driver.Notify();
        Assert.Equal(513u, driver.Take().Written);
        Assert.Equal(disk[512..1024], Guest(Data, 512));
        Assert.Equal(0, Guest(Data + 512, 1)[0]);

        WriteHeader(1, 2);
        Assert.True(_memory.TryWrite(Header + 16, Pattern(512)));
        driver.Add(new GuestBuffer(Header, 200, false), new(Header + 200, 328, false), new(Status, 1, true));
        driver.Notify();
        Assert.Equal(1u, driver.Take().Written);
        Assert.Equal(Pattern(512), disk[1024..1536]);
    }

    [Theory]
    [InlineData(0u, 4UL, 512u, 1)]
    [InlineData(0u, 3UL, 1024u, 1)]
    [InlineData(0u, 0UL, 100u, 1)]
    [InlineData(0u, ulong.MaxValue, 512u, 1)]
    [InlineData(0u, 1UL << 55, 512u, 1)]
    [InlineData(99u, 0UL, 512u, 2)]
    [InlineData(11u, 0UL, 512u, 2)]
    [InlineData(4u, 0UL, 0u, 0)]
    public void Block_RequestThatCannotBe_AnswersSo(uint type, ulong sector, uint length, byte expected)
    {
        var driver = VirtioDriver.Start(_memory, Mmio(new VirtioBlock(new MemoryBlockBackend(new byte[2048]), "disk")));
        Assert.Equal(expected, Request(driver, type, sector, length, toGuest: true).Status);
        Assert.Equal(0, Request(driver, 0, 0, 512, toGuest: true).Status);
    }

    [Fact]
    public void Block_WriteBeyondOrToReadOnly_ChangesNothing()
    {
        var disk = Pattern(2048);
        var driver = VirtioDriver.Start(_memory, Mmio(new VirtioBlock(new MemoryBlockBackend(disk), "disk")));
        Assert.Equal(1, Request(driver, 1, 3, 1024, toGuest: false).Status);
        var mmio = Mmio(new VirtioBlock(new MemoryBlockBackend(disk, readOnly: true), "disk"));
        VirtioDriver.Set(mmio, 0x14, 0);
        Assert.NotEqual(0u, VirtioDriver.Get(mmio, 0x10) & (1 << 5));
        Assert.True(_memory.TryWrite(VirtioDriver.Ram, new byte[0x10000]));
        Assert.Equal(1, Request(VirtioDriver.Start(_memory, mmio), 1, 0, 512, toGuest: false).Status);
        Assert.Equal(Pattern(2048), disk);
    }

    [Fact]
    public void Block_Id_FillsTwentyBytes()
    {
        var driver = VirtioDriver.Start(_memory, Mmio(new VirtioBlock(new MemoryBlockBackend(new byte[512]), "root-disk")));
        Assert.Equal((0, 21u), Request(driver, 8, 0, 20, toGuest: true));
        Assert.Equal("root-disk\0\0\0\0\0\0\0\0\0\0\0", Encoding.ASCII.GetString(Guest(Data, 20)));
        Assert.Equal(0, Request(driver, 8, 0, 7, toGuest: true).Status);
        Assert.Throws<HypervisorException>(() => new VirtioBlock(new MemoryBlockBackend(new byte[512]), new string('x', 21)));
    }

    [Fact]
    public void Block_Flush_ReachesTheBackendAsNegotiated()
    {
        var disk = new Disk(new byte[2048]);
        var driver = VirtioDriver.Start(_memory, Mmio(new VirtioBlock(disk, "disk")), features: Flush);
        Request(driver, 1, 0, 512, toGuest: false);
        Assert.Equal(0, disk.Flushes);
        Assert.Equal(0, Request(driver, 4, 0, 0, toGuest: false).Status);
        Assert.Equal(1, disk.Flushes);

        // Without flushing accepted, a completed write is a durable one (§5.2.6.2).
        disk = new Disk(new byte[2048]);
        Assert.True(_memory.TryWrite(VirtioDriver.Ram, new byte[0x10000]));
        driver = VirtioDriver.Start(_memory, Mmio(new VirtioBlock(disk, "disk")));
        Request(driver, 1, 0, 512, toGuest: false);
        Assert.Equal(1, disk.Flushes);
        disk.Fails = true;
        Assert.Equal(1, Request(driver, 1, 0, 512, toGuest: false).Status);
        Assert.Equal(1, Request(driver, 0, 0, 512, toGuest: true).Status);
        Assert.Equal(1, Request(driver, 4, 0, 0, toGuest: false).Status);
    }

    [Fact]
    public void Block_DiscardAndWriteZeroes_ClearTheirRangesOnly()
    {
        const ulong features = Flush | 1UL << 13 | 1UL << 14;
        byte[] bytes = Pattern(64 * 512), original = [.. bytes];
        var driver = VirtioDriver.Start(_memory, Mmio(new VirtioBlock(new Disk(bytes), "disk")), features: features);
        byte Clear(uint type, params (ulong Sector, uint Count, uint Flags)[] ranges)
        {
            WriteHeader(type, 0);
            for (int i = 0; i < ranges.Length; i++)
            {
                Assert.True(_memory.TryWrite(Data + (16 * (ulong)i), ranges[i].Sector));
                Assert.True(_memory.TryWrite(Data + (16 * (ulong)i) + 8, ranges[i].Count | (ulong)ranges[i].Flags << 32));
            }

            driver.Add(new GuestBuffer(Header, 16, false), new(Data, 16 * (uint)ranges.Length, false), new(Status, 1, true));
            driver.Notify();
            driver.Take();
            Assert.True(_memory.TryRead(Status, out byte status));
            return status;
        }

        Assert.Equal(0, Clear(13, (2, 3, 0), (60, 4, 1)));
        Array.Clear(original, 2 * 512, 3 * 512);
        Array.Clear(original, 60 * 512, 4 * 512);
        Assert.Equal(original, bytes);
        Assert.Equal(0, Clear(11, (10, 1, 0)));
        Array.Clear(original, 10 * 512, 512);
        Assert.Equal(original, bytes);

        // Beyond the disk, too much, flags that are not: nothing is touched, not even by the ranges before.
        Assert.Equal(1, Clear(13, (20, 1, 0), (63, 2, 0)));
        Assert.Equal(1, Clear(13, (20, 1, 0), (0, uint.MaxValue, 0)));
        Assert.Equal(1, Clear(13, (20, 1, 0), (ulong.MaxValue, 1, 0)));
        Assert.Equal(2, Clear(11, (20, 1, 1)));
        Assert.Equal(2, Clear(13, (20, 1, 2)));
        Assert.Equal(original, bytes);

        // Not offered for a disk that cannot be written.
        var readOnly = Mmio(new VirtioBlock(new Disk(bytes, readOnly: true), "disk"));
        Assert.Equal(0u, VirtioDriver.Get(readOnly, 0x10) & (1u << 13 | 1u << 14));
    }

    [Fact]
    public void Block_CacheTurnedOff_WritesThrough()
    {
        var disk = new Disk(new byte[2048]);
        VirtioMmio mmio = Mmio(new VirtioBlock(disk, "disk"));
        var driver = VirtioDriver.Start(_memory, mmio, features: Flush | 1UL << 11);
        Request(driver, 1, 0, 512, toGuest: false);
        Assert.Equal(0, disk.Flushes);
        Assert.Equal(1UL, mmio.Read(0x120, 1));
        mmio.Write(0x120, 1, 0);
        mmio.Write(0x100, 8, 12345);
        Assert.Equal(0UL, mmio.Read(0x120, 1));
        Assert.Equal(4UL, mmio.Read(0x100, 8));
        Request(driver, 1, 0, 512, toGuest: false);
        Assert.Equal(1, disk.Flushes);
    }

    [Fact]
    public void Block_FileImage_GivesDiscardedStorageBack()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("disk.img", Pattern(1 << 20));
        using (var file = new FileBlockBackend(path))
        {
            Assert.True(file.TryDiscard(4096, 64 << 10));
            Assert.True(file.TryZero(512 << 10, 4096));
        }

        byte[] after = File.ReadAllBytes(path), expected = Pattern(1 << 20);
        Array.Clear(expected, 512 << 10, 4096);
        Assert.Equal(expected[..4096], after[..4096]);
        Assert.Equal(expected[(4096 + (64 << 10))..], after[(4096 + (64 << 10))..]);
    }

    [Fact]
    public void Balloon_PagesPutInAndReported_GoBackToTheHostAndComeAgainZero()
    {
        using var memory = new GuestMemory(new MemoryRegion(VirtioDriver.Ram, 8 << 20));
        var balloon = new VirtioBalloon(memory);
        var mmio = new VirtioMmio(memory, _timers, _line, balloon);
        VirtioDriver inflate = VirtioDriver.Start(memory, mmio, features: 1UL << 5);
        ulong page = VirtioDriver.Ram + (4 << 20);
        for (ulong at = page; at < page + 0x8000; at += 8)
            Assert.True(memory.TryWrite(at, ulong.MaxValue));
        uint[] numbers = [(uint)(page >> 12), (uint)(page >> 12) + 1, (uint)(page >> 12) + 3, 5, uint.MaxValue];
        Assert.True(memory.TryWrite(VirtioDriver.Ram + 0x9_0000, System.Runtime.InteropServices.MemoryMarshal.AsBytes<uint>(numbers)));
        inflate.Add(new GuestBuffer(VirtioDriver.Ram + 0x9_0000, 20, false));
        inflate.Notify();
        inflate.Take();
        ulong At(ulong offset) => memory.TryRead(page + offset, out ulong value) ? value : 1;
        Assert.Equal([0, 0, ulong.MaxValue, 0, ulong.MaxValue], new ulong[] { 0x10, 0x1ff8, 0x2000, 0x3000, 0x4000 }.Select(At));
        Assert.Equal(3 * 4096, balloon.ReleasedBytes);

        VirtioDriver report = new VirtioDriver(memory, mmio, 2, 8, 1UL << 5).Configure();
        report.Add(new GuestBuffer(page + 0x4000, 0x2000, true), new(page + 0x6800, 0x1000, true));
        report.Notify();
        report.Take();
        Assert.Equal([0, 0, ulong.MaxValue], new ulong[] { 0x4000, 0x5ff8, 0x6800 }.Select(At));
        balloon.TargetPages = 77;
        Assert.True(_line.Raised);
        Assert.Equal(2u, VirtioDriver.Get(mmio, 0x60) & 2);
        Assert.Equal(1u, VirtioDriver.Get(mmio, 0xfc));
        Assert.Equal(77UL, mmio.Read(0x100, 4));
        mmio.Write(0x104, 4, 55);
        mmio.Write(0x100, 4, 99);
        Assert.Equal((77u, 55u), (balloon.TargetPages, balloon.ActualPages));
    }

    [Fact]
    public void Block_NoRoomForStatusOrShortHeader_NeedsReset()
    {
        foreach (var writable in (bool[])[false, true])
        {
            var mmio = Mmio(new VirtioBlock(new MemoryBlockBackend(new byte[512]), "disk"));
            Assert.True(_memory.TryWrite(VirtioDriver.Ram, new byte[0x10000]));
            var driver = VirtioDriver.Start(_memory, mmio);
            if (writable)
                driver.Add(new GuestBuffer(Header, 15, false), new(Status, 1, true));
            else
                driver.Add(new GuestBuffer(Header, 16, false));
            driver.Notify();
            Assert.Equal(64u, VirtioDriver.Get(mmio, 0x70) & 64);
        }
    }

    [Fact]
    public void Block_FileImage_KeepsWhatIsWritten()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("disk.img", Pattern(4096));
        using (var file = new FileBlockBackend(path))
        {
            var driver = VirtioDriver.Start(_memory, Mmio(new VirtioBlock(file, "disk")), features: Flush);
            Assert.Equal(0, Request(driver, 0, 0, 4096, toGuest: true).Status);
            Assert.Equal(Pattern(4096), Guest(Data, 4096));
            Assert.True(_memory.TryWrite(Data, new byte[512]));
            Assert.Equal(0, Request(driver, 1, 1, 512, toGuest: false).Status);
            Assert.Equal(0, Request(driver, 4, 0, 0, toGuest: false).Status);
            Assert.Throws<HypervisorException>(() => new FileBlockBackend(path));
        }

        var expected = Pattern(4096);
        expected.AsSpan(512, 512).Clear();
        Assert.Equal(expected, File.ReadAllBytes(path));
        using var readOnly = new FileBlockBackend(path, readOnly: true);
        Assert.False(readOnly.TryWrite(0, new byte[512]));
        Assert.True(readOnly.TryFlush());
        Assert.Null(readOnly.LastError);
        Assert.False(readOnly.TryRead(4096, new byte[512]));
        Assert.NotNull(readOnly.LastError);
    }

    [Fact]
    public void FileBlockBackend_BadImage_SaysWhy()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("missing.img", Assert.Throws<HypervisorException>(() => new FileBlockBackend(folder["missing.img"])).Message, StringComparison.Ordinal);
        Assert.Contains("512-byte", Assert.Throws<HypervisorException>(() => new FileBlockBackend(folder.Write("odd.img", new byte[700]))).Message, StringComparison.Ordinal);
        Assert.Throws<HypervisorException>(() => new FileBlockBackend(folder.Root));
        Assert.Throws<HypervisorException>(() => new MemoryBlockBackend(new byte[700]));
    }

    [Fact]
    public void Block_SteadyState_AllocatesNothing()
    {
        var mmio = Mmio(new VirtioBlock(new MemoryBlockBackend(new byte[1 << 16]), "disk"));
        var driver = VirtioDriver.Start(_memory, mmio, features: Flush | VirtioDriver.EventIndex);
        Transfer(100);
        Assert.Equal(0, Allocations.Least(() => Transfer(1000)));

        long Transfer(int times)
        {
            long allocated = 0;
            for (var i = 0; i < times; i++)
            {
                var read = (i & 1) == 0;
                WriteHeader(read ? 0u : 1, 8);
                driver.Add(new GuestBuffer(Header, 16, false), new(Data, 4096, read), new(Status, 1, true));
                var before = GC.GetAllocatedBytesForCurrentThread();
                mmio.Notify(0);
                VirtioDriver.Set(mmio, 0x64, 1);
                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
                driver.Take();
            }

            return allocated;
        }
    }

    [Fact]
    public void Console_Receive_WaitsForBuffersAndFillsThem()
    {
        var console = new VirtioConsole(new FakeSink());
        var mmio = Mmio(console);
        Assert.Equal(11, console.Receive("hello world"u8));
        var driver = VirtioDriver.Start(_memory, mmio);
        Assert.Equal(0, driver.UsedIndex);
        driver.Add(new GuestBuffer(Data, 4, true), new(Data + 4, 4, true));
        driver.Notify();
        Assert.Equal(8u, driver.Take().Written);
        Assert.True(_line.Raised);
        driver.Add(new GuestBuffer(Data + 8, 100, true));
        driver.Notify();
        Assert.Equal(3u, driver.Take().Written);
        Assert.Equal("hello world", Encoding.ASCII.GetString(Guest(Data, 11)));
        driver.Add(new GuestBuffer(Data, 100, true));
        driver.Notify();
        Assert.Equal(2, driver.UsedIndex);
        console.Receive("!"u8);
        Assert.Equal(1u, driver.Take().Written);
    }

    [Fact]
    public void Rng_SameSeed_GivesSameBytesAfterRestoreToo()
    {
        var seed = Pattern(32);
        var driver = VirtioDriver.Start(_memory, Mmio(new VirtioRng(seed)));
        byte[] Ask(VirtioDriver from, int length)
        {
            from.Add(new GuestBuffer(Data, (uint)length, true));
            from.Notify();
            var written = (int)from.Take().Written;
            Assert.Equal(Math.Min(length, 4096), written);
            return Guest(Data, written);
        }

        var first = Ask(driver, 100);
        Assert.True(first.Distinct().Count() > 40);
        Assert.NotEqual(first, Ask(driver, 100));
        Assert.Equal(4096, Ask(driver, 60_000).Length);

        Assert.True(_memory.TryWrite(VirtioDriver.Ram, new byte[0x10000]));
        var mmio = Mmio(new VirtioRng(seed));
        driver = VirtioDriver.Start(_memory, mmio);
        Assert.Equal(first, Ask(driver, 100));
        var state = DeviceState.Of(mmio);
        var second = Ask(driver, 100);
        Assert.True(_memory.TryWrite(driver.Used, new byte[0x100]));
        var restored = Mmio(new VirtioRng(Pattern(33)[1..]));
        DeviceState.Load(restored, state);
        restored.Notify(0);
        Assert.Equal(second, Guest(Data, 100));
        Assert.Throws<HypervisorException>(() => new VirtioRng([1, 2, 3]));
    }
}
