using System.Runtime.CompilerServices;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>Single-precision values in 64-bit registers (RISC-V D, "NaN Boxing of Narrower Values").</summary>
internal static class NanBox
{
    /// <summary>The single held in register value <paramref name="f"/>; the canonical NaN when it is not properly boxed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Unbox(ulong f) => f >= 0xffff_ffff_0000_0000 ? (uint)f : Fp32.CanonicalNaN;

    /// <summary>The half held in register value <paramref name="f"/>; the canonical NaN when it is not properly boxed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong UnboxHalf(ulong f) => f >= 0xffff_ffff_ffff_0000 ? (ushort)f : SoftFloat<Binary16>.CanonicalNaN;

    /// <summary>The register value that holds half <paramref name="value"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong BoxHalf(ulong value) => 0xffff_ffff_ffff_0000 | value;

    /// <summary>The register value of a value of 2, 4 or 8 bytes just loaded.</summary>
    public static ulong BoxLoaded(ulong value, int size) => size switch
    {
        2 => BoxHalf((ushort)value),
        4 => Box((uint)value),
        _ => value,
    };

    /// <summary>The register value that holds single <paramref name="value"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Box(uint value) => 0xffff_ffff_0000_0000 | value;
}
