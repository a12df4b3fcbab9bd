namespace Hypervisor.Core.Devices.Images;

/// <summary>Changes of an image. Counts are raised before a cluster is named and lowered after it is not.</summary>
internal sealed partial class Qcow2Image
{
    private void WritePart(ulong place, ReadOnlySpan<byte> source)
    {
        Mark();
        ulong[] table = WritableTable(place, out ulong tableOffset);
        ref ulong entry = ref table[L2Index(place)];
        ulong within = place & (ClusterSize - 1);
        if ((entry & (Compressed | Zero | Copied)) == Copied)
        {
            _file.Write(DataOffset(entry) + within, source);
            return;
        }

        // The whole cluster anew, around what is written.
        ReadOnlySpan<byte> content = source;
        if ((ulong)source.Length < ClusterSize)
        {
            ReadPart(place - within, _cluster);
            source.CopyTo(_cluster.AsSpan((int)within));
            content = _cluster;
        }

        ulong old = entry;
        ulong cluster = _clusters!.Allocate();
        _file.Write(cluster, content);
        Set(tableOffset, ref entry, place, cluster | Copied);
        Release(old);
    }

    /// <summary>Makes a range zero, or gives it up; whole clusters by a note in the tables.</summary>
    private bool TryClear(ulong offset, ulong length, bool discards)
    {
        if (IsReadOnly)
            return false;
        try
        {
            for (ulong end = offset + length; offset < end;)
            {
                ulong part = Math.Min(ClusterSize - (offset & (ClusterSize - 1)), end - offset);

                // The disk may end within its last cluster.
                bool isWhole = (offset & (ClusterSize - 1)) == 0 && (part == ClusterSize || offset + part == (ulong)Length);
                if (isWhole && (_header.Version >= 3 || _backing is null))
                    ClearCluster(offset);
                else if (!discards)
                    WritePart(offset, new byte[part]);
                offset += part;
            }

            return true;
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            return Failed(error);
        }
    }

    private void ClearCluster(ulong place)
    {
        ulong cleared = _backing is null ? 0 : Zero;
        if (Entry(place) == cleared)
            return;
        Mark();
        ulong[] table = WritableTable(place, out ulong tableOffset);
        ref ulong entry = ref table[L2Index(place)];
        ulong old = entry;
        Set(tableOffset, ref entry, place, cleared);
        Release(old);
    }

    private void Set(ulong tableOffset, ref ulong entry, ulong place, ulong value)
    {
        _file.WriteLong(tableOffset + (8 * (ulong)L2Index(place)), value);
        entry = value;
        _inflatedEntry = 0;
    }

    /// <summary>The table for a place, this image's own: made, or copied where a snapshot has it too.</summary>
    private ulong[] WritableTable(ulong place, out ulong offset)
    {
        ref ulong first = ref _l1[L1Index(place)];
        offset = first & OffsetMask;
        if ((first & Copied) != 0)
            return Table(offset);
        ulong old = offset;
        ulong[] table = old == 0 ? new ulong[ClusterSize / 8] : (ulong[])Table(old).Clone();

        // What a snapshot uses as well must be copied before it is written.
        for (int i = 0; i < table.Length; i++)
            table[i] &= ~Copied;
        offset = _clusters!.Allocate();
        _file.WriteTable(offset, table);

        // A table must never be named before it is there, whatever becomes of the host.
        _file.Flush();
        first = offset | Copied;
        _file.WriteLong(_header.L1Offset + (8 * (ulong)L1Index(place)), first);
        _l2[offset] = table;
        if (old != 0)
            _clusters.Release(old);
        return table;
    }

    private void Release(ulong entry)
    {
        if ((entry & Compressed) != 0)
        {
            (ulong offset, int length) = CompressedAt(entry);
            for (ulong cluster = offset & ~(ClusterSize - 1); cluster < offset + (ulong)length; cluster += ClusterSize)
                _clusters!.Release(cluster);
        }
        else if ((entry & OffsetMask) != 0)
        {
            _clusters!.Release(DataOffset(entry));
        }
    }

    /// <summary>Before the first change: says in the image that its counts are not to be trusted until it is closed.</summary>
    private void Mark()
    {
        if (_isMarked)
            return;
        _isMarked = true;
        if (_header.Version < 3)
            return;
        _file.WriteLong(Qcow2Header.IncompatibleField, _header.Incompatible | Qcow2Header.Dirty);
        _file.Flush();
    }

    /// <summary>Counts anew what an image uses that was not closed.</summary>
    private void Repair()
    {
        if (_header.Snapshots > 0)
            throw new HypervisorException($"The disk image '{_name}' was not closed, and has snapshots: repair it with qemu-img check -r leaks.");
        var uses = new Dictionary<ulong, int>();
        void Use(ulong offset, ulong length)
        {
            for (ulong cluster = offset >> _header.ClusterBits; cluster << _header.ClusterBits < offset + length; cluster++)
                uses[cluster] = uses.GetValueOrDefault(cluster) + 1;
        }

        Use(0, ClusterSize);
        Use(_header.L1Offset, (ulong)_l1.Length * 8);
        foreach (ulong first in _l1)
        {
            if ((first & OffsetMask) == 0)
                continue;
            Use(first & OffsetMask, ClusterSize);
            foreach (ulong entry in _file.ReadTable(first & OffsetMask, (int)(ClusterSize / 8)))
            {
                if ((entry & Compressed) != 0)
                {
                    (ulong offset, int length) = CompressedAt(entry);
                    Use(offset, (ulong)length);
                }
                else if ((entry & OffsetMask) != 0)
                {
                    Use(DataOffset(entry), ClusterSize);
                }
            }
        }

        _clusters!.Rebuild(uses);
        _isMarked = true;
    }
}
