using FsCheck.Fluent;

namespace Hypervisor.Tests.Support;

public sealed class PropertyTests
{
    [Fact]
    public void ForAll_FalseProperty_ThrowsWithSeed()
    {
        var error = Assert.ThrowsAny<Exception>(() => Property.ForAll(Gen.Choose(0, 1000), value => value < 500));
        Assert.Contains("seed", error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void ForAll_TrueProperty_Passes() => Property.ForAll(Gen.Choose(0, 1000), value => value <= 1000);
}
