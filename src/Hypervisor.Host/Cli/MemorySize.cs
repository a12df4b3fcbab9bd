using System.Globalization;
using Hypervisor.Core;

namespace Hypervisor.Host.Cli;

/// <summary>Sizes as people write them: <c>256M</c>, <c>1G</c>, <c>65536K</c>, <c>4096</c>.</summary>
internal static class MemorySize
{
    /// <summary>Reads a size in bytes.</summary>
    /// <exception cref="HypervisorException">It is no size, or zero.</exception>
    public static ulong Parse(string text)
    {
        string digits = text.Trim();
        if (digits.EndsWith("iB", StringComparison.OrdinalIgnoreCase))
            digits = digits[..^2];
        else if (digits.EndsWith("B", StringComparison.OrdinalIgnoreCase))
            digits = digits[..^1];
        int shift = digits.Length == 0 ? 0 : char.ToUpperInvariant(digits[^1]) switch
        {
            'K' => 10,
            'M' => 20,
            'G' => 30,
            'T' => 40,
            _ => 0,
        };
        if (shift != 0)
            digits = digits[..^1];
        if (!ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out ulong count) || count == 0 || count > ulong.MaxValue >> shift)
            throw new HypervisorException($"'{text}' is no memory size; write one such as 256M, 1G or 65536K.");
        return count << shift;
    }

    /// <summary>The most RAM a guest can have: 64 GiB, of which the host gives only what the guest touches.</summary>
    private const ulong MostRam = 64UL << 30;

    /// <summary>Reads the size of a machine's RAM: whole pages. Says so on standard error where the host has less.</summary>
    /// <exception cref="HypervisorException">It cannot be that.</exception>
    public static ulong ParseRam(string text)
    {
        ulong bytes = Parse(text);
        if ((bytes & 4095) != 0)
            throw new HypervisorException($"Memory of {bytes} bytes is not a whole number of 4 KiB pages; write a size such as 256M.");
        ulong host = (ulong)GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (bytes > MostRam)
            throw new HypervisorException($"--memory {text}: a guest has at most {MostRam >> 30} GiB; ask for less.");
        if (bytes > host)
            Console.Error.WriteLine($"hv: --memory {text} is more than the {host >> 20} MiB that the host has: a guest that touches it all will not get it.");
        return bytes;
    }
}
