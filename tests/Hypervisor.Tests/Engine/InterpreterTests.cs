using FsCheck.Fluent;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine;

public sealed unsafe class InterpreterTests
{
    private const uint Ecall = 0x0000_0073;
    private const uint FenceI = 0x0000_100f;

    [Fact]
    public void TailCallProbe_InThisBuild_FindsJumps() => Assert.True(TailCallProbe.Works());

    [Fact]
    public void RegisterFile_Pointers_MatchTheLayout()
    {
        HartState state = default;
        Assert.True(RegisterFile.X(&state) == state.X);
        Assert.True(RegisterFile.F(&state) == state.F);
        Assert.Equal(16, sizeof(Op));
        Assert.Equal(16, sizeof(OpLink));
        Assert.Equal(16, sizeof(OpPayload));
    }

    [Fact]
    public void Run_LongLoop_StaysWithinTheStack()
    {
        // A loop of ten million instructions would overflow any stack, were the handlers' calls not jumps.
        using FlatGuest guest = CountingLoop();
        Assert.Equal(10_000_000, guest.Run(10_000_000).Retired);
    }

    [Fact]
    public void Run_AnySlicing_RetiresExactlyTheSame()
    {
        using FlatGuest whole = CountingLoop();
        whole.Run(5_000);
        ulong[] expected = whole.Registers();
        Property.ForAll(Gen.Choose(1, 300).ListOf(), slices =>
        {
            using FlatGuest guest = CountingLoop();
            long left = 5_000;
            foreach (int slice in slices)
            {
                long budget = Math.Min(slice, left);
                if (budget == 0)
                    break;
                VmExit exit = guest.Run(budget);
                Assert.Equal(VmExitReason.BudgetExpired, exit.Reason);
                Assert.Equal(budget, exit.Retired);
                left -= budget;
            }

            if (left > 0)
                Assert.Equal(left, guest.Run(left).Retired);
            return guest.Registers().SequenceEqual(expected);
        });
    }

    [Fact]
    public void Run_ExitInMidTrace_LeavesPcAtTheInstruction()
    {
        using var guest = new FlatGuest(0x1000, 0x10000);
        guest.Load(0x1000, 0x0010_0093, 0x0020_0113, Ecall, 0x0030_0193, Ecall);
        VmExit exit = guest.Run(1000);
        Assert.Equal(VmExitReason.EnvironmentCall, exit.Reason);
        Assert.Equal((ulong)TrapCause.EcallFromU, exit.Cause);
        Assert.Equal(2, exit.Retired);
        Assert.Equal(0x1008UL, guest.Pc);
        guest.Pc += 4;
        Assert.Equal(1, guest.Run(1000).Retired);
        Assert.Equal(3UL, guest[3]);
    }

    [Fact]
    public void Run_JumpIntoNowhere_ReportsAFetchFault()
    {
        using var guest = new FlatGuest(0x1000, 0x10000);
        guest.Load(0x1000, 0x0000_8067); // ret
        guest[1] = 0xdead_0000;
        VmExit exit = guest.Run(1000);
        Assert.Equal(VmExitReason.AccessFault, exit.Reason);
        Assert.Equal((ulong)TrapCause.InstructionAccessFault, exit.Cause);
        Assert.Equal(0xdead_0000UL, exit.Value);
        Assert.Equal(1, exit.Retired);
    }

    [Fact]
    public void Run_JumpToAnyExtremeAddress_NeverMatchesAnEmptyCacheEntry()
    {
        // The last even address once matched the key of an empty jump-cache entry.
        foreach (Core.Memory.TlbContext context in new[] { Core.Memory.TlbContext.User, Core.Memory.TlbContext.Supervisor, Core.Memory.TlbContext.Machine })
        {
            using var guest = new FlatGuest(0x1000, 0x10000);
            guest.Hart.ForcedContext = context;
            guest.Load(0x1000, 0x0000_8067); // ret
            foreach (ulong target in new ulong[] { ulong.MaxValue, ulong.MaxValue - 1, ulong.MaxValue - 2048, 0, 1UL << 62, (1UL << 62) - 2, long.MaxValue })
            {
                guest.Pc = 0x1000;
                guest[1] = target;
                VmExit exit = guest.Run(1000);
                Assert.Equal(VmExitReason.AccessFault, exit.Reason);
                Assert.Equal(target & ~1UL, exit.Value);
            }
        }
    }

    [Fact]
    public void Run_StoreOutsideMemory_ReportsTheAddressAndChangesNothing()
    {
        using var guest = new FlatGuest(0x1000, 0x10000);
        guest.Load(0x1000, 0x0020_b023); // sd x2, 0(x1)
        foreach (ulong address in new ulong[] { 0, 0xff8, 0x11000, ulong.MaxValue - 7, 1UL << 63, 0xfff })
        {
            guest.Pc = 0x1000;
            guest[1] = address;
            VmExit exit = guest.Run(10);
            Assert.Equal(VmExitReason.AccessFault, exit.Reason);
            Assert.Equal(address, exit.Value);
            Assert.Equal(0, exit.Retired);
        }
    }

    [Fact]
    public void Run_MisalignedAcrossPages_ReadsAndWritesBothHalves()
    {
        using var guest = new FlatGuest(0x1000, 0x10000);
        guest.Load(0x1000, 0x0020_b023, 0x0000_b183, Ecall); // sd x2, 0(x1); ld x3, 0(x1)
        guest[1] = 0x3ffb;
        guest[2] = 0x1122_3344_5566_7788;
        Assert.Equal(2, guest.Run(10).Retired);
        Assert.Equal(guest[2], guest[3]);
        Assert.True(guest.Memory.TryRead(0x3ffb, out ulong stored));
        Assert.Equal(guest[2], stored);
    }

    [Fact]
    public void Run_StoreIntoOwnCode_RunsTheNewCodeAfterAFence()
    {
        using var guest = new FlatGuest(0x1000, 0x10000);
        // The loop's first instruction adds 1; on its second round it has been replaced by one that adds 100.
        guest.Load(0x1000,
            0x0010_8093,            // addi x1, x1, 1
            0x0064_a023,            // sw x6, 0(x9)   (to 0x1000)
            FenceI,
            0x0011_0113,            // addi x2, x2, 1
            0xfe31_18e3,            // bne x2, x3, 0x1000
            Ecall);
        guest[6] = 0x0640_8093;     // addi x1, x1, 100
        guest[9] = 0x1000;
        guest[3] = 3;
        Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1000).Reason);
        Assert.Equal(201UL, guest[1]);
    }

    [Fact]
    public void Run_DataBesideCode_DropsNoBlocks()
    {
        using var guest = new FlatGuest(0x1000, 0x10000);
        guest.Load(0x1000, 0x0064_a023, 0x0011_0113, 0xfe31_1ce3, Ecall); // sw x6, 0(x9); addi x2, x2, 1; bne x2, x3, 0x1000
        guest[9] = 0x1800;
        guest[3] = 1000;
        guest.Run(100_000);
        Assert.Equal(1000UL, guest[2]);
        Assert.InRange(guest.Code.BlocksBuilt, 1, 4);
    }

    [Fact]
    public void Run_HostWritesCode_IsSeenAtTheNextEntry()
    {
        using var guest = new FlatGuest(0x1000, 0x10000);
        guest.Load(0x1000, 0x0010_0093, Ecall);
        guest.Run(10);
        guest.Load(0x1000, 0x0020_0093);
        guest.Pc = 0x1000;
        guest.Run(10);
        Assert.Equal(2UL, guest[1]);
    }

    /// <summary>A page that comes into memory as it is fetched, where other code lay before, runs as what it is now.</summary>
    [Fact]
    public void Run_FetchThatBringsAPage_RunsWhatItBrought()
    {
        using var guest = new FlatGuest(0x1000, 0x10000);
        guest.Load(0x1000, 0x0000_106f); // j 0x2000
        guest.Load(0x2000, 0x0010_0513, Ecall); // li a0, 1
        guest.Run(100);
        Assert.Equal(1UL, guest[10]);
        guest.Pc = 0x1000;
        guest.Hart.FlushTlb();
        guest.Hart.Translator = new DemandTranslator(guest.Memory, 0x2000, () => guest.Load(0x2000, 0x0020_0513, Ecall));
        guest.Run(100);
        Assert.Equal(2UL, guest[10]);
    }

    /// <summary>Flat, but for a page whose content comes with its first translation.</summary>
    private sealed unsafe class DemandTranslator(GuestMemory memory, ulong page, Action bring) : AddressTranslator
    {
        private readonly FlatTranslator _flat = new(memory);
        private bool _brought;

        public override TranslationStatus Translate(HartState* state, ulong address, AccessKind kind, TlbContext context, out Translation translation)
        {
            if ((address & ~0xFFFUL) == page && !_brought)
            {
                _brought = true;
                bring();
            }

            return _flat.Translate(state, address, kind, context, out translation);
        }
    }

    /// <summary>Runs of loads and stores with one base register, which are fused, across pages, misaligned and at the end of memory.</summary>
    [Fact]
    public void Run_AccessesWithOneBase_DoAsUnfused()
    {
        Property.ForAll(Gen.Choose(int.MinValue, int.MaxValue), seed =>
        {
            var random = new Random(seed);
            using var fused = new FlatGuest(0x1000, 0x8000);
            using var plain = new FlatGuest(0x1000, 0x8000, fuse: false);
            var code = new uint[9];
            uint size = (uint)random.Next(2, 4);
            bool aligned = random.Next(2) == 0;
            for (int i = 0; i < 8; i++)
            {
                uint offset = (uint)random.Next(-32, 32) & (aligned ? 0xFF8u : 0xFFFu);
                uint register = (uint)random.Next(5, 11);
                code[i] = random.Next(2) == 0
                    ? (offset << 20) | (10 << 15) | (size << 12) | (register << 7) | 0x03
                    : (offset >> 5 << 25) | (register << 20) | (10 << 15) | (size << 12) | ((offset & 31) << 7) | 0x23;
            }

            code[8] = Ecall;
            ulong start = random.Next(4) == 0 ? ulong.MaxValue - 15 : 0x3000UL + (ulong)(random.Next(-3, 3) * (aligned ? 8 : 7));
            var data = new byte[0x2000];
            random.NextBytes(data);
            foreach (FlatGuest guest in (FlatGuest[])[fused, plain])
            {
                guest.Load(0x1000, code);
                guest.Memory.TryWrite(0x2000, data);
                guest[10] = start;
            }

            // A second time with translations in place.
            for (int round = 0; round < 2; round++)
            {
                VmExit one = fused.Run(100), other = plain.Run(100);
                if (one.Reason != other.Reason || one.Value != other.Value || one.Retired != other.Retired || !fused.Registers().SequenceEqual(plain.Registers()))
                    return false;
                fused.Pc = plain.Pc = 0x1000;
                fused[10] = plain[10] = start;
            }

            byte[] after = new byte[0x2000], expected = new byte[0x2000];
            return fused.Memory.TryRead(0x2000, after) && plain.Memory.TryRead(0x2000, expected) && after.AsSpan().SequenceEqual(expected);
        });
    }

    [Fact]
    public void Run_RandomBytesAsCode_NeverLeavesItsMemory()
    {
        Property.ForAll(Gen.Choose(int.MinValue, int.MaxValue), seed =>
        {
            var random = new Random(seed);
            using var guest = new FlatGuest(0x8000, 0x4000);
            var bytes = new byte[0x4000];
            random.NextBytes(bytes);
            guest.Memory.TryWrite(0x8000, bytes);
            for (int i = 1; i < 32; i++)
                guest[i] = random.Next(3) == 0 ? (ulong)random.NextInt64() : 0x8000 + (ulong)random.Next(0x4000);
            long left = 2_000;
            while (left > 0)
            {
                VmExit exit = guest.Run(left);
                left -= exit.Retired + 1;
                if (exit.Reason is VmExitReason.MmioRead or VmExitReason.MmioWrite)
                    return false;
                guest.Pc = 0x8000 + (ulong)random.Next(0x2000) * 2;
            }

            return guest[0] == 0;
        }, cases: 300);
    }

    [Fact]
    public void Run_TwiceFromTheSameState_EndsInTheSameState()
    {
        using FlatGuest first = CountingLoop();
        using FlatGuest second = CountingLoop();
        first.Run(12_345);
        for (int i = 0; i < 12_345; i += 5)
            second.Run(5);
        Assert.Equal(first.Registers(), second.Registers());
    }

    [Theory]
    [InlineData("pause", 0)]
    [InlineData("pause", 28)]
    [InlineData("wrs.nto", 10)]
    [InlineData("wrs.sto", 3)]
    public void Run_HartSpins_LeavesBehindTheSameHintInAnySlicing(string hint, int turns)
    {
        string source = $"""
            loop:
                addi a0, a0, 1
                li a1, {turns + 1}
            work:
                addi a1, a1, -1
                bnez a1, work
                {hint}
                j loop
            """;
        byte[] program = Assembler.Assemble(source, new AssemblerOptions { Name = "spin", TextBase = 0x1000 }).ToImage();
        (ulong[] Registers, long Used) Spin(Func<long> budget)
        {
            using var guest = new FlatGuest(0x1000, 0x1000);
            guest.Memory.TryWrite(0x1000, program);
            guest.Hart.Controls.SpinningExits = true;
            long used = 0;
            while (true)
            {
                VmExit exit = guest.Run(budget());
                used += exit.Retired;
                if (exit.Reason == VmExitReason.Spinning)
                    return (guest.Registers(), used);
                Assert.Equal(VmExitReason.BudgetExpired, exit.Reason);
                Assert.True(used < 100_000);
            }
        }

        (ulong[] expected, long expectedUsed) = Spin(() => 1 << 20);
        Assert.Equal(64UL, expected[10]);
        Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
        {
            var random = new Random(seed);
            (ulong[] registers, long used) = Spin(() => random.Next(1, 300));
            return used == expectedUsed && registers.SequenceEqual(expected);
        }, cases: 30);
    }

    [Theory]
    [InlineData(true, 100)]
    [InlineData(false, 1)]
    public void Run_HintsFarApartOrNotAskedFor_GoOn(bool asked, int turns)
    {
        string source = $"loop: li a1, {turns}\nwork: addi a1, a1, -1\nbnez a1, work\npause\nj loop\n";
        using var guest = new FlatGuest(0x1000, 0x1000);
        guest.Memory.TryWrite(0x1000, Assembler.Assemble(source, new AssemblerOptions { Name = "spin", TextBase = 0x1000 }).ToImage());
        guest.Hart.Controls.SpinningExits = asked;
        VmExit exit = guest.Run(1 << 20);
        Assert.Equal((VmExitReason.BudgetExpired, 1L << 20), (exit.Reason, exit.Retired));
    }

    [Fact]
    public void Run_ManyExits_AllocatesNothing()
    {
        using var guest = new FlatGuest(0x1000, 0x10000);
        guest.Load(0x1000, Ecall, 0xffdf_f06f); // ecall; j 0x1000
        for (int i = 0; i < 1000; i++)
            Exit(guest);
        Assert.Equal(0, Allocations.Of(() =>
        {
            for (int i = 0; i < 1_000_000; i++)
                Exit(guest);
        }));

        static void Exit(FlatGuest guest)
        {
            if (guest.Run(1000).Reason != VmExitReason.EnvironmentCall)
                Assert.Fail("the loop makes nothing but calls");
            guest.Pc += 4;
        }
    }

    [Fact]
    public void Run_AttentionRequested_ComesOutSoon()
    {
        using FlatGuest guest = CountingLoop();
        guest.Hart.RequestAttention();
        VmExit exit = guest.Run(1_000_000);
        Assert.Equal(VmExitReason.Attention, exit.Reason);
        Assert.Equal(VmExitReason.BudgetExpired, guest.Run(1000).Reason);
    }

    [Theory]
    [InlineData(0x6010_909bu, 0UL, 32UL)]                       // ctzw x1, x1
    [InlineData(0x6010_909bu, 1UL << 40, 32UL)]
    [InlineData(0x6010_909bu, 0x10UL, 4UL)]
    [InlineData(0x0e00_d0b3u, 7UL, 0UL)]                        // czero.eqz x1, x1, x0
    [InlineData(0x0e00_f0b3u, 7UL, 7UL)]                        // czero.nez x1, x1, x0
    [InlineData(0x0e10_d0b3u, 1UL << 63, 1UL << 63)]            // czero.eqz x1, x1, x1
    [InlineData(0x0e10_f0b3u, 1UL << 63, 0UL)]                  // czero.nez x1, x1, x1
    public void Run_InstructionsThePeerLacks_FollowTheSpecification(uint word, ulong operand, ulong expected)
    {
        using var guest = new FlatGuest(0x1000, 0x1000);
        guest.Load(0x1000, word);
        guest[1] = operand;
        Assert.Equal(1, guest.Run(1).Retired);
        Assert.Equal(expected, guest[1]);
    }

    [Fact]
    public void Run_FullCache_DecodesAnewAndGoesOn()
    {
        using var guest = new FlatGuest(0x1_0000, 0x100_0000);
        guest.Code.Capacity = 1 << 20;
        // A long row of jumps to the next page's start: many blocks, each once.
        const int Pages = 0xf00;
        for (int page = 0; page < Pages; page++)
            guest.Load(0x1_0000 + (ulong)page * 0x1000, 0x0010_8093, 0x0000_1317, 0xffc3_0067); // addi x1, x1, 1; auipc x6, 1; jr -4(x6)
        guest.Load(0x1_0000 + Pages * 0x1000, Ecall);
        VmExit exit = guest.Run(1_000_000);
        Assert.True(exit.Reason == VmExitReason.EnvironmentCall, $"{exit.Reason} at {guest.Pc:x}");
        Assert.Equal((ulong)Pages, guest[1]);
    }

    /// <summary>x1 counts, x2 sums, with loads, stores and branches both ways.</summary>
    private static FlatGuest CountingLoop()
    {
        var guest = new FlatGuest(0x1000, 0x10000);
        guest.Load(0x1000,
            0x0010_8093,            // loop: addi x1, x1, 1
            0x0011_0133,            // add x2, x2, x1
            0x0010_f193,            // andi x3, x1, 1
            0x0001_8463,            // beq x3, x0, +8
            0x0024_b023,            // sd x2, 0(x9)
            0x0004_b203,            // ld x4, 0(x9)
            0x0042_c2b3,            // xor x5, x5, x4
            0xfe5f_f06f);           // j loop
        guest[9] = 0x2000;
        return guest;
    }
}
