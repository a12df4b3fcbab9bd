using FsCheck.Fluent;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Tests.Support;

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

    [Fact]
    public void ParaKernel_RandomSystemCalls_NeverBringsTheKernelDown()
    {
        var program = WorkloadPrograms.OnUserLibrary("fuzz.s");
        Property.ForAll(Gen.Choose(1, int.MaxValue), seed => EndsContained(OwnBoard.RunPara(_guests.ParaKernel(), program, seed)), cases: 200);
    }

    // The process may be killed or end well; code 255 would be the kernel's own end, and anything else the machine's.
    private static bool EndsContained((int ExitCode, string Output, List<(bool Ends, ulong Operations)> Marks) run)
        => run.ExitCode is 0 or 128 + 11 ? true : throw new InvalidOperationException($"ended with {run.ExitCode}: {run.Output[^Math.Min(400, run.Output.Length)..]}");

    private static ulong Expected(string name) => name switch
    {
        "compute" => ComputeOf150,
        "memory" => MemoryOf150,
        _ => WorkloadPrograms.ExpectedChecksum(name, 150)!.Value,
    };
}
