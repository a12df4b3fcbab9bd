using Hypervisor.Core;
using Hypervisor.Core.Devices;
using Hypervisor.Core.State;

namespace Hypervisor.Tests.Devices;

public sealed class MmioBusTests
{
    private sealed class Echo(ulong size) : IMmioDevice
    {
        public (ulong Offset, int Size, ulong Value) Last { get; private set; }

        public ulong Size => size;

        public ulong Read(ulong offset, int size) => offset;

        public void Write(ulong offset, int size, ulong value) => Last = (offset, size, value);

        public void Save(StateWriter writer)
        {
        }

        public void Load(StateReader reader)
        {
        }
    }

    [Fact]
    public void TryRead_SeveralDevices_ReachesTheRightOneByOffset()
    {
        var bus = new MmioBus();
        var devices = new Echo[5];
        foreach (var i in (int[])[3, 0, 4, 1, 2])
        {
            bus.Add(0x1000 * (ulong)(i + 1), devices[i] = new Echo(0x100), $"device {i}");
        }

        for (var i = 0; i < devices.Length; i++)
        {
            var at = 0x1000 * (ulong)(i + 1);
            Assert.True(bus.TryRead(at + 0xf8, 8, out var value));
            Assert.Equal(0xf8UL, value);
            Assert.True(bus.TryWrite(at + 2, 2, 0x1_2345));
            Assert.Equal((2UL, 2, 0x2345UL), devices[i].Last);
            Assert.False(bus.TryRead(at + 0x100, 1, out _));
            Assert.False(bus.TryRead(at - 1, 1, out _));
        }
    }

    [Theory]
    [InlineData(0x1001, 2)]
    [InlineData(0x1004, 8)]
    [InlineData(0x1000, 3)]
    [InlineData(0x100c, 8)]
    [InlineData(0, 8)]
    [InlineData(-8, 8)]
    public void TryRead_MisalignedOddOrOutside_IsNotAnswered(long address, int size)
    {
        var bus = new MmioBus();
        bus.Add(0x1000, new Echo(0xc), "device");
        Assert.False(bus.TryRead((ulong)address, size, out _));
        Assert.False(bus.TryWrite((ulong)address, size, 0));
    }

    [Theory]
    [InlineData(0x1000)]
    [InlineData(0xff8)]
    [InlineData(0x1008)]
    public void Add_Overlap_Throws(ulong address)
    {
        var bus = new MmioBus();
        bus.Add(0x1000, new Echo(0x10), "first");
        var error = Assert.Throws<HypervisorException>(() => bus.Add(address, new Echo(0x10), "second"));
        Assert.Contains("first", error.Message, StringComparison.Ordinal);
        Assert.Contains("second", error.Message, StringComparison.Ordinal);
        bus.Add(0x1010, new Echo(0x10), "third");
        Assert.Equal(2, bus.Mappings.Count);
    }

    [Fact]
    public void Add_SenselessRange_Throws()
    {
        var bus = new MmioBus();
        Assert.Throws<HypervisorException>(() => bus.Add(0x1004, new Echo(8), "misaligned"));
        Assert.Throws<HypervisorException>(() => bus.Add(0x1000, new Echo(0), "empty"));
        Assert.Throws<HypervisorException>(() => bus.Add(ulong.MaxValue - 7, new Echo(16), "wrapping"));
    }
}
