using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices;

/// <summary>
/// Brackets the measured region of a workload: a guest stores its number of operations at +8, then 0 (begin) or 1 (end) at +0.
/// Both answer to 8 bytes.
/// </summary>
/// <param name="marked">Called on the thread of the store with whether the region ends and with the operations.</param>
internal sealed class MarkerDevice(Action<bool, ulong> marked) : IMmioDevice
{
    private readonly Lock _lock = new();
    private ulong _operations;

    /// <inheritdoc/>
    public ulong Size => 0x1000;

    /// <inheritdoc/>
    public ulong Read(ulong offset, int size)
    {
        lock (_lock)
            return offset == 8 && size == 8 ? _operations : 0;
    }

    /// <inheritdoc/>
    public void Write(ulong offset, int size, ulong value)
    {
        if (size != 8)
            return;
        lock (_lock)
        {
            if (offset == 8)
                _operations = value;
            else if (offset == 0 && value <= 1)
                marked(value == 1, _operations);
        }
    }

    /// <inheritdoc/>
    public void Save(StateWriter writer)
    {
        lock (_lock)
        {
            writer.Begin("MARK"u8, 1);
            writer.Write(_operations);
        }
    }

    /// <inheritdoc/>
    public void Load(StateReader reader)
    {
        lock (_lock)
        {
            reader.Begin("MARK"u8, 1);
            _operations = reader.ReadUInt64();
        }
    }
}
