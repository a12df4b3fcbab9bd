using System.Text.Json;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Host;

/// <summary>Test programs in the manner of the RISC-V world's own: HTIF for the result, a signature for what was computed.</summary>
public sealed class SignatureTests : IDisposable
{
    private const string Source = """
            .section .text.init, "ax"
            .globl _start
        _start:
            la t0, trap
            csrw mtvec, t0
            li t0, -1
            csrw pmpaddr0, t0
            li t0, 0x1f
            csrw pmpcfg0, t0
            li t0, (1 << 8)
            csrw medeleg, t0
            la t0, user
            csrw mepc, t0
            li t0, 3 << 11
            csrc mstatus, t0
            mret
        user:
            la a0, begin_signature
            li a1, 0x0123456789abcdef
            sd a1, 0(a0)
            li a1, 0x55
            sb a1, 8(a0)
            csrr a1, mcycle            # illegal in user mode: ends up in trap
            .balign 4
        trap:
            csrr t0, mcause
            la a0, begin_signature
            sw t0, 12(a0)
            la t1, tohost
            li t0, RESULT
            sw t0, 0(t1)
        1:  j 1b

            .section .tohost, "aw"
            .balign 64
            .globl tohost
        tohost: .dword 0
            .balign 64
            .globl fromhost
        fromhost: .dword 0
            .data
            .balign 16
            .globl begin_signature
        begin_signature:
            .fill 18, 1, 0xaa
            .globl end_signature
        end_signature:
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Modes => ["bare", "full", "assisted"];

    [PeerTheory("riscv64-linux-gnu-gcc")]
    [MemberData(nameof(Modes))]
    public void Signature_OfAProgram_IsInTheUsualForm(string mode)
    {
        string elf = Build(result: 1);
        using (var hv = new HvProcess("run", "--mode", mode, "--kernel", elf, "--signature", _folder["four"], "--timeout", "20"))
            Assert.Equal(0, hv.WaitForExit());
        Assert.Equal("89abcdef\n01234567\naaaaaa55\n00000002\n0000aaaa\n", File.ReadAllText(_folder["four"]));
        using (var hv = new HvProcess("run", "--mode", mode, "--kernel", elf, "--signature", _folder["eight"], "--signature-granularity", "8", "--timeout", "20"))
            Assert.Equal(0, hv.WaitForExit());
        Assert.Equal("0123456789abcdef\n00000002aaaaaa55\n000000000000aaaa\n", File.ReadAllText(_folder["eight"]));
    }

    [PeerTheory("riscv64-linux-gnu-gcc")]
    [MemberData(nameof(Modes))]
    public void Result_OfAProgram_IsTheExitCode(string mode)
    {
        using var failed = new HvProcess("run", "--mode", mode, "--kernel", Build(result: 7 << 1 | 1), "--timeout", "20");
        Assert.Equal(7, failed.WaitForExit());
        using var whole = new HvProcess("run", "--mode", mode, "--kernel", Build(result: 256 << 1 | 1), "--timeout", "20");
        Assert.Equal(1, whole.WaitForExit());
    }

    [PeerTheory("riscv64-linux-gnu-gcc")]
    [InlineData("bare")]
    public void Signature_WithoutSymbols_IsRefusedBeforeTheRun(string mode)
    {
        string stripped = _folder["stripped.elf"];
        Peer.Run("riscv64-linux-gnu-objcopy", "--strip-all", Build(result: 1), stripped);
        using var hv = new HvProcess("run", "--mode", mode, "--kernel", stripped, "--signature", _folder["none"], "--timeout", "20");
        Assert.Equal(2, hv.WaitForExit());
        Assert.Contains("begin_signature", hv.Errors);
    }

    [PeerTheory("riscv64-linux-gnu-gcc")]
    [MemberData(nameof(Modes))]
    public void Statistics_OfAMachine_AddUp(string mode)
    {
        string elf = Build(result: 1);
        using var hv = new HvProcess("run", "--mode", mode, "--kernel", elf, "--stats", "--stats-json", _folder["stats.json"], "--timeout", "20");
        Assert.Equal(0, hv.WaitForExit());
        Assert.Contains("of sampled accesses hit the TLB", hv.Errors);
        using JsonDocument stats = JsonDocument.Parse(File.ReadAllText(_folder["stats.json"]));
        Assert.InRange(stats.RootElement.GetProperty("tlbHitRate").GetDouble(), 0.0, 1.0);
        JsonElement[] kinds = [.. stats.RootElement.GetProperty("exitKinds").EnumerateArray()];
        foreach (IGrouping<string?, JsonElement> reason in kinds.GroupBy(each => each.GetProperty("reason").GetString()))
            Assert.Equal(stats.RootElement.GetProperty("exits").GetProperty(reason.Key!).GetInt64(), reason.Sum(each => each.GetProperty("count").GetInt64()));
        JsonElement counters = stats.RootElement.GetProperty("counters");
        Assert.True(counters.GetProperty("TLB entries made").GetInt64() > 0);
        if (mode != "full")
            return;
        Assert.Equal(1, kinds.Single(each => each.GetProperty("kind").GetString() == "mtvec").GetProperty("count").GetInt64());
        Assert.Equal(1, kinds.Single(each => each.GetProperty("kind").GetString() == "mret").GetProperty("count").GetInt64());
        Assert.Equal(1, counters.GetProperty("exceptions given to the guest: IllegalInstruction").GetInt64());
        Assert.True(counters.GetProperty("shadow entries filled").GetInt64() >= 3);
    }

    private string Build(int result)
    {
        string source = _folder.Write("test.S", System.Text.Encoding.ASCII.GetBytes(Source));
        string link = _folder.Write("test.ld", "ENTRY(_start) SECTIONS { . = 0x80000000; .text.init : { *(.text.init) } . = ALIGN(0x1000); .tohost : { *(.tohost) } . = ALIGN(0x1000); .data : { *(.data) } }"u8);
        string elf = _folder[$"test{result}.elf"];
        Peer.Run("riscv64-linux-gnu-gcc", "-march=rv64gc_zicsr", "-mabi=lp64d", "-static", "-fno-pic", "-no-pie", "-mcmodel=medany", "-fvisibility=hidden", "-nostdlib", "-nostartfiles",
            "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments", $"-DRESULT={result}", "-T", link, "-o", elf, source);
        return elf;
    }
}
