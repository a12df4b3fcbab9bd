using Hypervisor.Host.Manifest;

namespace Hypervisor.Host.Cli;

/// <summary>
/// Parts hv's own arguments from the guest's: what follows the program's name in <c>hv run PROGRAM …</c> belongs to the
/// program, options that look like hv's included.
/// </summary>
internal static class GuestArguments
{
    /// <summary>Splits the arguments that follow <c>run</c>.</summary>
    /// <param name="arguments">Them.</param>
    /// <returns>What is to be parsed, the program's name last, and what is passed on.</returns>
    public static (string[] Own, string[] Guest) Split(ReadOnlySpan<string> arguments)
    {
        for (int i = 0; i < arguments.Length; i++)
        {
            string argument = arguments[i];
            if (argument == "--")
                return i + 1 < arguments.Length
                    ? ([.. arguments[..i], arguments[i + 1]], [.. arguments[(i + 2)..]])
                    : ([.. arguments[..i]], []);
            if (ManifestReader.IsManifest(argument) && !argument.StartsWith('-'))
                break; // A manifest takes no arguments: all are ours.
            if (!argument.StartsWith('-') || argument == "-")
                return ([.. arguments[..(i + 1)]], [.. arguments[(i + 1)..]]);
            if (RunFlags.Find(argument) is { IsSwitch: false })
                i++;
        }

        return ([.. arguments], []);
    }
}
