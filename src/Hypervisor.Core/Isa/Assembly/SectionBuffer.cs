using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Hypervisor.Core.Isa.Assembly;

/// <summary>The content of a section while it grows.</summary>
internal sealed class SectionBuffer(string name, bool writable, bool executable, bool isZeroed)
{
    private readonly List<byte> _bytes = [];

    internal string Name { get; } = name;

    internal bool IsWritable { get; } = writable;

    internal bool IsExecutable { get; } = executable;

    /// <summary>Whether the section has a size but no content, as .bss.</summary>
    internal bool IsZeroed { get; } = isZeroed;

    internal ulong Alignment { get; set; } = executable ? 4UL : 1UL;

    /// <summary>Its address; known once everything is laid out.</summary>
    internal ulong Address { get; set; }

    internal long Size { get; private set; }

    internal Span<byte> Bytes => CollectionsMarshal.AsSpan(_bytes);

    internal void Append(ReadOnlySpan<byte> content)
    {
        Size += content.Length;
        if (!IsZeroed)
        {
            _bytes.AddRange(content);
        }
        else if (content.ContainsAnyExcept((byte)0))
        {
            throw new AssemblyErrorException($"section {Name} has no content, only zeros fit in; use .data");
        }
    }

    internal void AppendWord(uint word)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, word);
        Append(bytes);
    }

    internal void AppendFill(byte value, long count)
    {
        if (IsZeroed && value != 0)
        {
            Append([value]);
        }

        Size += count;
        if (!IsZeroed)
        {
            CollectionsMarshal.SetCount(_bytes, (int)Size);
            Bytes[^(int)count..].Fill(value);
        }
    }
}
