using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Isa;

/// <summary>GNU binutils as the outside judge of encodings.</summary>
internal static partial class Objdump
{
    public const string As = "riscv64-linux-gnu-as";
    public const string Tool = "riscv64-linux-gnu-objdump";
    public const string Linker = "riscv64-linux-gnu-ld";
    public const string Objcopy = "riscv64-linux-gnu-objcopy";
    public const string Architecture = "rv64gcv_zba_zbb_zbs_zicbom_zicboz_svinval_zihintpause_zicbop_zawrs_zbc_zbkb_zbkc_zbkx_zfh_zknd_zkne_zknh_zkr_zksed_zksh";

    /// <summary>What objdump prints for each word, the first at address 0, spaces and symbols normalised.</summary>
    public static string[] Disassemble(IReadOnlyList<uint> words, bool aliases)
    {
        var source = new StringBuilder();
        foreach (var word in words)
        {
            source.Append((word & 3) == 3 ? ".insn 4, 0x" : ".insn 2, 0x").Append($"{word:x}\n");
        }

        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a.s"], source.ToString());
        Peer.Run(As, "-march=" + Architecture, folder["a.s"], "-o", folder["a.o"]);
        var arguments = aliases ? new[] { "-dz", folder["a.o"] } : ["-dz", "-M", "no-aliases", folder["a.o"]];
        var lines = Peer.Run(Tool, arguments).Split('\n')
            .Select(line => Line().Match(line))
            .Where(match => match.Success)
            .Select(match => Normalise(match.Groups[1].Value, aliases))
            .ToArray();
        Assert.Equal(words.Count, lines.Length);
        return lines;
    }

    /// <summary>The bytes of a section that GNU as and ld make of a source, without compression or relaxation.</summary>
    public static byte[] Link(string source, string section, params string[] linkerArguments)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a.s"], ".option norvc\n" + source + "\n");
        Peer.Run(As, "-march=" + Architecture, "-mno-relax", folder["a.s"], "-o", folder["a.o"]);
        Peer.Run(Linker, ["--no-relax", .. linkerArguments, folder["a.o"], "-o", folder["a.elf"]]);
        Peer.Run(Objcopy, "-O", "binary", "-j", section, folder["a.elf"], folder["a.bin"]);
        return File.ReadAllBytes(folder["a.bin"]);
    }

    private static string Normalise(string text, bool aliases)
    {
        text = text.Split(" # ")[0].Trim();
        var target = Symbol().Match(text);
        if (target.Success)
        {
            var address = target.Groups[2].Value;
            address = address.StartsWith("0x", StringComparison.Ordinal) ? address[2..] : address;
            text = $"{target.Groups[1].Value}0x{ulong.Parse(address, NumberStyles.HexNumber, CultureInfo.InvariantCulture):x}";
        }

        // Binutils before 2.41 take "add" for "addi" as the name to prefer wherever the third operand is a number.
        text = text.Replace('\t', ' ');
        return aliases ? ShortImmediate().Replace(text, "$1i$2 $3") : text;
    }

    [GeneratedRegex(@"^ +[0-9a-f]+:\t[0-9a-f]+ +\t(.*)$")]
    private static partial Regex Line();

    [GeneratedRegex(@"^(add|xor|or|and|slt|sll|srl|sra|ror|bclr|bext|binv|bset|csrr?[wsc])(w|u|) (\w+,\w+,-?\d.*|\w+,\d+)$")]
    private static partial Regex ShortImmediate();

    [GeneratedRegex(@"^(.*[\t,])((?:0x)?[0-9a-f]+) <.*>$")]
    private static partial Regex Symbol();
}
