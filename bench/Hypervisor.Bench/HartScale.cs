using System.Diagnostics;
using System.Globalization;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;

namespace Hypervisor.Bench;

/// <summary>
/// What the harts of one machine get done together on two physical CPUs in real time while all want one lock: a hart whose CPU is
/// taken away while it holds the lock keeps the others spinning. Work is passes through the lock and the work behind it.
/// </summary>
internal static unsafe class HartScale
{
    private const int Passes = 9; // s1

    private static readonly int[] s_harts = [1, 2, 4, 8];

    // A lock that harts spin for, a counter that it guards, then work of one's own: a fifth of a pass is under the lock.
    private const string Code = """
            lui s0, 5
            li t1, 1
        again:
            amoswap.w.aq t0, t1, (s0)
            beqz t0, held
            pause
            j again
        held:
            li a1, 25
        guarded:
            addi a1, a1, -1
            bnez a1, guarded
            ld a0, 8(s0)
            addi a0, a0, 1
            sd a0, 8(s0)
            amoswap.w.rl zero, zero, (s0)
            li a1, 100
        own:
            addi a1, a1, -1
            bnez a1, own
            addi s1, s1, 1
            j again
        """;

    public static void Print(int rounds)
    {
        var all = s_harts.ToDictionary(count => count, _ => new List<(double Rate, double Share)>());
        Measure(2);
        for (int round = 0; round < rounds; round++)
        {
            foreach (int count in s_harts)
                all[count].Add(Measure(count));
        }

        Console.WriteLine();
        Console.WriteLine("| harts of one machine, one lock | passes a second of processor time | of one hart's | the hart with least, of an equal share |");
        Console.WriteLine("|---|---|---|---|");
        double one = PeerRow.Median([.. all[1].Select(each => each.Rate)]);
        foreach (int count in s_harts)
        {
            double rate = PeerRow.Median([.. all[count].Select(each => each.Rate)]);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {count} | {rate / 1e6:f2} M | {100 * rate / one:f1} % | {100 * PeerRow.Median([.. all[count].Select(each => each.Share)]):f1} % |"));
        }
    }

    private static (double Rate, double Share) Measure(int count)
    {
        using var host = new HypervisorHost(new HostOptions { Clock = HostClock.Real, PhysicalCpus = 2 });
        using var machine = new VirtualMachine("harts", new GuestMemory(new MemoryRegion(0, 0x10000)), host.Timers);
        machine.Memory.TryWrite(0, Assembler.Assemble(Code, new AssemblerOptions { Name = "lock" }).ToImage());
        var engine = new Interpreter();
        HartContext[] harts = [.. Enumerable.Range(0, count).Select(_ => new HartContext(
            machine.Memory, new FlatTranslator(machine.Memory), new ExitControls { Exceptions = ExitControls.AllExceptions }, singleContext: true))];
        foreach (HartContext hart in harts)
            machine.AddVCpu(hart, new Endless(), engine);
        host.Add(machine, SchedulingParameters.Default);
        using var process = Process.GetCurrentProcess();
        TimeSpan used = process.TotalProcessorTime;
        host.Start();
        Thread.Sleep(2000);
        host.Remove(machine);
        process.Refresh();
        double seconds = (process.TotalProcessorTime - used).TotalSeconds;
        ulong[] passes = [.. harts.Select(hart => hart.Register(Passes))];
        double sum = passes.Sum(each => (double)each);
        machine.Memory.TryRead(0x5008, out ulong counted);
        if (Math.Abs(counted - sum) > count)
            throw new UnreachableException($"{counted} passes were counted under the lock and {sum} beside it");
        return (sum / seconds, (double)passes.Min() * count / sum);
    }
}
