using System.Text;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container.Isolation;

/// <summary>Containers that take all they can leave their neighbours what is theirs: time, memory, files.</summary>
public sealed class NeighbourTests
{
    private const string Compiler = "riscv64-linux-gnu-gcc";
    private const long Duration = 600_000_000;

    [PeerTheory(Compiler)]
    [InlineData("forks", 1)]
    [InlineData("memory", 1)]
    [InlineData("files", 1)]
    [InlineData("disk", 1)]
    [InlineData("mounts", 1)]
    [InlineData("namespaces", 1)]
    [InlineData("ipc", 1)]
    [InlineData("threads", 1)]
    [InlineData("threads", 2)]
    public void Container_ThatTakesAllItCan_LeavesItsNeighboursTheirShare(string what, int cpus)
    {
        using var folder = new TemporaryFolder();
        byte[] program = Compile(folder);
        using var host = new HypervisorHost(new HostOptions { PhysicalCpus = cpus, Groups = true, SliceNanoseconds = 100_000 });
        using var containers = new ContainerHost("test", 256 << 20, host.Timers, new Interpreter()) { SetParameters = host.SetParameters };
        host.Add(containers.Machine, SchedulingParameters.Default);
        var printed = new StringBuilder();
        Guests.Container.Container guilty = Start(what, 200);
        Guests.Container.Container light = Start("spin", 100);
        Guests.Container.Container heavy = Start("spin", 300);
        KeyValuePair<Guests.Container.Container, VCpu>[] neighbours = [.. new[] { light, heavy }.Select(container => new KeyValuePair<Guests.Container.Container, VCpu>(container, container.Processes.Single().Tasks.Single().VCpu))];
        host.RunFor(Duration);
        foreach ((Guests.Container.Container neighbour, VCpu vcpu) in neighbours)
        {
            // A program of one task uses one CPU at most, whatever its weight.
            double due = Math.Min(Duration, Duration * (double)cpus * neighbour.Options.Weight / 600);
            Assert.True(vcpu.Meter.RunNanoseconds >= due * 0.96, $"{vcpu.Meter.RunNanoseconds / 1e6:f1} ms of the {due / 1e6:f1} ms that weight {neighbour.Options.Weight} is due");
            Assert.Null(neighbour.Exit);
        }

        // It met its own limits, and stays: its first process never asked for too much.
        Assert.True(guilty.TaskCount <= guilty.Options.TaskLimit);
        Assert.True(guilty.MemoryInUse <= guilty.Options.MemoryLimit);
        Assert.True(guilty.Store.Used <= guilty.Store.Capacity);
        Assert.True(guilty.Paths.Numbers.Count <= MountNumbers.Most);
        Assert.True(guilty.NamespaceSet.Count <= NamespaceSet.Most);
        if (what == "memory")
            Assert.StartsWith("child ended by 9\n", printed.ToString(), StringComparison.Ordinal);
        if (what == "disk")
            Assert.True(guilty.Store.Used > guilty.Store.Capacity / 2);
        if (what == "forks")
            Assert.Equal(guilty.Options.TaskLimit, guilty.TaskCount);

        Guests.Container.Container Start(string kind, int weight) => containers.Create(new ContainerOptions
        {
            Name = kind,
            Weight = weight,
            Program = "/bin/hog",
            ProgramImage = program,
            Arguments = ["hog", kind],
            MemoryLimit = 32 << 20,
            FileLimit = 8 << 20,
            TaskLimit = 100,
            Output = bytes => printed.Append(Encoding.UTF8.GetString(bytes)),
        });
    }

    private static byte[] Compile(TemporaryFolder folder)
    {
        string source = folder["hog.c"];
        using (Stream resource = typeof(NeighbourTests).Assembly.GetManifestResourceStream("Hypervisor.Tests.Container.Programs.hog.c")!)
        using (FileStream file = File.Create(source))
            resource.CopyTo(file);
        Peer.Run(Compiler, "-O1", "-static", "-w", "-o", folder["hog"], source);
        return File.ReadAllBytes(folder["hog"]);
    }
}
