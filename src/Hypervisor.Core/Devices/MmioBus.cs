using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Devices;

/// <summary>
/// The device space of one machine: sorted, disjoint ranges. An access that is misaligned, hits nothing or reaches out of its
/// device is not answered, and the hart takes an access fault.
/// </summary>
internal sealed class MmioBus : IPhysicalBus
{
    private ulong[] _bases = [];
    private Mapping[] _mappings = [];

    /// <summary>The mapped devices in address order.</summary>
    public IReadOnlyList<Mapping> Mappings => _mappings;

    /// <summary>Maps a device. Only before the machine runs.</summary>
    /// <param name="address">Where its first register lies; a multiple of 8.</param>
    /// <param name="device">The device.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <exception cref="HypervisorException">The range is empty, misaligned, wraps, or overlaps that of another device.</exception>
    public void Add(ulong address, IMmioDevice device, string name)
    {
        ulong size = device.Size;
        if (size == 0 || (address & 7) != 0 || address > ulong.MaxValue - size)
        {
            throw new HypervisorException(
                $"Device '{name}' cannot be mapped at 0x{address:x} with 0x{size:x} bytes: choose an address that is a multiple of 8 and lets it fit.");
        }

        int place = Array.BinarySearch(_bases, address);
        place = place < 0 ? ~place : place;
        CheckFree(place - 1, address, size, name);
        CheckFree(place, address, size, name);
        _bases = [.. _bases[..place], address, .. _bases[place..]];
        _mappings = [.. _mappings[..place], new Mapping(address, size, device, name), .. _mappings[place..]];
    }

    /// <inheritdoc/>
    public bool TryRead(ulong address, int size, out ulong value)
    {
        if (!TryFind(address, size, out Mapping mapping))
        {
            value = 0;
            return false;
        }

        value = mapping.Device.Read(address - mapping.Address, size);
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong address, int size, ulong value)
    {
        if (!TryFind(address, size, out Mapping mapping))
            return false;
        if (size < 8)
            value &= (1UL << (size * 8)) - 1;
        mapping.Device.Write(address - mapping.Address, size, value);
        return true;
    }

    private bool TryFind(ulong address, int size, out Mapping mapping)
    {
        mapping = default;
        if (size is not (1 or 2 or 4 or 8) || (address & (ulong)(size - 1)) != 0)
            return false;
        int place = Array.BinarySearch(_bases, address);
        place = place < 0 ? ~place - 1 : place;
        if (place < 0)
            return false;
        mapping = _mappings[place];
        ulong offset = address - mapping.Address;
        return offset < mapping.Size && (ulong)size <= mapping.Size - offset;
    }

    private void CheckFree(int place, ulong address, ulong size, string name)
    {
        if ((uint)place >= (uint)_mappings.Length)
            return;
        Mapping other = _mappings[place];
        if (address < other.Address + other.Size && other.Address < address + size)
        {
            throw new HypervisorException(
                $"Device '{name}' at 0x{address:x} (0x{size:x} bytes) overlaps '{other.Name}' at 0x{other.Address:x} (0x{other.Size:x} bytes): move one of them.");
        }
    }

    /// <summary>One mapped device.</summary>
    internal readonly record struct Mapping(ulong Address, ulong Size, IMmioDevice Device, string Name);
}
