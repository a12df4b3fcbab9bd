using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.Modes;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Full;

public sealed class FullModeTests
{
    /// <summary>Every kind of exit there is, over and over.</summary>
    private const string Exits = """
            .text
            .globl _start
        _start:
            la t0, trap
            csrw mtvec, t0
            li s0, 0x10000000
        loop:
            csrr a1, mscratch
            csrw mscratch, a1
            csrrs a1, mstatus, zero
            csrr a1, 0x7c0
            sfence.vma
            sfence.vma s0, zero
            ecall
            ebreak
            lbu a1, 5(s0)
            ld a1, 0(zero)
            j loop
            .balign 4
        trap:
            csrr t0, mepc
            lhu t1, 0(t0)
            addi t0, t0, 2
            andi t1, t1, 3
            addi t1, t1, -3
            bnez t1, 1f
            addi t0, t0, 2
        1:  csrw mepc, t0
            mret
        """;

    [Fact]
    public void RunSlice_EveryKindOfExit_AllocatesNothing()
    {
        using BoardGuest guest = Boot();
        VCpu vcpu = guest.Machine.VCpus[0];
        CodeCache code = guest.Machine.CodeCacheFor(0);
        vcpu.RunSlice(200_000, code, out _);
        Assert.Equal(0, Allocations.Of(() => vcpu.RunSlice(200_000, code, out _)));
        Assert.All(
            (VmExitReason[])[
                VmExitReason.EnvironmentCall, VmExitReason.Breakpoint, VmExitReason.PrivilegedInstruction, VmExitReason.TranslationMiss,
                VmExitReason.MmioRead,
            ],
            reason => Assert.True(vcpu.Meter.Exits(reason) > 1000, $"{reason}: {vcpu.Meter.Exits(reason)}"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    public void RunSlice_AnySlicing_LeavesTheSameState(int slice)
    {
        const int total = 20_000;
        using BoardGuest whole = Boot();
        using BoardGuest pieces = Boot();
        whole.Machine.VCpus[0].RunSlice(total, whole.Machine.CodeCacheFor(0), out _);
        for (int left = total; left > 0; left -= slice)
            pieces.Machine.VCpus[0].RunSlice(Math.Min(slice, left), pieces.Machine.CodeCacheFor(0), out _);
        Assert.Equal(Describe(whole), Describe(pieces));
    }

    private static unsafe string Describe(BoardGuest guest)
    {
        VCpu vcpu = guest.Machine.VCpus[0];
        ref var p = ref guest.Mode.StateOf(vcpu);
        ulong[] x = new ReadOnlySpan<ulong>(vcpu.Hart.State, 32).ToArray();
        return $"pc {vcpu.Hart.State->Pc:x} x {string.Join(' ', x)} mode {p.Mode} mstatus {p.Mstatus:x} mepc {p.Mepc:x} mcause {p.Mcause} "
            + $"mtval {p.Mtval:x} used {vcpu.Hart.State->UsedBefore} traps {vcpu.Hart.State->TrapsTaken}";
    }

    private static BoardGuest Boot()
    {
        AssembledProgram program = Assembler.Assemble(Exits, new AssemblerOptions { Name = "exits", TextBase = 0x8000_0000 });
        BoardGuest guest = MachineFactory.Create("full", new BoardGuestOptions { Engine = new Interpreter(), Console = new ConsoleText() }, new EventLoop());
        guest.Boot(new BootImages { Kernel = program.ToElf() });
        guest.Machine.VCpus[0].Hart.PicosecondsPerInstruction = 1000;
        return guest;
    }
}
