using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Arm = System.Runtime.Intrinsics.Arm;

namespace Hypervisor.Core.Engine.Interpreter.Steps;

// Zbc (carry-less multiplication), Zbkb and Zbkx: unprivileged specification, chapters 30 and 31.
internal readonly struct Clmul : IBinary { public static ulong Apply(ulong a, ulong b) => CarryLess.Multiply(a, b).Low; }
internal readonly struct Clmulh : IBinary { public static ulong Apply(ulong a, ulong b) => CarryLess.Multiply(a, b).High; }

internal readonly struct Clmulr : IBinary
{
    // Bits 126 to 63 of the product.
    public static ulong Apply(ulong a, ulong b)
    {
        (ulong low, ulong high) = CarryLess.Multiply(a, b);
        return high << 1 | low >> 63;
    }
}

internal readonly struct Pack : IBinary { public static ulong Apply(ulong a, ulong b) => (uint)a | b << 32; }
internal readonly struct Packh : IBinary { public static ulong Apply(ulong a, ulong b) => (byte)a | (ulong)(byte)b << 8; }
internal readonly struct Packw : IBinary { public static ulong Apply(ulong a, ulong b) => (ulong)(int)((ushort)a | (uint)b << 16); }

internal readonly struct Brev8 : IBinary
{
    public static ulong Apply(ulong a, ulong b)
    {
        a = (a >> 1 & 0x5555_5555_5555_5555) | (a & 0x5555_5555_5555_5555) << 1;
        a = (a >> 2 & 0x3333_3333_3333_3333) | (a & 0x3333_3333_3333_3333) << 2;
        return (a >> 4 & 0x0F0F_0F0F_0F0F_0F0F) | (a & 0x0F0F_0F0F_0F0F_0F0F) << 4;
    }
}

internal readonly struct Xperm4 : IBinary
{
    public static ulong Apply(ulong a, ulong b)
    {
        ulong result = 0;
        for (int i = 0; i < 64; i += 4)
            result |= (a >> (int)(b >> i & 15) * 4 & 15) << i;
        return result;
    }
}

internal readonly struct Xperm8 : IBinary
{
    // An index past the eight bytes selects zero.
    public static ulong Apply(ulong a, ulong b)
    {
        ulong result = 0;
        for (int i = 0; i < 64; i += 8)
        {
            var index = (int)(b >> i & 255);
            if (index < 8)
                result |= (a >> index * 8 & 255) << i;
        }

        return result;
    }
}

/// <summary>Products of polynomials over the field of two elements.</summary>
internal static class CarryLess
{
    /// <summary>The 128 bits of a × b without carries.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (ulong Low, ulong High) Multiply(ulong a, ulong b)
    {
        if (Pclmulqdq.IsSupported)
        {
            Vector128<ulong> product = Pclmulqdq.CarrylessMultiply(Vector128.CreateScalar(a), Vector128.CreateScalar(b), 0);
            return (product.GetElement(0), product.GetElement(1));
        }

        if (Arm.Aes.IsSupported)
        {
            Vector128<ulong> product = Arm.Aes.PolynomialMultiplyWideningLower(Vector64.Create(a), Vector64.Create(b));
            return (product.GetElement(0), product.GetElement(1));
        }

        return MultiplyByBits(a, b);
    }

    /// <summary>The same bit by bit, for hosts without an instruction for it.</summary>
    internal static (ulong Low, ulong High) MultiplyByBits(ulong a, ulong b)
    {
        UInt128 product = 0;
        for (int i = 0; i < 64; i++)
            product ^= ((UInt128)a << i) & (UInt128.Zero - (b >> i & 1));
        return ((ulong)product, (ulong)(product >> 64));
    }
}
