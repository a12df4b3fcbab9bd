using System.Buffers.Binary;
using System.Text;
using Hypervisor.Core;

namespace Hypervisor.Guests.Common;

/// <summary>
/// Describes a machine to its guest: collects nodes and properties and writes them as a flattened device tree, version 17
/// (Devicetree Specification 0.4, chapter 5). The same calls give the same bytes.
/// </summary>
public sealed class DeviceTreeBuilder
{
    private readonly List<(ulong Address, ulong Size)> _reservations = [];
    private uint _lastPhandle;

    /// <summary>Creates a tree that holds only its root.</summary>
    public DeviceTreeBuilder() => Root = new DeviceTreeNodeBuilder(this, "");

    /// <summary>The root node.</summary>
    public DeviceTreeNodeBuilder Root { get; }

    /// <summary>The hart that boots the guest.</summary>
    public uint BootHart { get; set; }

    /// <summary>Keeps the guest's kernel from using a part of memory.</summary>
    /// <param name="address">Its guest-physical address.</param>
    /// <param name="size">Its size in bytes; not zero, which would end the list early.</param>
    public void ReserveMemory(ulong address, ulong size)
    {
        if (size == 0 || address > ulong.MaxValue - size)
        {
            throw new HypervisorException($"A device tree cannot reserve {size} bytes at {address:x}: give a size above zero within the address space.");
        }

        _reservations.Add((address, size));
    }

    /// <summary>Writes the tree.</summary>
    /// <exception cref="HypervisorException">It is larger than a kernel accepts.</exception>
    public byte[] Build()
    {
        var structure = new List<byte>(4096);
        var strings = new StringTable();
        Root.Write(structure, strings);
        Put(structure, DeviceTreeFormat.End);
        var structureOffset = DeviceTreeFormat.HeaderSize + ((_reservations.Count + 1) * DeviceTreeFormat.ReservationSize);
        var stringsOffset = structureOffset + structure.Count;
        var size = DeviceTreeFormat.Align4(stringsOffset + strings.Bytes.Count);
        if (size > DeviceTreeFormat.MaximumSize)
        {
            throw new HypervisorException($"The device tree takes {size} bytes, but kernels accept at most {DeviceTreeFormat.MaximumSize}: describe fewer devices.");
        }

        var blob = new byte[size];
        ReadOnlySpan<uint> header =
        [
            DeviceTreeFormat.Magic, (uint)size, (uint)structureOffset, (uint)stringsOffset, DeviceTreeFormat.HeaderSize,
            DeviceTreeFormat.Version, DeviceTreeFormat.LastCompatibleVersion, BootHart,
            (uint)strings.Bytes.Count, (uint)structure.Count,
        ];
        for (var i = 0; i < header.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(blob.AsSpan(i * 4), header[i]);
        }

        for (var i = 0; i < _reservations.Count; i++)
        {
            var entry = blob.AsSpan(DeviceTreeFormat.HeaderSize + (i * DeviceTreeFormat.ReservationSize));
            BinaryPrimitives.WriteUInt64BigEndian(entry, _reservations[i].Address);
            BinaryPrimitives.WriteUInt64BigEndian(entry[8..], _reservations[i].Size);
        }

        structure.CopyTo(blob, structureOffset);
        strings.Bytes.CopyTo(blob, stringsOffset);
        return blob;
    }

    internal uint NextPhandle() => ++_lastPhandle;

    internal static void Put(List<byte> target, uint value)
    {
        target.Add((byte)(value >> 24));
        target.Add((byte)(value >> 16));
        target.Add((byte)(value >> 8));
        target.Add((byte)value);
    }

    internal static void Pad(List<byte> target)
    {
        while ((target.Count & 3) != 0)
        {
            target.Add(0);
        }
    }

    /// <summary>Property names, each once.</summary>
    internal sealed class StringTable
    {
        private readonly Dictionary<string, uint> _offsets = [];

        public List<byte> Bytes { get; } = [];

        public uint Add(string text)
        {
            if (!_offsets.TryGetValue(text, out var offset))
            {
                offset = (uint)Bytes.Count;
                _offsets.Add(text, offset);
                Bytes.AddRange(Encoding.ASCII.GetBytes(text));
                Bytes.Add(0);
            }

            return offset;
        }
    }
}
