using Hypervisor.Core.HostSockets;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// A named port beside a console: bytes both ways between a program of the guest (/dev/virtio-ports/NAME in Linux) and one of
/// the host. Neither side's slowness loses any: what does not fit waits where it is.
/// </summary>
internal sealed class VirtioConsolePort
{
    private const int Limit = 64 << 10;

    // Requests are taken while no more than the limit waits, and then whole; none of a driver's comes near this.
    private const int LargestRequest = 1 << 20;

    private readonly Lock _lock = new();
    private readonly ByteQueue _toGuest = new(Limit);
    private readonly ByteQueue _toHost = new(Limit + LargestRequest);
    private bool _isOpen;

    /// <summary>Creates a port.</summary>
    /// <param name="name">The name by which the guest knows it; 1 to 64 ASCII characters without a slash.</param>
    /// <exception cref="HypervisorException">The name is none.</exception>
    public VirtioConsolePort(string name)
    {
        if (name.Length is 0 or > 64 || name.Contains('/') || !System.Text.Ascii.IsValid(name))
            throw new HypervisorException($"'{name}' cannot name a port: give 1 to 64 ASCII characters without a slash.");
        Name = name;
    }

    /// <summary>The name by which the guest knows it.</summary>
    public string Name { get; }

    /// <summary>Set when bytes of the guest have come to wait.</summary>
    public WakeSignal Waiting { get; } = new();

    /// <summary>Set when the guest has taken bytes: more may fit.</summary>
    public WakeSignal Room { get; } = new();

    /// <summary>Whether a program of the host is there; the guest is told of changes.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_lock)
                return _isOpen;
        }

        set
        {
            lock (_lock)
            {
                if (_isOpen == value)
                    return;
                _isOpen = value;
                if (!value)
                    _toHost.Clear();
            }

            OpenChanged?.Invoke();
        }
    }

    /// <summary>Has the device tell the guest whether the host's side is open. Set by the device.</summary>
    internal Action? OpenChanged { get; set; }

    /// <summary>Has the device look at a queue: true that of bytes to the guest. Set by the device.</summary>
    internal Action<bool>? Look { get; set; }

    /// <summary>Sends bytes to the guest; how many fitted. Any thread.</summary>
    public int Send(ReadOnlySpan<byte> bytes)
    {
        int taken;
        lock (_lock)
            taken = _toGuest.Enqueue(bytes);
        Look?.Invoke(true);
        return taken;
    }

    /// <summary>Takes bytes that the guest sent; how many. Any thread.</summary>
    public int Take(Span<byte> buffer)
    {
        int taken;
        lock (_lock)
            taken = _toHost.Dequeue(buffer);
        if (taken > 0)
            Look?.Invoke(false);
        return taken;
    }

    /// <summary>
    /// Whether a program of the guest has the port open. Before that nothing is given to the driver: Linux's throws away what comes
    /// for nobody.
    /// </summary>
    internal bool IsOpenInGuest { get; set; }

    /// <summary>Fills what the driver gave with bytes for the guest. Under the transport's lock.</summary>
    internal void Deliver(VirtioQueue queue, VirtioChain chain)
    {
        lock (_lock)
        {
            int before = _toGuest.Count;
            if (IsOpenInGuest)
                VirtioConsole.Deliver(_toGuest, queue, chain);
            if (_toGuest.Count < before)
                Room.Set();
        }
    }

    /// <summary>Takes what the guest sends as far as there is room; whether some came. Under the transport's lock.</summary>
    internal bool Accept(VirtioQueue queue, VirtioChain chain)
    {
        bool came = false;
        lock (_lock)
        {
            while (_toHost.Count <= Limit && queue.TryPop(chain))
            {
                for (int i = 0; i < chain.ReadableBuffers && _isOpen; i++)
                    _toHost.Enqueue(chain.Readable(i));
                came = true;
                queue.Push(chain.Head, 0);
            }
        }

        return came;
    }
}
