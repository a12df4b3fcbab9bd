using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Hypervisor.Core.HostSockets;

namespace Hypervisor.Core.Devices.Virtio.Vsock;

/// <summary>
/// The host's ends of a guest's streams, as Firecracker has them. A program of the host reaches port N of the guest by connecting
/// to a Unix socket at PATH and saying <c>CONNECT N</c> and a line feed; it reads <c>OK M</c>, or the connection ends. A guest
/// that connects to port N of the host reaches whoever listens at PATH_N.
/// </summary>
internal sealed class VsockSockets : IDisposable
{
    private const uint FirstHostPort = 1 << 30;
    private const int LongestRequest = 32;
    private const int BufferSize = 32 << 10;
    private const int Backlog = 64;
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly VirtioVsock _device;
    private readonly string _path;
    private readonly UnixListener _listener;
    private readonly Dictionary<VsockConnection, TaskCompletionSource> _asked = [];
    private readonly Lock _lock = new();
    private uint _nextPort = FirstHostPort;

    /// <summary>Begins to listen.</summary>
    /// <param name="device">The guest's device.</param>
    /// <param name="path">The Unix socket to make; nothing may be there.</param>
    /// <exception cref="HypervisorException">It cannot be made.</exception>
    public VsockSockets(VirtioVsock device, string path)
    {
        _device = device;
        _path = path;
        _listener = new UnixListener(path, Backlog, "--vsock");
        device.Requested = connection => _ = Task.Run(() => ConnectToHostAsync(connection));
        device.Accepted = connection =>
        {
            lock (_lock)
            {
                if (_asked.Remove(connection, out TaskCompletionSource? asked))
                    asked.TrySetResult();
            }
        };
        _ = Task.Run(ListenAsync);
    }

    /// <summary>Ends all streams and removes the socket.</summary>
    public void Dispose() => _listener.Dispose();

    private async Task ListenAsync()
    {
        while (await _listener.AcceptAsync().ConfigureAwait(false) is { } client)
            _ = Task.Run(() => ConnectToGuestAsync(client));
    }

    private async Task ConnectToGuestAsync(Socket client)
    {
        using Socket socket = client;
        try
        {
            if (await ReadRequestAsync(socket).ConfigureAwait(false) is not { } port)
                return;
            VsockConnection? connection = null;
            var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (_lock)
            {
                for (int tries = 0; tries < 4 && connection is null; tries++)
                {
                    connection = _device.Connect(_nextPort, port);
                    _nextPort = _nextPort == uint.MaxValue - 1 ? FirstHostPort : _nextPort + 1;
                }

                if (connection is null)
                    return;
                _asked.Add(connection, answered);
            }

            try
            {
                bool taken = await WaitAsync(connection, answered.Task).ConfigureAwait(false);
                if (taken)
                {
                    await socket.SendAsync(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"OK {connection.HostPort}\n")), _listener.End).ConfigureAwait(false);
                    await CarryAsync(connection, socket).ConfigureAwait(false);
                }
            }
            finally
            {
                lock (_lock)
                    _asked.Remove(connection);
                _device.Close(connection);
            }
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException)
        {
            // The program of the host went away, or the machine did: nobody is left to be told.
        }
    }

    /// <summary>Waits until the guest took the stream; false where it did not.</summary>
    private async Task<bool> WaitAsync(VsockConnection connection, Task answered)
    {
        DateTime until = DateTime.UtcNow + s_patience;
        while (DateTime.UtcNow < until && !_listener.End.IsCancellationRequested)
        {
            if (await Task.WhenAny(answered, Task.Delay(s_look, _listener.End)).ConfigureAwait(false) == answered)
                return true;
            if (_device.Standing(connection).IsOver)
                return false;
        }

        return false;
    }

    private async Task<uint?> ReadRequestAsync(Socket socket)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(_listener.End);
        patience.CancelAfter(s_patience);
        var line = new byte[LongestRequest];
        for (int length = 0; length < line.Length; length++)
        {
            if (await socket.ReceiveAsync(line.AsMemory(length, 1), patience.Token).ConfigureAwait(false) == 0)
                return null;
            if (line[length] != (byte)'\n')
                continue;
            string request = Encoding.ASCII.GetString(line, 0, length).TrimEnd('\r');
            return request.StartsWith("CONNECT ", StringComparison.Ordinal) && uint.TryParse(request.AsSpan(8), NumberStyles.None, CultureInfo.InvariantCulture, out uint port) ? port : null;
        }

        return null;
    }

    private async Task ConnectToHostAsync(VsockConnection connection)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            var place = new UnixDomainSocketEndPoint(string.Create(CultureInfo.InvariantCulture, $"{_path}_{connection.HostPort}"));
            await socket.ConnectAsync(place, _listener.End).ConfigureAwait(false);
            _device.Accept(connection);
            await CarryAsync(connection, socket).ConfigureAwait(false);
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or ArgumentException)
        {
            // Nobody listens there: the guest hears of it by the reset that follows.
        }

        _device.Close(connection);
    }

    /// <summary>Carries bytes both ways until both have ended.</summary>
    private async Task CarryAsync(VsockConnection connection, Socket socket)
    {
        Task toGuest = ToGuestAsync(connection, socket);
        try
        {
            await ToHostAsync(connection, socket).ConfigureAwait(false);

            // A guest that is through with both ways waits to hear that the host is too.
            if (_device.Standing(connection).IsOver || connection.GuestDeaf)
                _device.Close(connection);
            else
                socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // The program of the host takes no more: the guest is told at once.
            _device.Close(connection);
        }

        if (_device.Standing(connection).IsOver)
            socket.Close();

        await toGuest.ConfigureAwait(false);
    }

    private async Task ToHostAsync(VsockConnection connection, Socket socket)
    {
        var buffer = new byte[BufferSize];
        while (true)
        {
            int count = _device.ToHost(connection, buffer);
            if (count > 0)
            {
                for (int sent = 0; sent < count;)
                    sent += await socket.SendAsync(buffer.AsMemory(sent, count - sent), _listener.End).ConfigureAwait(false);
                continue;
            }

            (bool isOver, bool guestEnded) = _device.Standing(connection);
            if (isOver || guestEnded)
                return;

            await connection.WorkToHost.WaitAsync(_listener.End).ConfigureAwait(false);
        }
    }

    private async Task ToGuestAsync(VsockConnection connection, Socket socket)
    {
        var buffer = new byte[BufferSize];
        try
        {
            while (true)
            {
                int count = await socket.ReceiveAsync(buffer, _listener.End).ConfigureAwait(false);
                for (int given = 0; given < count;)
                {
                    int taken = _device.FromHost(connection, buffer.AsSpan(given, count - given));
                    given += taken;
                    if (taken == 0)
                        await connection.RoomToGuest.WaitAsync(_listener.End).ConfigureAwait(false);
                }

                if (count == 0)
                {
                    _device.FromHost(connection, []);
                    await UntilToldAsync(connection).ConfigureAwait(false);
                    return;
                }
            }
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            _device.Close(connection);
        }
    }

    /// <summary>Waits until the guest has had all, and was told that there is no more, and has ended too.</summary>
    private async Task UntilToldAsync(VsockConnection connection)
    {
        while (!_device.Standing(connection).IsOver && !(connection.HostEndTold && connection.GuestEnded) && !connection.GuestDeaf)
            await connection.RoomToGuest.WaitAsync(_listener.End).ConfigureAwait(false);
    }
}
