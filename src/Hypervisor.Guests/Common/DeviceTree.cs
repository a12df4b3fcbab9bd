using Hypervisor.Core;

namespace Hypervisor.Guests.Common;

/// <summary>A device tree read from its flattened form. Values are windows into the given bytes, so those must not change.</summary>
public sealed class DeviceTree
{
    internal DeviceTree(DeviceTreeNode root, IReadOnlyList<(ulong Address, ulong Size)> reservations, uint bootHart)
    {
        Root = root;
        MemoryReservations = reservations;
        BootHart = bootHart;
    }

    /// <summary>The root node.</summary>
    public DeviceTreeNode Root { get; }

    /// <summary>Parts of memory the guest's kernel must not use.</summary>
    public IReadOnlyList<(ulong Address, ulong Size)> MemoryReservations { get; }

    /// <summary>The hart that boots the guest.</summary>
    public uint BootHart { get; }

    /// <summary>Reads a flattened device tree of version 16 or 17.</summary>
    /// <param name="blob">The bytes; what follows the size its header tells is ignored.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <exception cref="HypervisorException">It is not a well-formed device tree; the message says why.</exception>
    public static DeviceTree Parse(ReadOnlyMemory<byte> blob, string name) => new DeviceTreeReader(blob, name).Read();

    /// <summary>Finds a node by its path, such as <c>/soc/serial@10000000</c>; null when there is none.</summary>
    /// <param name="path">The path; unit addresses may be left out where the name alone is unique.</param>
    public DeviceTreeNode? Find(string path)
    {
        var node = Root;
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            var next = node.FindChild(part);
            if (next is null)
            {
                return null;
            }

            node = next;
        }

        return node;
    }
}
