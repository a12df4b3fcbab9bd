using Hypervisor.Core.Network.Routing;
using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Net;

/// <summary>
/// Joins a stream socket with a TCP connection of the container's station: what the socket's program writes stands in one pipe
/// until the connection has room, what comes stands in the connection until the other pipe has room. Under the kernel's lock.
/// </summary>
internal sealed class RemoteEnd(StreamSocket socket, StationConnection connection)
{
    private const int MostAtATime = 16 << 10;

    private bool _isOver;
    private bool _isFinished;

    public StationConnection Connection => connection;

    /// <summary>Moves what can be moved, and tells the socket's users.</summary>
    public void Progress()
    {
        if (_isOver || !(connection.IsConnected || connection.IsClosed))
            return;
        (Pipe? incoming, Pipe? outgoing) = socket.Pipes;
        if (incoming is null || outgoing is null)
        {
            if (!connection.IsConnected)
            {
                _isOver = true;
                socket.Failed(-Errno.ECONNREFUSED);
                return;
            }

            (incoming, outgoing) = socket.JoinRemote();
        }

        Span<byte> buffer = stackalloc byte[MostAtATime];
        Receive(incoming, buffer);
        Send(outgoing, buffer);
        if (connection.IsClosed)
        {
            // What came before the end is still read.
            outgoing.Readers = 0;
            _isOver = connection.Available == 0;
            if (_isOver)
                incoming.Writers = 0;
        }

        socket.Ready.WakeAll();
    }

    private void Receive(Pipe incoming, Span<byte> buffer)
    {
        while (connection.Available > 0 && (incoming.HasRoom || incoming.Readers == 0))
        {
            int count = connection.Read(buffer[..Math.Min(buffer.Length, incoming.Readers == 0 ? buffer.Length : incoming.Room)]);
            if (incoming.Readers > 0)
                incoming.WritePart(buffer[..count]);
        }

        if (connection.Available == 0 && connection.IsEnded)
            incoming.Writers = 0;
    }

    private void Send(Pipe outgoing, Span<byte> buffer)
    {
        for (int room; outgoing.Available > 0 && (room = connection.Room) > 0;)
        {
            int count = outgoing.Read(buffer[..Math.Min(buffer.Length, room)]);
            connection.Write(buffer[..count]);
        }

        if (outgoing.Available == 0 && outgoing.Writers == 0 && !_isFinished)
        {
            _isFinished = true;
            connection.Finish();
        }
    }
}
