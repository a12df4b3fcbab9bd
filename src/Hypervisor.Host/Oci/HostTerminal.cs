using System.Net.Sockets;
using System.Runtime.InteropServices;
using Hypervisor.Core;
using Hypervisor.Host.Run;

namespace Hypervisor.Host.Oci;

/// <summary>
/// A terminal of the host for a container: its one end becomes this process's standard streams, its other goes to whoever made
/// the console socket, as a descriptor in a control message (runc's docs/terminals.md, "detached new terminal").
/// </summary>
internal static partial class HostTerminal
{
    private const int ReadWrite = 2;
    private const int NoControllingTerminal = 0x100;
    private const int CloseOnExec = 0x80000;
    private const int RightsLevel = 1;
    private const int RightsType = 1;
    private const int SetSize = 0x5414;
    private const int GetSize = 0x5413;

    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        public nint Name;
        public nint NameLength;
        public nint Parts;
        public nint PartCount;
        public nint Control;
        public nint ControlLength;
        public int Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Size
    {
        public ushort Rows;
        public ushort Columns;
        public ushort Width;
        public ushort Height;
    }

    /// <summary>Makes this process the head of a session of its own, away from its caller's terminal and signals.</summary>
    public static void LeaveSession()
    {
        if (!OperatingSystem.IsWindows())
            _ = StartSession(); // It fails only for a process that heads a group already, which is as good.
    }

    /// <summary>Makes a terminal, takes it as standard streams and sends its other end away.</summary>
    /// <exception cref="HypervisorException">The system has no such terminals, or the socket cannot be reached.</exception>
    public static void Adopt(string consoleSocket, ushort rows, ushort columns)
    {
        if (!OperatingSystem.IsLinux())
            throw new HypervisorException("A console socket takes a descriptor, which only Linux hosts can send: run the container without a terminal.");
        int other = OpenTerminal(ReadWrite | NoControllingTerminal | CloseOnExec);
        if (other < 0 || Grant(other) != 0 || Unlock(other) != 0)
            throw new HypervisorException($"The host gives no terminal: {Marshal.GetLastPInvokeErrorMessage()}.");
        var name = new byte[128];
        if (NameOf(other, ref name[0], name.Length) != 0)
            throw new HypervisorException("The host does not name its new terminal.");
        if (rows != 0 || columns != 0)
        {
            var size = new Size { Rows = rows, Columns = columns };
            _ = Control(other, SetSize, ref size);
        }

        // The first terminal that the head of a session opens becomes the session's own.
        int own = OpenFile(ref name[0], ReadWrite);
        if (own < 0)
            throw new HypervisorException($"The host's new terminal cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}.");

        // The container's own terminal edits lines and echoes: this one only carries bytes.
        TerminalSettings.Of(own)?.Raw(keepsOutput: false).Apply(own);
        for (int stream = 0; stream < 3; stream++)
        {
            if (Duplicate(own, stream) < 0)
                throw new HypervisorException($"The host's new terminal cannot become a standard stream: {Marshal.GetLastPInvokeErrorMessage()}.");
        }

        if (own > 2)
            _ = Close(own);
        Send(consoleSocket, other);
        _ = Close(other);
    }

    /// <summary>The size of the terminal that is standard input, as it is now.</summary>
    public static bool TryGetSize(out ushort rows, out ushort columns)
    {
        (rows, columns) = (0, 0);
        if (!OperatingSystem.IsLinux())
            return false;
        var size = default(Size);
        if (Control(0, GetSize, ref size) != 0)
            return false;
        (rows, columns) = (size.Rows, size.Columns);
        return true;
    }

    private static void Send(string path, int descriptor)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (Exception problem) when (problem is SocketException or ArgumentException)
        {
            throw new HypervisorException($"The console socket '{path}' cannot be reached: {problem.Message}", problem);
        }

        // One byte with the descriptor beside it: length 20 of the control message, rounded up to words.
        nint block = Marshal.AllocHGlobal(64);
        try
        {
            Marshal.WriteByte(block, 0);
            Marshal.WriteIntPtr(block, 8, block);
            Marshal.WriteIntPtr(block, 16, 1);
            nint control = block + 24;
            Marshal.WriteIntPtr(control, 20);
            Marshal.WriteInt32(control, 8, RightsLevel);
            Marshal.WriteInt32(control, 12, RightsType);
            Marshal.WriteInt32(control, 16, descriptor);
            var message = new Message { Parts = block + 8, PartCount = 1, Control = control, ControlLength = 24 };
            if (SendMessage((int)socket.Handle, ref message, 0) != 1)
                throw new HypervisorException($"The console socket '{path}' does not take the terminal: {Marshal.GetLastPInvokeErrorMessage()}.");
        }
        finally
        {
            Marshal.FreeHGlobal(block);
        }
    }

    [LibraryImport("libc", EntryPoint = "setsid", SetLastError = true)]
    private static partial int StartSession();

    [LibraryImport("libc", EntryPoint = "posix_openpt", SetLastError = true)]
    private static partial int OpenTerminal(int flags);

    [LibraryImport("libc", EntryPoint = "grantpt", SetLastError = true)]
    private static partial int Grant(int terminal);

    [LibraryImport("libc", EntryPoint = "unlockpt", SetLastError = true)]
    private static partial int Unlock(int terminal);

    [LibraryImport("libc", EntryPoint = "ptsname_r", SetLastError = true)]
    private static partial int NameOf(int terminal, ref byte name, nint size);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int OpenFile(ref byte path, int flags);

    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    private static partial int Duplicate(int from, int to);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(int descriptor, nuint request, ref Size size);

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint SendMessage(int socket, ref Message message, int flags);
}
