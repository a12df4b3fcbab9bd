using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Memory;

namespace Hypervisor.Tests.Devices;

/// <summary>A disk whose host storage takes its time to flush: the guest goes on meanwhile.</summary>
public sealed class SlowDiskTests : IDisposable
{
    private const ulong Header = VirtioDriver.Ram + 0x20000;
    private const ulong Status = VirtioDriver.Ram + 0x21000;
    private const ulong FeatureFlush = 1 << 9;

    private readonly GuestMemory _memory = new(new MemoryRegion(VirtioDriver.Ram, 1 << 18));
    private readonly FakeLine _line = new();
    private readonly GatedDisk _disk = new();
    private readonly VirtioMmio _mmio;
    private VirtioDriver _driver;

    public SlowDiskTests()
    {
        _mmio = new VirtioMmio(_memory, new FakeTimers(), _line, new VirtioBlock(_disk, "d") { LeavesSlowWork = true });
        _driver = VirtioDriver.Start(_memory, _mmio, features: FeatureFlush);
    }

    public void Dispose()
    {
        _disk.Gate.Set();
        _mmio.Dispose();
        _memory.Dispose();
        _disk.Gate.Dispose();
    }

    [Fact]
    public void Flush_ThatTakesLong_IsAnsweredWhenItIsDoneAndHoldsNobodyUp()
    {
        Ask(4);
        Assert.True(SpinWait.SpinUntil(() => _disk.Flushes == 1, TimeSpan.FromSeconds(30)));

        // The doorbell has come back, registers answer, and the next request waits its turn.
        Assert.Equal(15u, VirtioDriver.Get(_mmio, 0x70));
        Assert.Equal(0, _driver.UsedIndex);
        Ask(4);
        Assert.Equal(0, _driver.UsedIndex);
        _disk.Gate.Set();
        Assert.True(SpinWait.SpinUntil(() => _driver.UsedIndex == 2, TimeSpan.FromSeconds(30)));
        Assert.True(_line.Raised);
        Assert.True(_memory.TryRead(Status, out byte status));
        Assert.Equal(0, status);
        Assert.Equal(2, _disk.Flushes);
    }

    [Fact]
    public void Reset_DuringAFlush_LeavesNoAnswerBehind()
    {
        Ask(4);
        Assert.True(SpinWait.SpinUntil(() => _disk.Flushes == 1, TimeSpan.FromSeconds(30)));
        _memory.TryWrite(_driver.Used, new byte[64]);
        _memory.TryWrite(_driver.Available, new byte[64]);
        _driver = VirtioDriver.Start(_memory, _mmio, features: FeatureFlush);
        _memory.TryWrite(Status, (byte)0x55);
        _disk.Gate.Set();

        // What the new driver asks is answered, and nothing else is.
        Ask(4);
        Assert.True(SpinWait.SpinUntil(() => _driver.UsedIndex != 0, TimeSpan.FromSeconds(30)));
        Assert.Equal(1, _driver.UsedIndex);
        Assert.Equal(2, _disk.Flushes);
    }

    [Fact]
    public async Task Dispose_DuringAFlush_WaitsForIt()
    {
        Ask(4);
        Assert.True(SpinWait.SpinUntil(() => _disk.Flushes == 1, TimeSpan.FromSeconds(30)));
        var disposing = Task.Run(_mmio.Dispose);
        Assert.NotSame(disposing, await Task.WhenAny(disposing, Task.Delay(50)));
        _disk.Gate.Set();
        await disposing.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private void Ask(uint type)
    {
        _memory.TryWrite(Header, (ulong)type);
        _memory.TryWrite(Header + 8, 0UL);
        _driver.Add(new GuestBuffer(Header, 16, false), new GuestBuffer(Status, 1, true));
        _driver.Notify();
    }

    private sealed class GatedDisk : IBlockBackend
    {
        private int _flushes;

        public ManualResetEventSlim Gate { get; } = new();

        public int Flushes => Volatile.Read(ref _flushes);

        public long Length => 1 << 20;

        public bool IsReadOnly => false;

        public bool TryRead(long offset, Span<byte> destination) => true;

        public bool TryWrite(long offset, ReadOnlySpan<byte> source) => true;

        public bool TryZero(long offset, long length) => true;

        public bool TryDiscard(long offset, long length) => true;

        public bool TryFlush()
        {
            Interlocked.Increment(ref _flushes);
            return Gate.Wait(TimeSpan.FromSeconds(60));
        }
    }
}
