using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Hypervisor.Bench;

/// <summary>What starting hv costs beside a .NET program that says hello: processor time, and from start to exit, interleaved.</summary>
internal static class StartComparison
{
    /// <summary>The argument by which the bench is that program.</summary>
    public const string Hello = "hello";

    public static int Execute(string[] arguments)
    {
        int rounds = int.Parse(BootComparison.Option(arguments, "--rounds") ?? "15", CultureInfo.InvariantCulture);
        string hv = Path.Combine(BootComparison.Root(), "src/Hypervisor.Host/bin/Release/net10.0/hv.dll");
        string program = Path.GetTempFileName();
        File.WriteAllBytes(program, GuestCost.Elf());
        List<(string Name, string[] Command)> rows =
        [
            ("hello", [typeof(StartComparison).Assembly.Location, Hello]),
            ("hv --version", [hv, "--version"]),
            ("hv run, three instructions", [hv, "run", program]),
            ("the same with options", [hv, "run", "--memory", "64M", "--env", "A=B", "--weight", "50", "--timeout", "100", program]),
        ];
        if (BootComparison.Option(arguments, "--program") is { } real)
            rows.Add(($"hv run {Path.GetFileName(real)} true", [hv, "run", real, "true"]));
        var times = rows.ToDictionary(row => row.Name, _ => (Processor: new List<double>(), Wall: new List<double>()));
        for (int round = 0; round <= rounds; round++)
        {
            foreach ((string name, string[] command) in rows)
            {
                (double processor, double wall) = Run(command);
                if (round == 0)
                    continue;
                times[name].Processor.Add(processor);
                times[name].Wall.Add(wall);
            }
        }

        File.Delete(program);
        double hello = PeerRow.Median(times[rows[0].Name].Processor);
        Console.WriteLine("| program | processor time, ms | start to exit, ms | times hello's processor time |");
        Console.WriteLine("|---|---|---|---|");
        foreach ((string name, _) in rows)
        {
            double processor = PeerRow.Median(times[name].Processor);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {processor * 1e3:f0} | {PeerRow.Median(times[name].Wall) * 1e3:f0} | {processor / hello:f1} |"));
        }

        return 0;
    }

    /// <summary>Says hello. Alone, so that nothing else of the bench is compiled or loaded for it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int SayHello()
    {
        Console.WriteLine("Hello");
        return 0;
    }

    private static (double Processor, double Wall) Run(string[] command)
    {
        double before = ProcessorTime.OfChildren();
        long start = Stopwatch.GetTimestamp();
        using Process process = Process.Start(new ProcessStartInfo("dotnet", ["exec", .. command]) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        process.StandardInput.Close();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        double wall = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return process.ExitCode == 0 ? (ProcessorTime.OfChildren() - before, wall) : throw new InvalidOperationException($"{string.Join(' ', command)} ended with {process.ExitCode}");
    }
}
