using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Common;

/// <summary>Looks into a guest's address space from outside.</summary>
internal static class GuestWalk
{
    /// <summary>
    /// Walks the guest's tables as its current mode would (privileged specification, section 12.3.2), but asks no
    /// permissions and marks nothing as accessed: who looks from outside leaves no trace.
    /// </summary>
    public static bool TryTranslate(GuestMemory memory, in PrivilegedState p, ulong address, out ulong physical)
    {
        const ulong valid = 1;
        const ulong leaf = 0xE;
        const ulong frames = (1UL << 44) - 1;
        physical = address;
        int levels = (int)(p.Satp >> 60) switch { 8 => 3, 9 => 4, 10 => 5, _ => 0 };
        if (p.Mode == PrivilegeMode.Machine || levels == 0)
            return true;
        int unused = 64 - (12 + (9 * levels));
        if ((ulong)((long)(address << unused) >> unused) != address)
            return false;
        ulong table = (p.Satp & frames) << 12;
        for (int level = levels - 1; level >= 0; level--)
        {
            int shift = 12 + (9 * level);
            if (!memory.TryRead(table + ((address >> shift & 0x1FF) * sizeof(ulong)), out ulong entry) || (entry & valid) == 0)
                return false;
            ulong frame = entry >> 10 & frames;
            if ((entry & leaf) != 0)
            {
                // A 64 KiB page (Svnapot) keeps its size where the low bits of its frame number would be.
                int bits = entry >> 63 != 0 && level == 0 ? 16 : shift;
                physical = (frame << 12 >> bits << bits) | (address & ((1UL << bits) - 1));
                return true;
            }

            table = frame << 12;
        }

        return false;
    }
}
