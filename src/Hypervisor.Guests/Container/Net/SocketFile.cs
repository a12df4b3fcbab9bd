using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Net;

/// <summary>Files that travel with bytes of a Unix socket (SCM_RIGHTS): each holds its own reference.</summary>
internal sealed record PassedFiles(long At, OpenFile[] Files);

/// <summary>A socket of any kind: an open file with addresses and options.</summary>
internal abstract class SocketFile(Inode inode, int flags, int family, int type, ContainerNetwork network) : OpenFile(inode, flags | OpenFlags.ReadWrite)
{
    public int Family { get; } = family;

    public int Type { get; } = type;

    public ContainerNetwork Network { get; } = network;

    public override WaitQueue Ready { get; } = new();

    /// <summary>Where it is bound; a family alone where it is not.</summary>
    public SocketAddress Local { get; set; } = new(family);

    /// <summary>Whom it is connected with; null for nobody.</summary>
    public SocketAddress? Peer { get; set; }

    /// <summary>How long a read or write waits, in nanoseconds; 0 for ever.</summary>
    public long ReceiveTimeout { get; set; }

    /// <inheritdoc cref="ReceiveTimeout"/>
    public long SendTimeout { get; set; }

    /// <summary>Options that are kept and told, and change nothing.</summary>
    public Dictionary<(int Level, int Name), int> Options { get; } = [];

    public virtual int Available => 0;

    public virtual bool IsListening => false;

    /// <summary>The inode of a name in the file system that leads here.</summary>
    public SocketInode? Named { get; set; }

    public virtual int Listen(int backlog) => -Errno.EOPNOTSUPP;

    /// <summary>Takes a connection that waits; null where none does.</summary>
    public virtual StreamSocket? Accept(int flags) => null;

    /// <summary>Connects; 0 or a negated error.</summary>
    public abstract int Connect(SocketAddress address, SocketFile? target);

    public abstract int Shutdown(bool reads, bool writes);

    /// <summary>Sends bytes, to an address where one is given, with files where some are.</summary>
    public abstract int Send(ReadOnlySpan<byte> data, SocketAddress? to, SocketFile? target, OpenFile[]? files);

    /// <summary>Receives bytes; with whom they came from, the whole length of a message, and files that came along.</summary>
    public abstract int Receive(Span<byte> buffer, bool peek, out SocketAddress? from, out int whole, out OpenFile[]? files);

    public override int Read(Span<byte> buffer)
    {
        int count = Receive(buffer, peek: false, out _, out _, out OpenFile[]? files);

        // Who reads without asking for them does not get them.
        foreach (OpenFile file in files ?? [])
            file.Release();
        return count;
    }

    public override int Write(ReadOnlySpan<byte> data) => Send(data, null, null, null);

    protected override void Closed()
    {
        Network.Unbind(this);
        if (Named is { } name)
            name.Bound = null;
    }
}

/// <summary>A socket's name in a directory.</summary>
internal sealed class SocketInode(FileStore store, uint permissions) : Inode(store.NextNumber(), InodeMode.Socket | permissions, store.Now)
{
    /// <summary>The socket bound to it, while it is open.</summary>
    public SocketFile? Bound { get; set; }

    /// <summary>Names of sockets are connected to, not opened; the callers refuse it before.</summary>
    public override OpenFile Open(int flags) => throw new System.Diagnostics.UnreachableException("a socket was opened by name");
}
