using System.Buffers.Binary;
using System.Text;

namespace Hypervisor.Core.Isa.Assembly;

/// <summary>Writes a program as a static ELF64 executable for RISC-V (System V gABI and the RISC-V psABI).</summary>
internal static class ElfWriter
{
    private const int HeaderSize = 64, ProgramHeaderSize = 56, SectionHeaderSize = 64, SymbolSize = 24;
    private const int PageSize = 4096;
    private const ushort AbsoluteSection = 0xfff1;

    internal static byte[] Write(AssembledProgram program)
    {
        var sections = program.Sections.Where(section => section.Size > 0).ToArray();
        var segments = Segments(sections);
        var file = new List<byte>(new byte[HeaderSize + ProgramHeaderSize * segments.Count]);
        var names = new StringTable();
        var headers = new List<byte[]> { new byte[SectionHeaderSize] };
        var offsets = new Dictionary<AssembledSection, int>();
        foreach (var section in sections)
        {
            // Pages are mapped from the file, so an address and its place in the file agree within a page.
            Pad(file, (int)((section.Address - (ulong)file.Count) % PageSize));
            offsets.Add(section, file.Count);
            file.AddRange(section.Bytes.Span);
            var flags = 2u | (section.IsWritable ? 1u : 0) | (section.IsExecutable ? 4u : 0);
            headers.Add(SectionHeader(
                names.Add(section.Name), section.IsZeroed ? 8u : 1u, flags, section.Address, offsets[section], section.Size, 0, 0, 1, 0));
        }

        var symbolNames = new StringTable();
        var (symbols, localCount) = Symbols(program, sections, symbolNames);
        Pad(file, -file.Count & 7);
        headers.Add(SectionHeader(
            names.Add(".symtab"), 2, 0, 0, file.Count, (ulong)symbols.Length, (uint)headers.Count + 1, localCount, 8, SymbolSize));
        file.AddRange(symbols);
        headers.Add(SectionHeader(names.Add(".strtab"), 3, 0, 0, file.Count, (ulong)symbolNames.Length, 0, 0, 1, 0));
        file.AddRange(symbolNames.ToArray());
        var shstrtab = names.Add(".shstrtab");
        headers.Add(SectionHeader(shstrtab, 3, 0, 0, file.Count, (ulong)names.Length, 0, 0, 1, 0));
        file.AddRange(names.ToArray());
        Pad(file, -file.Count & 7);
        var headersAt = file.Count;
        headers.ForEach(file.AddRange);

        var bytes = file.ToArray();
        FileHeader(bytes, program.Entry, segments.Count, headersAt, headers.Count);
        for (var index = 0; index < segments.Count; index++)
        {
            ProgramHeader(bytes.AsSpan(HeaderSize + index * ProgramHeaderSize), segments[index], offsets);
        }

        return bytes;
    }

    // Neighbours with the same permissions share a segment; after zeroed sections only zeroed ones can follow.
    private static List<List<AssembledSection>> Segments(AssembledSection[] sections)
    {
        var segments = new List<List<AssembledSection>>();
        foreach (var section in sections)
        {
            if (segments.Count > 0 && segments[^1][^1] is var last && last.IsWritable == section.IsWritable
                && last.IsExecutable == section.IsExecutable && (section.IsZeroed || !last.IsZeroed))
            {
                segments[^1].Add(section);
            }
            else
            {
                segments.Add([section]);
            }
        }

        return segments;
    }

    private static void FileHeader(Span<byte> file, ulong entry, int segments, int sectionHeaders, int sections)
    {
        ReadOnlySpan<byte> identification = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0];
        identification.CopyTo(file);
        BinaryPrimitives.WriteUInt16LittleEndian(file[16..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(file[18..], 243);
        BinaryPrimitives.WriteUInt32LittleEndian(file[20..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(file[24..], entry);
        BinaryPrimitives.WriteUInt64LittleEndian(file[32..], HeaderSize);
        BinaryPrimitives.WriteUInt64LittleEndian(file[40..], (ulong)sectionHeaders);
        // e_flags: the double-precision calling convention.
        BinaryPrimitives.WriteUInt32LittleEndian(file[48..], 4);
        BinaryPrimitives.WriteUInt16LittleEndian(file[52..], HeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(file[54..], ProgramHeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(file[56..], (ushort)segments);
        BinaryPrimitives.WriteUInt16LittleEndian(file[58..], SectionHeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(file[60..], (ushort)sections);
        BinaryPrimitives.WriteUInt16LittleEndian(file[62..], (ushort)(sections - 1));
    }

    private static void ProgramHeader(Span<byte> header, List<AssembledSection> segment, Dictionary<AssembledSection, int> offsets)
    {
        var first = segment[0];
        var lastFilled = segment.FindLast(section => !section.IsZeroed);
        var fileEnd = lastFilled is null ? first.Address : lastFilled.Address + lastFilled.Size;
        BinaryPrimitives.WriteUInt32LittleEndian(header, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], 4u | (first.IsWritable ? 2u : 0) | (first.IsExecutable ? 1u : 0));
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], (ulong)offsets[first]);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], first.Address);
        BinaryPrimitives.WriteUInt64LittleEndian(header[24..], first.Address);
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], fileEnd - first.Address);
        BinaryPrimitives.WriteUInt64LittleEndian(header[40..], segment[^1].Address + segment[^1].Size - first.Address);
        BinaryPrimitives.WriteUInt64LittleEndian(header[48..], PageSize);
    }

    private static byte[] SectionHeader(
        uint name, uint type, uint flags, ulong address, int offset, ulong size, uint link, uint info, ulong alignment, ulong entrySize)
    {
        var header = new byte[SectionHeaderSize];
        var span = header.AsSpan();
        BinaryPrimitives.WriteUInt32LittleEndian(span, name);
        BinaryPrimitives.WriteUInt32LittleEndian(span[4..], type);
        BinaryPrimitives.WriteUInt64LittleEndian(span[8..], flags);
        BinaryPrimitives.WriteUInt64LittleEndian(span[16..], address);
        BinaryPrimitives.WriteUInt64LittleEndian(span[24..], (ulong)offset);
        BinaryPrimitives.WriteUInt64LittleEndian(span[32..], size);
        BinaryPrimitives.WriteUInt32LittleEndian(span[40..], link);
        BinaryPrimitives.WriteUInt32LittleEndian(span[44..], info);
        BinaryPrimitives.WriteUInt64LittleEndian(span[48..], alignment);
        BinaryPrimitives.WriteUInt64LittleEndian(span[56..], entrySize);
        return header;
    }

    private static (byte[] Table, uint LocalCount) Symbols(AssembledProgram program, AssembledSection[] sections, StringTable names)
    {
        // The format wants local symbols before global ones, after one that is empty.
        var symbols = program.Symbols.OrderBy(symbol => program.GlobalSymbols.Contains(symbol.Key)).ThenBy(symbol => symbol.Value).ToArray();
        var table = new byte[SymbolSize * (symbols.Length + 1)];
        var localCount = 1u;
        for (var index = 0; index < symbols.Length; index++)
        {
            var (name, value) = symbols[index];
            var isGlobal = program.GlobalSymbols.Contains(name);
            localCount += isGlobal ? 0u : 1;
            var owner = program.LabelNames.Contains(name)
                ? Array.FindIndex(sections, section => value >= section.Address && value <= section.Address + section.Size)
                : -1;
            var entry = table.AsSpan(SymbolSize * (index + 1));
            BinaryPrimitives.WriteUInt32LittleEndian(entry, names.Add(name));
            entry[4] = (byte)(isGlobal ? 0x10 : 0);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[6..], owner < 0 ? AbsoluteSection : (ushort)(owner + 1));
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], value);
        }

        return (table, localCount);
    }

    private static void Pad(List<byte> file, int count) => file.AddRange(new byte[count]);

    private sealed class StringTable
    {
        private readonly List<byte> _bytes = [0];

        internal int Length => _bytes.Count;

        internal uint Add(string text)
        {
            var offset = _bytes.Count;
            _bytes.AddRange(Encoding.UTF8.GetBytes(text));
            _bytes.Add(0);
            return (uint)offset;
        }

        internal byte[] ToArray() => [.. _bytes];
    }
}
