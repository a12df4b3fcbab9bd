using System.Diagnostics;
using System.Reflection.PortableExecutable;
using System.Runtime.Intrinsics.X86;
using System.Text.Json;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Host;

/// <summary><c>hv run</c> as its users meet it: a process with streams and an exit code.</summary>
public sealed class RunProcessTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Run_ProgramWithExitCode_PassesItThrough()
    {
        string program = Assemble("exit", "_start:\n li a0, 77\n li a7, 93\n ecall\n");
        Assert.Equal(77, Hv("", "run", program).Code);
    }

    [Fact]
    public void Run_Workload_PrintsItsResultAndWritesStatistics()
    {
        string program = _folder.Write("syscall", new BuiltInGuests().WorkloadElf("syscall").Span);
        var run = Hv("", "run", "--stats", "--stats-json", _folder["stats.json"], program, "5000");
        Assert.Equal(0, run.Code);
        Assert.True(new BuiltInGuests().Find("syscall").TryFindResult(run.Output, out _), run.Output);
        Assert.Contains("MIPS", run.Errors);
        using JsonDocument stats = JsonDocument.Parse(File.ReadAllText(_folder["stats.json"]));
        foreach (string name in new[] { "retired", "wallSeconds", "cpuSeconds", "mips", "memoryResidentBytes" })
            Assert.True(stats.RootElement.GetProperty(name).GetDouble() > 0, name);
        Assert.Equal("container", stats.RootElement.GetProperty("mode").GetString());
        Assert.True(stats.RootElement.GetProperty("exits").GetProperty("environmentCall").GetInt64() >= 5000);
        Assert.True(stats.RootElement.GetProperty("exitNanoseconds").GetProperty("environmentCall").GetDouble() > 0);
    }

    [Fact]
    public void Run_StandardInput_ReachesTheProgram()
    {
        string program = Assemble("cat", """
            _start:
             addi sp, sp, -64
            1: li a0, 0
             mv a1, sp
             li a2, 64
             li a7, 63
             ecall
             blez a0, 2f
             mv a2, a0
             li a0, 1
             mv a1, sp
             li a7, 64
             ecall
             j 1b
            2: li a0, 0
             li a7, 93
             ecall
            """);
        var run = Hv("some input\n", "run", program);
        Assert.Equal((0, "some input\n"), (run.Code, run.Output));
    }

    [LinuxFact]
    public void Run_FirstLookWithoutWaiting_FindsInputThatIsThere()
    {
        string program = Assemble("poll", """
            _start:
             addi sp, sp, -32
             li t0, 0x100000000
             sd t0, 0(sp)
             sd zero, 8(sp)
             sd zero, 16(sp)
             mv a0, sp
             li a1, 1
             addi a2, sp, 8
             li a3, 0
             li a7, 73
             ecall
             li a7, 93
             ecall
            """);
        Assert.Equal((1, ""), Shell($"exec $HV run {program} < {_folder.Write("input", "x"u8)}"));
        Assert.Equal((0, ""), Shell($"sleep 2 | $HV run {program}"));
    }

    [LinuxFact]
    public void Run_ProgramThatReadsNothing_LeavesStandardInputToTheNext()
    {
        string program = Assemble("exit", "_start:\n li a0, 7\n li a7, 93\n ecall\n");
        Assert.Equal((7, "some input\n"), Shell($"($HV run {program}; code=$?; cat; exit $code) < {_folder.Write("input", "some input\n"u8)}"));
    }

    [LinuxTheory]
    [InlineData("")]
    [InlineData("--memory 64M --env A=B --volume /usr:/usr:ro --timeout 100 --weight 50 --cpus 0.5")]
    public void Run_SmallProgram_LeavesNothingOfOursToTheJit(string options)
    {
        // That each method of ours has native code, down to the library's generics over our types, is most of a quick start. There is none
        // where the compiler's package was not to be had, and the interpreter's handlers have it on x64 only.
        using var image = new PEReader(File.OpenRead(Path.Combine(AppContext.BaseDirectory, "hv.dll")));
        if (image.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size == 0 || !Avx2.IsSupported)
            return;
        string program = Assemble("hello", """
            _start:
             li a0, 1
             la a1, text
             li a2, 6
             li a7, 64
             ecall
             li a0, 0
             li a7, 93
             ecall
            text: .ascii "Hello\n"
            """);
        Assert.Equal((0, "Hello\n"), Shell($"DOTNET_JitStdOutFile={_folder["jit"]} DOTNET_JitDisasmSummary=1 $HV run {options} {program}"));
        Assert.DoesNotContain(File.ReadLines(_folder["jit"]), line => line.Contains("Hypervisor.", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Schedulers))]
    public void Run_EveryScheduler_RunsTheGuest(string name)
    {
        string program = Assemble("exit", "_start:\n li a0, 77\n li a7, 93\n ecall\n");
        Assert.Equal(77, Hv("", "run", "--scheduler", name, program).Code);
    }

    public static TheoryData<string> Schedulers => [.. Core.Scheduling.Schedulers.Names];

    [Fact]
    public void Run_EndlessProgram_IsEndedByTheTimeout()
    {
        string program = Assemble("spin", "_start:\n j _start\n");
        var run = Hv("", "run", "--timeout", "0.5", program);
        Assert.Equal(124, run.Code);
        Assert.Contains("--timeout", run.Errors);
    }

    [Theory]
    [InlineData("bare")]
    [InlineData("full")]
    [InlineData("assisted")]
    public void Run_MachineThatReportsACode_EndsWithIt(string mode)
    {
        // The test finisher takes 0x3333 and a code.
        byte[] kernel = Core.Isa.Assembler.Assemble("_start:\n li t0, 0x100000\n li t1, 0x2a3333\n sw t1, 0(t0)\n1: j 1b\n",
            new Core.Isa.AssemblerOptions { Name = "kernel", TextBase = 0x8000_0000 }).ToElf();
        var run = Hv("", "run", "--mode", mode, "--memory", "16M", "--scheduler", "round-robin", "--vcpus", "2", "--kernel", _folder.Write("kernel.elf", kernel), "--timeout", "20");
        Assert.Equal(42, run.Code);
    }

    [Fact]
    public void Run_ParaMachine_PrintsBySbiAndPowersOff()
    {
        byte[] kernel = Core.Isa.Assembler.Assemble("""
            _start:
             li a0, 0x21
             li a6, 2
             li a7, 0x4442434E
             ecall
             li a0, 0
             li a1, 0
             li a6, 0
             li a7, 0x53525354
             ecall
            1: j 1b
            """, new Core.Isa.AssemblerOptions { Name = "kernel", TextBase = 0x8020_0000 }).ToElf();
        var run = Hv("", "run", "--mode", "para", "--memory", "16M", "--kernel", _folder.Write("kernel.elf", kernel), "--timeout", "20");
        Assert.Equal((0, "!"), (run.Code, run.Output));
    }

    [Fact]
    public void Version_Asked_IsOneLine() => Assert.Matches("^[0-9.]+\n$", Hv("", "--version").Output.ReplaceLineEndings("\n"));

    private string Assemble(string name, string source) => _folder.Write(name, BuiltInGuests.AssembleProgram(source, name).ToElf());

    private static (int Code, string Output) Shell(string command)
    {
        using Process process = Process.Start(new ProcessStartInfo("sh", ["-c", command])
        {
            Environment = { ["HV"] = $"dotnet {Path.Combine(AppContext.BaseDirectory, "hv.dll")}" },
            RedirectStandardOutput = true,
        })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    private static (int Code, string Output, string Errors) Hv(string input, params string[] arguments)
    {
        string hv = Path.Combine(AppContext.BaseDirectory, "hv.dll");
        var start = new ProcessStartInfo("dotnet", [hv, .. arguments])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(1)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"hv {string.Join(' ', arguments)} did not end within a minute: {output.Result}{errors.Result}");
        }

        return (process.ExitCode, output.Result, errors.Result);
    }
}
