using System.Runtime.InteropServices;

namespace Hypervisor.Host.Run;

/// <summary>
/// A terminal's settings as the system's own calls take them (termios(3)): an opaque block, of whose layout only the place of
/// the output flags is known.
/// </summary>
internal sealed partial class TerminalSettings
{
    private const int Now = 0;

    /// <summary>More than any system's settings take.</summary>
    private const int MostBytes = 256;

    private readonly byte[] _bytes;

    private TerminalSettings(byte[] bytes) => _bytes = bytes;

    /// <summary>Whether the system has these calls.</summary>
    public static bool AreThere => OperatingSystem.IsLinux() || OperatingSystem.IsMacOS();

    /// <summary>A terminal's settings; null where the descriptor is no terminal's.</summary>
    public static TerminalSettings? Of(int descriptor)
    {
        var bytes = new byte[MostBytes];
        return Get(descriptor, ref bytes[0]) == 0 ? new TerminalSettings(bytes) : null;
    }

    /// <summary>The same settings without echo, lines and keys that mean something.</summary>
    /// <param name="keepsOutput">Whether output goes on being processed, so that lines that end with LF alone stay readable.</param>
    public TerminalSettings Raw(bool keepsOutput)
    {
        byte[] raw = [.. _bytes];
        MakeRaw(ref raw[0]);

        // The output flags are the second word.
        int word = OperatingSystem.IsMacOS() ? sizeof(ulong) : sizeof(uint);
        if (keepsOutput)
            _bytes.AsSpan(word, word).CopyTo(raw.AsSpan(word));
        return new TerminalSettings(raw);
    }

    /// <summary>Gives them to a terminal; whether it took them.</summary>
    public bool Apply(int descriptor) => Set(descriptor, Now, ref _bytes[0]) == 0;

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int Get(int descriptor, ref byte settings);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int Set(int descriptor, int when, ref byte settings);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void MakeRaw(ref byte settings);
}
