using System.Globalization;
using Hypervisor.Core.Isa;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Isa;

public class DecoderTests
{
    [Fact]
    public void Decoder_EveryTableRow_DecodesToItsOwnOpcode()
    {
        var random = new Random(1);
        foreach (var row in InstructionTable.Rows[1..])
        {
            for (var index = 0; index < 100; index++)
            {
                var word = RandomWords.Of(row, random, index);
                var decoded = Decoder.Decode(word);
                Assert.Equal(row.Opcode, decoded.Opcode);
                Assert.Equal(4, decoded.Length);
                Assert.Equal(word, decoded.Raw);
                Assert.Equal(word, Encoder.Encode(decoded));
            }
        }
    }

    [Fact]
    public void Decoder_RandomWord_AgreesWithLinearSearchOfTable()
    {
        var random = new Random(2);
        var rows = InstructionTable.Rows[1..].ToArray();
        for (var index = 0; index < 300_000; index++)
        {
            // Half of the words are near misses of a real instruction: one bit flipped.
            var word = index % 2 == 0
                ? (uint)random.NextInt64(1L << 32) | 3
                : RandomWords.Of(rows[random.Next(rows.Length)], random, index / 2) ^ 1u << random.Next(2, 32);
            var expected = Opcode.Illegal;
            var mostSpecific = -1;
            foreach (var row in rows)
            {
                var bits = System.Numerics.BitOperations.PopCount(row.Mask);
                if ((word & row.Mask) == row.Match && bits > mostSpecific)
                {
                    (expected, mostSpecific) = (row.Opcode, bits);
                }
            }

            if ((expected == Opcode.Aes64Ks1i && (word >> 20 & 15) > 10)
                || (InstructionTable.Get(expected).Format == InstructionFormat.VectorWhole && word >> 29 is not (0 or 1 or 3 or 7)))
            {
                expected = Opcode.Illegal;
            }

            var decoded = Decoder.Decode(word);
            Assert.True(expected == decoded.Opcode, $"{word:x8}: {decoded.Opcode}, expected {expected}");
            Assert.Equal(4, decoded.Length);
        }
    }

    [Fact]
    public void InstructionTable_Rows_StandInOpcodeOrderAndMatchWithinTheirMask()
    {
        Assert.Equal(Enum.GetValues<Opcode>().Length, InstructionTable.Rows.Length);
        for (var index = 0; index < InstructionTable.Rows.Length; index++)
        {
            var row = InstructionTable.Rows[index];
            Assert.Equal(index, (int)row.Opcode);
            Assert.Equal(0u, row.Match & ~row.Mask);
        }
    }

    [Fact]
    public void Decoder_InstructionStruct_IsSixteenBytes()
        => Assert.Equal(16, System.Runtime.CompilerServices.Unsafe.SizeOf<Instruction>());

    [Theory]
    [InlineData(0x00000000u, 2)] // all zeros, the defined illegal instruction
    [InlineData(0x00008002u, 2)] // c.jr with rs1 = x0
    [InlineData(0x00002001u, 2)] // c.addiw with rd = x0
    [InlineData(0x00006101u, 2)] // c.addi16sp with a zero immediate
    [InlineData(0x00006281u, 2)] // c.lui with a zero immediate
    [InlineData(0xffffffffu, 4)]
    [InlineData(0x0200101bu, 4)] // slliw with shamt[5] set
    [InlineData(0x04001013u, 4)] // slli with bit 26 set
    [InlineData(0xc0400053u, 4)] // fcvt.w.s with a reserved rs2
    [InlineData(0x1010202fu, 4)] // lr.w with rs2 set
    [InlineData(0x06000053u, 4)] // fadd in quadruple precision
    [InlineData(0x00200073u, 4)] // uret, of the withdrawn N extension
    public void Decoder_ReservedEncoding_IsIllegalWithItsLength(uint word, int length)
    {
        var decoded = Decoder.Decode(word);
        Assert.Equal(Opcode.Illegal, decoded.Opcode);
        Assert.Equal(length, decoded.Length);
        Assert.Equal(word, decoded.Raw);
    }

    [Fact]
    public void Decoder_CompressedWord_LooksOnlyAtItsSixteenBits()
    {
        var decoded = Decoder.Decode(0xdead_4505);
        Assert.Equal(Opcode.Addi, decoded.Opcode);
        Assert.Equal((10, 0, 1), (decoded.Rd, decoded.Rs1, decoded.Immediate));
        Assert.Equal(2, decoded.Length);
        Assert.Equal(0x4505u, decoded.Raw);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    public void Decoder_ReservedRoundingMode_StaysInTheInstruction(int mode)
    {
        var decoded = Decoder.Decode(0x00000053 | (uint)mode << 12);
        Assert.Equal(Opcode.FaddS, decoded.Opcode);
        Assert.Equal(mode, decoded.RoundingMode);
    }

    [PeerFact(Objdump.As, Objdump.Tool)]
    public void Decoder_EveryCompressedHalfword_ExpandsAsObjdumpSays()
    {
        // Objdump writes c.addi16sp with a zero immediate, which the specification reserves.
        var halves = Enumerable.Range(0, 65536).Where(half => (half & 3) != 3 && half != 0x6101).Select(half => (uint)half).ToArray();
        var expected = Objdump.Disassemble(halves, aliases: false);
        var differences = new List<string>();
        for (var index = 0; index < halves.Length; index++)
        {
            var decoded = Decoder.Decode(halves[index]);
            var actual = Disassembler.Format(decoded, (ulong)index * 2, aliases: false);
            var wanted = Expand(expected[index]);
            if (actual != wanted || decoded.Length != 2)
            {
                differences.Add($"{halves[index]:x4}: ours '{actual}', objdump '{expected[index]}' = '{wanted}'");
            }
        }

        Assert.True(differences.Count == 0, $"{differences.Count} differ\n" + string.Join('\n', differences.Take(60)));
    }

    /// <summary>Rewrites objdump's compressed instruction as the 32-bit one that chapter 28 gives as its expansion.</summary>
    private static string Expand(string text)
    {
        var parts = text.Split(' ');
        var operands = parts.Length > 1 ? parts[1].Split(',') : [];
        string Number(string value) => value.StartsWith("0x", StringComparison.Ordinal)
            ? Convert.ToInt32(value, 16).ToString(CultureInfo.InvariantCulture)
            : value;
        switch (parts[0])
        {
            case "c.unimp":
                return ".2byte 0x0";
            case "c.nop":
                return $"addi zero,zero,{(operands.Length == 0 ? "0" : operands[0])}";
            case "c.addi4spn" or "c.addi16sp":
                return $"addi {operands[0]},sp,{Number(operands[^1])}";
            case "c.li":
                return $"addi {operands[0]},zero,{operands[1]}";
            case "c.mv":
                return $"add {operands[0]},zero,{operands[1]}";
            case "c.jr":
                return $"jalr zero,0({operands[0]})";
            case "c.jalr":
                return $"jalr ra,0({operands[0]})";
            case "c.j":
                return $"jal zero,{operands[0]}";
            case "c.beqz" or "c.bnez":
                return $"{parts[0][2..^1]} {operands[0]},zero,{operands[1]}";
            case "c.slli64" or "c.srli64" or "c.srai64":
                return $"{parts[0][2..^2]} {operands[0]},{operands[0]},0x0";
            case "c.addi" or "c.addiw" or "c.andi":
            case "c.slli" or "c.srli" or "c.srai":
            case "c.add" or "c.addw" or "c.sub" or "c.subw" or "c.and" or "c.or" or "c.xor":
                return $"{parts[0][2..]} {operands[0]},{operands[0]},{operands[1]}";
            case "c.lwsp" or "c.ldsp" or "c.swsp" or "c.sdsp" or "c.fldsp" or "c.fsdsp":
                return $"{parts[0][2..^2]} {parts[1]}";
            default:
                return parts[0].StartsWith("c.", StringComparison.Ordinal) ? text[2..] : text;
        }
    }
}
