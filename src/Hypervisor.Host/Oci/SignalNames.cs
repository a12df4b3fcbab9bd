using System.Globalization;
using Hypervisor.Core;

namespace Hypervisor.Host.Oci;

/// <summary>Signals by the names and numbers that Linux riscv64 gives them.</summary>
internal static class SignalNames
{
    private static readonly string[] s_names =
    [
        "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD",
        "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];

    /// <summary>A signal's number from its name, with or without SIG, or from its number.</summary>
    /// <exception cref="HypervisorException">There is no such signal.</exception>
    public static int Parse(string text)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is >= 1 and <= 64)
            return number;
        string name = text.ToUpperInvariant();
        if (name.StartsWith("SIG", StringComparison.Ordinal))
            name = name[3..];
        int found = name.Length == 0 ? -1 : Array.IndexOf(s_names, name);
        if (found > 0)
            return found;
        if (name.StartsWith("RTMIN+", StringComparison.Ordinal) && int.TryParse(name[6..], NumberStyles.None, CultureInfo.InvariantCulture, out int above) && above <= 30)
            return 34 + above;
        throw new HypervisorException($"There is no signal '{text}'; give a name such as SIGTERM or a number from 1 to 64.");
    }
}
