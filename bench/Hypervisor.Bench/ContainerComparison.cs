using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Container;

namespace Hypervisor.Bench;

/// <summary>
/// What a kernel's calls cost: one program on the host's own Linux, on qemu-riscv64-static above it, and in a container. Rounds
/// are interleaved; a figure is the median over rounds of the best of many short runs by the program's own clock. Then what a container
/// costs that is started from an unpacked image and waits.
/// </summary>
internal static partial class ContainerComparison
{
    private const string Native = "Linux";
    private const string Qemu = "qemu-user";
    private const string Ours = "container";
    private const string Emulator = "/usr/bin/qemu-riscv64-static";

    private static readonly (string Name, string What, double Scale, string Unit, double? Target)[] s_rows =
    [
        ("null-call", "null system call", 1, "ns", 25),
        ("pipe", "byte through a pipe and back, two processes", 1, "ns", 500),
        ("fork-exit", "fork, exit, wait", 1000, "µs", null),
        ("fork-exec", "fork, exec, exit, wait", 1000, "µs", 100_000),
        ("open-close", "open, close", 1, "ns", 400),
        ("open-read-close", "open, read 4 KiB, close", 1, "ns", null),
        ("mmap-munmap", "mmap 64 KiB, touch a page, munmap", 1, "ns", null),
        ("epoll", "eventfd: write, epoll_wait, read", 1, "ns", null),
        ("tcp", "request and answer by TCP, two processes", 1000, "µs", null),
    ];

    public static int Execute(string[] arguments)
    {
        int rounds = BootComparison.Option(arguments, "--rounds") is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : 5;
        string scale = BootComparison.Option(arguments, "--scale") ?? "1";
        DirectoryInfo folder = Directory.CreateTempSubdirectory("hv-containers-");
        try
        {
            string source = Path.Combine(BootComparison.Root(), "bench/peers/container-ops.c");
            string native = Path.Combine(folder.FullName, "native");
            string root = Directory.CreateDirectory(Path.Combine(folder.FullName, "root")).FullName;
            string program = Path.Combine(Directory.CreateDirectory(Path.Combine(root, "bin")).FullName, "ops");
            Call("gcc", "-O2", "-static", "-o", native, source);
            Call("riscv64-linux-gnu-gcc", "-O2", "-static", "-o", program, source);
            (string Name, string[] Command)[] contestants =
            [
                (Native, [native, scale]),
                (Qemu, [Emulator, program, scale, Emulator, program]),
                (Ours, [Path.Combine(BootComparison.Root(), "src/Hypervisor.Host/bin/Release/net10.0/hv"), "run", "--rootfs", root, "/bin/ops", scale, "/bin/ops"]),
            ];
            var samples = contestants.ToDictionary(contestant => contestant.Name, _ => new List<Dictionary<string, double>>());
            for (int round = 0; round < rounds; round++)
            {
                foreach ((string name, string[] command) in contestants)
                    samples[name].Add(Run(name, command));
                Console.Error.WriteLine($"round {round + 1} done");
            }

            if (rounds > 0)
                Print(samples);
            (double start, double touched, double resident) = Idle(root, containers: 200);
            Console.WriteLine();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"A container of a static C program, from an unpacked image until it waits: {start / 1000:f0} µs (median of 200); it touches {touched:f0} KiB, and the host gives {resident:f0} KiB for it."));
            if (BootComparison.Option(arguments, "--json") is { } file)
                File.WriteAllText(file, JsonSerializer.Serialize(new { samples, idle = new { startNanoseconds = start, touchedKiB = touched, residentKiB = resident } }));
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Starts containers that wait: nanoseconds for one, KiB of guest memory it touched, and KiB of this process's memory it took.</summary>
    private static (double Start, double Touched, double Resident) Idle(string root, int containers)
    {
        using var host = new HypervisorHost(new HostOptions());
        using var kernel = new ContainerHost(host, 1UL << 30);
        var options = new ContainerOptions { RootDirectory = root, Program = "/bin/ops", Arguments = ["ops", "wait"], MemoryLimit = 16 << 20 };

        // Code and caches of the first ones are everybody's.
        for (int i = 0; i < 20; i++)
            StartOne();
        long before = Resident();
        double[] times = [.. Enumerable.Range(0, containers).Select(_ => StartOne())];
        double resident = (Resident() - before) / (double)containers;
        double touched = kernel.Containers.Average(container => (double)container.MemoryInUse) / 1024;
        return (BootComparison.Median(times), touched, resident / 1024);

        double StartOne()
        {
            long start = Stopwatch.GetTimestamp();
            kernel.Create(options);
            host.RunUntilIdle();
            return Stopwatch.GetElapsedTime(start).TotalNanoseconds;
        }

        static long Resident()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            return Environment.WorkingSet;
        }
    }

    private static Dictionary<string, double> Run(string name, string[] command)
    {
        using Process process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.StandardInput.Close();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Dictionary<string, double> results = Result().Matches(output).ToDictionary(match => match.Groups[1].Value, match => double.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture));
        return results.ContainsKey("end") ? results : throw new InvalidOperationException($"{name} did not come to its end ({process.ExitCode}):\n{output}\n{errors.Result}");
    }

    private static void Print(Dictionary<string, List<Dictionary<string, double>>> samples)
    {
        Console.WriteLine($"| operation | {Native} | {Qemu} | {Ours} | {Ours} / {Native} | {Ours} / {Qemu} | aimed at |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach ((string name, string what, double scale, string unit, double? target) in s_rows)
        {
            double Median(string contestant) => BootComparison.Median(samples[contestant].Select(sample => sample[name]));
            string Cell(string contestant)
            {
                double[] all = [.. samples[contestant].Select(sample => sample[name] / scale)];
                return $"{Round(Median(contestant) / scale)} ± {Round((all.Max() - all.Min()) / 2)} {unit}";
            }

            var line = new StringBuilder($"| {what} | {Cell(Native)} | {Cell(Qemu)} | {Cell(Ours)} |");
            line.Append(CultureInfo.InvariantCulture, $" {Median(Ours) / Median(Native):f2} | {Median(Ours) / Median(Qemu):f2} | {(target is { } aim ? $"{Round(aim / scale)} {unit}" : "")} |");
            Console.WriteLine(line);
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

    [GeneratedRegex(@"^RESULT (\S+) ([0-9.]+)", RegexOptions.Multiline)]
    private static partial Regex Result();
}
