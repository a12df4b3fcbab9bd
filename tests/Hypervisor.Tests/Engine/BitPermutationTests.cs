using FsCheck.Fluent;
using Hypervisor.Core.Engine.Interpreter.Steps;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine;

/// <summary>What the lockstep with QEMU cannot see: the path of hosts without a carry-less multiplier.</summary>
public sealed class BitPermutationTests
{
    [Fact]
    public void CarryLess_MultiplyByBits_EqualsTheHostsInstruction()
        => Property.ForAll(
            Gen.Choose(0, int.MaxValue - 1),
            seed =>
            {
                var random = new Random(seed);
                ulong a = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
                ulong b = (ulong)random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64);
                return CarryLess.Multiply(a, b) == CarryLess.MultiplyByBits(a, b);
            },
            cases: 1000);

    [Theory]
    [InlineData(3, 3, 5UL, 0UL)]
    [InlineData(ulong.MaxValue, 2, 0xFFFF_FFFF_FFFF_FFFEUL, 1UL)]
    [InlineData(1UL << 63, 1UL << 63, 0UL, 1UL << 62)]
    public void CarryLess_MultiplyByBits_IsTheProductWithoutCarries(ulong a, ulong b, ulong low, ulong high)
        => Assert.Equal((low, high), CarryLess.MultiplyByBits(a, b));
}
