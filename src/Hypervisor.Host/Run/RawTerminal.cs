using System.Runtime.InteropServices;

namespace Hypervisor.Host.Run;

/// <summary>
/// Hands the keyboard to a guest, key by key and without echo, and gives it back. Does nothing where standard input is no
/// terminal; on Windows the terminal stays in line mode, which works but echoes.
/// </summary>
/// <remarks>
/// By the system's own calls: a program such as stty is no way, because the runtime puts the terminal back as it knows it
/// whenever a child process ends. The settings are an opaque block; of its layout only the place of the output flags is known.
/// </remarks>
internal sealed partial class RawTerminal : IDisposable
{
    private const int StandardInput = 0;
    private const int Now = 0;

    /// <summary>More than any system's settings take.</summary>
    private const int SettingsBytes = 256;

    private byte[]? _saved;

    private RawTerminal(byte[]? saved) => _saved = saved;

    /// <summary>A terminal left as it is.</summary>
    public static RawTerminal None => new(null);

    /// <summary>Standard input as the system gives it, byte by byte: the runtime's own console would edit lines.</summary>
    public static Stream OpenInput() => IsSupported
        ? new FileStream(new Microsoft.Win32.SafeHandles.SafeFileHandle(StandardInput, ownsHandle: false), FileAccess.Read, bufferSize: 0)
        : Console.OpenStandardInput();

    private static bool IsSupported => OperatingSystem.IsLinux() || OperatingSystem.IsMacOS();

    /// <summary>Switches the terminal over until the result is disposed.</summary>
    public static RawTerminal Enter()
    {
        if (Console.IsInputRedirected || !IsSupported)
            return None;
        var saved = new byte[SettingsBytes];
        if (GetSettings(StandardInput, ref saved[0]) != 0)
            return None;
        byte[] raw = [.. saved];
        MakeRaw(ref raw[0]);

        // Output processing stays on: guests that end lines with LF alone stay readable. The output flags are the second word.
        int word = OperatingSystem.IsMacOS() ? sizeof(ulong) : sizeof(uint);
        saved.AsSpan(word, word).CopyTo(raw.AsSpan(word));
        return SetSettings(StandardInput, Now, ref raw[0]) == 0 ? new RawTerminal(saved) : None;
    }

    /// <summary>Puts the terminal back as it was.</summary>
    public void Dispose()
    {
        if (_saved is { } saved)
            _ = SetSettings(StandardInput, Now, ref saved[0]);
        _saved = null;
    }

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int GetSettings(int descriptor, ref byte settings);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int SetSettings(int descriptor, int when, ref byte settings);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void MakeRaw(ref byte settings);
}
