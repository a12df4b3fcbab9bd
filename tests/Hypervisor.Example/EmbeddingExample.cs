using System.Text;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Container;

namespace Hypervisor.Example;

/// <summary>The README's embedding example.</summary>
public static class EmbeddingExample
{
    /// <summary>Runs a riscv64 program in two containers with different shares.</summary>
    public static void Run(string programFile, TextWriter console)
    {
        // <example>
        using var host = new HypervisorHost(new HostOptions { Scheduler = "stride", SliceNanoseconds = 100_000 });
        using var containers = new ContainerHost(host, memoryBytes: 256 << 20);
        byte[] program = File.ReadAllBytes(programFile);
        foreach ((string name, int weight) in new[] { ("light", 100), ("heavy", 300) })
        {
            containers.Create(new ContainerOptions
            {
                Name = name, Weight = weight, MemoryLimit = 64 << 20,
                Program = "/bin/program", ProgramImage = program, Arguments = ["program", name],
                Output = bytes => console.Write(Encoding.UTF8.GetString(bytes)),
            });
        }

        host.RunFor(nanoseconds: 2_000_000_000); // virtual time: the same on every host, every time
        foreach (Container container in containers.Containers)
            console.WriteLine($"{container.Options.Name} ended with {container.Exit?.Code} at {host.NowNanoseconds} ns");
        // </example>
    }
}
