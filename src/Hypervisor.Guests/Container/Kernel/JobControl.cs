using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container.Kernel;

/// <summary>Sessions, process groups and the terminals that control them (credentials(7), tty_ioctl(4)).</summary>
internal static class JobControl
{
    public static IEnumerable<Process> Group(Container container, int group) => container.Processes.Where(process => process.Group == group && process.IsAlive);

    public static void SendToGroup(Container container, int group, in SignalInfo info)
    {
        if (group <= 0)
            return;
        foreach (Process process in Group(container, group).ToArray())
            container.Host.Send(process, info);
    }

    /// <summary>A session leader without a terminal gets the one it opens, where that has no session yet.</summary>
    public static void Adopt(Process process, Terminal terminal, int flags)
    {
        if ((flags & OpenFlags.NoControl) == 0 && process.Session == process.Id && process.Terminal is null && terminal.Session == 0)
            Control(process, terminal);
    }

    public static void Control(Process leader, Terminal terminal)
    {
        leader.Terminal = terminal;
        terminal.Session = leader.Session;
        terminal.Foreground = leader.Group;
    }

    /// <summary>A session loses its terminal: who was in the foreground is told.</summary>
    public static void GiveUp(Container container, Terminal terminal)
    {
        int foreground = terminal.Foreground;
        int session = terminal.Session;
        terminal.Session = terminal.Foreground = 0;
        foreach (Process process in container.Processes.Where(process => process.Session == session))
            process.Terminal = null;
        SendToGroup(container, foreground, SignalInfo.OfKernel(Signals.SIGHUP));
        SendToGroup(container, foreground, SignalInfo.OfKernel(Signals.SIGCONT));
    }

    /// <summary>The far end of a terminal is gone.</summary>
    public static void HangUp(Container container, Terminal terminal)
    {
        if (terminal.Session == 0)
            return;
        if (container.FindProcess(terminal.Session) is { IsAlive: true } leader)
        {
            container.Host.Send(leader, SignalInfo.OfKernel(Signals.SIGHUP));
            container.Host.Send(leader, SignalInfo.OfKernel(Signals.SIGCONT));
        }

        GiveUp(container, terminal);
    }

    /// <summary>
    /// What a process in the background meets at its terminal: 0 to go on, an error, or ERESTARTSYS where its group was
    /// sent a signal that stops it and the call is made again after.
    /// </summary>
    public static int Check(Process process, Terminal terminal, int signal)
    {
        if (process.Terminal != terminal || terminal.Session != process.Session || terminal.Foreground == process.Group || terminal.Foreground == 0)
            return 0;
        bool isRead = signal == Signals.SIGTTIN;
        KernelTask task = process.Container.Host.Current!;
        if ((task.SignalMask & Signals.Bit(signal)) != 0 || process.Actions[signal].Handler == 1)
            return isRead ? -Errno.EIO : 0;
        if (IsOrphaned(process.Container, process.Group))
            return -Errno.EIO;
        SendToGroup(process.Container, process.Group, SignalInfo.OfKernel(signal));
        return -Errno.ERESTARTSYS;
    }

    /// <summary>Whether nobody outside a group could continue it: no member's parent is in another group of the session.</summary>
    public static bool IsOrphaned(Container container, int group, Process? without = null)
        => !container.Processes.Any(process => process.Group == group && process != without && process.IsAlive
            && process.Parent is { } parent && parent != without && parent.Group != group && parent.Session == process.Session);

    /// <summary>A process ends: groups that nobody can continue any more, and that have stopped members, are hung up.</summary>
    public static void Left(Process process)
    {
        Container container = process.Container;
        List<int> groups = [];
        foreach (Process child in process.Children)
        {
            if (child.Group != process.Group && child.Session == process.Session && !groups.Contains(child.Group))
                groups.Add(child.Group);
        }

        groups.Add(process.Group);
        foreach (int group in groups)
        {
            bool wasNot = group == process.Group
                ? process.Parent is { } parent && parent.Group != group && parent.Session == process.Session
                : true;
            if (wasNot)
                HangUpIfOrphaned(container, group, process);
        }
    }

    private static void HangUpIfOrphaned(Container container, int group, Process without)
    {
        if (!IsOrphaned(container, group, without) || !Group(container, group).Any(member => member.StoppedBy != 0))
            return;
        SendToGroup(container, group, SignalInfo.OfKernel(Signals.SIGHUP));
        SendToGroup(container, group, SignalInfo.OfKernel(Signals.SIGCONT));
    }
}
