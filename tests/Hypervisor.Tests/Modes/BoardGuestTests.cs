using System.Text;
using Hypervisor.Core;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;

namespace Hypervisor.Tests.Modes;

public sealed class BoardGuestTests
{
    /// <summary>Two harts wake each other by software interrupts, 1000 times each way.</summary>
    private const string PingPong = """
            .text
            .globl _start
        _start:
            li s0, 0x02000000        # msip of hart 0; hart 1's is 4 above
            slli t0, a0, 2
            add s1, s0, t0           # mine
            xori t0, t0, 4
            add s2, s0, t0           # the other's
            li s3, 1000
            li t0, 8
            csrw mie, t0
            bnez a0, wait
        send:
            li t0, 1
            sw t0, 0(s2)
        wait:
            wfi
            csrr t0, mip
            andi t0, t0, 8
            beqz t0, wait
            sw zero, 0(s1)
            addi s3, s3, -1
            bgtz s3, send
            bnez a0, stop
            li t0, 0x100000
            li t1, 0x5555
            sw t1, 0(t0)
        stop:
            li t0, 1
            sw t0, 0(s2)
        1:  wfi
            j 1b
        """;

    private const string Htif = """
            .text
            .globl _start
        _start:
            la s0, tohost
            li t0, 0x0101000000000021    # console byte '!'
            sd t0, 0(s0)
        1:  ld t1, 0(s0)
            bnez t1, 1b
            la t0, call
            sd t0, 0(s0)
        2:  ld t1, 0(s0)
            bnez t1, 2b
            ld t1, call
            li t2, 3
            bne t1, t2, 3f
            li t0, 15                    # code 7
            sd t0, 0(s0)
        3:  j 3b
            .data
            .balign 8
            .globl tohost
        tohost: .dword 0
            .globl fromhost
        fromhost: .dword 0
        call: .dword 64, 1, text, 3, 0, 0, 0, 0
        text: .ascii "abc"
        """;

    public static TheoryData<string> Modes => [.. MachineFactory.Modes];

    [Theory]
    [MemberData(nameof(Modes))]
    public void Run_TwoHartsWakingEachOther_Ends(string mode)
    {
        var loop = new EventLoop();
        using BoardGuest guest = Create(mode, PingPong, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = new ConsoleText(), Harts = 2 }, loop);
        Assert.Equal(0, loop.Run(guest.Machine, 10_000_000).Code);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Run_TwoHartsOnTwoThreadsInRealTime_Ends(string mode)
    {
        using var host = new HypervisorHost(new HostOptions { Clock = HostClock.Real, PhysicalCpus = 2 });
        using BoardGuest guest = Create(
            mode, PingPong, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = new ConsoleText(), Harts = 2 }, host.Timers);
        host.Add(guest.Machine, SchedulingParameters.Default);
        host.Start();
        Assert.Equal(0, host.WaitFor(guest.Machine, TimeSpan.FromMinutes(1))?.Code);
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Run_HtifGuest_PrintsAndEndsWithItsCode(string mode)
    {
        var loop = new EventLoop();
        var console = new ConsoleText();
        using BoardGuest guest = Create(mode, Htif, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = console }, loop);
        Assert.Equal(7, loop.Run(guest.Machine, 50_000_000).Code);
        Assert.Equal("!abc", console.ToString());
    }

    [Fact]
    public void Create_UnknownMode_NamesTheModes()
    {
        var error = Assert.Throws<HypervisorException>(() => Create("fast", Htif, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = new ConsoleText() }, new EventLoop()));
        Assert.Contains("bare, full, assisted", error.Message);
    }

    [Fact]
    public void Boot_KernelLargerThanRam_SaysSo()
    {
        using BoardGuest guest = MachineFactory.Create(
            "bare", new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = new ConsoleText(), RamBytes = 1 << 20 }, new EventLoop());
        var error = Assert.Throws<HypervisorException>(() => guest.Boot(new BootImages { Kernel = new byte[2 << 20], KernelName = "big.bin" }));
        Assert.Contains("'big.bin' needs 0x200000 bytes", error.Message);
        Assert.Throws<HypervisorException>(() => guest.Boot(new BootImages { Kernel = new byte[16], InitialRamDisk = new byte[4 << 20] }));
    }

    private static BoardGuest Create(string mode, string source, BoardGuestOptions options, Hypervisor.Core.Time.ITimerService timers)
    {
        AssembledProgram program = Assembler.Assemble(source, new AssemblerOptions { Name = "guest", TextBase = 0x8000_0000 });
        BoardGuest guest = MachineFactory.Create(mode, options, timers);
        guest.Boot(new BootImages { Kernel = program.ToElf() });
        return guest;
    }

    [Fact]
    public void Retired_OfAKnownProgram_IsExactInEveryMode()
    {
        AssembledProgram program = Assembler.Assemble("""
            .option norvc
            _start:
                auipc t0, 0
                addi t0, t0, 48
                csrw mtvec, t0
                addi t1, zero, 1000
            1:  addi t1, t1, -1
                bnez t1, 1b
                .word 0xffffffff         # traps: does not retire
                lui t2, 0x10000
                lbu t3, 5(t2)            # a device
                ecall                    # traps
                wfi
            2:  j 2b
            trap:
                csrr t4, mepc
                addi t4, t4, 4
                csrw mepc, t4
                mret
            """, new AssemblerOptions { Name = "known", TextBase = Board.RamAddress });
        foreach (string mode in MachineFactory.Modes)
        {
            using BoardGuest guest = MachineFactory.Create(
                mode, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = new ConsoleText(), RamBytes = 1 << 20 }, new EventLoop());
            guest.Boot(new BootImages { Kernel = program.ToImage() });
            VCpu vcpu = guest.Machine.VCpus[0];
            for (int i = 0; i < 1000 && vcpu.RunSlice(100, guest.Machine.CodeCacheFor(0), out _) != SliceEnd.Blocked; i++)
            {
            }

            Assert.Equal(4 + 2000 + 2 + 1 + (2 * 4), vcpu.Meter.Retired);
        }
    }
}
