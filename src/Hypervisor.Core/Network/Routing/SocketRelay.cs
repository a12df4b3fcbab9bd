using System.Net.Sockets;
using Hypervisor.Core.HostSockets;

namespace Hypervisor.Core.Network.Routing;

/// <summary>Carries bytes between a socket and a connection, both ways, each at the pace of its receiver.</summary>
/// <param name="router">The router.</param>
/// <param name="leg">The station's network.</param>
/// <param name="socket">The host's end, connected; disposed of in the end.</param>
/// <param name="open">Opens the connection to the station. Called under the router's lock.</param>
/// <param name="over">Called when both ends are closed.</param>
internal sealed class SocketRelay(VirtualRouter router, RouterLeg leg, Socket socket, Func<ITcpClient, TcpConnection> open, Action over) : ITcpClient
{
    private readonly WakeSignal _changed = new();
    private readonly WakeSignal _room = new();
    private TcpConnection _connection = null!;
    private bool _closed;

    public void Connected() => Progressed();

    public void Progressed()
    {
        _changed.Set();
        _room.Set();
    }

    public void Closed()
    {
        _closed = true;
        Progressed();
    }

    public async Task Run()
    {
        lock (router.Gate)
            _connection = open(this);
        leg.Port.Flush();
        Task sending = Send();
        try
        {
            await Receive().ConfigureAwait(false);
        }
        finally
        {
            await sending.ConfigureAwait(false);
            socket.Dispose();
            over();
        }
    }

    /// <summary>From the host's program to the station.</summary>
    private async Task Send()
    {
        byte[] buffer = new byte[16 << 10];
        try
        {
            while (true)
            {
                int room;
                lock (router.Gate)
                    room = _closed ? -1 : _connection.Room;
                if (room < 0)
                    return;
                if (room == 0)
                {
                    await _room.WaitAsync(CancellationToken.None).ConfigureAwait(false);
                    continue;
                }

                int count = await socket.ReceiveAsync(buffer.AsMemory(0, Math.Min(room, buffer.Length))).ConfigureAwait(false);
                lock (router.Gate)
                {
                    if (_closed)
                        return;
                    if (count > 0)
                        _connection.Write(buffer.AsSpan(0, count));
                    else
                        _connection.Finish();
                }

                leg.Port.Flush();
                if (count == 0)
                    return;
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            lock (router.Gate)
                _connection.Abort();
            leg.Port.Flush();
        }
    }

    /// <summary>From the station to the host's program.</summary>
    private async Task Receive()
    {
        byte[] buffer = new byte[64 << 10];
        try
        {
            while (true)
            {
                int count;
                bool ended;
                lock (router.Gate)
                {
                    count = _connection.Read(buffer);
                    ended = _connection.IsEnded;
                }

                leg.Port.Flush();
                for (int sent = 0; sent < count;)
                    sent += await socket.SendAsync(buffer.AsMemory(sent, count - sent)).ConfigureAwait(false);
                if (count == 0 && ended)
                    break;
                if (count == 0)
                    await _changed.WaitAsync(CancellationToken.None).ConfigureAwait(false);
            }

            socket.Shutdown(_closed ? SocketShutdown.Both : SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            lock (router.Gate)
                _connection.Abort();
            leg.Port.Flush();
        }
    }
}
