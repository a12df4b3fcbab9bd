using System.Buffers.Binary;
using System.Text;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// A block device (virtio 1.2 §5.2) over any <see cref="IBlockBackend"/>: read, write, flush, discard, write zeroes, identify.
/// Bytes move between the backend and guest memory without a copy between. A driver that did not accept flushing, or that
/// turned the cache off, gets write-through.
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
    private const ulong FeatureTopology = 1UL << 10;
    private const ulong FeatureCacheControl = 1UL << 11;
    private const ulong FeatureDiscard = 1UL << 13;
    private const ulong FeatureWriteZeroes = 1UL << 14;

    private const uint RequestRead = 0;
    private const uint RequestWrite = 1;
    private const uint RequestFlush = 4;
    private const uint RequestId = 8;
    private const uint RequestDiscard = 11;
    private const uint RequestWriteZeroes = 13;

    private const byte StatusOk = 0;
    private const byte StatusError = 1;
    private const byte StatusUnsupported = 2;

    /// <summary>No status of the device's: the answer comes when the host's storage has done its part.</summary>
    private const byte StatusLater = 0xFF;

    private readonly IBlockBackend _backend;
    // Offsets in struct virtio_blk_config, §5.2.4.
    private const int WriteBack = 32;
    private const int DiscardLimits = 36;
    private const int WriteZeroesLimits = 48;
    private const int MayUnmap = 56;

    // Discard and write zeroes: a range is 16 bytes, and a request has no more of them or sectors than these.
    private const int RangeSize = 16;
    private const int MostRanges = 16;
    private const uint MostSectors = 1 << 15;
    private const uint Unmap = 1;

    private const int PagesOfEightSectors = 3;

    private readonly byte[] _configuration = new byte[60];
    private readonly byte[] _id = new byte[IdSize];
    private readonly Action _flush;
    private volatile Waiting _waiting;
    private byte _flushed;

    /// <summary>Creates the device.</summary>
    /// <param name="backend">Where its bytes are.</param>
    /// <param name="id">What it answers when asked who it is; at most 20 ASCII characters.</param>
    public VirtioBlock(IBlockBackend backend, string id)
    {
        if (id.Length > IdSize || !Ascii.IsValid(id))
            throw new HypervisorException($"A disk's id has at most {IdSize} ASCII characters; '{id}' does not fit.");
        _backend = backend;
        _flush = Flush;
        Encoding.ASCII.GetBytes(id, _id);
        BinaryPrimitives.WriteUInt64LittleEndian(_configuration, (ulong)backend.Length / SectorSize);

        // A request takes two buffers beside its data; drivers may use the whole queue.
        BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(12), QueueSize - 2u);
        BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(20), SectorSize);
        _configuration[24] = PagesOfEightSectors;
        _configuration[WriteBack] = 1;
        foreach (int limits in (ReadOnlySpan<int>)[DiscardLimits, WriteZeroesLimits])
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(limits), MostSectors);
            BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(limits + 4), MostRanges);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(DiscardLimits + 8), 1 << PagesOfEightSectors);
        _configuration[MayUnmap] = 1;
    }

    /// <inheritdoc/>
    public override uint DeviceId => 2;

    /// <inheritdoc/>
    public override ulong Features
        => FeatureSegments | FeatureBlockSize | FeatureFlush | FeatureTopology | FeatureCacheControl
            | (_backend.IsReadOnly ? FeatureReadOnly : FeatureDiscard | FeatureWriteZeroes);

    /// <inheritdoc/>
    public override int QueueCount => 1;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Configuration => _configuration;

    /// <inheritdoc/>
    public override void WriteConfiguration(int offset, byte value)
    {
        if (offset == WriteBack && (AcceptedFeatures & FeatureCacheControl) != 0 && value <= 1)
            _configuration[WriteBack] = value;
    }

    /// <inheritdoc/>
    public override Action? SlowWork => _waiting == Waiting.ForFlush ? _flush : null;

    /// <inheritdoc/>
    public override void Reset()
    {
        _configuration[WriteBack] = 1;
        _waiting = Waiting.ForNothing;
    }

    /// <inheritdoc/>
    public override void Save(StateWriter writer) => writer.Write(_configuration[WriteBack] != 0);

    /// <inheritdoc/>
    public override void Load(StateReader reader) => _configuration[WriteBack] = reader.ReadBool() ? (byte)1 : (byte)0;

    /// <inheritdoc/>
    public override bool Process(int index, VirtioQueue queue, VirtioChain chain)
    {
        if (_waiting == Waiting.ForAnswer)
        {
            _waiting = Waiting.ForNothing;
            Answer(queue, chain, _flushed, 0);
        }

        Span<byte> header = stackalloc byte[HeaderSize];
        while (queue.TryPop(chain))
        {
            // Without room for the status there is no way to answer.
            if (chain.WritableLength == 0 || chain.CopyReadable(0, header) != HeaderSize)
                return false;
            byte status = Serve(
                BinaryPrimitives.ReadUInt32LittleEndian(header), BinaryPrimitives.ReadUInt64LittleEndian(header[8..]), chain, chain.WritableLength - 1, out long written);
            if (status == StatusLater)
                return true;
            Answer(queue, chain, status, written);
        }

        return true;
    }

    private static void Answer(VirtioQueue queue, VirtioChain chain, byte status, long written)
    {
        long room = chain.WritableLength - 1;
        Span<byte> last = stackalloc byte[1];
        last[0] = status;
        chain.CopyWritable(room, last);

        // The length counts from the start, so a short answer reaches the driver as its own bytes only (§2.7.8).
        queue.Push(chain.Head, written == room ? (uint)Math.Min(room + 1, uint.MaxValue) : (uint)written);
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
                return !_backend.IsReadOnly && TryPlace(sector, length, out long to) && TryWriteAll(chain, to) ? Settle() : StatusError;
            case RequestDiscard when (AcceptedFeatures & FeatureDiscard) != 0:
            case RequestWriteZeroes when (AcceptedFeatures & FeatureWriteZeroes) != 0:
                return Clear(chain, discards: type == RequestDiscard);
            case RequestFlush:
                return StartFlush();
            case RequestId:
                written = chain.CopyWritable(0, _id.AsSpan(0, (int)Math.Min(room, IdSize)));
                return StatusOk;
            default:
                return StatusUnsupported;
        }
    }

    /// <summary>After a write: where nothing may stay in a cache, it must not.</summary>
    private byte Settle()
        => (AcceptedFeatures & FeatureFlush) != 0 && _configuration[WriteBack] != 0 ? StatusOk : StartFlush();

    /// <summary>Flushes; where that is left to another thread, the request is answered when it is done.</summary>
    private byte StartFlush()
    {
        if (!LeavesSlowWork)
            return _backend.TryFlush() ? StatusOk : StatusError;
        _waiting = Waiting.ForFlush;
        return StatusLater;
    }

    private void Flush()
    {
        _flushed = _backend.TryFlush() ? StatusOk : StatusError;

        // After a reset nobody waits for the answer any more.
        Interlocked.CompareExchange(ref _waiting, Waiting.ForAnswer, Waiting.ForFlush);
    }

    /// <summary>Discards ranges, or fills them with zeroes. All are checked before the first is touched.</summary>
    private byte Clear(VirtioChain chain, bool discards)
    {
        long length = chain.ReadableLength - HeaderSize;
        Span<byte> ranges = stackalloc byte[MostRanges * RangeSize];
        if (length <= 0 || length % RangeSize != 0 || length > ranges.Length)
            return StatusError;
        ranges = ranges[..chain.CopyReadable(HeaderSize, ranges[..(int)length])];
        for (int pass = 0; pass < 2; pass++)
        {
            for (Span<byte> range = ranges; range.Length > 0; range = range[RangeSize..])
            {
                uint sectors = BinaryPrimitives.ReadUInt32LittleEndian(range[8..]);
                uint flags = BinaryPrimitives.ReadUInt32LittleEndian(range[12..]);
                if ((flags & ~Unmap) != 0 || (discards && flags != 0))
                    return StatusUnsupported;
                if (sectors > MostSectors || !TryPlace(BinaryPrimitives.ReadUInt64LittleEndian(range), (long)sectors * SectorSize, out long offset))
                    return StatusError;
                if (pass == 1 && !(discards ? _backend.TryDiscard(offset, (long)sectors * SectorSize) : _backend.TryZero(offset, (long)sectors * SectorSize)))
                    return StatusError;
            }
        }

        return Settle();
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

    /// <summary>What the request at hand waits for.</summary>
    private enum Waiting
    {
        ForNothing,
        ForFlush,
        ForAnswer,
    }
}
