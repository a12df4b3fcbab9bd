using System.Buffers.Binary;

namespace Hypervisor.Guests.Common;

/// <summary>
/// Looks names up where they lie in the file. Nothing is materialised: a hostile table of overlapping unterminated
/// names could otherwise cost its size squared.
/// </summary>
internal readonly struct ElfSymbolTable(ReadOnlyMemory<byte> symbols, ReadOnlyMemory<byte> strings)
{
    public bool TryGet(ReadOnlySpan<byte> name, out ulong value)
    {
        value = 0;
        var table = symbols.Span;
        var names = strings.Span;
        var found = false;
        for (; name.Length > 0 && table.Length >= ElfFormat.SymbolSize; table = table[ElfFormat.SymbolSize..])
        {
            var start = BinaryPrimitives.ReadUInt32LittleEndian(table);
            var section = BinaryPrimitives.ReadUInt16LittleEndian(table[6..]);
            if (section == ElfFormat.UndefinedSection || start >= (uint)names.Length
                || !IsNameAt(names[(int)start..], name))
            {
                continue;
            }

            // A global definition beats a file-local one of the same name.
            var isGlobal = table[4] >> 4 != 0;
            if (!found || isGlobal)
            {
                value = BinaryPrimitives.ReadUInt64LittleEndian(table[8..]);
                found = true;
            }

            if (isGlobal)
            {
                return true;
            }
        }

        return found;
    }

    private static bool IsNameAt(ReadOnlySpan<byte> names, ReadOnlySpan<byte> name)
        => names.Length > name.Length && names.StartsWith(name) && names[name.Length] == 0;
}
