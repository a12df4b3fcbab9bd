using Hypervisor.Core.Devices;

namespace Hypervisor.Host;

/// <summary>What guests print, to standard output as it comes.</summary>
internal sealed class StandardOutputSink : IConsoleSink
{
    private readonly Stream _output = Console.OpenStandardOutput();
    private readonly Lock _lock = new();

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            _output.Write(bytes);
            _output.Flush();
        }
    }
}
