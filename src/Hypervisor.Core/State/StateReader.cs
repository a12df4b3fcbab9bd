using System.Buffers.Binary;
using System.Text;

namespace Hypervisor.Core.State;

/// <summary>Reads back what a <see cref="StateWriter"/> wrote. The bytes are host input: whatever does not fit is refused.</summary>
/// <param name="bytes">The written bytes.</param>
internal sealed class StateReader(ReadOnlyMemory<byte> bytes)
{
    private int _position;

    /// <summary>Whether everything was read.</summary>
    public bool AtEnd => _position == bytes.Length;

    /// <summary>Expects a part.</summary>
    /// <param name="tag">The four ASCII characters that name it.</param>
    /// <param name="version">The only version of its layout that the caller reads.</param>
    /// <exception cref="HypervisorException">Another part, or another version of it, stands here.</exception>
    public void Begin(ReadOnlySpan<byte> tag, uint version)
    {
        ReadOnlySpan<byte> found = Take(4);
        uint foundVersion = ReadUInt32();
        if (!found.SequenceEqual(tag) || foundVersion != version)
        {
            throw Damaged($"expected part '{Encoding.Latin1.GetString(tag)}' version {version}, found "
                + $"'{Encoding.Latin1.GetString(found)}' version {foundVersion}");
        }
    }

    public byte ReadByte() => Take(1)[0];

    public bool ReadBool() => ReadByte() switch
    {
        0 => false,
        1 => true,
        byte other => throw Damaged($"{other} is neither yes nor no"),
    };

    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    /// <summary>Reads bytes that were written behind their count.</summary>
    /// <param name="limit">The most the caller can use.</param>
    public ReadOnlySpan<byte> ReadBytes(int limit)
    {
        uint count = ReadUInt32();
        if (count > (uint)limit)
            throw Damaged($"{count} bytes where at most {limit} fit");
        return Take((int)count);
    }

    /// <summary>The error for a value that cannot be, for callers that check further.</summary>
    public HypervisorException Damaged(string what)
        => new($"The saved state is damaged or of another machine, before byte {_position}: {what}; save it anew from the same configuration.");

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > bytes.Length - _position)
            throw Damaged($"it ends at byte {bytes.Length}, {count} more are needed");
        _position += count;
        return bytes.Span.Slice(_position - count, count);
    }
}
