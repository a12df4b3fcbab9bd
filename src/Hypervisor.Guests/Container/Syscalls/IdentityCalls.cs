using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>Users, groups and capabilities of a process (credentials(7), capabilities(7)).</summary>
internal static class IdentityCalls
{
    private const int MostGroups = 65_536;
    private const uint Keep = uint.MaxValue;
    private const uint Version1 = 0x1998_0330, Version2 = 0x2007_1026, Version3 = 0x2008_0522;

    public static long GetUid(KernelTask task, in SyscallArguments a) => task.Process.Credentials.TellUser(task.Process.Credentials.Uid);

    public static long GetEffectiveUid(KernelTask task, in SyscallArguments a) => task.Process.Credentials.TellUser(task.Process.Credentials.EffectiveUid);

    public static long GetGid(KernelTask task, in SyscallArguments a) => task.Process.Credentials.TellGroup(task.Process.Credentials.Gid);

    public static long GetEffectiveGid(KernelTask task, in SyscallArguments a) => task.Process.Credentials.TellGroup(task.Process.Credentials.EffectiveGid);

    public static long GetUids(KernelTask task, in SyscallArguments a)
    {
        Credentials who = task.Process.Credentials;
        return task.TryWrite(a.A0, who.TellUser(who.Uid)) && task.TryWrite(a.A1, who.TellUser(who.EffectiveUid)) && task.TryWrite(a.A2, who.TellUser(who.SavedUid)) ? 0 : -Errno.EFAULT;
    }

    public static long GetGids(KernelTask task, in SyscallArguments a)
    {
        Credentials who = task.Process.Credentials;
        return task.TryWrite(a.A0, who.TellGroup(who.Gid)) && task.TryWrite(a.A1, who.TellGroup(who.EffectiveGid)) && task.TryWrite(a.A2, who.TellGroup(who.SavedGid)) ? 0 : -Errno.EFAULT;
    }

    public static long SetUid(KernelTask task, in SyscallArguments a)
    {
        Credentials who = task.Process.Credentials;
        uint uid = who.UserOf((uint)a.A0);
        if (uid == Keep)
            return -Errno.EINVAL;
        if (who.HasHere(Capability.SetUid))
            return Become(task, who.WithUids(uid, uid, uid));
        return uid == who.Uid || uid == who.SavedUid ? Become(task, who.WithUids(who.Uid, uid, who.SavedUid)) : -Errno.EPERM;
    }

    public static long SetGid(KernelTask task, in SyscallArguments a)
    {
        Credentials who = task.Process.Credentials;
        uint gid = who.GroupOf((uint)a.A0);
        if (gid == Keep)
            return -Errno.EINVAL;
        if (who.HasHere(Capability.SetGid))
            return Become(task, WithGids(who, gid, gid, gid));
        return gid == who.Gid || gid == who.SavedGid ? Become(task, WithGids(who, who.Gid, gid, who.SavedGid)) : -Errno.EPERM;
    }

    public static long SetRealAndEffectiveUid(KernelTask task, in SyscallArguments a)
    {
        Credentials who = task.Process.Credentials;
        if (!TryUser(who, a.A0, out uint real) || !TryUser(who, a.A1, out uint effective))
            return -Errno.EINVAL;
        bool may = who.HasHere(Capability.SetUid);
        if (!may && ((real != Keep && real != who.Uid && real != who.EffectiveUid)
            || (effective != Keep && effective != who.Uid && effective != who.EffectiveUid && effective != who.SavedUid)))
            return -Errno.EPERM;
        uint newReal = real == Keep ? who.Uid : real;
        uint newEffective = effective == Keep ? who.EffectiveUid : effective;
        bool saves = real != Keep || (effective != Keep && effective != who.Uid);
        return Become(task, who.WithUids(newReal, newEffective, saves ? newEffective : who.SavedUid));
    }

    public static long SetRealAndEffectiveGid(KernelTask task, in SyscallArguments a)
    {
        Credentials who = task.Process.Credentials;
        if (!TryGroup(who, a.A0, out uint real) || !TryGroup(who, a.A1, out uint effective))
            return -Errno.EINVAL;
        bool may = who.HasHere(Capability.SetGid);
        if (!may && ((real != Keep && real != who.Gid && real != who.EffectiveGid)
            || (effective != Keep && effective != who.Gid && effective != who.EffectiveGid && effective != who.SavedGid)))
            return -Errno.EPERM;
        uint newEffective = effective == Keep ? who.EffectiveGid : effective;
        bool saves = real != Keep || (effective != Keep && effective != who.Gid);
        return Become(task, WithGids(who, real == Keep ? who.Gid : real, newEffective, saves ? newEffective : who.SavedGid));
    }

    public static long SetUids(KernelTask task, in SyscallArguments a)
    {
        Credentials who = task.Process.Credentials;
        if (!TryUser(who, a.A0, out uint real) || !TryUser(who, a.A1, out uint effective) || !TryUser(who, a.A2, out uint saved))
            return -Errno.EINVAL;
        bool IsMine(uint uid) => uid == Keep || uid == who.Uid || uid == who.EffectiveUid || uid == who.SavedUid;
        if (!who.HasHere(Capability.SetUid) && !(IsMine(real) && IsMine(effective) && IsMine(saved)))
            return -Errno.EPERM;
        return Become(task, who.WithUids(real == Keep ? who.Uid : real, effective == Keep ? who.EffectiveUid : effective, saved == Keep ? who.SavedUid : saved));
    }

    public static long SetGids(KernelTask task, in SyscallArguments a)
    {
        Credentials who = task.Process.Credentials;
        if (!TryGroup(who, a.A0, out uint real) || !TryGroup(who, a.A1, out uint effective) || !TryGroup(who, a.A2, out uint saved))
            return -Errno.EINVAL;
        bool IsMine(uint gid) => gid == Keep || gid == who.Gid || gid == who.EffectiveGid || gid == who.SavedGid;
        if (!who.HasHere(Capability.SetGid) && !(IsMine(real) && IsMine(effective) && IsMine(saved)))
            return -Errno.EPERM;
        return Become(task, WithGids(who, real == Keep ? who.Gid : real, effective == Keep ? who.EffectiveGid : effective, saved == Keep ? who.SavedGid : saved));
    }

    public static long SetFileUid(KernelTask task, in SyscallArguments a)
    {
        Credentials who = task.Process.Credentials;
        uint uid = who.UserOf((uint)a.A0);
        if (uid != Keep && (who.HasHere(Capability.SetUid) || uid == who.Uid || uid == who.EffectiveUid || uid == who.SavedUid || uid == who.FileUid))
            task.Process.Credentials = who with { FileUid = uid };
        return who.TellUser(who.FileUid);
    }

    public static long SetFileGid(KernelTask task, in SyscallArguments a)
    {
        Credentials who = task.Process.Credentials;
        uint gid = who.GroupOf((uint)a.A0);
        if (gid != Keep && (who.HasHere(Capability.SetGid) || gid == who.Gid || gid == who.EffectiveGid || gid == who.SavedGid || gid == who.FileGid))
            task.Process.Credentials = who with { FileGid = gid };
        return who.TellGroup(who.FileGid);
    }

    public static long GetGroups(KernelTask task, in SyscallArguments a)
    {
        IReadOnlyList<uint> groups = task.Process.Credentials.Groups;
        int room = (int)a.A0;
        if (room < 0 || (room != 0 && room < groups.Count))
            return -Errno.EINVAL;
        for (int i = 0; room != 0 && i < groups.Count; i++)
        {
            if (!task.TryWrite(a.A1 + ((ulong)i * 4), task.Process.Credentials.TellGroup(groups[i])))
                return -Errno.EFAULT;
        }

        return groups.Count;
    }

    public static long SetGroups(KernelTask task, in SyscallArguments a)
    {
        Credentials who = task.Process.Credentials;
        if (!who.HasHere(Capability.SetGid) || who.Namespace is { AllowsGroups: false } or { Groups.IsEmpty: true })
            return -Errno.EPERM;
        if (a.A0 > MostGroups)
            return -Errno.EINVAL;
        var groups = new uint[a.A0];
        for (int i = 0; i < groups.Length; i++)
        {
            if (!task.TryRead(a.A1 + ((ulong)i * 4), out uint group))
                return -Errno.EFAULT;
            groups[i] = who.GroupOf(group);
            if (groups[i] == Keep)
                return -Errno.EINVAL;
        }

        task.Process.Credentials = who with { Groups = groups };
        return 0;
    }

    public static long GetCapabilities(KernelTask task, in SyscallArguments a)
    {
        long error = ReadHeader(task, a.A0, a.A1, out uint version, out int pid);
        if (error != 0 || a.A1 == 0)
            return error;
        if (pid < 0)
            return -Errno.EINVAL;
        Process? process = pid == 0 ? task.Process : task.FindProcess(pid) ?? task.FindTask(pid)?.Process;
        if (process is null)
            return -Errno.ESRCH;
        Credentials who = process.Credentials;
        for (int word = 0; word < (version == Version1 ? 1 : 2); word++)
        {
            ulong at = a.A1 + ((ulong)word * 12);
            int shift = word * 32;
            if (!task.TryWrite(at, (uint)(who.Effective >> shift)) || !task.TryWrite(at + 4, (uint)(who.Permitted >> shift)) || !task.TryWrite(at + 8, (uint)(who.Inheritable >> shift)))
                return -Errno.EFAULT;
        }

        return 0;
    }

    public static long SetCapabilities(KernelTask task, in SyscallArguments a)
    {
        long error = ReadHeader(task, a.A0, a.A1, out uint version, out int pid);
        if (error != 0)
            return error;
        if (pid != 0 && pid != task.LocalId(task.Id))
            return -Errno.EPERM;
        (ulong effective, ulong permitted, ulong inheritable) = (0, 0, 0);
        for (int word = 0; word < (version == Version1 ? 1 : 2); word++)
        {
            ulong at = a.A1 + ((ulong)word * 12);
            if (!task.TryRead(at, out uint e) || !task.TryRead(at + 4, out uint p) || !task.TryRead(at + 8, out uint i))
                return -Errno.EFAULT;
            effective |= (ulong)e << (word * 32);
            permitted |= (ulong)p << (word * 32);
            inheritable |= (ulong)i << (word * 32);
        }

        effective &= Capability.All;
        permitted &= Capability.All;
        inheritable &= Capability.All;
        Credentials who = task.Process.Credentials;
        bool mayInherit = who.HasHere(Capability.SetCapabilities);
        if ((!mayInherit && (inheritable & ~(who.Inheritable | who.Permitted)) != 0) || (inheritable & ~(who.Inheritable | who.Bounding)) != 0
            || (permitted & ~who.Permitted) != 0 || (effective & ~permitted) != 0)
            return -Errno.EPERM;
        return Become(task, who with { Effective = effective, Permitted = permitted, Inheritable = inheritable, Ambient = who.Ambient & permitted & inheritable });
    }

    private static long ReadHeader(KernelTask task, ulong address, ulong data, out uint version, out int pid)
    {
        pid = 0;
        if (!task.TryRead(address, out version) || !task.TryRead(address + 4, out pid))
            return -Errno.EFAULT;
        if (version is Version1 or Version2 or Version3)
            return 0;
        if (!task.TryWrite(address, Version3))
            return -Errno.EFAULT;
        return data == 0 ? 0 : -Errno.EINVAL;
    }

    private static Credentials WithGids(Credentials who, uint real, uint effective, uint saved)
        => who with { Gid = real, EffectiveGid = effective, SavedGid = saved, FileGid = effective };

    /// <summary>A user whom a call names; false where the caller's namespace has none such.</summary>
    private static bool TryUser(Credentials who, ulong argument, out uint user)
    {
        user = (uint)argument == Keep ? Keep : who.UserOf((uint)argument);
        return user != Keep || (uint)argument == Keep;
    }

    private static bool TryGroup(Credentials who, ulong argument, out uint group)
    {
        group = (uint)argument == Keep ? Keep : who.GroupOf((uint)argument);
        return group != Keep || (uint)argument == Keep;
    }

    private static long Become(KernelTask task, Credentials who)
    {
        Credentials old = task.Process.Credentials;
        task.Process.Credentials = who;

        // What it knows of before is not for the new user to see.
        if (who.EffectiveUid != old.EffectiveUid || who.EffectiveGid != old.EffectiveGid || who.FileUid != old.FileUid || who.FileGid != old.FileGid
            || (who.Permitted & ~old.Permitted) != 0)
            task.Process.Dumpable = 0;
        return 0;
    }
}
