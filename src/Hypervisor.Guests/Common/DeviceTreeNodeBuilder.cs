using System.Buffers.Binary;
using System.Text;
using Hypervisor.Core;

namespace Hypervisor.Guests.Common;

/// <summary>A node under construction. Setting a property that exists replaces it.</summary>
public sealed class DeviceTreeNodeBuilder
{
    private readonly DeviceTreeBuilder _tree;
    private readonly List<(string Name, byte[] Value)> _properties = [];
    private readonly List<DeviceTreeNodeBuilder> _children = [];
    private readonly int _depth;
    private uint _phandle;

    internal DeviceTreeNodeBuilder(DeviceTreeBuilder tree, string name, int depth = 0)
    {
        _tree = tree;
        _depth = depth;
        Name = name;
    }

    /// <summary>The node's name with its unit address, such as <c>serial@10000000</c>; empty for the root.</summary>
    public string Name { get; }

    /// <summary>The number by which other nodes refer to this one; asking for it adds the <c>phandle</c> property.</summary>
    public uint Phandle
    {
        get
        {
            if (_phandle == 0)
            {
                _phandle = _tree.NextPhandle();
                SetCells("phandle", _phandle);
            }

            return _phandle;
        }
    }

    /// <summary>Adds a child node.</summary>
    /// <param name="name">Its name, unique among its siblings, with a unit address after <c>@</c> where it has one.</param>
    public DeviceTreeNodeBuilder AddNode(string name)
    {
        CheckName(name, "node", "@,._+-");
        if (_depth + 1 >= DeviceTreeFormat.MaximumDepth)
        {
            throw new HypervisorException($"Device tree node '{name}' lies more than {DeviceTreeFormat.MaximumDepth} deep: use a flatter tree.");
        }

        foreach (var child in _children)
        {
            if (child.Name == name)
            {
                throw new HypervisorException($"Device tree node '{Name}' already has a child '{name}': give each its own name or unit address.");
            }
        }

        var node = new DeviceTreeNodeBuilder(_tree, name, _depth + 1);
        _children.Add(node);
        return node;
    }

    /// <summary>Sets a property without a value, whose presence says yes.</summary>
    /// <param name="property">The property's name.</param>
    public DeviceTreeNodeBuilder SetFlag(string property) => SetBytes(property, []);

    /// <summary>Sets a property of 32-bit cells.</summary>
    /// <param name="property">The property's name.</param>
    /// <param name="cells">The cells in order.</param>
    public DeviceTreeNodeBuilder SetCells(string property, params ReadOnlySpan<uint> cells)
    {
        var value = new byte[cells.Length * 4];
        for (var i = 0; i < cells.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(value.AsSpan(i * 4), cells[i]);
        }

        return Set(property, value);
    }

    /// <summary>Sets a property of 64-bit values (two cells each), such as a <c>reg</c> of addresses and sizes.</summary>
    /// <param name="property">The property's name.</param>
    /// <param name="values">The values in order.</param>
    public DeviceTreeNodeBuilder SetLongs(string property, params ReadOnlySpan<ulong> values)
    {
        var value = new byte[values.Length * 8];
        for (var i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(value.AsSpan(i * 8), values[i]);
        }

        return Set(property, value);
    }

    /// <summary>Sets a property of one or more strings.</summary>
    /// <param name="property">The property's name.</param>
    /// <param name="strings">The strings in order.</param>
    public DeviceTreeNodeBuilder SetStrings(string property, params ReadOnlySpan<string> strings)
    {
        var value = new List<byte>();
        foreach (var text in strings)
        {
            if (text.Contains('\0', StringComparison.Ordinal))
            {
                throw new HypervisorException($"Device tree property '{property}' cannot hold a string with a zero character in it.");
            }

            value.AddRange(Encoding.UTF8.GetBytes(text));
            value.Add(0);
        }

        return Set(property, [.. value]);
    }

    /// <summary>Sets a property of plain bytes.</summary>
    /// <param name="property">The property's name.</param>
    /// <param name="bytes">Its value; copied.</param>
    public DeviceTreeNodeBuilder SetBytes(string property, ReadOnlySpan<byte> bytes) => Set(property, bytes.ToArray());

    /// <summary>Sets a property that refers to other nodes by their phandles.</summary>
    /// <param name="property">The property's name.</param>
    /// <param name="nodes">The nodes in order; of this tree.</param>
    public DeviceTreeNodeBuilder SetReferences(string property, params ReadOnlySpan<DeviceTreeNodeBuilder> nodes)
    {
        var cells = new uint[nodes.Length];
        for (var i = 0; i < nodes.Length; i++)
        {
            if (nodes[i]._tree != _tree)
            {
                throw new HypervisorException($"Device tree property '{property}' refers to node '{nodes[i].Name}' of another tree.");
            }

            cells[i] = nodes[i].Phandle;
        }

        return SetCells(property, cells);
    }

    /// <summary>The depth of a tree is bounded by <see cref="AddNode"/>, so recursion is.</summary>
    internal void Write(List<byte> structure, DeviceTreeBuilder.StringTable strings)
    {
        DeviceTreeBuilder.Put(structure, DeviceTreeFormat.BeginNode);
        structure.AddRange(Encoding.ASCII.GetBytes(Name));
        structure.Add(0);
        DeviceTreeBuilder.Pad(structure);
        foreach (var (name, value) in _properties)
        {
            DeviceTreeBuilder.Put(structure, DeviceTreeFormat.Property);
            DeviceTreeBuilder.Put(structure, (uint)value.Length);
            DeviceTreeBuilder.Put(structure, strings.Add(name));
            structure.AddRange(value);
            DeviceTreeBuilder.Pad(structure);
        }

        foreach (var child in _children)
        {
            child.Write(structure, strings);
        }

        DeviceTreeBuilder.Put(structure, DeviceTreeFormat.EndNode);
    }

    private DeviceTreeNodeBuilder Set(string property, byte[] value)
    {
        CheckName(property, "property", "#?,._+-");
        for (var i = 0; i < _properties.Count; i++)
        {
            if (_properties[i].Name == property)
            {
                _properties[i] = (property, value);
                return this;
            }
        }

        _properties.Add((property, value));
        return this;
    }

    private static void CheckName(string name, string what, string punctuation)
    {
        var valid = name.Length is > 0 and <= DeviceTreeFormat.MaximumNameLength;
        foreach (var c in name)
        {
            valid &= char.IsAsciiLetterOrDigit(c) || punctuation.Contains(c, StringComparison.Ordinal);
        }

        if (!valid)
        {
            throw new HypervisorException($"'{name}' is no device tree {what} name: use letters, digits and any of {punctuation}.");
        }
    }
}
