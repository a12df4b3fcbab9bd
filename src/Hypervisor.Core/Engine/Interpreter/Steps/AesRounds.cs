using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Arm = System.Runtime.Intrinsics.Arm;
using X86 = System.Runtime.Intrinsics.X86;

namespace Hypervisor.Core.Engine.Interpreter.Steps;

/// <summary>
/// Halves of AES rounds on a state of two 64-bit words, the first holding columns 0 and 1 (scalar cryptography, chapter 4 of
/// volume I; FIPS 197): by the host's instructions where it has them, else by tables.
/// </summary>
/// <remarks>
/// The second half of a result comes from the same function with the words exchanged, because rotating the state by two
/// columns commutes with every step of a round. Host instructions work on all four columns; the upper two are dropped.
/// </remarks>
internal static class AesRounds
{
    private static bool HasHost => X86.Aes.IsSupported || Arm.Aes.IsSupported;

    /// <summary>ShiftRows and SubBytes, columns 0 and 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong EncryptLast(ulong low, ulong high)
    {
        if (X86.Aes.IsSupported)
            return X86.Aes.EncryptLast(State(low, high), Vector128<byte>.Zero).AsUInt64().ToScalar();
        if (Arm.Aes.IsSupported)
            return Arm.Aes.Encrypt(State(low, high), Vector128<byte>.Zero).AsUInt64().ToScalar();
        return AesTables.EncryptLast(low, high);
    }

    /// <summary>ShiftRows, SubBytes and MixColumns, columns 0 and 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Encrypt(ulong low, ulong high)
    {
        if (X86.Aes.IsSupported)
            return X86.Aes.Encrypt(State(low, high), Vector128<byte>.Zero).AsUInt64().ToScalar();
        if (Arm.Aes.IsSupported)
            return Arm.Aes.MixColumns(Arm.Aes.Encrypt(State(low, high), Vector128<byte>.Zero)).AsUInt64().ToScalar();
        return AesTables.MixColumns(AesTables.EncryptLast(low, high));
    }

    /// <summary>The inverses of ShiftRows and SubBytes, columns 0 and 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong DecryptLast(ulong low, ulong high)
    {
        if (X86.Aes.IsSupported)
            return X86.Aes.DecryptLast(State(low, high), Vector128<byte>.Zero).AsUInt64().ToScalar();
        if (Arm.Aes.IsSupported)
            return Arm.Aes.Decrypt(State(low, high), Vector128<byte>.Zero).AsUInt64().ToScalar();
        return AesTables.DecryptLast(low, high);
    }

    /// <summary>The inverses of ShiftRows, SubBytes and MixColumns, columns 0 and 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Decrypt(ulong low, ulong high)
    {
        if (X86.Aes.IsSupported)
            return X86.Aes.Decrypt(State(low, high), Vector128<byte>.Zero).AsUInt64().ToScalar();
        if (Arm.Aes.IsSupported)
            return Arm.Aes.InverseMixColumns(Arm.Aes.Decrypt(State(low, high), Vector128<byte>.Zero)).AsUInt64().ToScalar();
        return AesTables.InverseMixColumns(AesTables.DecryptLast(low, high));
    }

    /// <summary>The inverse of MixColumns on two columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong InverseMixColumns(ulong columns)
    {
        if (X86.Aes.IsSupported)
            return X86.Aes.InverseMixColumns(State(columns, 0)).AsUInt64().ToScalar();
        if (Arm.Aes.IsSupported)
            return Arm.Aes.InverseMixColumns(State(columns, 0)).AsUInt64().ToScalar();
        return AesTables.InverseMixColumns(columns);
    }

    /// <summary>SubBytes on one column.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint SubstituteWord(uint word)
    {
        if (!HasHost)
            return AesTables.SubstituteWord(word);

        // With all columns alike, ShiftRows moves nothing that could be seen.
        ulong twice = (ulong)word << 32 | word;
        return (uint)EncryptLast(twice, twice);
    }

    private static Vector128<byte> State(ulong low, ulong high) => Vector128.Create(low, high).AsByte();
}

/// <summary>The same by tables, for hosts without AES instructions.</summary>
internal static class AesTables
{
    private static readonly byte[] s_forward = Forward();
    private static readonly byte[] s_inverse = Inverse();

    public static ulong EncryptLast(ulong low, ulong high)
    {
        Span<byte> state = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(state, low);
        BinaryPrimitives.WriteUInt64LittleEndian(state[8..], high);
        ulong result = 0;
        for (int i = 0; i < 8; i++)
            result |= (ulong)s_forward[state[(i + 4 * (i & 3)) & 15]] << i * 8;
        return result;
    }

    public static ulong DecryptLast(ulong low, ulong high)
    {
        Span<byte> state = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(state, low);
        BinaryPrimitives.WriteUInt64LittleEndian(state[8..], high);
        ulong result = 0;
        for (int i = 0; i < 8; i++)
            result |= (ulong)s_inverse[state[(i - 4 * (i & 3)) & 15]] << i * 8;
        return result;
    }

    public static uint SubstituteWord(uint word)
        => s_forward[word & 255] | (uint)s_forward[word >> 8 & 255] << 8 | (uint)s_forward[word >> 16 & 255] << 16 | (uint)s_forward[word >> 24] << 24;

    public static ulong MixColumns(ulong columns) => Mix((uint)columns) | (ulong)Mix((uint)(columns >> 32)) << 32;

    /// <summary>Mixing three times more undoes it: the matrix has order four.</summary>
    public static ulong InverseMixColumns(ulong columns) => MixColumns(MixColumns(MixColumns(columns)));

    // Each byte becomes 2a + 3b + c + d over GF(2^8), of itself and those after it.
    private static uint Mix(uint column)
    {
        uint next = BitOperations.RotateRight(column, 8);
        return DoubleBytes(column) ^ DoubleBytes(next) ^ next ^ BitOperations.RotateRight(column, 16) ^ BitOperations.RotateRight(column, 24);
    }

    private static uint DoubleBytes(uint bytes) => (bytes & 0x7f7f_7f7f) << 1 ^ (bytes >> 7 & 0x0101_0101) * 0x1b;

    /// <summary>Inverse in GF(2^8), then the affine map of FIPS 197, section 5.1.1, walking the field by its generator 3.</summary>
    private static byte[] Forward()
    {
        var table = new byte[256];
        byte p = 1, q = 1;
        do
        {
            p = (byte)(p ^ p << 1 ^ (p >= 128 ? 0x1b : 0));
            q ^= (byte)(q << 1);
            q ^= (byte)(q << 2);
            q ^= (byte)(q << 4);
            if (q >= 128)
                q ^= 9;
            int x = q | q << 8;
            table[p] = (byte)(q ^ x >> 7 ^ x >> 6 ^ x >> 5 ^ x >> 4 ^ 0x63);
        }
        while (p != 1);
        table[0] = 0x63;
        return table;
    }

    private static byte[] Inverse()
    {
        var table = new byte[256];
        for (int i = 0; i < 256; i++)
            table[s_forward[i]] = (byte)i;
        return table;
    }
}
