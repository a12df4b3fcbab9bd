using System.Net;
using System.Net.Sockets;

namespace Hypervisor.Core.Network.Routing;

/// <summary>
/// A port of the host that leads to a port of a station: who connects to the one speaks with the other. On the host's loopback,
/// only programs of the host reach it.
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
    /// <param name="everywhere">Whether it is on all addresses of the host, not only on its loopback.</param>
    /// <exception cref="HypervisorException">The host's port cannot be had.</exception>
    public PublishedPort(VirtualRouter router, RouterLeg leg, int hostPort, uint target, ushort port, bool everywhere = false)
    {
        _router = router;
        _leg = leg;
        _target = target;
        _port = port;
        try
        {
            _listener.Bind(new IPEndPoint(everywhere ? IPAddress.Any : IPAddress.Loopback, hostPort));
            _listener.Listen(128);
        }
        catch (SocketException error)
        {
            _listener.Dispose();
            throw new HypervisorException($"Port {hostPort} of {(everywhere ? "the host" : "the host's loopback")} cannot be published: {error.Message}. Choose another.", error);
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
            _ = new SocketRelay(_router, _leg, socket, relay => _leg.Connect(_target, _port, relay), () => Interlocked.Decrement(ref _open)).Run();
        }
    }
}
