using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>prctl(2).</summary>
internal static class ControlCalls
{
    private const int SetParentDeathSignal = 1, GetParentDeathSignal = 2, GetDumpable = 3, SetDumpable = 4, GetKeepCapabilities = 7, SetKeepCapabilities = 8;
    private const int GetTiming = 13, SetTiming = 14, SetName = 15, GetName = 16, GetSeccomp = 21, SetSeccomp = 22, ReadBounding = 23, DropBounding = 24;
    private const int GetSecureBits = 27, SetSecureBits = 28, SetTimerSlack = 29, GetTimerSlack = 30, SetReaper = 36, GetReaper = 37;
    private const int SetNoNewPrivileges = 38, GetNoNewPrivileges = 39, GetTidAddress = 40, SetHugePages = 41, GetHugePages = 42, Ambient = 47;
    private const int SetAnonymousName = 0x53564d41, SetPtracer = 0x59616d61;
    private const uint KeepBit = 1 << 4;

    public static long Control(KernelTask task, in SyscallArguments a)
    {
        Process process = task.Process;
        switch ((int)a.A0)
        {
            case SetParentDeathSignal:
                if (a.A1 > Signals.Count)
                    return -Errno.EINVAL;
                process.ParentDeathSignal = (int)a.A1;
                return 0;
            case GetParentDeathSignal:
                return task.TryWrite(a.A1, process.ParentDeathSignal) ? 0 : -Errno.EFAULT;
            case GetDumpable:
                return process.Dumpable;
            case SetDumpable:
                if (a.A1 > 1)
                    return -Errno.EINVAL;
                process.Dumpable = (int)a.A1;
                return 0;
            case GetTiming or GetHugePages:
                return 0;
            case SetTiming:
                return a.A1 == 0 ? 0 : -Errno.EINVAL;
            case SetHugePages or SetPtracer or SetAnonymousName:
                return 0;
            case SetSeccomp:
                return FilterCalls.SetMode(task, a.A1, a.A2);
            case GetSeccomp:
                return task.FilterMode;
            case SetTimerSlack:
                task.TimerSlack = (long)a.A1 <= 0 ? 50_000 : (long)a.A1;
                return 0;
            case GetTimerSlack:
                return task.TimerSlack;
            case SetReaper:
                process.IsReaper = a.A1 != 0;
                return 0;
            case GetReaper:
                return task.TryWrite(a.A1, process.IsReaper ? 1 : 0) ? 0 : -Errno.EFAULT;
            case GetTidAddress:
                return task.TryWrite(a.A1, task.ClearOnExit) ? 0 : -Errno.EFAULT;
            case SetName:
            {
                Span<byte> name = stackalloc byte[16];
                name.Clear();
                int read = task.ReadUpTo(a.A1, name[..15]);
                int end = name.IndexOf((byte)0);
                if (read == 0 || end > read)
                    return -Errno.EFAULT;
                task.Name = KernelText.Decode(name[..end]);
                return 0;
            }

            case GetName:
            {
                var name = new byte[16];
                KernelText.Encode(task.Name).CopyTo(name, 0);
                return task.TryWrite(a.A1, name) ? 0 : -Errno.EFAULT;
            }

            default:
                return Privileges(task, in a);
        }
    }

    private static long Privileges(KernelTask task, in SyscallArguments a)
    {
        Process process = task.Process;
        Credentials who = process.Credentials;
        switch ((int)a.A0)
        {
            case GetKeepCapabilities:
                return (who.SecureBits & KeepBit) != 0 ? 1 : 0;
            case SetKeepCapabilities:
                if (a.A1 > 1)
                    return -Errno.EINVAL;
                process.Credentials = who with { SecureBits = a.A1 == 1 ? who.SecureBits | KeepBit : who.SecureBits & ~KeepBit };
                return 0;
            case ReadBounding:
                return a.A1 > Capability.Last ? -Errno.EINVAL : (who.Bounding >> (int)a.A1 & 1) != 0 ? 1 : 0;
            case DropBounding:
                if (!who.HasHere(Capability.SetCapabilities))
                    return -Errno.EPERM;
                if (a.A1 > Capability.Last)
                    return -Errno.EINVAL;
                process.Credentials = who with { Bounding = who.Bounding & ~(1UL << (int)a.A1) };
                return 0;
            case GetSecureBits:
                return who.SecureBits;
            case SetSecureBits:
                if (!who.HasHere(Capability.SetCapabilities))
                    return -Errno.EPERM;
                process.Credentials = who with { SecureBits = (uint)a.A1 & 0xFF };
                return 0;
            case SetNoNewPrivileges:
                if (a.A1 != 1 || a.A2 != 0 || a.A3 != 0 || a.A4 != 0)
                    return -Errno.EINVAL;
                process.Credentials = who with { NoNewPrivileges = true };
                return 0;
            case GetNoNewPrivileges:
                return (a.A1 | a.A2 | a.A3 | a.A4) != 0 ? -Errno.EINVAL : who.NoNewPrivileges ? 1 : 0;
            case Ambient:
                return ChangeAmbient(process, in a);
            default:
                return -Errno.EINVAL;
        }
    }

    private static long ChangeAmbient(Process process, in SyscallArguments a)
    {
        const ulong isSet = 1, raise = 2, lower = 3, clear = 4;
        Credentials who = process.Credentials;
        if (a.A1 == clear)
        {
            process.Credentials = who with { Ambient = 0 };
            return (a.A2 | a.A3 | a.A4) != 0 ? -Errno.EINVAL : 0;
        }

        if (a.A2 > Capability.Last || a.A3 != 0 || a.A4 != 0)
            return -Errno.EINVAL;
        ulong bit = 1UL << (int)a.A2;
        switch (a.A1)
        {
            case isSet:
                return (who.Ambient & bit) != 0 ? 1 : 0;
            case raise when (who.Permitted & who.Inheritable & bit) == 0:
                return -Errno.EPERM;
            case raise:
                process.Credentials = who with { Ambient = who.Ambient | bit };
                return 0;
            case lower:
                process.Credentials = who with { Ambient = who.Ambient & ~bit };
                return 0;
            default:
                return -Errno.EINVAL;
        }
    }
}
