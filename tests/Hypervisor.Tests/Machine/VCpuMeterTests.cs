using Hypervisor.Core.Engine;
using Hypervisor.Core.Machine;

namespace Hypervisor.Tests.Machine;

public sealed class VCpuMeterTests
{
    [Fact]
    public void VCpuMeter_EveryReason_HasItsCount()
    {
        var meter = new VCpuMeter();
        foreach (VmExitReason reason in Enum.GetValues<VmExitReason>())
            meter.Count(reason);
        Assert.All(Enum.GetValues<VmExitReason>(), reason => Assert.Equal(1, meter.Exits(reason)));
    }
}
