namespace Hypervisor.Core.Engine.Translator;

/// <summary>The word forms that use fixed registers on x64, for translated code.</summary>
/// <remarks>
/// On 32-bit values throughout. The .NET 10 JIT, where it must free the fixed register that an operand of a 32-bit division
/// lives in, copies 32 bits and takes the copy for the variable: where that is a guest's whole register, its upper half is lost.
/// So operands come in variables of their own, and rotations, which would take rcx, are made of 64-bit shifts.
/// </remarks>
internal static class WordOperations
{
    public static int Divide(int a, int b) => b == 0 ? -1 : b == -1 ? 0 - a : a / b;

    public static int DivideUnsigned(int a, int b) => b == 0 ? -1 : (int)((uint)a / (uint)b);

    public static int Remainder(int a, int b) => b == 0 ? a : b == -1 ? 0 : a % b;

    public static int RemainderUnsigned(int a, int b) => b == 0 ? a : (int)((uint)a % (uint)b);

    public static int RotateLeft(int a, int b) => (int)((uint)a * 0x1_0000_0001UL << (b & 31) >> 32);

    public static int RotateRight(int a, int b) => (int)((uint)a * 0x1_0000_0001UL >> (b & 31));
}
