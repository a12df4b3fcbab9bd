using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common;

namespace Hypervisor.Guests.Para;

/// <summary>The virtio-mmio registers of the board's slots that event channels touch, reached over its bus.</summary>
internal static class VirtioSlots
{
    private const ulong DeviceId = 0x08;
    private const ulong QueueNotify = 0x50;

    /// <summary>Whether a device sits in a slot.</summary>
    public static bool HasDevice(IPhysicalBus bus, int slot)
        => bus.TryRead(Register(slot, DeviceId), 4, out ulong id) && id != 0;

    /// <summary>Rings a device's doorbell for a queue.</summary>
    public static void Notify(IPhysicalBus bus, int slot, ulong queue)
        => bus.TryWrite(Register(slot, QueueNotify), 4, queue);

    private static ulong Register(int slot, ulong offset) => Board.FirstSlotAddress + ((ulong)slot * Board.SlotStride) + offset;
}
