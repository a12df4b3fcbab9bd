using System.Globalization;
using System.Text.Json;

namespace Hypervisor.Bench;

/// <summary>
/// Runs programs on both our tiers and on QEMU, interleaved, and prints medians and ratios of user CPU time: the C programs of
/// bench/peers on the engine alone, its compiler's time included, beside qemu-riscv64-static as a whole process; the same as
/// supervisors beside qemu-system-riscv64; and Debian's programs in containers, whole processes both.
/// </summary>
internal static class PeerComparison
{
    private const string Compiler = "riscv64-linux-gnu-gcc";
    private const string Qemu = "qemu-riscv64-static";

    /// <summary>Each with how often it repeats its work, so that it runs for some three seconds on QEMU: in one, our compiling weighs a fifth.</summary>
    private static readonly (string Name, int Repeat)[] s_programs =
        [("corelike", 20), ("dhry", 44), ("sha", 13), ("sort", 4), ("mem", 18), ("matrix", 22), ("branchy", 60), ("fib", 5), ("fp", 9)];

    /// <summary>Flat: the programs on the engine alone beside user emulation. Supervisor: on machines with translation on. Real: Debian's, as containers.</summary>
    private static readonly string[] s_tables = ["flat", "supervisor", "real"];

    public static int Execute(string[] arguments)
    {
        int rounds = Option(arguments, "--rounds") is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : 5;
        string[] tables = Option(arguments, "--tables")?.Split(',') ?? s_tables;
        string root = Option(arguments, "--root") ?? FindRoot();
        string sources = Path.Combine(root, "bench", "peers");
        string folder = Directory.CreateTempSubdirectory("hypervisor-peers-").FullName;
        var rows = new List<PeerRow>();
        foreach (string table in tables)
        {
            IEnumerable<PeerRow> compared = table switch
            {
                "flat" => s_programs.Select(program => Compare(program.Name, program.Repeat, sources, folder, rounds)),
                "supervisor" => PeerPrograms.Supervisors(Compiler, sources, folder, s_programs.Select(each => (each.Name, AsSupervisor(each.Name, each.Repeat))), rounds),
                "real" => PeerPrograms.Real(Path.Combine(root, "tests", "RealGuests", "program-root.sh"), rounds),
                _ => throw new ArgumentException($"there is no table {table}: choose of {string.Join(", ", s_tables)}"),
            };
            foreach (PeerRow row in compared)
            {
                rows.Add(row);
                Console.Error.WriteLine($"{row.Program} done");
            }

            Print(table, [.. rows.Where(row => row.Table == table)]);
        }

        Directory.Delete(folder, recursive: true);
        if (Option(arguments, "--json") is { } file)
        {
            // Tables that were not asked for stay as they were measured last.
            if (File.Exists(file))
                rows.AddRange(JsonSerializer.Deserialize<List<PeerRow>>(File.ReadAllText(file))!.Where(row => !tables.Contains(row.Table)));
            rows = [.. rows.OrderBy(row => Array.IndexOf(s_tables, row.Table))];
            File.WriteAllText(file, JsonSerializer.Serialize(rows));
        }

        if (Option(arguments, "--html") is { } page)
            File.WriteAllText(page, PeerChart.Write(rows));
        return 0;
    }

    /// <summary>As a supervisor mem takes QEMU some twenty times as long, and four repetitions are as long as the others' run.</summary>
    private static int AsSupervisor(string program, int repeat) => program == "mem" ? 4 : repeat;

    private static PeerRow Compare(string program, int repeat, string sources, string folder, int rounds)
    {
        string binary = Path.Combine(folder, program);
        PeerPrograms.Run(Compiler, "-O2", "-static", "-nostdlib", "-ffreestanding", "-march=rv64gc", "-mabi=lp64d", "-w",
            "-fno-tree-loop-distribute-patterns", "-Wl,--no-relax", $"-DREPEAT={repeat}", "-o", binary, Path.Combine(sources, program + ".c"));
        var interpreter = new List<double>();
        var translator = new List<double>();
        var qemu = new List<double>();
        for (int i = 0; i < rounds; i++)
        {
            (string translated, _) = PeerPrograms.Run(Environment.ProcessPath!, Self(["run", binary, "--translator"]));
            (string theirs, double theirsUser) = PeerPrograms.Run(Qemu, binary);
            (string interpreted, _) = PeerPrograms.Run(Environment.ProcessPath!, Self(["run", binary]));
            string[] lines = translated.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            string[] plain = interpreted.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            if (lines[0] != theirs.Trim() || plain[0] != lines[0])
                throw new InvalidOperationException($"{program}: translated it prints {lines[0]}, interpreted {plain[0]}, on QEMU {theirs.Trim()}");
            (double seconds, long instructions) = Parse(lines[1]);
            (double plainSeconds, long plainInstructions) = Parse(plain[1]);
            if (plainInstructions != instructions)
                throw new InvalidOperationException($"{program}: {instructions} instructions translated, {plainInstructions} interpreted");
            translator.Add(seconds);
            interpreter.Add(plainSeconds);
            qemu.Add(theirsUser);
        }

        return PeerRow.Of("flat", program, qemu, interpreter, translator);
    }

    private static void Print(string table, PeerRow[] rows)
    {
        Console.WriteLine($"\n| {table} | QEMU, s | interpreter, s | translator, s | interpreter / QEMU | translator / QEMU |");
        Console.WriteLine("|---|---|---|---|---|---|");
        foreach (PeerRow row in rows)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {row.Program} | {row.Qemu:f3} (±{row.QemuSpread * 50:f0} %) | {row.Interpreter:f3} | {row.Translator:f3} | {row.InterpreterToQemu:f2} | {row.TranslatorToQemu:f2} |"));
        }

        double Geomean(Func<PeerRow, double> value) => Math.Exp(rows.Average(row => Math.Log(value(row))));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| geometric mean | | | | {Geomean(row => row.InterpreterToQemu):f2} | {Geomean(row => row.TranslatorToQemu):f2} |"));
    }

    private static (double Seconds, long Instructions) Parse(string line)
    {
        string[] words = line.Split(' ');
        return (double.Parse(words[1], CultureInfo.InvariantCulture), long.Parse(words[3], CultureInfo.InvariantCulture));
    }

    /// <summary>The arguments that start this program again, whether it was started by its own host or by the dotnet command.</summary>
    private static string[] Self(string[] arguments)
        => Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet" ? [typeof(PeerComparison).Assembly.Location, .. arguments] : arguments;

    private static string? Option(string[] arguments, string name)
    {
        int at = Array.IndexOf(arguments, name);
        return at >= 0 && at + 1 < arguments.Length ? arguments[at + 1] : null;
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (Directory.Exists(Path.Combine(folder.FullName, "bench", "peers")))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException("bench/peers lies in no folder above: name the repository with --root");
    }
}
