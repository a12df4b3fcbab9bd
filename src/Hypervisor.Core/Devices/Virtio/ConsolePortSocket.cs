using System.Net.Sockets;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>The host's side of a console port: a Unix socket, at which one program at a time is connected to the guest's.</summary>
internal sealed class ConsolePortSocket : IDisposable
{
    private const int BufferSize = 16 << 10;
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(5);

    private readonly VirtioConsolePort _port;
    private readonly string _path;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _end = new();
    private readonly SemaphoreSlim _waiting = new(0, 1);

    /// <summary>Begins to listen.</summary>
    /// <param name="port">The port.</param>
    /// <param name="path">The Unix socket to make; nothing may be there.</param>
    /// <exception cref="HypervisorException">It cannot be made.</exception>
    public ConsolePortSocket(VirtioConsolePort port, string path)
    {
        _port = port;
        _path = path;
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            _listener.Bind(new UnixDomainSocketEndPoint(path));
            _listener.Listen(8);
        }
        catch (Exception error) when (error is SocketException or ArgumentException or PlatformNotSupportedException)
        {
            _listener.Dispose();
            throw new HypervisorException($"No socket can be made at '{path}' for the port '{port.Name}': {error.Message}. The path must be short and free; remove what an earlier run left there.", error);
        }

        port.Waiting = () =>
        {
            lock (_waiting)
            {
                if (_waiting.CurrentCount == 0)
                    _waiting.Release();
            }
        };
        _ = Task.Run(ListenAsync);
    }

    /// <summary>Ends the connection and removes the socket.</summary>
    public void Dispose()
    {
        _end.Cancel();
        _port.Waiting = null;
        _listener.Dispose();
        try
        {
            File.Delete(_path);
        }
        catch (IOException)
        {
            // Whoever removed it, or its folder, was first.
        }
    }

    private async Task ListenAsync()
    {
        while (!_end.IsCancellationRequested)
        {
            try
            {
                using Socket client = await _listener.AcceptAsync(_end.Token).ConfigureAwait(false);
                _port.IsOpen = true;
                using var over = CancellationTokenSource.CreateLinkedTokenSource(_end.Token);
                Task toHost = ToHostAsync(client, over.Token);
                await ToGuestAsync(client, over.Token).ConfigureAwait(false);
                await over.CancelAsync().ConfigureAwait(false);
                await toHost.ConfigureAwait(false);
            }
            catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // This program of the host is gone; the next may come.
            }

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

                // The guest reads when it likes: nothing tells of it, so that a full port is looked at again.
                if (taken == 0)
                    await Task.Delay(s_look, over).ConfigureAwait(false);
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
                    await _waiting.WaitAsync(over).ConfigureAwait(false);
            }
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Told by the other direction, which ends too.
        }
    }
}
