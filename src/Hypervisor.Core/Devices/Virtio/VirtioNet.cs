using System.Buffers.Binary;
using Hypervisor.Core.Network;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// A network card (virtio 1.2 §5.1): queue 0 brings frames to the guest, queue 1 takes what it sends. Frames wait in the port
/// until the driver has room for them. Sums and the cutting of TCP's data are done here for the guest, so that every frame on the
/// wire is whole.
/// </summary>
internal sealed class VirtioNet : VirtioDevice
{
    private const int ReceiveQueue = 0;

    // struct virtio_net_hdr as version 1 has it, §5.1.6.
    private const int HeaderSize = 12;
    private const int BufferCountOffset = 10;

    private const byte NeedsSum = 1;
    private const byte SumIsRight = 2;
    private const byte CutTcp = 1;
    private const byte CutWithCongestion = 0x80;

    private const ulong FeatureSum = 1;
    private const ulong FeatureGuestSum = 1 << 1;
    private const ulong FeatureMtu = 1UL << 3;
    private const ulong FeatureCutTcp = 1 << 11;
    private const ulong FeatureMac = 1UL << 5;
    private const ulong FeatureStatus = 1UL << 16;
    private const ushort LinkUp = 1;

    private readonly INetworkPort _port;
    private readonly byte[] _configuration = new byte[12];
    private readonly byte[] _frame = new byte[HeaderSize + INetworkPort.MaximumFrame];
    private byte[] _outgoing = new byte[INetworkPort.MaximumFrame];
    private readonly NetOffload.Sender _send;
    private int _waiting;
    private bool _sent;

    /// <summary>Creates the card.</summary>
    /// <param name="port">Where its cable goes.</param>
    /// <param name="address">Its address.</param>
    public VirtioNet(INetworkPort port, MacAddress address)
    {
        _port = port;
        _send = port.Send;
        Address = address;
        address.Write(_configuration);
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(6), port.IsUp ? LinkUp : (ushort)0);
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(8), 1);
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(10), INetworkPort.MaximumPayload);
        port.Arrived = () => Arrived?.Invoke(ReceiveQueue);
    }

    /// <summary>Its address.</summary>
    public MacAddress Address { get; }

    /// <summary>Frames from the network that the driver gave too little room for.</summary>
    public long Overlong { get; private set; }

    /// <inheritdoc/>
    public override uint DeviceId => 1;

    /// <inheritdoc/>
    public override ulong Features => FeatureSum | FeatureGuestSum | FeatureCutTcp | FeatureMac | FeatureMtu | FeatureStatus;

    /// <inheritdoc/>
    public override int QueueCount => 2;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Configuration => _configuration;

    /// <inheritdoc/>
    public override bool Process(int index, VirtioQueue queue, VirtioChain chain)
        => index == ReceiveQueue ? Deliver(queue, chain) : Send(queue, chain);

    /// <inheritdoc/>
    public override void AfterProcess()
    {
        if (_sent)
        {
            _sent = false;
            _port.Flush();
        }
    }

    /// <summary>A frame taken from the port that has not reached the driver is saved; what waits in the network is the network's.</summary>
    public override void Save(StateWriter writer)
    {
        writer.Write((ulong)Overlong);
        writer.Write(_frame.AsSpan(HeaderSize, _waiting));
    }

    /// <inheritdoc/>
    public override void Load(StateReader reader)
    {
        Overlong = (long)reader.ReadUInt64();
        ReadOnlySpan<byte> frame = reader.ReadBytes(INetworkPort.MaximumFrame);
        frame.CopyTo(_frame.AsSpan(HeaderSize));
        _waiting = frame.Length;
    }

    private bool Deliver(VirtioQueue queue, VirtioChain chain)
    {
        while (true)
        {
            if (_waiting == 0)
                _waiting = _port.Receive(_frame.AsSpan(HeaderSize));
            if (_waiting == 0 || !queue.TryPop(chain))
                return true;
            int length = HeaderSize + _waiting;
            _waiting = 0;
            if (length > chain.WritableLength)
            {
                Overlong++;
                queue.Push(chain.Head, 0);
                continue;
            }

            _frame.AsSpan(0, HeaderSize).Clear();
            _frame[BufferCountOffset] = 1;
            if ((AcceptedFeatures & FeatureGuestSum) != 0 && NetOffload.IsSound(_frame.AsSpan(HeaderSize, length - HeaderSize)))
                _frame[0] = SumIsRight;
            queue.Push(chain.Head, (uint)chain.CopyWritable(0, _frame.AsSpan(0, length)));
        }
    }

    private bool Send(VirtioQueue queue, VirtioChain chain)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        while (queue.TryPop(chain))
        {
            // Room for the header must be there.
            if (chain.CopyReadable(0, header) != HeaderSize)
                return false;
            if (!Send(header, chain))
                _port.Send([]);
            _sent = true;
            queue.Push(chain.Head, 0);
        }

        return true;
    }

    /// <summary>Sends what a request holds; false where that is no frame, or asks for what was not accepted.</summary>
    private bool Send(ReadOnlySpan<byte> header, VirtioChain chain)
    {
        long length = chain.ReadableLength - HeaderSize;
        bool cuts = header[1] != 0;
        if (length > (cuts ? NetOffload.LargestToCut : INetworkPort.MaximumFrame))
            return false;
        if (length > _outgoing.Length)
            _outgoing = new byte[NetOffload.LargestToCut];
        Span<byte> frame = _outgoing.AsSpan(0, chain.CopyReadable(HeaderSize, _outgoing.AsSpan(0, (int)length)));
        if (cuts)
        {
            return (AcceptedFeatures & FeatureCutTcp) != 0 && (header[1] & ~CutWithCongestion) == CutTcp
                && NetOffload.TryCut(frame, BinaryPrimitives.ReadUInt16LittleEndian(header[4..]), _send);
        }

        if ((header[0] & NeedsSum) != 0
            && ((AcceptedFeatures & FeatureSum) == 0
                || !NetOffload.TryComplete(frame, BinaryPrimitives.ReadUInt16LittleEndian(header[6..]), BinaryPrimitives.ReadUInt16LittleEndian(header[8..]))))
            return false;
        _port.Send(frame);
        return true;
    }
}
