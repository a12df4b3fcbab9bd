using FsCheck.Fluent;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Translator;
using Hypervisor.Core.Isa;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine;

/// <summary>Translated code that guests of one engine have in common.</summary>
public sealed class SharedCodeTests
{
    private static readonly TranslatorSettings s_atOnce = new() { SampleInterval = 700, HotSamples = 2, Background = false };

    [Fact]
    public void Run_SecondGuestOfAProgram_CompilesNothing()
    {
        (Interpreter engine, TranslatorTier tier) = Create(s_atOnce);
        AssembledProgram program = Assembler.Assemble(
            """
            again:
                li a1, 3000
            one: addi a0, a0, 1
                addi a1, a1, -1
                bnez a1, one
                li a1, 3000
            two: xori a0, a0, 5
                addi a1, a1, -1
                bnez a1, two
                j again
            """,
            new AssemblerOptions { Name = "loops", TextBase = TranslatorTests.Code });
        using FlatGuest first = TranslatorTests.Load(program, engine);
        first.Run(300_000);
        long compiled = tier.Store.Compiled;
        Assert.True(compiled > 0);
        Assert.Equal(0, first.Code.Regions!.Adopted);

        using FlatGuest second = TranslatorTests.Load(program, engine);
        second.Run(1000);
        second.Run(299_000);
        Assert.Equal(compiled, tier.Store.Compiled);
        Assert.True(second.Code.Regions!.Adopted > 0);
        Assert.Equal(second.Code.Regions.Made, second.Code.Regions.Adopted);
        Assert.Equal(first.Registers(), second.Registers());
    }

    [Fact]
    public void Run_GuestWithinTheGrace_TakesOverWhatAnotherHadCompiled()
    {
        (Interpreter engine, TranslatorTier tier) = Create(s_atOnce with { Grace = 200_000 });
        AssembledProgram program = Program(2);
        using FlatGuest first = TranslatorTests.Load(program, engine);
        first.Run(200_000);
        first.Run(200_000);
        long compiled = tier.Store.Compiled;
        Assert.True(compiled > 0);

        using FlatGuest second = TranslatorTests.Load(program, engine);
        second.Run(1000);
        second.Run(50_000);
        Assert.True(second.Code.Regions!.Adopted > 0);
        Assert.Equal(compiled, tier.Store.Compiled);
    }

    [Fact]
    public void Run_OtherProgramAtTheSameAddresses_TakesNothingOver()
    {
        (Interpreter engine, _) = Create(s_atOnce);
        using FlatGuest first = TranslatorTests.Load(Program("addi a0, a0, 1"), engine);
        using FlatGuest second = TranslatorTests.Load(Program("addi a0, a0, 2"), engine);
        foreach (FlatGuest guest in new[] { first, second })
        {
            guest[11] = 100_000;
            guest.Run(1000);
            Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 30).Reason);
        }

        Assert.Equal((100_000UL, 200_000UL), (first[10], second[10]));
        Assert.Equal(0, second.Code.Regions!.Adopted);
        static AssembledProgram Program(string step)
            => Assembler.Assemble($"loop: {step}\naddi a1, a1, -1\nbnez a1, loop\necall\n", new AssemblerOptions { Name = "loop", TextBase = TranslatorTests.Code });
    }

    [Fact]
    public void Run_OneGuestRewritesItsCode_OthersKeepTheirs()
    {
        (Interpreter engine, _) = Create(TranslatorSettings.Forced);
        AssembledProgram program = Assembler.Assemble(
            "loop: addi a0, a0, 1\naddi a1, a1, -1\nbnez a1, loop\necall\n", new AssemblerOptions { Name = "loop", TextBase = TranslatorTests.Code });
        FlatGuest[] guests = [.. Enumerable.Range(0, 3).Select(_ => TranslatorTests.Load(program, engine))];
        for (int round = 0; round < 3; round++)
        {
            foreach (FlatGuest guest in guests)
            {
                if (round == 1 && guest == guests[1])
                    guest.Load(TranslatorTests.Code, 0x0025_0513); // addi a0, a0, 2
                guest[11] = 1000;
                guest.Pc = TranslatorTests.Code;
                Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 20).Reason);
            }
        }

        Assert.Equal([3000UL, 5000UL, 3000UL], guests.Select(guest => guest[10]));
        foreach (FlatGuest guest in guests)
            guest.Dispose();
    }

    [Fact]
    public void Store_FullOfCode_DropsWhatWasNotUsedForLongest()
    {
        (Interpreter engine, TranslatorTier tier) = Create(s_atOnce with { SharedCapacity = 50 });
        for (int seed = 0; seed < 5; seed++)
        {
            using FlatGuest expected = TranslatorTests.Load(Program(seed), new Interpreter());
            using FlatGuest actual = TranslatorTests.Load(Program(seed), engine);
            TranslatorTests.RunBoth(expected, actual, 300_000, $"seed {seed}");
        }

        Assert.True(tier.Store.Instructions <= 400, $"{tier.Store.Instructions} instructions are kept: more than a region of the most allowed");
        Assert.False(tier.Store.IsEmpty);
    }

    /// <summary>Few programs, many guests, in random slices, on two threads: each must go as the interpreter goes.</summary>
    [Fact]
    public void Run_ManyGuestsOfFewPrograms_AgreeWithTheInterpreterAfterEachSlice()
        => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
        {
            foreach (TranslatorSettings settings in new[] { TranslatorSettings.Forced, s_atOnce, s_atOnce with { Background = true } })
            {
                (Interpreter engine, _) = Create(settings);
                AssembledProgram[] programs = [.. Enumerable.Range(0, 3).Select(i => Program(seed + i))];
                Parallel.For(0, 2, thread =>
                {
                    var random = new Random(seed + thread);
                    for (int g = 0; g < 6; g++)
                    {
                        AssembledProgram program = programs[random.Next(programs.Length)];
                        using FlatGuest expected = TranslatorTests.Load(program, new Interpreter());
                        using FlatGuest actual = TranslatorTests.Load(program, engine);
                        for (int slice = 0; slice < 40; slice++)
                        {
                            long budget = random.Next(3) switch { 0 => random.Next(1, 500), 1 => random.Next(1, 5000), _ => random.Next(1, 20_000) };
                            if (TranslatorTests.RunBoth(expected, actual, budget, $"seed {seed}, slice {slice}").Reason != VmExitReason.BudgetExpired)
                                break;
                        }

                        TranslatorTests.AssertSameMemory(expected, actual, $"seed {seed}");
                    }
                });
            }

            return true;
        }, cases: 6);

    private static AssembledProgram Program(int seed)
        => Assembler.Assemble(TranslatorTests.RandomCalls(seed), new AssemblerOptions { Name = "calls", TextBase = TranslatorTests.Code });

    private static (Interpreter Engine, TranslatorTier Tier) Create(TranslatorSettings settings)
    {
        TranslatorTier tier = TranslatorTier.TryCreate(settings)!;
        return (new Interpreter(tier: tier), tier);
    }
}
