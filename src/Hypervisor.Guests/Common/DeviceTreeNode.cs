using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Hypervisor.Guests.Common;

/// <summary>A node of a <see cref="DeviceTree"/>.</summary>
public sealed class DeviceTreeNode
{
    private readonly List<DeviceTreeProperty> _properties = [];
    private readonly List<DeviceTreeNode> _children = [];

    internal DeviceTreeNode(string name) => Name = name;

    /// <summary>The node's name with its unit address; empty for the root.</summary>
    public string Name { get; }

    /// <summary>The properties in their order.</summary>
    public IReadOnlyList<DeviceTreeProperty> Properties => _properties;

    /// <summary>The children in their order.</summary>
    public IReadOnlyList<DeviceTreeNode> Children => _children;

    /// <summary>Looks up a property by its name.</summary>
    /// <param name="name">The exact name.</param>
    /// <param name="property">The property.</param>
    public bool TryGetProperty(string name, [NotNullWhen(true)] out DeviceTreeProperty? property)
    {
        property = _properties.Find(candidate => candidate.Name == name);
        return property is not null;
    }

    internal void Add(DeviceTreeProperty property) => _properties.Add(property);

    internal void Add(DeviceTreeNode child) => _children.Add(child);

    internal DeviceTreeNode? FindChild(string name)
    {
        var exact = _children.Find(child => child.Name == name);
        if (exact is not null || name.Contains('@', StringComparison.Ordinal))
        {
            return exact;
        }

        var matches = _children.FindAll(child => child.Name.StartsWith(name + "@", StringComparison.Ordinal));
        return matches.Count == 1 ? matches[0] : null;
    }
}

/// <summary>A property of a <see cref="DeviceTreeNode"/>. Its type is a convention between writer and reader, so reading can fail.</summary>
/// <param name="Name">The property's name.</param>
/// <param name="Value">Its bytes.</param>
public sealed record DeviceTreeProperty(string Name, ReadOnlyMemory<byte> Value)
{
    /// <summary>Reads the value as one 32-bit cell.</summary>
    /// <param name="value">The number.</param>
    /// <returns>False when the value is not four bytes long.</returns>
    public bool TryGetUInt32(out uint value)
    {
        value = Value.Length == 4 ? BinaryPrimitives.ReadUInt32BigEndian(Value.Span) : 0;
        return Value.Length == 4;
    }

    /// <summary>Reads the value as one 64-bit number (two cells).</summary>
    /// <param name="value">The number.</param>
    /// <returns>False when the value is not eight bytes long.</returns>
    public bool TryGetUInt64(out ulong value)
    {
        value = Value.Length == 8 ? BinaryPrimitives.ReadUInt64BigEndian(Value.Span) : 0;
        return Value.Length == 8;
    }

    /// <summary>Reads the value as 32-bit cells.</summary>
    /// <param name="cells">The cells in order.</param>
    /// <returns>False when the value is not a whole number of cells.</returns>
    public bool TryGetCells([NotNullWhen(true)] out uint[]? cells)
    {
        cells = null;
        if (Value.Length % 4 != 0)
        {
            return false;
        }

        cells = new uint[Value.Length / 4];
        for (var i = 0; i < cells.Length; i++)
        {
            cells[i] = BinaryPrimitives.ReadUInt32BigEndian(Value.Span[(i * 4)..]);
        }

        return true;
    }

    /// <summary>Reads the value as one or more zero-terminated strings.</summary>
    /// <param name="strings">The strings in order.</param>
    /// <returns>False when the value is empty or its last string is not terminated.</returns>
    public bool TryGetStrings([NotNullWhen(true)] out string[]? strings)
    {
        strings = Value.Length > 0 && Value.Span[^1] == 0
            ? Encoding.UTF8.GetString(Value.Span[..^1]).Split('\0')
            : null;
        return strings is not null;
    }
}
