using Hypervisor.Core.Devices;

namespace Hypervisor.Tests.Devices;

public sealed class SmallDeviceTests
{
    [Theory]
    [InlineData(4, 0x5555u, "Pass 0")]
    [InlineData(2, 0x5555u, "Pass 0")]
    [InlineData(4, 0x2a3333u, "Fail 42")]
    [InlineData(4, 0x7777u, "Reset 0")]
    [InlineData(4, 0x1234u, "")]
    [InlineData(1, 0x55u, "")]
    public void TestFinisher_Store_AsksToEnd(int size, uint value, string expected)
    {
        var asked = "";
        var finisher = new TestFinisher((request, code) => asked = $"{request} {code}");
        finisher.Write(0, size, value);
        Assert.Equal(expected, asked);
        asked = "";
        finisher.Write(4, size, value);
        Assert.Equal("", asked);
    }

    private static ulong Time(GoldfishRtc clock) => clock.Read(0, 4) | (clock.Read(4, 4) << 32);

    [Fact]
    public void GoldfishRtc_Time_AdvancesFromItsEpochAndCanBeSet()
    {
        const ulong epoch = 1_700_000_000_000_000_000;
        var timers = new FakeTimers();
        var clock = new GoldfishRtc(timers, new FakeLine(), epoch);
        timers.AdvanceTo(123);
        Assert.Equal(epoch + 123, Time(clock));
        clock.Write(4, 4, 7);
        clock.Write(0, 4, 9);
        Assert.Equal((7UL << 32) + 9, Time(clock));
        timers.AdvanceTo(124);
        Assert.Equal((7UL << 32) + 10, Time(clock));
    }

    [Fact]
    public void GoldfishRtc_HighHalf_IsLatchedByTheLowOne()
    {
        var timers = new FakeTimers();
        var clock = new GoldfishRtc(timers, new FakeLine(), uint.MaxValue);
        Assert.Equal(uint.MaxValue, clock.Read(0, 4));
        timers.AdvanceTo(1);
        Assert.Equal(0UL, clock.Read(4, 4));
        Assert.Equal(1UL << 32, Time(clock));
    }

    [Fact]
    public void GoldfishRtc_Alarm_FiresWhenEnabledAndIsCleared()
    {
        var timers = new FakeTimers();
        var line = new FakeLine();
        var clock = new GoldfishRtc(timers, line, 1_000);
        clock.Write(0x10, 4, 1);
        clock.Write(0x0c, 4, 0);
        clock.Write(0x08, 4, 1_500);
        Assert.Equal(1UL, clock.Read(0x18, 4));
        timers.AdvanceTo(499);
        Assert.False(line.Raised);
        var state = DeviceState.Of(clock);
        timers.AdvanceTo(500);
        Assert.True(line.Raised);
        Assert.Equal(0UL, clock.Read(0x18, 4));
        clock.Write(0x1c, 4, 1);
        Assert.False(line.Raised);
        clock.Write(0x08, 4, 100);
        Assert.True(line.Raised);
        clock.Write(0x10, 4, 0);
        Assert.False(line.Raised);

        var later = new FakeLine();
        var restored = new GoldfishRtc(timers, later, 0);
        DeviceState.Load(restored, state);
        Assert.Equal(state, DeviceState.Of(restored));
        timers.AdvanceTo(501);
        Assert.True(later.Raised);
    }

    [Fact]
    public void GoldfishRtc_AlarmCleared_NeverFires()
    {
        var timers = new FakeTimers();
        var line = new FakeLine();
        var clock = new GoldfishRtc(timers, line, 0);
        clock.Write(0x10, 4, 1);
        clock.Write(0x08, 4, 500);
        clock.Write(0x14, 4, 1);
        timers.AdvanceTo(1_000);
        Assert.False(line.Raised);
    }
}
