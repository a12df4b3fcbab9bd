using System.Net.Sockets;

namespace Hypervisor.Core.HostSockets;

/// <summary>A Unix socket of the host's that programs connect to; removed in the end.</summary>
internal sealed class UnixListener : IDisposable
{
    private readonly Socket _socket;
    private readonly string _path;
    private readonly CancellationTokenSource _end = new();

    /// <summary>Begins to listen.</summary>
    /// <param name="path">The socket to make; nothing may be there.</param>
    /// <param name="backlog">How many programs may wait to be accepted.</param>
    /// <param name="purpose">What it is for, for messages.</param>
    /// <exception cref="HypervisorException">It cannot be made.</exception>
    public UnixListener(string path, int backlog, string purpose)
    {
        _path = path;
        End = _end.Token;
        _socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            _socket.Bind(new UnixDomainSocketEndPoint(path));
            _socket.Listen(backlog);
        }
        catch (Exception error) when (error is SocketException or ArgumentException or PlatformNotSupportedException)
        {
            _socket.Dispose();
            throw new HypervisorException($"No socket can be made at '{path}' for {purpose}: {error.Message}. The path must be short and free; remove what an earlier run left there.", error);
        }
    }

    /// <summary>Cancelled when it is disposed of.</summary>
    public CancellationToken End { get; }

    /// <summary>The next program that connects; null when none will any more.</summary>
    public async Task<Socket?> AcceptAsync()
    {
        while (!End.IsCancellationRequested)
        {
            try
            {
                return await _socket.AcceptAsync(End).ConfigureAwait(false);
            }
            catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // Who gave up before being accepted is no end for others; the end itself is seen above.
            }
        }

        return null;
    }

    /// <summary>Ends all that waits on <see cref="End"/> and removes the socket.</summary>
    public void Dispose()
    {
        _end.Cancel();
        _socket.Dispose();
        try
        {
            File.Delete(_path);
        }
        catch (IOException)
        {
            // Whoever removed it, or its folder, was first.
        }
    }
}
