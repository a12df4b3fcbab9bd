namespace Hypervisor.Core.Memory;

/// <summary>Device space: what answers at guest-physical addresses that are not RAM.</summary>
internal interface IPhysicalBus
{
    /// <summary>Reads 1, 2, 4 or 8 bytes; false where nothing answers (an access fault).</summary>
    bool TryRead(ulong address, int size, out ulong value);

    /// <summary>Writes 1, 2, 4 or 8 bytes; false where nothing answers (an access fault).</summary>
    bool TryWrite(ulong address, int size, ulong value);
}
