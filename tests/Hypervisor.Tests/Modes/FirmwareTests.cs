using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;

namespace Hypervisor.Tests.Modes;

/// <summary>OpenSBI, unmodified, as firmware beneath a payload of ours: the hardest unprivileged user of machine mode there is.</summary>
public sealed class FirmwareTests
{
    private const string Folder = "/usr/lib/riscv64-linux-gnu/opensbi/generic";

    /// <summary>Asks for the SBI's version, counts 100 timer interrupts in S-mode, prints OK and shuts down.</summary>
    private const string Payload = """
            .text
            .globl _start
        _start:
            mv s3, a0
            la t0, trap
            csrw stvec, t0
            li s0, 0
            li s1, 0x54494D45        # TIME
            li s2, 100
            csrr t0, time
            addi a0, t0, 200
            mv a7, s1
            li a6, 0
            ecall
            li t0, 0x20
            csrw sie, t0
            csrsi sstatus, 2
        wait:
            wfi
            blt s0, s2, wait
            li a0, 79
            li a7, 1
            ecall
            li a0, 75
            ecall
            add a0, s3, 48
            ecall
            li a0, 10
            ecall
            li a7, 0x53525354        # SRST
            li a6, 0
            li a0, 0
            li a1, 0
            ecall
        stop:
            j stop

            .balign 4
        trap:
            addi s0, s0, 1
            csrr t0, time
            addi a0, t0, 200
            mv a7, s1
            li a6, 0
            ecall
            sret
        """;

    public static TheoryData<string, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, string>();
            foreach (string mode in MachineFactory.Modes)
            {
                cases.Add(mode, "fw_jump.bin");
                cases.Add(mode, "fw_dynamic.elf");
            }

            return cases;
        }
    }

    [FirmwareTheory]
    [MemberData(nameof(Cases))]
    public void Boot_OpenSbiWithPayload_TimerInterruptsAndShutdown(string mode, string firmware)
    {
        var loop = new EventLoop();
        var console = new ConsoleText();
        AssembledProgram payload = Assembler.Assemble(Payload, new AssemblerOptions { Name = "payload", TextBase = 0x8020_0000 });
        using BoardGuest guest = MachineFactory.Create(mode, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = console }, loop);
        guest.Boot(new BootImages { Kernel = payload.ToImage(), Firmware = File.ReadAllBytes(Path.Combine(Folder, firmware)) });
        MachineExit exit = loop.Run(guest.Machine, 200_000_000);
        Assert.Equal(0, exit.Code);
        Assert.Contains("OpenSBI v", console.ToString());
        Assert.EndsWith("OK0\n", console.ToString().Replace("\r", ""));
    }

    [AttributeUsage(AttributeTargets.Method)]
    private sealed class FirmwareTheoryAttribute : TheoryAttribute
    {
        public FirmwareTheoryAttribute()
        {
            if (!Directory.Exists(Folder))
                Skip = "OpenSBI not found: run tests/install-peers.sh";
        }
    }
}
