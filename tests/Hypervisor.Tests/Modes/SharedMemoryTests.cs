using System.Security.Cryptography;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;

namespace Hypervisor.Tests.Modes;

/// <summary>Harts of one machine that work on each other, in simulated time and on threads.</summary>
public sealed class SharedMemoryTests
{
    private const long RamBytes = 1 << 20;

    public static TheoryData<string, int> Machines
    {
        get
        {
            var machines = new TheoryData<string, int>();
            foreach (string mode in MachineFactory.Modes)
            {
                foreach (int harts in (int[])[2, 3, 8])
                    machines.Add(mode, harts);
            }

            return machines;
        }
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void SharedMemory_InVirtualTime_HoldsAndIsTheSameEveryTime(string mode, int harts)
    {
        (string Memory, long Retired) Run(int cpus, long slice)
        {
            using var host = new HypervisorHost(new HostOptions { PhysicalCpus = cpus, SliceNanoseconds = slice });
            using BoardGuest guest = Create(mode, harts, rounds: 64, host);
            host.Add(guest.Machine, SchedulingParameters.Default);
            host.RunFor(20_000_000_000);
            Assert.Equal(0, guest.Machine.Exit?.Code);
            byte[] ram = new byte[RamBytes];
            Assert.True(guest.Machine.Memory.TryRead(Board.RamAddress, ram));
            return (Convert.ToHexString(SHA256.HashData(ram)), guest.Machine.VCpus.Sum(vcpu => vcpu.Meter.Retired));
        }

        Assert.Equal(Run(2, 20_000), Run(2, 20_000));
        Run(1, 1_000);
        Run(harts, 7_777);
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void SharedMemory_OnThreads_Holds(string mode, int harts)
    {
        using var host = new HypervisorHost(new HostOptions { Clock = HostClock.Real, PhysicalCpus = 2, SliceNanoseconds = 50_000 });
        using BoardGuest guest = Create(mode, harts, rounds: 512, host);
        host.Add(guest.Machine, SchedulingParameters.Default);
        host.Start();
        Assert.Equal(0, host.WaitFor(guest.Machine, TimeSpan.FromMinutes(2))?.Code);
    }

    private static BoardGuest Create(string mode, int harts, int rounds, HypervisorHost host)
    {
        AssembledProgram program = Assembler.Assemble(
            SharedMemoryProgram.Source(harts, rounds), new AssemblerOptions { Name = "shared", TextBase = Board.RamAddress });
        BoardGuest guest = MachineFactory.Create(
            mode, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = new ConsoleText(), Harts = harts, RamBytes = RamBytes }, host.Timers);
        guest.Boot(new BootImages { Kernel = program.ToElf() });
        return guest;
    }
}
