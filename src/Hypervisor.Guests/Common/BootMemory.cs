using Hypervisor.Core;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Common;

/// <summary>A guest's RAM while it is loaded: keeps who has which part of it, so that nothing is put over anything else.</summary>
internal sealed class BootMemory(GuestMemory memory)
{
    private const ulong PageMask = GuestMemory.PageSize - 1;

    private readonly List<(ulong Start, ulong End, string Name)> _taken = [];

    /// <summary>The first address of RAM.</summary>
    public ulong Start => memory.Region.Base;

    /// <summary>The address after the last of RAM.</summary>
    public ulong End => memory.Region.Base + memory.Region.Size;

    /// <summary>Puts bytes somewhere and keeps the room they take.</summary>
    /// <param name="address">Where.</param>
    /// <param name="bytes">What.</param>
    /// <param name="length">Bytes taken, at least those given; the rest stays zero.</param>
    /// <param name="name">Whose they are, for messages.</param>
    /// <exception cref="HypervisorException">They do not fit into RAM, or something else is there.</exception>
    public void Put(ulong address, ReadOnlySpan<byte> bytes, ulong length, string name)
    {
        length = Math.Max(length, (ulong)bytes.Length);
        if (!memory.Contains(address, length))
        {
            throw new HypervisorException(
                $"'{name}' needs 0x{length:x} bytes at 0x{address:x}, but the guest's RAM is 0x{memory.Region.Size:x} bytes at 0x{memory.Region.Base:x}; "
                + "give it more memory, or link the image for this address.");
        }

        foreach ((ulong start, ulong end, string other) in _taken)
        {
            if (address < end && start < address + length)
            {
                throw new HypervisorException(
                    $"'{name}' at 0x{address:x} to 0x{address + length:x} would lie over '{other}' at 0x{start:x} to 0x{end:x}; "
                    + "give the guest more memory, or link one of them for another address.");
            }
        }

        if (length > 0)
            _taken.Add((address, address + length, name));
        memory.TryWrite(address, bytes);
    }

    /// <summary>The highest page-aligned address below another at which so many bytes have room.</summary>
    /// <exception cref="HypervisorException">RAM is too small for them.</exception>
    public ulong Below(ulong top, ulong length, string name)
        => length <= top - Start
            ? (top - length) & ~PageMask
            : throw new HypervisorException($"The {name} of {length} bytes does not fit into the guest's RAM; give it more memory.");
}
