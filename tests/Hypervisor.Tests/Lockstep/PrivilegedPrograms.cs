using System.Globalization;
using System.Text;

namespace Hypervisor.Tests.Lockstep;

/// <summary>
/// Programs that go through one matter of the privileged architecture in all its combinations. They check nothing by
/// themselves: they are compared step by step.
/// </summary>
internal static class PrivilegedPrograms
{
    private const string Prelude = """
            .option norvc
            .text
            .globl _start
        _start:
            # where mtimecmp stands after reset is the board's affair
            li t0, -1
            li t1, 0x2004000
            sd t0, 0(t1)
            la t0, machine_trap
            csrw mtvec, t0
            la t0, supervisor_trap
            csrw stvec, t0
            li t0, -1
            csrw pmpaddr15, t0
            li t0, 0x1f
            slli t0, t0, 56
            csrw pmpcfg2, t0
            j main

            # Both handlers: what happened, into registers; then on behind the instruction, or where s1 says if it is set,
            # in machine mode.
            .balign 4
        machine_trap:
            csrr t0, mcause
            csrr t1, mepc
            csrr t2, mtval
            csrr t3, mstatus
            csrr t4, mip
            bltz t0, 2f
            li t5, 0x1800
            csrs mstatus, t5
            li t5, 0x20000
            csrc mstatus, t5
            bnez s1, 1f
            addi t1, t1, 4
            csrw mepc, t1
            csrw mstatus, t3
            mret
        1:  csrw mepc, s1
            li s1, 0
            mret
        2:  slli t5, t0, 1
            srli t5, t5, 1
            li t6, 1
            sll t6, t6, t5
            csrc mie, t6
            csrc mip, t6
            mret

            .balign 4
        supervisor_trap:
            csrr t0, scause
            csrr t1, sepc
            csrr t2, stval
            csrr t3, sstatus
            csrr t4, sip
            bltz t0, 2f
            bnez s1, 1f
            addi t1, t1, 4
            csrw sepc, t1
            sret
        1:  ecall
        2:  slli t5, t0, 1
            srli t5, t5, 1
            li t6, 1
            sll t6, t6, t5
            csrc sie, t6
            csrc sip, t6
            sret
        main:
        """;

    private const string Epilogue = """

            csrw mie, zero
            li t0, 0x100000
            li t1, 0x5555
            sw t1, 0(t0)
        1:  j 1b
        """;

    private static readonly Dictionary<string, Func<string>> s_programs = new()
    {
        ["returns"] = Returns,
        ["delegation"] = Delegation,
        ["interrupts"] = Interrupts,
        ["vectors"] = Vectors,
        ["protection"] = Protection,
        ["pages"] = Pages,
        ["rights"] = Rights,
    };

    public static IEnumerable<string> Names => s_programs.Keys;

    public static string Source(string name) => Prelude + "\n" + s_programs[name]() + Epilogue;

    /// <summary>mret and sret with every MPP, SPP, MPIE, SPIE, MIE and SIE; back by an environment call. Without MPRV, which QEMU 7.2 forgets to clear (section 3.1.6.3).</summary>
    private static string Returns()
    {
        var text = new StringBuilder();
        int label = 0;
        foreach (int mpp in (int[])[0, 1, 3])
        {
            for (int bits = 0; bits < 32; bits++)
            {
                int status = mpp << 11 | (bits & 1) << 7 | (bits >> 1 & 1) << 5 | (bits >> 2 & 1) << 1 | (bits >> 3 & 1) << 3 | (bits >> 4 & 1) << 8;
                Line(text, $"li a0, 0x{status:x}", $"csrw mstatus, a0", $"la a1, to{label}", "csrw mepc, a1", $"la s1, back{label}", "mret",
                    $"to{label}:", "csrr a2, sstatus", "csrr a3, mstatus", "ecall", $"back{label}:", "csrr a2, mstatus", "li a3, 0x20000", "csrc mstatus, a3");
                Line(text, $"li a0, 0x{status:x}", $"csrw mstatus, a0", $"la a1, sto{label}", "csrw sepc, a1", $"la s1, sback{label}", "sret",
                    $"sto{label}:", "csrr a2, sstatus", "ecall", $"sback{label}:", "csrr a2, mstatus", "li a3, 0x20000", "csrc mstatus, a3");
                label++;
            }
        }

        return text.ToString();
    }

    /// <summary>Every synchronous cause there is, from every mode, delegated and not, with mstatus.TVM and TW set and clear.</summary>
    private static string Delegation()
    {
        var text = new StringBuilder();
        int label = 0;
        foreach (ulong delegated in (ulong[])[0, 0xB1FF, 0x0104, 0xA0F8])
        {
            foreach (int traps in (int[])[0, 3])
            {
                foreach (int mode in (int[])[0, 1, 3])
                {
                    Line(text, $"li a0, 0x{delegated:x}", "csrw medeleg, a0", $"li a0, 0x{traps << 20 | mode << 11:x}", "csrw mstatus, a0",
                        $"la a1, to{label}", "csrw mepc, a1", "mret", $"to{label}:",
                        "li s1, 0", "csrr a2, mscratch", "csrr a2, sscratch", "csrw mhartid, a2", "csrr a2, satp", ".word 0", ".word 0xffffffff", "ebreak",
                        "li a3, 0x10", "ld a4, 0(a3)", "sd a4, 0(a3)", "la a3, _start", "lr.d a4, (a3)", "ld a4, 1(a3)",
                        
                        "sfence.vma", "csrr a2, 0x30c", $"la s1, back{label}", "ecall", $"back{label}:", "csrw mstatus, zero");
                    label++;
                }
            }
        }

        return text.ToString();
    }

    /// <summary>Each interrupt, every mask, from every mode: whether it is taken, and where. One at a time: QEMU 7.2 takes the lowest number first, not the order of section 3.1.9.</summary>
    private static string Interrupts()
    {
        var text = new StringBuilder();
        int label = 0;
        foreach (int delegated in (int[])[0, 0x222, 0x002, 0x200])
        {
            foreach (int enabled in (int[])[0x222, 0x020, 0x202, 0x2AA, 0x008])
            {
                foreach (int pending in (int[])[0, 1, 5, 9, 0x10 | 1, 0x10 | 5, 0x10 | 9])
                {
                    // Bit 4 says from user mode, else supervisor mode; 0 is machine software by the CLINT, the rest are numbers in mip.
                    int mode = pending >> 4 ^ 1;
                    int bit = pending & 15;
                    Line(text, "csrw mstatus, zero", $"li a0, 0x{delegated:x}", "csrw mideleg, a0", $"li a0, 0x{(bit == 0 ? 0 : 1 << bit):x}", "csrs mip, a0",
                        "li a1, 0x2000000", $"li a0, {(bit == 0 ? 1 : 0)}", "sw a0, 0(a1)", "csrr a2, mip", "csrr a2, sip", $"li a0, 0x{enabled:x}", "csrw mie, a0", "csrr a2, sie",
                        $"li a0, 0x{mode << 11 | 0xA2:x}", "csrw mstatus, a0", $"la a1, to{label}", "csrw mepc, a1", "mret",
                        $"to{label}:", "nop", "nop", "csrr a2, sip", "csrr a2, sie", $"la s1, back{label}", "ecall", $"back{label}:",
                        "csrw mstatus, zero", "csrw mie, zero", "li a1, 0x2000000", "sw zero, 0(a1)", "csrr a2, mip", "csrw mip, zero", "csrr a2, mip");
                    label++;
                }
            }
        }

        return text.ToString();
    }

    /// <summary>Vectored traps of both levels: exceptions go to the base, interrupts to their own entry.</summary>
    private static string Vectors()
    {
        var text = new StringBuilder();
        Line(text, "j vectors_over", ".balign 256", "vectors:");
        for (int i = 0; i < 16; i++)
            Line(text, $"j vector{i}");
        for (int i = 0; i < 16; i++)
        {
            Line(text, $"vector{i}:", $"li a5, {i}", "csrr a6, mcause", $"li a7, {i + 1}",
                "j machine_trap");
        }

        Line(text, ".balign 256", "svectors:");
        for (int i = 0; i < 16; i++)
            Line(text, "j supervisor_trap");
        Line(text, "vectors_over:", "la a0, vectors", "ori a0, a0, 1", "csrw mtvec, a0", "csrr a1, mtvec", "la a0, svectors", "ori a0, a0, 1", "csrw stvec, a0");
        return text.Append(Interrupts()).Append(Delegation().Replace("to", "dto", StringComparison.Ordinal).Replace("back", "dback", StringComparison.Ordinal)).ToString();
    }

    /// <summary>PMP at the grain of a page: each kind of region, each right, locked and not, from each mode, borrowed rights too.</summary>
    private static string Protection()
    {
        var text = new StringBuilder();
        int label = 0;
        foreach (int config in (int[])[0x18, 0x19, 0x1B, 0x1C, 0x1F, 0x08, 0x09, 0x0F, 0x00])
        {
            foreach (int mode in (int[])[0, 1, 3])
            {
                foreach (int borrowed in (int[])[-1, 0, 1])
                {
                    // Entry 1 covers the page at 0x80110000: by powers of two, or up to its top from entry 0.
                    bool range = (config & 0x18) == 8;
                    int status = mode << 11;
                    Line(text, $"li a0, 0x{(0x8011_0000 >> 2):x}", "csrw pmpaddr0, a0", $"li a0, 0x{(range ? 0x8011_1000 >> 2 : (0x8011_0000 >> 2) | 0x1FF):x}", "csrw pmpaddr1, a0",
                        $"li a0, 0x{config << 8:x}", "csrw pmpcfg0, a0", "sfence.vma", $"li a0, 0x{status:x}", "csrw mstatus, a0");
                    if (borrowed >= 0 && mode == 3)
                        Line(text, $"li a0, 0x{1 << 17 | borrowed << 11:x}", "csrw mstatus, a0");
                    else
                        Line(text, $"la a1, to{label}", "csrw mepc, a1", "mret");
                    Line(text, $"to{label}:", "li s1, 0", "li a3, 0x80110000", "ld a4, 0(a3)", "sd a4, 8(a3)", "lw a4, 2044(a3)",
                        "ld a4, -8(a3)", "ld a4, -4(a3)", "li a4, 0x80110ffc", "ld a5, 0(a4)", "sd a5, 0(a4)", 
                        $"la s1, back{label}", "ecall", $"back{label}:", "csrw mstatus, zero");
                    label++;
                }
            }
        }

        Line(text, "li a0, 0x9800", "csrw pmpcfg0, a0", "li a0, 0", "csrw pmpcfg0, a0", "csrr a1, pmpcfg0", "csrw pmpaddr1, a0", "li a3, 0x80110000", "ld a4, 0(a3)", "sd a4, 0(a3)");
        return text.ToString();
    }

    /// <summary>Leaf entries of every kind at every level in Sv39, Sv48 and Sv57, read, written and executed by both lower modes.</summary>
    private static string Pages()
    {
        ulong[] leaves =
        [
            0xCF, 0xDF, 0xC1, 0xC3, 0xC5, 0xC7, 0xC9, 0xCB, 0xD3, 0xD7, 0x0F, 0x4F, 0x8F, 0x1F, 0xEF, 0xCE, 0x01, 0x11, 0x41,
            0xCF | 0x300,
        ];
        var text = new StringBuilder();
        int label = 0;
        foreach (int levels in (int[])[3, 4, 5])
        {
            // Tables at 0x80101000 (root) and on; the entry under test maps 0x80110000 or, higher up, RAM's start.
            for (int level = 0; level < 3; level++)
            {
                foreach (ulong leaf in leaves)
                {
                    // Higher up this is no leaf, and the program's own text would be the next table.
                    if (level > 0 && (leaf & 0xE) == 0)
                        continue;
                    ulong target = level == 0 ? 0x8011_0000UL : 0x8000_0000UL;
                    Map(text, levels, level, leaf | target >> 12 << 10);
                    foreach (int mode in (int[])[0, 1])
                        Touch(text, mode, 0x4_0000_0000UL | (level == 0 ? 0 : level == 1 ? 0x11_0000UL : 0x11_0000UL), sum: (label & 1) != 0, mxr: (label & 2) != 0, ref label);
                }

                // Misaligned superpages, a table that is its own child. (QEMU 7.2 lets reserved bits and memory types pass, and calls
                // a table outside RAM a page fault.)
                if (level > 0)
                {
                    Map(text, levels, level, 0xCF | (0x8000_0000UL >> 12 | 1) << 10);
                    Touch(text, 1, 0x4_0011_0000, false, false, ref label);
                }

                Map(text, levels, level, 0x01 | 0x8010_1000UL >> 12 << 10);
                Touch(text, 1, 0x4_0011_0000, false, false, ref label);
            }

            // Addresses that are no sign extension.
            foreach (ulong address in (ulong[])[1UL << (levels * 9 + 11), 1UL << (levels * 9 + 12), ulong.MaxValue << (levels * 9 + 13), 0x8000_0000_0000_0000])
                Touch(text, 1, address, false, false, ref label);
        }

        Line(text, "csrw satp, zero", "li a0, 0xb000000000080101", "csrw satp, a0", "csrr a1, satp", "li a0, 0x7000000000080101", "csrw satp, a0", "csrr a1, satp");
        return text.ToString();
    }

    /// <summary>SUM, MXR and MPRV over pages of user and supervisor, with the changes in between and no fence.</summary>
    private static string Rights()
    {
        var text = new StringBuilder();
        int label = 0;
        foreach (ulong leaf in (ulong[])[0xDF, 0xCF, 0xD9, 0xC9, 0xD3, 0xC3])
        {
            Map(text, 3, 0, leaf | 0x8011_0000UL >> 12 << 10);
            for (int bits = 0; bits < 8; bits++)
            {
                Touch(text, 1, 0x4_0000_0000, (bits & 1) != 0, (bits & 2) != 0, ref label);
                Touch(text, 0, 0x4_0000_0000, (bits & 1) != 0, (bits & 2) != 0, ref label);

                // From machine mode with the other mode's eyes.
                Line(text, $"li a0, 0x{1 << 17 | (bits >> 2) << 11 | (bits & 3) << 18:x}", "csrw mstatus, a0", "li a3, 0x400000000", "li s1, 0", "ld a4, 0(a3)",
                    "li a0, 0x20000", "csrs mstatus, a0", "sd a4, 0(a3)", "csrw mstatus, zero");
            }
        }

        return text.ToString();
    }

    /// <summary>Builds tables whose path to the address 0x4_0000_0000 ends at a level in the given entry, and puts them in force.</summary>
    private static void Map(StringBuilder text, int levels, int level, ulong leaf)
    {
        ulong table = 0x8010_1000;
        for (int at = levels - 1; at >= level; at--)
        {
            int index = at == 2 ? 16 : 0;
            ulong entry = at == level ? leaf : (table + 0x1000) >> 12 << 10 | 1;
            Line(text, $"li a0, 0x{table + ((ulong)index * 8):x}", $"li a1, 0x{entry:x}", "sd a1, 0(a0)");
            table += 0x1000;
        }

        // The program itself, for both modes to execute: gigabyte pages at the level of gigabytes.
        ulong gigabytes = 0x8010_1000UL + ((ulong)(levels - 3) * 0x1000);
        Line(text, $"li a0, 0x{gigabytes + (2 * 8):x}", "li a1, 0x200000cf", "sd a1, 0(a0)", $"li a0, 0x{gigabytes + (1 * 8):x}", "li a1, 0x200000df", "sd a1, 0(a0)");
        Line(text, $"li a0, 0x{((ulong)(levels + 5) << 60) | 0x80101:x}", "csrw satp, a0", "sfence.vma");
    }

    /// <summary>Load, store and fetch at an address from a mode; each trap goes on behind it, a fetch comes back by an environment call.</summary>
    private static void Touch(StringBuilder text, int mode, ulong address, bool sum, bool mxr, ref int label)
    {
        int status = mode << 11 | (sum ? 1 << 18 : 0) | (mxr ? 1 << 19 : 0);
        Line(text, $"li a0, 0x{status:x}", "csrw mstatus, a0", $"la a1, to{label}");

        // User mode sees the program a gigabyte lower.
        if (mode == 0)
            Line(text, "li a0, 0x40000000", "sub a1, a1, a0");
        Line(text, "csrw mepc, a1", "li s1, 0", $"li a3, 0x{address:x}", "mret", $"to{label}:", "ld a4, 0(a3)", "sd a4, 8(a3)", $"la s1, back{label}");
        if (mode == 0)
            Line(text, "li a0, 0x40000000", "add s1, s1, a0");
        Line(text, "ecall", $"back{label}:", "csrw mstatus, zero");

        // The fetch: what lies there is no instruction, or nothing may be fetched; either way it traps.
        Line(text, $"li a0, 0x{status:x}", "csrw mstatus, a0", $"li a3, 0x{address:x}", "csrw mepc, a3", $"la s1, fetched{label}", "mret", $"fetched{label}:", "csrw mstatus, zero");
        label++;
    }

    private static void Line(StringBuilder text, params ReadOnlySpan<string> lines)
    {
        foreach (string line in lines)
            text.Append(CultureInfo.InvariantCulture, $"    {line}\n");
    }
}
