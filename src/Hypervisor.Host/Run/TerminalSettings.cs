using System.Runtime.CompilerServices;
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

    /// <summary>Whether what one types is read and what is printed is seen.</summary>
    public static bool IsInteractive => AreThere ? IsTerminal(0) == 1 && IsTerminal(1) == 1 : IsConsole();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool IsConsole() => !Console.IsInputRedirected && !Console.IsOutputRedirected;

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

    /// <summary>Whether a read of a descriptor would return at once.</summary>
    public static bool IsReadable(int descriptor)
    {
        // A struct pollfd: the descriptor, then what is asked (POLLIN) and what is so.
        ulong asked = (uint)descriptor | 1UL << 32;
        return Poll(ref asked, 1, 0) == 1;
    }

    /// <summary>Waits until a write to a descriptor would find room, or nobody who reads.</summary>
    public static void WaitUntilWritable(int descriptor)
    {
        ulong asked = (uint)descriptor | 4UL << 32;
        _ = Poll(ref asked, 1, -1);
    }

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(ref ulong descriptor, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "isatty")]
    private static partial int IsTerminal(int descriptor);

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int Get(int descriptor, ref byte settings);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int Set(int descriptor, int when, ref byte settings);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void MakeRaw(ref byte settings);
}
