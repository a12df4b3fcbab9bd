using System.Numerics;
using Hypervisor.Core.Hart.FloatingPoint;

namespace Hypervisor.Tests.Hart.FloatingPoint;

/// <summary>What an operation's operands are, and so which edge cases are worth drawing.</summary>
internal enum FpOperands
{
    Double,
    Single,
    Half,
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
        var a = Value(operands);
        var b = random.Next(8) switch { 0 or 1 => Near(a, operands), 2 or 3 => Partner(a, operands), _ => Value(operands) };
        var c = random.Next(3) switch { 0 => Value(operands), 1 => Near(a, operands), _ => NearProduct(a, b, operands) };
        return new FpVector(operation, rounding, Register(a, operands), Register(b, operands), Register(c, operands));
    }

    /// <summary>A value in a register: a narrow one boxed, and now and then not.</summary>
    private ulong Register(ulong value, FpOperands operands) => operands switch
    {
        FpOperands.Single => random.Next(40) == 0 ? Bits() << 32 | value : NanBox.Box((uint)value),
        FpOperands.Half => random.Next(40) == 0 ? (Bits() | 1UL << 16) << 16 ^ 1UL << random.Next(16, 64) | value : NanBox.BoxHalf(value),
        _ => value,
    };

    /// <summary>Fraction bits and all bits of a format.</summary>
    private static (int Fraction, int Width) Shape(FpOperands operands) => operands switch
    {
        FpOperands.Half => (10, 16),
        FpOperands.Single => (23, 32),
        _ => (52, 64),
    };

    private static ulong Truncate(ulong value, FpOperands operands) => operands switch
    {
        FpOperands.Half => (ushort)value,
        FpOperands.Single => (uint)value,
        _ => value,
    };

    private ulong Bits() => (ulong)random.NextInt64(long.MinValue, long.MaxValue);

    private ulong Value(FpOperands operands)
    {
        var (fractionBits, width) = Shape(operands);
        var exponentMax = (1 << (width - 1 - fractionBits)) - 1;
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
        return ((Bits() & 1) << (width - 1)) | ((ulong)Math.Clamp(exponent, 0, exponentMax) << fractionBits) | (Fraction(fractionBits) & mask);
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
    private ulong Near(ulong value, FpOperands operands)
    {
        var (fractionBits, width) = Shape(operands);
        var near = value + (ulong)random.Next(-2, 3);
        if (random.Next(2) == 0)
            near ^= 1UL << (width - 1);
        if (random.Next(3) == 0)
            near += (ulong)random.Next(-fractionBits - 3, fractionBits + 4) << fractionBits;
        return Truncate(near, operands);
    }

    /// <summary>What brings a product or quotient with <paramref name="a"/> within a few units of a threshold.</summary>
    private ulong Partner(ulong a, FpOperands operands)
    {
        var quotient = random.Next(2) == 0;
        ulong partner;
        if (operands == FpOperands.Half)
        {
            var x = BitConverter.UInt16BitsToHalf((ushort)a);
            var threshold = new[] { BitConverter.UInt16BitsToHalf(0x0400), System.Half.Epsilon, System.Half.MaxValue }[random.Next(3)];
            partner = BitConverter.HalfToUInt16Bits(quotient ? x / threshold : threshold / x);
        }
        else if (operands == FpOperands.Single)
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
        return Truncate(partner, operands);
    }

    private ulong NearProduct(ulong a, ulong b, FpOperands operands)
    {
        var product = operands switch
        {
            FpOperands.Half => BitConverter.HalfToUInt16Bits(BitConverter.UInt16BitsToHalf((ushort)a) * BitConverter.UInt16BitsToHalf((ushort)b)),
            FpOperands.Single => BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle((uint)a) * BitConverter.UInt32BitsToSingle((uint)b)),
            _ => BitConverter.DoubleToUInt64Bits(BitConverter.UInt64BitsToDouble(a) * BitConverter.UInt64BitsToDouble(b)),
        };
        return Near(product, operands);
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
