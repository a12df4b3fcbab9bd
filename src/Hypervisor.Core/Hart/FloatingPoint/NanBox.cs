using System.Runtime.CompilerServices;

namespace Hypervisor.Core.Hart.FloatingPoint;

/// <summary>Single-precision values in 64-bit registers (RISC-V D, "NaN Boxing of Narrower Values").</summary>
internal static class NanBox
{
    /// <summary>The single held in register value <paramref name="f"/>; the canonical NaN when it is not properly boxed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Unbox(ulong f) => f >= 0xffff_ffff_0000_0000 ? (uint)f : Fp32.CanonicalNaN;

    /// <summary>The register value that holds single <paramref name="value"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Box(uint value) => 0xffff_ffff_0000_0000 | value;
}
