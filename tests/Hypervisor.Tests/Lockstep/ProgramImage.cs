using System.Buffers.Binary;

namespace Hypervisor.Tests.Lockstep;

/// <summary>Static executables of two segments, code and data.</summary>
internal static class ProgramImage
{
    /// <summary>A program that starts with its first instruction; memory behind the data is zero.</summary>
    public static byte[] Build(ReadOnlySpan<byte> code, ulong codeBase, ReadOnlySpan<byte> data, ulong dataBase, int dataBytes)
    {
        const int Headers = 64 + 2 * 56;
        const int CodeAt = 0x1000;
        int dataAt = (CodeAt + code.Length + 0xFFF) & ~0xFFF;
        var file = new byte[dataAt + data.Length];
        Span<byte> header = file;
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header[16..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[18..], 243);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(header[24..], codeBase);
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], 64);
        BinaryPrimitives.WriteUInt32LittleEndian(header[48..], 5);
        BinaryPrimitives.WriteUInt16LittleEndian(header[52..], 64);
        BinaryPrimitives.WriteUInt16LittleEndian(header[54..], 56);
        BinaryPrimitives.WriteUInt16LittleEndian(header[56..], 2);
        Segment(header[64..Headers], 5, CodeAt, codeBase, code.Length, code.Length);
        Segment(header[(64 + 56)..Headers], 6, dataAt, dataBase, data.Length, dataBytes);
        code.CopyTo(header[CodeAt..]);
        data.CopyTo(header[dataAt..]);
        return file;
    }

    private static void Segment(Span<byte> header, uint flags, int offset, ulong address, int bytes, int memory)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(header, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], flags);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], (ulong)offset);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], address);
        BinaryPrimitives.WriteUInt64LittleEndian(header[24..], address);
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], (ulong)bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(header[40..], (ulong)memory);
        BinaryPrimitives.WriteUInt64LittleEndian(header[48..], 0x1000);
    }
}
