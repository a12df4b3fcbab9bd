using System.Numerics;
using Hypervisor.Core.Hart.FloatingPoint;

namespace Hypervisor.Tests.Hart.FloatingPoint;

/// <summary>What an operation's operands are, and so which edge cases are worth drawing.</summary>
internal enum FpOperands
{
    Double,
    Single,
    Integer,
}

/// <summary>Draws operands that crowd where floating point goes wrong: ties, thresholds, cancellation, special values.</summary>
internal sealed class FpVectors(int seed)
{
    private readonly Random random = new(seed);

    public FpVector Next(int operation, FpOperands operands)
    {
        var rounding = random.Next(5);
        if (operands == FpOperands.Integer)
            return new FpVector(operation, rounding, Integer(), 0, 0);
        var single = operands == FpOperands.Single;
        var a = Value(single);
        var b = random.Next(8) switch { 0 or 1 => Near(a, single), 2 or 3 => Partner(a, single), _ => Value(single) };
        var c = random.Next(3) switch { 0 => Value(single), 1 => Near(a, single), _ => NearProduct(a, b, single) };
        return single
            ? new FpVector(operation, rounding, Register(a), Register(b), Register(c))
            : new FpVector(operation, rounding, a, b, c);
    }

    /// <summary>A single in a register: boxed, and now and then not.</summary>
    private ulong Register(ulong single) => random.Next(40) == 0 ? Bits() << 32 | single : NanBox.Box((uint)single);

    private ulong Bits() => (ulong)random.NextInt64(long.MinValue, long.MaxValue);

    private ulong Value(bool single)
    {
        var (fractionBits, exponentMax) = single ? (23, 0xff) : (52, 0x7ff);
        var bias = exponentMax >> 1;
        var exponent = random.Next(12) switch
        {
            0 => 0,
            1 => exponentMax,
            2 => random.Next(1, 4),
            3 => exponentMax - random.Next(1, 4),
            4 => bias + random.Next(-3, 4),
            5 => bias + new[] { 0, 7, 15, 23, 24, 31, 32, 52, 53, 63, 64 }[random.Next(11)] + random.Next(-1, 2),
            6 => (bias / 2) + random.Next(-4, 5),
            7 => bias + (bias / 2) + random.Next(-4, 5),
            8 => random.Next(1, exponentMax),
            _ => bias + random.Next(-70, 70),
        };
        var mask = (1UL << fractionBits) - 1;
        return ((Bits() & 1) << (single ? 31 : 63)) | ((ulong)exponent << fractionBits) | (Fraction(fractionBits) & mask);
    }

    /// <summary>Few bits set at either end, runs of ones, or anything.</summary>
    private ulong Fraction(int bits) => random.Next(7) switch
    {
        0 => 0,
        1 => ulong.MaxValue,
        2 => 1UL << random.Next(bits),
        3 => ulong.MaxValue << random.Next(bits),
        4 => (1UL << random.Next(bits)) + (ulong)random.Next(-2, 3),
        5 => Bits() << random.Next(bits),
        _ => Bits(),
    };

    /// <summary>The same value but for a few units in the last place, the sign, or the exponent.</summary>
    private ulong Near(ulong value, bool single)
    {
        var (fractionBits, width) = single ? (23, 32) : (52, 64);
        var near = value + (ulong)random.Next(-2, 3);
        if (random.Next(2) == 0)
            near ^= 1UL << (width - 1);
        if (random.Next(3) == 0)
            near += (ulong)random.Next(-fractionBits - 3, fractionBits + 4) << fractionBits;
        return single ? (uint)near : near;
    }

    /// <summary>What brings a product or quotient with <paramref name="a"/> within a few units of a threshold.</summary>
    private ulong Partner(ulong a, bool single)
    {
        var quotient = random.Next(2) == 0;
        ulong partner;
        if (single)
        {
            var x = BitConverter.UInt32BitsToSingle((uint)a);
            var threshold = new[] { BitConverter.UInt32BitsToSingle(0x0080_0000), float.Epsilon, float.MaxValue }[random.Next(3)];
            partner = BitConverter.SingleToUInt32Bits(quotient ? x / threshold : threshold / x);
        }
        else
        {
            var x = BitConverter.UInt64BitsToDouble(a);
            var threshold = new[] { BitConverter.UInt64BitsToDouble(0x0010_0000_0000_0000), double.Epsilon, double.MaxValue }[random.Next(3)];
            partner = BitConverter.DoubleToUInt64Bits(quotient ? x / threshold : threshold / x);
        }

        partner += (ulong)random.Next(-2, 3);
        return single ? (uint)partner : partner;
    }

    private ulong NearProduct(ulong a, ulong b, bool single)
    {
        var product = single
            ? BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle((uint)a) * BitConverter.UInt32BitsToSingle((uint)b))
            : BitConverter.DoubleToUInt64Bits(BitConverter.UInt64BitsToDouble(a) * BitConverter.UInt64BitsToDouble(b));
        return Near(product, single);
    }

    private ulong Integer()
    {
        var value = random.Next(5) switch
        {
            0 => Bits(),
            1 => Bits() >> random.Next(64),
            2 => (1UL << random.Next(64)) + (ulong)random.Next(-2, 3),
            3 => (Bits() >> 40) << random.Next(64) | BitOperations.RotateRight(1UL, random.Next(64)),
            _ => (ulong)random.Next(-3, 4),
        };
        return random.Next(2) == 0 ? value : 0 - value;
    }
}
