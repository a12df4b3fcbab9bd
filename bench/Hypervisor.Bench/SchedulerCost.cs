using System.Diagnostics;
using System.Globalization;
using Hypervisor.Core.Scheduling;

namespace Hypervisor.Bench;

/// <summary>Nanoseconds a decision takes under each policy, for 10 to 1,000,000 runnable vCPUs: a vCPU stops and the next is picked.</summary>
internal static class SchedulerCost
{
    // Short, so that some pass without the host taking the thread away.
    private const int Rounds = 100;
    private const int DecisionsInRound = 10_000;

    private static readonly int[] Runnable = [10, 16, 100, 1000, 10_000, 100_000, 1_000_000];

    // Around EEVDF: a tenth as many groups as vCPUs; and those in as many tenants again.
    private const string Groups = "groups";
    private const string Tenants = "tenants";

    /// <summary>Prints the tables: slices that end, wakes among them, and 64 CPUs; with --html FILE a chart too. With structures, what EEVDF's order could be kept in.</summary>
    public static int Execute(string[] arguments)
    {
        int option = Array.IndexOf(arguments, "--html");
        if (option >= 0 && option + 1 == arguments.Length)
        {
            Console.Error.WriteLine("--html needs the name of a file.");
            return 2;
        }

        string? file = option < 0 ? null : arguments[option + 1];
        string[] given = option < 0 ? arguments : [.. arguments[..option], .. arguments[(option + 2)..]];
        if (given is ["structures"])
        {
            SchedulerStructures.Print();
            return 0;
        }

        string[] names = given.Length > 0 ? given : [.. Schedulers.Names, Schedulers.PartitionedPrefix + "eevdf", Schedulers.GangPrefix + "eevdf", Groups, Tenants];
        (string, List<(string, double[])>)[] tables =
        [
            Table("a slice ends and the next is picked", names, 1, churn: 0),
            Table("the same, and every fourth vCPU sleeps and is woken", names, 1, churn: 4),
            Table("slices on 64 CPUs", names, 64, churn: 0),
        ];
        if (file is not null)
            File.WriteAllText(file, SchedulerCostChart.Write(Runnable, tables));
        return 0;
    }

    private static (string What, List<(string Name, double[] Nanoseconds)> Rows) Table(string what, string[] names, int cpus, int churn)
    {
        Console.WriteLine($"{what}: ns for a decision, the least of {Rounds} rounds; B allocated in all of them");
        Console.WriteLine("policy             " + string.Concat(Runnable.Select(n => n.ToString("N0", CultureInfo.InvariantCulture).PadLeft(11))) + "   100,000/1,000          B");
        var rows = new List<(string, double[])>();
        foreach (string name in names)
        {
            // Until the code is compiled for good.
            for (int i = 0; i < 10; i++)
                Measure(name, Math.Max(100, cpus), cpus, churn);
            var cells = new double[Runnable.Length];
            long allocated = 0;
            for (int i = 0; i < Runnable.Length; i++)
            {
                (cells[i], long bytes) = Measure(name, Math.Max(Runnable[i], cpus), cpus, churn);
                allocated += bytes;
            }

            rows.Add((name, cells));
            Console.WriteLine(name.PadRight(19) + string.Concat(cells.Select(cell => (double.IsNaN(cell) ? "–" : cell.ToString("0.0", CultureInfo.InvariantCulture)).PadLeft(11)))
                + (cells[5] / cells[3]).ToString("0.0", CultureInfo.InvariantCulture).PadLeft(16) + allocated.ToString(CultureInfo.InvariantCulture).PadLeft(11));
        }

        Console.WriteLine();
        return (what, rows);
    }

    private static SchedulingGroup[] GroupsFor(string name, int runnable)
    {
        SchedulingGroup[] tenants = name == Tenants ? [.. Enumerable.Range(0, Math.Max(1, runnable / 100)).Select(i => new SchedulingGroup($"tenant {i}"))] : [];
        return name is not (Groups or Tenants) ? [] : [.. Enumerable.Range(0, Math.Max(1, runnable / 10)).Select(i =>
            new SchedulingGroup($"machine {i}") { Weight = 1 + (i % 100), Parent = tenants.Length == 0 ? null : tenants[i % tenants.Length] })];
    }

    private static (double Nanoseconds, long Bytes) Measure(string name, int runnable, int cpus, int churn)
    {
        SchedulingGroup[] groups = GroupsFor(name, runnable);
        IScheduler policy = groups.Length > 0 ? Schedulers.CreateGrouped("eevdf", cpus) : Schedulers.Create(name, cpus);
        var random = new Random(1);
        for (int i = 0; i < runnable; i++)
        {
            policy.Set(i, new SchedulingParameters(1 + random.Next(100), 0, CpuSet.All) { Group = groups.Length > 0 ? groups[i % groups.Length] : null }, 0);
            policy.Ready(i, ReadyReason.Started, 0);
        }

        var running = new int[cpus];
        for (int cpu = 0; cpu < cpus; cpu++)
            running[cpu] = policy.Pick(cpu, 0).VCpu;
        long now = 0;
        Decide(Math.Clamp(runnable, 100_000, 1_000_000));
        double best = double.MaxValue;
        long bytes = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            Decide(DecisionsInRound);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / DecisionsInRound);
        }

        return (best, GC.GetAllocatedBytesForCurrentThread() - bytes);

        void Decide(int times)
        {
            for (int i = 0; i < times; i++)
            {
                int cpu = i % cpus;
                now += 1_000_000 / cpus;
                int vcpu = running[cpu];
                bool sleeps = churn != 0 && i % churn == 0;
                if (vcpu >= 0)
                {
                    policy.Stopped(cpu, vcpu, 1_000_000, sleeps ? StopReason.Blocked : StopReason.Expired, -1, now);
                    if (sleeps)
                        policy.Ready(vcpu, ReadyReason.Woken, now);
                }

                running[cpu] = policy.Pick(cpu, now).VCpu;
            }
        }
    }
}
