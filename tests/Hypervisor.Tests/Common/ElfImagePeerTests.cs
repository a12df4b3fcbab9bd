using System.Globalization;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Common;

/// <summary>Holds the parser against what binutils says of files that gcc made.</summary>
public sealed class ElfImagePeerTests
{
    private const string Gcc = "riscv64-linux-gnu-gcc";
    private const string ReadElf = "riscv64-linux-gnu-readelf";

    [PeerFact(Gcc, ReadElf)]
    public void Parse_StaticProgram_AgreesWithReadelf() => Compare("-static");

    [PeerFact(Gcc, ReadElf)]
    public void Parse_DynamicPie_AgreesWithReadelf() => Compare("-pie");

    private static void Compare(string kind)
    {
        using var folder = new TemporaryFolder();
        var source = folder.Write("program.c", "int tohost = 7; int zeros[999]; int main(void) { return zeros[0]; }"u8);
        var program = folder["program"];
        Peer.Run(Gcc, kind, "-fPIE", "-o", program, source);
        var image = ElfImage.Parse(File.ReadAllBytes(program), program);

        var lines = Peer.Run(ReadElf, "-hlW", program).Split('\n', StringSplitOptions.TrimEntries);
        string Field(string name) => lines.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(':', 2)[1].Trim();
        Assert.Equal(Hex(Field("Entry point address")), image.Entry);
        Assert.Equal(Field("Type").StartsWith("DYN", StringComparison.Ordinal), image.IsPositionIndependent);
        Assert.Equal(Field("Flags").Contains("RVC", StringComparison.Ordinal), image.UsesCompressed);
        Assert.Contains("double-float ABI", Field("Flags"), StringComparison.Ordinal);
        Assert.Equal(ElfFloatAbi.Double, image.FloatAbi);
        Assert.Equal(int.Parse(Field("Number of program headers"), CultureInfo.InvariantCulture), image.ProgramHeaderCount);
        var interpreter = lines.FirstOrDefault(line => line.Contains("interpreter:", StringComparison.Ordinal));
        Assert.Equal(interpreter?.Split(':')[1].Trim(' ', ']'), image.Interpreter);

        var loads = lines.Where(line => line.StartsWith("LOAD", StringComparison.Ordinal))
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).ToArray();
        Assert.Equal(loads.Length, image.Segments.Count);
        for (var i = 0; i < loads.Length; i++)
        {
            var segment = image.Segments[i];
            Assert.Equal(Hex(loads[i][1]), segment.FileOffset);
            Assert.Equal(Hex(loads[i][2]), segment.VirtualAddress);
            Assert.Equal(Hex(loads[i][3]), segment.PhysicalAddress);
            Assert.Equal(Hex(loads[i][4]), (ulong)segment.Data.Length);
            Assert.Equal(Hex(loads[i][5]), segment.MemorySize);
            Assert.Equal(Hex(loads[i][^1]), segment.Alignment);
            var flags = string.Concat(loads[i][6..^1]);
            Assert.Equal(flags.Contains('E', StringComparison.Ordinal), segment.Access.HasFlag(ElfAccess.Execute));
            Assert.Equal(flags.Contains('W', StringComparison.Ordinal), segment.Access.HasFlag(ElfAccess.Write));
        }

        var symbol = Peer.Run(ReadElf, "-sW", program).Split('\n')
            .Last(line => line.EndsWith(" tohost", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(image.TryGetSymbol("tohost", out var address));
        Assert.Equal(Hex(symbol[1]), address);
        var headers = lines.FirstOrDefault(line => line.StartsWith("PHDR", StringComparison.Ordinal));
        Assert.Equal(headers is null ? image.LowestAddress + 64 : Hex(headers.Split(' ', StringSplitOptions.RemoveEmptyEntries)[2]), image.ProgramHeadersAddress);
    }

    private static ulong Hex(string text)
        => ulong.Parse(text.StartsWith("0x", StringComparison.Ordinal) ? text[2..] : text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
