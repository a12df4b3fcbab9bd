using System.Text;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.BuiltIn;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Modes;

/// <summary>The CSR file against QEMU's, register by register, from inside a guest: under our modes it must answer the same.</summary>
public sealed class CsrPeerTests
{
    private const ulong StatusBits = 0x7E_79AA;
    private const string Cpu = "rv64,h=false,debug=false,pmu-num=29";

    /// <summary>A trap sets s1 and skips the instruction; print_char and print_hex write to the serial port.</summary>
    private const string Prelude = """
            .option norvc
            .text
            .globl _start
        _start:
            la t0, trap
            csrw mtvec, t0
            li s0, 0x10000000
            j main
            .balign 4
        trap:
            csrr t6, mcause
            addi t6, t6, -8
            beqz t6, 1f              # ecall from U: back to M
            addi t6, t6, -1
            beqz t6, 1f              # ecall from S
            li s1, 1
            csrr t6, mepc
            addi t6, t6, 4
            csrw mepc, t6
            mret
        1:  csrr t6, mepc
            addi t6, t6, 4
            jr t6
        print_hex:
            li t1, 60
        1:  srl t2, a0, t1
            andi t2, t2, 15
            addi t2, t2, 48
            li t3, 58
            blt t2, t3, 2f
            addi t2, t2, 39
        2:  sb t2, 0(s0)
            addi t1, t1, -4
            bgez t1, 1b
            li t2, 10
            sb t2, 0(s0)
            ret
        main:
        """;

    private const string Epilogue = """

            li t0, 0x100000
            li t1, 0x5555
            sw t1, 0(t0)
        1:  j 1b
        """;

    private static readonly string[] s_written =
    [
        "mstatus", "mideleg", "mie", "mtvec", "mcounteren", "mscratch", "mepc", "mcause", "mtval", "menvcfg",
        "sstatus", "sie", "stvec", "scounteren", "senvcfg", "sscratch", "sepc", "scause", "stval", "sip", "satp", "stimecmp", "mip",
        "fflags", "frm", "fcsr",
    ];

    private static readonly string[] s_vectors = ["vstart", "vxsat", "vxrm", "vcsr"];

    /// <summary>
    /// The bits to compare. QEMU keeps those of extensions it was told to leave out (H, Sscofpmf), bit 0 of addresses,
    /// and upper halves of 32-bit registers; its machine timer is due from reset on.
    /// </summary>
    private static ulong ComparedBits(string register) => register switch
    {
        "mideleg" or "mie" or "sie" or "sip" => 0xAAA,
        "mip" => 0xA2A,
        "mcounteren" or "scounteren" => uint.MaxValue,
        "vxrm" => 3, // QEMU keeps all bits of it.
        "mepc" or "sepc" => ~1UL,
        "menvcfg" => ~(1UL << 61), // Svadu is younger than the QEMU that tests are written for.
        _ => ulong.MaxValue,
    };

    [PeerTheory("qemu-system-riscv64")]
    [InlineData(0)]
    [InlineData(256)]
    public void TryWrite_PatternsToEveryRegister_KeepsWhatQemuKeeps(int vectorBits)
    {
        ulong statusBits = vectorBits == 0 ? StatusBits : StatusBits | 0x600;
        var main = new StringBuilder();
        ulong[] patterns = [ulong.MaxValue, 0, 0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA, 0x8000_0000_0000_1234, 0x1800, 0x1000, 0x2222];
        var labels = new List<string>();
        foreach (string register in (string[])[.. s_written, .. vectorBits == 0 ? [] : s_vectors])
        {
            foreach (ulong each in patterns)
            {
                // QEMU keeps vector state, any register width and the reserved mode 2 in its status registers.
                ulong pattern = register.EndsWith("status", StringComparison.Ordinal) ? each & statusBits : each;
                if ((pattern & 0x1800) == 0x1000)
                    pattern &= ~0x1800UL;

                // Nor does it refuse the reserved value 2 of CBIE.
                if (register.EndsWith("envcfg", StringComparison.Ordinal) && (pattern & 0x30) == 0x20)
                    pattern &= ~0x30UL;
                labels.Add($"{register} = 0x{pattern:x}");
                // Interrupts stay off, and floating point on, so that each register is asked by itself.
                main.AppendLine($"    li a1, 0x{pattern:x}\n    csrw {register}, a1\n    csrr a0, {register}\n    li a1, 0x{ComparedBits(register):x}\n    and a0, a0, a1");
                main.AppendLine("    csrci mstatus, 8\n    li a1, 0x6600\n    csrs mstatus, a1\n    li a1, 0x20000\n    csrc mstatus, a1");
                main.AppendLine("    jal print_hex");
            }

            main.AppendLine(register == "mideleg" ? "    li a1, 0x222\n    csrw mideleg, a1" : "    nop");
        }

        Compare(main.ToString(), lines => lines.Zip(labels, (value, label) => $"{label} -> {value}"), vectorBits);
    }

    [PeerTheory("qemu-system-riscv64")]
    [InlineData(0)]
    [InlineData(128)]
    public void TryAccess_EveryNumberFromEveryMode_IsIllegalWhereItIsOnQemu(int vectorBits)
    {
        var main = new StringBuilder("    li t0, 0x600\n    csrs mstatus, t0\n    li t0, -1\n    csrw pmpaddr0, t0\n    li t0, 0x1f\n    csrw pmpcfg0, t0\n");
        foreach (string counters in (string[])["0", "5", "-1"])
        {
            main.AppendLine($"    li a1, {counters}\n    csrw mcounteren, a1\n    csrw scounteren, a1");
            foreach (int mode in (int[])[3, 1, 0])
            {
                main.AppendLine($"    li a1, 0x1800\n    csrc mstatus, a1\n    li a1, 0x{mode << 11:x}\n    csrs mstatus, a1");
                main.AppendLine($"    la a1, 1f\n    csrw mepc, a1\n    mret\n    .balign 4\n1:");
                main.AppendLine($"    jal probe{mode}");
                if (mode != 3)
                    main.AppendLine("    ecall");
            }
        }

        main.AppendLine("    j done");
        foreach (int mode in (int[])[3, 1, 0])
        {
            main.AppendLine($"probe{mode}:");
            for (int csr = 0; csr < 0x1000; csr++)
            {
                if (Differs(csr))
                    continue;

                // A read, and where it is harmless a write of what was read.
                main.AppendLine($"    li s1, 0\n    csrr a0, 0x{csr:x}\n    addi s1, s1, 48\n    sb s1, 0(s0)");
                if ((csr & 0xC00) == 0xC00)
                    main.AppendLine($"    li s1, 0\n    csrw 0x{csr:x}, a0\n    addi s1, s1, 48\n    sb s1, 0(s0)");
            }

            main.AppendLine("    li s1, 10\n    sb s1, 0(s0)\n    ret");
        }

        main.AppendLine("done:");
        Compare(main.ToString(), lines => lines.SelectMany((line, run) => Explain(line, run)), vectorBits);
    }

    /// <summary>
    /// Numbers left out: the trigger module; vstimecmp, which QEMU answers without the extension it belongs to; mseccfg, which
    /// QEMU 7.2 has with Smepmp only, and Zkr has too.
    /// </summary>
    private static bool Differs(int csr) => csr is (>= 0x7A0 and < 0x7C0) or CsrNumber.Vstimecmp or CsrNumber.Mseccfg;

    private static IEnumerable<string> Explain(string line, int run)
    {
        int at = 0;
        for (int csr = 0; csr < 0x1000 && at < line.Length; csr++)
        {
            if (Differs(csr))
                continue;
            yield return $"run {run}: read {CsrNumber.Name((ushort)csr) ?? $"0x{csr:x}"} -> {line[at++]}";
            if ((csr & 0xC00) == 0xC00)
                yield return $"run {run}: write {CsrNumber.Name((ushort)csr) ?? $"0x{csr:x}"} -> {line[at++]}";
        }
    }

    private static void Compare(string main, Func<string[], IEnumerable<string>> explain, int vectorBits)
    {
        AssembledProgram program = Assembler.Assemble(Prelude + "\n" + main + Epilogue, new AssemblerOptions { Name = "probe", TextBase = 0x8000_0000 });
        using var qemu = new QemuBoard();
        (int code, string expected) = qemu.RunPrivileged(program, [0], 1, "-cpu", vectorBits == 0 ? Cpu : $"{Cpu},v=true,vext_spec=v1.0,vlen={vectorBits}");
        Assert.Equal(0, code);
        string[] lines = expected.Replace("\r", "").Split('\n');
        foreach (string mode in MachineFactory.Modes)
        {
            var loop = new EventLoop();
            var console = new ConsoleText();
            using BoardGuest guest = MachineFactory.Create(mode, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = console, VectorBits = vectorBits }, loop);
            guest.Boot(new BootImages { Kernel = program.ToElf() });
            MachineExit exit = loop.Run(guest.Machine, 20_000_000);
            Assert.Equal(0, exit.Code);
            IEnumerable<(string Ours, string Theirs)> pairs = explain(console.ToString().Split('\n')).Zip(explain(lines));
            string differences = string.Join('\n', pairs.Where(pair => pair.Ours != pair.Theirs).Take(40).Select(pair => $"{pair.Ours}; QEMU: {pair.Theirs}"));
            Assert.True(differences.Length == 0, $"{mode} answers otherwise than QEMU:\n{differences}");
        }
    }
}
