using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Core.Devices.Images;

/// <summary>The file of a qcow2 image: bytes at places, and tables of big-endian numbers. What is past its end reads as zero.</summary>
internal sealed class ImageFile(SafeFileHandle handle) : IDisposable
{
    public long Length => RandomAccess.GetLength(handle);

    public void Read(ulong offset, Span<byte> target)
    {
        while (target.Length > 0)
        {
            int count = RandomAccess.Read(handle, target, (long)offset);
            if (count == 0)
            {
                target.Clear();
                return;
            }

            target = target[count..];
            offset += (ulong)count;
        }
    }

    public void Write(ulong offset, ReadOnlySpan<byte> source) => RandomAccess.Write(handle, source, (long)offset);

    public ulong[] ReadTable(ulong offset, int entries)
    {
        var table = new ulong[entries];
        Read(offset, MemoryMarshal.AsBytes(table.AsSpan()));
        if (BitConverter.IsLittleEndian)
            BinaryPrimitives.ReverseEndianness(table, table);
        return table;
    }

    public void WriteTable(ulong offset, ReadOnlySpan<ulong> table)
    {
        ulong[] bytes = table.ToArray();
        if (BitConverter.IsLittleEndian)
            BinaryPrimitives.ReverseEndianness(bytes, bytes);
        Write(offset, MemoryMarshal.AsBytes<ulong>(bytes));
    }

    public void WriteLong(ulong offset, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        Write(offset, bytes);
    }

    /// <summary>Gives the storage of bytes back where the host can; they read as zero then.</summary>
    public bool TryPunch(ulong offset, ulong length) => FileHoles.TryPunch(handle, (long)offset, (long)length);

    public void Flush() => RandomAccess.FlushToDisk(handle);

    public void Dispose() => handle.Dispose();
}
