using FsCheck.Fluent;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine;

/// <summary>What the lockstep with QEMU cannot see: conversions that QEMU 7.2 fails on, faults in mid-vector, vectors turned off.</summary>
public sealed unsafe class VectorTests
{
    private const ulong Base = 0x10000;

    /// <summary>vfcvt.rtz.* is vfcvt.* under rounding towards zero, result and flags, in each width.</summary>
    [Theory]
    [InlineData("e16, m1", "vfcvt.rtz.x.f.v", "vfcvt.x.f.v")]
    [InlineData("e32, m1", "vfcvt.rtz.x.f.v", "vfcvt.x.f.v")]
    [InlineData("e64, m1", "vfcvt.rtz.x.f.v", "vfcvt.x.f.v")]
    [InlineData("e32, m1", "vfcvt.rtz.xu.f.v", "vfcvt.xu.f.v")]
    [InlineData("e32, m1", "vfwcvt.rtz.x.f.v", "vfwcvt.x.f.v")]
    [InlineData("e16, m1", "vfwcvt.rtz.xu.f.v", "vfwcvt.xu.f.v")]
    [InlineData("e8, m1", "vfncvt.rtz.x.f.w", "vfncvt.x.f.w")]
    [InlineData("e32, m1", "vfncvt.rtz.xu.f.w", "vfncvt.xu.f.w")]
    public void ConversionsThatTruncate_RandomElements_AreThoseUnderRoundingTowardsZero(string type, string truncating, string dynamic)
        => Property.ForAll(
            Gen.Choose(0, int.MaxValue - 1),
            seed =>
            {
                (byte[] truncated, uint flags) = Convert(seed, type, truncating, rounding: 2);
                (byte[] rounded, uint expectedFlags) = Convert(seed, type, dynamic, rounding: 1);
                return truncated.AsSpan().SequenceEqual(rounded) && flags == expectedFlags;
            },
            cases: 60);

    /// <summary>Rounding to odd: what is exact stays, and of what is not the truncated value has its last bit set.</summary>
    [Theory]
    [InlineData("e32, m1")]
    [InlineData("e16, m1")]
    public void NarrowingToOdd_RandomElements_IsTruncationWithAStickyBit(string type)
        => Property.ForAll(
            Gen.Choose(0, int.MaxValue - 1),
            seed =>
            {
                (byte[] odd, uint flags) = Convert(seed, type, "vfncvt.rod.f.f.w", rounding: 0);
                (byte[] truncated, uint expectedFlags) = Convert(seed, type, "vfncvt.f.f.w", rounding: 1);
                (byte[] down, _) = Convert(seed, type, "vfncvt.f.f.w", rounding: 2);
                (byte[] up, _) = Convert(seed, type, "vfncvt.f.f.w", rounding: 3);
                int bytes = type[1] == '3' ? 4 : 2;
                for (int i = 0; i < 16; i += bytes)
                {
                    // Where rounding down and up differ, the value was not exact.
                    bool exact = down.AsSpan(i, bytes).SequenceEqual(up.AsSpan(i, bytes));
                    byte expected = exact ? truncated[i] : (byte)(truncated[i] | 1);
                    if (odd[i] != expected || !odd.AsSpan(i + 1, bytes - 1).SequenceEqual(truncated.AsSpan(i + 1, bytes - 1)))
                        return false;
                }

                return flags == expectedFlags;
            },
            cases: 100);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Vectors_TurnedOff_AreIllegalAndLeaveTheRegisters(bool forced)
    {
        using FlatGuest guest = Guest("vsetivli zero, 4, e32, m1, ta, ma\nvadd.vv v1, v2, v3\ncsrr a0, vl\nvl1re8.v v1, (zero)", forced);
        VectorUnit.Enable(guest.Hart.State, enabled: false);
        for (int i = 0; i < 4; i++)
        {
            Assert.Contains(guest.Run(forced ? 1000 : 1).Reason, new[] { VmExitReason.IllegalInstruction, VmExitReason.PrivilegedInstruction });
            guest.Pc += 4;
        }

        Assert.Equal(VectorUnit.Illegal, guest.Hart.State->Vtype);
    }

    /// <summary>What is compiled ahead of a guest touches nothing.</summary>
    [Fact]
    public void Preparation_OfCommonKernels_Ends()
        => Core.Engine.Interpreter.Vector.VectorPreparation.Run(new Core.Engine.Interpreter.HandlerTable());

    [Theory]
    [InlineData("vse8.v v3, (a0)", 3, false)]
    [InlineData("vle8.v v3, (a0)", 3, false)]
    [InlineData("vsseg2e8.v v4, (a0)", 1, false)]
    [InlineData("vsse8.v v3, (a0), a1", 2, false)]
    [InlineData("vse8.v v3, (a0)", 3, true)]
    [InlineData("vle8.v v3, (a0)", 3, true)]
    [InlineData("vsseg2e8.v v4, (a0)", 1, true)]
    [InlineData("vsse8.v v3, (a0), a1", 2, true)]
    public void Access_IntoMemoryThatIsNotThere_FaultsAtTheElement(string access, ulong element, bool forced)
    {
        using FlatGuest guest = Guest($"vsetivli zero, 8, e8, m1, ta, ma\n{access}", forced);
        ulong end = guest.Memory.Region.Base + guest.Memory.Region.Size;
        guest[10] = end - 3;
        guest[11] = 2;
        VmExit exit = guest.Run(1000);
        Assert.Equal(VmExitReason.AccessFault, exit.Reason);
        Assert.Equal(1, exit.Retired);
        Assert.Equal(end + (access.StartsWith("vsse8", StringComparison.Ordinal) ? 1UL : 0), exit.Value);
        Assert.Equal(element, guest.Hart.State->Vstart);
        Assert.Equal(Base + 4, guest.Pc);
    }

    /// <summary>A store over the code behind it: what runs then is what was stored.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Store_OverCodeToCome_IsSeen(bool forced)
    {
        using FlatGuest guest = Guest("la a0, target\nvsetivli zero, 1, e32, m1, ta, ma\nvmv.v.x v1, a1\nvse32.v v1, (a0)\ntarget: li a2, 2\nebreak", forced);
        guest[11] = 0x0070_0613;                                // li a2, 7
        Assert.Equal(VmExitReason.Breakpoint, guest.Run(1000).Reason);
        Assert.Equal(7UL, guest[12]);
    }

    private static (byte[] Result, uint Flags) Convert(int seed, string type, string instruction, int rounding)
    {
        using FlatGuest guest = Guest($"vsetvli t0, zero, {type}, ta, ma\n{instruction} v8, v16\nebreak");
        var random = new Random(seed);
        for (int i = 0; i < 64; i++)
        {
            // Moderate numbers of every format, so that most conversions are in range, and anything else.
            double number = (random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-20, 40));
            ((byte*)guest.Hart.State->V)[16 * 16 + i] = (byte)random.Next(256);
            if (i % 8 != 7)
                continue;
            ulong bits = random.Next(4) switch
            {
                0 => BitConverter.DoubleToUInt64Bits(number),
                1 => BitConverter.SingleToUInt32Bits((float)number) * 0x1_0000_0001UL,
                2 => BitConverter.HalfToUInt16Bits((Half)number) * 0x0001_0001_0001_0001UL,
                _ => BitConverter.ToUInt64(new ReadOnlySpan<byte>(guest.Hart.State->V + 16 * 16 + i - 7, 8)),
            };
            *(ulong*)(guest.Hart.State->V + 16 * 16 + i - 7) = bits;
        }

        guest.Hart.State->Frm = (uint)rounding;
        Assert.Equal(VmExitReason.Breakpoint, guest.Run(100).Reason);
        return (new ReadOnlySpan<byte>(guest.Hart.State->V + 8 * 16, 32).ToArray(), guest.Hart.State->Fflags);
    }

    private static FlatGuest Guest(string source, bool forced = false)
    {
        var guest = new FlatGuest(Base, 0x20000, forced: forced, vectorBits: 128);
        AssembledProgram program = Assembler.Assemble(".text\n" + source, new AssemblerOptions { Name = "vectors", TextBase = Base });
        Assert.True(guest.Memory.TryWrite(Base, program.ToImage()));
        return guest;
    }
}
