using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Net;

/// <summary>A socket of any kind: an open file with addresses and options.</summary>
internal abstract class SocketFile(Inode inode, int flags, int family, int type, int protocol, ContainerNetwork network) : OpenFile(inode, flags | OpenFlags.ReadWrite)
{
    public int Family { get; } = family;

    public int Type { get; } = type;

    public int Protocol { get; } = protocol;

    public ContainerNetwork Network { get; } = network;

    public override WaitQueue Ready { get; } = new();

    /// <summary>Of IPv4 or IPv6.</summary>
    public bool IsInternet => Family is SocketKind.Internet or SocketKind.Internet6;

    /// <summary>Where it is bound; a family alone where it is not.</summary>
    public SocketAddress Local { get; set; } = new(family);

    /// <summary>Whom it is connected with; null for nobody.</summary>
    public SocketAddress? Peer { get; set; }

    /// <summary>Who was at the other end when it was connected (SO_PEERCRED).</summary>
    public SenderIdentity PeerIdentity { get; set; } = SenderIdentity.None;

    /// <summary>How long a read or write waits, in nanoseconds; 0 for ever.</summary>
    public long ReceiveTimeout { get; set; }

    /// <inheritdoc cref="ReceiveTimeout"/>
    public long SendTimeout { get; set; }

    /// <summary>What went wrong behind the program's back, as a negated error; told once, by SO_ERROR or the next call.</summary>
    public int Failure { get; set; }

    /// <summary>Options that are numbers, as they were set.</summary>
    public Dictionary<(int Level, int Name), int> Options { get; } = [];

    public virtual int Available => 0;

    public bool IsListening => Listener is not null;

    /// <summary>It has other ends accepted from it, each with its own bytes: a stream or sequenced packets.</summary>
    public virtual bool IsConnectionBased => Type is SocketKind.Stream or SocketKind.SequencedPacket;

    /// <summary>The inode of a name in the file system that leads here.</summary>
    public SocketInode? Named { get; set; }

    /// <summary>Whether it takes IPv4 addresses beside IPv6 ones, as a socket of that family does unless told.</summary>
    public bool IsDual => Family == SocketKind.Internet6 && !Has(SocketOption.Version6, SocketOption.Version6Only);

    /// <summary>Whether an option is set to something but zero.</summary>
    public bool Has(int level, int name) => Options.TryGetValue((level, name), out int value) && value != 0;

    /// <summary>Connections that wait to be accepted; null where it does not listen.</summary>
    protected ListenQueue? Listener { get; set; }

    public virtual int Listen(int backlog) => -Errno.EOPNOTSUPP;

    /// <summary>Takes a connection that waits; null where none does.</summary>
    public SocketFile? Accept(int flags)
    {
        if (Listener?.Take() is not { } end)
            return null;
        end.Flags = (end.Flags & ~OpenFlags.NonBlock) | (flags & OpenFlags.NonBlock);

        // A connection that found the queue full waits for room in it.
        Ready.WakeAll();
        return end;
    }

    /// <summary>Connects; 0 or a negated error.</summary>
    public abstract int Connect(SocketAddress address, SocketFile? target);

    /// <summary>Gives up whom it is connected with.</summary>
    public virtual int Disconnect() => -Errno.EINVAL;

    public abstract int Shutdown(bool reads, bool writes);

    /// <summary>Sends bytes with what goes with them.</summary>
    public abstract int Send(ReadOnlySpan<byte> data, in Outgoing with);

    /// <summary>Receives bytes with what came with them.</summary>
    public abstract int Receive(Span<byte> buffer, bool peek, out Incoming with);

    public override int Read(Span<byte> buffer)
    {
        int count = Receive(buffer, peek: false, out Incoming with);

        // Who reads without asking for files does not get them.
        with.ReleaseFiles();
        return count;
    }

    public override int Write(ReadOnlySpan<byte> data) => Send(data, default);

    /// <summary>Takes what went wrong; 0 for nothing.</summary>
    public int TakeFailure()
    {
        int failure = Failure;
        Failure = 0;
        return failure;
    }

    protected override void Closed()
    {
        Network.Unbind(this);
        if (Named is { } name)
            name.Bound = null;
    }
}

/// <summary>Levels and names of socket options that change what sockets do.</summary>
internal static class SocketOption
{
    public const int Socket = 1, Version4 = 0, Tcp = 6, Version6 = 41, Udp = 17, UdpLite = 136, Netlink = 270;

    /// <summary>Of the socket itself.</summary>
    public const int ReuseAddress = 2, Type = 3, Error = 4, SendBuffer = 7, ReceiveBuffer = 8, Linger = 13, ReusePort = 15, PassIdentity = 16, PeerIdentity = 17;

    /// <inheritdoc cref="ReuseAddress"/>
    public const int ReceiveLeast = 18, SendLeast = 19, ReceiveTimeout = 20, SendTimeout = 21, BindToDevice = 25, PeerName = 28, Timestamp = 29, Accepts = 30, PeerSecurity = 31;

    /// <inheritdoc cref="ReuseAddress"/>
    public const int SendBufferForced = 32, ReceiveBufferForced = 33, Protocol = 38, Domain = 39, PeerGroups = 59, Cookie = 57;

    /// <summary>Of IPv4.</summary>
    public const int TypeOfService4 = 1, Hops4 = 2, PacketInfo4 = 8, ReceiveHops4 = 12, ReceiveTypeOfService4 = 13, Mtu4 = 14, MulticastHops4 = 33, MulticastLoop4 = 34;

    /// <summary>Of IPv6.</summary>
    public const int Hops6 = 16, MulticastHops6 = 18, MulticastLoop6 = 19, Mtu6 = 24, Version6Only = 26, ReceivePacketInfo6 = 49, PacketInfo6 = 50, ReceiveHops6 = 51, HopLimit6 = 52, ReceiveTrafficClass6 = 66, TrafficClass6 = 67;
}

/// <summary>A socket's name in a directory.</summary>
internal sealed class SocketInode(FileStore store, uint permissions) : Inode(store.NextNumber(), InodeMode.Socket | permissions, store.Now)
{
    /// <summary>The socket bound to it, while it is open.</summary>
    public SocketFile? Bound { get; set; }

    /// <summary>Names of sockets are connected to, not opened; the callers refuse it before.</summary>
    public override OpenFile Open(int flags) => throw new System.Diagnostics.UnreachableException("a socket was opened by name");
}
