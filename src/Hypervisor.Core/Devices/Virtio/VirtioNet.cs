using System.Buffers.Binary;
using Hypervisor.Core.Network;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// A network card (virtio 1.2 §5.1): queue 0 brings frames to the guest, queue 1 takes what it sends. Frames wait in the port
/// until the driver has room for them. No offloads are offered, so that every frame on the wire is whole.
/// </summary>
internal sealed class VirtioNet : VirtioDevice
{
    private const int ReceiveQueue = 0;

    // struct virtio_net_hdr as version 1 has it, §5.1.6.
    private const int HeaderSize = 12;
    private const int BufferCountOffset = 10;

    private const ulong FeatureMtu = 1UL << 3;
    private const ulong FeatureMac = 1UL << 5;
    private const ulong FeatureStatus = 1UL << 16;
    private const ushort LinkUp = 1;

    private readonly INetworkPort _port;
    private readonly byte[] _configuration = new byte[12];
    private readonly byte[] _frame = new byte[HeaderSize + INetworkPort.MaximumFrame];
    private int _waiting;
    private bool _sent;

    /// <summary>Creates the card.</summary>
    /// <param name="port">Where its cable goes.</param>
    /// <param name="address">Its address.</param>
    public VirtioNet(INetworkPort port, MacAddress address)
    {
        _port = port;
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
    public override ulong Features => FeatureMac | FeatureMtu | FeatureStatus;

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
            queue.Push(chain.Head, (uint)chain.CopyWritable(0, _frame.AsSpan(0, length)));
        }
    }

    private bool Send(VirtioQueue queue, VirtioChain chain)
    {
        Span<byte> frame = stackalloc byte[INetworkPort.MaximumFrame];
        while (queue.TryPop(chain))
        {
            // Room for the header must be there; what it says can only be zero, as nothing was offered.
            if (chain.ReadableLength < HeaderSize)
                return false;
            if (chain.ReadableLength - HeaderSize <= INetworkPort.MaximumFrame)
            {
                _port.Send(frame[..chain.CopyReadable(HeaderSize, frame)]);
                _sent = true;
            }
            else
            {
                _port.Send([]);
            }

            queue.Push(chain.Head, 0);
        }

        return true;
    }
}
