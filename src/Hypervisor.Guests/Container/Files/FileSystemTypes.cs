using System.Globalization;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files;

/// <summary>File systems that programs may mount, and their options.</summary>
internal static class FileSystemTypes
{
    private const uint AnyoneSticky = 0x3FF;
    private const uint OwnerWrites = 0x1ED;

    /// <summary>Makes a file system of a kind; 0 or a negated error.</summary>
    public static int TryMake(Process process, string type, string source, string options, MountRights rights, out MountedTree? made)
    {
        made = null;
        Container container = process.Container;
        UserNamespace? user = process.Credentials.Namespace;
        Inode root;
        MountedContent? content = null;
        string told = "";
        switch (type)
        {
            case "tmpfs" or "ramfs":
                if (!TryReadOptions(process, options, container.Store.Capacity, out TemporaryOptions wanted))
                    return -Errno.EINVAL;
                content = new MountedContent(container.Store.Part(wanted.Size), wanted.Mode);
                root = content.Root;
                (root.Uid, root.Gid) = (wanted.Uid, wanted.Gid);
                told = wanted.IsSized ? string.Create(CultureInfo.InvariantCulture, $",size={wanted.Size >> 10}k") : "";
                if (wanted.Mode != AnyoneSticky)
                    told += ",mode=" + Convert.ToString(wanted.Mode, 8);
                break;
            case "proc":
                if (!process.Credentials.HasIn(process.Pids.Owner, Capability.Administer))
                    return -Errno.EPERM;
                if (user is not null && !IsShown(process, type, rights))
                    return -Errno.EPERM;
                root = Proc.ProcTree.Build(container, process.Pids);
                break;
            case "sysfs":
                if (!process.Credentials.HasIn(process.Namespaces.Network.Owner, Capability.Administer) || (user is not null && !IsShown(process, type, rights)))
                    return -Errno.EPERM;
                root = Proc.SysTree.Build(container);
                break;
            case "devpts":
                root = ContainerTree.Terminals(container);
                told = ",mode=620,ptmxmode=666";
                break;
            case "mqueue":
                if (!process.Credentials.HasIn(process.Namespaces.Ipc.Owner, Capability.Administer))
                    return -Errno.EPERM;
                root = new Ipc.QueueDirectory(process.Namespaces.Ipc.Objects, container.Store);
                break;
            case "devtmpfs":
                if (user is not null)
                    return -Errno.EPERM;
                root = ContainerTree.Dev(container);
                break;
            case "cgroup2":
                root = new MemoryDirectory(container.Store, OwnerWrites);
                break;
            default:
                return -Errno.ENODEV;
        }

        made = new MountedTree(root, type, source, isReadOnly: false)
        {
            Rights = rights,
            Options = told,
            Owner = user,
            Content = content,
            Store = content?.Store,
        };
        return 0;
    }

    /// <summary>
    /// Whether a file system of that kind is mounted already with nothing of it hidden: a namespace with fewer rights may not
    /// uncover what was hidden from it by mounting it anew.
    /// </summary>
    private static bool IsShown(Process process, string type, MountRights rights)
        => process.Paths.Mounts.Any(mount => mount.Type == type && mount.RootPath == "/" && (mount.LockedRights & MountRights.ReadOnly & ~rights) == 0
            && !mount.Children.Any(child => child.IsLocked && child.Type == "tmpfs"));

    private readonly record struct TemporaryOptions(long Size, bool IsSized, uint Mode, uint Uid, uint Gid);

    private static bool TryReadOptions(Process process, string options, long capacity, out TemporaryOptions read)
    {
        Credentials who = process.Credentials;
        read = new TemporaryOptions(capacity, false, AnyoneSticky, who.FileUid, who.FileGid);
        foreach (string option in options.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = option.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? option : option[..equals];
            string value = equals < 0 ? "" : option[(equals + 1)..];
            switch (name)
            {
                case "size" when TryReadSize(value, capacity, out long size):
                    read = read with { Size = size == 0 ? capacity : Math.Min(size, capacity), IsSized = size != 0 };
                    break;
                case "nr_blocks" when TryReadSize(value, capacity, out long blocks):
                    read = read with { Size = blocks == 0 ? capacity : Math.Min(blocks * 4096, capacity), IsSized = blocks != 0 };
                    break;
                case "mode" when value.Length is > 0 and < 8 && value.All(digit => digit is >= '0' and <= '7'):
                    read = read with { Mode = Convert.ToUInt32(value, 8) & InodeMode.Permissions };
                    break;
                case "uid" when uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out uint uid) && who.UserOf(uid) is var user && user != IdMap.None:
                    read = read with { Uid = user };
                    break;
                case "gid" when uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out uint gid) && who.GroupOf(gid) is var group && group != IdMap.None:
                    read = read with { Gid = group };
                    break;
                case "nr_inodes" when TryReadSize(value, capacity, out _):
                case "huge" or "mpol" or "inode32" or "inode64" or "noswap":
                    break;
                default:
                    return false;
            }
        }

        return true;
    }

    /// <summary>A size with k, m, g or t behind it, or a share of all there is with %.</summary>
    private static bool TryReadSize(string text, long capacity, out long size)
    {
        size = 0;
        if (text.Length == 0)
            return false;
        char unit = char.ToLowerInvariant(text[^1]);
        int shift = unit switch { 'k' => 10, 'm' => 20, 'g' => 30, 't' => 40, _ => 0 };
        string digits = shift != 0 || unit == '%' ? text[..^1] : text;
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long number))
            return false;
        size = unit == '%' ? (long)Int128.Min(capacity, (Int128)capacity * number / 100) : (long)Int128.Min(long.MaxValue / 2, (Int128)number << shift);
        return true;
    }
}

/// <summary>The files of a tmpfs that a program mounted: gone with its last mount, but for those that are open.</summary>
internal sealed class MountedContent(FileStore store, uint permissions)
{
    private int _mounts;

    public FileStore Store => store;

    public MemoryDirectory Root { get; } = new(store, permissions);

    public void Mounted() => _mounts++;

    public void Unmounted()
    {
        if (--_mounts == 0)
            Discard();
    }

    /// <summary>Forgets all files.</summary>
    public void Discard()
    {
        Clear(Root);
        store.Leave();
    }

    private static void Clear(MemoryDirectory directory)
    {
        // Trees may be deeper than a stack.
        var left = new Stack<MemoryDirectory>();
        left.Push(directory);
        while (left.TryPop(out MemoryDirectory? next))
        {
            foreach ((string name, Inode inode) in next.Entries())
            {
                next.Remove(name);
                if (inode is MemoryDirectory inner)
                    left.Push(inner);
                else
                    inode.Unlinked();
            }
        }
    }
}
