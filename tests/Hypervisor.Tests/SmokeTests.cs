namespace Hypervisor.Tests;

public sealed class SmokeTests
{
    [Fact]
    public void Smoke_Build_Runs() => Assert.True(FsCheck.FSharp.Gen.Sample(1, 1, FsCheck.FSharp.ArbMap.Default.GeneratorFor<int>()).Length == 1);
}
