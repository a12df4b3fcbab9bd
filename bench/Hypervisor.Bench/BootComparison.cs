using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Hypervisor.Bench;

/// <summary>
/// Boots Debian's kernel and the small kernel to a shell prompt on our machine in each mode and on qemu-system-riscv64:
/// same firmware, kernel, RAM disk and memory, rounds interleaved, medians of wall time from process start to the prompt and
/// of processor time to power-off.
/// </summary>
internal static partial class BootComparison
{
    private const string Prompt = "guest# ";
    private const string Memory = "256M";
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(3);

    private sealed record Contestant(string Name, string Program, string[] Arguments);

    /// <summary>One boot: seconds to the prompt, seconds of processor time to power-off, and what hv counted.</summary>
    private sealed record Boot(double Prompt, double Processor, long Instructions, double Mips);

    private sealed record Row(string Kernel, string Machine, double PromptSeconds, double HalfRange, double ProcessorSeconds, double RatioToQemu, long Instructions, double Mips);

    public static int Execute(string[] arguments)
    {
        int rounds = Option(arguments, "--rounds") is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : 5;
        string[] modes = (Option(arguments, "--modes") ?? "bare,assisted,full").Split(',');
        string[] engines = (Option(arguments, "--engines") ?? "auto").Split(',');
        string scripts = Path.Combine(Root(), "tests", "RealGuests");
        string folder = Shell(scripts, "fetch.sh", "linux-image-riscv64", "opensbi");
        string firmware = Path.Combine(folder, "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin");
        string disk = Shell(scripts, "initramfs.sh");
        var kernels = new List<(string Name, string File)> { ("Debian", Directory.GetFiles(Path.Combine(folder, "boot"), "vmlinux-*").Order().Last()) };
        if (!arguments.Contains("--no-small"))
            kernels.Add(("small", Shell(scripts, "small-kernel.sh")));
        var rows = new List<Row>();
        foreach ((string name, string kernel) in kernels)
            rows.AddRange(Compare(name, Contestants(modes, engines, kernel, firmware, disk), rounds));
        Print(rows);
        if (Option(arguments, "--json") is { } file)
            File.WriteAllText(file, JsonSerializer.Serialize(rows));
        return 0;
    }

    private static List<Contestant> Contestants(string[] modes, string[] engines, string kernel, string firmware, string disk)
    {
        const string line = "console=ttyS0";
        var all = new List<Contestant>
        {
            new("QEMU", "qemu-system-riscv64", ["-M", "virt", "-m", Memory, "-nographic", "-bios", firmware, "-kernel", kernel, "-initrd", disk, "-append", line]),
        };
        string hv = Path.Combine(Root(), "src/Hypervisor.Host/bin/Release/net10.0", OperatingSystem.IsWindows() ? "hv.exe" : "hv");
        foreach ((string mode, string engine) in modes.SelectMany(mode => engines.Select(engine => (mode, engine))))
        {
            string[] firmwareOption = mode == "para" ? [] : ["--firmware", firmware];
            all.Add(new(engines.Length == 1 ? mode : $"{mode}, {engine}", hv, ["run", "--mode", mode, "--engine", engine, "--memory", Memory, "--kernel", kernel, .. firmwareOption, "--initrd", disk,
                "--append", mode == "para" ? "console=hvc0" : line]));
        }

        return all;
    }

    private static IEnumerable<Row> Compare(string kernel, List<Contestant> contestants, int rounds)
    {
        var boots = contestants.ToDictionary(each => each, _ => new List<Boot>());
        for (int round = 0; round < rounds; round++)
        {
            foreach (Contestant each in contestants)
            {
                boots[each].Add(Start(each));
                Console.Error.WriteLine($"{kernel}, round {round + 1}: {each.Name} {boots[each][^1].Prompt:f2} s");
            }
        }

        double qemu = Median(boots[contestants[0]].Select(boot => boot.Prompt));
        foreach (Contestant each in contestants)
        {
            // Counting costs time, so that one more boot, not timed, counts.
            Boot counted = each.Program == contestants[0].Program ? boots[each][0] : Start(each with { Arguments = [.. each.Arguments, "--stats"] });
            double[] prompts = [.. boots[each].Select(boot => boot.Prompt)];
            yield return new Row(kernel, each.Name, Median(prompts), (prompts.Max() - prompts.Min()) / 2, Median(boots[each].Select(boot => boot.Processor)),
                Median(prompts) / qemu, counted.Instructions, counted.Mips);
        }
    }

    private static Boot Start(Contestant contestant)
    {
        double before = ProcessorTime.OfChildren();
        long start = Stopwatch.GetTimestamp();
        using Process process = Process.Start(new ProcessStartInfo(contestant.Program, contestant.Arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        var output = new StringBuilder();
        double prompt = 0;
        using var limit = new CancellationTokenSource(s_limit);
        using CancellationTokenRegistration kill = limit.Token.Register(() => process.Kill());
        var buffer = new char[4096];
        for (int count; (count = process.StandardOutput.Read(buffer)) > 0;)
        {
            output.Append(buffer, 0, count);
            if (prompt == 0 && output.ToString(Math.Max(0, output.Length - count - Prompt.Length), Math.Min(output.Length, count + Prompt.Length)).Contains(Prompt, StringComparison.Ordinal))
            {
                prompt = Stopwatch.GetElapsedTime(start).TotalSeconds;
                process.StandardInput.Write("exit\n");
                process.StandardInput.Flush();
            }
        }

        process.WaitForExit();
        if (prompt == 0 || process.ExitCode != 0)
            throw new InvalidOperationException($"{contestant.Name} ended with {process.ExitCode}{(prompt == 0 ? " before the prompt" : "")}:\n{output}\n{errors.Result}");
        Match counted = Counted().Match(errors.Result);
        return new Boot(prompt, ProcessorTime.OfChildren() - before,
            counted.Success ? long.Parse(counted.Groups[1].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture) : 0,
            counted.Success ? double.Parse(counted.Groups[2].Value, NumberStyles.AllowThousands | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) : 0);
    }

    private static void Print(List<Row> rows)
    {
        Console.WriteLine("| kernel | machine | to the prompt, s | times QEMU | processor time to power-off, s | instructions | MIPS |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach (Row row in rows)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {row.Kernel} | {row.Machine} | {row.PromptSeconds:f2} ± {row.HalfRange:f2} | {row.RatioToQemu:f2} | {row.ProcessorSeconds:f2} | {(row.Instructions == 0 ? "" : $"{row.Instructions / 1e6:f0} M")} | {(row.Mips == 0 ? "" : $"{row.Mips:f0}")} |"));
        }
    }

    internal static string Shell(string scripts, string script, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("bash", [Path.Combine(scripts, script), .. arguments]) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd().Trim();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{script} ended with {process.ExitCode}");
    }

    internal static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    internal static string? Option(string[] arguments, string name)
    {
        int at = Array.IndexOf(arguments, name);
        return at >= 0 && at + 1 < arguments.Length ? arguments[at + 1] : null;
    }

    internal static string Root()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Hypervisor.sln")))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException("Hypervisor.sln lies in no folder above");
    }

    [GeneratedRegex(@"([\d,]+) instructions in .*?([\d,.]+) MIPS")]
    private static partial Regex Counted();
}
