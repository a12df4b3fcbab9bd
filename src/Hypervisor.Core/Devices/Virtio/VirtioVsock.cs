using System.Buffers.Binary;
using Hypervisor.Core.Devices.Virtio.Vsock;
using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// Streams between guest and host without a network (virtio 1.2 §5.10): queue 0 brings packets to the guest, queue 1 takes what
/// it sends, queue 2 tells it of resets. What is on the host's side of a stream is <see cref="VsockSockets"/>'s affair.
/// </summary>
internal sealed class VirtioVsock : VirtioDevice
{
    /// <summary>The host's address.</summary>
    public const ulong HostCid = 2;

    /// <summary>The first address of a guest.</summary>
    public const ulong FirstGuestCid = 3;

    private const int ReceiveQueue = 0;
    private const int TransmitQueue = 1;
    private const int EventQueue = 2;
    private const int MostConnections = 1024;
    private const int MostAnswers = 256;
    private const int LargestPart = 64 << 10;
    private const ulong FeatureStream = 1;

    private readonly Lock _lock = new();
    private readonly byte[] _configuration = new byte[8];
    private readonly Dictionary<(uint Host, uint Guest), VsockConnection> _connections = [];
    private readonly Queue<VsockPacket> _answers = new();
    private readonly Queue<VsockConnection> _ready = new();
    private readonly byte[] _packet = new byte[VsockPacket.Size + LargestPart];
    private readonly List<Action> _afterwards = [];
    private readonly ulong _cid;
    private bool _tellsReset;
    private bool _holdsTransmit;
    private bool _wantsDelivery;

    /// <summary>Creates the device.</summary>
    /// <param name="cid">The guest's address; 3 to 2^32 - 2.</param>
    /// <exception cref="HypervisorException">The address is none of a guest.</exception>
    public VirtioVsock(ulong cid)
    {
        if (cid is < FirstGuestCid or >= uint.MaxValue)
            throw new HypervisorException($"{cid} is no vsock address of a guest: give {FirstGuestCid} to {uint.MaxValue - 1}.");
        _cid = cid;
        BinaryPrimitives.WriteUInt64LittleEndian(_configuration, cid);
    }

    /// <summary>Called for a stream that the guest wants to a port of the host; the answer comes by <see cref="Accept"/> or <see cref="Close"/>.</summary>
    public Action<VsockConnection>? Requested { get; set; }

    /// <summary>Called when the guest took a stream that the host wanted.</summary>
    public Action<VsockConnection>? Accepted { get; set; }

    /// <inheritdoc/>
    public override uint DeviceId => 19;

    /// <inheritdoc/>
    public override ulong Features => FeatureStream;

    /// <inheritdoc/>
    public override int QueueCount => 3;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Configuration => _configuration;

    /// <summary>Asks the guest for a stream to one of its ports; null where there are too many. Any thread.</summary>
    public VsockConnection? Connect(uint hostPort, uint guestPort)
    {
        VsockConnection connection;
        lock (_lock)
        {
            if (_connections.Count >= MostConnections || _connections.ContainsKey((hostPort, guestPort)))
                return null;
            connection = new VsockConnection(hostPort, guestPort);
            _connections.Add((hostPort, guestPort), connection);
            Answer(connection, VsockOperation.Request);
        }

        Arrived?.Invoke(ReceiveQueue);
        return connection;
    }

    /// <summary>Takes a stream that the guest wanted. Any thread.</summary>
    public void Accept(VsockConnection connection)
    {
        lock (_lock)
        {
            if (connection.IsOver)
                return;
            connection.IsOpen = true;
            Answer(connection, VsockOperation.Response);
        }

        Arrived?.Invoke(ReceiveQueue);
    }

    /// <summary>Ends a stream at once. Any thread.</summary>
    public void Close(VsockConnection connection)
    {
        lock (_lock)
        {
            if (connection.IsOver)
                return;
            Answer(connection, VsockOperation.Reset);
            Forget(connection);
        }

        Arrived?.Invoke(ReceiveQueue);
    }

    /// <summary>Takes bytes from the host's socket; how many fitted. None says that the socket brings no more. Any thread.</summary>
    public int FromHost(VsockConnection connection, ReadOnlySpan<byte> bytes)
    {
        int taken;
        lock (_lock)
        {
            if (connection.IsOver)
                return bytes.Length;
            if (bytes.IsEmpty)
                connection.HostEnded = true;

            // Nobody will read what comes for a guest that takes no more.
            taken = connection.GuestDeaf ? bytes.Length : connection.ToGuest.Enqueue(bytes);
            List(connection);
        }

        Arrived?.Invoke(ReceiveQueue);
        return taken;
    }

    /// <summary>Gives bytes for the host's socket; how many, 0 where none wait now. Any thread.</summary>
    public int ToHost(VsockConnection connection, Span<byte> buffer)
    {
        int given;
        lock (_lock)
        {
            given = connection.ToHost.Dequeue(buffer);
            connection.Forwarded += (uint)given;

            // The guest hears of room when half of it is new to it.
            if (!connection.IsOver && connection.Forwarded - connection.ForwardedTold >= VsockConnection.Allocation / 2)
                Answer(connection, VsockOperation.CreditUpdate);
            else
                return given;
        }

        Arrived?.Invoke(ReceiveQueue);
        return given;
    }

    /// <summary>Where a stream stands: whether it is over, and whether the guest sends no more than what waits.</summary>
    public (bool IsOver, bool GuestEnded) Standing(VsockConnection connection)
    {
        lock (_lock)
            return (connection.IsOver, connection.GuestEnded && connection.ToHost.Count == 0);
    }

    /// <inheritdoc/>
    public override bool Process(int index, VirtioQueue queue, VirtioChain chain)
    {
        lock (_lock)
        {
            switch (index)
            {
                case ReceiveQueue:
                    Deliver(queue, chain);
                    return true;
                case TransmitQueue:
                    return Take(queue, chain);
                default:
                    TellReset(queue, chain);
                    return true;
            }
        }
    }

    /// <inheritdoc/>
    public override void AfterProcess()
    {
        Action[] afterwards;
        bool deliver;
        bool transmit;
        lock (_lock)
        {
            afterwards = _afterwards.Count == 0 ? [] : [.. _afterwards];
            _afterwards.Clear();
            deliver = _wantsDelivery;
            _wantsDelivery = false;
            transmit = _holdsTransmit && _answers.Count < MostAnswers / 2;
            _holdsTransmit &= !transmit;
        }

        foreach (Action each in afterwards)
            each();
        if (deliver)
            Arrived?.Invoke(ReceiveQueue);
        if (transmit)
            Arrived?.Invoke(TransmitQueue);
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        lock (_lock)
        {
            EndAll();
            _tellsReset = false;
        }
    }

    /// <summary>Streams lead to sockets of this host, which no snapshot holds: all are over when it is loaded.</summary>
    public override void Load(StateReader reader)
    {
        lock (_lock)
        {
            EndAll();
            _tellsReset = true;
        }
    }

    private void EndAll()
    {
        foreach (VsockConnection connection in _connections.Values)
            connection.End();
        _connections.Clear();
        _answers.Clear();
        _ready.Clear();
        _holdsTransmit = false;
        _wantsDelivery = false;
    }

    /// <summary>Fills what buffers the driver gave: first answers, then data of the streams in turn.</summary>
    private void Deliver(VirtioQueue queue, VirtioChain chain)
    {
        _wantsDelivery = false;
        while (_answers.Count > 0 || NextReady() is not null)
        {
            if (!queue.TryPop(chain))
                return;
            if (chain.WritableLength < VsockPacket.Size)
            {
                queue.Push(chain.Head, 0);
                continue;
            }

            int length = VsockPacket.Size;
            if (_answers.TryDequeue(out VsockPacket answer))
                answer.Write(_packet);
            else
                length += WriteData(NextReady()!, (int)Math.Min(chain.WritableLength - length, LargestPart));
            queue.Push(chain.Head, (uint)chain.CopyWritable(0, _packet.AsSpan(0, length)));
        }
    }

    /// <summary>The next stream that has something for the guest, which stays first in line; null where none has.</summary>
    private VsockConnection? NextReady()
    {
        while (_ready.TryPeek(out VsockConnection? connection))
        {
            if (connection.HasForGuest)
                return connection;
            _ready.Dequeue();
            connection.IsListed = false;
        }

        return null;
    }

    /// <summary>Puts together a packet of a stream's data, or the news that there will be no more; bytes of data.</summary>
    private int WriteData(VsockConnection connection, int room)
    {
        _ready.Dequeue();
        connection.IsListed = false;
        int length = connection.GuestDeaf ? 0 : connection.ToGuest.Dequeue(_packet.AsSpan(VsockPacket.Size, Math.Min(room, connection.Credit)));
        if (length > 0)
        {
            connection.Sent += (uint)length;
            Packet(connection, VsockOperation.Data, length: (uint)length).Write(_packet);
            connection.RoomToGuest.Set();
        }
        else
        {
            connection.HostEndTold = true;
            connection.RoomToGuest.Set();
            Packet(connection, VsockOperation.Shutdown, flags: VsockPacket.NoSend).Write(_packet);
        }

        List(connection);
        return length;
    }

    /// <summary>Takes what the guest sends; false where a request is no packet.</summary>
    private bool Take(VirtioQueue queue, VirtioChain chain)
    {
        Span<byte> header = stackalloc byte[VsockPacket.Size];
        while (true)
        {
            // A guest that takes no answers gets no more until it does.
            if (_answers.Count >= MostAnswers)
            {
                _holdsTransmit = true;
                return true;
            }

            if (!queue.TryPop(chain))
                return true;
            if (chain.CopyReadable(0, header) != header.Length)
                return false;
            VsockPacket packet = VsockPacket.Read(header);
            if (packet.Length > chain.ReadableLength - VsockPacket.Size)
                return false;
            Take(in packet, chain);
            queue.Push(chain.Head, 0);
        }
    }

    private void Take(in VsockPacket packet, VirtioChain chain)
    {
        if (packet.SourceCid != _cid || packet.TargetCid != HostCid || packet.Type != VsockPacket.Stream)
        {
            Refuse(in packet);
            return;
        }

        if (!_connections.TryGetValue((packet.TargetPort, packet.SourcePort), out VsockConnection? connection))
        {
            if (packet.Operation == VsockOperation.Request)
                Request(in packet);
            else
                Refuse(in packet);
            return;
        }

        connection.GuestAllocation = packet.Allocation;
        connection.GuestForwarded = packet.Forwarded;
        List(connection);
        switch (packet.Operation)
        {
            case VsockOperation.Response when !connection.IsOpen:
                connection.IsOpen = true;
                _afterwards.Add(() => Accepted?.Invoke(connection));
                break;
            case VsockOperation.Data when connection.IsOpen && !connection.GuestEnded:
                Receive(connection, (int)packet.Length, chain);
                break;
            case VsockOperation.Shutdown:
                connection.GuestEnded |= (packet.Flags & VsockPacket.NoSend) != 0;
                connection.GuestDeaf |= (packet.Flags & VsockPacket.NoReceive) != 0;
                connection.WorkToHost.Set();
                connection.RoomToGuest.Set();
                break;
            case VsockOperation.CreditUpdate:
                break;
            case VsockOperation.CreditRequest:
                Answer(connection, VsockOperation.CreditUpdate);
                break;
            case VsockOperation.Reset:
                Forget(connection);
                break;
            default:
                // Nothing that belongs here.
                Refuse(in packet);
                Forget(connection);
                break;
        }
    }

    private void Request(in VsockPacket packet)
    {
        if (_connections.Count >= MostConnections || Requested is null)
        {
            Refuse(in packet);
            return;
        }

        var connection = new VsockConnection(packet.TargetPort, packet.SourcePort) { GuestAllocation = packet.Allocation, GuestForwarded = packet.Forwarded };
        _connections.Add((packet.TargetPort, packet.SourcePort), connection);
        _afterwards.Add(() => Requested(connection));
    }

    private void Receive(VsockConnection connection, int length, VirtioChain chain)
    {
        // More than it was told it may send: there is no room, and it cannot be trusted with more.
        if (length > VsockConnection.Allocation - connection.ToHost.Count)
        {
            Answer(connection, VsockOperation.Reset);
            Forget(connection);
            return;
        }

        for (int offset = 0; offset < length;)
        {
            Span<byte> part = _packet.AsSpan(0, Math.Min(length - offset, LargestPart));
            chain.CopyReadable(VsockPacket.Size + offset, part);
            connection.ToHost.Enqueue(part);
            offset += part.Length;
        }

        connection.WorkToHost.Set();
    }

    private void TellReset(VirtioQueue queue, VirtioChain chain)
    {
        if (!_tellsReset || !queue.TryPop(chain))
            return;

        // VIRTIO_VSOCK_EVENT_TRANSPORT_RESET is 0.
        _tellsReset = false;
        queue.Push(chain.Head, (uint)chain.CopyWritable(0, stackalloc byte[4]));
    }

    private void Refuse(in VsockPacket packet)
    {
        if (packet.Operation == VsockOperation.Reset)
            return;
        _answers.Enqueue(new VsockPacket(packet.TargetCid, packet.SourceCid, packet.TargetPort, packet.SourcePort, 0, packet.Type, VsockOperation.Reset, 0, 0, 0));
        _wantsDelivery = true;
    }

    private void Answer(VsockConnection connection, VsockOperation operation)
    {
        _answers.Enqueue(Packet(connection, operation));
        _wantsDelivery = true;
    }

    private VsockPacket Packet(VsockConnection connection, VsockOperation operation, uint length = 0, uint flags = 0)
    {
        connection.ForwardedTold = connection.Forwarded;
        return new VsockPacket(
            HostCid, _cid, connection.HostPort, connection.GuestPort, length, VsockPacket.Stream, operation, flags, VsockConnection.Allocation, connection.Forwarded);
    }

    private void List(VsockConnection connection)
    {
        if (connection.IsListed || !connection.HasForGuest)
            return;
        connection.IsListed = true;
        _ready.Enqueue(connection);
        _wantsDelivery = true;
    }

    private void Forget(VsockConnection connection)
    {
        connection.End();
        _connections.Remove((connection.HostPort, connection.GuestPort));
    }
}
