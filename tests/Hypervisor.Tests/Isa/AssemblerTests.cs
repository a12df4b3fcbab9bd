using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Core.Isa;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Isa;

public class AssemblerTests
{
    private const string Corpus =
        """
        .equ COUNT, 12
        SIZE = COUNT * 8 + 4 | 1
        .macro push2 first, second=ra
            addi sp, sp, -16
            sd \first, 0(sp)
            sd \second, 8(sp)
        .Lskip\@: bnez \first, .Lskip\@
        .endm
        .text
        .globl _start
        _start:
            la sp, stack_top        # the stack
            lla a0, message
            li t0, 0; li t1, -1; li t2, 2047; li t3, 2048
            li t4, 0x12345678
            li t5, 0x123456789abcdef0
            li t6, 0x8000000000000000
            li s2, -0x80000001
            li s3, 0x7fffffff
            li s4, 0xfffffffffffff800
            li s5, 1 << 40
            li s6, 0x7fffffffffffffff
            li s7, 0xffffffff
            li s8, 'A'
            push2 a0
            push2 a1, a2
            call function
            tail function
            jal 1f
            jal t0, 1f
            j 1f
        1:  beqz a0, 1b
            bnez a0, 2f
            bgt a0, a1, 2f
            ble a0, a1, 2f
            bgtu a0, a1, 1b
            bleu a0, a1, 1b
            blez a0, 1b
            bgez a0, 1b
            bltz a0, 1b
            bgtz a0, 1b
        2:  jr a0
            jr 8(a0)
            jalr a1
            jalr a0, a1
            jalr a0, 12(a1)
            jalr zero, a1, 4
            ret
            mv a0, a1
            not a0, a1
            neg a0, a1
            negw a0, a1
            sext.w a0, a1
            sext.b a0, a1
            sext.h a0, a1
            zext.b a0, a1
            zext.h a0, a1
            zext.w a0, a1
            seqz a0, a1
            snez a0, a1
            sltz a0, a1
            sgtz a0, a1
            sgt a0, a1, a2
            add a0, a1, 5
            and a0, a1, -5
            addw a0, a1, 5
            sltu a0, a1, 7
            sll a0, a1, 63
            sllw a0, a1, 31
            addi a0, a1, SIZE
            csrr a0, mstatus
            csrw mtvec, a0
            csrw sscratch, 5
            csrs mie, a0
            csrc 0x304, a0
            csrwi satp, 0
            csrsi mstatus, 8
            csrci mstatus, 8
            csrrw a0, pmpaddr15, a1
            rdtime a0
            rdcycle a0
            rdinstret a0
            frcsr a0
            fscsr a0
            fscsr a0, a1
            frrm a0
            fsrm a0
            frflags a0
            fsflags a0, a1
            fmv.s fa0, fa1
            fneg.d fa0, fa1
            fabs.s fa0, fa1
            fadd.s fa0, fa1, fa2
            fadd.d fa0, fa1, fa2, rtz
            fmadd.d fa0, fa1, fa2, fa3, rup
            fcvt.w.s a0, fa0, rtz
            fcvt.d.w fa0, a0
            fcvt.d.l fa0, a0
            fcvt.s.d fa0, fa1, rmm
            fgt.s a0, fa0, fa1
            fge.d a0, fa0, fa1
            fmv.x.s a0, fa0
            fsqrt.d ft0, ft1
            flh fa0, 2(a0)
            fsh fa0, -2(a0)
            fmadd.h fa0, fa1, fa2, fa3, rmm
            fcvt.h.d fa0, fa1
            fcvt.s.h fa0, fa1
            fcvt.lu.h a0, fa1, rtz
            fmv.h fa0, fa1
            fneg.h fa0, fa1
            fabs.h fa0, fa1
            fgt.h a0, fa0, fa1
            prefetch.i 2016(a0)
            prefetch.r -2048(a0)
            prefetch.w (a0)
            wrs.nto
            clmulr a0, a1, a2
            packw a0, a1, a2
            brev8 a0, a1
            xperm4 a0, a1, a2
            fence
            fence rw, w
            fence.tso
            fence.i
            pause
            sfence.vma
            sfence.vma a0
            sfence.vma a0, a1
            ecall
            ebreak
            wfi
            mret
            sret
            unimp
            lr.w a0, (a1)
            lr.d.aq a0, 0(a1)
            sc.w.rl a0, a1, (a2)
            amoadd.w.aqrl a0, a1, (a2)
            amomaxu.d a0, a1, (a2)
            lw a0, counter
            sd a0, counter, t0
            fld fa0, counter, t1
            lui a0, %hi(0x12345fff)
            addi a0, a0, %lo(0x12345fff)
        3:  auipc a0, %pcrel_hi(counter)
            ld a1, %pcrel_lo(3b)(a0)
            sd a1, %pcrel_lo(3b)(a0)
            lui a0, 0xfffff
            lb a0, -1(a1)
            sw a0, COUNT(sp)
            bclri a0, a1, 63
            sh3add.uw a0, a1, a2
        .rept 3
            nop
        .endr
        .if SIZE > 100
            li a0, 1
        .elseif COUNT == 12
            li a0, 2
        .else
            li a0, 3
        .endif
        .ifdef NOTHERE
            unknown instruction
        .endif
        .irp reg, s0, s1, s2
            mv \reg, zero
        .endr
            .byte 1
            .balign 16
        function: ret
            .balign 16 # GNU as pads a section to its alignment
        .data
        counter: .dword 0x1122334455667788, function, -1
            .byte 1, 'a', -1, 255, '\n'
            .half 0xffff
            .p2align 3
            .word function - _start, ~1, 10 % 3, 7 / 2, -8 >> 60, 6 ^ 3
            .quad . - counter
            .ascii "hello, \"world\"\n"
            .asciz "a;b#c", "\x41\101\t"
            .space 5, 0xaa
            .fill 3, 2, 0x1234
            .double 1.5, -0.1
            .float 0.1
        message: .string "end" # done
            .balign 8 /* over
            two lines */
        .bss
            .balign 16
            .skip 4096
        stack_top:
            .skip 8
        """;

    [PeerFact(Objdump.As, Objdump.Linker, Objdump.Objcopy)]
    public void Assembler_Corpus_MakesTheBytesOfGnuAs()
    {
        var program = Assembler.Assemble(Corpus, new AssemblerOptions { TextBase = 0x80000000, DataBase = 0x80010000 });
        foreach (var name in new[] { ".text", ".data" })
        {
            var section = program.Sections.Single(section => section.Name == name);
            var expected = Objdump.Link(Corpus, name, "-Ttext=0x80000000", "-Tdata=0x80010000", $"-Tbss=0x{BssAddress(program):x}");
            var actual = section.Bytes.ToArray();
            for (var offset = 0; offset + 4 <= Math.Min(expected.Length, actual.Length); offset += 4)
            {
                uint ours = BitConverter.ToUInt32(actual, offset), theirs = BitConverter.ToUInt32(expected, offset);
                Assert.True(ours == theirs, $"{name}+0x{offset:x}: {ours:x8} {Disassembler.Format(Decoder.Decode(ours), 0)}, "
                    + $"GNU as {theirs:x8} {Disassembler.Format(Decoder.Decode(theirs), 0)}");
            }

            Assert.Equal(expected, actual);
        }
    }

    private static ulong BssAddress(AssembledProgram program) => program.Sections.Single(section => section.Name == ".bss").Address;

    [Fact]
    public void Assembler_DisassembledInstruction_AssemblesToTheSameWord()
    {
        var rows = InstructionTable.Rows[1..].ToArray();
        var words = from row in Gen.Elements(rows)
                    from seed in Gen.Choose(0, int.MaxValue)
                    select RandomWords.Of(row, new Random(seed), seed);
        foreach (var aliases in new[] { false, true })
        {
            Property.ForAll(
                words,
                word =>
                {
                    var decoded = Decoder.Decode(word);
                    if (decoded.RoundingMode is 5 or 6)
                    {
                        return true; // reserved, no syntax
                    }

                    var text = Disassembler.Format(decoded, 0x100000, aliases);
                    var program = Assembler.Assemble(text, new AssemblerOptions { TextBase = 0x100000 });
                    var bytes = program.Sections.Single().Bytes.Span;
                    return bytes.Length == 4 && Decoder.Decode(BitConverter.ToUInt32(bytes)) == decoded;
                },
                cases: 2000);
        }
    }

    [Theory]
    [InlineData("nop\nj nowhere", "k.s:2: undefined symbol 'nowhere'")]
    [InlineData("j 1f", "k.s:1: undefined symbol '1f'")]
    [InlineData("addi a0, a0, 2048", "k.s:1: immediate 2048 is out of range -2048..2047 for 'addi'")]
    [InlineData("slli a0, a0, 64", "k.s:1: immediate 64 is out of range 0..63 for 'slli'")]
    [InlineData("lui a0, 0x100000", "k.s:1: immediate 1048576 is out of range 0..1048575 for 'lui'")]
    [InlineData("prefetch.r 33(a0)", "k.s:1: immediate 33 must be a multiple of 32 for 'prefetch.r'")]
    [InlineData("prefetch.r a0", "k.s:1: 'a0' must be an address like 32(a0)")]
    [InlineData("frobnicate a0", "k.s:1: unknown instruction 'frobnicate'")]
    [InlineData(".frob", "k.s:1: unknown directive '.frob'")]
    [InlineData("x: nop\nx: nop", "k.s:2: 'x' is already defined in line 1")]
    [InlineData("add a0, a1", "k.s:1: 'add' takes 3 operands, not 2")]
    [InlineData("add a0, a1, q9", "k.s:1: undefined symbol 'q9'")]
    [InlineData("sub a0, a1, 4", "k.s:1: '4' is not an integer register")]
    [InlineData("a: .space 5000\nbeqz a0, a", "k.s:2: target is -5000 bytes away, out of range -4096..4094 for 'beq'")]
    [InlineData(".byte 256", "k.s:1: value 256 is out of range -128..255 for 8 bits")]
    [InlineData(".word 1 / 0", "k.s:1: division by zero")]
    [InlineData(".equ a, b\n.equ b, a\n.dword a", "k.s:3: symbol 'a' is defined by itself")]
    [InlineData(".if 1\nnop", "k.s:1: .endif missing for this .if")]
    [InlineData(".macro m a\nnop", "k.s:1: .endm missing for this .macro")]
    [InlineData(".macro m\nfrob\n.endm\n\nm", "k.s:2: unknown instruction 'frob' (in macro m, called in line 5)")]
    [InlineData(".bss\n.word 1", "k.s:2: section .bss has no content, only zeros fit in; use .data")]
    [InlineData(".data\nnop", "k.s:2: instruction in section .data, which is not executable")]
    [InlineData(".space 0x7fffffffffffffff", "k.s:1: the program grows beyond 256 MiB")]
    [InlineData(".asciz \"abc", "k.s:1: string without its closing quote")]
    [InlineData(".section foo\nnop", "k.s:1: section foo needs flags, such as .section foo,\"aw\"")]
    public void Assembler_BadSource_NamesLineAndCause(string source, string message)
    {
        var error = Assert.Throws<HypervisorException>(() => Assembler.Assemble(source, new AssemblerOptions { Name = "k.s" }));
        Assert.Equal(message, error.Message.Split('\n')[0]);
    }

    [Fact]
    public void Assembler_ManyErrors_ReportsTwentyAndStops()
    {
        var error = Assert.Throws<HypervisorException>(() => Assembler.Assemble(string.Concat(Enumerable.Repeat("frob\n", 50))));
        Assert.Equal(21, error.Message.Split('\n').Length);
        Assert.EndsWith("stopped after 20 errors", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(".macro m\nm\n.endm\nm")]
    [InlineData(".macro m a\nm \\a\\a\n.endm\nm x")]
    [InlineData(".rept 1000000000\n.rept 1000000000\n.equ a, 1\n.endr\n.endr")]
    public void Assembler_EndlessExpansion_IsAnError(string source)
        => Assert.Throws<HypervisorException>(() => Assembler.Assemble(source));

    [Fact]
    public void Assembler_DeeplyNestedExpression_IsAnErrorNotAStackOverflow()
        => Assert.Throws<HypervisorException>(() => Assembler.Assemble($".word {new string('(', 100_000)}1"));

    [Fact]
    public void Assembler_RandomText_EitherAssemblesOrReports()
    {
        var pieces = Gen.Elements(
            "add", "a0", ",", "(", ")", "\n", " ", ":", "1", "1f", ".macro", ".endm", ".rept", ".endr", "\\", "\"", "'", ".if", ".else",
            ".endif", "=", "%lo", "x", ".word", "-", "<<", ".section", "/*", "*/", "#", ";", ".align", "li", "call", "@", "\\@", "0x");
        Property.ForAll(
            Gen.ListOf(pieces),
            parts =>
            {
                try
                {
                    _ = Assembler.Assemble(string.Join(' ', parts)).ToElf();
                }
                catch (HypervisorException)
                {
                }

                return true;
            },
            cases: 3000);
    }

    [Fact]
    public void AssembledProgram_Layout_PutsSectionsOnPagesOfTheirOwn()
    {
        var program = Assembler.Assemble(
            ".data\nd: .byte 1\n.text\nt: nop\n.globl _start\n_start: nop\n.rodata\nr: .byte 2\n.bss\nb: .skip 8",
            new AssemblerOptions { TextBase = 0x80000000 });
        Assert.Equal([".text", ".rodata", ".data", ".bss"], program.Sections.Select(section => section.Name));
        Assert.Equal(0x80000004u, program.Entry);
        Assert.Equal(0x80000000u, program.ImageBase);
        Assert.Equal((0x80000000u, 0x80001000u, 0x80002000u, 0x80002001u),
            (program.Symbols["t"], program.Symbols["r"], program.Symbols["d"], program.Symbols["b"]));
        var image = program.ToImage();
        Assert.Equal(0x2001, image.Length);
        Assert.Equal((2, 1), (image[0x1000], image[0x2000]));
    }

    [PeerFact("qemu-riscv64-static")]
    public void AssembledProgram_Elf_RunsUnderQemu()
    {
        var program = Assembler.Assemble(
            """
            .equ text_size, 6
            .globl _start
            _start:
                la t0, counter
                ld t1, 0(t0)
                addi t1, t1, 1
                sd t1, 0(t0)
                la t2, zeros
                ld t3, 0(t2)
                bnez t3, fail
                li a0, 1
                la a1, text
                li a2, text_size
                li a7, 64
                ecall
                lw a0, counter
                li a7, 93
                ecall
            fail: unimp
            .rodata
            text: .ascii "hello\n"
            .data
            counter: .dword 0
            .bss
            zeros: .skip 8192
            """);
        using var folder = new TemporaryFolder();
        var path = folder.Write("a.elf", program.ToElf());
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        using var process = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("qemu-riscv64-static", [path]) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal("hello\n", output);
        Assert.Equal(1, process.ExitCode);
    }

    [PeerFact("riscv64-linux-gnu-readelf")]
    public void AssembledProgram_Elf_IsSoundForReadelf()
    {
        var program = Assembler.Assemble(Corpus);
        using var folder = new TemporaryFolder();
        var output = Peer.Run("riscv64-linux-gnu-readelf", "-aW", folder.Write("a.elf", program.ToElf()));
        Assert.DoesNotContain("rror", output, StringComparison.Ordinal);
        Assert.DoesNotContain("arning", output, StringComparison.Ordinal);
        Assert.Contains("GLOBAL DEFAULT    1 _start", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Assembler_LaterSet_DoesNotChangeEarlierUse()
    {
        var program = Assembler.Assemble(".set x, 1\n.data\n.byte x\n.set x, x + 1\n.byte x");
        Assert.Equal([1, 2], program.Sections.Single().Bytes.ToArray());
    }

    [Fact]
    public void Assembler_Constants_AreSymbolsOfTheSource()
    {
        var program = Assembler.Assemble(
            ".data\n.byte VALUE", new AssemblerOptions { Constants = new Dictionary<string, long> { ["VALUE"] = 7 } });
        Assert.Equal([7], program.Sections.Single().Bytes.ToArray());
    }

    [Fact]
    public void Assembler_LoadImmediate_BuildsTheValue()
    {
        Property.ForAll(
            from bits in Gen.Choose(0, 63) from high in Gen.Choose(int.MinValue, int.MaxValue) from low in Gen.Choose(int.MinValue, int.MaxValue)
            select ((long)high << 32 | (uint)low) >> bits,
            value =>
            {
                var code = Assembler.Assemble($"li a0, {value}").Sections.Single().Bytes.Span;
                long result = 0;
                for (var offset = 0; offset < code.Length; offset += 4)
                {
                    var i = Decoder.Decode(BitConverter.ToUInt32(code[offset..]));
                    var source = i.Rs1 == 0 ? 0 : result;
                    result = i.Opcode switch
                    {
                        Opcode.Lui => i.Immediate,
                        Opcode.Addi => source + i.Immediate,
                        Opcode.Addiw => (int)(source + i.Immediate),
                        _ => source << i.Immediate,
                    };
                }

                return result == value && code.Length <= 32;
            },
            cases: 2000);
    }
}
