using System.Net.Sockets;
using Hypervisor.Core.HostSockets;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>The host's side of a console port: a Unix socket, at which one program at a time is connected to the guest's.</summary>
internal sealed class ConsolePortSocket : IDisposable
{
    private const int BufferSize = 16 << 10;
    private const int Backlog = 8;

    private readonly VirtioConsolePort _port;
    private readonly UnixListener _listener;

    /// <summary>Begins to listen.</summary>
    /// <param name="port">The port.</param>
    /// <param name="path">The Unix socket to make; nothing may be there.</param>
    /// <exception cref="HypervisorException">It cannot be made.</exception>
    public ConsolePortSocket(VirtioConsolePort port, string path)
    {
        _port = port;
        _listener = new UnixListener(path, Backlog, $"the port '{port.Name}'");
        _ = Task.Run(ListenAsync);
    }

    /// <summary>Ends the connection and removes the socket.</summary>
    public void Dispose() => _listener.Dispose();

    private async Task ListenAsync()
    {
        while (await _listener.AcceptAsync().ConfigureAwait(false) is { } accepted)
        {
            using Socket client = accepted;
            using var over = CancellationTokenSource.CreateLinkedTokenSource(_listener.End);
            _port.IsOpen = true;
            Task toHost = ToHostAsync(client, over.Token);
            try
            {
                await ToGuestAsync(client, over.Token).ConfigureAwait(false);
            }
            catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // This program of the host is gone; the next may come.
            }

            await over.CancelAsync().ConfigureAwait(false);
            await toHost.ConfigureAwait(false);
            _port.IsOpen = false;
        }
    }

    private async Task ToGuestAsync(Socket client, CancellationToken over)
    {
        var buffer = new byte[BufferSize];
        while (true)
        {
            int count = await client.ReceiveAsync(buffer, over).ConfigureAwait(false);
            if (count == 0)
                return;
            for (int given = 0; given < count;)
            {
                int taken = _port.Send(buffer.AsSpan(given, count - given));
                given += taken;
                if (taken == 0)
                    await _port.Room.WaitAsync(over).ConfigureAwait(false);
            }
        }
    }

    private async Task ToHostAsync(Socket client, CancellationToken over)
    {
        var buffer = new byte[BufferSize];
        try
        {
            while (true)
            {
                int count = _port.Take(buffer);
                for (int sent = 0; sent < count;)
                    sent += await client.SendAsync(buffer.AsMemory(sent, count - sent), over).ConfigureAwait(false);
                if (count == 0)
                    await _port.Waiting.WaitAsync(over).ConfigureAwait(false);
            }
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Told by the other direction, which ends too.
        }
    }
}
