namespace Hypervisor.Guests.Para;

/// <summary>The bits of an Sv39 page-table entry (privileged specification, section 12.4).</summary>
internal static class Sv39
{
    public const ulong Valid = 1;
    public const ulong Read = 1 << 1;
    public const ulong Write = 1 << 2;
    public const ulong Execute = 1 << 3;
    public const ulong LeafBits = Read | Write | Execute;

    /// <summary>Bits 9:1: everything but V below the page number.</summary>
    public const ulong FlagsButValid = 0x3FE;

    /// <summary>Bits 63:54: reserved, and those of extensions that are not offered (Svpbmt, Svnapot).</summary>
    public const ulong ReservedBits = 0xFFC0_0000_0000_0000;

    /// <summary>The mode field of satp.</summary>
    public const ulong SatpMode = 8UL << 60;

    public const int SatpAsidShift = 44;

    /// <summary>The guest-physical address in an entry's page-number field.</summary>
    public static ulong Address(ulong entry) => ((entry >> 10) & 0xFFF_FFFF_FFFF) << 12;

    /// <summary>Whether an entry points to a table of the level below.</summary>
    public static bool IsPointer(ulong entry) => (entry & (Valid | LeafBits)) == Valid;

    /// <summary>Bytes that a leaf maps at a level, 0 the lowest.</summary>
    public static ulong LeafSize(int level) => 4096UL << (9 * level);
}
