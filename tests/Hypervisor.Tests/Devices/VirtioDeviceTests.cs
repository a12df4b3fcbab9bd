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
        long allocated = 0;
        for (var i = 0; i < 1100; i++)
        {
            var read = (i & 1) == 0;
            WriteHeader(read ? 0u : 1, 8);
            driver.Add(new GuestBuffer(Header, 16, false), new(Data, 4096, read), new(Status, 1, true));
            var before = GC.GetAllocatedBytesForCurrentThread();
            mmio.Notify(0);
            VirtioDriver.Set(mmio, 0x64, 1);
            allocated += i < 100 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
            driver.Take();
        }

        Assert.Equal(0, allocated);
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
