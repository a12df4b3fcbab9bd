namespace Hypervisor.Core.Devices;

/// <summary>
/// Where a block device keeps its bytes. Offsets and lengths are within <see cref="Length"/>: the device checks what the
/// guest asks for. Calls for one backend never overlap.
/// </summary>
public interface IBlockBackend
{
    /// <summary>Its size in bytes, a multiple of 512; does not change.</summary>
    long Length { get; }

    /// <summary>Whether writing is refused.</summary>
    bool IsReadOnly { get; }

    /// <summary>Reads bytes; false where the host's storage failed (the guest sees an I/O error).</summary>
    /// <param name="offset">Where to begin.</param>
    /// <param name="destination">Filled completely.</param>
    bool TryRead(long offset, Span<byte> destination);

    /// <summary>Writes bytes; false where the host's storage failed or is read-only.</summary>
    /// <param name="offset">Where to begin.</param>
    /// <param name="source">The bytes.</param>
    bool TryWrite(long offset, ReadOnlySpan<byte> source);

    /// <summary>Makes bytes zero; false where the host's storage failed or is read-only.</summary>
    /// <param name="offset">Where to begin.</param>
    /// <param name="length">How many; whole sectors of 512.</param>
    bool TryZero(long offset, long length);

    /// <summary>
    /// Gives storage back to the host: nobody reads these bytes again before writing them, so that doing nothing is allowed.
    /// False where the host's storage failed or is read-only.
    /// </summary>
    /// <param name="offset">Where to begin.</param>
    /// <param name="length">How many bytes; whole sectors of 512.</param>
    bool TryDiscard(long offset, long length);

    /// <summary>Makes all completed writes durable; false where the host's storage failed.</summary>
    bool TryFlush();
}
