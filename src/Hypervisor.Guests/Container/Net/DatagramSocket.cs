using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Net;

/// <summary>A socket of messages: UDP over the loopback, or of the Unix family, where a full receiver makes senders wait.</summary>
internal sealed class DatagramSocket(Inode inode, int flags, int family, int type, ContainerNetwork network) : SocketFile(inode, flags, family, type, network)
{
    private const int MostBytes = 212_992;
    private const int LongestMessage = 65_507;

    private readonly Queue<Message> _messages = new();
    private DatagramSocket? _other;
    private int _bytes;
    private bool _closed;
    private bool _readsShut;
    private bool _writesShut;

    private sealed record Message(byte[] Data, SocketAddress From, OpenFile[]? Files);

    public override int Available => _messages.TryPeek(out Message? next) ? next.Data.Length : 0;

    /// <summary>Connects two ends with each other.</summary>
    public static void Join(DatagramSocket one, DatagramSocket other)
    {
        (one._other, other._other) = (other, one);
        (one.Peer, other.Peer) = (other.Local, one.Local);
    }

    public override int Connect(SocketAddress address, SocketFile? target)
    {
        if (target is not null && (target is not DatagramSocket || target.Type != Type))
            return -Errno.EPROTOTYPE;
        if (target is null && Family == SocketKind.Unix)
            return -Errno.ECONNREFUSED;
        if (Family == SocketKind.Internet && Local.Port == 0 && Network.Bind(this, new SocketAddress(Family, "", Network.IsOwn(address.Host) ? 0x7F00_0001 : Network.Station?.Address ?? 0x7F00_0001)) is < 0 and int error)
            return error;
        Peer = address;
        _other = target as DatagramSocket;
        return 0;
    }

    public override int Shutdown(bool reads, bool writes)
    {
        if (Peer is null)
            return -Errno.ENOTCONN;
        _readsShut |= reads;
        _writesShut |= writes;
        Ready.WakeAll();
        _other?.Ready.WakeAll();
        return 0;
    }

    public override int Send(ReadOnlySpan<byte> data, SocketAddress? to, SocketFile? target, OpenFile[]? files)
    {
        if (_writesShut)
            return -Errno.EPIPE;
        if (to is null && Peer is null)
            return -Errno.EDESTADDRREQ;
        if (data.Length > LongestMessage)
            return -Errno.EMSGSIZE;
        if (Family == SocketKind.Internet && Local.Port == 0 && Network.Bind(this, new SocketAddress(Family, "", 0)) is < 0 and int error)
            return error;

        if (Family == SocketKind.Internet && (to ?? Peer) is { } far && !Network.IsOwn(far.Host))
        {
            if (Network.Station is not { } station)
                return -Errno.ENETUNREACH;
            if (data.Length > Core.Network.Routing.IpStation.MaximumDatagram)
                return -Errno.EMSGSIZE;
            station.SendDatagram(far.Host, far.Port, Local.Port, data);
            return data.Length;
        }

        // Who was connected to before he came may be there by now.
        var receiver = (to is null ? _other ?? (Peer is { Family: SocketKind.Internet } peer ? Network.Find(Type, peer) : null) : target) as DatagramSocket;
        if (receiver is null || receiver._closed)
            return Family == SocketKind.Internet ? data.Length : to is null ? -Errno.ECONNREFUSED : -Errno.ECONNREFUSED;
        if (receiver._readsShut)
            return -Errno.EPIPE;
        if (receiver.Peer is { } only && Family == SocketKind.Internet && only.Port != Local.Port)
            return data.Length;
        if (receiver._bytes + data.Length > MostBytes && receiver._messages.Count > 0)
            return Family == SocketKind.Internet ? data.Length : -Errno.EAGAIN;

        // A socket of no address in particular sends from the loopback's where it reaches its own host.
        SocketAddress from = Family == SocketKind.Internet && Local.Host == 0 ? Local with { Host = 0x7F00_0001 } : Local;
        receiver._messages.Enqueue(new Message(data.ToArray(), from, files));
        receiver._bytes += data.Length;
        receiver.Ready.WakeAll();
        return data.Length;
    }

    /// <summary>A datagram came from the network; one too many, or from whom the socket is not connected with, is dropped.</summary>
    public void Arrive(byte[] data, SocketAddress from)
    {
        if (_closed || _readsShut || (Peer is { } only && only != from) || _bytes + data.Length > MostBytes)
            return;
        _messages.Enqueue(new Message(data, from, null));
        _bytes += data.Length;
        Ready.WakeAll();
    }

    public override int Receive(Span<byte> buffer, bool peek, out SocketAddress? from, out int whole, out OpenFile[]? files)
    {
        (from, whole, files) = (null, 0, null);
        if (!_messages.TryPeek(out Message? message))
            return _readsShut || (Type == SocketKind.SequencedPacket && _other is { _closed: true }) ? 0 : -Errno.EAGAIN;
        from = message.From;
        whole = message.Data.Length;
        int count = Math.Min(whole, buffer.Length);
        message.Data.AsSpan(0, count).CopyTo(buffer);
        if (peek)
            return count;
        _messages.Dequeue();
        _bytes -= whole;
        files = message.Files;

        // Senders wait where they are: at their own sockets.
        Ready.WakeAll();
        _other?.Ready.WakeAll();
        return count;
    }

    public override PollEvents Poll()
    {
        bool ended = _readsShut || (Type == SocketKind.SequencedPacket && _other is { _closed: true });
        bool full = _other is { _closed: false } other && Family == SocketKind.Unix && other._bytes >= MostBytes;
        return (_messages.Count > 0 || ended ? PollEvents.In : PollEvents.None) | (full ? PollEvents.None : PollEvents.Out)
            | (ended ? PollEvents.ReadHangUp | PollEvents.HangUp : PollEvents.None);
    }

    protected override void Closed()
    {
        base.Closed();
        _closed = true;
        foreach (Message message in _messages)
        {
            foreach (OpenFile file in message.Files ?? [])
                file.Release();
        }

        _messages.Clear();
        _other?.Ready.WakeAll();
    }
}
