using Hypervisor.Core.Devices;

namespace Hypervisor.Host;

/// <summary>What guests print, to a stream of this process as it comes.</summary>
internal sealed class StandardOutputSink(Stream output) : IConsoleSink
{
    private readonly Lock _lock = new();

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            output.Write(bytes);
            output.Flush();
        }
    }
}
