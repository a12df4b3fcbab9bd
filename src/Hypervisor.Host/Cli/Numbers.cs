using System.Globalization;
using Hypervisor.Core;

namespace Hypervisor.Host.Cli;

/// <summary>Numbers that options have.</summary>
internal static class Numbers
{
    /// <summary>Reads a whole number.</summary>
    /// <exception cref="HypervisorException">It is none.</exception>
    public static int Whole(string option, string text)
        => int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int number)
            ? number : throw new HypervisorException($"{option} '{text}' is no whole number; give one such as 2.");

    /// <summary>Reads a number; null where none is given.</summary>
    /// <exception cref="HypervisorException">It is none.</exception>
    public static double? Decimal(string option, string? text) => text is null ? null
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            ? number : throw new HypervisorException($"{option} '{text}' is no number; give one such as 2 or 0.5.");
}
