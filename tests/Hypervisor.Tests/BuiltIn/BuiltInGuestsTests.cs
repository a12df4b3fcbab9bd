using System.Globalization;
using System.Text;
using Hypervisor.Core;
using Hypervisor.Core.Isa;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.BuiltIn;

public sealed class BuiltInGuestsTests
{
    private readonly BuiltInGuests _guests = new();

    [PeerFact("riscv64-linux-gnu-as", "riscv64-linux-gnu-ld", "riscv64-linux-gnu-objcopy")]
    public void Sources_AssembledByGnuAs_GiveTheSameBytes()
    {
        AssertSameAsGnu(BuiltInGuests.PrivilegedSource(), _guests.PrivilegedKernel());
        AssertSameAsGnu(BuiltInGuests.ParaSource(), _guests.ParaKernel());
        foreach (var workload in BuiltInGuests.Workloads)
        {
            AssertSameAsGnu(BuiltInGuests.WorkloadSource(workload.Name), BuiltInGuests.AssembleWorkload(workload.Name));
        }
    }

    [PeerFact("qemu-riscv64-static")]
    public void Workloads_UnderLinuxUserEmulation_PrintTheChecksumThatFollowsFromTheirDescription()
    {
        foreach (var workload in BuiltInGuests.Workloads)
        {
            Assert.Equal(LinuxChecksum(workload, 70), WorkloadPrograms.ExpectedChecksum(workload.Name, 70) ?? LinuxChecksum(workload, 70));
        }
    }

    [PeerFact("qemu-riscv64-static", "qemu-system-riscv64")]
    public void PrivilegedKernel_EveryWorkloadOnQemu_PowersOffWithLinuxsChecksum()
    {
        using var board = new QemuBoard();
        foreach (var workload in BuiltInGuests.Workloads)
        {
            var run = board.RunPrivileged(_guests.PrivilegedKernel(), _guests.WorkloadElf(workload.Name).ToArray(), 150);
            AssertEnded(workload, run, LinuxChecksum(workload, 150));
        }
    }

    [PeerFact("qemu-system-riscv64")]
    public void PrivilegedKernel_WithoutSstc_UsesTheClint()
    {
        using var board = new QemuBoard();
        foreach (var name in (string[])["timer", "switch", "block"])
        {
            var run = board.RunPrivileged(_guests.PrivilegedKernel(), _guests.WorkloadElf(name).ToArray(), 100, "-cpu", "rv64,sstc=false");
            AssertEnded(_guests.Find(name), run, WorkloadPrograms.ExpectedChecksum(name, 100)!.Value);
        }
    }

    [PeerFact("qemu-riscv64-static", "qemu-system-riscv64", "riscv64-linux-gnu-gcc")]
    public void ParaKernel_EveryWorkloadAboveAStrictHost_PowersOffWithLinuxsChecksum()
    {
        using var board = new QemuBoard();
        foreach (var workload in BuiltInGuests.Workloads)
        {
            var run = board.RunPara(_guests.ParaKernel(), _guests.WorkloadElf(workload.Name).ToArray(), 150);
            AssertEnded(workload, run, LinuxChecksum(workload, 150));
            Assert.DoesNotContain("broken rule", run.Output, StringComparison.Ordinal);
        }
    }

    [PeerFact("qemu-system-riscv64", "riscv64-linux-gnu-gcc")]
    public void ParaKernel_WithARingConsole_PrintsEveryLineThere()
    {
        using var board = new QemuBoard();
        var run = board.RunParaWithRingConsole(_guests.ParaKernel(), _guests.WorkloadElf("console").ToArray(), 100);
        AssertEnded(_guests.Find("console"), run, 6400);
        Assert.Equal(100, run.Output.Split('\n').Count(line => line.StartsWith("the quick brown fox", StringComparison.Ordinal)));
    }

    [PeerFact("qemu-system-riscv64", "riscv64-linux-gnu-gcc")]
    public void ParaKernel_PageFaultsAndProcesses_CostOneCallAFaultAndOneAUnmapping()
    {
        using var board = new QemuBoard();
        var calls = Calls(board.RunPara(_guests.ParaKernel(), _guests.WorkloadElf("pagefault").ToArray(), 6400).Output);
        Assert.Equal(6400 + 100, calls["update"]);
        Assert.InRange(calls["multicall"], 100, 110);
        calls = Calls(board.RunPara(_guests.ParaKernel(), _guests.WorkloadElf("process").ToArray(), 100).Output);
        Assert.InRange(calls["multicall"], 200, 210);
        Assert.InRange(calls["root"], 300, 310);
    }

    [PeerFact("qemu-riscv64-static", "qemu-system-riscv64", "riscv64-linux-gnu-gcc")]
    public void Kernels_MisusedSystemCalls_AnswerAsLinuxDoes()
    {
        var program = WorkloadPrograms.OnUserLibrary("errors.s");
        using var folder = new TemporaryFolder();
        var onLinux = RunOnLinux(folder, program, "1");
        using var board = new QemuBoard();
        var privileged = board.RunPrivileged(_guests.PrivilegedKernel(), program, 1);
        var para = board.RunPara(_guests.ParaKernel(), program, 1);
        Assert.Equal((0, 0), (privileged.ExitCode, para.ExitCode));
        Assert.EndsWith(onLinux, privileged.Output, StringComparison.Ordinal);
        Assert.Contains(onLinux, para.Output, StringComparison.Ordinal);
    }

    [PeerFact("qemu-system-riscv64", "riscv64-linux-gnu-gcc")]
    public void Kernels_ForkWithoutEnd_RefuseAtTheLimitAndRecover()
    {
        var program = WorkloadPrograms.OnUserLibrary("errors.s");
        using var board = new QemuBoard();
        Assert.Equal(0, board.RunPrivileged(_guests.PrivilegedKernel(), program, 2).ExitCode);
        Assert.Equal(0, board.RunPara(_guests.ParaKernel(), program, 2).ExitCode);
    }

    [PeerFact("qemu-system-riscv64", "riscv64-linux-gnu-gcc")]
    public void Kernels_FirstProcessTouchesMoreThanThereIs_FailTheMachineWithItsSignal()
    {
        var program = WorkloadPrograms.OnUserLibrary("exhaust.s");
        using var board = new QemuBoard();
        foreach (var run in ((int ExitCode, string Output)[])
            [board.RunPrivileged(_guests.PrivilegedKernel(), program, 1), board.RunPara(_guests.ParaKernel(), program, 1)])
        {
            Assert.Equal(128 + 11, run.ExitCode);
            Assert.Contains("killed process 0000000000000001 cause 000000000000000f", run.Output, StringComparison.Ordinal);
        }
    }

    [PeerFact("qemu-system-riscv64")]
    public void PrivilegedKernel_BadProgramOrNoParameters_PanicsAndFailsTheMachine()
    {
        using var board = new QemuBoard();
        foreach (var (run, text) in new[]
        {
            (board.RunWithoutParameters(_guests.PrivilegedKernel()), "panic: no parameter block"),
            (board.RunPrivileged(_guests.PrivilegedKernel(), new byte[4096], 1), "panic: the program is not a static RISC-V ELF"),
            (board.RunPrivileged(_guests.PrivilegedKernel(), Broken(0x20, 0xff), 1), "panic: the program is not a static RISC-V ELF"),
            (board.RunPrivileged(_guests.PrivilegedKernel(), Broken(0x12, 62), 1), "panic: the program is not a static RISC-V ELF"),
        })
        {
            Assert.Equal(255, run.ExitCode);
            Assert.Contains(text, run.Output, StringComparison.Ordinal);
        }

        byte[] Broken(int offset, byte value)
        {
            var program = _guests.WorkloadElf("syscall").ToArray();
            program[offset] = value;
            program[offset + 4] = value;
            return program;
        }
    }

    [Fact]
    public void WorkloadElf_UnknownName_NamesThoseThereAre()
    {
        var error = Assert.Throws<HypervisorException>(() => _guests.WorkloadElf("sing"));
        Assert.Contains("'sing'", error.Message, StringComparison.Ordinal);
        Assert.Contains("compute, memory", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BootParameters_OutOfRange_ThrowBeforeAnyGuestStarts()
    {
        var good = new BootParameters { Iterations = 1, RamBytes = 64 << 20, ProgramBytes = 100 };
        Assert.Equal(BootParameters.Size, good.ToBytes().Length);
        foreach (var bad in new[]
        {
            good with { Iterations = -1 }, good with { RamBytes = 1 << 20 }, good with { RamBytes = 2UL << 30 },
            good with { TimebaseHertz = 0 }, good with { TickCounts = 0 }, good with { ProgramBytes = 0 },
            good with { ProgramBytes = 8 << 20 }, good with { ProgramAddress = 0x8000_0000 },
        })
        {
            Assert.Throws<HypervisorException>(bad.ToBytes);
        }
    }

    [Theory]
    [InlineData("noise\nswitch 00000000000000ff\n", true)]
    [InlineData("switch 00000000000000ff", true)]
    [InlineData("switch 0000000000000ff\n", false)]
    [InlineData("switched 00000000000000ff\n", false)]
    [InlineData("switch 00000000000000fg\n", false)]
    [InlineData("", false)]
    public void TryFindResult_ConsoleText_FindsOnlyAWholeLine(string console, bool found)
    {
        Assert.Equal(found, _guests.Find("switch").TryFindResult(console, out var checksum));
        Assert.Equal(found ? 255UL : 0, checksum);
    }

    private static void AssertEnded(Workload workload, (int ExitCode, string Output) run, ulong checksum)
    {
        Assert.True(run.ExitCode == 0, $"{workload.Name} ended with {run.ExitCode}: {run.Output}");
        Assert.True(workload.TryFindResult(run.Output, out var found), $"{workload.Name} printed no result: {run.Output}");
        Assert.Equal((workload.Name, checksum), (workload.Name, found));
    }

    private ulong LinuxChecksum(Workload workload, int iterations)
    {
        using var folder = new TemporaryFolder();
        var output = RunOnLinux(folder, _guests.WorkloadElf(workload.Name).ToArray(), iterations.ToString(CultureInfo.InvariantCulture));
        Assert.True(workload.TryFindResult(output, out var checksum), $"{workload.Name} printed no result: {output}");
        return checksum;
    }

    private static string RunOnLinux(TemporaryFolder folder, byte[] program, string argument)
    {
        var path = folder.Write("program.elf", program);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        // In the folder: the block workload creates its file where it stands.
        return Peer.Run("env", "-C", folder.Root, "qemu-riscv64-static", path, argument);
    }

    private static Dictionary<string, int> Calls(string output)
    {
        var line = output.Split('\n').Single(text => text.StartsWith('[') && text.Contains("sbi=", StringComparison.Ordinal));
        return line.Trim('[', ']').Split(' ').Select(part => part.Split('=')).ToDictionary(
            part => part[0], part => int.Parse(part[1], CultureInfo.InvariantCulture));
    }

    private static void AssertSameAsGnu(string source, AssembledProgram ours)
    {
        using var folder = new TemporaryFolder();
        var input = folder.Write("source.s", Encoding.UTF8.GetBytes(source));
        Peer.Run("riscv64-linux-gnu-as", "-march=rv64ima_zicsr_zifencei", "-mno-arch-attr", input, "-o", folder["object.o"]);
        var places = ours.Sections.Where(section => section.Size > 0).Select(section => $"--section-start={section.Name}=0x{section.Address:x}");
        Peer.Run("riscv64-linux-gnu-ld", [.. places, "--no-relax", "--no-warn-rwx-segments", folder["object.o"], "-o", folder["linked.elf"]]);
        foreach (var section in ours.Sections.Where(section => !section.IsZeroed && section.Size > 0))
        {
            Peer.Run("riscv64-linux-gnu-objcopy", "-O", "binary", "-j", section.Name, folder["linked.elf"], folder["section.bin"]);
            Assert.Equal(Convert.ToHexString(File.ReadAllBytes(folder["section.bin"])), Convert.ToHexString(section.Bytes.Span));
        }
    }
}
