namespace Hypervisor.Core.Devices;

/// <summary>A disk in memory: gone when the process ends.</summary>
public sealed class MemoryBlockBackend : IBlockBackend
{
    private readonly byte[] _bytes;

    /// <summary>Creates a disk over bytes.</summary>
    /// <param name="bytes">The disk's content, used in place; a multiple of 512 bytes.</param>
    /// <param name="readOnly">Whether the guest may not write.</param>
    /// <exception cref="HypervisorException">The size is no whole number of sectors.</exception>
    public MemoryBlockBackend(byte[] bytes, bool readOnly = false)
    {
        if (bytes.Length % 512 != 0)
            throw new HypervisorException($"A disk of {bytes.Length} bytes is no whole number of 512-byte sectors: pad it.");
        _bytes = bytes;
        IsReadOnly = readOnly;
    }

    /// <inheritdoc/>
    public long Length => _bytes.Length;

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <inheritdoc/>
    public bool TryRead(long offset, Span<byte> destination)
    {
        _bytes.AsSpan((int)offset, destination.Length).CopyTo(destination);
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(long offset, ReadOnlySpan<byte> source)
    {
        if (IsReadOnly)
            return false;
        source.CopyTo(_bytes.AsSpan((int)offset));
        return true;
    }

    /// <inheritdoc/>
    public bool TryZero(long offset, long length)
    {
        if (IsReadOnly)
            return false;
        _bytes.AsSpan((int)offset, (int)length).Clear();
        return true;
    }

    /// <inheritdoc/>
    public bool TryDiscard(long offset, long length) => TryZero(offset, length);

    /// <inheritdoc/>
    public bool TryFlush() => true;
}
