using System.Buffers.Binary;
using System.Security.Cryptography;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// An entropy source (virtio 1.2 §5.4): SHA-256 over the seed and a counter. The same seed gives the same bytes, for replay;
/// who does not know the seed cannot tell them from random ones.
/// </summary>
internal sealed class VirtioRng : VirtioDevice
{
    private const int SeedSize = 32;

    // A driver asks again when it wants more: no guest request may keep the host hashing for long.
    private const int MaximumAnswer = 4096;

    private readonly byte[] _block = new byte[SeedSize + 8];
    private ulong _counter;

    /// <summary>Creates the source.</summary>
    /// <param name="seed">32 bytes: from a system generator, or fixed where a run must repeat.</param>
    public VirtioRng(ReadOnlySpan<byte> seed)
    {
        if (seed.Length != SeedSize)
            throw new HypervisorException($"A virtio entropy source takes a seed of {SeedSize} bytes, not {seed.Length}.");
        seed.CopyTo(_block);
    }

    /// <inheritdoc/>
    public override uint DeviceId => 4;

    /// <inheritdoc/>
    public override ulong Features => 0;

    /// <inheritdoc/>
    public override int QueueCount => 1;

    /// <inheritdoc/>
    public override ushort QueueSize => 64;

    /// <inheritdoc/>
    public override bool Process(int index, VirtioQueue queue, VirtioChain chain)
    {
        Span<byte> random = stackalloc byte[SHA256.HashSizeInBytes];
        while (queue.TryPop(chain))
        {
            int wanted = (int)Math.Min(chain.WritableLength, MaximumAnswer);
            for (int given = 0; given < wanted; given += random.Length)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(_block.AsSpan(SeedSize), _counter++);
                SHA256.HashData(_block, random);
                chain.CopyWritable(given, random[..Math.Min(random.Length, wanted - given)]);
            }

            queue.Push(chain.Head, (uint)wanted);
        }

        return true;
    }

    /// <inheritdoc/>
    public override void Save(StateWriter writer)
    {
        writer.Write(_block.AsSpan(0, SeedSize));
        writer.Write(_counter);
    }

    /// <inheritdoc/>
    public override void Load(StateReader reader)
    {
        ReadOnlySpan<byte> seed = reader.ReadBytes(SeedSize);
        if (seed.Length != SeedSize)
            throw reader.Damaged($"a seed of {seed.Length} bytes");
        seed.CopyTo(_block);
        _counter = reader.ReadUInt64();
    }
}
