using Hypervisor.Core;

namespace Hypervisor.Host.Cli;

/// <summary>Files that the user names.</summary>
internal static class InputFile
{
    /// <summary>Reads a whole file.</summary>
    /// <exception cref="HypervisorException">It cannot be read.</exception>
    public static byte[] Read(string path, string what)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new HypervisorException($"The {what} '{path}' cannot be read: {problem.Message}", problem);
        }
    }

    /// <summary>Creates a file for output, before the work whose result it takes.</summary>
    /// <exception cref="HypervisorException">It cannot be created.</exception>
    public static FileStream? CreateOutput(string? path)
    {
        if (path is null)
            return null;
        try
        {
            return File.Create(path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new HypervisorException($"'{path}' cannot be written: {problem.Message} Choose another file.", problem);
        }
    }
}
