using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Guests.Common;
using Hypervisor.Host.Cli;
using Hypervisor.Host.Schedule;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Scheduling;

/// <summary><c>hv run</c> under every policy: containers and machines together, and the trace of what happened.</summary>
public sealed class SchedulerHostTests : IDisposable
{
    // Some ten million instructions, and the end.
    private const string Count = " li t2, 3000000\n1: addi t2, t2, -1\n bnez t2, 1b\n";
    private const string PowerOff = "_start:\n" + Count + " li t0, 0x100000\n li t1, 0x5555\n sw t1, 0(t0)\n2: j 2b\n";
    private const string Shutdown = "_start:\n" + Count + " li a0, 0\n li a1, 0\n li a6, 0\n li a7, 0x53525354\n ecall\n2: j 2b\n";
    private const string Leave = "_start:\n" + Count + " li a0, 0\n li a7, 93\n ecall\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, bool> Names
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (string name in PolicyCatalogue.Ids.Where(id => !PolicyCatalogue.KnowsGroups(id)))
            {
                data.Add(name, false);
                data.Add(name, true);
            }

            return data;
        }
    }

    // Two containers and a machine of each mode, one of them with two harts; alone and in tenants. All end, and the trace can be simulated.
    [Theory]
    [MemberData(nameof(Names))]
    public void Run_EveryPolicy_HostsContainersAndMachinesOfAllModes(string name, bool inGroups)
    {
        _folder.Write("machine.elf", Assemble(PowerOff, Board.RamAddress));
        _folder.Write("para.elf", Assemble(Shutdown, Board.RamAddress + 0x20_0000));
        _folder.Write("program", BuiltInGuests.AssembleProgram(Leave, "program").ToElf());
        string tenant = inGroups ? "group: tenant, " : "";
        string manifest = _folder.Write("machines.yaml", System.Text.Encoding.UTF8.GetBytes($$"""
            scheduler: {{name}}
            cpus: 2
            {{(inGroups ? "groups:\n  tenant: { weight: 300 }" : "")}}
            machines:
              one: { {{tenant}}program: program }
              two: { program: program, weight: 300 }
              bare: { {{tenant}}mode: bare, kernel: machine.elf, memory: 16M }
              full: { mode: full, kernel: machine.elf, memory: 16M, weight: 50 }
              assisted: { mode: assisted, kernel: machine.elf, memory: 16M, vcpus: 2 }
              para: { {{tenant}}mode: para, kernel: para.elf, memory: 16M }
            """));
        string trace = _folder["trace.csv"];
        var error = new StringWriter();
        Assert.Equal((0, ""), (HvCommandLine.Run(["run", manifest, "--timeout", "100", "--sched-trace", trace], error), error.ToString()));
        ScheduleWorkload workload = TraceReader.Read(trace);
        Assert.Equal(7, workload.VCpus.Count);
        Assert.Equal([name], workload.Schedulers);
        Assert.InRange(workload.Simulate("eevdf", CancellationToken.None).Busy, 1_000_000, long.MaxValue);
    }

    [Fact]
    public void Run_PolicyThatIsNot_SaysWhichThereAre()
    {
        var error = new StringWriter();
        _folder.Write("program", BuiltInGuests.AssembleProgram(Leave, "program").ToElf());
        foreach (string name in new[] { "fastest", "gang:reservation", "gang:partitioned:eevdf", "partitioned:fastest", "" })
        {
            Assert.Equal(2, HvCommandLine.Run(["run", "--scheduler", name, _folder["program"]], error));
            string said = error.ToString();
            Assert.True(said.Contains("eevdf, stride, sfq", StringComparison.Ordinal) || said.Contains("Gangs cannot follow", StringComparison.Ordinal), said);
            error.GetStringBuilder().Clear();
        }
    }

    private static ReadOnlySpan<byte> Assemble(string source, ulong address) => Assembler.Assemble(source, new AssemblerOptions { Name = "test", TextBase = address }).ToElf();
}
