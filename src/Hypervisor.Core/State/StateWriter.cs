using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Hypervisor.Core.State;

/// <summary>
/// Collects the state of a machine's parts as bytes: little-endian, each part behind its tag and version, so that a reader
/// that expects another part notices. Equal states give equal bytes.
/// </summary>
internal sealed class StateWriter
{
    private byte[] _bytes = new byte[256];
    private int _length;

    /// <summary>What was written so far.</summary>
    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _length);

    /// <summary>The SHA-256 digest of what was written so far.</summary>
    public byte[] Hash() => SHA256.HashData(Written);

    /// <summary>Starts a part.</summary>
    /// <param name="tag">Four ASCII characters that name it.</param>
    /// <param name="version">The version of its layout.</param>
    public void Begin(ReadOnlySpan<byte> tag, uint version)
    {
        tag[..4].CopyTo(Reserve(4));
        Write(version);
    }

    public void Write(byte value) => Reserve(1)[0] = value;

    public void Write(bool value) => Write(value ? (byte)1 : (byte)0);

    public void Write(ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Reserve(2), value);

    public void Write(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Reserve(4), value);

    public void Write(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Reserve(8), value);

    /// <summary>Writes bytes behind their count.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        Write((uint)bytes.Length);
        bytes.CopyTo(Reserve(bytes.Length));
    }

    private Span<byte> Reserve(int count)
    {
        if (count > _bytes.Length - _length)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + count));
        _length += count;
        return _bytes.AsSpan(_length - count, count);
    }
}
