namespace Hypervisor.Guests.Common;

/// <summary>What a loadable segment may be used for (<c>p_flags</c>).</summary>
[Flags]
public enum ElfAccess : uint
{
    /// <summary>No access.</summary>
    None = 0,

    /// <summary>Instructions may be fetched.</summary>
    Execute = 1,

    /// <summary>Bytes may be written.</summary>
    Write = 2,

    /// <summary>Bytes may be read.</summary>
    Read = 4,
}

/// <summary>The floating-point calling convention an image was built for (<c>e_flags</c> bits 1–2).</summary>
public enum ElfFloatAbi
{
    /// <summary>No floating-point registers carry arguments.</summary>
    Soft = 0,

    /// <summary>Single-precision arguments travel in floating-point registers.</summary>
    Single = 1,

    /// <summary>Double-precision arguments travel in floating-point registers.</summary>
    Double = 2,
}

/// <summary>One loadable segment: <see cref="Data"/> goes to the start, zeros fill the rest of <see cref="MemorySize"/>.</summary>
/// <param name="VirtualAddress">Where the program expects it; to be shifted by the load bias when position-independent.</param>
/// <param name="PhysicalAddress">Where a machine's loader puts it (the address a bare machine sees).</param>
/// <param name="MemorySize">Bytes in memory; never less than the data, never zero.</param>
/// <param name="Data">The bytes the file gives; none where only the file's headers were read.</param>
/// <param name="FileOffset">Where in the file the data begins.</param>
/// <param name="Access">What the segment may be used for.</param>
/// <param name="Alignment">A power of two; the address and the file offset agree modulo it.</param>
public sealed record ElfSegment(
    ulong VirtualAddress,
    ulong PhysicalAddress,
    ulong MemorySize,
    ReadOnlyMemory<byte> Data,
    ulong FileOffset,
    ElfAccess Access,
    ulong Alignment)
{
    /// <summary>How many bytes the file gives.</summary>
    public ulong FileSize { get; init; } = (ulong)Data.Length;

    /// <summary>The first virtual address behind the segment. Cannot wrap: parsing refuses a segment that does.</summary>
    public ulong VirtualEnd => VirtualAddress + MemorySize;
}
