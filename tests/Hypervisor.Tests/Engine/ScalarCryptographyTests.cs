using FsCheck.Fluent;
using Hypervisor.Core.Engine.Interpreter.Steps;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine;

/// <summary>What the lockstep with QEMU cannot see: the paths of hosts without AES instructions, and the seed CSR's rights.</summary>
public sealed unsafe class ScalarCryptographyTests
{
    [Fact]
    public void AesRounds_HostInstructions_EqualTheTables()
        => Property.ForAll(
            Gen.Choose(0, int.MaxValue - 1),
            seed =>
            {
                var random = new Random(seed);
                ulong low = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
                ulong high = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
                return AesRounds.EncryptLast(low, high) == AesTables.EncryptLast(low, high)
                    && AesRounds.Encrypt(low, high) == AesTables.MixColumns(AesTables.EncryptLast(low, high))
                    && AesRounds.DecryptLast(low, high) == AesTables.DecryptLast(low, high)
                    && AesRounds.Decrypt(low, high) == AesTables.InverseMixColumns(AesTables.DecryptLast(low, high))
                    && AesRounds.InverseMixColumns(low) == AesTables.InverseMixColumns(low)
                    && AesRounds.SubstituteWord((uint)low) == AesTables.SubstituteWord((uint)low)
                    && AesTables.InverseMixColumns(AesTables.MixColumns(low)) == low;
            },
            cases: 1000);

    // FIPS 197, section 5.1.1 (figure 7) and 5.1.3; GB/T 32907-2016, table of the S-box.
    [Fact]
    public void Tables_KnownValues_AreTheStandards()
    {
        Assert.Equal(0x16bb54b0u, AesTables.SubstituteWord(0xfffefdfc));
        Assert.Equal(0xd4u, AesTables.SubstituteWord(0x19) & 255);
        Assert.Equal(0xe5816604UL, AesTables.MixColumns(0x305dbfd4));
        Assert.Equal([0xd6, 0x90, 0xe9, 0x48], [Sm4Box.Substitute(0), Sm4Box.Substitute(1), Sm4Box.Substitute(2), Sm4Box.Substitute(255)]);
    }

    [Theory]
    [InlineData(3, 0UL, true)]
    [InlineData(1, 0UL, false)]
    [InlineData(1, 0x200UL, true)]
    [InlineData(1, 0x100UL, false)]
    [InlineData(0, 0x200UL, false)]
    [InlineData(0, 0x100UL, true)]
    public void SeedCsr_EachMode_IsThereWhereMseccfgSaysSo(int mode, ulong mseccfg, bool there)
    {
        var state = default(HartState);
        CsrFile.Reset(ref state.Privileged, 0);
        state.Privileged.Mode = (PrivilegeMode)mode;
        state.Privileged.Mseccfg = mseccfg;
        Assert.Equal(there, Access(&state, CsrOperation.Write, reads: true, writes: true, out ulong value));
        Assert.Equal(there ? 2UL : 0UL, value >> 30);
        Assert.Equal(there, Access(&state, CsrOperation.Write, reads: false, writes: true, out _));
        Assert.False(Access(&state, CsrOperation.Set, reads: true, writes: false, out _));
    }

    [Fact]
    public void SeedCsr_EqualSeeds_GiveEqualValuesAndOthersDoNot()
    {
        Assert.Equal(Draws([1, 2, 3], 0), Draws([1, 2, 3], 0));
        Assert.NotEqual(Draws([1, 2, 3], 0), Draws([1, 2, 3], 1));
        Assert.NotEqual(Draws([1, 2, 3], 0), Draws([1, 2, 4], 0));
        Assert.True(Draws([], 0).Distinct().Count() > 60);
    }

    private static ulong[] Draws(byte[] seed, ulong hart)
    {
        var state = default(HartState);
        CsrFile.Reset(ref state.Privileged, hart);
        Entropy.Seed(&state, seed, hart);
        var values = new ulong[64];
        for (int i = 0; i < values.Length; i++)
            Assert.True(Access(&state, CsrOperation.Write, reads: true, writes: true, out values[i]));
        return values;
    }

    private static bool Access(HartState* state, CsrOperation operation, bool reads, bool writes, out ulong value)
        => CsrFile.TryAccess(state, ref state->Privileged, CsrNumber.Seed, operation, 0, reads, writes, default, out value, out _);
}
