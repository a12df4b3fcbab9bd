using Hypervisor.Core.Hart;

namespace Hypervisor.Core.Memory;

/// <summary>Page tables in a machine's RAM at their guest-physical addresses, under physical memory protection.</summary>
/// <remarks>Invariant for the unsafe code: a host address is formed only from <see cref="GuestMemory.HostPage"/>, which checks bounds.</remarks>
internal readonly unsafe struct RamPageTables(GuestMemory memory, PrivilegedState* protection) : IPageTableMemory
{
    public TranslationStatus TryRead(ulong address, out ulong entry)
    {
        entry = 0;
        byte* page = memory.HostPage(address);
        if (page == null || !Allows(address, AccessKind.Load))
            return TranslationStatus.AccessFault;
        entry = Volatile.Read(ref *(ulong*)(page + (address & 0xFF8)));
        return TranslationStatus.Ok;
    }

    public TranslationStatus TryReplace(ulong address, ulong expected, ulong entry, out bool swapped)
    {
        swapped = false;
        byte* page = memory.HostPage(address);
        if (page == null || !Allows(address, AccessKind.Store))
            return TranslationStatus.AccessFault;
        swapped = PageTableWrites.Replace(memory, page, address, expected, entry);
        return TranslationStatus.Ok;
    }

    private bool Allows(ulong address, AccessKind kind)
        => protection == null || Pmp.Allows(in *protection, address, kind, PrivilegeMode.Supervisor);
}

/// <summary>The hart's own writes to page tables.</summary>
internal static unsafe class PageTableWrites
{
    /// <summary>Replaces an entry if it is still as expected, and drops code that was decoded from its bytes.</summary>
    public static bool Replace(GuestMemory memory, byte* page, ulong address, ulong expected, ulong entry)
    {
        ref ulong slot = ref *(ulong*)(page + (address & 0xFF8));
        if (Interlocked.CompareExchange(ref slot, entry, expected) != expected)
            return false;
        int index = memory.PageIndex(address);
        if ((memory.PageFlags[index] & (byte)PageFlag.Code) != 0)
            memory.Code.Store(index, (int)(address & 0xFF8), sizeof(ulong));
        return true;
    }
}
