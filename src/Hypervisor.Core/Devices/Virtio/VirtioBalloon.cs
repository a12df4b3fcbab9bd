using System.Buffers.Binary;
using Hypervisor.Core.Memory;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// A memory balloon (virtio 1.2 §5.5): pages that the driver puts into it, and free pages that it reports, go back to the
/// host, and come again, zero, when the guest touches them.
/// </summary>
/// <param name="memory">The machine's RAM.</param>
internal sealed class VirtioBalloon(GuestMemory memory) : VirtioDevice
{
    private const int InflateQueue = 0;
    private const int DeflateQueue = 1;

    private const ulong FeatureDeflateOnDemand = 1UL << 2;
    private const ulong FeatureReporting = 1UL << 5;

    private const int Wanted = 0;
    private const int Actual = 4;
    private const int PageNumberSize = 4;
    private const long PageSize = GuestMemory.PageSize;

    private readonly byte[] _configuration = new byte[8];

    /// <summary>Pages the guest is asked to put into the balloon. Any thread.</summary>
    public uint TargetPages
    {
        get => BinaryPrimitives.ReadUInt32LittleEndian(_configuration.AsSpan(Wanted));
        set
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(Wanted), value);
            ConfigurationChanged?.Invoke();
        }
    }

    /// <summary>Pages the guest says are in it.</summary>
    public uint ActualPages => BinaryPrimitives.ReadUInt32LittleEndian(_configuration.AsSpan(Actual));

    /// <summary>Bytes given back so far, by the balloon and by reports of free pages.</summary>
    public long ReleasedBytes { get; private set; }

    /// <inheritdoc/>
    public override uint DeviceId => 5;

    /// <inheritdoc/>
    public override ulong Features => FeatureDeflateOnDemand | FeatureReporting;

    /// <summary>Inflate, deflate, and free page reports: queues of features not offered have no number.</summary>
    public override int QueueCount => 3;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Configuration => _configuration;

    /// <inheritdoc/>
    public override void WriteConfiguration(int offset, byte value)
    {
        if (offset >= Actual)
            _configuration[offset] = value;
    }

    /// <inheritdoc/>
    public override bool Process(int index, VirtioQueue queue, VirtioChain chain)
    {
        while (queue.TryPop(chain))
        {
            switch (index)
            {
                case InflateQueue:
                    if (chain.ReadableLength % PageNumberSize != 0)
                        return false;
                    Inflate(chain);
                    break;
                case DeflateQueue:
                    // What leaves the balloon comes back as it is touched.
                    break;
                default:
                    for (int i = 0; i < chain.WritableBuffers; i++)
                        ReleasedBytes += memory.Release(chain.WritableAddress(i), chain.WritableSize(i));
                    break;
            }

            queue.Push(chain.Head, 0);
        }

        return true;
    }

    /// <inheritdoc/>
    public override void Reset() => _configuration.AsSpan(Actual, 4).Clear();

    /// <inheritdoc/>
    public override void Save(StateWriter writer) => writer.Write(_configuration);

    /// <inheritdoc/>
    public override void Load(StateReader reader)
    {
        ReadOnlySpan<byte> saved = reader.ReadBytes(_configuration.Length);
        if (saved.Length != _configuration.Length)
            throw reader.Damaged("a balloon without its numbers");
        saved.CopyTo(_configuration);
    }

    /// <summary>Takes pages by number, in runs where they follow each other.</summary>
    private void Inflate(VirtioChain chain)
    {
        Span<byte> numbers = stackalloc byte[1024];
        for (long at = 0; at < chain.ReadableLength; at += numbers.Length)
        {
            ReadOnlySpan<byte> part = numbers[..chain.CopyReadable(at, numbers)];
            long start = 0;
            long count = 0;
            for (; part.Length >= PageNumberSize; part = part[PageNumberSize..])
            {
                long page = BinaryPrimitives.ReadUInt32LittleEndian(part);
                if (count > 0 && page == start + count)
                {
                    count++;
                    continue;
                }

                ReleasedBytes += memory.Release((ulong)(start * PageSize), count * PageSize);
                (start, count) = (page, 1);
            }

            ReleasedBytes += memory.Release((ulong)(start * PageSize), count * PageSize);
        }
    }
}
