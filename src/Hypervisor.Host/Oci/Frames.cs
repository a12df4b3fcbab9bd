using System.Buffers.Binary;

namespace Hypervisor.Host.Oci;

/// <summary>What a frame between a session and the process that holds its container carries.</summary>
internal enum FrameKind : byte
{
    /// <summary>A request or an answer, as text.</summary>
    Text = 0,

    /// <summary>Bytes for standard input; none for its end.</summary>
    Input = 1,

    /// <summary>Bytes of standard output.</summary>
    Output = 2,

    /// <summary>Bytes of standard error.</summary>
    Error = 3,

    /// <summary>The number of a signal for the process.</summary>
    Signal = 4,

    /// <summary>The process ended with this code.</summary>
    Exit = 5,

    /// <summary>The terminal's lines and characters, two bytes each.</summary>
    Resize = 6,
}

/// <summary>Frames over a stream: a kind, a length of four bytes, and the bytes.</summary>
internal sealed class Frames(Stream stream) : IDisposable
{
    private const int MostBytes = 1 << 20;
    private readonly Lock _writing = new();

    /// <summary>Sends a frame; from any thread.</summary>
    public void Send(FrameKind kind, ReadOnlySpan<byte> payload)
    {
        lock (_writing)
        {
            Span<byte> header = stackalloc byte[5];
            header[0] = (byte)kind;
            BinaryPrimitives.WriteInt32LittleEndian(header[1..], payload.Length);
            stream.Write(header);
            stream.Write(payload);
            stream.Flush();
        }
    }

    public void Send(string text) => Send(FrameKind.Text, System.Text.Encoding.UTF8.GetBytes(text));

    public void SendNumber(FrameKind kind, int number)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        Send(kind, bytes);
    }

    /// <summary>Waits for a frame; false where the other side is gone or speaks nonsense.</summary>
    public bool TryReceive(out FrameKind kind, out byte[] payload)
    {
        kind = default;
        payload = [];
        try
        {
            Span<byte> header = stackalloc byte[5];
            if (stream.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) < header.Length)
                return false;
            int length = BinaryPrimitives.ReadInt32LittleEndian(header[1..]);
            if (length is < 0 or > MostBytes)
                return false;
            kind = (FrameKind)header[0];
            payload = new byte[length];
            return stream.ReadAtLeast(payload, length, throwOnEndOfStream: false) == length;
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException)
        {
            return false; // The other side went away: that is the end of the frames.
        }
    }

    /// <summary>Waits for an answer; null where the other side is gone.</summary>
    public string? ReceiveText() => TryReceive(out FrameKind kind, out byte[] payload) && kind == FrameKind.Text ? System.Text.Encoding.UTF8.GetString(payload) : null;

    public void Dispose() => stream.Dispose();
}
