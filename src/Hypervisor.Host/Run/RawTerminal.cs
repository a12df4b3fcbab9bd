namespace Hypervisor.Host.Run;

/// <summary>
/// Hands the keyboard to a guest, key by key and without echo, and gives it back. Does nothing where standard input is no
/// terminal; on Windows the terminal stays in line mode, which works but echoes.
/// </summary>
/// <remarks>
/// By the system's own calls: a program such as stty is no way, because the runtime puts the terminal back as it knows it
/// whenever a child process ends.
/// </remarks>
internal sealed class RawTerminal : IDisposable
{
    public const int StandardInput = 0;

    private TerminalSettings? _saved;

    private RawTerminal(TerminalSettings? saved) => _saved = saved;

    /// <summary>A terminal left as it is.</summary>
    public static RawTerminal None => new(null);

    /// <summary>Standard input as the system gives it, byte by byte: the runtime's own console would edit lines.</summary>
    public static Stream OpenInput() => TerminalSettings.AreThere
        ? new FileStream(new Microsoft.Win32.SafeHandles.SafeFileHandle(StandardInput, ownsHandle: false), FileAccess.Read, bufferSize: 0)
        : Console.OpenStandardInput();

    /// <summary>Switches the terminal over until the result is disposed.</summary>
    public static RawTerminal Enter()
    {
        if (Console.IsInputRedirected || !TerminalSettings.AreThere)
            return None;
        return TerminalSettings.Of(StandardInput) is { } saved && saved.Raw(keepsOutput: true).Apply(StandardInput) ? new RawTerminal(saved) : None;
    }

    /// <summary>Puts the terminal back as it was.</summary>
    public void Dispose()
    {
        _saved?.Apply(StandardInput);
        _saved = null;
    }
}
