using System.Numerics;
using System.Runtime.CompilerServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;

namespace Hypervisor.Core.Engine.Interpreter.Steps;

// Zkne, Zknd, Zknh, Zksed, Zksh: scalar cryptography, unprivileged specification, chapter 31. rs1 holds the low word of an AES state.
internal readonly struct Aes64Es : IBinary { public static ulong Apply(ulong a, ulong b) => AesRounds.EncryptLast(a, b); }
internal readonly struct Aes64Esm : IBinary { public static ulong Apply(ulong a, ulong b) => AesRounds.Encrypt(a, b); }
internal readonly struct Aes64Ds : IBinary { public static ulong Apply(ulong a, ulong b) => AesRounds.DecryptLast(a, b); }
internal readonly struct Aes64Dsm : IBinary { public static ulong Apply(ulong a, ulong b) => AesRounds.Decrypt(a, b); }
internal readonly struct Aes64Im : IBinary { public static ulong Apply(ulong a, ulong b) => AesRounds.InverseMixColumns(a); }

/// <summary>A step of the key schedule; round 10 is that of AES-256's second word, without rotation and constant.</summary>
internal readonly struct Aes64Ks1i : IBinary
{
    private const int LastRound = 10;

    private static ReadOnlySpan<byte> Constants => [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00];

    public static ulong Apply(ulong a, ulong b)
    {
        var word = (uint)(a >> 32);
        if (b != LastRound)
            word = BitOperations.RotateRight(word, 8);
        word = AesRounds.SubstituteWord(word) ^ Constants[(int)b & 15];
        return (ulong)word << 32 | word;
    }
}

internal readonly struct Aes64Ks2 : IBinary
{
    public static ulong Apply(ulong a, ulong b)
    {
        uint low = (uint)(a >> 32) ^ (uint)b;
        return low | (ulong)(low ^ (uint)(b >> 32)) << 32;
    }
}

internal readonly struct Sha256Sig0 : IBinary { public static ulong Apply(ulong a, ulong b) => Words.Extend(Words.Right(a, 7) ^ Words.Right(a, 18) ^ (uint)a >> 3); }
internal readonly struct Sha256Sig1 : IBinary { public static ulong Apply(ulong a, ulong b) => Words.Extend(Words.Right(a, 17) ^ Words.Right(a, 19) ^ (uint)a >> 10); }
internal readonly struct Sha256Sum0 : IBinary { public static ulong Apply(ulong a, ulong b) => Words.Extend(Words.Right(a, 2) ^ Words.Right(a, 13) ^ Words.Right(a, 22)); }
internal readonly struct Sha256Sum1 : IBinary { public static ulong Apply(ulong a, ulong b) => Words.Extend(Words.Right(a, 6) ^ Words.Right(a, 11) ^ Words.Right(a, 25)); }
internal readonly struct Sha512Sig0 : IBinary { public static ulong Apply(ulong a, ulong b) => BitOperations.RotateRight(a, 1) ^ BitOperations.RotateRight(a, 8) ^ a >> 7; }
internal readonly struct Sha512Sig1 : IBinary { public static ulong Apply(ulong a, ulong b) => BitOperations.RotateRight(a, 19) ^ BitOperations.RotateRight(a, 61) ^ a >> 6; }
internal readonly struct Sha512Sum0 : IBinary { public static ulong Apply(ulong a, ulong b) => BitOperations.RotateRight(a, 28) ^ BitOperations.RotateRight(a, 34) ^ BitOperations.RotateRight(a, 39); }
internal readonly struct Sha512Sum1 : IBinary { public static ulong Apply(ulong a, ulong b) => BitOperations.RotateRight(a, 14) ^ BitOperations.RotateRight(a, 18) ^ BitOperations.RotateRight(a, 41); }
internal readonly struct Sm3P0 : IBinary { public static ulong Apply(ulong a, ulong b) => Words.Extend((uint)a ^ Words.Left(a, 9) ^ Words.Left(a, 17)); }
internal readonly struct Sm3P1 : IBinary { public static ulong Apply(ulong a, ulong b) => Words.Extend((uint)a ^ Words.Left(a, 15) ^ Words.Left(a, 23)); }

/// <summary>rd = f(rs1, rs2, byte select) of SM4.</summary>
internal interface ISm4 { static abstract uint Mix(uint substituted); }

internal readonly unsafe struct Sm4<F> : IStep where F : struct, ISm4
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Execute(Op* op, HartState* s, TlbEntry* tlb)
    {
        X(s)[op->Rd] = Apply(X(s)[op->Rs1], X(s)[op->Rs2], op->Imm);
        return true;
    }

    public static ulong Apply(ulong a, ulong b, int select)
    {
        int shift = select * 8;
        uint mixed = F.Mix(Sm4Box.Substitute((byte)(b >> shift)));
        return Words.Extend(BitOperations.RotateLeft(mixed, shift) ^ (uint)a);
    }
}

internal readonly struct Sm4Round : ISm4 { public static uint Mix(uint x) => x ^ x << 8 ^ x << 2 ^ x << 18 ^ (x & 0x3f) << 26 ^ (x & 0xc0) << 10; }
internal readonly struct Sm4Key : ISm4 { public static uint Mix(uint x) => x ^ (x & 7) << 29 ^ (x & 0xfe) << 7 ^ (x & 1) << 23 ^ (x & 0xf8) << 13; }

/// <summary>The S-box of SM4 (GB/T 32907-2016): affine map, inverse in GF(2^8) modulo 0x1f5, the same affine map.</summary>
internal static class Sm4Box
{
    private const int Polynomial = 0x1f5;
    private static readonly byte[] s_table = Build();

    public static byte Substitute(byte value) => s_table[value];

    private static byte[] Build()
    {
        var table = new byte[256];
        for (int i = 0; i < 256; i++)
            table[i] = Affine(Invert(Affine((byte)i)));
        return table;
    }

    private static byte Affine(byte value)
    {
        int result = 0;
        for (int bit = 0; bit < 8; bit++)
            result |= (BitOperations.PopCount((uint)value & BitOperations.RotateLeft(0xa7a7a7a7, bit) & 0xff) & 1) << bit;
        return (byte)(result ^ 0xd3);
    }

    /// <summary>The 254th power: the inverse, and zero of zero.</summary>
    private static byte Invert(byte value)
    {
        int result = 1;
        for (int i = 0; i < 254; i++)
            result = Multiply(result, value);
        return (byte)result;
    }

    private static int Multiply(int a, int b)
    {
        int result = 0;
        for (; b != 0; b >>= 1)
        {
            if ((b & 1) != 0)
                result ^= a;
            a <<= 1;
            if (a > 255)
                a ^= Polynomial;
        }

        return result;
    }
}

/// <summary>32-bit operations on the low words of registers.</summary>
internal static class Words
{
    public static uint Right(ulong a, int count) => BitOperations.RotateRight((uint)a, count);

    public static uint Left(ulong a, int count) => BitOperations.RotateLeft((uint)a, count);

    public static ulong Extend(uint value) => (ulong)(int)value;
}
