using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Native;
using Hypervisor.Core.Isa;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine.Native;

/// <summary>Traces as host code: what random programs beside the interpreter (<see cref="TranslatorTests"/>) do not reach.</summary>
public sealed class TraceTests
{
    private const ulong Code = TranslatorTests.Code;

    [TracesFact]
    public void Run_WarmLoop_RunsAsHostCode()
    {
        using FlatGuest guest = Load("loop: addi a0, a0, 1\nbne a0, a1, loop\necall\n", new Interpreter(traces: TraceTier.TryCreate(threshold: 40)));
        guest[11] = 39;
        Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 20).Reason);
        Assert.Equal(0, guest.Code.Traces!.Made);
        guest.Pc = Code;
        guest[11] = 1_000_000;
        VmExit exit = guest.Run(1 << 30);
        Assert.Equal(VmExitReason.EnvironmentCall, exit.Reason);
        Assert.Equal(1_000_000UL, guest[10]);
        Assert.Equal(2 * (1_000_000 - 39), exit.Retired);
        Assert.Equal(1, guest.Code.Traces.Made);
    }

    [TracesTheory]
    [InlineData("fmul.d fa0, fa0, fa1", true)]
    [InlineData("xor a2, a2, a0", false)]
    public void LeavesMuch_ByWhatTracesLeaveToHandlers(string instruction, bool much)
    {
        using FlatGuest guest = Load($"loop: addi a0, a0, 1\n{instruction}\nbne a0, a1, loop\necall\n", TestEngine.Traced());
        guest[11] = 100;
        Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 20).Reason);
        Assert.Equal(much, guest.Code.Traces!.LeavesMuch);
    }

    /// <summary>More than a loop can keep in registers, so that some are written back each time around.</summary>
    [TracesFact]
    public void Run_LoopOfManyRegisters_AgreesWithTheInterpreterAfterEachSlice()
    {
        const string source = """
            loop:
                addi a0, a0, 3
                xor a1, a1, a0
                add a2, a2, a1
                sub a3, a3, a2
                slli a4, a3, 3
                srli a5, a4, 7
                mulhu a6, a5, a2
                divu a7, a6, a0
                remw s2, a6, a1
                or s3, s2, a7
                andi s4, s3, 255
                sltu s5, s4, a0
                sd s5, 0(s0)
                ld s6, 8(s0)
                sd a4, 8(s0)
                add s7, s6, s7
                beq s7, zero, loop
                addi s8, s8, -1
                bnez s8, loop
                ecall
            """;
        using FlatGuest expected = Load(source, new Interpreter());
        using FlatGuest actual = Load(source, TestEngine.Traced());
        expected[24] = actual[24] = 5000;
        TranslatorTests.RunBothInSlices(expected, actual, 900);
        TranslatorTests.AssertSameMemory(expected, actual, "at the end");
    }

    /// <summary>A group of accesses that lies across pages is not what comes next each time that its first is done.</summary>
    [TracesFact]
    public void Run_AccessesAcrossPages_GoOn()
    {
        const string source = """
            loop:
                sd a0, 0(s1)
                sd a1, 8(s1)
                ld a2, 0(s1)
                ld a3, 8(s1)
                addi s1, s1, 8
                addi a0, a0, 1
                bne s1, s2, loop
                ecall
            """;
        using FlatGuest expected = Load(source, new Interpreter());
        using FlatGuest actual = Load(source, TestEngine.Traced());
        foreach (FlatGuest guest in new[] { expected, actual })
        {
            (guest[9], guest[18]) = (0x8_0F00, 0x8_3100);
            Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 20).Reason);
        }

        Assert.Equal(expected.Registers(), actual.Registers());
        TranslatorTests.AssertSameMemory(expected, actual, "at the end");
    }

    [TracesFact]
    public void Run_FloatingPointOff_IsIllegalAtTheAccess()
    {
        using FlatGuest guest = Load("loop: addi a0, a0, 1\nfld fa0, 0(s0)\nfsd fa0, 8(s0)\nj loop\n", TestEngine.Traced());
        Assert.Equal(VmExitReason.BudgetExpired, guest.Run(4000).Reason);
        Disable(guest);
        VmExit exit = guest.Run(4000);
        Assert.Equal((VmExitReason.IllegalInstruction, 1L), (exit.Reason, exit.Retired));
        Assert.Equal((Code + 4, 1001UL), (guest.Pc, guest[10]));
    }

    /// <summary>A guest that makes and forgets code without end uses a bounded amount of the host's memory for it.</summary>
    [TracesFact]
    public void Run_CodeRewrittenAgainAndAgain_StaysWithinItsMemory()
    {
        const string source = """
            outer:
                sw s4, 0(s3)
                fence.i
                jal ra, target
                sw s5, 0(s3)
                fence.i
                jal ra, target
                addi a0, a0, -1
                bnez a0, outer
                ecall
            .balign 4096
            target:
                nop
                addi s6, s6, 1
                addi s7, s7, 3
                add s8, s7, s6
                ret
            """;
        using FlatGuest guest = Load(source, TestEngine.Traced());
        guest[10] = 150_000;
        guest[19] = Code + 4096;
        guest[20] = 0x0019_0913; // addi s2, s2, 1
        guest[21] = 0x0649_0913; // addi s2, s2, 100
        Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1L << 30).Reason);
        Assert.Equal(150_000UL * 101, guest[18]);
        Assert.Equal(300_000UL, guest[22]);
        Assert.True(guest.Code.Traces!.Made >= 300_000);
        Assert.InRange(guest.Code.Traces.Bytes, 1, 17 << 20);
    }

    /// <summary>The runtime stops threads in managed code only; a guest that spins in host code must let it, however long its slice.</summary>
    [TracesFact]
    public void Collections_WhileAGuestSpins_AreNotHeldUp()
    {
        using FlatGuest guest = Load("loop: addi a0, a0, 1\nj loop\n", TestEngine.Traced());
        guest.Run(1000);
        foreach (long budget in new[] { 1L << 32, 50_000, 100 })
        {
            ulong before = guest[10];
            bool done = false;
            using var started = new ManualResetEventSlim();
            var thread = new Thread(() =>
            {
                started.Set();

                // Attention that was asked for before the first run ends that run at once: then once more.
                do
                    guest.Run(budget);
                while (!Volatile.Read(ref done) || guest[10] == before);
            });
            thread.Start();
            started.Wait();
            for (int i = 0; i < 10; i++)
                GC.Collect();
            Volatile.Write(ref done, true);
            guest.Hart.RequestAttention();
            thread.Join();
            Assert.True(guest[10] > before);
        }
    }

    private static unsafe void Disable(FlatGuest guest) => guest.Hart.State->FpEnabled = 0;

    private static FlatGuest Load(string source, Interpreter engine)
        => TranslatorTests.Load(Assembler.Assemble(source, new AssemblerOptions { Name = "traces", TextBase = Code }), engine);
}
