using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Hypervisor.Bench;

/// <summary>
/// Runs the C programs of bench/peers on both our tiers and on qemu-riscv64-static, interleaved, and prints medians and
/// ratios of user CPU time. QEMU is measured as a whole process; ours as the engine alone, its compiler's time included, and the
/// translator's also as a whole process.
/// </summary>
internal static class PeerComparison
{
    private const string Compiler = "riscv64-linux-gnu-gcc";
    private const string Qemu = "qemu-riscv64-static";

    /// <summary>Each with how often it repeats its work, so that it runs for about a second on QEMU.</summary>
    private static readonly (string Name, int Repeat)[] s_programs =
        [("corelike", 6), ("dhry", 14), ("sha", 4), ("sort", 1), ("mem", 6), ("matrix", 8), ("branchy", 20), ("fib", 3), ("fp", 3)];

    private sealed record Row(string Program, long Instructions, double Interpreter, double Translator, double WholeProcess, double Qemu, double QemuSpread)
    {
        public double InterpreterToQemu => Qemu / Interpreter;

        public double TranslatorToQemu => Qemu / Translator;

        public double WholeToQemu => Qemu / WholeProcess;
    }

    public static int Execute(string[] arguments)
    {
        int rounds = Option(arguments, "--rounds") is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : 5;
        string sources = Option(arguments, "--sources") ?? FindSources();
        string folder = Directory.CreateTempSubdirectory("hypervisor-peers-").FullName;
        var rows = new List<Row>();
        foreach ((string program, int repeat) in s_programs)
        {
            string binary = Path.Combine(folder, program);
            Start(Compiler, "-O2", "-static", "-nostdlib", "-ffreestanding", "-march=rv64gc", "-mabi=lp64d", "-w",
                "-fno-tree-loop-distribute-patterns", "-Wl,--no-relax", $"-DREPEAT={repeat}", "-o", binary, Path.Combine(sources, program + ".c"));
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
        var interpreter = new List<double>();
        var translator = new List<double>();
        var whole = new List<double>();
        var qemu = new List<double>();
        long instructions = 0;
        for (int i = 0; i < rounds; i++)
        {
            (string translated, double translatedUser) = Start(Environment.ProcessPath!, Self(["run", binary, "--translator"]));
            (string theirs, double theirsUser) = Start(Qemu, binary);
            (string interpreted, _) = Start(Environment.ProcessPath!, Self(["run", binary]));
            string[] lines = translated.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            string[] plain = interpreted.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            if (lines[0] != theirs.Trim() || plain[0] != lines[0])
                throw new InvalidOperationException($"{program}: translated it prints {lines[0]}, interpreted {plain[0]}, on QEMU {theirs.Trim()}");
            (double seconds, instructions) = Parse(lines[1]);
            (double plainSeconds, long plainInstructions) = Parse(plain[1]);
            if (plainInstructions != instructions)
                throw new InvalidOperationException($"{program}: {instructions} instructions translated, {plainInstructions} interpreted");
            translator.Add(seconds);
            interpreter.Add(plainSeconds);
            whole.Add(translatedUser);
            qemu.Add(theirsUser);
        }

        return new Row(program, instructions, Median(interpreter), Median(translator), Median(whole), Median(qemu), (qemu.Max() - qemu.Min()) / Median(qemu));
    }

    private static void Print(List<Row> rows)
    {
        Console.WriteLine("| program | instructions | QEMU user, s | interpreter, s | translator, s | whole process, s | interpreter / QEMU | translator / QEMU | whole / QEMU |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        foreach (Row row in rows)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {row.Program} | {row.Instructions / 1e6:f0} M | {row.Qemu:f3} (±{row.QemuSpread * 50:f0} %) | {row.Interpreter:f3} | {row.Translator:f3} | {row.WholeProcess:f3} | {row.InterpreterToQemu:f2} | {row.TranslatorToQemu:f2} | {row.WholeToQemu:f2} |"));
        }

        double Geomean(Func<Row, double> value) => Math.Exp(rows.Average(row => Math.Log(value(row))));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| geometric mean | | | | | | {Geomean(row => row.InterpreterToQemu):f2} | {Geomean(row => row.TranslatorToQemu):f2} | {Geomean(row => row.WholeToQemu):f2} |"));
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
