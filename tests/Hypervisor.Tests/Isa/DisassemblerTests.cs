using Hypervisor.Core.Isa;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Isa;

public class DisassemblerTests
{
    private const int WordsPerRow = 40;

    [PeerFact(Objdump.As, Objdump.Tool)]
    public void Disassembler_EveryRowWithRandomOperands_WritesWhatObjdumpWritesWithoutAliases()
        => CompareWithObjdump(aliases: false);

    [PeerFact(Objdump.As, Objdump.Tool)]
    public void Disassembler_EveryRowWithRandomOperands_WritesWhatObjdumpWrites()
        => CompareWithObjdump(aliases: true);

    private static void CompareWithObjdump(bool aliases)
    {
        var random = new Random(20);
        var words = new List<uint>();
        foreach (var row in InstructionTable.Rows[1..])
        {
            // The installed binutils may be older than Zicond.
            if (row.Extension == IsaExtension.Zicond)
            {
                continue;
            }

            for (var index = 0; index < WordsPerRow; index++)
            {
                words.Add(RandomWords.Of(row, random, index));
            }
        }

        var expected = Objdump.Disassemble(words, aliases);
        var differences = new List<string>();
        for (var index = 0; index < words.Count; index++)
        {
            var actual = Disassembler.Format(Decoder.Decode(words[index]), (ulong)index * 4, aliases);
            if (actual != expected[index])
            {
                differences.Add($"{words[index]:x8}: ours '{actual}', objdump '{expected[index]}'");
            }
        }

        Assert.True(differences.Count == 0, string.Join('\n', differences.Take(60)));
    }

    [Fact]
    public void Disassembler_IllegalWord_WritesItsBytes()
    {
        Assert.Equal(".4byte 0xffffffff", Disassembler.Format(Decoder.Decode(0xffffffff), 0));
        Assert.Equal(".2byte 0x0", Disassembler.Format(Decoder.Decode(0), 0));
    }

    [Theory]
    [InlineData(0x0e7350b3u, "czero.eqz ra,t1,t2")]
    [InlineData(0x0e7370b3u, "czero.nez ra,t1,t2")]
    [InlineData(0x8330000fu, "fence.tso")]
    [InlineData(0x0000006fu, "j 0x1000")]
    [InlineData(0xffdff06fu, "j 0xffc")]
    public void Disassembler_KnownWord_WritesIt(uint word, string text)
        => Assert.Equal(text, Disassembler.Format(Decoder.Decode(word), 0x1000));
}
