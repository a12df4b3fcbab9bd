using System.Diagnostics;
using System.Globalization;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;

namespace Hypervisor.Bench;

/// <summary>
/// What many guests get done together: from two to a thousand machines that compute over memory of their own, on two physical CPUs
/// in real time. Work is instructions per second of processor time, so that other load on the host does not count.
/// </summary>
internal static unsafe class GuestScale
{
    private const string Counts = "2,10,100,300,1000";

    // Counts, adds, stores and loads over its own page, for ever.
    private static readonly uint[] s_code =
    [
        0x0000_5137, // lui sp, 5
        0x0010_8093, // addi ra, ra, 1
        0x0ff0_f193, // andi gp, ra, 255
        0x0031_9193, // slli gp, gp, 3
        0x0021_81b3, // add gp, gp, sp
        0x0011_b023, // sd ra, 0(gp)
        0x0001_b203, // ld tp, 0(gp)
        0x0042_82b3, // add t0, t0, tp
        0xfe5f_f06f, // j to the addi
    ];

    public static int Execute(string[] arguments)
    {
        int rounds = int.Parse(BootComparison.Option(arguments, "--rounds") ?? "5", CultureInfo.InvariantCulture);
        int[] counts = [.. (BootComparison.Option(arguments, "--guests") ?? Counts).Split(',').Select(count => int.Parse(count, CultureInfo.InvariantCulture))];
        var rates = counts.ToDictionary(count => count, _ => new List<double>());
        Measure(2);
        for (int round = 0; round < rounds; round++)
        {
            foreach (int count in counts)
                rates[count].Add(Measure(count));
        }

        double one = PeerRow.Median(rates[counts[0]]);
        Console.WriteLine("| guests | instructions a second of processor time | of two guests' |");
        Console.WriteLine("|---|---|---|");
        foreach (int count in counts)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {count} | {PeerRow.Median(rates[count]) / 1e6:f0} M | {100 * PeerRow.Median(rates[count]) / one:f1} % |"));
        HartScale.Print(rounds);
        return 0;
    }

    private static double Measure(int count)
    {
        using var host = new HypervisorHost(new HostOptions { Clock = HostClock.Real, PhysicalCpus = 2 });
        var engine = new Interpreter();
        VirtualMachine[] machines = [.. Enumerable.Range(0, count).Select(number => Make(host, engine, number))];
        foreach (VirtualMachine machine in machines)
            host.Add(machine, SchedulingParameters.Default);
        host.Start();

        // Each has run, and has its code and its memory, before the clock starts.
        while (machines.Any(machine => machine.VCpus[0].Meter.Retired == 0))
            Thread.Sleep(20);
        long before = machines.Sum(machine => machine.VCpus[0].Meter.Retired);
        using var process = Process.GetCurrentProcess();
        TimeSpan used = process.TotalProcessorTime;
        Thread.Sleep(2000);
        process.Refresh();
        double seconds = (process.TotalProcessorTime - used).TotalSeconds;
        long retired = machines.Sum(machine => machine.VCpus[0].Meter.Retired) - before;
        foreach (VirtualMachine machine in machines)
        {
            host.Remove(machine);
            machine.Dispose();
        }

        return retired / seconds;
    }

    private static VirtualMachine Make(HypervisorHost host, Interpreter engine, int number)
    {
        var machine = new VirtualMachine(string.Create(CultureInfo.InvariantCulture, $"guest{number}"), new GuestMemory(new MemoryRegion(0, 0x10000)), host.Timers);
        for (int i = 0; i < s_code.Length; i++)
            machine.Memory.TryWrite((ulong)i * 4, s_code[i]);
        var hart = new HartContext(machine.Memory, new FlatTranslator(machine.Memory), new ExitControls { Exceptions = ExitControls.AllExceptions }, singleContext: true);
        machine.AddVCpu(hart, new Endless(), engine);
        return machine;
    }
}
