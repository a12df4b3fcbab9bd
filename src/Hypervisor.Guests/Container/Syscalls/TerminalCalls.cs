using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>What ioctl asks of terminals (tty_ioctl(4)), and what reads and writes in the background meet.</summary>
internal static class TerminalCalls
{
    private const ulong GetSettings = 0x5401, SetSettings = 0x5402, SetSettingsDrained = 0x5403, SetSettingsFlushed = 0x5404;
    private const ulong SendBreak = 0x5409, Flow = 0x540A, Flush = 0x540B, Exclusive = 0x540C, NotExclusive = 0x540D, TakeControl = 0x540E;
    private const ulong GetGroup = 0x540F, SetGroup = 0x5410, OutputWaiting = 0x5411, Insert = 0x5412, GetSize = 0x5413, SetSize = 0x5414;
    private const ulong PacketMode = 0x5420, GiveUpControl = 0x5422, SendBreakPosix = 0x5425, GetSessionId = 0x5429;
    private const ulong GetSettings2 = 0x802C_542A, SetSettings2 = 0x402C_542B, SetSettings2Drained = 0x402C_542C, SetSettings2Flushed = 0x402C_542D;
    private const ulong GetNumber = 0x8004_5430, SetLock = 0x4004_5431, GetLock = 0x8004_5439, OpenPeer = 0x5441;

    /// <summary>What a read or write meets before it is made: 0, an error, or a mark of <see cref="SyscallTable"/>.</summary>
    public static long BeforeAccess(KernelTask task, OpenFile file, bool write)
    {
        if (file is not TerminalFile { Terminal: { } terminal } || task.Process.Terminal != terminal)
            return 0;
        if (write && (terminal.Settings.Local & Termios.StopBackground) == 0)
            return 0;
        return Restartable(JobControl.Check(task.Process, terminal, write ? Signals.SIGTTOU : Signals.SIGTTIN));
    }

    /// <summary>How a read of a terminal in raw mode ends when its time (VTIME) is over; null where it goes on waiting.</summary>
    public static long? TimedRead(KernelTask task, TerminalFile file, Span<byte> buffer, out int count)
    {
        count = 0;
        Termios settings = file.Terminal.Settings;
        if ((settings.Local & Termios.Canonical) != 0 || settings[Termios.Minimum] != 0 || settings[Termios.Time] == 0)
            return null;
        Blocking.SetDeadline(task, task.Process.Container.Host.Now + (settings[Termios.Time] * 100_000_000L));
        if (!Blocking.IsLate(task))
            return null;
        return count = file.Terminal.ReadRest(buffer);
    }

    public static long Control(KernelTask task, OpenFile file, ulong request, ulong argument)
    {
        Terminal terminal = file.Terminal!;
        Process process = task.Process;
        bool isMaster = file is PtyMasterFile;
        if (terminal.IsHungUp && !isMaster)
            return -Errno.EIO;
        switch (request)
        {
            case GetSettings or GetSettings2:
            {
                Span<byte> bytes = stackalloc byte[Termios.BytesWithSpeeds];
                bytes = bytes[..(request == GetSettings ? Termios.Bytes : Termios.BytesWithSpeeds)];
                terminal.Settings.Write(bytes);
                return task.TryWrite(argument, bytes) ? 0 : -Errno.EFAULT;
            }

            case SetSettings or SetSettingsDrained or SetSettingsFlushed or SetSettings2 or SetSettings2Drained or SetSettings2Flushed:
            {
                Span<byte> bytes = stackalloc byte[Termios.BytesWithSpeeds];
                bytes = bytes[..(request <= SetSettingsFlushed ? Termios.Bytes : Termios.BytesWithSpeeds)];
                if (!isMaster && JobControl.Check(process, terminal, Signals.SIGTTOU) is < 0 and int background)
                    return Restartable(background);
                if (!task.TryRead(argument, bytes))
                    return -Errno.EFAULT;
                if (request is SetSettingsFlushed or SetSettings2Flushed)
                    terminal.FlushInput();
                terminal.Change(bytes);
                return 0;
            }

            case SendBreak or SendBreakPosix or Exclusive or NotExclusive:
                return 0;
            case Flow:
                if (argument > 3)
                    return -Errno.EINVAL;
                if (argument <= 1)
                    terminal.SetStopped(argument == 0);
                return 0;
            case Flush:
                if (argument > 2)
                    return -Errno.EINVAL;
                if (argument is 0 or 2)
                    terminal.FlushInput();
                if (argument is 1 or 2)
                    (file as PtyMasterFile)?.Pty.FlushOutput();
                return 0;
            case TakeControl:
                return TakeTerminal(process, terminal, argument);
            case GiveUpControl:
                if (process.Terminal != terminal)
                    return -Errno.ENOTTY;
                process.Terminal = null;
                if (process.Session == process.Id)
                    JobControl.GiveUp(process.Container, terminal);
                return 0;
            case GetGroup:
                if (!isMaster && process.Terminal != terminal)
                    return -Errno.ENOTTY;
                return task.TryWrite(argument, task.LocalId(terminal.Foreground)) ? 0 : -Errno.EFAULT;
            case SetGroup:
                return SetForeground(task, terminal, argument, isMaster);
            case GetSessionId:
                if ((!isMaster && process.Terminal != terminal) || terminal.Session == 0)
                    return -Errno.ENOTTY;
                return task.TryWrite(argument, task.LocalId(terminal.Session)) ? 0 : -Errno.EFAULT;
            case OutputWaiting:
                return task.TryWrite(argument, 0) ? 0 : -Errno.EFAULT;
            case Insert:
                if (process.Terminal != terminal && !process.Credentials.Has(Capability.Administer))
                    return -Errno.EPERM;
                if (!task.TryRead(argument, out byte key))
                    return -Errno.EFAULT;
                terminal.Receive([key]);
                return 0;
            case GetSize:
                return task.TryWrite(argument, (ulong)terminal.Pixels << 32 | (uint)terminal.Columns << 16 | terminal.Rows) ? 0 : -Errno.EFAULT;
            case SetSize:
                if (!task.TryRead(argument, out ulong size))
                    return -Errno.EFAULT;
                SetWindow(process.Container, terminal, size);
                return 0;
            default:
                return isMaster ? OfMaster(task, (PtyMasterFile)file, request, argument) : -Errno.ENOTTY;
        }
    }

    /// <summary>Changes a terminal's size, and tells who is in its foreground.</summary>
    public static void SetWindow(Container container, Terminal terminal, ulong size)
    {
        (ushort rows, ushort columns, uint pixels) = ((ushort)size, (ushort)(size >> 16), (uint)(size >> 32));
        if (rows == terminal.Rows && columns == terminal.Columns && pixels == terminal.Pixels)
            return;
        (terminal.Rows, terminal.Columns, terminal.Pixels) = (rows, columns, pixels);
        JobControl.SendToGroup(container, terminal.Foreground, SignalInfo.OfKernel(Signals.SIGWINCH));
    }

    private static long TakeTerminal(Process process, Terminal terminal, ulong argument)
    {
        if (process.Session == process.Id && process.Terminal == terminal && terminal.Session == process.Session)
            return 0;
        if (process.Session != process.Id || process.Terminal is not null)
            return -Errno.EPERM;
        if (terminal.Session != 0)
        {
            if (argument != 1 || !process.Credentials.Has(Capability.Administer))
                return -Errno.EPERM;
            foreach (Process other in process.Container.Processes.Where(other => other.Terminal == terminal))
                other.Terminal = null;
        }

        JobControl.Control(process, terminal);
        return 0;
    }

    private static long SetForeground(KernelTask task, Terminal terminal, ulong argument, bool isMaster)
    {
        Process process = task.Process;
        if (!isMaster && JobControl.Check(process, terminal, Signals.SIGTTOU) is < 0 and int background)
            return Restartable(background);
        if (process.Terminal is null || (process.Terminal != terminal && !isMaster) || terminal.Session != process.Session)
            return -Errno.ENOTTY;
        if (!task.TryRead(argument, out int group))
            return -Errno.EFAULT;
        if (group < 0)
            return -Errno.EINVAL;
        group = task.GlobalId(group);
        Process? member = process.Container.Processes.FirstOrDefault(other => other.Group == group);
        if (member is null)
            return -Errno.ESRCH;
        if (member.Session != process.Session)
            return -Errno.EPERM;
        terminal.Foreground = group;
        return 0;
    }

    private static long OfMaster(KernelTask task, PtyMasterFile file, ulong request, ulong argument)
    {
        switch (request)
        {
            case GetNumber:
                return task.TryWrite(argument, file.Pty.Number) ? 0 : -Errno.EFAULT;
            case SetLock:
                if (!task.TryRead(argument, out int locked))
                    return -Errno.EFAULT;
                file.Pty.IsLocked = locked != 0;
                return 0;
            case GetLock:
                return task.TryWrite(argument, file.Pty.IsLocked ? 1 : 0) ? 0 : -Errno.EFAULT;
            case PacketMode:
                return !task.TryRead(argument, out int on) ? -Errno.EFAULT : on == 0 ? 0 : -Errno.EINVAL;
            case OpenPeer:
            {
                OpenFile slave = file.Pty.Slave.Open((int)argument & ~OpenFlags.CloseOnExec);
                slave.Mount = file.Mount;
                JobControl.Adopt(task.Process, file.Pty.Terminal, (int)argument);
                return task.Process.Files.Add(slave, ((int)argument & OpenFlags.CloseOnExec) != 0);
            }

            default:
                return -Errno.ENOTTY;
        }
    }

    private static long Restartable(int error) => error == -Errno.ERESTARTSYS ? SyscallTable.RegistersSet : error;
}
