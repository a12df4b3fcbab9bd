using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Hypervisor.Bench;

/// <summary>
/// The same Linux kernel and the same program in bare, full, assisted and para: two machines on one network of one host, of
/// which one asks and the other answers; beside them QEMU, with one machine and no network. Rounds are interleaved, figures
/// are medians of the guest's own clock.
/// </summary>
internal static partial class LinuxComparison
{
    private const string Boot = "boot";
    private const string Qemu = "QEMU";
    private const int DiskBytes = 32 << 20;
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(4);

    private static readonly (string Name, string What, double Scale, string Unit)[] s_rows =
    [
        (Boot, "boot to the program", 1e9, "s"),
        ("compute", "a round of xorshift", 1, "ns"),
        ("null-call", "getppid", 1, "ns"),
        ("page-fault", "touch a new page", 1, "ns"),
        ("switch", "pipe to another process", 1, "ns"),
        ("fork-exit", "fork, exit, wait", 1000, "µs"),
        ("fork-exec", "fork, exec, exit, wait", 1000, "µs"),
        ("disk-read-4k", "read 4 KiB at random", 1000, "µs"),
        ("disk-write-4k", "write 4 KiB at random", 1000, "µs"),
        ("disk-read-1m", "read 1 MiB in sequence", 1000, "µs"),
        ("disk-write-1m", "write 1 MiB in sequence", 1000, "µs"),
        ("net-request", "request and answer between machines", 1000, "µs"),
        ("net-stream-1m", "1 MiB to another machine", 1000, "µs"),
    ];

    public static int Execute(string[] arguments)
    {
        int rounds = BootComparison.Option(arguments, "--rounds") is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : 5;
        string[] modes = (BootComparison.Option(arguments, "--modes") ?? "bare,full,assisted,para,QEMU").Split(',');
        string scripts = Path.Combine(BootComparison.Root(), "tests", "RealGuests");
        string kernel = BootComparison.Shell(scripts, "small-kernel.sh");
        DirectoryInfo folder = Directory.CreateTempSubdirectory("hv-linux-");
        try
        {
            string disk = MakeRamDisk(folder.FullName, BootComparison.Shell(scripts, "initramfs.sh"));
            var samples = modes.ToDictionary(mode => mode, _ => new List<Dictionary<string, double>>());
            for (int round = 0; round < rounds; round++)
            {
                foreach (string mode in modes)
                {
                    samples[mode].Add(mode == Qemu ? RunQemu(folder.FullName, kernel, disk) : RunOurs(folder.FullName, mode, kernel, disk));
                    Console.Error.WriteLine($"round {round + 1}: {mode} done");
                }
            }

            Print(modes, samples);
            if (BootComparison.Option(arguments, "--json") is { } file)
                File.WriteAllText(file, JsonSerializer.Serialize(samples));
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The test guests' RAM disk, with the program behind it: the kernel unpacks one archive after the other.</summary>
    private static string MakeRamDisk(string folder, string initramfs)
    {
        string root = Directory.CreateDirectory(Path.Combine(folder, "root")).FullName;
        Call("riscv64-linux-gnu-gcc", "-O2", "-static", "-o", Path.Combine(root, "linux-ops"), Path.Combine(BootComparison.Root(), "bench/peers/linux-ops.c"));
        Call("bash", "-c", $"cd '{root}' && {{ cat '{initramfs}'; echo linux-ops | cpio -o -H newc --quiet; }} > '{folder}/initrd'");
        return Path.Combine(folder, "initrd");
    }

    private static string MakeDisk(string folder)
    {
        string disk = Path.Combine(folder, "disk.img");
        File.WriteAllBytes(disk, new byte[DiskBytes]);
        return disk;
    }

    private static Dictionary<string, double> RunQemu(string folder, string kernel, string initrd) => Run(Qemu, "qemu-system-riscv64",
        "-M", "virt", "-m", "256M", "-nographic", "-bios", "default", "-kernel", kernel, "-initrd", initrd,
        "-drive", $"file={MakeDisk(folder)},format=raw,if=none,id=disk", "-device", "virtio-blk-device,drive=disk",
        "-append", "console=ttyS0 quiet hv.run=\"echo RESULT up 0; /linux-ops client none\"");

    private static Dictionary<string, double> RunOurs(string folder, string mode, string kernel, string initrd)
    {
        string disk = MakeDisk(folder);
        string machine = $"mode: {mode}\n    kernel: {kernel}\n    initrd: {initrd}\n    firmware: {(mode == "para" ? "none" : "builtin")}";
        string console = mode == "para" ? "console=hvc0" : "console=ttyS0";
        const string up = "ifconfig eth0 10.9.0.{0} netmask 255.255.255.0";
        string manifest = Path.Combine(folder, "machines.yaml");
        File.WriteAllText(manifest, $"""
            networks: {"{ lan: { subnet: 10.9.0.0/24 } }"}
            machines:
              server:
                {machine}
                append: {console} quiet hv.run="{string.Format(CultureInfo.InvariantCulture, up, 20)}; /linux-ops server"
                networks: lan
              client:
                {machine}
                append: {console} quiet hv.run="echo RESULT up 0; {string.Format(CultureInfo.InvariantCulture, up, 21)}; /linux-ops client 10.9.0.20"
                disks: {disk}
                networks: lan
            """);
        return Run(mode, Path.Combine(BootComparison.Root(), "src/Hypervisor.Host/bin/Release/net10.0/hv"), "run", manifest);
    }

    private static Dictionary<string, double> Run(string mode, string program, params string[] arguments)
    {
        long start = Stopwatch.GetTimestamp();
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(s_limit);
        using CancellationTokenRegistration kill = limit.Token.Register(() => process.Kill());
        var results = new Dictionary<string, double>();
        var output = new StringBuilder();
        while (process.StandardOutput.ReadLine() is { } line)
        {
            output.AppendLine(line);
            if (Result().Match(line) is not { Success: true } match)
                continue;
            if (match.Groups[1].Value == "up")
                results[Boot] = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
            else
                results[match.Groups[1].Value] = double.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture);
        }

        process.WaitForExit();
        return results.ContainsKey("end") ? results : throw new InvalidOperationException($"{mode} did not come to its end ({process.ExitCode}):\n{output}\n{errors.Result}");
    }

    private static void Print(string[] modes, Dictionary<string, List<Dictionary<string, double>>> samples)
    {
        Console.WriteLine($"| operation | {string.Join(" | ", modes)} |{string.Concat(modes[1..].Select(mode => $" {mode} / {modes[0]} |"))}");
        Console.WriteLine($"|---|{string.Concat(Enumerable.Repeat("---|", (2 * modes.Length) - 1))}");
        foreach ((string name, string what, double scale, string unit) in s_rows)
        {
            double[] medians = [.. modes.Select(mode => samples[mode][0].ContainsKey(name) ? BootComparison.Median(samples[mode].Select(sample => sample[name])) : double.NaN)];
            string Cell(int i)
            {
                if (double.IsNaN(medians[i]))
                    return "–";
                double[] all = [.. samples[modes[i]].Select(sample => sample[name] / scale)];
                return string.Create(CultureInfo.InvariantCulture, $"{Round(medians[i] / scale)} ± {Round((all.Max() - all.Min()) / 2)} {unit}");
            }

            Console.WriteLine($"| {what} | {string.Join(" | ", Enumerable.Range(0, modes.Length).Select(Cell))} |"
                + string.Concat(medians[1..].Select(median => double.IsNaN(median) ? " – |" : string.Create(CultureInfo.InvariantCulture, $" {median / medians[0]:f2} |"))));
        }
    }

    private static string Round(double value) => value.ToString(value >= 100 ? "f0" : value >= 10 ? "f1" : "f2", CultureInfo.InvariantCulture);

    private static void Call(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} ended with {process.ExitCode}");
    }

    [GeneratedRegex(@"^(?:client \| )?RESULT (\S+) ([0-9.]+)")]
    private static partial Regex Result();
}
