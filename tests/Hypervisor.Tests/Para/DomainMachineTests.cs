using System.Text;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Guests.Para;

namespace Hypervisor.Tests.Para;

/// <summary>Guests that run, and meet by what docs/para-abi.md, section 8, offers.</summary>
public sealed class DomainMachineTests
{
    private const ulong Ram = 0x8000_0000;

    /// <summary>
    /// Domain 1 grants a page that holds a counter and offers a channel; domain 2 maps the page. Each in turn waits until the
    /// counter's parity is its own, adds one, and tells the other. Both make their bindings in the same order, so that the
    /// numbers are known.
    /// </summary>
    private const string PingPong = """
            .equ ROUNDS, 2000
            .macro HVP function
            li a7, 0x0A485650
            li a6, \function
            ecall
            bnez a0, fail
            .endm

            .text
            .globl _start
        _start:
            HVP 7
            mv s0, a1                    # own domain
            li a0, 0
            la a1, info
            HVP 1
            la s1, info
            sd zero, 0x60(s1)            # no channel masked; upcalls stay off: the guest blocks and looks
            la s2, page
            addi t0, s0, -2
            beqz t0, second
            la a0, page
            li a1, 1
            li a2, 2
            li a3, 1
            HVP 0x30
            li a0, 2
            li a1, 0
            HVP 0x14
            mv s3, a1
            li s4, 0                     # acts on even counts
            j play
        second:
            # The other side may not be so far yet.
            li a7, 0x0A485650
            li a6, 0x15
            li a0, 1
            li a1, 1
            li a2, 0
            ecall
            beqz a0, 1f
            HVP 2
            j second
        1:  mv s3, a1
            li a0, 1
            li a1, 1
            la a2, page
            li a3, 1
            HVP 0x32
            li s4, 1
        play:
            li s5, ROUNDS
        2:  addi t1, s1, 0x40
            amoand.d zero, zero, (t1)
            fence
            ld t0, 0(s2)
            bgeu t0, s5, done
            andi t1, t0, 1
            bne t1, s4, 3f
            addi t0, t0, 1
            sd t0, 0(s2)
            fence
            mv a0, s3
            li a1, 0
            li a7, 0x0A485650
            li a6, 0x11
            ecall                        # refused until the other end is bound, which looks by itself then
            j 2b
        3:  li a0, -1
            HVP 3
            j 2b
        done:
            li a7, 0x53525354
            li a6, 0
            li a0, 0
            li a1, 0
            ecall
        fail:
            li a7, 0x53525354
            li a6, 0
            li a1, 0xF0000001
            li a0, 0
            ecall
            j fail
            .bss
            .balign 4096
        info: .zero 4096
        page: .zero 4096
        """;

    [Theory]
    [InlineData(HostClock.Virtual)]
    [InlineData(HostClock.Real)]
    public void TwoGuests_PlayPingPongOverAGrantedPage(HostClock clock)
    {
        if (!ParaFunction.CanMapGrants)
            return;
        AssembledProgram program = Assembler.Assemble(PingPong, new AssemblerOptions { Name = "ping-pong", TextBase = Ram });
        using var host = new HypervisorHost(new HostOptions { Clock = clock, PhysicalCpus = 2 });
        var domains = new ParaDomains();
        var engine = Support.TestEngine.Create();
        var machines = new List<(VirtualMachine Machine, ParaGuest Guest)>();
        try
        {
            for (int i = 0; i < 2; i++)
            {
                var machine = new VirtualMachine($"guest {i}", new GuestMemory(new MemoryRegion(Ram, 1 << 20)), host.Timers);
                var guest = new ParaGuest(machine, new ParaGuestOptions { Engine = engine, Console = new CollectingSink(), Entry = program.Entry, Domains = domains });
                machines.Add((machine, guest));
                Assert.True(machine.Memory.TryWrite(program.ImageBase, program.ToImage()));
            }

            foreach ((VirtualMachine machine, _) in machines)
                host.Add(machine, SchedulingParameters.Default);
            if (clock == HostClock.Virtual)
            {
                host.RunFor(2_000_000_000);
            }
            else
            {
                host.Start();
                foreach ((VirtualMachine machine, _) in machines)
                    host.WaitFor(machine, TimeSpan.FromSeconds(60));
            }

            Assert.All(machines, each => Assert.Equal(0, each.Machine.Exit?.Code));
        }
        finally
        {
            foreach ((VirtualMachine machine, ParaGuest guest) in machines)
            {
                guest.Dispose();
                machine.Dispose();
            }
        }
    }

    [Fact]
    public void BuiltInKernel_AskedToGivePagesBack_DoesAndTakesThemUpAgain()
    {
        const ulong ramBytes = 64 << 20;
        var guests = new BuiltInGuests();
        AssembledProgram kernel = guests.ParaKernel();
        ReadOnlyMemory<byte> program = guests.WorkloadElf("timer");
        using var host = new HypervisorHost(new HostOptions { Clock = HostClock.Virtual });
        var console = new CollectingSink();
        using var machine = new VirtualMachine("para", new GuestMemory(new MemoryRegion(Ram, ramBytes)), host.Timers);
        using var guest = new ParaGuest(machine, new ParaGuestOptions { Engine = Support.TestEngine.Create(), Console = console, Entry = kernel.Entry, Opaque = BootParameters.Address });
        var parameters = new BootParameters { Iterations = 50_000, RamBytes = ramBytes, ProgramBytes = program.Length };
        machine.Memory.TryWrite(kernel.ImageBase, kernel.ToImage());
        machine.Memory.TryWrite(BootParameters.Address, parameters.ToBytes());
        machine.Memory.TryWrite(parameters.ProgramAddress, program.Span);
        guest.Para.BalloonTarget = 100;
        host.Add(machine, SchedulingParameters.Default);

        host.RunFor(2_000_000);
        Assert.Equal(100, guest.Para.ReleasedPages);
        guest.Para.BalloonTarget = 4_000;
        host.RunFor(4_000_000);
        Assert.Equal(4_000, guest.Para.ReleasedPages);
        guest.Para.BalloonTarget = 50;
        host.RunFor(1_000_000);
        guest.Para.BalloonTarget = 60;
        host.RunFor(1_000_000);
        Assert.Equal(4_010, guest.Para.ReleasedPages);
        Assert.Null(machine.Exit);
        host.RunUntilIdle();
        Assert.Equal(0, machine.Exit?.Code);
        Assert.DoesNotContain("panic", Encoding.ASCII.GetString([.. console.Bytes]));
    }
}
