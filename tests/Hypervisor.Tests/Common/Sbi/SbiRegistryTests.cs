using Hypervisor.Core;
using Hypervisor.Guests.Common.Sbi;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Common.Sbi;

public sealed class SbiRegistryTests
{
    [Theory]
    [InlineData(10, 20, 20, 30)]
    [InlineData(10, 20, 0, 10)]
    [InlineData(10, 20, 12, 13)]
    [InlineData(10, 20, 5, 40)]
    [InlineData(7, 7, 7, 7)]
    public void Register_OverlappingRanges_ThrowsNamingBoth(ulong first, ulong last, ulong otherFirst, ulong otherLast)
    {
        var registry = new SbiRegistry();
        registry.Register(new Range("one", first, last));
        var error = Assert.Throws<HypervisorException>(() => registry.Register(new Range("two", otherFirst, otherLast)));
        Assert.Contains("one", error.Message);
        Assert.Contains("two", error.Message);
    }

    [Fact]
    public void Register_EmptyRange_Throws()
        => Assert.Throws<HypervisorException>(() => new SbiRegistry().Register(new Range("empty", 5, 4)));

    [Fact]
    public void Call_ManyRanges_FindsExactlyTheOwner()
    {
        var registry = new SbiRegistry();
        foreach (ulong first in new ulong[] { 40, 0, 100, 20, ulong.MaxValue - 9 })
            registry.Register(new Range($"r{first}", first, first + 9));
        for (ulong id = 0; id < 200; id++)
        {
            ulong first = id / 10 * 10;
            bool owned = first is 0 or 20 or 40 or 100;
            Assert.Equal(owned, registry.IsAvailable(id));
            SbiResult result = registry.Call(new SbiCall(0, id, 0));
            Assert.Equal(owned ? SbiError.Success : SbiError.NotSupported, result.Error);
            Assert.Equal(owned ? first : 0, result.Value);
        }

        Assert.True(registry.IsAvailable(ulong.MaxValue));
        Assert.False(registry.IsAvailable(ulong.MaxValue - 10));
    }

    [Fact]
    public void Call_Always_AllocatesNothing()
    {
        using var platform = new FakePlatform();
        SbiRegistry registry = StandardExtensions.Create(platform, new FakeConsole(), new StealTimeExtension(platform));
        var call = new SbiCall(0, SbiExtensionId.Base, 0);
        registry.Call(in call);
        Assert.Equal(0, Allocations.Of(() =>
        {
            for (int i = 0; i < 1000; i++)
                registry.Call(in call);
        }));
    }

    private sealed class Range(string name, ulong first, ulong last) : ISbiExtension
    {
        public string Name => name;

        public ulong FirstId => first;

        public ulong LastId => last;

        public SbiResult Call(in SbiCall call) => SbiResult.Ok(first);
    }
}
