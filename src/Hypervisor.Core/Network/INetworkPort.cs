namespace Hypervisor.Core.Network;

/// <summary>
/// The end of a network link at which a network card, or a program's network stack, sits. Frames are Ethernet without
/// preamble and checksum: 14 bytes of header, then up to <see cref="MaximumPayload"/>.
/// </summary>
internal interface INetworkPort
{
    /// <summary>Most bytes after the header.</summary>
    const int MaximumPayload = 1500;

    /// <summary>Bytes before the payload: two addresses and a type.</summary>
    const int HeaderSize = 14;

    /// <summary>Most bytes of a frame.</summary>
    const int MaximumFrame = HeaderSize + MaximumPayload;

    /// <summary>Called, on any thread and without a lock of the network held, when frames may have come to wait.</summary>
    Action? Arrived { get; set; }

    /// <summary>
    /// Sends a frame. It is copied; one that is no frame, or finds no room, is dropped and counted. Receivers hear of it at
    /// the next <see cref="Flush"/>, so that a sender may hold its own lock here. Any thread.
    /// </summary>
    void Send(ReadOnlySpan<byte> frame);

    /// <summary>Tells the receivers of what was sent. The caller holds no lock that a receiver may want. Any thread.</summary>
    void Flush();

    /// <summary>Takes the next frame that waits.</summary>
    /// <param name="buffer">Room for <see cref="MaximumFrame"/> bytes.</param>
    /// <returns>Its length, or 0 where none waits.</returns>
    int Receive(Span<byte> buffer);

    /// <summary>Whether the link is there; a card without one tells its driver so.</summary>
    bool IsUp { get; }
}
