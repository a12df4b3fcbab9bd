using System.Diagnostics;
using System.Text.RegularExpressions;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Debug;

/// <summary>The real gdb-multiarch on a guest built by the real compiler, with hv between them as a process.</summary>
public sealed partial class GdbClientTests : IDisposable
{
    private const string Source = """
        volatile unsigned long counter, ready, table[4];
        static void put(char c) { *(volatile char *)0x10000000 = c; }
        __attribute__((noinline)) unsigned long add(unsigned long a, unsigned long b) { return a + b; }
        __attribute__((noinline)) void work(void)
        {
            for (int i = 0; i < 4; i++) {
                table[i] = add(i, 10);
                counter++;
            }
        }
        __attribute__((noinline)) void forever(void)
        {
            for (;;) asm volatile("addi s5, s5, 1");
        }
        void begin(unsigned long hart)
        {
            if (hart) {
                ready = 1;
                for (;;) asm volatile("wfi");
            }
            while (!ready && HARTS > 1) { }
            work();
            if (table[3] == 99) forever();
            put('d'); put('\n');
            *(volatile unsigned *)0x100000 = 0x5555;
            for (;;) { }
        }
        asm(".pushsection .text.first,\"ax\"\n.globl _start\n_start: lla sp, stacks\naddi t0, a0, 1\nslli t0, t0, 12\nadd sp, sp, t0\nj begin\n.popsection\n"
            ".pushsection .bss\n.balign 16\nstacks: .space 65536\n.popsection\n");
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Modes => ["bare", "full", "assisted"];

    [PeerTheory("gdb-multiarch", "riscv64-linux-gnu-gcc")]
    [MemberData(nameof(Modes))]
    public void Client_BreakStepWatchPrint_SeesTheProgramAsItIs(string mode)
    {
        string said = Debug(mode, harts: 1, """
            break add
            continue
            bt
            print b
            delete
            watch counter
            continue
            print counter
            delete
            tbreak work if 0
            hbreak add
            continue
            print a
            delete
            finish
            stepi
            next
            x/2i $pc
            p/x $mhartid
            info registers priv
            p/x $misa
            set var $ft0.double = 1.5
            p $ft0
            set var table[0] = 77
            p table[0]
            x/1gx 0
            continue
            """, out string printed, out int exit);
        Assert.Matches(@"Breakpoint 1, add \(a=(a@entry=)?0, b=(b@entry=)?10\)", said);
        Assert.Matches(@"#1 .* in work", said);
        Assert.Matches(@"#2 .* in begin", said);
        Assert.Contains("$1 = 10", said);
        Assert.Matches(@"Old value = 0\s+New value = 1", said);
        Assert.Contains("$2 = 1", said);
        Assert.Contains("$3 = 1", said);
        Assert.Contains("Value returned is $4 = 11", said);
        Assert.Contains("$5 = 0x0", said);
        Assert.Contains("prv:3 [Machine]", said);
        Assert.Contains("$6 = 0x800000000014112d", said);
        Assert.Contains("double = 1.5", said);
        Assert.Contains("$8 = 77", said);
        Assert.Contains("Cannot access memory at address 0x0", said);
        Assert.Contains("exited normally", said);
        Assert.Equal("d\n", printed);
        Assert.Equal(0, exit);
    }

    [PeerTheory("gdb-multiarch", "riscv64-linux-gnu-gcc")]
    [MemberData(nameof(Modes))]
    public void Client_TwoHarts_AreThreads(string mode)
    {
        string said = Debug(mode, harts: 2, """
            info threads
            break work
            continue
            info threads
            thread 2
            p $mhartid
            x/i $pc
            monitor info
            monitor nonsense
            detach
            """, out string printed, out int exit);
        Assert.Equal(2, Regex.Count(said, @"Thread 2 \(machine mode\)"));
        Assert.Contains("$1 = 1", said);
        Assert.Matches(@"hart 1: machine mode, pc 0x8000[0-9a-f]+, [\d,]+ instructions", said);
        Assert.Contains("There is no monitor command 'nonsense'", said);
        Assert.Contains("detached", said);
        Assert.Equal("d\n", printed);
        Assert.Equal(0, exit);
    }

    [PeerTheory("gdb-multiarch", "riscv64-linux-gnu-gcc")]
    [MemberData(nameof(Modes))]
    public void Client_ControlCAndKill_StopAndEndTheMachine(string mode)
    {
        string said = Debug(mode, harts: 1, """
            break work
            continue
            finish
            set var table[3] = 99
            python import threading, os, signal
            python threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            continue
            bt
            p $s5 > 100
            kill
            """, out string printed, out int exit);
        Assert.Contains("SIGINT", said);
        Assert.Matches(@"#0 .*forever", said);
        Assert.Contains("$1 = 1", said);
        Assert.Equal("", printed);
        Assert.Equal(0, exit);
    }

    /// <summary>Runs hv with the guest and GDB with commands; what GDB said.</summary>
    private string Debug(string mode, int harts, string commands, out string printed, out int exit)
    {
        string source = _folder.Write("guest.c", System.Text.Encoding.ASCII.GetBytes(Source));
        string link = _folder.Write("guest.ld", "ENTRY(_start) SECTIONS { . = 0x80000000; .text : { *(.text.first) *(.text*) } .data : { *(.data*) *(.sdata*) *(.rodata*) } .bss : { *(.bss*) *(.sbss*) } }"u8);
        string elf = _folder["guest.elf"];
        Peer.Run("riscv64-linux-gnu-gcc", "-g", "-O1", "-static", "-nostdlib", "-ffreestanding", "-mcmodel=medany", "-Wl,--build-id=none", "-w", "-no-pie",
            "-Wl,--no-warn-rwx-segments", $"-DHARTS={harts}", "-T", link, "-o", elf, source);
        using Process hv = Process.Start(new ProcessStartInfo("dotnet",
            [Path.Combine(AppContext.BaseDirectory, "hv.dll"), "run", "--mode", mode, "--vcpus", $"{harts}", "--kernel", elf, "--gdb", "0", "--timeout", "60"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        })!;
        try
        {
            Task<string> output = hv.StandardOutput.ReadToEndAsync();
            string port = PortInMessage().Match(hv.StandardError.ReadLine() ?? "").Groups[1].Value;
            Assert.NotEqual("", port);
            _ = hv.StandardError.ReadToEndAsync();
            string said = RunGdb(elf, ["set pagination off", "set confirm off", $"target remote localhost:{port}", .. commands.Split('\n')]);
            Assert.True(hv.WaitForExit(TimeSpan.FromSeconds(60)), said);
            printed = output.Result.Replace("\r", "", StringComparison.Ordinal);
            exit = hv.ExitCode;
            return said;
        }
        finally
        {
            if (!hv.HasExited)
                hv.Kill();
        }
    }

    /// <summary>Gives commands one by one: one that fails ends a script, but not these.</summary>
    private static string RunGdb(string elf, string[] commands)
    {
        IEnumerable<string> arguments = ["-nx", "-q", "-batch", .. commands.Where(each => each.Length > 0).SelectMany(each => new[] { "-ex", each })];
        using Process gdb = Process.Start(new ProcessStartInfo("gdb-multiarch", [.. arguments, elf])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        })!;
        Task<string> errors = gdb.StandardError.ReadToEndAsync();
        Task<string> output = gdb.StandardOutput.ReadToEndAsync();
        if (!gdb.WaitForExit(TimeSpan.FromSeconds(60)))
            gdb.Kill();
        return output.Result + errors.Result;
    }

    [GeneratedRegex(@"target remote localhost:(\d+)")]
    private static partial Regex PortInMessage();
}
