using System.Text;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Para;

namespace Hypervisor.Tests.Modes;

/// <summary>
/// A kernel in supervisor mode above our own SBI, in every mode that there is: what its page tables, cache-block instructions and
/// fences do is what the specification says, and what the device tree promised.
/// </summary>
public sealed class SupervisorCornerTests
{
    private const ulong N = 1UL << 63;
    private const ulong Io = 2UL << 61;

    /// <summary>Sv39: RAM's gigapage at its own addresses, devices at theirs, the page under test at 3 GiB. s2 is its entry's place.</summary>
    private const string Prelude = """
            .option norvc
            .text
            .globl _start
        _start:
            la t0, trap
            csrw stvec, t0
            li s0, 0x10000000
            li t0, 0x81000000
            li t1, 0xc7              # devices
            sd t1, 0(t0)
            li t1, 0x200000cf        # RAM
            sd t1, 16(t0)
            li t1, 0x20400401        # -> 0x81001000
            sd t1, 24(t0)
            li t0, 0x81001000
            li t1, 0x20400801        # -> 0x81002000
            sd t1, 0(t0)
            li s2, 0x81002000
            li t0, 0x8000000000081000
            csrw satp, t0
            sfence.vma
            j main
            .balign 4
        trap:
            csrr s3, scause
            csrr s4, stval
            jr s1
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

    // Entry, whether SUM is set, what is done at 0xc0000040, cause (0: none), entry afterwards.
    private static readonly (ulong Entry, bool Sum, string Operation, string Cause, ulong After)[] s_cases =
    [
        (0x2040_4007, false, "ld t1, 0(t2)", "0", 0x2040_4047), (0x2040_4007, false, "sd t1, 0(t2)", "0", 0x2040_40C7),
        (0x2040_4003, false, "sd t1, 0(t2)", "f", 0x2040_4003), (0x2040_40D7, false, "ld t1, 0(t2)", "d", 0x2040_40D7),
        (0x2040_40D7, true, "ld t1, 0(t2)", "0", 0x2040_40D7), (0x2040_4009, false, "ld t1, 0(t2)", "d", 0x2040_4009),
        (Io | 0x2040_40C7, false, "sd t1, 0(t2)", "0", Io | 0x2040_40C7), (Io | 1UL << 61 | 0x2040_40C7, false, "ld t1, 0(t2)", "d", Io | 1UL << 61 | 0x2040_40C7),
        (N | 0x2040_6007, false, "sd t1, 0(t2)", "0", N | 0x2040_60C7), (N | 0x2040_4007, false, "ld t1, 0(t2)", "d", N | 0x2040_4007),
        (1UL << 54 | 0x2040_40C7, false, "ld t1, 0(t2)", "d", 1UL << 54 | 0x2040_40C7),
        (0x2040_40C7, false, "cbo.zero (t2)", "0", 0x2040_40C7), (0x2040_4003, false, "cbo.zero (t2)", "f", 0x2040_4003),
        (0x2040_4003, false, "cbo.clean (t2)", "0", 0x2040_4043), (0, false, "cbo.flush (t2)", "f", 0), (0x2040_4007, false, "cbo.inval (t2)", "0", 0x2040_4047),
        (0x2040_40C7, false, "amoadd.d t1, t1, (t2)", "0", 0x2040_40C7), (0x2040_4043, false, "amoadd.d t1, t1, (t2)", "f", 0x2040_4043),
        (0x2040_40C7, false, "addi t2, t2, 2\n    amoadd.w t1, t1, (t2)", "7", 0x2040_40C7), (0x2040_40C7, false, "addi t2, t2, 1\n    ld t1, 0(t2)", "0", 0x2040_40C7),
        (0x40_0000_00C7, false, "ld t1, 0(t2)", "5", 0x40_0000_00C7), (0x2040_40C7, false, "flh fa0, 0(t2)\n    fadd.h fa0, fa0, fa0\n    fsh fa0, 0(t2)", "0", 0x2040_40C7),
        (0x2040_40C7, false, "prefetch.w 0(t2)\n    wrs.sto\n    pause", "0", 0x2040_40C7), (0, false, "prefetch.r 0(t2)\n    prefetch.i 0(t2)", "0", 0),
    ];

    public static TheoryData<string> Modes => [.. MachineFactory.Modes, "para"];

    [Theory]
    [MemberData(nameof(Modes))]
    public void Access_ByEntriesOfEveryKind_DoesWhatTheSpecificationSays(string mode)
    {
        var source = new StringBuilder(Prelude);
        var expected = new StringBuilder();
        source.AppendLine("    li t0, 0x6000\n    csrs sstatus, t0");
        for (int i = 0; i < s_cases.Length; i++)
        {
            (ulong entry, bool sum, string operation, string cause, ulong after) = s_cases[i];

            // Now and then the fence in its three parts.
            string fence = i % 3 == 0 ? "    li t0, 0xc0000000\n    sfence.w.inval\n    sinval.vma t0\n    sfence.inval.ir" : "    sfence.vma";
            source.AppendLine($"    li t0, 0x{entry:x}\n    sd t0, 0(s2)\n{fence}\n    li t0, 0x40000\n    {(sum ? "csrs" : "csrc")} sstatus, t0");
            source.AppendLine($"    la s1, 9f\n    li s3, 0\n    li s4, 0\n    li t2, 0xc0000040\n    {operation}\n    .balign 4\n9:  ld s5, 0(s2)\n    li t0, 0x40000\n    csrc sstatus, t0\n    jal print");
            string at = operation.StartsWith("addi t2, t2, 2", StringComparison.Ordinal) ? "c0000042" : "c0000040";
            expected.Append($"{cause} {(cause == "0" ? "0" : at)} {after:x}\n");
        }

        source.AppendLine("    li t0, 0x100000\n    li t1, 0x5555\n    sw t1, 0(t0)\n1:  j 1b");
        byte[] kernel = Assembler.Assemble(source.ToString(), new AssemblerOptions { Name = "kernel", TextBase = 0x8020_0000 }).ToElf();
        var loop = new EventLoop();
        var console = new ConsoleText();
        if (mode == "para")
        {
            using var machine = new VirtualMachine("guest", new GuestMemory(new MemoryRegion(0x8000_0000, 64 << 20)), loop);
            using var guest = new ParaGuest(machine, new ParaGuestOptions { Engine = Support.TestEngine.Create(), Console = console });
            guest.Boot(new BootImages { Kernel = kernel });
            Assert.Equal(0, loop.Run(machine, 5_000_000).Code);
        }
        else
        {
            using BoardGuest guest = MachineFactory.Create(mode, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = console, RamBytes = 64 << 20 }, loop);
            guest.Boot(new BootImages { Kernel = kernel, BuiltInFirmware = true });
            Assert.Equal(0, loop.Run(guest.Machine, 5_000_000).Code);
        }

        Assert.Equal(expected.ToString(), console.ToString().Replace(" \n", "\n"));
    }
}
