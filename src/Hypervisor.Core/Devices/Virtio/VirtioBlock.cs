using System.Buffers.Binary;
using System.Text;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// A block device (virtio 1.2 §5.2) over any <see cref="IBlockBackend"/>: read, write, flush, identify. Bytes move between the
/// backend and guest memory without a copy between. A driver that did not accept flushing gets write-through.
/// </summary>
internal sealed class VirtioBlock : VirtioDevice
{
    private const int SectorSize = 512;
    private const int HeaderSize = 16;
    private const int IdSize = 20;

    private const ulong FeatureSegments = 1UL << 2;
    private const ulong FeatureReadOnly = 1UL << 5;
    private const ulong FeatureBlockSize = 1UL << 6;
    private const ulong FeatureFlush = 1UL << 9;

    private const uint RequestRead = 0;
    private const uint RequestWrite = 1;
    private const uint RequestFlush = 4;
    private const uint RequestId = 8;

    private const byte StatusOk = 0;
    private const byte StatusError = 1;
    private const byte StatusUnsupported = 2;

    private readonly IBlockBackend _backend;
    private readonly byte[] _configuration = new byte[24];
    private readonly byte[] _id = new byte[IdSize];

    /// <summary>Creates the device.</summary>
    /// <param name="backend">Where its bytes are.</param>
    /// <param name="id">What it answers when asked who it is; at most 20 ASCII characters.</param>
    public VirtioBlock(IBlockBackend backend, string id)
    {
        if (id.Length > IdSize || !Ascii.IsValid(id))
            throw new HypervisorException($"A disk's id has at most {IdSize} ASCII characters; '{id}' does not fit.");
        _backend = backend;
        Encoding.ASCII.GetBytes(id, _id);
        BinaryPrimitives.WriteUInt64LittleEndian(_configuration, (ulong)backend.Length / SectorSize);

        // A request takes two buffers beside its data; drivers may use the whole queue.
        BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(12), QueueSize - 2u);
        BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(20), SectorSize);
    }

    /// <inheritdoc/>
    public override uint DeviceId => 2;

    /// <inheritdoc/>
    public override ulong Features
        => FeatureSegments | FeatureBlockSize | FeatureFlush | (_backend.IsReadOnly ? FeatureReadOnly : 0);

    /// <inheritdoc/>
    public override int QueueCount => 1;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Configuration => _configuration;

    /// <inheritdoc/>
    public override bool Process(int index, VirtioQueue queue, VirtioChain chain)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        while (queue.TryPop(chain))
        {
            // Without room for the status there is no way to answer.
            if (chain.WritableLength == 0 || chain.CopyReadable(0, header) != HeaderSize)
                return false;
            long room = chain.WritableLength - 1;
            byte status = Serve(
                BinaryPrimitives.ReadUInt32LittleEndian(header), BinaryPrimitives.ReadUInt64LittleEndian(header[8..]), chain, room, out long written);
            chain.CopyWritable(room, [status]);

            // The length counts from the start, so a short answer reaches the driver as its own bytes only (§2.7.8).
            queue.Push(chain.Head, written == room ? (uint)Math.Min(room + 1, uint.MaxValue) : (uint)written);
        }

        return true;
    }

    private byte Serve(uint type, ulong sector, VirtioChain chain, long room, out long written)
    {
        written = 0;
        switch (type)
        {
            case RequestRead:
                if (!TryPlace(sector, room, out long from) || !TryReadAll(chain, from, room))
                    return StatusError;
                written = room;
                return StatusOk;
            case RequestWrite:
                long length = chain.ReadableLength - HeaderSize;
                bool stored = !_backend.IsReadOnly && TryPlace(sector, length, out long to) && TryWriteAll(chain, to)
                    && ((AcceptedFeatures & FeatureFlush) != 0 || _backend.TryFlush());
                return stored ? StatusOk : StatusError;
            case RequestFlush:
                return _backend.TryFlush() ? StatusOk : StatusError;
            case RequestId:
                written = chain.CopyWritable(0, _id.AsSpan(0, (int)Math.Min(room, IdSize)));
                return StatusOk;
            default:
                return StatusUnsupported;
        }
    }

    /// <summary>The byte offset of a transfer that is whole sectors inside the disk.</summary>
    private bool TryPlace(ulong sector, long length, out long offset)
    {
        var sectors = (ulong)_backend.Length / SectorSize;
        bool inside = length % SectorSize == 0 && sector <= sectors && (ulong)length / SectorSize <= sectors - sector;
        offset = inside ? (long)sector * SectorSize : 0;
        return inside;
    }

    private bool TryReadAll(VirtioChain chain, long offset, long left)
    {
        for (int i = 0; i < chain.WritableBuffers && left > 0; i++)
        {
            Span<byte> buffer = chain.Writable(i, left);
            bool read = _backend.TryRead(offset, buffer);
            chain.Written(i, buffer.Length);
            if (!read)
                return false;
            offset += buffer.Length;
            left -= buffer.Length;
        }

        return true;
    }

    private bool TryWriteAll(VirtioChain chain, long offset)
    {
        int skip = HeaderSize;
        for (int i = 0; i < chain.ReadableBuffers; i++)
        {
            ReadOnlySpan<byte> buffer = chain.Readable(i);
            int header = Math.Min(skip, buffer.Length);
            skip -= header;
            buffer = buffer[header..];
            if (!_backend.TryWrite(offset, buffer))
                return false;
            offset += buffer.Length;
        }

        return true;
    }
}
