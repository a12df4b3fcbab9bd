using System.Text;
using Hypervisor.Example;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container;

/// <summary>The README's example compiles, is what the README prints, and does what it says.</summary>
public sealed class EmbeddingExampleTests
{
    [Fact]
    public void Readme_Example_IsTheOneThatCompiles()
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "Hypervisor.sln")))
            root = Path.GetDirectoryName(root) ?? throw new DirectoryNotFoundException("Hypervisor.sln lies in no folder above the tests");
        string source = File.ReadAllText(Path.Combine(root, "tests/Hypervisor.Example/EmbeddingExample.cs"));
        int start = source.IndexOf("// <example>", StringComparison.Ordinal) + "// <example>".Length;
        string[] lines = source[start..source.IndexOf("// </example>", StringComparison.Ordinal)].Split('\n')[1..^1];
        string readme = File.ReadAllText(Path.Combine(root, "README.md"));
        Assert.All(lines, line => Assert.Contains(line.Length > 8 ? line[8..] : "", readme, StringComparison.Ordinal));
    }

    [PeerFact("riscv64-linux-gnu-gcc")]
    public void Example_TwoContainers_BothEnd()
    {
        using var folder = new TemporaryFolder();
        folder.Write("program.c", Encoding.UTF8.GetBytes("#include <stdio.h>\nint main(int c,char**v){printf(\"I am %s\\n\",v[1]);return c;}"));
        Peer.Run("riscv64-linux-gnu-gcc", "-static", "-o", folder["program"], folder["program.c"]);
        var console = new StringWriter { NewLine = "\n" };
        EmbeddingExample.Run(folder["program"], console);
        Assert.Equal("I am light\nI am heavy\nlight ended with 2 at 2000000000 ns\nheavy ended with 2 at 2000000000 ns\n", console.ToString());
    }
}
