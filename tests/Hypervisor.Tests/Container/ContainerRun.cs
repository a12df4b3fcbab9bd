using System.Text;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.Container;

namespace Hypervisor.Tests.Container;

/// <summary>A container host in virtual time, for tests.</summary>
internal sealed class ContainerRun : IDisposable
{
    public ContainerRun(ulong memory = 256 << 20, int cpus = 1, int vectorBits = 0)
    {
        Host = new HypervisorHost(new HostOptions { PhysicalCpus = cpus });
        Containers = new ContainerHost("test", memory, Host.Timers, Support.TestEngine.Create()) { SetParameters = Host.SetParameters, VectorBits = vectorBits };
        Host.Add(Containers.Machine, SchedulingParameters.Default);
    }

    public HypervisorHost Host { get; }

    public ContainerHost Containers { get; }

    public StringBuilder Output { get; } = new();

    public Guests.Container.Container Start(ReadOnlyMemory<byte> program, ContainerOptions? options = null, params string[] arguments)
    {
        var text = options is null ? Output : new StringBuilder();
        return Containers.Create((options ?? new ContainerOptions { Program = "", Arguments = [] }) with
        {
            Program = "/bin/program",
            ProgramImage = program,
            Arguments = ["program", .. arguments],
            Output = options?.Output ?? (bytes => Output.Append(Encoding.UTF8.GetString(bytes))),
            Error = options?.Error ?? (bytes => Output.Append(Encoding.UTF8.GetString(bytes))),
        });
    }

    /// <summary>Runs for at most so much virtual time; fails where a container is still alive then.</summary>
    public void Finish(long seconds = 60)
    {
        Host.RunFor(seconds * 1_000_000_000);
        Assert.True(Containers.Containers.All(container => container.Exit is not null), $"still running after {seconds} virtual seconds; printed: {Output}");
    }

    public void Dispose()
    {
        Host.Dispose();
        Containers.Dispose();
    }
}
