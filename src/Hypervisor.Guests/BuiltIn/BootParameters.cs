using System.Buffers.Binary;
using Hypervisor.Core;

namespace Hypervisor.Guests.BuiltIn;

/// <summary>What a built-in kernel is told at its start: the parameter block of <c>docs/para-abi.md</c> §7.</summary>
public sealed record BootParameters
{
    /// <summary>Where the kernels look for the block when a1 does not point to one.</summary>
    public const ulong Address = 0x8040_0000;

    /// <summary>Where the program goes by default.</summary>
    public const ulong DefaultProgramAddress = 0x8041_0000;

    /// <summary>The block's size in bytes.</summary>
    public const int Size = 64;

    private const ulong Magic = 0x314D_5241_5056_48FF;
    private const ulong RamBase = 0x8000_0000;
    private const ulong PoolBase = 0x8060_0000;

    /// <summary>How often the program repeats its operation.</summary>
    public required long Iterations { get; init; }

    /// <summary>The size of RAM, which starts at 0x8000_0000: 16 MiB to 1 GiB.</summary>
    public required ulong RamBytes { get; init; }

    /// <summary>The size of the program's ELF file.</summary>
    public required int ProgramBytes { get; init; }

    /// <summary>Where in RAM the file lies.</summary>
    public ulong ProgramAddress { get; init; } = DefaultProgramAddress;

    /// <summary>The frequency of the <c>time</c> counter.</summary>
    public ulong TimebaseHertz { get; init; } = 10_000_000;

    /// <summary>The scheduler's tick, in <c>time</c> counts; 10 ms at the default frequency.</summary>
    public ulong TickCounts { get; init; } = 100_000;

    /// <summary>Whether the board has the marker device (privileged edition) or the mark call is wanted (para edition).</summary>
    public bool Markers { get; init; }

    /// <summary>The block, to be placed at <see cref="Address"/>.</summary>
    /// <exception cref="HypervisorException">A value is one the kernels refuse.</exception>
    public byte[] ToBytes()
    {
        Require(Iterations >= 0, $"{nameof(Iterations)} {Iterations} is negative");
        Require(RamBytes is >= 16UL << 20 and <= 1UL << 30, $"{nameof(RamBytes)} {RamBytes} is not in 16 MiB..1 GiB");
        Require(TimebaseHertz is > 0 and <= 1_000_000_000, $"{nameof(TimebaseHertz)} {TimebaseHertz} is not in 1..1,000,000,000");
        Require(TickCounts > 0, $"{nameof(TickCounts)} is zero");
        Require(
            ProgramBytes > 0 && ProgramAddress >= Address + Size && ProgramAddress <= PoolBase && (ulong)ProgramBytes <= PoolBase - ProgramAddress,
            $"a program of {ProgramBytes} bytes at 0x{ProgramAddress:x} does not lie between 0x{Address + Size:x} and 0x{PoolBase:x}");
        var block = new byte[Size];
        ReadOnlySpan<ulong> words =
        [
            Magic, Markers ? 1UL : 0, (ulong)Iterations, RamBytes, TimebaseHertz, TickCounts, ProgramAddress, (ulong)ProgramBytes,
        ];
        for (var index = 0; index < words.Length; index++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(block.AsSpan(8 * index), words[index]);
        }

        return block;
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new HypervisorException($"boot parameters (RAM from 0x{RamBase:x}): {otherwise}");
        }
    }
}
