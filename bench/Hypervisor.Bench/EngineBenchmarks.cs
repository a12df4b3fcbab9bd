using BenchmarkDotNet.Attributes;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;

namespace Hypervisor.Bench;

/// <summary>What leaving and entering guest code costs, and what a guest costs to make.</summary>
public unsafe class EngineBenchmarks
{
    private const int Calls = 1000;
    private GuestMemory _memory = null!;
    private HartContext _hart = null!;
    private CodeCache _code = null!;
    private Interpreter _engine = null!;

    [GlobalSetup]
    public void SetUp()
    {
        _memory = new GuestMemory(new MemoryRegion(0x1000, 0x10000));
        _memory.TryWrite(0x1000, 0x0000_0073u); // ecall
        _memory.TryWrite(0x1004, 0xffdf_f06fu); // j 0x1000
        _memory.TryWrite(0x2000, 0x0010_8093u); // addi x1, x1, 1
        _memory.TryWrite(0x2004, 0xffdf_f06fu); // j 0x2000
        _hart = new HartContext(_memory, new FlatTranslator(_memory), new ExitControls { Exceptions = ExitControls.AllExceptions }, singleContext: true);
        _code = new CodeCache(_memory);
        _engine = new Interpreter();
    }

    /// <summary>ecall, out of the engine, back in at the next instruction, and a jump back.</summary>
    [Benchmark(OperationsPerInvoke = Calls)]
    public void ExitAndResume()
    {
        _hart.State->Pc = 0x1000;
        for (int i = 0; i < Calls; i++)
        {
            _engine.Run(_hart, _code, 1_000_000);
            _hart.State->Pc += 4;
        }
    }

    /// <summary>A slice of 100 instructions: entry, the exact end, leaving.</summary>
    [Benchmark]
    public long SliceOf100()
    {
        _hart.State->Pc = 0x2000;
        return _engine.Run(_hart, _code, 100).Retired;
    }

    /// <summary>A guest of 64 KiB made and released: memory, hart, code cache.</summary>
    [Benchmark]
    public ulong CreateGuest()
    {
        using var memory = new GuestMemory(new MemoryRegion(0, 0x10000));
        using var hart = new HartContext(memory, new FlatTranslator(memory), default, singleContext: true);
        using var code = new CodeCache(memory);
        return hart.State->Pc;
    }
}

/// <summary>One decision of a policy: a vCPU stops and the next is picked.</summary>
public class SchedulerBenchmarks
{
    private IScheduler _policy = null!;
    private int _running;
    private long _now;

    public static IEnumerable<string> Policies => Schedulers.Names;

    [ParamsSource(nameof(Policies))]
    public string Policy { get; set; } = "";

    [Params(16, 1000, 100_000)]
    public int Runnable { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        _policy = Schedulers.Create(Policy, 1);
        for (int i = 0; i < Runnable; i++)
        {
            _policy.Set(i, new SchedulingParameters(1 + i % 100, 0, CpuSet.All), 0);
            _policy.Ready(i, ReadyReason.Started, 0);
        }

        _running = _policy.Pick(0, 0).VCpu;
    }

    [Benchmark]
    public int Decide()
    {
        _now += 1000;
        _policy.Stopped(0, _running, 1000, StopReason.Expired, -1, _now);
        return _running = _policy.Pick(0, _now).VCpu;
    }
}
