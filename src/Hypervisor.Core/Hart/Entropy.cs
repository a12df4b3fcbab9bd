using System.Security.Cryptography;

namespace Hypervisor.Core.Hart;

/// <summary>
/// The entropy source behind the seed CSR (Zkr). Every read gives sixteen bits: SHA-256 over the hart's seed and a counter, so
/// that equal seeds replay and who does not know the seed cannot tell.
/// </summary>
/// <remarks>Invariant for the unsafe code: the seed is a buffer of its fixed size within the state.</remarks>
internal static unsafe class Entropy
{
    /// <summary>mseccfg.SSEED: supervisor mode may use it.</summary>
    public const ulong SupervisorEnable = 1 << 9;

    /// <summary>The bits of mseccfg that there are: USEED and SSEED.</summary>
    public const ulong Enables = UserEnable | SupervisorEnable;

    private const ulong UserEnable = 1 << 8;

    /// <summary>OPST: sixteen bits of entropy follow. Other states, waiting and dead, never come up.</summary>
    private const ulong Ready = 2UL << 30;

    private const int SeedBytes = 32;

    /// <summary>Whether the mode may use the CSR.</summary>
    public static bool MayUse(in PrivilegedState p) => p.Mode switch
    {
        PrivilegeMode.Machine => true,
        PrivilegeMode.Supervisor => (p.Mseccfg & SupervisorEnable) != 0,
        _ => (p.Mseccfg & UserEnable) != 0,
    };

    /// <summary>The value of the CSR, never the same twice but by chance.</summary>
    public static ulong Draw(HartState* s)
    {
        Span<byte> input = stackalloc byte[SeedBytes + sizeof(ulong)];
        new ReadOnlySpan<byte>(s->EntropySeed, SeedBytes).CopyTo(input);
        BitConverter.TryWriteBytes(input[SeedBytes..], s->EntropyDraws++);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(input, digest);
        return Ready | BitConverter.ToUInt16(digest);
    }

    /// <summary>Seeds the source: with what the machine was given, of any length, and what tells this hart from its others.</summary>
    public static void Seed(HartState* s, ReadOnlySpan<byte> seed, ulong hart)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(seed);
        Span<byte> number = stackalloc byte[sizeof(ulong)];
        BitConverter.TryWriteBytes(number, hart);
        hash.AppendData(number);
        hash.GetHashAndReset(new Span<byte>(s->EntropySeed, SeedBytes));
        s->EntropyDraws = 0;
    }
}
