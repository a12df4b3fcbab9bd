using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Machine;
using Hypervisor.Guests;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.BuiltIn;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Modes;

/// <summary>The built-in kernel hosted in each mode that owns a board: the same program must give the same result in all.</summary>
public sealed class BuiltInKernelTests
{
    private const ulong RamBytes = 64 << 20;
    private static readonly BuiltInGuests s_guests = new();

    public static TheoryData<string> Workloads => [.. BuiltInGuests.Workloads.Select(workload => workload.Name)];

    [Theory]
    [MemberData(nameof(Workloads))]
    public void Create_Workload_SameConsoleInEveryMode(string name)
    {
        Workload workload = s_guests.Find(name);
        string[] consoles = [.. MachineFactory.Modes.Select(mode => Run(mode, workload, 20, out _))];
        Assert.True(workload.TryFindResult(consoles[0], out ulong checksum), consoles[0]);
        Assert.Equal(WorkloadPrograms.ExpectedChecksum(name, 20) ?? checksum, checksum);
        Assert.All(consoles, console => Assert.Equal(consoles[0], console));
    }

    [PeerFact("qemu-system-riscv64")]
    public void Create_EveryWorkload_PrintsWhatItPrintsOnQemu()
    {
        using var qemu = new QemuBoard();
        foreach (Workload workload in BuiltInGuests.Workloads)
        {
            (_, string expected) = qemu.RunPrivileged(s_guests.PrivilegedKernel(), s_guests.WorkloadElf(workload.Name).ToArray(), 30);
            Assert.All(MachineFactory.Modes, mode => Assert.Equal(expected.Replace("\r", ""), Run(mode, workload, 30, out _).Replace("\r", "")));
        }
    }

    [Fact]
    public void Create_Full_KernelNeverRunsPrivileged()
    {
        Run("full", s_guests.Find("syscall"), 50, out VCpuMeter meter);
        Assert.True(meter.Exits(VmExitReason.PrivilegedInstruction) > 200, "a deprivileged kernel's CSR accesses exit");
        Assert.True(meter.Exits(VmExitReason.EnvironmentCall) >= 50);
        Assert.True(meter.Exits(VmExitReason.TranslationMiss) > 0);
    }

    [Fact]
    public void Create_Assisted_OnlyDevicesWaitsAndFirstTouchesExit()
    {
        Run("assisted", s_guests.Find("syscall"), 50, out VCpuMeter meter);
        Assert.Equal(0, meter.Exits(VmExitReason.PrivilegedInstruction));
        Assert.Equal(0, meter.Exits(VmExitReason.EnvironmentCall));
        Assert.InRange(meter.Exits(VmExitReason.TranslationMiss), 1, (long)(RamBytes >> 12));
        Assert.True(meter.Exits(VmExitReason.MmioWrite) > 0);
    }

    [Fact]
    public void Create_Bare_NothingExitsButWaits()
    {
        Run("bare", s_guests.Find("syscall"), 50, out VCpuMeter meter);
        Assert.Equal(meter.Exits(VmExitReason.WaitForInterrupt), meter.TotalExits);
    }

    private static string Run(string mode, Workload workload, long iterations, out VCpuMeter meter)
    {
        var loop = new EventLoop();
        var console = new ConsoleText();
        ReadOnlyMemory<byte> program = s_guests.WorkloadElf(workload.Name);
        using BoardGuest guest = MachineFactory.Create(mode, new BoardGuestOptions
        {
            Engine = Support.TestEngine.Create(),
            Console = console,
            RamBytes = RamBytes,
            Devices = [new VirtioBlock(new MemoryBlockBackend(new byte[1 << 20]), "disk")],
        }, loop);
        guest.Boot(new BootImages
        {
            Kernel = s_guests.PrivilegedKernel().ToElf(),
            Blobs =
            [
                (BootParameters.Address, new BootParameters { Iterations = iterations, RamBytes = RamBytes, ProgramBytes = program.Length }.ToBytes()),
                (BootParameters.DefaultProgramAddress, program),
            ],
        });
        MachineExit exit = loop.Run(guest.Machine, 200_000_000);
        Assert.True(exit.Code == 0, $"{mode}: {exit.Reason}\n{console}");
        meter = guest.Machine.VCpus[0].Meter;
        return console.ToString();
    }
}
