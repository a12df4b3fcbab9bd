using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>
/// An operation on two elements, the first of vs2 and the second of vs1, a scalar or an immediate. Whether elements are signed is
/// in their type. Where it has host vectors they do the same to many elements.
/// </summary>
internal interface IElements
{
    static virtual bool HasVectors => false;

    /// <summary>Whether it has host vectors where the second operand is the same for all elements.</summary>
    static virtual bool HasUniform => false;

    static abstract T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>;

    static virtual Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => a;

    static virtual Vector128<T> ApplyUniform<T>(Vector128<T> a, Vector128<T> b, int count) where T : unmanaged => a;

    static virtual Vector256<T> Apply<T>(Vector256<T> a, Vector256<T> b) where T : unmanaged => a;

    static virtual Vector256<T> ApplyUniform<T>(Vector256<T> a, Vector256<T> b, int count) where T : unmanaged => a;

    static virtual Vector512<T> Apply<T>(Vector512<T> a, Vector512<T> b) where T : unmanaged => a;

    static virtual Vector512<T> ApplyUniform<T>(Vector512<T> a, Vector512<T> b, int count) where T : unmanaged => a;
}

internal readonly struct Add : IElements
{
    public static bool HasVectors => true;

    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a + b;

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => a + b;
    public static Vector256<T> Apply<T>(Vector256<T> a, Vector256<T> b) where T : unmanaged => a + b;
    public static Vector512<T> Apply<T>(Vector512<T> a, Vector512<T> b) where T : unmanaged => a + b;
}

internal readonly struct Subtract : IElements
{
    public static bool HasVectors => true;

    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a - b;

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => a - b;
    public static Vector256<T> Apply<T>(Vector256<T> a, Vector256<T> b) where T : unmanaged => a - b;
    public static Vector512<T> Apply<T>(Vector512<T> a, Vector512<T> b) where T : unmanaged => a - b;
}

internal readonly struct SubtractReversed : IElements
{
    public static bool HasVectors => true;

    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => b - a;

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => b - a;
    public static Vector256<T> Apply<T>(Vector256<T> a, Vector256<T> b) where T : unmanaged => b - a;
    public static Vector512<T> Apply<T>(Vector512<T> a, Vector512<T> b) where T : unmanaged => b - a;
}

internal readonly struct And : IElements
{
    public static bool HasVectors => true;

    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a & b;

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => a & b;
    public static Vector256<T> Apply<T>(Vector256<T> a, Vector256<T> b) where T : unmanaged => a & b;
    public static Vector512<T> Apply<T>(Vector512<T> a, Vector512<T> b) where T : unmanaged => a & b;
}

internal readonly struct Or : IElements
{
    public static bool HasVectors => true;

    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a | b;

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => a | b;
    public static Vector256<T> Apply<T>(Vector256<T> a, Vector256<T> b) where T : unmanaged => a | b;
    public static Vector512<T> Apply<T>(Vector512<T> a, Vector512<T> b) where T : unmanaged => a | b;
}

internal readonly struct Xor : IElements
{
    public static bool HasVectors => true;

    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a ^ b;

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => a ^ b;
    public static Vector256<T> Apply<T>(Vector256<T> a, Vector256<T> b) where T : unmanaged => a ^ b;
    public static Vector512<T> Apply<T>(Vector512<T> a, Vector512<T> b) where T : unmanaged => a ^ b;
}

internal readonly struct Minimum : IElements
{
    public static bool HasVectors => true;

    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => T.Min(a, b);

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => Vector128.Min(a, b);
    public static Vector256<T> Apply<T>(Vector256<T> a, Vector256<T> b) where T : unmanaged => Vector256.Min(a, b);
    public static Vector512<T> Apply<T>(Vector512<T> a, Vector512<T> b) where T : unmanaged => Vector512.Min(a, b);
}

internal readonly struct Maximum : IElements
{
    public static bool HasVectors => true;

    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => T.Max(a, b);

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => Vector128.Max(a, b);
    public static Vector256<T> Apply<T>(Vector256<T> a, Vector256<T> b) where T : unmanaged => Vector256.Max(a, b);
    public static Vector512<T> Apply<T>(Vector512<T> a, Vector512<T> b) where T : unmanaged => Vector512.Max(a, b);
}

internal readonly struct Multiply : IElements
{
    public static bool HasVectors => true;

    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a * b;

    public static Vector128<T> Apply<T>(Vector128<T> a, Vector128<T> b) where T : unmanaged => a * b;
    public static Vector256<T> Apply<T>(Vector256<T> a, Vector256<T> b) where T : unmanaged => a * b;
    public static Vector512<T> Apply<T>(Vector512<T> a, Vector512<T> b) where T : unmanaged => a * b;
}

internal readonly struct ShiftLeft : IElements
{
    public static bool HasUniform => true;

    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a << (int.CreateTruncating(b) & Unsafe.SizeOf<T>() * 8 - 1);

    public static Vector128<T> ApplyUniform<T>(Vector128<T> a, Vector128<T> b, int count) where T : unmanaged => a << count;
    public static Vector256<T> ApplyUniform<T>(Vector256<T> a, Vector256<T> b, int count) where T : unmanaged => a << count;
    public static Vector512<T> ApplyUniform<T>(Vector512<T> a, Vector512<T> b, int count) where T : unmanaged => a << count;
}

/// <summary>Arithmetic or logical as the element type is.</summary>
internal readonly struct ShiftRight : IElements
{
    public static bool HasUniform => true;

    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T> => a >> (int.CreateTruncating(b) & Unsafe.SizeOf<T>() * 8 - 1);

    public static Vector128<T> ApplyUniform<T>(Vector128<T> a, Vector128<T> b, int count) where T : unmanaged => a >> count;
    public static Vector256<T> ApplyUniform<T>(Vector256<T> a, Vector256<T> b, int count) where T : unmanaged => a >> count;
    public static Vector512<T> ApplyUniform<T>(Vector512<T> a, Vector512<T> b, int count) where T : unmanaged => a >> count;
}

/// <summary>Division that never traps: by zero all bits, and the least number by minus one itself.</summary>
internal readonly struct Divide : IElements
{
    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => T.IsZero(b) ? ~T.Zero : T.IsNegative(T.MinValue) && b == ~T.Zero ? T.Zero - a : a / b;
}

internal readonly struct Remainder : IElements
{
    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => T.IsZero(b) ? a : T.IsNegative(T.MinValue) && b == ~T.Zero ? T.Zero : a % b;
}

internal readonly struct MultiplyHigh : IElements
{
    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
        => T.CreateTruncating(Int128.CreateTruncating(a) * Int128.CreateTruncating(b) >> Unsafe.SizeOf<T>() * 8);
}

/// <summary>The high half of a signed by an unsigned element; the element type is signed.</summary>
internal readonly struct MultiplyHighMixed : IElements
{
    public static T Apply<T>(T a, T b) where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        int bits = Unsafe.SizeOf<T>() * 8;
        ulong unsigned = ulong.CreateTruncating(b) & ulong.MaxValue >> 64 - bits;
        return T.CreateTruncating(Int128.CreateTruncating(a) * (Int128)unsigned >> bits);
    }
}
