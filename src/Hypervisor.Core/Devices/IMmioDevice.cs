using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices;

/// <summary>
/// A device with memory-mapped registers. It sees offsets only, never where it is mapped. The bus hands it naturally aligned
/// accesses of 1, 2, 4 or 8 bytes inside its size; any offset, size and value must be survived: registers that do not exist
/// read as zero and ignore writes. All members may be called from any thread; each device guards itself.
/// </summary>
internal interface IMmioDevice
{
    /// <summary>Bytes of address space it takes.</summary>
    ulong Size { get; }

    /// <summary>Reads a register.</summary>
    ulong Read(ulong offset, int size);

    /// <summary>Writes a register; bits of <paramref name="value"/> above the size are zero.</summary>
    void Write(ulong offset, int size, ulong value);

    /// <summary>Saves everything a guest could notice.</summary>
    void Save(StateWriter writer);

    /// <summary>Replaces its state by a saved one of the same configuration, and drives its interrupt lines accordingly.</summary>
    /// <exception cref="HypervisorException">The saved state is damaged or of another configuration.</exception>
    void Load(StateReader reader);
}
