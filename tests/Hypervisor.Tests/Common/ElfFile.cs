using System.Buffers.Binary;
using System.Text;

namespace Hypervisor.Tests.Common;

/// <summary>Writes small ELF files, well-formed unless a test asks otherwise.</summary>
internal sealed class ElfFile
{
    public const int ProgramHeaders = 64;

    public readonly record struct Part(uint Type, uint Flags, ulong Offset, ulong Address, ulong FileSize, ulong MemorySize, ulong Alignment);

    public List<Part> Parts { get; } = [new(1, 5, 0x1000, 0x10000, 0x20, 0x20, 0x1000), new(1, 6, 0x1020, 0x11020, 0x10, 0x100, 0x1000)];

    public ushort Type { get; set; } = 2;

    public ulong Entry { get; set; } = 0x10000;

    public uint Flags { get; set; } = 5;

    public (string Name, ulong Value, byte Binding, ushort Section)[] Symbols { get; set; } = [("tohost", 0x11020, 1, 1), ("other", 0x10004, 0, 1)];

    public byte[] ToArray()
    {
        var strings = new List<byte> { 0 };
        var symbols = new byte[24 * (Symbols.Length + 1)];
        for (var i = 0; i < Symbols.Length; i++)
        {
            var entry = symbols.AsSpan(24 * (i + 1));
            BinaryPrimitives.WriteUInt32LittleEndian(entry, (uint)strings.Count);
            entry[4] = (byte)(Symbols[i].Binding << 4);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[6..], Symbols[i].Section);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], Symbols[i].Value);
            strings.AddRange(Encoding.ASCII.GetBytes(Symbols[i].Name + "\0"));
        }

        const int symbolsAt = 0x1100;
        var stringsAt = symbolsAt + symbols.Length;
        var sectionsAt = (stringsAt + strings.Count + 7) & ~7;
        var file = new byte[sectionsAt + (3 * 64)];
        var header = file.AsSpan();
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header[16..], Type);
        BinaryPrimitives.WriteUInt16LittleEndian(header[18..], 243);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(header[24..], Entry);
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], ProgramHeaders);
        BinaryPrimitives.WriteUInt64LittleEndian(header[40..], (ulong)sectionsAt);
        BinaryPrimitives.WriteUInt32LittleEndian(header[48..], Flags);
        BinaryPrimitives.WriteUInt16LittleEndian(header[52..], 64);
        BinaryPrimitives.WriteUInt16LittleEndian(header[54..], 56);
        BinaryPrimitives.WriteUInt16LittleEndian(header[56..], (ushort)Parts.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(header[58..], 64);
        BinaryPrimitives.WriteUInt16LittleEndian(header[60..], 3);
        for (var i = 0; i < Parts.Count; i++)
        {
            var entry = header[(ProgramHeaders + (i * 56))..];
            BinaryPrimitives.WriteUInt32LittleEndian(entry, Parts[i].Type);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], Parts[i].Flags);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], Parts[i].Offset);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[16..], Parts[i].Address);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[24..], Parts[i].Address);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[32..], Parts[i].FileSize);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[40..], Parts[i].MemorySize);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[48..], Parts[i].Alignment);
        }

        for (var i = 0x1000; i < 0x1030; i++)
        {
            file[i] = (byte)i;
        }

        "/lib/ld.so\0"u8.CopyTo(header[0x1040..]);
        symbols.CopyTo(header[symbolsAt..]);
        strings.ToArray().CopyTo(header[stringsAt..]);
        Section(header[(sectionsAt + 64)..], 2, symbolsAt, symbols.Length, 2);
        Section(header[(sectionsAt + 128)..], 3, stringsAt, strings.Count, 0);
        return file;
    }

    private static void Section(Span<byte> entry, uint type, int offset, int size, uint link)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], type);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[24..], (ulong)offset);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[32..], (ulong)size);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[40..], link);
    }
}
