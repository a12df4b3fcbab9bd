using System.Buffers.Binary;

namespace Hypervisor.Core.Network;

/// <summary>
/// Writes frames as a capture that tcpdump and Wireshark read: the pcap format with nanosecond times (magic number
/// a1b23c4d, link type Ethernet). Not synchronised; the switch's lock guards it.
/// </summary>
internal sealed class PcapWriter : IDisposable
{
    private const uint Magic = 0xa1b2_3c4d;
    private const uint LinkTypeEthernet = 1;
    private const uint SnapshotLength = 65_536;
    private const long NanosecondsPerSecond = 1_000_000_000;

    private readonly Stream _stream;
    private readonly long _epoch;
    private readonly byte[] _header = new byte[16];

    /// <summary>Begins a capture.</summary>
    /// <param name="stream">Where it goes; closed with the writer.</param>
    /// <param name="epochNanoseconds">What time zero is, in nanoseconds since 1970.</param>
    public PcapWriter(Stream stream, long epochNanoseconds)
    {
        _stream = new BufferedStream(stream, 1 << 16);
        _epoch = epochNanoseconds;
        Span<byte> header = stackalloc byte[24];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], SnapshotLength);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], LinkTypeEthernet);
        _stream.Write(header);
    }

    /// <summary>Frames that could not be written, because the disk is full for instance.</summary>
    public long Lost { get; private set; }

    /// <summary>Adds a frame.</summary>
    public void Write(ReadOnlySpan<byte> frame, long time)
    {
        long at = _epoch + time;
        BinaryPrimitives.WriteUInt32LittleEndian(_header, (uint)(at / NanosecondsPerSecond));
        BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(4), (uint)(at % NanosecondsPerSecond));
        BinaryPrimitives.WriteInt32LittleEndian(_header.AsSpan(8), frame.Length);
        BinaryPrimitives.WriteInt32LittleEndian(_header.AsSpan(12), frame.Length);
        try
        {
            _stream.Write(_header);
            _stream.Write(frame);
        }
        catch (IOException)
        {
            Lost++;
        }
    }

    /// <summary>Writes what is left.</summary>
    public void Dispose()
    {
        try
        {
            _stream.Dispose();
        }
        catch (IOException)
        {
            Lost++;
        }
    }
}
