using System.Buffers.Binary;

namespace Hypervisor.Core.HostFiles;

/// <summary>An entry of a directory as Linux's getdents64 lays it out: inode, place of the next, length, type, name.</summary>
internal readonly ref struct DirectoryRecord
{
    private const int Header = 19;
    private const byte DirectoryType = 4;

    private readonly ReadOnlySpan<byte> _record;

    private DirectoryRecord(ReadOnlySpan<byte> record) => _record = record;

    public ulong Inode => BinaryPrimitives.ReadUInt64LittleEndian(_record);

    /// <summary>Where reading goes on behind it.</summary>
    public ulong Next => BinaryPrimitives.ReadUInt64LittleEndian(_record[8..]);

    public byte Type => _record[18];

    public bool IsDirectory => Type == DirectoryType;

    public ReadOnlySpan<byte> Name
    {
        get
        {
            ReadOnlySpan<byte> name = _record[Header..];
            return name[..name.IndexOf((byte)0)];
        }
    }

    /// <summary>Takes the first entry off what was read; false where none is left.</summary>
    public static bool TryTake(ref ReadOnlySpan<byte> entries, out DirectoryRecord entry)
    {
        entry = default;
        if (entries.Length < Header)
            return false;
        int length = BinaryPrimitives.ReadUInt16LittleEndian(entries[16..]);
        entry = new DirectoryRecord(entries[..length]);
        entries = entries[length..];
        return true;
    }
}
