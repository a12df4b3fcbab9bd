using System.Runtime.InteropServices;

namespace Hypervisor.Core.Memory;

/// <summary>
/// Host memory that begins on a cache line. The word before it is where the C allocator's block begins: giving it back as
/// plain memory needs no code made at run time, which the library's own aligned memory does.
/// </summary>
internal static unsafe class AlignedMemory
{
    private const int CacheLine = 64;

    /// <summary>Allocates memory whose content is anything.</summary>
    public static void* Allocate(nuint bytes)
    {
        // The allocator's blocks lie on 8 bytes at least, so that a word always fits below the next line.
        var block = (byte*)NativeMemory.Alloc(bytes + CacheLine);
        var start = (byte*)(((nuint)block + CacheLine) & ~(nuint)(CacheLine - 1));
        ((void**)start)[-1] = block;
        return start;
    }

    /// <summary>
    /// Sets every bit of memory that is used for the first time. By plain stores: what the library fills with is faster once it runs,
    /// but loads its vectors first, which takes longer than many guests run.
    /// </summary>
    /// <param name="start">The memory, on 8 bytes.</param>
    /// <param name="bytes">A multiple of 8.</param>
    public static void SetOnes(void* start, int bytes)
    {
        for (int i = 0; i < bytes; i += sizeof(ulong))
            *(ulong*)((byte*)start + i) = ulong.MaxValue;
    }

    /// <summary>Gives it back; nothing where it is null.</summary>
    public static void Free(void* start)
    {
        if (start != null)
            NativeMemory.Free(((void**)start)[-1]);
    }
}
