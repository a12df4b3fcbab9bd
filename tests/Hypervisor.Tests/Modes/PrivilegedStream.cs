using System.Text;

namespace Hypervisor.Tests.Modes;

/// <summary>
/// Random privileged programs that always end: CSR accesses, changes of mode, fences, loads and stores through two sets of
/// page tables, in all three modes, with handlers in machine and supervisor mode that log each trap and go on behind it.
/// </summary>
/// <remarks>
/// Layout: code at 0x8000_0000, which user mode sees at 0x4000_0000; tables at 0x8010_0000; data pages at 0x8011_0000; a log of
/// traps at 0x8020_0000. x31 and x30 belong to the handlers, x29 to the log; the rest is free for the stream.
/// </remarks>
internal static class PrivilegedStream
{
    public const ulong Log = 0x8020_0000;
    public const int LogBytes = 1 << 20;

    private static readonly string[] s_registers = ["a1", "a2", "a3", "a4", "a5", "s2", "s3", "s4"];

    private static readonly string[] s_csrs =
    [
        "mstatus", "sstatus", "mscratch", "sscratch", "mie", "sie", "mip", "sip", "mideleg", "medeleg", "mcounteren", "scounteren",
        "menvcfg", "senvcfg", "mepc", "sepc", "mcause", "scause", "mtval", "stval", "stimecmp", "fcsr", "frm", "misa", "mhartid",
        "mcountinhibit", "0x30c", "0xda0", "pmpcfg2", "pmpaddr9",
    ];

    /// <summary>
    /// Those that QEMU 7.2 answers as the specification says, with the bits that can be compared: it keeps bits of extensions it was
    /// told to leave out, bit 0 of addresses, and upper halves of 32-bit registers.
    /// </summary>
    private static readonly (string Name, ulong Bits)[] s_peerCsrs =
    [
        ("mstatus", 0xC_79AA), ("sstatus", 0xC_6122), ("mscratch", ulong.MaxValue), ("sscratch", ulong.MaxValue), ("mie", 0xAAA), ("sie", 0xAAA),
        ("mip", 0xA2A), ("sip", 0x222), ("mideleg", 0x222), ("medeleg", 0xB1FF), ("mcounteren", uint.MaxValue), ("scounteren", uint.MaxValue),
        ("senvcfg", 0xC1), ("mepc", ~1UL), ("sepc", ~1UL), ("mcause", ulong.MaxValue), ("scause", ulong.MaxValue), ("mtval", ulong.MaxValue),
        ("stval", ulong.MaxValue), ("fcsr", ulong.MaxValue), ("frm", ulong.MaxValue), ("mhartid", ulong.MaxValue), ("0x30c", 0), ("0xda0", 0),
    ];

    private const string Prelude = """
            .option norvc
            .text
            .globl _start
        _start:
            la t0, machine_trap
            csrw mtvec, t0
            la t0, supervisor_trap
            csrw stvec, t0
            li t0, -1
            csrw pmpaddr0, t0
            li t0, 0x1f
            csrw pmpcfg0, t0
            li x29, 0x80200000
            # two roots at 0x80100000 and 0x80101000: user code at 1 GiB, supervisor code at 2 GiB, data at 3 GiB
            li t0, 0x80100000
            li t1, 0x200000df        # U R X W A D -> 0x80000000
            sd t1, 8(t0)
            li t1, 0x200000cf
            sd t1, 16(t0)
            li t1, 0x20040801        # -> 0x80102000
            sd t1, 24(t0)
            li t0, 0x80101000
            li t1, 0x200000df
            sd t1, 8(t0)
            li t1, 0x200000cf
            sd t1, 16(t0)
            li t1, 0x20041001        # -> 0x80104000
            sd t1, 24(t0)
            li t0, 0x80102000
            li t1, 0x20040c01        # -> 0x80103000
            sd t1, 0(t0)
            li t0, 0x80104000
            li t1, 0x20041401        # -> 0x80105000
            sd t1, 0(t0)
            li t0, 0x8000000000080100
            csrw satp, t0
            li s0, 0x80103000
            li s1, 0xc0000000
            li a7, 0
            j stream

            .balign 4
        machine_trap:
            csrr x31, mcause
            sd x31, 0(x29)
            csrr x30, mepc
            sd x30, 8(x29)
            csrr x30, mtval
            sd x30, 16(x29)
            csrr x30, mstatus
            sd x30, 24(x29)
            addi x29, x29, 32
            bltz x31, 2f
            # fetches can only go wrong where the stream ran with rights it lost: no such stream is made
            addi x31, x31, -8
            bltz x31, 1f
            addi x31, x31, -3
            bgtz x31, 1f
            beqz a7, 1f
            # ecall with a7 set: go on in machine mode, at the address that it sees
            li a7, 0
            li x30, 0x1800
            csrs mstatus, x30
            csrr x30, mepc
            li x31, 0x3fffffff
            and x30, x30, x31
            li x31, 0x80000004
            add x30, x30, x31
            csrw mepc, x30
            mret
        1:  csrr x30, mepc
            addi x30, x30, 4
            csrw mepc, x30
            mret
        2:  csrw mie, zero
            mret

            .balign 4
        supervisor_trap:
            csrr x31, scause
            sd x31, 0(x29)
            csrr x30, sepc
            sd x30, 8(x29)
            csrr x30, stval
            sd x30, 16(x29)
            csrr x30, sstatus
            sd x30, 24(x29)
            addi x29, x29, 32
            bltz x31, 2f
            addi x31, x31, -8
            bnez x31, 1f
            beqz a7, 1f
            # from user mode on to machine mode, which the kernel's own ecall always reaches
            ecall
            csrr x30, sepc
            li x31, 0x3fffffff
            and x30, x30, x31
            li x31, 0x80000004
            add x30, x30, x31
            jr x30
        1:  csrr x30, sepc
            addi x30, x30, 4
            csrw sepc, x30
            sret
        2:  csrw sie, zero
            sret

        stream:
        """;

    private const string Epilogue = """

            li a7, 1
            ecall
            csrw mie, zero
            csrr a1, mstatus
            csrr a2, mip
            csrr a3, medeleg
            csrr a4, mideleg
            csrr a5, sepc
            csrr s2, mepc
            csrr s3, sscratch
            csrr s4, instret
            li x30, 0x20000          # no borrowed addresses for what follows
            csrc mstatus, x30
            sd a1, 0(x29)
            sd a2, 8(x29)
            sd a3, 16(x29)
            sd a4, 24(x29)
            sd a5, 32(x29)
            sd s2, 40(x29)
            sd s3, 48(x29)
            sd s4, 56(x29)
            li t0, 0x100000
            li t1, 0x5555
            sw t1, 0(t0)
        1:  j 1b
        """;

    /// <summary>The source of a stream of <paramref name="steps"/> steps from a seed.</summary>
    public static string Generate(int seed, int steps)
    {
        var random = new Random(seed);
        var text = new StringBuilder(Prelude).AppendLine();
        for (int i = 0; i < steps; i++)
            Step(text, random, i);
        return text.Append(Epilogue).ToString();
    }

    /// <summary>The same with only what QEMU 7.2 does too, ending with the log in hexadecimal on the serial port.</summary>
    public static string GenerateForPeer(int seed, int steps)
    {
        var random = new Random(seed);

        // Of several interrupts QEMU takes the one of the lowest number, so that each program has one kind only.
        int interrupt = 1 << new[] { 1, 5, 9 }[seed % 3];

        // QEMU's machine timer is due from reset on, and its device tree lies elsewhere.
        var text = new StringBuilder(Prelude).AppendLine("\n    li t0, 0x2004000\n    li t1, -1\n    sd t1, 0(t0)");
        foreach (string register in s_registers)
            text.AppendLine($"    li {register}, 0");
        for (int i = 0; i < steps; i++)
            Step(text, random, i, interrupt);
        return text.Append(Epilogue.Replace("csrr s4, instret", "li s4, 0\n    andi a5, a5, -2\n    andi s2, s2, -2", StringComparison.Ordinal)
            .Replace("    li t0, 0x100000", PrintLog + "    li t0, 0x100000", StringComparison.Ordinal)).ToString();
    }

    private const string PrintLog = """
            addi s1, x29, 64
            li s0, 0x80200000
            li t0, 0x10000000
        1:  ld t1, 0(s0)
            li t2, 60
        2:  srl t3, t1, t2
            andi t3, t3, 15
            addi t3, t3, 48
            sb t3, 0(t0)
            addi t2, t2, -4
            bgez t2, 2b
            li t3, 10
            sb t3, 0(t0)
            addi s0, s0, 8
            bltu s0, s1, 1b

        """;

    private static void Step(StringBuilder text, Random random, int step, int peerInterrupt = 0)
    {
        bool peer = peerInterrupt != 0;
        string a = Pick(random, s_registers);
        string b = Pick(random, s_registers);
        switch (random.Next(13))
        {
            case < 5:
                if (peer)
                    PeerCsr(text, random, a, b, peerInterrupt);
                else
                    Csr(text, random, a, b);
                break;
            case 5:
                text.AppendLine($"    li {a}, 0x{(ulong)random.NextInt64():x}");
                break;
            case 6:
                GoTo(text, random.Next(3) switch { 0 => 0, 1 => 1, _ => 3 }, step);
                break;
            case 7:
                text.AppendLine("    li a7, 1\n    ecall");
                break;
            case 8:
                // From machine mode only: a page of the data region gets other rights, in either space.
                text.AppendLine($"    li x30, 0x8010{(random.Next(2) == 0 ? 3 : 5)}000\n    li x31, 0x{Page(random, peer):x}");
                text.AppendLine($"    sd x31, {random.Next(8) * 8}(x30)");
                text.AppendLine(Pick(random, ["    sfence.vma", $"    sfence.vma s1, zero", "    sfence.vma zero, a1", peer ? "    nop" : "    sfence.w.inval\n    sinval.vma s1, zero\n    sfence.inval.ir"]));
                text.AppendLine("    sfence.vma");
                break;
            case 9:
                text.AppendLine($"    li x30, 0x8000000000080{(random.Next(2) == 0 ? "100" : "101")}\n    csrw satp, x30");
                break;
            case 10:
                Execute(text, random, a);
                break;
            default:
                Access(text, random, a, b, peer);
                break;
        }
    }

    private static void Csr(StringBuilder text, Random random, string a, string b)
    {
        string csr = Pick(random, s_csrs);
        string operation = Pick(random, ["csrrw", "csrrs", "csrrc"]);

        // Kept away from: TSR, TVM and TW, which would take the handlers' own means, MPRV over the handlers' log,
        // illegal instructions delegated to where they would be raised again, and floating-point state of the host.
        if (csr is "mstatus" or "sstatus")
            text.AppendLine($"    li x30, 0x{random.Next(1 << 24) & 0x0C_61AA:x}\n    {Pick(random, ["csrrs", "csrrc"])} {a}, {csr}, x30");
        else if (csr == "medeleg")
            text.AppendLine($"    li x30, 0x{random.Next(1 << 16) & ~0x200:x}\n    {operation} {a}, medeleg, x30");
        else if (csr is "mip" or "sip")
            text.AppendLine($"    li x30, 0x{random.Next(1 << 12) & 0x222:x}\n    {operation} {a}, {csr}, x30");
        else if (csr == "stimecmp")
            text.AppendLine($"    li x30, {Pick(random, ["0", "-1"])}\n    csrrw {a}, stimecmp, x30\n    li {a}, 0");
        else if (random.Next(4) == 0)
            text.AppendLine($"    {operation}i {a}, {csr}, {random.Next(32)}");
        else
            text.AppendLine($"    {operation} {a}, {csr}, {Pick(random, [b, "zero"])}");
    }

    /// <summary>As <see cref="Csr"/>, and what was read is cut down to the bits that can be compared.</summary>
    private static void PeerCsr(StringBuilder text, Random random, string a, string b, int interrupt)
    {
        (string csr, ulong bits) = s_peerCsrs[random.Next(s_peerCsrs.Length)];
        string operation = Pick(random, ["csrrw", "csrrs", "csrrc"]);
        if (csr is "mstatus" or "sstatus")
            text.AppendLine($"    li x30, 0x{random.Next(1 << 24) & 0x0C_61AA:x}\n    {Pick(random, ["csrrs", "csrrc"])} {a}, {csr}, x30");
        else if (csr == "medeleg")
            text.AppendLine($"    li x30, 0x{random.Next(1 << 16) & 0xB1FF:x}\n    {operation} {a}, medeleg, x30");
        else if (csr is "mip" or "sip")
            text.AppendLine($"    li x30, 0x{random.Next(1 << 12) & 0x222:x}\n    {operation} {a}, {csr}, x30");
        else if (csr is "mie" or "sie" or "mideleg")
            text.AppendLine($"    li x30, 0x{random.Next(1 << 12) & (csr == "mideleg" ? 0x222 : interrupt):x}\n    {operation} {a}, {csr}, x30");
        else if (csr is "fcsr" or "frm" or "mhartid")
            text.AppendLine(csr == "mhartid" ? $"    csrr {a}, mhartid" : $"    csrrw {a}, {csr}, {b}"); // To QEMU csrrs is no write where its register holds zero.
        else if (csr == "senvcfg")
            text.AppendLine($"    li x30, 0x{random.Next(256) & 0xC1:x}\n    {operation} {a}, {csr}, x30");
        else
            text.AppendLine($"    {operation} {a}, {csr}, {Pick(random, [b, "zero"])}");
        text.AppendLine($"    li x30, 0x{bits:x}\n    and {a}, {a}, x30");
    }

    /// <summary>mret to another mode; from below machine mode every line traps and nothing happens.</summary>
    private static void GoTo(StringBuilder text, int mode, int step)
    {
        text.AppendLine($"    li x30, 0x1800\n    csrc mstatus, x30\n    li x30, 0x{mode << 11:x}\n    csrs mstatus, x30");
        text.AppendLine($"    la x30, step{step}");
        if (mode == 0)
            text.AppendLine("    li x31, 0x3fffffff\n    and x30, x30, x31\n    li x31, 0x40000000\n    or x30, x30, x31");
        text.AppendLine($"    csrw mepc, x30\n    mret\nstep{step}:");
    }

    /// <summary>A page that may only be executed, read while MXR comes and goes.</summary>
    private static void Execute(StringBuilder text, Random random, string a)
    {
        int page = random.Next(8);
        text.AppendLine($"    li x31, 0x{0x80110 << 10 | 0xC9 | random.Next(2) << 4:x}");
        foreach (int table in (int[])[3, 5])
            text.AppendLine($"    li x30, 0x8010{table}000\n    sd x31, {page * 8}(x30)");
        text.AppendLine($"    sfence.vma\n    li x30, 0x{0xC000_0000UL + (ulong)page * 4096:x}\n    li {a}, 0x80000");
        foreach (string change in (string[])["csrs", "csrc", "csrs", "csrc"])
            text.AppendLine($"    {change} sstatus, {a}\n    ld zero, 0(x30)");
    }

    private static void Access(StringBuilder text, Random random, string a, string b, bool peer)
    {
        int page = random.Next(8);
        if (peer)
        {
            // No atomics, which QEMU does as a load first; no cache blocks, which it does not know; and aligned, as it rounds the
            // addresses of accesses to nothing.
            text.AppendLine($"    li x30, 0x{0xC000_0000UL + (ulong)page * 4096 + (ulong)random.Next(512) * 8:x}");
            text.AppendLine(Pick(random, [$"    ld {a}, 0(x30)", $"    lb {a}, 0(x30)", $"    lhu {a}, 0(x30)", $"    sd {b}, 0(x30)", $"    sw {b}, 0(x30)", $"    sb {b}, 0(x30)", $"    lr.d {a}, (x30)"]));
            return;
        }

        text.AppendLine($"    li x30, 0x{0xC000_0000UL + (ulong)page * 4096 + (ulong)(random.Next(2) == 0 ? random.Next(512) * 8 : random.Next(4096)):x}");
        text.AppendLine(random.Next(12) switch
        {
            0 => $"    ld {a}, 0(x30)",
            1 => $"    lb {a}, 0(x30)",
            2 => $"    lhu {a}, 0(x30)",
            3 => $"    sd {b}, 0(x30)",
            4 => $"    sw {b}, 0(x30)",
            5 => $"    amoadd.d {a}, {b}, (x30)",
            6 => $"    lr.d {a}, (x30)",
            7 => "    cbo.zero (x30)",
            8 => "    cbo.clean (x30)",
            9 => "    cbo.flush (x30)",
            10 => "    cbo.inval (x30)",
            _ => $"    sb {b}, 0(x30)",
        });
    }

    /// <summary>An entry for a data page: any rights, now and then a memory type or a claim to be part of 64 KiB.</summary>
    private static ulong Page(Random random, bool peer)
    {
        ulong entry = (0x80110UL + (uint)random.Next(4)) << 10 | (uint)random.Next(256);
        if (!peer && random.Next(3) == 0)
            entry |= (ulong)random.Next(4) << 61;

        // QEMU sets A before it looks whether the claim is right.
        return random.Next(10) == 0 ? entry | 1UL << 63 | 8UL << 10 | (peer ? 0xC0UL : 0) : entry;
    }

    private static string Pick(Random random, string[] from) => from[random.Next(from.Length)];
}
