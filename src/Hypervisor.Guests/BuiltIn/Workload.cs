using System.Globalization;

namespace Hypervisor.Guests.BuiltIn;

/// <summary>One of the built-in user programs: the same bytes run on both built-in kernels and as a container.</summary>
/// <param name="Name">Its name, which is also the first word of the line it prints.</param>
/// <param name="Unit">What one operation is, in the singular.</param>
/// <param name="QuickIterations">How often to repeat it for a rough figure.</param>
/// <param name="DefaultIterations">How often to repeat it for a good one.</param>
/// <param name="NeedsDisk">Whether it opens <c>bench.dat</c>: a disk of 256 KiB at least, or a file that can be created.</param>
public sealed record Workload(string Name, string Unit, long QuickIterations, long DefaultIterations, bool NeedsDisk = false)
{
    /// <summary>The system call that brackets the measured region: a0 = 0 begin or 1 end, a1 = operations.</summary>
    public const int MarkSystemCall = 4096;

    /// <summary>
    /// Finds the program's result line (<c>NAME CHECKSUM</c>) in what it printed. Equal iterations give an equal checksum
    /// in every mode.
    /// </summary>
    /// <param name="console">All that was printed.</param>
    /// <param name="checksum">The checksum.</param>
    /// <returns>False when the line is not there: the program did not come to its end.</returns>
    public bool TryFindResult(string console, out ulong checksum)
    {
        ArgumentNullException.ThrowIfNull(console);
        foreach (var line in console.AsSpan().EnumerateLines())
        {
            if (line.Length == Name.Length + 17 && line.StartsWith(Name, StringComparison.Ordinal) && line[Name.Length] == ' '
                && ulong.TryParse(line[(Name.Length + 1)..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out checksum))
            {
                return true;
            }
        }

        checksum = 0;
        return false;
    }
}
