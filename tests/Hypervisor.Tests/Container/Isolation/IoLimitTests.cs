using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.Container;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container.Isolation;

/// <summary>Limits of input and output on files of the host, in virtual time.</summary>
public sealed class IoLimitTests
{
    private const string Compiler = "riscv64-linux-gnu-gcc";
    private const long Second = 1_000_000_000;

    private const string Source = """
        #include <fcntl.h>
        #include <stdlib.h>
        #include <string.h>
        #include <unistd.h>
        int main(int argc, char **argv)
        {
            static char block[65536];
            int size = atoi(argv[2]), count = atoi(argv[3]), reads = !strcmp(argv[1], "read");
            int file = open("/v/file", O_RDWR | O_CREAT, 0644);
            for (int i = 0; i < count; i++)
                if ((reads ? pread(file, block, size, 0) : pwrite(file, block, size, 0)) != size)
                    return 1;
            for (volatile long i = 0; !strcmp(argv[1], "spin") && i < 3000000000; i++) { }
            return 0;
        }
        """;

    public static TheoryData<string, int, int, IoLimits, double> Rates => new()
    {
        { "write", 32768, 64, new IoLimits(WriteBytes: 1 << 20), 2 },
        { "read", 32768, 64, new IoLimits(ReadBytes: 1 << 20), 2 },
        { "write", 10, 300, new IoLimits(Writes: 100), 3 },
        { "read", 10, 300, new IoLimits(Reads: 100, WriteBytes: 1), 3 },
        { "write", 10, 300, new IoLimits(Writes: 100, WriteBytes: 500), 6 },
        { "write", 32768, 64, new IoLimits(ReadBytes: 1, Reads: 1), 0 },
    };

    [PeerTheory(Compiler)]
    [MemberData(nameof(Rates))]
    public void Tasks_BeyondALimit_SleepUntilItIsPaid(string what, int size, int count, IoLimits limits, double seconds)
    {
        using var test = new Test();
        Guests.Container.Container container = test.Start([what, $"{size}", $"{count}"], limits);
        long due = (long)(seconds * Second);

        // The last one to pay goes on at its time, to end: what it did is done before that.
        if (due > 0)
        {
            test.Host.RunFor(due - due / 20);
            Assert.Null(container.Exit);
        }

        test.Host.RunFor(due / 10 + Second / 10);
        Assert.Equal(0, container.Exit?.Code);
        IoStatistics io = container.Statistics.Io;
        Assert.Equal((long)size * count, what == "write" ? io.BytesWritten : io.BytesRead);
        Assert.Equal(count, what == "write" ? io.Writes : io.Reads);
        Assert.True(Math.Abs(io.HeldNanoseconds - due) <= due / 20 + 1, $"held for {io.HeldNanoseconds} ns, not {due}");
    }

    [PeerFact(Compiler)]
    public void Tasks_OfOneContainer_PayTogetherAndNeighboursDoNot()
    {
        using var test = new Test();
        var limits = new IoLimits(WriteBytes: 1 << 20);
        Guests.Container.Container first = test.Start(["write", "32768", "32"], limits);
        Guests.Container.Container free = test.Start(["write", "32768", "320"], null);
        first.Execute(new ProcessOptions { Program = "/bin/program", Arguments = ["program", "write", "32768", "32"] });
        test.Host.RunFor(Second * 9 / 10);
        Assert.Equal(0, free.Exit?.Code);
        Assert.Null(first.Exit);
        Assert.True(first.Statistics.Io.BytesWritten <= 1 << 20, $"{first.Statistics.Io.BytesWritten} bytes in less than a second");
        test.Host.RunFor(Second * 12 / 10);
        Assert.Equal(0, first.Exit?.Code);
    }

    [PeerFact(Compiler)]
    public void Limits_ChangedWhileItRuns_HoldFromThen()
    {
        using var test = new Test();
        Guests.Container.Container container = test.Start(["write", "32768", "3200"], new IoLimits(WriteBytes: 1 << 20));
        test.Host.RunFor(Second);
        Assert.Null(container.Exit);
        container.SetLimits(new ContainerLimits { Io = new IoLimits(), Tasks = 7, Memory = 1 << 20 });
        Assert.Equal((7, 1UL << 20), (container.Statistics.TaskLimit, container.Statistics.MemoryLimit));
        test.Host.RunFor(Second);
        Assert.Equal(0, container.Exit?.Code);
        Assert.Throws<Core.HypervisorException>(() => container.SetLimits(new ContainerLimits { Memory = 1 }));
        Assert.Throws<Core.HypervisorException>(() => container.SetLimits(new ContainerLimits { Memory = 1UL << 50 }));
        Assert.Throws<Core.HypervisorException>(() => container.SetLimits(new ContainerLimits { Cpus = 0 }));
        Assert.Throws<Core.HypervisorException>(() => container.SetLimits(new ContainerLimits { Io = new IoLimits(Writes: 0) }));
    }

    [PeerFact(Compiler)]
    public void ATaskThatIsHeld_CanBeKilled()
    {
        using var test = new Test();
        Guests.Container.Container container = test.Start(["write", "32768", "32"], new IoLimits(WriteBytes: 1));
        test.Host.RunFor(Second);
        Assert.Null(container.Exit);
        container.Signal(9);
        test.Host.RunFor(Second / 10);
        Assert.Equal(137, container.Exit?.Code);
    }

    private sealed class Test : IDisposable
    {
        private readonly TemporaryFolder _folder = new();
        private readonly ContainerHost _containers;
        private readonly byte[] _program;

        public Test()
        {
            _folder.Write("source.c", System.Text.Encoding.UTF8.GetBytes(Source));
            Peer.Run(Compiler, "-O2", "-static", "-o", _folder["program"], _folder["source.c"]);
            _program = File.ReadAllBytes(_folder["program"]);
            Host = new HypervisorHost(new HostOptions());
            _containers = new ContainerHost("test", 64 << 20, Host.Timers, TestEngine.Create(), endWithLastContainer: false);
            Host.Add(_containers.Machine, SchedulingParameters.Default);
        }

        public HypervisorHost Host { get; }

        public Guests.Container.Container Start(string[] arguments, IoLimits? limits)
        {
            string volume = Directory.CreateDirectory(_folder[$"v{_containers.Containers.Count}"]).FullName;
            File.WriteAllBytes(Path.Combine(volume, "file"), new byte[65536]);
            return _containers.Create(new ContainerOptions
            {
                Program = "/bin/program",
                ProgramImage = _program,
                Arguments = ["program", .. arguments],
                Mounts = [new ContainerMount { Destination = "/v", Kind = ContainerMountKind.Host, Source = volume }],
                MemoryLimit = 16 << 20,
                Io = limits,
            });
        }

        public void Dispose()
        {
            Host.Dispose();
            _containers.Dispose();
            _folder.Dispose();
        }
    }
}
