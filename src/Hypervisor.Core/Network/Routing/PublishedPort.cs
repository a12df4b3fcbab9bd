using System.Net;
using System.Net.Sockets;

namespace Hypervisor.Core.Network.Routing;

/// <summary>
/// A port of the host's loopback that leads to a port of a station: who connects to the one speaks with the other. Only
/// programs of the host reach it.
/// </summary>
internal sealed class PublishedPort : IDisposable
{
    private const int MaximumConnections = 256;

    private readonly VirtualRouter _router;
    private readonly RouterLeg _leg;
    private readonly uint _target;
    private readonly ushort _port;
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private int _open;

    /// <summary>Begins to listen.</summary>
    /// <param name="router">The router.</param>
    /// <param name="leg">The station's network.</param>
    /// <param name="hostPort">The port of the host; 0 for any that is free.</param>
    /// <param name="target">The station's address.</param>
    /// <param name="port">The station's port.</param>
    /// <exception cref="HypervisorException">The host's port cannot be had.</exception>
    public PublishedPort(VirtualRouter router, RouterLeg leg, int hostPort, uint target, ushort port)
    {
        _router = router;
        _leg = leg;
        _target = target;
        _port = port;
        try
        {
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, hostPort));
            _listener.Listen(128);
        }
        catch (SocketException error)
        {
            _listener.Dispose();
            throw new HypervisorException($"Port {hostPort} of the host's loopback cannot be published: {error.Message}. Choose another.", error);
        }

        HostPort = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _ = AcceptAll();
    }

    /// <summary>The port of the host.</summary>
    public int HostPort { get; }

    /// <summary>Listens no more.</summary>
    public void Dispose() => _listener.Dispose();

    private async Task AcceptAll()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync().ConfigureAwait(false);
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // Disposal, on some systems; or a client that left before it was accepted, or no descriptor is left for it:
                // that passes, but not by asking again at once.
                if (!_listener.IsBound)
                    return;
                await Task.Delay(50).ConfigureAwait(false);
                continue;
            }

            if (Interlocked.Increment(ref _open) > MaximumConnections)
            {
                Interlocked.Decrement(ref _open);
                socket.Dispose();
                continue;
            }

            socket.NoDelay = true;
            _ = new Relay(this, socket).Run();
        }
    }

    /// <summary>Carries bytes between a socket and a connection, both ways, each at the pace of its receiver.</summary>
    private sealed class Relay(PublishedPort owner, Socket socket) : ITcpClient
    {
        private readonly SemaphoreSlim _changed = new(0);
        private readonly SemaphoreSlim _room = new(0);
        private TcpConnection _connection = null!;
        private bool _closed;

        public void Connected() => Progressed();

        public void Progressed()
        {
            Signal(_changed);
            Signal(_room);
        }

        public void Closed()
        {
            _closed = true;
            Progressed();
        }

        public async Task Run()
        {
            lock (owner._router.Gate)
                _connection = owner._leg.Connect(owner._target, owner._port, this);
            owner._leg.Port.Flush();
            Task sending = Send();
            try
            {
                await Receive().ConfigureAwait(false);
            }
            finally
            {
                await sending.ConfigureAwait(false);
                socket.Dispose();
                Interlocked.Decrement(ref owner._open);
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
                    lock (owner._router.Gate)
                        room = _closed ? -1 : _connection.Room;
                    if (room < 0)
                        return;
                    if (room == 0)
                    {
                        await _room.WaitAsync().ConfigureAwait(false);
                        continue;
                    }

                    int count = await socket.ReceiveAsync(buffer.AsMemory(0, Math.Min(room, buffer.Length))).ConfigureAwait(false);
                    lock (owner._router.Gate)
                    {
                        if (_closed)
                            return;
                        if (count > 0)
                            _connection.Write(buffer.AsSpan(0, count));
                        else
                            _connection.Finish();
                    }

                    owner._leg.Port.Flush();
                    if (count == 0)
                        return;
                }
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                lock (owner._router.Gate)
                    _connection.Abort();
                owner._leg.Port.Flush();
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
                    lock (owner._router.Gate)
                    {
                        count = _connection.Read(buffer);
                        ended = _connection.IsEnded;
                    }

                    owner._leg.Port.Flush();
                    for (int sent = 0; sent < count;)
                        sent += await socket.SendAsync(buffer.AsMemory(sent, count - sent)).ConfigureAwait(false);
                    if (count == 0 && ended)
                        break;
                    if (count == 0)
                        await _changed.WaitAsync().ConfigureAwait(false);
                }

                socket.Shutdown(_closed ? SocketShutdown.Both : SocketShutdown.Send);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                lock (owner._router.Gate)
                    _connection.Abort();
                owner._leg.Port.Flush();
            }
        }

        private static void Signal(SemaphoreSlim semaphore)
        {
            if (semaphore.CurrentCount == 0)
                semaphore.Release();
        }
    }
}
