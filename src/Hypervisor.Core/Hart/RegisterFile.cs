using System.Runtime.CompilerServices;

namespace Hypervisor.Core.Hart;

/// <summary>
/// The registers of a hart by pointer arithmetic alone. Indexing the fixed buffers of a struct makes the JIT test the pointer
/// for null, in every handler.
/// </summary>
/// <remarks>Invariant: <see cref="HartState.X"/> is at offset 0 and <see cref="HartState.F"/> follows it; a test holds this.</remarks>
internal static unsafe class RegisterFile
{
    /// <summary>The integer registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong* X(HartState* s) => (ulong*)s;

    /// <summary>The floating-point registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong* F(HartState* s) => (ulong*)s + 33;
}
