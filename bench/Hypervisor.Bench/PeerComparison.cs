using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Hypervisor.Bench;

/// <summary>
/// Runs the C programs of bench/peers on our interpreter and on qemu-riscv64-static, interleaved, and prints medians and
/// ratios of user CPU time. QEMU is measured as a whole process; ours both as the engine alone and as a whole process.
/// </summary>
internal static class PeerComparison
{
    private const string Compiler = "riscv64-linux-gnu-gcc";
    private const string Qemu = "qemu-riscv64-static";
    private static readonly string[] s_programs = ["corelike", "sha", "sort", "mem", "fib", "fp"];

    private sealed record Row(string Program, long Instructions, double EngineSeconds, double ProcessSeconds, double NoPairsSeconds, double QemuSeconds, double QemuSpread)
    {
        public double Mips => Instructions / EngineSeconds / 1e6;

        public double Ratio => QemuSeconds / EngineSeconds;
    }

    public static int Execute(string[] arguments)
    {
        int rounds = Option(arguments, "--rounds") is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : 5;
        string sources = Option(arguments, "--sources") ?? FindSources();
        string folder = Directory.CreateTempSubdirectory("hypervisor-peers-").FullName;
        var rows = new List<Row>();
        foreach (string program in s_programs)
        {
            string binary = Path.Combine(folder, program);
            Start(Compiler, "-O2", "-static", "-nostdlib", "-ffreestanding", "-march=rv64gc", "-mabi=lp64d", "-w",
                "-fno-tree-loop-distribute-patterns", "-o", binary, Path.Combine(sources, program + ".c"));
            rows.Add(Compare(program, binary, rounds));
            Console.Error.WriteLine($"{program} done");
        }

        Directory.Delete(folder, recursive: true);
        Print(rows);
        if (Option(arguments, "--json") is { } file)
            File.WriteAllText(file, JsonSerializer.Serialize(rows));
        return 0;
    }

    private static Row Compare(string program, string binary, int rounds)
    {
        var engine = new List<double>();
        var whole = new List<double>();
        var plain = new List<double>();
        var qemu = new List<double>();
        long instructions = 0;
        for (int i = 0; i < rounds; i++)
        {
            (string ours, double oursUser) = Start(Environment.ProcessPath!, Self(["run", binary]));
            (string theirs, double theirsUser) = Start(Qemu, binary);
            (string unfused, _) = Start(Environment.ProcessPath!, Self(["run", binary, "--no-fused-pairs"]));
            string[] lines = ours.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            if (lines[0] != theirs.Trim())
                throw new InvalidOperationException($"{program}: we print {lines[0]}, QEMU {theirs.Trim()}");
            (double seconds, instructions) = Parse(lines[1]);
            engine.Add(seconds);
            plain.Add(Parse(unfused.Split('\n', StringSplitOptions.RemoveEmptyEntries)[1]).Seconds);
            whole.Add(oursUser);
            qemu.Add(theirsUser);
        }

        return new Row(program, instructions, Median(engine), Median(whole), Median(plain), Median(qemu), (qemu.Max() - qemu.Min()) / Median(qemu));
    }

    private static void Print(List<Row> rows)
    {
        Console.WriteLine("| program | instructions | interpreter, MIPS | interpreter, s | whole process, s | without fused pairs, s | QEMU user, s | interpreter / QEMU speed |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        foreach (Row row in rows)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {row.Program} | {row.Instructions / 1e6:f0} M | {row.Mips:f0} | {row.EngineSeconds:f3} | {row.ProcessSeconds:f3} | {row.NoPairsSeconds:f3} | {row.QemuSeconds:f3} (±{row.QemuSpread * 50:f0} %) | {row.Ratio:f2} |"));
        }

        double Geomean(Func<Row, double> value) => Math.Exp(rows.Average(row => Math.Log(value(row))));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| geometric mean | | {Geomean(row => row.Mips):f0} | | | ×{Geomean(row => row.NoPairsSeconds / row.EngineSeconds):f2} | | {Geomean(row => row.Ratio):f2} |"));
    }

    private static (double Seconds, long Instructions) Parse(string line)
    {
        string[] words = line.Split(' ');
        return (double.Parse(words[1], CultureInfo.InvariantCulture), long.Parse(words[3], CultureInfo.InvariantCulture));
    }

    private static double Median(List<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    /// <summary>The arguments that start this program again, whether it was started by its own host or by the dotnet command.</summary>
    private static string[] Self(string[] arguments)
        => Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet" ? [typeof(PeerComparison).Assembly.Location, .. arguments] : arguments;

    private static (string Output, double UserSeconds) Start(string program, params string[] arguments)
    {
        double before = ProcessorTime.UserOfChildren();
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
        return (output, ProcessorTime.UserOfChildren() - before);
    }

    private static string? Option(string[] arguments, string name)
    {
        int at = Array.IndexOf(arguments, name);
        return at >= 0 && at + 1 < arguments.Length ? arguments[at + 1] : null;
    }

    private static string FindSources()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (Directory.Exists(Path.Combine(folder.FullName, "bench", "peers")))
                return Path.Combine(folder.FullName, "bench", "peers");
        }

        throw new DirectoryNotFoundException("bench/peers lies in no folder above: name it with --sources");
    }
}
