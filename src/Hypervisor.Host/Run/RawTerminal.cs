using System.Diagnostics;

namespace Hypervisor.Host.Run;

/// <summary>
/// Hands the keyboard to a guest, key by key and without echo, and gives it back. Does nothing where standard input is no
/// terminal; on systems without stty the terminal stays in line mode, which works but echoes.
/// </summary>
internal sealed class RawTerminal : IDisposable
{
    private string? _saved;

    private RawTerminal(string? saved) => _saved = saved;

    /// <summary>A terminal left as it is.</summary>
    public static RawTerminal None { get; } = new(null);

    /// <summary>Switches the terminal over until the result is disposed.</summary>
    public static RawTerminal Enter()
    {
        if (Console.IsInputRedirected || OperatingSystem.IsWindows())
            return new RawTerminal(null);
        string? saved = Stty("-g");
        if (saved is null)
            return new RawTerminal(null);

        // Output processing stays on: guests that end lines with LF alone stay readable.
        Stty("-icanon -echo -isig -ixon -icrnl min 1 time 0");
        return new RawTerminal(saved);
    }

    /// <summary>Puts the terminal back as it was.</summary>
    public void Dispose()
    {
        if (_saved is { } saved)
            Stty(saved);
        _saved = null;
    }

    private static string? Stty(string arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("stty", arguments) { RedirectStandardOutput = true, RedirectStandardError = true });
            if (process is null)
                return null;
            string output = process.StandardOutput.ReadToEnd().Trim();
            process.WaitForExit();
            return process.ExitCode == 0 ? output : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // There is no stty: see the class.
            return null;
        }
    }
}
