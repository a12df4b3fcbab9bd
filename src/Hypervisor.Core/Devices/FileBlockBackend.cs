using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Core.Devices;

/// <summary>A disk in a raw image file on the host.</summary>
public sealed class FileBlockBackend : IBlockBackend, IDisposable
{
    private const int ZeroChunk = 1 << 20;

    private readonly SafeFileHandle _file;

    /// <summary>Opens an image.</summary>
    /// <param name="path">The file; a multiple of 512 bytes.</param>
    /// <param name="readOnly">Whether the guest may not write.</param>
    /// <exception cref="HypervisorException">The file cannot be opened, or is no whole number of sectors.</exception>
    public FileBlockBackend(string path, bool readOnly = false)
    {
        _file = OpenImage(path, readOnly);
        Length = RandomAccess.GetLength(_file);
        if (Length % 512 != 0)
        {
            _file.Dispose();
            throw new HypervisorException(
                $"The disk image '{path}' has {Length} bytes, no whole number of 512-byte sectors: pad it (truncate -s %512).");
        }

        IsReadOnly = readOnly;
    }

    /// <summary>Opens an image's file.</summary>
    /// <exception cref="HypervisorException">It cannot be opened.</exception>
    internal static SafeFileHandle OpenImage(string path, bool readOnly)
    {
        try
        {
            // A second writer would corrupt the guest's file system, so none is let in.
            return File.OpenHandle(
                path, FileMode.Open, readOnly ? FileAccess.Read : FileAccess.ReadWrite, readOnly ? FileShare.Read : FileShare.None, FileOptions.RandomAccess);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new HypervisorException($"Cannot open the disk image '{path}': {error.Message}", error);
        }
    }

    /// <inheritdoc/>
    public long Length { get; }

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <summary>The last failure of the host's storage, which the guest saw as an I/O error; null while all went well.</summary>
    public IOException? LastError { get; private set; }

    /// <inheritdoc/>
    public bool TryRead(long offset, Span<byte> destination)
    {
        try
        {
            while (destination.Length > 0)
            {
                int count = RandomAccess.Read(_file, destination, offset);
                if (count == 0)
                    return Failed(new EndOfStreamException("The disk image has become shorter."));
                destination = destination[count..];
                offset += count;
            }

            return true;
        }
        catch (IOException error)
        {
            return Failed(error);
        }
    }

    /// <inheritdoc/>
    public bool TryWrite(long offset, ReadOnlySpan<byte> source)
    {
        if (IsReadOnly)
            return false;
        try
        {
            RandomAccess.Write(_file, source, offset);
            return true;
        }
        catch (IOException error)
        {
            return Failed(error);
        }
    }

    /// <inheritdoc/>
    public bool TryZero(long offset, long length)
    {
        if (IsReadOnly)
            return false;
        if (FileHoles.TryPunch(_file, offset, length))
            return true;
        ReadOnlySpan<byte> zeroes = new byte[Math.Min(length, ZeroChunk)];
        for (; length > 0; offset += zeroes.Length, length -= zeroes.Length)
        {
            if (!TryWrite(offset, zeroes[..(int)Math.Min(length, zeroes.Length)]))
                return false;
        }

        return true;
    }

    /// <inheritdoc/>
    public bool TryDiscard(long offset, long length)
    {
        if (IsReadOnly)
            return false;

        // Where the host's file system has no holes, the storage stays taken: that is allowed.
        FileHoles.TryPunch(_file, offset, length);
        return true;
    }

    /// <inheritdoc/>
    public bool TryFlush()
    {
        try
        {
            if (!IsReadOnly)
                RandomAccess.FlushToDisk(_file);
            return true;
        }
        catch (IOException error)
        {
            return Failed(error);
        }
    }

    /// <summary>Closes the file. The machine must not run any more.</summary>
    public void Dispose() => _file.Dispose();

    private bool Failed(IOException error)
    {
        LastError = error;
        return false;
    }
}
