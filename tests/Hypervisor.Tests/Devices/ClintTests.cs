using Hypervisor.Core;
using Hypervisor.Core.Devices;

namespace Hypervisor.Tests.Devices;

public sealed class ClintTests
{
    private readonly FakeTimers _timers = new();
    private readonly FakeLine[] _software = [new(), new()];
    private readonly FakeLine[] _timer = [new(), new()];
    private readonly Clint _clint;

    public ClintTests() => _clint = Create();

    private Clint Create() => new(_timers, [new(_software[0], _timer[0]), new(_software[1], _timer[1])]);

    [Fact]
    public void Msip_SetAndCleared_DrivesThatHart()
    {
        _clint.Write(4, 4, 1);
        Assert.False(_software[0].Raised);
        Assert.True(_software[1].Raised);
        Assert.Equal(1UL, _clint.Read(4, 4));
        Assert.Equal(1UL << 32, _clint.Read(0, 8));
        _clint.Write(4, 4, 0xfffffffe);
        Assert.False(_software[1].Raised);
    }

    [Fact]
    public void Mtimecmp_DeadlineInTheFuture_RaisesWhenItPasses()
    {
        _timers.AdvanceTo(1_000);
        Assert.Equal(10UL, _clint.Read(0xbff8, 8));
        _clint.Write(0x4000, 8, 25);
        Assert.False(_timer[0].Raised);
        _timers.AdvanceTo(2_499);
        Assert.False(_timer[0].Raised);
        _timers.AdvanceTo(2_500);
        Assert.True(_timer[0].Raised);
        Assert.False(_timer[1].Raised);
        _clint.Write(0x4000, 8, ulong.MaxValue);
        Assert.False(_timer[0].Raised);
    }

    [Fact]
    public void Mtimecmp_PastDeadline_RaisesAtOnce()
    {
        _timers.AdvanceTo(1_000);
        _clint.Write(0x4008, 8, 10);
        Assert.True(_timer[1].Raised);
    }

    [Fact]
    public void Mtimecmp_WrittenInHalves_CountsWhole()
    {
        _clint.Write(0x4000, 4, 0xffffffff);
        _clint.Write(0x4004, 4, 0);
        Assert.Equal(0xffffffffUL, _clint.Read(0x4000, 8));
        _clint.Write(0x4000, 4, 5);
        _timers.AdvanceTo(500);
        Assert.True(_timer[0].Raised);
    }

    [Fact]
    public void Mtime_Written_MovesDeadlines()
    {
        _timers.AdvanceTo(1_000_000);
        _clint.Write(0xbff8, 8, 0);
        Assert.Equal(0UL, _clint.Time);
        _clint.Write(0x4000, 8, 10);
        Assert.False(_timer[0].Raised);
        _timers.AdvanceTo(1_000_999);
        Assert.False(_timer[0].Raised);
        _timers.AdvanceTo(1_001_000);
        Assert.True(_timer[0].Raised);
        _clint.Write(0xbff8, 8, ulong.MaxValue - 5);
        Assert.True(_timer[0].Raised);
        _timers.AdvanceTo(1_002_000);
        Assert.False(_clint.Time > 10);
    }

    [Fact]
    public void Registers_OfHartsThatAreNot_ReadZeroAndIgnore()
    {
        _clint.Write(0x4010, 8, 1);
        _clint.Write(8, 4, 1);
        Assert.Equal(0UL, _clint.Read(0x4010, 8));
        Assert.Equal(0UL, _clint.Read(8, 4));
        Assert.Equal(0UL, _clint.Read(0xc000, 8));
        Assert.Equal(0UL, _clint.Read(0, 1));
        Assert.Throws<HypervisorException>(() => new Clint(_timers, []));
    }

    [Fact]
    public void Load_SavedState_ContinuesAtTheSavedTime()
    {
        _timers.AdvanceTo(5_000);
        _clint.Write(0x4000, 8, 60);
        _clint.Write(4, 4, 1);
        var state = DeviceState.Of(_clint);
        _timers.AdvanceTo(100_000);
        Assert.True(_timer[0].Raised);
        _software[1].Set(false);
        var restored = Create();
        DeviceState.Load(restored, state);
        Assert.Equal(state, DeviceState.Of(restored));
        Assert.True(_software[1].Raised);
        Assert.False(_timer[0].Raised);
        _timers.AdvanceTo(101_000);
        Assert.True(_timer[0].Raised);
        Assert.Throws<HypervisorException>(() => DeviceState.Load(new Clint(_timers, [new(new FakeLine(), new FakeLine())]), state));
    }
}
