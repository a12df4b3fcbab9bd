namespace Hypervisor.Core.Network.Routing;

/// <summary>A TCP connection of an <see cref="IpStation"/>, as whoever uses it sees it. Any thread.</summary>
internal sealed class StationConnection : ITcpClient
{
    private readonly IpStation _station;

    public StationConnection(IpStation station, uint remote, ushort remotePort, ushort localPort)
    {
        _station = station;
        Remote = remote;
        RemotePort = remotePort;
        LocalPort = localPort;
    }

    public uint Remote { get; }

    public ushort RemotePort { get; }

    public ushort LocalPort { get; }

    /// <summary>Whether both sides agreed.</summary>
    public bool IsConnected { get; private set; }

    /// <summary>Whether it is over.</summary>
    public bool IsClosed { get; private set; }

    /// <summary>Bytes that may be written now.</summary>
    public int Room => Locked(connection => connection.Room);

    /// <summary>Bytes that can be read now.</summary>
    public int Available => Locked(connection => connection.Available);

    /// <summary>Whether no more will come than is available.</summary>
    public bool IsEnded => Locked(connection => connection.IsEnded);

    internal TcpConnection Tcp { get; set; } = null!;

    /// <summary>Whether it waits at a listener for somebody to take it.</summary>
    internal bool IsOffered { get; init; }

    public int Read(Span<byte> buffer)
    {
        lock (_station.Gate)
            return Tcp.Read(buffer);
    }

    /// <summary>Sends bytes, no more than there is room for. The station is flushed afterwards.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        lock (_station.Gate)
            Tcp.Write(bytes);
    }

    /// <summary>Sends no more.</summary>
    public void Finish()
    {
        lock (_station.Gate)
            Tcp.Finish();
    }

    /// <summary>Breaks it off.</summary>
    public void Abort()
    {
        lock (_station.Gate)
            Tcp.Abort();
    }

    void ITcpClient.Connected()
    {
        IsConnected = true;
        _station.Note(this, isNew: IsOffered);
    }

    void ITcpClient.Progressed() => _station.Note(this, isNew: false);

    void ITcpClient.Closed()
    {
        IsClosed = true;
        _station.Note(this, isNew: false);
    }

    private T Locked<T>(Func<TcpConnection, T> get)
    {
        lock (_station.Gate)
            return get(Tcp);
    }
}
