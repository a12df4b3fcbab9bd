using System.Globalization;
using System.Text;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.BuiltIn;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Modes;

/// <summary>
/// Corners of the privileged architecture that random programs seldom meet: a guest prints cause, trap value and program counter
/// of each, in every mode the same as the specification says and, where QEMU knows the instructions, as QEMU does.
/// </summary>
public sealed class PrivilegedCornerTests
{
    private const string Cpu = "rv64,h=false,debug=false,svpbmt=true,svinval=true,svnapot=true";

    /// <summary>
    /// Sv39 with 0x4000_0000 at RAM's 0x8020_0000, its next page not mapped, and the program itself at its own addresses for
    /// supervisor mode. s2 holds where the two entries are.
    /// </summary>
    private const string Prelude = """
            .option norvc
            .text
            .globl _start
        _start:
            la t0, trap
            csrw mtvec, t0
            li t0, -1
            csrw pmpaddr0, t0
            csrw mcounteren, t0
            li t0, 0x1f
            csrw pmpcfg0, t0
            li s0, 0x10000000
            li t0, 0x81000000        # root
            li t1, 0x20400401        # -> 0x81001000
            sd t1, 8(t0)
            li t1, 0x200000cf        # 2 GiB: RAM itself, for supervisor mode
            sd t1, 16(t0)
            li t0, 0x81001000
            li t1, 0x20400801        # -> 0x81002000
            sd t1, 0(t0)
            li s2, 0x81002000
            li t1, 0x200800cf        # 0x80200000, all rights
            sd t1, 0(s2)
            li t0, 0x8000000000081000
            csrw satp, t0
            sfence.vma
            j main
            .balign 4
        trap:
            csrr s3, mcause
            csrr s4, mtval
            csrr s5, mepc
            li t0, 0x21800
            csrc mstatus, t0
            jr s1
        # prints s3, s4 and s5 in one line
        print:
            mv s6, ra
            mv a0, s3
            jal hex
            mv a0, s4
            jal hex
            mv a0, s5
            jal hex
            li a0, 10
            sb a0, 0(s0)
            jr s6
        hex:
            li t1, 60
        1:  srl t2, a0, t1
            andi t2, t2, 15
            bnez t2, 2f
            addi t1, t1, -4
            bgtz t1, 1b
        2:  srl t2, a0, t1
            andi t2, t2, 15
            addi t2, t2, 48
            li t3, 58
            blt t2, t3, 3f
            addi t2, t2, 39
        3:  sb t2, 0(s0)
            addi t1, t1, -4
            bgez t1, 2b
            li t2, 32
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

    /// <summary>QEMU 7.2 ends itself where an instruction runs on into nothing, so that it is not asked about that.</summary>
    [PeerTheory("qemu-system-riscv64")]
    [InlineData(true)]
    [InlineData(false)]
    public void Access_AcrossPages_FaultsAtThePartThatIsNotThere(bool withQemu)
    {
        var source = new StringBuilder(Prelude);
        var expected = new List<string>();

        // The two halves of an ecall on two pages; the second half of an mret on a third.
        source.AppendLine("    li t0, 0x80200ffe\n    li t1, 0x73\n    sh t1, 0(t0)\n    sw zero, 2(t0)\n    li t0, 0x80202000\n    li t1, 0x3020\n    sh t1, 0(t0)");
        foreach ((string next, string answer) in ((string, string)[])
        [
            ("0", "c 40001000 40000ffe"),
            ("0x40000000cf", "1 40001000 40000ffe"),
            ("0x200804cf", "9 0 40000ffe"),
            ("0", "c 40001000 40000ffe"),
            ("0x200808cf", "2 30200073 40000ffe"),
            ("0x200804df", "c 40001000 40000ffe"),
        ])
        {
            if (withQemu && next == "0x40000000cf")
                continue;
            source.AppendLine($"    li t0, {next}\n    sd t0, 8(s2)\n    li t0, 0x40001000\n    sfence.vma t0");
            Trying(source, "    li t0, 0x800\n    csrs mstatus, t0\n    li t0, 0x40000ffe\n    csrw mepc, t0\n    mret");
            expected.Add(answer);
        }

        // Data across the same boundary, from both sides.
        source.AppendLine("    li t0, 0x80200ff8\n    li t1, 0x1122334455667788\n    sd t1, 0(t0)\n    li t0, 0x80201000\n    sd t1, 0(t0)");
        foreach ((string first, string second, string operation, string answer) in ((string, string, string, string)[])
        [
            ("0x200800cf", "0", "ld t1, 0(t2)", "d 40001000"), ("0x200800cf", "0", "sd t1, 0(t2)", "f 40001000"),
            ("0", "0x200804cf", "ld t1, 0(t2)", "d 40000ffc"), ("0", "0x200804cf", "sd t1, 0(t2)", "f 40000ffc"),
            ("0x200800c3", "0x200804cf", "sd t1, 0(t2)", "f 40000ffc"), ("0x200800cf", "0x200804c3", "sd t1, 0(t2)", "f 40001000"),
        ])
        {
            source.AppendLine($"    li t0, {first}\n    sd t0, 0(s2)\n    li t0, {second}\n    sd t0, 8(s2)\n    sfence.vma");
            Trying(source, $"    li t2, 0x40000ffc\n    li t0, 0x20800\n    csrs mstatus, t0\n    {operation}", showCounter: false);
            expected.Add(answer + " 0");
        }

        // Nothing of a refused store was stored.
        source.AppendLine("    li t0, 0x80200ff8\n    ld s3, 0(t0)\n    li t0, 0x80201000\n    ld s4, 0(t0)\n    li s5, 0\n    jal print");
        expected.Add("1122334455667788 1122334455667788 0");
        source.AppendLine("    li t0, 0x200800cf\n    sd t0, 0(s2)\n    li t0, 0x200804cf\n    sd t0, 8(s2)\n    sfence.vma");
        source.AppendLine("    li t2, 0x40000ffc\n    li t0, 0x20800\n    csrs mstatus, t0\n    ld s3, 0(t2)\n    li t1, 0x7766554433221100\n    sd t1, 0(t2)\n    ld s4, 0(t2)\n    csrc mstatus, t0\n    li s5, 0\n    jal print");
        expected.Add("5566778811223344 7766554433221100 0");
        Compare(source, expected, withQemu);
    }

    /// <summary>
    /// Atomics are the only accesses that must be aligned. As misaligned loads and stores pass, these are access faults, not for
    /// software to emulate (section 3.6.3.3); QEMU 7.2 says misaligned.
    /// </summary>
    [Fact]
    public void Atomic_Misaligned_FaultsAtItsAddress()
    {
        var source = new StringBuilder(Prelude);
        var expected = new List<string>();
        foreach ((string operation, int address, string answer) in ((string, int, string)[])
        [
            ("amoadd.w t1, t1, (t2)", 2, "7 80200002"), ("amoswap.d t1, t1, (t2)", 4, "7 80200004"), ("sc.d t1, t1, (t2)", 4, "7 80200004"),
            ("lr.w t1, (t2)", 1, "5 80200001"), ("lr.d t1, (t2)", 4, "5 80200004"),
        ])
        {
            Trying(source, $"    li t2, 0x{0x8020_0000 + address:x}\n    {operation}", showCounter: false);
            expected.Add(answer + " 0");
        }

        Compare(source, expected, withQemu: false);
    }

    /// <summary>Which fences, waits and returns pass under TVM, TW and TSR (sections 3.1.6.5 and 10.6 for Svinval).</summary>
    [Fact]
    public void SystemInstruction_UnderTrapBits_PassesExactlyWhereItMay()
    {
        const int Tvm = 1 << 20;
        const int Tw = 1 << 21;
        const int Tsr = 1 << 22;
        var source = new StringBuilder(Prelude);
        var expected = new List<string>();
        foreach ((string operation, int trapsUnder, bool userMay) in ((string, int, bool)[])
        [
            ("sfence.vma", Tvm, false), ("sinval.vma", Tvm, false), ("sfence.w.inval", 0, false), ("sfence.inval.ir", 0, false),
            ("csrr t1, satp", Tvm, false), ("csrr t1, stvec", 0, false), ("wfi", Tw, false), ("wrs.nto", 0, true), ("wrs.sto", 0, true),
            ("sret", Tsr, false), ("mret", -1, false), ("fence.i", 0, true), ("rdtime t1", 0, true),
        ])
        {
            foreach (int bits in (int[])[0, Tvm, Tw, Tsr])
            {
                foreach (int mode in (int[])[1, 0])
                {
                    // A pending, enabled but masked interrupt ends every wait; sret leads to the next instruction.
                    source.AppendLine("    li t0, 2\n    csrw mideleg, t0\n    csrw mie, t0\n    csrw mip, t0\n    li t0, 0x122\n    csrc mstatus, t0");
                    source.AppendLine($"    li t0, 0x700000\n    csrc mstatus, t0\n    li t0, 0x{bits | 0x100:x}\n    csrs mstatus, t0\n    li t0, -1\n    csrw scounteren, t0");

                    // User mode has no such page to run in: there it runs bare.
                    source.AppendLine(mode == 0 ? "    csrw satp, zero\n    csrw mie, zero" : "    li t0, 0x8000000000081000\n    csrw satp, t0\n    sfence.vma");
                    Trying(source, $"    li t0, 0x{mode << 11:x}\n    csrs mstatus, t0\n    la t0, 1f\n    csrw mepc, t0\n    la t0, 2f\n    csrw sepc, t0\n    mret\n    .balign 4\n1:  {operation}\n2:  ecall", showCounter: false, onlyCause: true);
                    bool traps = mode == 0 ? !userMay : trapsUnder == -1 || (bits & trapsUnder) != 0;
                    expected.Add(traps ? "2 0 0" : mode == 0 ? "8 0 0" : "9 0 0");
                }
            }
        }

        Compare(source, expected, withQemu: false);
    }

    /// <summary>Who may use which cache-block instruction (CMO specification, section 2.6).</summary>
    [Fact]
    public void CacheBlock_UnderEnvironmentBits_PassesExactlyWhereItMay()
    {
        const int Flush = 1 << 4;
        const int Invalidate = 3 << 4;
        const int Clean = 1 << 6;
        const int Zero = 1 << 7;
        var source = new StringBuilder(Prelude);
        var expected = new List<string>();
        foreach (int machine in (int[])[0, Flush, Invalidate, Clean, Zero, Invalidate | Clean | Zero])
        {
            foreach (int supervisor in (int[])[0, Flush, Invalidate, Clean, Zero, Invalidate | Clean | Zero])
            {
                foreach ((string operation, int needs) in ((string, int)[])[("cbo.inval", Invalidate), ("cbo.clean", Clean), ("cbo.flush", Clean), ("cbo.zero", Zero)])
                {
                    foreach (int mode in (int[])[1, 0])
                    {
                        source.AppendLine($"    csrw satp, zero\n    li t0, {machine}\n    csrw menvcfg, t0\n    li t0, {supervisor}\n    csrw senvcfg, t0");
                        Trying(source, $"    li t0, 0x{mode << 11:x}\n    csrs mstatus, t0\n    la t0, 1f\n    csrw mepc, t0\n    li t2, 0x80200013\n    mret\n    .balign 4\n1:  {operation} (t2)\n    ecall", showCounter: false, onlyCause: true);
                        bool passes = (machine & needs) != 0 && (mode == 1 || (supervisor & needs) != 0);
                        expected.Add(!passes ? "2 0 0" : mode == 0 ? "8 0 0" : "9 0 0");
                    }
                }
            }
        }

        Compare(source, expected, withQemu: false);
    }

    /// <summary>
    /// What cache-block instructions ask of a page, what they leave in its entry, and how they fault: as stores, at the address
    /// as given (CMO specification, section 2.5); with A and D bits set by the hart or by the guest as menvcfg.ADUE says.
    /// </summary>
    [Fact]
    public void CacheBlock_OnPagesOfEveryKind_FaultsAsAStore()
    {
        const ulong Updates = 1UL << 61;
        var source = new StringBuilder(Prelude);
        var expected = new List<string>();
        foreach ((ulong entry, ulong environment, string operation, string cause, ulong after) in ((ulong, ulong, string, string, ulong)[])
        [
            (0x2008_00C7, Updates, "cbo.clean", "3", 0x2008_00C7), (0x2008_00C3, Updates, "cbo.flush", "3", 0x2008_00C3),
            (0x2008_00C3, Updates, "cbo.zero", "f", 0x2008_00C3), (0, Updates, "cbo.clean", "f", 0), (0, Updates, "cbo.inval", "f", 0),
            (0, Updates, "cbo.zero", "f", 0), (0x2008_0007, Updates, "cbo.clean", "3", 0x2008_0047),
            (0x2008_0007, Updates, "cbo.zero", "3", 0x2008_00C7), (0x2008_0007, 0, "cbo.clean", "f", 0x2008_0007),
            (0x2008_0047, 0, "cbo.flush", "3", 0x2008_0047), (0x2008_0047, 0, "cbo.zero", "f", 0x2008_0047),
            (0x2008_00C7, 0, "cbo.zero", "3", 0x2008_00C7), (0x2008_00D7, Updates, "cbo.zero", "f", 0x2008_00D7),
            (0x40_0000_00C7, Updates, "cbo.zero", "7", 0x40_0000_00C7), (0x40_0000_00C7, Updates, "cbo.flush", "7", 0x40_0000_00C7),

            // And the plain accesses that meet the same bits.
            (0x2008_0007, 0, "ld t1,", "d", 0x2008_0007), (0x2008_0047, 0, "ld t1,", "3", 0x2008_0047),
            (0x2008_0047, 0, "sd t1,", "f", 0x2008_0047), (0x2008_0047, Updates, "sd t1,", "3", 0x2008_00C7),
            (0x2008_0047, 0, "amoadd.d t1, t1,", "f", 0x2008_0047), (0x6000_0000_2008_00C7, Updates, "sd t1,", "f", 0x6000_0000_2008_00C7),
            (0x2000_0000_2008_00C7, Updates, "sd t1,", "f", 0x2000_0000_2008_00C7),
            (0x2000_0000_2008_00C7, 1UL << 62, "sd t1,", "3", 0x2000_0000_2008_00C7),
        ])
        {
            string at = operation[0] switch { 'c' => "40000013", _ => "40000010" };
            source.AppendLine($"    li t0, 0x{environment:x}\n    csrw menvcfg, t0\n    li t0, 0x{entry:x}\n    sd t0, 0(s2)\n    sfence.vma");
            Trying(source, $"    li t2, 0x{at}\n    li t0, 0x20800\n    csrs mstatus, t0\n    {operation} (t2)\n    ebreak", print: false);
            source.AppendLine("    li t0, 3\n    bne s3, t0, 8f\n    li s4, 0\n8:  ld s5, 0(s2)\n    jal print");
            expected.Add($"{cause} {(cause == "3" ? "0" : at)} {after:x}");
        }

        // Exactly the block that holds the address becomes zero.
        source.AppendLine("    li t0, 0x200800c7\n    sd t0, 0(s2)\n    sfence.vma\n    li t0, 0x80200000\n    li t1, -1\n    sd t1, 56(t0)\n    sd t1, 64(t0)\n    sd t1, 120(t0)\n    sd t1, 128(t0)");
        source.AppendLine("    li t0, 0x80200055\n    cbo.zero (t0)\n    li t0, 0x80200000\n    ld s3, 56(t0)\n    ld s4, 64(t0)\n    ld s5, 120(t0)\n    ld t1, 128(t0)\n    and s3, s3, t1\n    jal print");
        expected.Add("ffffffffffffffff 0 0");
        Compare(source, expected, withQemu: false);
    }

    /// <summary>Runs code until it traps, and prints what the trap told.</summary>
    private static void Trying(StringBuilder source, string code, bool showCounter = true, bool onlyCause = false, bool print = true)
    {
        source.AppendLine($"    la s1, 9f\n{code}\n    .balign 4\n9:");
        if (!showCounter)
            source.AppendLine("    li s5, 0");
        if (onlyCause)
            source.AppendLine("    li s4, 0");
        if (print)
            source.AppendLine("    jal print");
    }

    private static void Compare(StringBuilder source, List<string> expected, bool withQemu)
    {
        AssembledProgram program = Assembler.Assemble(
            source.Append(Epilogue).ToString(), new AssemblerOptions { Name = "corner", TextBase = 0x8000_0000 });
        if (withQemu)
        {
            using var qemu = new QemuBoard();
            (int code, string text) = qemu.RunPrivileged(program, [0], 1, "-cpu", Cpu);
            Assert.Equal(0, code);
            Assert.Equal(Text(expected), text.Replace("\r", "").Replace(" \n", "\n"));
        }

        foreach (string mode in MachineFactory.Modes)
        {
            var loop = new EventLoop();
            var console = new ConsoleText();
            using BoardGuest guest = MachineFactory.Create(mode, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = console, RamBytes = 64 << 20 }, loop);
            guest.Boot(new BootImages { Kernel = program.ToElf() });
            Assert.Equal(0, loop.Run(guest.Machine, 20_000_000).Code);
            string[] actual = console.ToString().Replace(" \n", "\n").Split('\n');
            for (int i = 0; i < expected.Count; i++)
                Assert.True(expected[i] == actual[i], string.Create(CultureInfo.InvariantCulture, $"{mode}, case {i}: {actual[i]}, to be {expected[i]}"));
        }
    }

    private static string Text(List<string> lines) => string.Concat(lines.Select(line => line + "\n"));
}
