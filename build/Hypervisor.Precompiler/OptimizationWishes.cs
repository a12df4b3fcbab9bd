using System.Buffers.Binary;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Hypervisor.Precompiler;

/// <summary>
/// The bit by which methods ask for full optimisation (AggressiveOptimization), in the metadata of an assembly's image. The
/// compiler to native code leaves such methods to the JIT. The interpreter's handlers ask because the JIT would else first
/// compile them without optimisation, and then they end in calls instead of jumps; but native code is always optimised. So the
/// compiler is shown them without the bit, and its output gets the bit back: then the runtime takes the native code, which is
/// final as the JIT's would be, and where it cannot take it the JIT optimises as before.
/// </summary>
internal static class OptimizationWishes
{
    /// <summary>Offset of the flags in a row of the method table (ECMA-335, II.22.26).</summary>
    private const int FlagsOffset = 4;

    private const ushort Bit = (ushort)MethodImplAttributes.AggressiveOptimization;

    /// <summary>Clears the bit of all methods.</summary>
    /// <returns>The rows of those that had it.</returns>
    public static IReadOnlyList<int> Clear(byte[] image)
    {
        List<int> rows = [];
        foreach ((int row, int at) in Flags(image))
        {
            ushort flags = BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(at));
            if ((flags & Bit) == 0)
                continue;
            rows.Add(row);
            BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(at), (ushort)(flags & ~Bit));
        }

        return rows;
    }

    /// <summary>Sets the bit of methods by their rows, which are the same in an image and what is compiled from it.</summary>
    public static void Set(byte[] image, IReadOnlyList<int> rows)
    {
        var wanted = rows.ToHashSet();
        foreach ((int row, int at) in Flags(image))
        {
            if (wanted.Contains(row))
                BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(at), (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(at)) | Bit));
        }
    }

    private static List<(int Row, int At)> Flags(byte[] image)
    {
        using var reader = new PEReader(new MemoryStream(image));
        MetadataReader metadata = reader.GetMetadataReader();
        int table = reader.PEHeaders.MetadataStartOffset + metadata.GetTableMetadataOffset(TableIndex.MethodDef);
        int size = metadata.GetTableRowSize(TableIndex.MethodDef);
        return [.. metadata.MethodDefinitions.Select(method => MetadataTokens.GetRowNumber(method)).Select(row => (row, table + (row - 1) * size + FlagsOffset))];
    }
}
