using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Net;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>unshare and setns, and the new namespaces of clone (namespaces(7)).</summary>
internal static class NamespaceCalls
{
    /// <summary>Who and where a process is once it has new namespaces.</summary>
    public readonly record struct Made(ProcessNamespaces Namespaces, Credentials Credentials, Func<Place, Place> Translate);

    /// <summary>Makes the namespaces that some flags ask for, for a process or its child; 0 or a negated error.</summary>
    public static int TryMake(Process process, ulong flags, out Made made)
    {
        Credentials who = process.Credentials;
        ProcessNamespaces now = process.Namespaces;
        Container container = process.Container;
        NamespaceSet set = container.NamespaceSet;
        made = new Made(now, who, static place => place);
        flags &= NamespaceKind.All;
        if (flags == 0)
            return 0;
        if ((flags & NamespaceKind.Users) != 0)
        {
            if (process.Root is { } root && !root.IsSame(process.Paths.Root))
                return -Errno.EPERM;
            if (who.TellUser(who.EffectiveUid, IdMap.None) == IdMap.None || who.TellGroup(who.EffectiveGid, IdMap.None) == IdMap.None)
                return -Errno.EPERM;
            if (who.Namespace is { Level: >= UserNamespace.Deepest })
                return -Errno.ENOSPC;
            who = who.WithAll(new UserNamespace(set, who.Namespace, who.EffectiveUid, who.EffectiveGid));
        }

        if ((flags & ~NamespaceKind.Users) != 0 && !who.HasHere(Capability.Administer))
            return -Errno.EPERM;
        if (set.Count + 7 > NamespaceSet.Most)
            return -Errno.ENOSPC;
        if ((flags & NamespaceKind.Processes) != 0)
        {
            if (now.ForChildren.Level >= ProcessNamespace.Deepest)
                return -Errno.ENOSPC;
            if (now.ForChildren != process.Pids)
                return -Errno.EINVAL;
            now = now with { ForChildren = new ProcessNamespace(set, who.Namespace, now.ForChildren) };
        }

        if ((flags & NamespaceKind.Names) != 0)
            now = now with { Names = new NamesNamespace(set, who.Namespace, now.Names.Host, now.Names.Domain) };
        if ((flags & NamespaceKind.Ipc) != 0)
            now = now with { Ipc = new IpcNamespace(set, who.Namespace) };
        if ((flags & NamespaceKind.Network) != 0)
            now = now with { Network = new NetworkNamespace(set, who.Namespace, new ContainerNetwork(container.Store) { Caller = () => container.Host.Current, Interfaces = [NetworkInterface.Loopback] }) };
        if ((flags & NamespaceKind.ControlGroup) != 0)
            now = now with { ControlGroup = new ControlGroupNamespace(set, who.Namespace) };
        Func<Place, Place> translate = made.Translate;
        if ((flags & NamespaceKind.Mounts) != 0)
        {
            bool isLess = who.Namespace != now.Mounts.Owner;
            if (now.Mounts.Paths.Copy(isLess, out translate) is not { } paths)
                return -Errno.ENOSPC;
            now = now with { Mounts = new MountNamespace(set, who.Namespace, paths) };
        }

        made = new Made(now, who, translate);
        return 0;
    }

    /// <summary>unshare: descriptors, file-system state and namespaces of its own.</summary>
    public static long Unshare(KernelTask task, in SyscallArguments a)
    {
        const ulong files = 0x400, fileSystem = 0x200, semaphores = 0x4_0000, threads = 0x1_0000, memory = 0x100, signals = 0x800;
        if ((a.A0 & ~(files | fileSystem | semaphores | threads | memory | signals | NamespaceKind.All)) != 0)
            return -Errno.EINVAL;
        Process process = task.Process;
        if ((a.A0 & (threads | memory | signals | NamespaceKind.Users)) != 0 && process.Tasks.Count > 1)
            return -Errno.EINVAL;
        int error = TryMake(process, a.A0, out Made made);
        if (error != 0)
            return error;
        if ((a.A0 & files) != 0)
            process.Unshare();
        Become(process, in made);
        return 0;
    }

    /// <summary>setns: into a namespace that a descriptor stands for, or into some of a process's.</summary>
    public static long Join(KernelTask task, in SyscallArguments a)
    {
        ulong kinds = (uint)a.A1;
        Process process = task.Process;
        if (process.Files[a.Fd] is not { } file)
            return -Errno.EBADF;
        Namespace[] targets;
        Credentials who = process.Credentials;
        if (file is NamespaceFile open)
        {
            if (kinds != 0 && kinds != open.Namespace.Kind)
                return -Errno.EINVAL;
            targets = [open.Namespace];
        }
        else if (file is ProcessFile { Process: var other })
        {
            if (kinds == 0 || (kinds & ~NamespaceKind.All) != 0)
                return -Errno.EINVAL;
            if (!other.IsAlive)
                return -Errno.ESRCH;
            if (!process.MayTrace(other))
                return -Errno.EPERM;
            targets = [.. Of(other).Where(each => (each.Kind & kinds) != 0)];
        }
        else
        {
            return -Errno.EINVAL;
        }

        // A user namespace comes first: it gives the rights to the others.
        ProcessNamespaces now = process.Namespaces;
        foreach (Namespace target in targets.OrderByDescending(each => each.Kind == NamespaceKind.Users))
        {
            int error = Check(process, who, target);
            if (error != 0)
                return error;
            switch (target)
            {
                case UserNamespace users:
                    who = who.WithAll(users);
                    break;
                case MountNamespace mounts:
                    now = now with { Mounts = mounts };
                    break;
                case NamesNamespace names:
                    now = now with { Names = names };
                    break;
                case IpcNamespace ipc:
                    now = now with { Ipc = ipc };
                    break;
                case NetworkNamespace network:
                    now = now with { Network = network };
                    break;
                case ControlGroupNamespace groups:
                    now = now with { ControlGroup = groups };
                    break;
                case ProcessNamespace processes:
                    now = now with { ForChildren = processes };
                    break;
            }
        }

        bool moves = now.Mounts != process.Namespaces.Mounts;
        Place top = now.Mounts.Paths.Root.OnTop();
        Become(process, new Made(now, who, place => moves ? top : place));
        if (moves)
            process.Root = top.IsSame(now.Mounts.Paths.Root) ? null : top;
        return 0;
    }

    /// <summary>The namespaces of a process; that of its user only where it is not the container's.</summary>
    public static IEnumerable<Namespace> Of(Process process)
    {
        ProcessNamespaces now = process.Namespaces;
        return [process.Credentials.Namespace ?? process.Container.Users, now.Mounts, now.Names, now.Ipc, now.Network, now.ControlGroup, process.Pids];
    }

    /// <summary>Requests on an open namespace (ioctl_ns(2)).</summary>
    public static long Control(KernelTask task, NamespaceFile file, ulong request, ulong argument)
    {
        const ulong getOwner = 0xB701, getParent = 0xB702, getKind = 0xB703, getUser = 0xB704;
        UserNamespace first = task.Process.Container.Users;
        switch (request)
        {
            case getKind:
                return (long)file.Namespace.Kind;
            case getOwner:
                return file.Namespace == first ? -Errno.EPERM : Add(task, file.Namespace.Owner ?? first);
            case getParent:
                Namespace? parent = file.Namespace switch
                {
                    UserNamespace users when users != first => users.Owner ?? first,
                    ProcessNamespace processes when processes != task.Process.Pids => processes.Parent,
                    UserNamespace or ProcessNamespace => null,
                    _ => file.Namespace,
                };
                return parent is null ? -Errno.EPERM : parent == file.Namespace ? -Errno.EINVAL : Add(task, parent);
            case getUser when file.Namespace is UserNamespace users:
                return task.TryWrite(argument, task.Process.Credentials.TellUser(users.OwnerUid)) ? 0 : -Errno.EFAULT;
            case getUser:
                return -Errno.EINVAL;
            default:
                return -Errno.ENOTTY;
        }
    }

    private static long Add(KernelTask task, Namespace what)
    {
        OpenFile file = what.Inode.Open(0);
        return task.Process.Files.Add(file, closeOnExec: true);
    }

    private static int Check(Process process, Credentials who, Namespace target)
    {
        bool may = who.HasIn(target.Owner, Capability.Administer);
        switch (target)
        {
            case UserNamespace users:
                UserNamespace? wanted = users.IsFirst ? null : users;
                return wanted == who.Namespace || process.Tasks.Count > 1 ? -Errno.EINVAL : who.HasIn(wanted, Capability.Administer) ? 0 : -Errno.EPERM;
            case ProcessNamespace processes:
                return !may || !who.HasHere(Capability.Administer) ? -Errno.EPERM : processes.IsWithin(process.Pids) ? 0 : -Errno.EINVAL;
            case MountNamespace:
                return !may || !who.HasHere(Capability.Administer) || !who.HasHere(Capability.ChangeRoot) ? -Errno.EPERM : process.Tasks.Count > 1 ? -Errno.EINVAL : 0;
            default:
                return may && who.HasHere(Capability.Administer) ? 0 : -Errno.EPERM;
        }
    }

    private static void Become(Process process, in Made made)
    {
        process.Namespaces = made.Namespaces;
        process.Credentials = made.Credentials;
        process.WorkingDirectory = made.Translate(process.WorkingDirectory);
        process.Root = process.Root is { } root ? made.Translate(root) : null;
    }
}
