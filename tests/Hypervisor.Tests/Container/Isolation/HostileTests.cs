using System.Text;
using FsCheck.Fluent;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Syscalls;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container.Isolation;

/// <summary>
/// A container that makes every system call with arguments at random, which its other threads change meanwhile: the host goes on,
/// its limits hold, and whoever lives beside it finds memory, files and processes as he left them.
/// </summary>
public sealed class HostileTests
{
    private const string Compiler = "riscv64-linux-gnu-gcc";
    private const long Duration = 250_000_000;
    private const int Parts = 10;

    private static readonly string[] s_numbers = [.. SyscallTable.Numbers.Concat([4096, 500]).Select(number => number.ToString(System.Globalization.CultureInfo.InvariantCulture))];

    [PeerFact(Compiler)]
    public void Calls_AtRandomFromManyThreads_LeaveHostAndNeighboursAlone()
    {
        byte[] program = Compile();
        Property.ForAll(
            from seed in Gen.Choose(1, int.MaxValue)
            from cpus in Gen.Choose(1, 3)
            select (Seed: seed, Cpus: cpus),
            each =>
            {
                using var host = new HypervisorHost(new HostOptions { PhysicalCpus = each.Cpus, SliceNanoseconds = 200_000 });
                using var pair = new Pair(host, program, each.Seed);
                for (int part = 0; part < Parts; part++)
                {
                    host.RunFor(Duration / Parts);
                    pair.Check(leastRounds: 0);
                    pair.StormOn();
                }

                pair.Check(leastRounds: 5);
                pair.Storm.SignalAll(9);
                host.RunFor(20_000_000);
                Assert.NotNull(pair.Storm.Exit);
                Assert.Equal(0UL, pair.Storm.MemoryInUse);
                return true;
            },
            cases: 5);
    }

    [PeerFact(Compiler)]
    public void Calls_AtRandomInRealTimeOnTwoProcessors_LeaveHostAndNeighboursAlone()
    {
        int seed = Random.Shared.Next();
        using var host = new HypervisorHost(new HostOptions { Clock = HostClock.Real, PhysicalCpus = 2 });
        using var pair = new Pair(host, Compile(), seed);
        host.Start();
        for (int part = 0; part < Parts; part++)
        {
            MachineExit? end = host.WaitFor(pair.Kernel.Machine, TimeSpan.FromSeconds(0.4));
            Assert.True(end is null, $"seed {seed}: {end}");
            pair.StormOn();
        }

        pair.Check(leastRounds: 3);
        pair.Storm.SignalAll(9);
        pair.Witness.SignalAll(9);
        Assert.True(host.WaitFor(pair.Kernel.Machine, TimeSpan.FromSeconds(20)) is not null, $"seed {seed}: it did not end");
    }

    private static byte[] Compile()
    {
        using var folder = new TemporaryFolder();
        string source = folder["storm.c"];
        using (Stream resource = typeof(HostileTests).Assembly.GetManifestResourceStream("Hypervisor.Tests.Container.Programs.storm.c")!)
        using (FileStream file = File.Create(source))
            resource.CopyTo(file);
        Peer.Run(Compiler, "-O1", "-static", "-w", "-o", folder["storm"], source, "-lpthread");
        return File.ReadAllBytes(folder["storm"]);
    }

    /// <summary>A storm and its witness on one kernel.</summary>
    private sealed class Pair : IDisposable
    {
        private readonly byte[] _program;
        private readonly int _seed;
        private int _storms;
        private readonly StringBuilder _said = new();

        public Pair(HypervisorHost host, byte[] program, int seed)
        {
            _seed = seed;
            Kernel = new ContainerHost("test", 128 << 20, host.Timers, TestEngine.Create()) { SetParameters = host.SetParameters };
            host.Add(Kernel.Machine, SchedulingParameters.Default);
            Witness = Start(program, "witness", "witness");
            _program = program;
            Storm = StartStorm();
        }

        public ContainerHost Kernel { get; }

        public Guests.Container.Container Storm { get; private set; }

        public Guests.Container.Container Witness { get; }

        /// <summary>A storm that made an end of itself goes on as another.</summary>
        public void StormOn()
        {
            if (Storm.Exit is not null)
                Storm = StartStorm();
        }

        public void Check(int leastRounds)
        {
            string said;
            lock (_said)
                said = _said.ToString();
            Assert.True(Witness.Exit is null, $"seed {_seed}: the witness ended with {Witness.Exit}: {said[^Math.Min(60, said.Length)..]}");
            Assert.DoesNotContain("changed", said, StringComparison.Ordinal);
            Assert.True(said.Count(c => c == '\n') >= leastRounds, $"seed {_seed}: the witness got to round {said.Count(c => c == '\n')}");
            Assert.True(Storm.TaskCount <= Storm.Options.TaskLimit, $"seed {_seed}: {Storm.TaskCount} tasks");
            Assert.True(Storm.MemoryInUse <= Storm.Options.MemoryLimit, $"seed {_seed}: {Storm.MemoryInUse} bytes of memory");
            Assert.True(Storm.Store.Used <= Storm.Store.Capacity, $"seed {_seed}: {Storm.Store.Used} bytes of files");
        }

        public void Dispose() => Kernel.Dispose();

        private Guests.Container.Container StartStorm()
            => Start(_program, $"storm{_storms}", ["storm", (_seed + _storms++).ToString(System.Globalization.CultureInfo.InvariantCulture), .. s_numbers]);

        private Guests.Container.Container Start(byte[] program, string name, params string[] arguments) => Kernel.Create(new ContainerOptions
        {
            Name = name,
            Program = "/bin/storm",
            ProgramImage = program,
            Arguments = ["storm", .. arguments],
            MemoryLimit = 32 << 20,
            FileLimit = 8 << 20,
            TaskLimit = 40,
            Output = bytes =>
            {
                if (name != "witness")
                    return;
                lock (_said)
                    _said.Append(Encoding.UTF8.GetString(bytes));
            },
        });
    }
}
