using System.Net;
using System.Net.Sockets;
using Hypervisor.Core;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Debug;

namespace Hypervisor.Host.Run;

/// <summary>
/// Waits for GDB on a port of this host's loopback, one client at a time. The machine is held until the first one lets it go;
/// a later one holds it again, and runs on when its client leaves.
/// </summary>
internal sealed class GdbServer : IDisposable
{
    /// <summary>How long the client gets to hear that the machine has ended.</summary>
    private static readonly TimeSpan s_farewell = TimeSpan.FromSeconds(2);

    private readonly TcpListener _listener;
    private readonly DebugTarget _target;
    private readonly Thread _thread;
    private readonly MachineDebugger _debugger;

    /// <summary>Opens the port.</summary>
    /// <param name="target">The machine, not yet running.</param>
    /// <param name="port">The port; 0 for any that is free.</param>
    /// <exception cref="HypervisorException">The port cannot be had.</exception>
    public GdbServer(DebugTarget target, int port)
    {
        _target = target;
        _listener = new TcpListener(IPAddress.Loopback, port);
        try
        {
            _listener.Start(1);
        }
        catch (SocketException error)
        {
            throw new HypervisorException($"--gdb {port}: the port cannot be had ({error.Message}); choose another, or 0 for any.", error);
        }

        _debugger = new MachineDebugger(target.Machine);
        _thread = new Thread(Accept) { IsBackground = true, Name = "gdb" };
        _thread.Start();
    }

    /// <summary>The port it listens on.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Tells the client, if there is one, that the machine has ended, and closes the port.</summary>
    public void Dispose()
    {
        _listener.Stop();
        _thread.Join(s_farewell);
    }

    private void Accept()
    {
        while (true)
        {
            try
            {
                using TcpClient client = _listener.AcceptTcpClient();
                client.NoDelay = true;
                using NetworkStream stream = client.GetStream();
                new GdbSession(_target, _debugger, stream).Serve();
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException or InvalidOperationException)
            {
                // The port was closed: the run is over.
                return;
            }
        }
    }
}
