using Hypervisor.Core.HostSockets;

namespace Hypervisor.Core.Devices.Virtio.Vsock;

/// <summary>
/// One stream between a port of the guest and a socket of the host. The device's lock guards all of it; the socket's own loops
/// only wait for its signals.
/// </summary>
internal sealed class VsockConnection(uint hostPort, uint guestPort)
{
    /// <summary>Bytes from the guest that may wait for the host's socket: what the guest is told that it may send.</summary>
    public const int Allocation = 128 << 10;

    private const int ToGuestLimit = 64 << 10;

    public uint HostPort => hostPort;

    public uint GuestPort => guestPort;

    /// <summary>Whether both sides agreed to it.</summary>
    public bool IsOpen { get; set; }

    /// <summary>Whether it ended: the loops of its socket come to an end.</summary>
    public bool IsOver { get; set; }

    /// <summary>Bytes on their way to the guest, as its credit allows.</summary>
    public ByteQueue ToGuest { get; } = new(ToGuestLimit);

    /// <summary>Bytes on their way to the host's socket.</summary>
    public ByteQueue ToHost { get; } = new(Allocation);

    /// <summary>The host's socket brings no more.</summary>
    public bool HostEnded { get; set; }

    /// <summary>The guest was told so.</summary>
    public bool HostEndTold { get; set; }

    /// <summary>The guest sends no more.</summary>
    public bool GuestEnded { get; set; }

    /// <summary>The guest takes no more.</summary>
    public bool GuestDeaf { get; set; }

    /// <summary>What the guest said of its room, and how much was sent to it; they wrap.</summary>
    public uint GuestAllocation { get; set; }

    public uint GuestForwarded { get; set; }

    public uint Sent { get; set; }

    /// <summary>How much of the guest's went on to the socket, and of that the guest knows; they wrap.</summary>
    public uint Forwarded { get; set; }

    public uint ForwardedTold { get; set; }

    /// <summary>Bytes that the guest has room for.</summary>
    public int Credit => (int)Math.Clamp(GuestAllocation - (long)(Sent - GuestForwarded), 0, int.MaxValue);

    /// <summary>Whether something can go to the guest now.</summary>
    public bool HasForGuest
        => !IsOver && IsOpen && ((ToGuest.Count > 0 && Credit > 0 && !GuestDeaf) || (HostEnded && !HostEndTold && (ToGuest.Count == 0 || GuestDeaf)));

    /// <summary>Whether it stands in the line of those that have something for the guest.</summary>
    public bool IsListed { get; set; }

    /// <summary>Tells the loop that reads the socket that there is room.</summary>
    public WakeSignal RoomToGuest { get; } = new();

    /// <summary>Tells the loop that writes the socket that there is something.</summary>
    public WakeSignal WorkToHost { get; } = new();

    /// <summary>Ends it, whoever waits.</summary>
    public void End()
    {
        IsOver = true;
        RoomToGuest.Set();
        WorkToHost.Set();
    }
}
