using Hypervisor.Guests.BuiltIn;

namespace Hypervisor.Tests.BuiltIn;

/// <summary>The built-in guests on our own engine, which must agree with QEMU and with arithmetic.</summary>
public sealed class BuiltInOnOwnEngineTests
{
    // From qemu-riscv64-static; the others follow from their description.
    private const ulong ComputeOf150 = 0xc324e0e7671d4919;
    private const ulong MemoryOf150 = 0x237d2ede84fdedb2;

    private readonly BuiltInGuests _guests = new();

    [Theory]
    [InlineData("compute")]
    [InlineData("memory")]
    [InlineData("syscall")]
    [InlineData("pagefault")]
    [InlineData("switch")]
    [InlineData("process")]
    [InlineData("timer")]
    [InlineData("block")]
    [InlineData("console")]
    public void ParaKernel_Workload_EndsWithItsChecksumAndMarks(string name)
    {
        var workload = _guests.Find(name);
        var run = OwnBoard.RunPara(_guests.ParaKernel(), _guests.WorkloadElf(name).ToArray(), 150);
        Assert.True(run.ExitCode == 0, $"{name} ended with {run.ExitCode}: {run.Output}");
        Assert.True(workload.TryFindResult(run.Output, out var checksum), $"{name} printed no result: {run.Output}");
        Assert.Equal(Expected(name), checksum);
        var operations = name == "pagefault" ? 192UL : 150UL;
        Assert.Equal([(false, operations), (true, operations)], run.Marks);
    }

    [Fact]
    public void ParaKernel_WithARingConsole_PrintsTheSame()
    {
        var program = _guests.WorkloadElf("console").ToArray();
        var bySbi = OwnBoard.RunPara(_guests.ParaKernel(), program, 150);
        var byRing = OwnBoard.RunPara(_guests.ParaKernel(), program, 150, ringConsole: true);
        Assert.Equal((0, bySbi.Output), (byRing.ExitCode, byRing.Output));
    }

    [Fact]
    public void ParaKernel_MisusedSystemCallsAndForkWithoutEnd_AnswersAsOnQemu()
    {
        var run = OwnBoard.RunPara(_guests.ParaKernel(), WorkloadPrograms.OnUserLibrary("errors.s"), 2);
        Assert.Equal(0, run.ExitCode);
        Assert.EndsWith("errors 000000000000001b\n", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void ParaKernel_FirstProcessTouchesMoreThanThereIs_FailsTheMachineWithItsSignal()
    {
        var run = OwnBoard.RunPara(_guests.ParaKernel(), WorkloadPrograms.OnUserLibrary("exhaust.s"), 1);
        Assert.Equal(128 + 11, run.ExitCode);
    }

    private static ulong Expected(string name) => name switch
    {
        "compute" => ComputeOf150,
        "memory" => MemoryOf150,
        _ => WorkloadPrograms.ExpectedChecksum(name, 150)!.Value,
    };
}
