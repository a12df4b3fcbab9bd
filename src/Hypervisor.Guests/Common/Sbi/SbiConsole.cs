using Hypervisor.Core.Devices;

namespace Hypervisor.Guests.Common.Sbi;

/// <summary>An SBI console over a sink, with a queue for input that arrives before the guest asks for it.</summary>
internal sealed class SbiConsole(IConsoleSink sink) : ISbiConsole
{
    private const int QueueLimit = 64 << 10;

    private readonly Lock _lock = new();
    private readonly ByteQueue _input = new(QueueLimit);

    /// <summary>Gives the guest input; what does not fit is refused, and the count taken is returned. Any thread.</summary>
    public int Input(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
            return _input.Enqueue(bytes);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> bytes) => sink.Write(bytes);

    /// <inheritdoc/>
    public int Read(Span<byte> buffer)
    {
        lock (_lock)
            return _input.Dequeue(buffer);
    }
}
