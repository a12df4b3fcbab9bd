using System.Globalization;
using System.Text;
using FsCheck.Fluent;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Native;
using Hypervisor.Core.Engine.Translator;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine;

/// <summary>Translated code beside the interpreter: the same state after every slice, whatever the slices and whenever code is translated.</summary>
public sealed unsafe class TranslatorTests
{
    internal const ulong Code = 0x1_0000;
    private const ulong Data = 0x8_0000;
    private const ulong Stack = 0xC_0000;
    private const ulong MemoryBytes = 0x10_0000;

    /// <summary>Translates what is met twice, on another thread: where it takes over depends on the moment.</summary>
    private static readonly TranslatorSettings s_restless = new() { SampleInterval = 700, HotSamples = 2 };

    private static readonly TranslatorSettings s_atOnce = s_restless with { Background = false };

    /// <summary>Engines that translate: all of them must be told from the interpreter by nothing.</summary>
    private static IEnumerable<Interpreter> Engines()
    {
        foreach (TranslatorSettings settings in new[] { TranslatorSettings.Forced, s_atOnce, s_restless })
            yield return new Interpreter(tier: TranslatorTier.TryCreate(settings));
        if (!TraceCompiler.IsSupported)
            yield break;
        yield return TestEngine.Traced();
        yield return TestEngine.Traced(fuse: false);
        yield return new Interpreter(traces: TraceTier.TryCreate(threshold: 3));
        yield return new Interpreter(tier: TranslatorTier.TryCreate(s_atOnce), traces: TraceTier.TryCreate(threshold: 2));
    }

    [Fact]
    public void Tier_OnThisRuntime_IsSupported() => Assert.True(TranslatorTier.IsSupported);

    [Fact]
    public void Run_RandomProgramsInRandomSlices_AgreesWithTheInterpreterAfterEachSlice()
        => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
        {
            AssembledProgram program = Assembler.Assemble(RandomCalls(seed), new AssemblerOptions { Name = "calls", TextBase = Code });
            foreach (Interpreter engine in Engines())
            {
                using FlatGuest expected = Load(program, new Interpreter());
                using FlatGuest actual = Load(program, engine);
                var slices = new Random(seed);
                for (int slice = 0; slice < 200; slice++)
                {
                    long budget = slices.Next(4) switch { 0 => slices.Next(1, 20), 1 => slices.Next(1, 500), 2 => slices.Next(1, 5000), _ => slices.Next(1, 40_000) };
                    VmExit there = RunBoth(expected, actual, budget, $"seed {seed}, slice {slice} of {budget}");
                    if (there.Reason != VmExitReason.BudgetExpired)
                        break;
                }

                AssertSameMemory(expected, actual, $"seed {seed}");
            }

            return true;
        }, cases: 12);

    [Fact]
    public void Run_FusingLater_AgreesWithFusingAtOnceAfterEachSlice()
        => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
        {
            AssembledProgram program = Assembler.Assemble(RandomCalls(seed), new AssemblerOptions { Name = "calls", TextBase = Code });
            using FlatGuest expected = Load(program, new Interpreter());
            using FlatGuest actual = Load(program, new Interpreter(grace: 3000));
            var slices = new Random(seed);
            for (int slice = 0; slice < 60; slice++)
            {
                long budget = slices.Next(1, slices.Next(2) == 0 ? 20 : 900);
                if (RunBoth(expected, actual, budget, $"seed {seed}, slice {slice} of {budget}").Reason != VmExitReason.BudgetExpired)
                    break;
            }

            Assert.True(actual.Code.Builder!.Fuses || actual.Code.Retired < 4000);
            AssertSameMemory(expected, actual, $"seed {seed}");
            return true;
        }, cases: 12);

    [Fact]
    public void Run_FusingLater_DecodesAnewOnce()
    {
        using FlatGuest guest = Load(Assembler.Assemble("loop: addi a0, a0, 1\nbne a0, a1, loop\necall\n", new AssemblerOptions { Name = "loop", TextBase = Code }), new Interpreter(grace: 1000));
        guest[11] = 100_000;
        guest.Run(900);
        long blocks = guest.Code.BlocksBuilt;
        Assert.False(guest.Code.Builder!.Fuses);
        guest.Run(900);
        Assert.Equal(blocks, guest.Code.BlocksBuilt);
        guest.Run(900);
        Assert.True(guest.Code.Builder!.Fuses);
        Assert.True(guest.Code.BlocksBuilt > blocks);
        Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 30).Reason);
        Assert.Equal(100_000UL, guest[10]);
    }

    [Fact]
    public void Run_HotLoop_RunsTranslated()
    {
        using FlatGuest guest = Load(Assembler.Assemble("loop: addi a0, a0, 1\nbne a0, a1, loop\necall\n", new AssemblerOptions { Name = "loop", TextBase = Code }), s_atOnce);
        guest[11] = 100_000;
        Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 30).Reason);
        Assert.Equal(100_000UL, guest[10]);
        Assert.True(guest.Code.Regions!.Made > 0);
    }

    [Fact]
    public void Region_TakenIntoUse_IsCompiledAlready()
    {
        using FlatGuest guest = Load(Assembler.Assemble("loop: addi a0, a0, 1\nj loop\n", new AssemblerOptions { Name = "loop", TextBase = Code }), TranslatorSettings.Forced);
        guest.Run(10_000);
        guest.Run(10_000);
        Op* first = guest.Code.Find(Code, Code);
        Assert.NotEqual(0, BlockHeader.Of(first)->Original);
        Assert.False(CodePointer.CanResolve(first->Handler), "the handler leads through a stub, which calls the compiler");
    }

    [Fact]
    public void Run_WithinTheGrace_TranslatesNothing()
    {
        using FlatGuest guest = Load(Assembler.Assemble("loop: addi a0, a0, 1\nj loop\n", new AssemblerOptions { Name = "loop", TextBase = Code }), s_atOnce with { Grace = 50_000 });
        for (int slice = 0; slice < 5; slice++)
        {
            guest.Run(10_000);
            Assert.Null(guest.Code.Regions);
        }

        guest.Run(50_000);
        Assert.True(guest.Code.Regions!.Made > 0);
        Assert.Equal(50_000UL, guest[10]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Run_StoresIntoTranslatedCode_RunTheNewCode(bool fence)
    {
        // Each round rewrites the loop's first instruction, one add or another.
        string source = $"""
            loop:
                addi s2, s2, 1
                addi a0, a0, -1
                andi t2, a0, 1
                mv t1, s4
                beqz t2, 1f
                mv t1, s5
            1:  sw t1, 0(s3)
                {(fence ? "fence.i" : "nop")}
                bnez a0, loop
                ecall
            """;
        AssembledProgram program = Assembler.Assemble(source, new AssemblerOptions { Name = "self", TextBase = Code });
        foreach (Interpreter engine in Engines())
        {
            using FlatGuest expected = Load(program, new Interpreter());
            using FlatGuest actual = Load(program, engine);
            foreach (FlatGuest guest in new[] { expected, actual })
            {
                guest[10] = 500;
                guest[19] = Code;
                guest[20] = 0x0019_0913; // addi s2, s2, 1
                guest[21] = 0x0649_0913; // addi s2, s2, 100
                Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 20).Reason);
            }

            Assert.Equal(expected.Registers(), actual.Registers());
        }
    }

    [Fact]
    public void Run_LoopsOverManyPagesAndRegisters_AgreesWithTheInterpreterAfterEachSlice()
        => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
        {
            AssembledProgram program = Assembler.Assemble(RandomLoops(seed), new AssemblerOptions { Name = "loops", TextBase = Code });
            foreach (Interpreter engine in Engines())
            {
                using FlatGuest expected = Load(program, new Interpreter());
                using FlatGuest actual = Load(program, engine);
                var slices = new Random(seed);
                VmExit there = default;
                for (int slice = 0; slice < 60 && (slice == 0 || there.Reason == VmExitReason.BudgetExpired); slice++)
                {
                    long budget = slices.Next(3) switch { 0 => slices.Next(1, 500), 1 => slices.Next(1, 5000), _ => slices.Next(1, 90_000) };
                    if (slices.Next(5) == 0)
                    {
                        expected.Hart.FlushTlb();
                        actual.Hart.FlushTlbPage(Data + ((ulong)slices.Next(16) << 12));
                    }

                    there = RunBoth(expected, actual, budget, $"seed {seed}, slice {slice} of {budget}");
                }

                AssertSameMemory(expected, actual, $"seed {seed}");
            }

            return true;
        }, cases: 12);

    [Fact]
    public void Run_JumpThroughTable_BringsItsWaysIntoOneRegion()
    {
        // A random walk through sixteen ways, of which each does work of its own.
        string ways = string.Concat(Enumerable.Range(0, 16).Select(way => string.Create(CultureInfo.InvariantCulture, $"way{way}: addi a0, a0, {way * 3 + 1}\nxori a2, a2, {way * 5}\nj next\n.balign 16\n")));
        AssembledProgram program = Assembler.Assemble($"""
                la s3, way0
                li s4, 1103515245
            loop:
                mul a1, a1, s4
                addi a1, a1, 1234
                srli t1, a1, 16
                andi t1, t1, 15
                slli t1, t1, 4
                add t1, t1, s3
                jr t1
            next:
                addi s5, s5, -1
                bnez s5, loop
                ecall
            .balign 16
            {ways}
            """, new AssemblerOptions { Name = "ways", TextBase = Code });
        using FlatGuest expected = Load(program, new Interpreter());
        using FlatGuest actual = Load(program, s_atOnce);
        expected[21] = actual[21] = 200_000;
        RunBoth(expected, actual, 1 << 30, "ways");
        Assert.True(actual.Code.Regions!.Widened > 0);
        Assert.True(actual.Code.Regions.Count <= 3, $"{actual.Code.Regions.Count} regions for one loop");
    }

    [Theory]
    [InlineData("mv t1, s3\nj middle\n")]
    [InlineData("")]
    public void Run_FarCalls_GoWhereTheRegisterSays(string otherWay)
    {
        // Each third round comes to the jump by another way, with another function in the register.
        AssembledProgram program = Assembler.Assemble($"""
                la s3, second
                addi s3, s3, -36
            loop:
                addi t2, t2, 1
                li t3, 3
                rem t3, t2, t3
                bnez t3, near
                {otherWay}
            near:
                auipc t1, 0
            middle:
                jalr ra, 36(t1)
                addi a3, a3, 1
                addi s5, s5, -1
                bnez s5, loop
                ecall
            .balign 4
                nop
                nop
                nop
            first:
                addi a1, a1, 1
                ret
            second:
                addi a2, a2, 1
                ret
            """, new AssemblerOptions { Name = "far", TextBase = Code });
        foreach (Interpreter engine in Engines())
        {
            using FlatGuest expected = Load(program, new Interpreter());
            using FlatGuest actual = Load(program, engine);
            expected[21] = actual[21] = 20_000;
            for (int slice = 0; slice < 50 && RunBoth(expected, actual, 7_001, $"slice {slice}").Reason == VmExitReason.BudgetExpired; slice++)
            {
            }

            Assert.Equal(20_000UL, actual[11] + actual[12]);
            Assert.Equal(otherWay.Length > 0, actual[12] > 0);
        }
    }

    [Fact]
    public void Run_LoopStoresWhereItCalledBefore_RunsTheNewCode()
    {
        // The storing loop has its page in a window when code is decoded there.
        const string source = """
            outer:
                mv t0, s3
                li t1, 16
            fill:
                sw s4, 0(t0)
                addi t0, t0, 4
                addi t1, t1, -1
                bnez t1, fill
                sw s6, 0(t0)
                fence.i
                jalr s3
                xor s4, s4, s5
                addi a0, a0, -1
                bnez a0, outer
                ecall
            """;
        AssertRewrites(source, 200UL * 16 + 200 * 16 * 100);
    }

    [Fact]
    public void Run_LoopStoresOverPagesAroundCode_RunsTheNewCode()
    {
        // The storing loop walks through sixteen pages in one window, until code is decoded in their midst.
        const string source = """
            outer:
                mv t0, s3
                li t1, 128
            fill:
                sw s4, 0(t0)
                addi t0, t0, 512
                addi t1, t1, -1
                bnez t1, fill
                sw s6, 4(s7)
                fence.i
                jalr s7
                xor s4, s4, s5
                addi a0, a0, -1
                bnez a0, outer
                ecall
            """;
        AssertRewrites(source, 200UL + 200 * 100);
    }

    [Fact]
    public void Run_HostWritesTranslatedCode_RunsTheNewCode()
    {
        using FlatGuest guest = Load(Assembler.Assemble("loop: addi a0, a0, 1\naddi a1, a1, -1\nbnez a1, loop\necall\n", new AssemblerOptions { Name = "loop", TextBase = Code }), TranslatorSettings.Forced);
        guest[11] = 1000;
        Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 20).Reason);
        guest.Load(Code, 0x0025_0513); // addi a0, a0, 2
        guest[11] = 1000;
        guest.Pc = Code;
        Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 20).Reason);
        Assert.Equal(3000UL, guest[10]);
    }

    [Fact]
    public void Run_AttentionDuringTranslatedLoop_ComesOut()
    {
        using FlatGuest guest = Load(Assembler.Assemble("loop: addi a0, a0, 1\nj loop\n", new AssemblerOptions { Name = "loop", TextBase = Code }), s_atOnce);
        guest.Run(1_000_000);
        Assert.True(guest.Code.Regions!.Made > 0);
        using var timer = new Timer(_ => guest.Hart.RequestAttention(), null, 20, Timeout.Infinite);
        Assert.Equal(VmExitReason.Attention, guest.Run(long.MaxValue / 4).Reason);
    }

    [Fact]
    public void Run_MoreCodeThanTheCacheHolds_DropsTheOldestAndGoesOn()
    {
        AssembledProgram program = Assembler.Assemble(RandomCalls(7), new AssemblerOptions { Name = "calls", TextBase = Code });
        using FlatGuest expected = Load(program, new Interpreter());
        using FlatGuest actual = Load(program, TranslatorSettings.Forced with { Capacity = 60 });
        Assert.Equal(expected.Run(300_000).Retired, actual.Run(300_000).Retired);
        Assert.Equal(expected.Registers(), actual.Registers());
    }

    [Fact]
    public void Run_BreakpointsSet_AreHitInHotCode()
    {
        using FlatGuest guest = Load(Assembler.Assemble("loop: addi a0, a0, 1\naddi a1, a1, 1\nj loop\n", new AssemblerOptions { Name = "loop", TextBase = Code }), TranslatorSettings.Forced);
        guest.Run(10_000);
        guest.Code.Clear();
        guest.Code.Breakpoints = new HashSet<ulong> { Code + 4 };
        VmExit exit = guest.Run(10_000);
        Assert.Equal(VmExitReason.Debug, exit.Reason);
        Assert.Equal(Code + 4, guest.Pc);
    }

    /// <summary>Runs a program that writes one instruction and another by turns into its data, and calls it; s2 adds up what they add.</summary>
    private static void AssertRewrites(string source, ulong sum)
    {
        AssembledProgram program = Assembler.Assemble(source, new AssemblerOptions { Name = "fill", TextBase = Code });
        foreach (Interpreter engine in Engines())
        {
            using FlatGuest guest = Load(program, engine);
            guest[10] = 400;
            guest[19] = Data;
            guest[20] = 0x0019_0913; // addi s2, s2, 1
            guest[21] = 0x0019_0913 ^ 0x0649_0913; // addi s2, s2, 100
            guest[22] = 0x0000_8067; // ret
            guest[23] = Data + 0x9000;
            Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 20).Reason);
            Assert.Equal(sum, guest[18]);
        }
    }

    internal static VmExit RunBoth(FlatGuest expected, FlatGuest actual, long budget, string what)
    {
        VmExit there = expected.Run(budget);
        VmExit here = actual.Run(budget);
        Assert.True(there.Reason == here.Reason && there.Retired == here.Retired, $"{what}: {here.Reason} after {here.Retired}, interpreted {there.Reason} after {there.Retired}");
        Assert.True(expected.Registers().SequenceEqual(actual.Registers()), $"{what}: registers differ, pc 0x{actual.Pc:x}");
        return there;
    }

    /// <summary>Runs both to the end in the same slices of random lengths.</summary>
    internal static void RunBothInSlices(FlatGuest expected, FlatGuest actual, int longest)
    {
        var slices = new Random(1);
        for (int slice = 0; RunBoth(expected, actual, slices.Next(1, longest), $"slice {slice}").Reason == VmExitReason.BudgetExpired; slice++)
        {
        }
    }

    internal static void AssertSameMemory(FlatGuest expected, FlatGuest actual, string what)
    {
        var theirs = new byte[MemoryBytes - Data];
        var ours = new byte[MemoryBytes - Data];
        Assert.True(expected.Memory.TryRead(Data, theirs) && actual.Memory.TryRead(Data, ours));
        Assert.True(theirs.AsSpan().SequenceEqual(ours), $"{what}: memory differs");
    }

    private static FlatGuest Load(AssembledProgram program, TranslatorSettings settings)
        => Load(program, new Interpreter(tier: TranslatorTier.TryCreate(settings)));

    internal static FlatGuest Load(AssembledProgram program, Interpreter engine)
    {
        var guest = new FlatGuest(0, MemoryBytes, engine);
        guest.Pc = Code;
        guest[2] = Stack;
        guest[8] = Data;
        Assert.True(guest.Memory.TryWrite(Code, program.ToImage()));
        return guest;
    }

    /// <summary>
    /// Functions with loops, branches, loads and stores (misaligned ones and ones across pages too), which call later ones directly
    /// and through a register; some lie across the end of a page. The first is called round and round.
    /// </summary>
    internal static string RandomCalls(int seed)
    {
        const int Functions = 7;
        var random = new Random(seed);
        var text = new StringBuilder();
        void Line(FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
        string Register() => "a" + random.Next(6);
        string[] three = ["add", "sub", "xor", "or", "and", "mul", "addw", "subw", "sllw", "srlw", "sraw", "sll", "srl", "sra", "slt", "sltu", "mulw", "mulhu", "mulh", "div", "remu", "divw", "remuw", "rorw", "sh1add", "max", "clmul"];
        string[] two = ["addi", "xori", "andi", "ori", "slti", "addiw", "sltiu"];
        int labels = 0;
        void Work(int count)
        {
            for (int i = 0; i < count; i++)
            {
                switch (random.Next(8))
                {
                    case 0 or 1 or 2:
                        Line($"{three[random.Next(three.Length)]} {Register()}, {Register()}, {Register()}");
                        break;
                    case 3 or 4:
                        Line($"{two[random.Next(two.Length)]} {Register()}, {Register()}, {random.Next(-2048, 2048)}");
                        break;
                    case 5:
                        Line($"{new[] { "ld", "lw", "lwu", "lh", "lhu", "lb", "lbu" }[random.Next(7)]} {Register()}, {Offset()}(s0)");
                        break;
                    case 6:
                        Line($"{new[] { "sd", "sw", "sh", "sb" }[random.Next(4)]} {Register()}, {Offset()}(s0)");
                        break;
                    default:
                        int label = labels++;
                        Line($"{new[] { "beq", "bne", "blt", "bge", "bltu", "bgeu" }[random.Next(6)]} {Register()}, {Register()}, L{label}");
                        Line($"addi {Register()}, {Register()}, {random.Next(-100, 100)}");
                        Line($"L{label}:");
                        break;
                }
            }
        }

        int Offset() => random.Next(12) == 0 ? random.Next(-2048, 2047) : random.Next(-256, 255) * 8;

        Line($"main: lui t5, 1");
        Line($"add s0, s0, t5");
        Line($"again: call f0");
        Line($"la t0, f{random.Next(Functions)}");
        Line($"jalr t0");
        Line($"addi s11, s11, 1");
        Line($"j again");
        for (int f = 0; f < Functions; f++)
        {
            if (random.Next(2) == 0)
                Line($".balign 4096");
            for (int pad = random.Next(3) == 0 ? random.Next(1000, 1023) : random.Next(4); pad > 0; pad--)
                Line($"nop");
            Line($"f{f}: addi sp, sp, -32");
            Line($"sd ra, 8(sp)");
            Line($"sd s1, 16(sp)");
            Work(random.Next(1, 12));
            Line($"li s1, {random.Next(1, 9)}");
            Line($"W{f}:");
            Work(random.Next(1, 14));
            if (f + 1 < Functions && random.Next(3) != 0)
            {
                int target = random.Next(f + 1, Functions);
                if (random.Next(2) == 0)
                {
                    Line($"call f{target}");
                }
                else
                {
                    Line($"la t1, f{target}");
                    Line($"jalr t1");
                }
            }

            Line($"addi s1, s1, -1");
            Line($"bnez s1, W{f}");
            Work(random.Next(6));
            Line($"ld ra, 8(sp)");
            Line($"ld s1, 16(sp)");
            Line($"addi sp, sp, 32");
            Line($"ret");
        }

        return text.ToString();
    }

    /// <summary>Loops in loops that walk through pages by several bases, compute in many registers, and rotate words by two shifts.</summary>
    private static string RandomLoops(int seed)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        string[] bases = ["s2", "s3", "s4", "s5"];
        string[] values = ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "s6", "s7", "s8", "s9", "s10", "s11", "ra"];
        string[] loads = ["ld", "lw", "lwu", "lh", "lhu", "lb", "lbu"];
        string[] stores = ["sd", "sw", "sh", "sb"];
        int[] sizes = [8, 4, 4, 2, 2, 1, 1];
        string Value() => values[random.Next(values.Length)];
        foreach (string register in values)
            text.AppendLine(CultureInfo.InvariantCulture, $"    li {register}, {random.Next()}");
        foreach (string register in bases)
            text.AppendLine(CultureInfo.InvariantCulture, $"    li {register}, {Data + 0x8000 + (ulong)random.Next(0x4000) / 8 * 8}");
        text.AppendLine("    li gp, 40\nouter:\n    li t3, 20\nmiddle:");
        Body(4);
        for (int loop = 0; loop < 3; loop++)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"    li t4, {random.Next(1, 90)}\ninner{loop}:");
            Body(random.Next(4, 16));
            text.AppendLine(CultureInfo.InvariantCulture, $"    addi t4, t4, -1\n    bnez t4, inner{loop}");
        }

        text.AppendLine("    addi t3, t3, -1\n    bnez t3, middle\n    addi gp, gp, -1\n    bnez gp, outer\n    ecall");
        return text.ToString();

        void Body(int length)
        {
            for (int k = 0; k < length; k++)
            {
                string address = bases[random.Next(bases.Length)];
                int kind = random.Next(loads.Length);
                // Mostly aligned; what is not may lie across two pages.
                int offset = random.Next(-600, 600) / sizes[kind] * sizes[kind] + (random.Next(12) == 0 ? 1 : 0);
                switch (random.Next(7))
                {
                    case 0 or 1:
                        text.AppendLine(CultureInfo.InvariantCulture, $"    {loads[kind]} {Value()}, {offset}({address})");
                        break;
                    case 2:
                        int store = random.Next(stores.Length);
                        text.AppendLine(CultureInfo.InvariantCulture, $"    {stores[store]} {Value()}, {random.Next(-75, 75) * 8}({address})");
                        break;
                    case 3:
                        // The walk stays within 64 KiB of data.
                        text.AppendLine(CultureInfo.InvariantCulture, $"    addi {address}, {address}, {random.Next(-40, 80) * 8}");
                        text.AppendLine(CultureInfo.InvariantCulture, $"    slli {address}, {address}, 48\n    srli {address}, {address}, 48");
                        text.AppendLine(CultureInfo.InvariantCulture, $"    lui t5, {(Data >> 12) + 1}\n    add {address}, {address}, t5");
                        break;
                    case 4:
                        int right = random.Next(1, 32);
                        string value = Value();
                        (string one, string other) = (Value(), random.Next(2) == 0 ? value : "t6");
                        string[] shifts = [$"    srliw {one}, {value}, {right}", $"    slliw {other}, {value}, {32 - right}"];
                        string union = ((string[])["or", "xor", "add", "addw"])[random.Next(4)];
                        text.AppendLine(shifts[random.Next(2)]).AppendLine(shifts[random.Next(2)]);
                        text.AppendLine(CultureInfo.InvariantCulture, $"    {union} {Value()}, {one}, {other}");
                        break;
                    default:
                        string operation = ((string[])["add", "sub", "xor", "and", "or", "mul", "addw", "sltu"])[random.Next(8)];
                        text.AppendLine(CultureInfo.InvariantCulture, $"    {operation} {Value()}, {Value()}, {Value()}");
                        break;
                }
            }
        }
    }
}
