using Hypervisor.Core.Devices;

namespace Hypervisor.Host;

/// <summary>What guests print, to a stream of this process as it comes.</summary>
/// <param name="open">Opens the stream, when the first of it comes.</param>
internal sealed class StandardOutputSink(Func<Stream> open) : IConsoleSink
{
    private readonly Lock _lock = new();
    private Stream? _output;

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            _output ??= open();
            _output.Write(bytes);
            _output.Flush();
        }
    }
}
