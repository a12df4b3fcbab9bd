using System.Buffers.Binary;

namespace Hypervisor.Core.Devices.Images;

/// <summary>
/// Which clusters of a qcow2 file are in use: reference counts of 16 bits, in blocks that a table names. A cluster that was
/// freed is given out again only after the next flush, so that nothing on the disk can still name it.
/// </summary>
internal sealed class Qcow2Clusters
{
    private readonly ImageFile _file;
    private readonly int _bits;
    private readonly Stack<ulong> _free = new();
    private readonly List<ulong> _freed = [];
    private ulong[] _table;
    private ulong _tableOffset;
    private ulong _end;

    public Qcow2Clusters(ImageFile file, Qcow2Header header)
    {
        _file = file;
        _bits = header.ClusterBits;
        _tableOffset = header.RefcountTableOffset;
        _table = file.ReadTable(_tableOffset, (int)(((ulong)header.RefcountTableClusters << _bits) / 8));
        _end = ((ulong)file.Length + ClusterSize - 1) & ~(ClusterSize - 1);
        foreach (ulong block in _table)
        {
            if (block >= _end || (block & (ClusterSize - 1)) != 0)
                throw new InvalidDataException($"its counts lie at 0x{block:x}, where no cluster is: repair it with qemu-img check -r all");
        }
    }

    /// <summary>Where the file ends, in whole clusters.</summary>
    public ulong End => _end;

    private ulong ClusterSize => 1UL << _bits;

    private ulong CountsInBlock => ClusterSize / 2;

    /// <summary>Takes a cluster whose content is to be written; its offset.</summary>
    public ulong Allocate()
    {
        ulong offset = _free.TryPop(out ulong free) ? free : AtEnd(1);
        SetCount(offset >> _bits, 1);
        return offset;
    }

    /// <summary>Lets go of one use of a cluster.</summary>
    public void Release(ulong offset)
    {
        ulong cluster = offset >> _bits;
        ushort count = Count(cluster);
        if (count == 0)
            return;
        SetCount(cluster, (ushort)(count - 1));
        if (count == 1)
        {
            _file.TryPunch(cluster << _bits, ClusterSize);
            _freed.Add(cluster << _bits);
        }
    }

    /// <summary>After a flush: what was freed before it may be used again.</summary>
    public void Flushed()
    {
        foreach (ulong offset in _freed)
            _free.Push(offset);
        _freed.Clear();
    }

    /// <summary>Sets all counts anew.</summary>
    /// <param name="uses">How often each cluster is used, but for those of the counts themselves.</param>
    public void Rebuild(Dictionary<ulong, int> uses)
    {
        void Use(ulong offset, ulong length)
        {
            for (ulong cluster = offset >> _bits; cluster << _bits < offset + length; cluster++)
                uses[cluster] = uses.GetValueOrDefault(cluster) + 1;
        }

        Use(_tableOffset, (ulong)_table.Length * 8);
        var zero = new byte[ClusterSize];
        foreach (ulong block in _table)
        {
            if (block == 0)
                continue;
            Use(block, ClusterSize);
            _file.Write(block, zero);
        }

        foreach ((ulong cluster, int count) in uses)
            SetCount(cluster, (ushort)Math.Min(count, ushort.MaxValue));
    }

    private ulong AtEnd(ulong clusters)
    {
        ulong offset = _end;
        _end += clusters << _bits;
        return offset;
    }

    private ushort Count(ulong cluster)
    {
        ulong index = cluster / CountsInBlock;
        if (index >= (ulong)_table.Length || _table[index] == 0)
            return 0;
        Span<byte> bytes = stackalloc byte[2];
        _file.Read(_table[index] + (2 * (cluster % CountsInBlock)), bytes);
        return BinaryPrimitives.ReadUInt16BigEndian(bytes);
    }

    private void SetCount(ulong cluster, ushort count)
    {
        ulong index = cluster / CountsInBlock;
        if (index >= (ulong)_table.Length)
            GrowTable(index + 1);
        if (_table[index] == 0)
        {
            // The block may have to count itself, or need a further block for that.
            ulong block = AtEnd(1);
            _file.Write(block, new byte[ClusterSize]);
            _table[index] = block;
            _file.WriteLong(_tableOffset + (8 * index), block);
            SetCount(block >> _bits, 1);
        }

        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, count);
        _file.Write(_table[index] + (2 * (cluster % CountsInBlock)), bytes);
    }

    private void GrowTable(ulong entries)
    {
        ulong perCluster = ClusterSize / 8;
        ulong clusters = (Math.Max(entries, 2 * (ulong)_table.Length) + perCluster - 1) / perCluster;
        ulong oldOffset = _tableOffset;
        ulong oldClusters = (ulong)_table.Length / perCluster;
        var table = new ulong[clusters * perCluster];
        _table.CopyTo(table, 0);
        ulong offset = AtEnd(clusters);
        _file.WriteTable(offset, table);
        _table = table;
        _tableOffset = offset;
        Span<byte> field = stackalloc byte[12];
        BinaryPrimitives.WriteUInt64BigEndian(field, offset);
        BinaryPrimitives.WriteUInt32BigEndian(field[8..], (uint)clusters);
        _file.Write(Qcow2Header.RefcountTableField, field);
        for (ulong i = 0; i < clusters; i++)
            SetCount((offset >> _bits) + i, 1);
        for (ulong i = 0; i < oldClusters; i++)
            SetCount((oldOffset >> _bits) + i, 0);
    }
}
