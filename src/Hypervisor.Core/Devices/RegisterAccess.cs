namespace Hypervisor.Core.Devices;

/// <summary>Reading and writing part of a 64-bit register that may also be reached in halves.</summary>
internal static class RegisterAccess
{
    /// <summary>The part of <paramref name="register"/> at a byte offset within it.</summary>
    public static ulong Extract(ulong register, ulong offset, int size)
    {
        ulong value = register >> (int)((offset & 7) * 8);
        return size == 8 ? value : value & ((1UL << (size * 8)) - 1);
    }

    /// <summary><paramref name="register"/> with the part at a byte offset replaced.</summary>
    public static ulong Deposit(ulong register, ulong offset, int size, ulong value)
    {
        int shift = (int)((offset & 7) * 8);
        ulong mask = (size == 8 ? ulong.MaxValue : (1UL << (size * 8)) - 1) << shift;
        return (register & ~mask) | ((value << shift) & mask);
    }
}
