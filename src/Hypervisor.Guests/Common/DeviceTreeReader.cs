using System.Buffers.Binary;
using System.Text;
using Hypervisor.Core;

namespace Hypervisor.Guests.Common;

/// <summary>
/// Reads one flattened tree. Nothing recurses, every offset is checked, names are bounded and each token moves on, so
/// time and memory stay in proportion to the blob's size, which is bounded too.
/// </summary>
internal ref struct DeviceTreeReader(ReadOnlyMemory<byte> blob, string name)
{
    private ReadOnlyMemory<byte> _structure;
    private ReadOnlyMemory<byte> _strings;
    private int _position;

    public DeviceTree Read()
    {
        var bytes = blob.Span;
        if (bytes.Length < DeviceTreeFormat.HeaderSize)
        {
            throw Bad($"it is truncated: the header takes {DeviceTreeFormat.HeaderSize} bytes, there are {bytes.Length}");
        }

        if (Header(0) != DeviceTreeFormat.Magic)
        {
            throw Bad("it does not begin with the device tree magic number; compile a source tree with dtc first");
        }

        var size = Header(1);
        if (size > (uint)bytes.Length || size < DeviceTreeFormat.HeaderSize)
        {
            throw Bad($"its header tells a size of {size} bytes, there are {bytes.Length}; it is truncated or damaged");
        }

        if (size > DeviceTreeFormat.MaximumSize)
        {
            throw Bad($"it has {size} bytes; kernels accept at most {DeviceTreeFormat.MaximumSize}");
        }

        if (Header(5) < DeviceTreeFormat.LastCompatibleVersion || Header(6) > DeviceTreeFormat.Version)
        {
            throw Bad($"its version {Header(5)} (compatible with {Header(6)}) is not supported; use version 17");
        }

        // Version 16 does not tell the structure's size: it may reach to the end, and its own end token bounds it.
        blob = blob[..(int)size];
        var structureSize = Header(5) >= DeviceTreeFormat.Version ? Header(9) : Math.Max(size, Header(2)) - Header(2);
        _structure = Part(Header(2), structureSize, "the structure block");
        _strings = Part(Header(3), Header(8), "the strings block");
        var reservations = Reservations(Header(4));
        return new DeviceTree(Structure(), reservations, Header(7));
    }

    private readonly uint Header(int index) => BinaryPrimitives.ReadUInt32BigEndian(blob.Span[(index * 4)..]);

    private readonly ReadOnlyMemory<byte> Part(uint offset, uint size, string what)
    {
        if (offset > (uint)blob.Length || size > (uint)blob.Length - offset)
        {
            throw Bad($"{what} ({size} bytes at {offset}) reaches past its end ({blob.Length} bytes); it is truncated or damaged");
        }

        return blob.Slice((int)offset, (int)size);
    }

    private readonly List<(ulong Address, ulong Size)> Reservations(uint offset)
    {
        var entries = new List<(ulong, ulong)>();
        for (; ; offset += DeviceTreeFormat.ReservationSize)
        {
            var entry = Part(offset, DeviceTreeFormat.ReservationSize, "the list of memory reservations").Span;
            var address = BinaryPrimitives.ReadUInt64BigEndian(entry);
            var size = BinaryPrimitives.ReadUInt64BigEndian(entry[8..]);
            if (address == 0 && size == 0)
            {
                return entries;
            }

            entries.Add((address, size));
        }
    }

    private DeviceTreeNode Structure()
    {
        DeviceTreeNode? root = null;
        var open = new Stack<DeviceTreeNode>();
        while (true)
        {
            var token = Cell();
            switch (token)
            {
                case DeviceTreeFormat.Nop:
                    break;
                case DeviceTreeFormat.BeginNode:
                    BeginNode(open, ref root);
                    break;
                case DeviceTreeFormat.EndNode:
                    if (!open.TryPop(out _))
                    {
                        throw Bad($"a node ends at {_position} that never began; it is damaged");
                    }

                    break;
                case DeviceTreeFormat.Property:
                    if (!open.TryPeek(out var node))
                    {
                        throw Bad($"a property at {_position} lies outside every node; it is damaged");
                    }

                    node.Add(Property());
                    break;
                case DeviceTreeFormat.End:
                    return root is not null && open.Count == 0
                        ? root
                        : throw Bad("its structure ends inside a node or without one; it is damaged");
                default:
                    throw Bad($"token {token} at {_position - 4} of the structure is unknown; it is damaged");
            }
        }
    }

    private void BeginNode(Stack<DeviceTreeNode> open, ref DeviceTreeNode? root)
    {
        if (open.Count >= DeviceTreeFormat.MaximumDepth)
        {
            throw Bad($"its nodes are nested more than {DeviceTreeFormat.MaximumDepth} deep");
        }

        var text = Text(_structure.Span[_position..], "a node's name");
        _position = DeviceTreeFormat.Align4(_position + text.Length + 1);
        var node = new DeviceTreeNode(text);
        if (open.TryPeek(out var parent))
        {
            parent.Add(node);
        }
        else if (root is null)
        {
            root = node;
        }
        else
        {
            throw Bad("it has two roots; it is damaged");
        }

        open.Push(node);
    }

    private DeviceTreeProperty Property()
    {
        var length = Cell();
        var nameOffset = Cell();
        if (length > (uint)(_structure.Length - _position))
        {
            throw Bad($"a property of {length} bytes at {_position} reaches past the structure's end; it is truncated or damaged");
        }

        if (nameOffset >= (uint)_strings.Length)
        {
            throw Bad($"a property at {_position} takes its name from {nameOffset}, past the strings' end; it is damaged");
        }

        var property = new DeviceTreeProperty(
            Text(_strings.Span[(int)nameOffset..], "a property's name"), _structure.Slice(_position, (int)length));
        _position = DeviceTreeFormat.Align4(_position + (int)length);
        return property;
    }

    private uint Cell()
    {
        if (_position > _structure.Length - 4)
        {
            throw Bad("its structure has no end; it is truncated or damaged");
        }

        var cell = BinaryPrimitives.ReadUInt32BigEndian(_structure.Span[_position..]);
        _position += 4;
        return cell;
    }

    private readonly string Text(ReadOnlySpan<byte> bytes, string what)
    {
        var length = bytes[..Math.Min(bytes.Length, DeviceTreeFormat.MaximumNameLength + 1)].IndexOf((byte)0);
        if (length < 0)
        {
            throw Bad($"{what} is longer than {DeviceTreeFormat.MaximumNameLength} bytes or has no end; it is damaged");
        }

        // Latin-1 keeps one character a byte, so the length of the text is the length in the file whatever its bytes.
        return Encoding.Latin1.GetString(bytes[..length]);
    }

    private readonly HypervisorException Bad(string reason) => new($"Cannot read the device tree '{name}': {reason}.");
}
