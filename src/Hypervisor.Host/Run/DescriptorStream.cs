using System.Runtime.InteropServices;

namespace Hypervisor.Host.Run;

/// <summary>
/// Standard output or error by the system's own call. The runtime's console would set up terminals, encodings and key maps before its
/// first byte, which takes longer than a small program runs, and nothing of it is for bytes that are a guest's.
/// </summary>
internal sealed partial class DescriptorStream : Stream
{
    private const int Interrupted = 4;
    private const int NobodyReads = 32;

    private readonly int _descriptor;

    private DescriptorStream(int descriptor) => _descriptor = descriptor;

    /// <summary>EAGAIN: it is set not to block, and has no room.</summary>
    private static int HasNoRoom => OperatingSystem.IsMacOS() ? 35 : 11;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Standard output, byte by byte as it is written.</summary>
    public static Stream OpenOutput() => TerminalSettings.AreThere ? new DescriptorStream(1) : Console.OpenStandardOutput();

    /// <summary>Standard error.</summary>
    public static Stream OpenError() => TerminalSettings.AreThere ? new DescriptorStream(2) : Console.OpenStandardError();

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <summary>Writes all of it; nothing where nobody reads any more, as the runtime's console does.</summary>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            nint count = Write(_descriptor, ref MemoryMarshal.GetReference(buffer), (nuint)buffer.Length);
            if (count >= 0)
            {
                buffer = buffer[(int)count..];
                continue;
            }

            int error = Marshal.GetLastSystemError();
            if (error == NobodyReads)
                return;
            if (error == HasNoRoom)
                TerminalSettings.WaitUntilWritable(_descriptor);
            else if (error != Interrupted)
                throw new IOException(Marshal.GetPInvokeErrorMessage(error));
        }
    }

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int descriptor, ref byte bytes, nuint count);
}
