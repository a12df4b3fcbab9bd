using FsCheck.Fluent;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine;

/// <summary>
/// Vector instructions within translated regions, beside the interpreter: loops that mix them with scalar code, whose registers are then in
/// locals; faults, changes of the code and of what is on, in the midst of them.
/// </summary>
public sealed unsafe class VectorTranslationTests
{
    private const ulong Base = 0x1_0000;
    private const ulong Data = Base + 0x1_0000;
    private const ulong Size = 0x4_0000;

    /// <summary>
    /// Copies, fills, measures, sums and multiplies pieces of memory at random places, across pages: s0 counts rounds, s1 is the seed of
    /// a generator, t3 to t6 places and lengths.
    /// </summary>
    private const string Loops = """
            li s0, 40
            li s2, 0x20000
        round:
            li t0, 6364136223846793005
            mul s1, s1, t0
            addi s1, s1, 1237
            srli t3, s1, 20
            slli t3, t3, 49
            srli t3, t3, 49
            add t3, t3, s2
            srli t4, s1, 30
            slli t4, t4, 49
            srli t4, t4, 49
            add t4, t4, s2
            li t0, 0x8000
            add t4, t4, t0
            srli t5, s1, 45
            andi t5, t5, 2047
            addi t5, t5, 1
            mv a0, t5
            mv a1, t3
            mv a2, t4
        copy:
            vsetvli t0, a0, e8, m8, ta, ma
            vle8.v v0, (a1)
            add a1, a1, t0
            sub a0, a0, t0
            vse8.v v0, (a2)
            add a2, a2, t0
            bnez a0, copy
            mv a1, t4
            srli t1, s1, 50
            andi t1, t1, 7
        length:
            vsetvli t0, zero, e8, m4, ta, ma
            vle8ff.v v8, (a1)
            csrr t0, vl
            vmseq.vx v0, v8, t1
            vfirst.m a3, v0
            vcpop.m a4, v0
            add s3, s3, a4
            add a1, a1, t0
            bltz a3, length
            sub a1, a1, t0
            add s3, s3, a3
            vsetivli a4, 11, e32, m2, ta, ma
            vle32.v v2, (t3)
            vadd.vx v2, v2, a4
            vse32.v v2, (t4)
            vsetvli a4, a3, e16, m1, ta, ma
            vle16.v v3, (t4)
            vse16.v v3, (t3)
            vle32.v v12, (t3)
            li a0, 37
            mv a1, t3
            fcvt.d.l fa0, a3
            vsetvli t0, zero, e64, m2, ta, ma
            vfmv.v.f v16, fa0
            vmv.v.i v20, 0
        sum:
            vsetvli t0, a0, e64, m2, tu, ma
            vle64.v v18, (a1)
            vfmadd.vf v18, fa0, v16
            vmacc.vx v20, s3, v18
            vadd.vi v20, v20, 1
            vse64.v v20, (a1)
            slli t2, t0, 3
            add a1, a1, t2
            sub a0, a0, t0
            csrr t6, vlenb
            xor s3, s3, t6
            bnez a0, sum
            vsetivli zero, 2, e64, m2, ta, ma
            vredsum.vs v24, v20, v20
            vmv.x.s a5, v24
            vfmv.f.s fa1, v18
            fmv.x.d a6, fa1
            add s3, s3, a5
            xor s3, s3, a6
            mv a0, t5
            mv a2, t3
            li a3, 24
            vsetvli t0, a0, e16, m2, ta, ma
            vid.v v4
            vsll.vi v4, v4, 2
            vsoxei16.v v20, (a2), v4
            vsse16.v v20, (a2), a3
            vloxei16.v v6, (t4), v4
            vmslt.vx v0, v6, s3
            vadd.vx v6, v6, s3, v0.t
            vse16.v v6, (t4), v0.t
            addi s0, s0, -1
            bnez s0, round
            ecall
        """;

    [Theory]
    [InlineData(128)]
    [InlineData(512)]
    public void Loops_TranslatedInRandomSlices_AgreeWithTheInterpreterAfterEachSlice(int bits)
        => Property.ForAll(
            Gen.Choose(0, 1 << 30),
            seed =>
            {
                using FlatGuest expected = Guest(Loops, bits, forced: false, seed);
                using FlatGuest actual = Guest(Loops, bits, forced: true, seed);
                var slices = new Random(seed);
                for (int slice = 0; ; slice++)
                {
                    long budget = slices.Next(3) == 0 ? slices.Next(1, 100) : slices.Next(1, 5000);
                    VmExit there = expected.Run(budget);
                    VmExit here = actual.Run(budget);
                    Assert.Equal(there, here);
                    AssertSame(expected, actual);
                    if (there.Reason != VmExitReason.BudgetExpired)
                        return there.Reason == VmExitReason.EnvironmentCall && actual.Code.Regions!.Made > 0;
                }
            },
            cases: 6);

    /// <summary>A copy that runs out of memory: every element before is there, and the registers are those of the interpreter.</summary>
    [Theory]
    [InlineData("vle8.v v0, (a1)", "vse8.v v0, (a2)", true)]
    [InlineData("vle8.v v0, (a2)", "vse8.v v0, (a1)", false)]
    [InlineData("vlse8.v v0, (a1), a3", "vse8.v v0, (a2)", true)]
    [InlineData("vle8ff.v v0, (a1)", "vse8.v v0, (a2)", true)]
    public void Copy_OverTheEndOfMemory_StopsAtTheElement(string load, string store, bool reads)
    {
        string source = $"""
            loop:
                vsetvli t0, a0, e8, m4, ta, ma
                addi s1, s1, 1
                {load}
                csrr t1, vl
                add s2, s2, t1
                {store}
                add a1, a1, t1
                add a2, a2, t1
                sub a0, a0, t1
                bnez a0, loop
                ecall
            """;
        using FlatGuest expected = Guest(source, 128, forced: false, 5);
        using FlatGuest actual = Guest(source, 128, forced: true, 5);
        VmExit[] exits = [.. new[] { expected, actual }.Select(guest =>
        {
            guest[10] = 20_000;
            guest[11] = Base + Size - 9021;
            guest[12] = Data;
            guest[13] = 1;
            return guest.Run(1 << 20);
        })];
        Assert.Equal(exits[0], exits[1]);
        Assert.Equal(VmExitReason.AccessFault, exits[1].Reason);
        Assert.Equal(Base + Size, exits[1].Value);
        Assert.True(reads || expected.Hart.State->Vstart == 9021 % 64);
        AssertSame(expected, actual);
    }

    /// <summary>What is reserved is illegal, also where the type is known when the code is translated.</summary>
    [Theory]
    [InlineData("vle8.v v1, (a0)")]
    [InlineData("vse8.v v4, (a0)")]
    [InlineData("vle8.v v0, (a0), v0.t")]
    [InlineData("vle64.v v8, (a0)")]
    [InlineData("vlseg2e8.v v8, (a0)")]
    public void Access_ReservedUnderTheType_IsIllegal(string access)
    {
        using FlatGuest guest = Guest($"vsetivli zero, 8, e8, m8, ta, ma\n{access}\nebreak", 128, forced: true, 1);
        guest[10] = Data;
        VmExit exit = guest.Run(1_000);
        Assert.Equal(VmExitReason.IllegalInstruction, exit.Reason);
        Assert.Equal(1, exit.Retired);
        Assert.Equal(Base + 4, guest.Pc);
    }

    /// <summary>The loop's own vector instruction becomes another in each round, by a vector store.</summary>
    [Fact]
    public void Loop_RewrittenByVectorStores_RunsTheNewCode()
    {
        const string source = """
                la a2, target
            loop:
                andi t1, a0, 1
                mv t2, a3
                beqz t1, 1f
                mv t2, a4
            1:  vsetivli zero, 1, e32, m1, ta, ma
                vmv.s.x v1, t2
                vse32.v v1, (a2)
                vsetivli zero, 2, e64, m1, ta, ma
            target:
                vadd.vi v4, v4, 1
                addi a0, a0, -1
                bnez a0, loop
                vmv.x.s a5, v4
                ecall
            """;
        using FlatGuest guest = Guest(source, 128, forced: true, 1);
        guest[10] = 100;
        guest[13] = 0x0240_b257; // vadd.vi v4, v4, 1
        guest[14] = 0x0247_b257; // vadd.vi v4, v4, 15
        *(ulong*)(guest.Hart.State->V + 4 * 16) = 0;
        Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 20).Reason);
        Assert.Equal(800UL, guest[15]);
    }

    [Fact]
    public void Vectors_TurnedOffUnderATranslatedLoop_AreIllegalAtTheFirst()
    {
        const string source = "vsetivli zero, 2, e64, m1, ta, ma\nloop: addi a0, a0, 1\nvadd.vi v4, v4, 1\nj loop";
        using FlatGuest guest = Guest(source, 128, forced: true, 1);
        Assert.Equal(VmExitReason.BudgetExpired, guest.Run(10_000).Reason);
        VectorUnit.Enable(guest.Hart.State, enabled: false);
        guest.Run(1_000);
        while (guest.Pc != Base + 8)
            guest.Run(1);
        ulong count = guest[10];
        VmExit exit = guest.Run(1_000);
        Assert.Equal(VmExitReason.IllegalInstruction, exit.Reason);
        Assert.Equal(0, exit.Retired);
        Assert.Equal(count, guest[10]);
        VectorUnit.Enable(guest.Hart.State, enabled: true);
        Assert.Equal(VmExitReason.BudgetExpired, guest.Run(3_000).Reason);
        Assert.Equal(count + 1_000, guest[10]);
    }

    private static void AssertSame(FlatGuest expected, FlatGuest actual)
    {
        Assert.Equal(expected.Registers(), actual.Registers());
        Assert.Equal(VectorState(expected), VectorState(actual));
        Assert.True(new ReadOnlySpan<byte>(expected.Hart.State->V, 32 * expected.Hart.State->Vlenb).SequenceEqual(new ReadOnlySpan<byte>(actual.Hart.State->V, 32 * actual.Hart.State->Vlenb)));
        byte[] there = new byte[Size], here = new byte[Size];
        Assert.True(expected.Memory.TryRead(Base, there.AsSpan()));
        Assert.True(actual.Memory.TryRead(Base, here.AsSpan()));
        Assert.True(there.AsSpan().SequenceEqual(here));
    }

    private static ulong[] VectorState(FlatGuest guest)
    {
        HartState* s = guest.Hart.State;
        return [s->Vl, s->Vtype, s->Vstart, s->Vxrm, s->Vxsat, s->VectorDirty, s->HasVectorMiss];
    }

    private static FlatGuest Guest(string source, int bits, bool forced, int seed)
    {
        var guest = new FlatGuest(Base, Size, forced: forced, vectorBits: bits);
        AssembledProgram program = Assembler.Assemble(".text\n" + source, new AssemblerOptions { Name = "loops", TextBase = Base });
        Assert.True(guest.Memory.TryWrite(Base, program.ToImage()));
        var random = new byte[Base + Size - Data];
        new Random(seed).NextBytes(random);
        Assert.True(guest.Memory.TryWrite(Data, random));
        guest[9] = (ulong)seed;
        return guest;
    }
}
