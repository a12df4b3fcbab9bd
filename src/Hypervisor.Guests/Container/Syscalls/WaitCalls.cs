using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Waiting for children: wait4 and waitid.</summary>
internal static class WaitCalls
{
    private const ulong NoHang = 1, Stopped = 2, Exited = 4, Continued = 8, NoWait = 0x0100_0000, NoThreads = 0x2000_0000, All = 0x4000_0000, Clones = 0x8000_0000;
    private const int ContinuedStatus = 0xFFFF;

    /// <summary>What a child has to tell.</summary>
    private readonly record struct News(Process Child, int Status, bool IsEnd);

    public static long Wait(KernelTask task, in SyscallArguments a)
    {
        ulong options = (uint)a.A2;
        if ((options & ~(NoHang | Stopped | Continued | NoThreads | All | Clones)) != 0)
            return -Errno.EINVAL;
        int wanted = (int)a.A0;
        if (wanted == int.MinValue)
            return -Errno.ESRCH;
        Process process = task.Process;
        int named = wanted == 0 ? process.Group : task.GlobalId(Math.Abs(wanted));
        News? news = Find(process, child => wanted > 0 ? child.Id == named : wanted == -1 || child.Group == named, options | Exited, out bool any);
        if (!any)
            return -Errno.ECHILD;
        if (news is not { } told)
            return (options & NoHang) != 0 ? 0 : Blocking.On(task, process.ChildChanged);
        if (a.A1 != 0 && !task.TryWrite(a.A1, told.Status))
            return -Errno.EFAULT;
        if (a.A3 != 0 && !TimeCalls.WriteUsage(task, a.A3, told.Child, withChildren: true))
            return -Errno.EFAULT;
        int id = task.LocalId(told.Child.Id);
        Take(process, told);
        return id;
    }

    public static long WaitId(KernelTask task, in SyscallArguments a)
    {
        const ulong anyChild = 0, byId = 1, byGroup = 2, byFile = 3;
        ulong options = (uint)a.A3;
        if ((options & ~(NoHang | Stopped | Exited | Continued | NoWait | NoThreads | All | Clones)) != 0 || (options & (Stopped | Exited | Continued)) == 0)
            return -Errno.EINVAL;
        Process process = task.Process;
        int id = (int)a.A1;
        Process? named = null;
        switch (a.A0)
        {
            case anyChild:
                break;
            case byId when id <= 0:
            case byGroup when id < 0:
                return -Errno.EINVAL;
            case byId or byGroup:
                break;
            case byFile:
                if (process.Files[id] is not ProcessFile file)
                    return id < 0 ? -Errno.EINVAL : -Errno.EBADF;
                named = file.Process;
                if ((file.Flags & OpenFlags.NonBlock) != 0)
                    options |= NoHang;
                break;
            default:
                return -Errno.EINVAL;
        }

        ulong kind = a.A0;
        News? news = Find(process, child => kind switch
        {
            anyChild => true,
            byId => child.Id == task.GlobalId(id),
            byGroup => child.Group == (id == 0 ? process.Group : task.GlobalId(id)),
            _ => child == named,
        }, options, out bool any);
        if (!any)
            return -Errno.ECHILD;
        if (news is null)
        {
            if ((options & NoHang) == 0)
                return Blocking.On(task, process.ChildChanged);
            if (named is not null)
                return -Errno.EAGAIN;
        }

        Span<byte> info = stackalloc byte[SignalInfo.Bytes];
        info.Clear();
        if (news is { } told)
        {
            SignalInfo described = told.IsEnd ? SignalInfo.OfEnd(process, told.Child, told.Status)
                : told.Status == ContinuedStatus ? SignalInfo.OfChild(process, told.Child, 6, Signals.SIGCONT)
                : SignalInfo.OfChild(process, told.Child, 5, told.Status >> 8);
            described.Write(info);
        }

        if (a.A2 != 0 && !task.TryWrite(a.A2, info))
            return -Errno.EFAULT;
        if (a.A4 != 0 && news is { } of && !TimeCalls.WriteUsage(task, a.A4, of.Child, withChildren: true))
            return -Errno.EFAULT;
        if (news is { } taken && (options & NoWait) == 0)
            Take(process, taken);
        return 0;
    }

    private static News? Find(Process process, Func<Process, bool> matches, ulong options, out bool any)
    {
        any = false;
        foreach (Process child in process.Children)
        {
            if (!matches(child))
                continue;
            bool isClone = child.ExitSignal != Signals.SIGCHLD;
            if ((options & All) == 0 && isClone != ((options & Clones) != 0))
                continue;
            any = true;
            if ((options & Exited) != 0 && child is { WaitStatus: { } status, IsAlive: false })
                return new News(child, status, true);
            if ((options & Stopped) != 0 && child is { StopIsNews: true, IsAlive: true })
                return new News(child, child.StoppedBy << 8 | 0x7F, false);
            if ((options & Continued) != 0 && child is { ContinueIsNews: true, IsAlive: true })
                return new News(child, ContinuedStatus, false);
        }

        return null;
    }

    private static void Take(Process process, News news)
    {
        Process child = news.Child;
        if (!news.IsEnd)
        {
            if (news.Status == ContinuedStatus)
                child.ContinueIsNews = false;
            else
                child.StopIsNews = false;
            return;
        }

        process.ChildrenNanoseconds += child.EndedNanoseconds + child.ChildrenNanoseconds;
        process.ChildrenPeakPages = Math.Max(process.ChildrenPeakPages, Math.Max(child.EndedPeakPages, child.ChildrenPeakPages));
        process.Children.Remove(child);
        process.Container.Forget(child);
    }
}
