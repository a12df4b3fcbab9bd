using Hypervisor.Core;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Memory;

namespace Hypervisor.Tests.Devices;

public sealed class VirtioMmioTests : IDisposable
{
    private const ulong Buffer = VirtioDriver.Ram + 0x40000;

    private readonly GuestMemory _memory = new(new MemoryRegion(VirtioDriver.Ram, 1 << 20));
    private readonly FakeTimers _timers = new();
    private readonly FakeLine _line = new();
    private readonly FakeSink _sink = new();
    private readonly VirtioConsole _console;
    private readonly VirtioMmio _mmio;

    public VirtioMmioTests()
    {
        _console = new VirtioConsole(_sink);
        _mmio = new VirtioMmio(_memory, _timers, _line, _console);
    }

    public void Dispose() => _memory.Dispose();

    private VirtioDriver Transmit(ulong features = 0) => VirtioDriver.Start(_memory, _mmio, queue: 1, features: features);

    private void Print(VirtioDriver driver, string text, bool notify = true)
    {
        Assert.True(_memory.TryWrite(Buffer, System.Text.Encoding.ASCII.GetBytes(text)));
        driver.Add(new GuestBuffer(Buffer, (uint)text.Length, false));
        if (notify)
        {
            driver.Notify();
        }
    }

    private bool NeedsReset => (VirtioDriver.Get(_mmio, 0x70) & 64) != 0;

    [Fact]
    public void FeaturesOk_WithoutVersion1OrWithUnknownBits_IsRefused()
    {
        foreach (var features in (ulong[])[0, VirtioDriver.Version1 | 2, VirtioDriver.Version1 | (1UL << 63)])
        {
            VirtioDriver.Set(_mmio, 0x70, 0);
            VirtioDriver.Set(_mmio, 0x24, 0);
            VirtioDriver.Set(_mmio, 0x20, features & uint.MaxValue);
            VirtioDriver.Set(_mmio, 0x24, 1);
            VirtioDriver.Set(_mmio, 0x20, features >> 32);
            VirtioDriver.Set(_mmio, 0x70, 11);
            Assert.Equal(3u, VirtioDriver.Get(_mmio, 0x70));
        }
    }

    [Fact]
    public void Notify_BeforeDriverOk_TouchesNothing()
    {
        VirtioDriver.Negotiate(_mmio, VirtioDriver.Version1);
        var driver = new VirtioDriver(_memory, _mmio, 1, 8, 0).Configure();
        Print(driver, "early");
        Assert.Equal("", _sink.Text);
        VirtioDriver.Set(_mmio, 0x70, 15);
        driver.Notify();
        Assert.Equal("early", _sink.Text);
    }

    [Fact]
    public void Notify_ManyMoreThanTheRing_WrapsAround()
    {
        var driver = Transmit();
        var expected = "";
        for (var i = 0; i < 70_000; i++)
        {
            var text = $"{i % 10}";
            if (i % 1000 == 0)
            {
                expected += text;
                Print(driver, text);
            }
            else
            {
                driver.Add(new GuestBuffer(Buffer, 0, false));
                _mmio.Notify(1);
            }

            Assert.Equal(0u, driver.Take().Written);
        }

        Assert.Equal(expected, _sink.Text);
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(VirtioDriver.Indirect)]
    public void Notify_ScatteredChain_IsReadInOrder(ulong features)
    {
        var driver = Transmit(features);
        Assert.True(_memory.TryWrite(Buffer, "-world hello"u8));
        driver.Add(new GuestBuffer(Buffer + 7, 5, false), new(Buffer, 1, false), new(Buffer + 1, 5, false));
        driver.Notify();
        Assert.Equal("hello-world", _sink.Text);
        Assert.False(NeedsReset);
    }

    [Fact]
    public void Interrupt_RaisedAndAcknowledged_FollowsStatus()
    {
        var driver = Transmit();
        Print(driver, "a");
        Assert.True(_line.Raised);
        Assert.Equal(1u, VirtioDriver.Get(_mmio, 0x60));
        VirtioDriver.Set(_mmio, 0x64, 1);
        Assert.Equal(0u, VirtioDriver.Get(_mmio, 0x60));
        Assert.False(_line.Raised);
        driver.SuppressInterrupts(true);
        Print(driver, "b");
        Assert.False(_line.Raised);
        driver.SuppressInterrupts(false);
        Print(driver, "c");
        Print(driver, "d");
        Assert.Equal(3, _line.Raises);
    }

    [Fact]
    public void EventIndex_BothWays_SuppressesAsAsked()
    {
        var driver = Transmit(VirtioDriver.EventIndex);
        driver.WantInterruptAfter(1);
        Print(driver, "a");
        Assert.Equal(0, _line.Raises);
        Assert.Equal(1, driver.AvailableEvent);
        Print(driver, "b", notify: false);
        Assert.True(driver.MustNotify);
        Print(driver, "c", notify: false);
        Assert.False(driver.MustNotify);
        driver.Notify();
        Assert.Equal(1, _line.Raises);
        Assert.Equal(3, driver.AvailableEvent);
        driver.WantInterruptAfter(100);
        Print(driver, "d");
        Assert.Equal(1, _line.Raises);
        Assert.Equal(4, driver.UsedIndex);
    }

    [Fact]
    public void Line_Switched_CarriesPendingInterruptsOver()
    {
        var driver = Transmit();
        Print(driver, "a");
        var other = new FakeLine();
        _mmio.Line = other;
        Assert.False(_line.Raised);
        Assert.True(other.Raised);
        Print(driver, "b");
        Assert.Equal(2, other.Raises);
    }

    [Fact]
    public void Reset_LiveDevice_ForgetsEverything()
    {
        var driver = Transmit();
        Print(driver, "a");
        VirtioDriver.Set(_mmio, 0x70, 0);
        Assert.Equal(0u, VirtioDriver.Get(_mmio, 0x70));
        Assert.Equal(0u, VirtioDriver.Get(_mmio, 0x60));
        Assert.False(_line.Raised);
        VirtioDriver.Set(_mmio, 0x30, 1);
        Assert.Equal(0u, VirtioDriver.Get(_mmio, 0x44));
        Print(driver, "b");
        Assert.Equal("a", _sink.Text);
        Print(Restart(), "c");
        Assert.Equal("ac", _sink.Text);
    }

    private VirtioDriver Restart()
    {
        Assert.True(_memory.TryWrite(VirtioDriver.Ram, new byte[0x20000]));
        return Transmit();
    }

    [Theory]
    [InlineData(0x38, 0u)]
    [InlineData(0x38, 3u)]
    [InlineData(0x38, 512u)]
    [InlineData(0x80, 0x8000_0001u)]
    [InlineData(0x80, 0x1000u)]
    [InlineData(0x84, 1u)]
    [InlineData(0x90, 0x800f_ffffu)]
    [InlineData(0xa0, 0x8010_0000u)]
    public void QueueReady_SenselessShape_NeedsReset(ulong register, uint value)
    {
        VirtioDriver.Negotiate(_mmio, VirtioDriver.Version1);
        VirtioDriver.Set(_mmio, 0x30, 1);
        foreach (var (at, good) in ((ulong, uint)[])[(0x38, 8), (0x80, 0x8000_0000), (0x84, 0), (0x90, 0x8000_4000), (0x94, 0), (0xa0, 0x8000_5000), (0xa4, 0)])
        {
            VirtioDriver.Set(_mmio, at, at == register ? value : good);
        }

        VirtioDriver.Set(_mmio, 0x44, 1);
        Assert.Equal(0u, VirtioDriver.Get(_mmio, 0x44));
        Assert.True(NeedsReset);
    }

    public static TheoryData<string> HostileRings =>
        ["index", "head", "loop", "next", "outside", "wrap", "huge", "order", "indirect", "nested", "odd", "indirectOutside", "indirectNext", "indirectLoop"];

    [Theory]
    [MemberData(nameof(HostileRings))]
    public void Notify_HostileRing_NeedsResetAndRecovers(string kind)
    {
        var driver = Transmit(kind.StartsWith("indirect", StringComparison.Ordinal) && kind != "indirect" || kind is "nested" or "odd" ? VirtioDriver.Indirect : 0);
        var first = driver.Descriptors;
        switch (kind)
        {
            case "index":
                Assert.True(_memory.TryWrite(driver.Available + 2, (ushort)9));
                break;
            case "head":
                driver.Offer(8);
                break;
            case "loop":
                driver.Describe(first, Buffer, 1, 1, 1);
                driver.Describe(first + 16, Buffer, 1, 1, 0);
                driver.Offer(0);
                break;
            case "next":
                driver.Describe(first, Buffer, 1, 1, 0xffff);
                driver.Offer(0);
                break;
            case "outside":
                driver.Add(new GuestBuffer(0x1000, 16, false));
                break;
            case "wrap":
                driver.Add(new GuestBuffer(ulong.MaxValue - 3, 16, false));
                break;
            case "huge":
                driver.Add(new GuestBuffer(Buffer, uint.MaxValue, false));
                break;
            case "order":
                driver.Add(new GuestBuffer(Buffer, 1, true), new(Buffer, 1, false));
                break;
            case "indirect":
                driver.Describe(first, driver.IndirectTable, 16, 4, 0);
                driver.Offer(0);
                break;
            case "nested":
                driver.Describe(driver.IndirectTable, driver.IndirectTable, 16, 4, 0);
                driver.Describe(first, driver.IndirectTable, 16, 4, 0);
                driver.Offer(0);
                break;
            case "odd":
                driver.Describe(first, driver.IndirectTable, 17, 4, 0);
                driver.Offer(0);
                break;
            case "indirectOutside":
                driver.Describe(first, 0x1000, 16, 4, 0);
                driver.Offer(0);
                break;
            case "indirectNext":
                driver.Describe(first, driver.IndirectTable, 16, 5, 1);
                driver.Offer(0);
                break;
            case "indirectLoop":
                driver.Describe(driver.IndirectTable, Buffer, 1, 1, 0);
                driver.Describe(first, driver.IndirectTable, 16, 4, 0);
                driver.Offer(0);
                break;
        }

        driver.Notify();
        Assert.True(NeedsReset);
        Assert.Equal(2u, VirtioDriver.Get(_mmio, 0x60) & 2);
        Assert.True(_line.Raised);
        Assert.Equal(0, driver.UsedIndex);
        driver.Notify();
        Assert.Equal("", _sink.Text);
        Print(Restart(), "fine again");
        Assert.Equal("fine again", _sink.Text);
        Assert.False(NeedsReset);
    }

    [Fact]
    public void Notify_HugeRequests_AreServedInShares()
    {
        var driver = Transmit();
        for (var i = 0; i < 8; i++)
        {
            driver.Add(new GuestBuffer(VirtioDriver.Ram + 0x20000, 0x80000, false), new(VirtioDriver.Ram + 0x20000, 0x80000, false));
            driver.Add(new GuestBuffer(VirtioDriver.Ram + 0x20000, 0x80000, false), new(VirtioDriver.Ram + 0x20000, 0x80000, false));
            driver.Notify();
        }

        Assert.Equal(16, driver.UsedIndex);
        Assert.Equal(16 << 20, _sink.Text.Length);
    }

    [Fact]
    public void Load_SavedInMidUse_GoesOn()
    {
        var driver = Transmit(VirtioDriver.EventIndex);
        Print(driver, "a");
        Print(driver, "b", notify: false);
        var state = DeviceState.Of(_mmio);
        var sink = new FakeSink();
        var line = new FakeLine();
        var restored = new VirtioMmio(_memory, _timers, line, new VirtioConsole(sink));
        DeviceState.Load(restored, state);
        Assert.Equal(state, DeviceState.Of(restored));
        Assert.True(line.Raised);
        restored.Notify(1);
        Assert.Equal("b", sink.Text);
        var error = Assert.Throws<HypervisorException>(() => DeviceState.Load(new VirtioMmio(_memory, _timers, line, null), state));
        Assert.Contains("another virtio device", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_UnservedRequests_AreServedWithoutADoorbell()
    {
        var driver = Transmit();
        Print(driver, "a", notify: false);
        var state = DeviceState.Of(_mmio);
        var sink = new FakeSink();
        DeviceState.Load(new VirtioMmio(_memory, _timers, _line, new VirtioConsole(sink)), state);
        _timers.AdvanceTo(1);
        Assert.Equal("a", sink.Text);
    }
}
