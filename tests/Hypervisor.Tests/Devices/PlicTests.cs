using Hypervisor.Core;
using Hypervisor.Core.Devices;

namespace Hypervisor.Tests.Devices;

public sealed class PlicTests
{
    private readonly FakeLine[] _contexts = [new(), new()];
    private readonly Plic _plic;

    public PlicTests() => _plic = new Plic(40, _contexts);

    private void Enable(int context, int source) => _plic.Write(
        0x2000 + (0x80 * (ulong)context) + (4 * (ulong)(source / 32)), 4,
        _plic.Read(0x2000 + (0x80 * (ulong)context) + (4 * (ulong)(source / 32)), 4) | (1UL << (source % 32)));

    private void Prioritize(int source, uint priority) => _plic.Write(4 * (ulong)source, 4, priority);

    private ulong Claim(int context) => _plic.Read(0x200004 + (0x1000 * (ulong)context), 4);

    private void Complete(int context, ulong source) => _plic.Write(0x200004 + (0x1000 * (ulong)context), 4, source);

    [Fact]
    public void Source_PrioritizedAndEnabled_InterruptsItsContextsOnly()
    {
        _plic.Line(33).Set(true);
        Assert.False(_contexts[1].Raised);
        Prioritize(33, 1);
        Assert.False(_contexts[1].Raised);
        Enable(1, 33);
        Assert.True(_contexts[1].Raised);
        Assert.False(_contexts[0].Raised);
        Assert.Equal(2UL, _plic.Read(0x1004, 4));
        Assert.Equal(33UL, Claim(1));
        Assert.False(_contexts[1].Raised);
        Assert.Equal(0UL, _plic.Read(0x1004, 4));
        Assert.Equal(0UL, Claim(1));
    }

    [Fact]
    public void Claim_SeveralPending_GivesHighestPriorityThenLowestNumber()
    {
        foreach (var (source, priority) in ((int, uint)[])[(3, 2), (5, 7), (9, 7), (35, 1)])
        {
            Prioritize(source, priority);
            Enable(0, source);
            _plic.Line(source).Set(true);
        }

        Assert.Equal([5UL, 9UL, 3UL, 35UL, 0UL], Enumerable.Range(0, 5).Select(_ => Claim(0)));
    }

    [Fact]
    public void Complete_LevelStillUp_AsksAgain()
    {
        Prioritize(1, 1);
        Enable(0, 1);
        _plic.Line(1).Set(true);
        Assert.Equal(1UL, Claim(0));
        _plic.Line(1).Set(true);
        Assert.False(_contexts[0].Raised);
        Complete(0, 1);
        Assert.True(_contexts[0].Raised);
        Assert.Equal(1UL, Claim(0));
        _plic.Line(1).Set(false);
        Complete(0, 1);
        Assert.False(_contexts[0].Raised);
    }

    [Fact]
    public void Complete_SourceNotEnabledForContext_IsIgnored()
    {
        Prioritize(1, 1);
        Enable(0, 1);
        _plic.Line(1).Set(true);
        Assert.Equal(1UL, Claim(0));
        Complete(1, 1);
        Complete(0, 0);
        Complete(0, 4000);
        Assert.False(_contexts[0].Raised);
        Complete(0, 1);
        Assert.True(_contexts[0].Raised);
    }

    [Fact]
    public void Level_FallsBeforeTheClaim_LeavesTheRequest()
    {
        Prioritize(1, 1);
        Enable(0, 1);
        _plic.Line(1).Set(true);
        _plic.Line(1).Set(false);
        Assert.True(_contexts[0].Raised);
        Assert.Equal(1UL, Claim(0));
        Complete(0, 1);
        Assert.False(_contexts[0].Raised);
    }

    [Fact]
    public void Threshold_HoldsBackNotificationsNotClaims()
    {
        Prioritize(1, 3);
        Enable(0, 1);
        _plic.Write(0x200000, 4, 3);
        _plic.Line(1).Set(true);
        Assert.False(_contexts[0].Raised);
        _plic.Write(0x200000, 4, 2);
        Assert.True(_contexts[0].Raised);
        _plic.Write(0x200000, 4, 7);
        Assert.False(_contexts[0].Raised);
        Assert.Equal(1UL, Claim(0));
    }

    [Fact]
    public void Registers_SourceZeroAndBeyond_StayZero()
    {
        _plic.Write(0, 4, 7);
        _plic.Write(41 * 4, 4, 7);
        _plic.Write(0x2000, 4, 0xffffffff);
        _plic.Write(0x2004, 4, 0xffffffff);
        _plic.Write(0x1000, 4, 0xffffffff);
        Assert.Equal(0UL, _plic.Read(0, 4));
        Assert.Equal(0UL, _plic.Read(41 * 4, 4));
        Assert.Equal(0xfffffffeUL, _plic.Read(0x2000, 4));
        Assert.Equal(0x1ffUL, _plic.Read(0x2004, 4));
        Assert.Equal(0UL, _plic.Read(0x1000, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => _plic.Line(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => _plic.Line(41));
        Assert.Throws<HypervisorException>(() => new Plic(0, _contexts));
    }

    [Fact]
    public void Load_SavedState_RestoresLinesAndClaims()
    {
        Prioritize(1, 1);
        Prioritize(2, 2);
        Enable(0, 1);
        Enable(0, 2);
        _plic.Line(1).Set(true);
        _plic.Line(2).Set(true);
        Assert.Equal(2UL, Claim(0));
        var state = DeviceState.Of(_plic);
        var line = new FakeLine();
        var restored = new Plic(40, [line, new FakeLine()]);
        DeviceState.Load(restored, state);
        Assert.Equal(state, DeviceState.Of(restored));
        Assert.True(line.Raised);
        Assert.Equal(1UL, restored.Read(0x200004, 4));
        Assert.False(line.Raised);
        restored.Write(0x200004, 4, 2);
        Assert.True(line.Raised);
        Assert.Throws<HypervisorException>(() => DeviceState.Load(new Plic(41, _contexts), state));
    }
}
