using Hypervisor.Core;
using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container;

/// <summary>Mounts what a container's options name, inside its own tree: no link in it leads a mount elsewhere.</summary>
internal static class ContainerMounts
{
    private const uint AnyoneSticky = 0x3FF;
    private const uint OwnerWrites = 0x1ED;

    /// <summary>Mounts it all, in order, then masks.</summary>
    /// <exception cref="HypervisorException">Something cannot be mounted.</exception>
    public static void Build(Container container, PathWalk walk)
    {
        ContainerOptions options = container.Options;
        IReadOnlyList<ContainerMount> mounts = options.Mounts
            ?? [new ContainerMount { Destination = "/proc", Kind = ContainerMountKind.Processes }, new ContainerMount { Destination = "/sys", Kind = ContainerMountKind.System }];
        if (!HasDevices(mounts))
            mounts = [new ContainerMount { Destination = "/dev", Kind = ContainerMountKind.Devices }, .. mounts];
        foreach (ContainerMount mount in mounts)
            Mount(container, walk, mount);
        if (!options.RootIsHosts)
            MakePlace(container, walk, "/tmp", isDirectory: true).Inode!.Mode = InodeMode.Directory | AnyoneSticky;
        if (options.Link is { } link)
            MountResolver(container, walk, mounts, link);
        foreach (string path in options.MaskedPaths)
        {
            if (Existing(walk, KernelText.FromHost(path)) is { Inode: { } covered } masked)
                walk.Mount(masked, new MountedTree(covered.IsDirectory ? new MemoryDirectory(container.Store, 0x16D) : new GeneratedInode(container.Store, () => []), "tmpfs", "masked", isReadOnly: true) { IsLocked = true });
        }

        foreach (string path in options.ReadOnlyPaths)
        {
            if (Existing(walk, KernelText.FromHost(path)) is { Inode: { } top } kept)
            {
                MountedTree same = kept.Mount.Bind(top, kept.PathInMount);
                same.Rights |= MountRights.ReadOnly;
                same.LockedRights |= MountRights.ReadOnly;
                same.IsLocked = true;
                walk.MountPart(kept, kept, same, PathWalk.Under(kept));
            }
        }
    }

    /// <summary>What tells programs of the network's name server, unless the options do.</summary>
    private static void MountResolver(Container container, PathWalk walk, IReadOnlyList<ContainerMount> mounts, Core.Network.Routing.StationLink link)
    {
        if (mounts.Any(mount => mount.Destination == "/etc/resolv.conf"))
            return;
        byte[] servers = System.Text.Encoding.ASCII.GetBytes($"nameserver {Core.Network.Ipv4Network.Format(link.Gateway)}\n");
        walk.Mount(MakePlace(container, walk, "/etc/resolv.conf", isDirectory: false),
            new MountedTree(new GeneratedInode(container.Store, () => servers), "tmpfs", "network", isReadOnly: true) { IsLocked = true });
    }

    private static bool HasDevices(IReadOnlyList<ContainerMount> mounts)
    {
        foreach (ContainerMount mount in mounts)
        {
            if (mount is { Kind: ContainerMountKind.Devices, Destination: "/dev" or "/dev/" })
                return true;
        }

        return false;
    }

    private static void Mount(Container container, PathWalk walk, ContainerMount mount)
    {
        FileStore store = container.Store;
        string where = KernelText.FromHost(mount.Destination);
        string clean = "/" + string.Join('/', where.Split('/', StringSplitOptions.RemoveEmptyEntries));
        if (clean == "/")
            throw new HypervisorException($"Container '{container.Options.Name}': nothing can be mounted over its root; make it the root directory instead.");
        (Inode root, string type, string source) = mount.Kind switch
        {
            ContainerMountKind.Host => (HostTree(container, mount), "hostfs", mount.Source!),
            ContainerMountKind.Devices => (ContainerTree.Dev(container), "devtmpfs", "devtmpfs"),
            ContainerMountKind.Processes => (Files.Proc.ProcTree.Build(container, container.Pids), "proc", "proc"),
            ContainerMountKind.System => (Files.Proc.SysTree.Build(container), "sysfs", "sysfs"),
            _ => ((Inode)new MemoryDirectory(mount.SizeLimit is { } limit ? store.Part(limit) : store, mount.Permissions ?? AnyoneSticky), "tmpfs", "tmpfs"),
        };
        PathResult at = MakePlace(container, walk, where, root.IsDirectory);
        if (at.Inode!.IsDirectory != root.IsDirectory)
            throw new HypervisorException($"Container '{container.Options.Name}': '{mount.Source}' cannot be mounted at '{where}': one is a directory, the other is a file.");
        walk.Mount(at, new MountedTree(root, type, source, mount.IsReadOnly));
    }

    private static Inode HostTree(Container container, ContainerMount mount)
    {
        string source = mount.Source ?? throw new HypervisorException($"Container '{container.Options.Name}': the mount at '{mount.Destination}' has no source.");
        string full = Path.GetFullPath(source);
        if (Directory.Exists(full))
            return new HostVolume(container.Store, full).Root;
        if (!File.Exists(full))
            throw new HypervisorException($"Container '{container.Options.Name}': '{source}', to be mounted at '{mount.Destination}', does not exist.");

        // Links in the source's name are the user's own. Of the directory that holds the file, the container sees the file only.
        full = File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
        var volume = new HostVolume(container.Store, Path.GetDirectoryName(full)!);
        return volume.Root.Lookup(KernelText.FromHost(Path.GetFileName(full)))
            ?? throw new HypervisorException($"Container '{container.Options.Name}': '{source}' is no regular file and cannot be mounted at '{mount.Destination}'.");
    }

    /// <summary>The place of a mount, made with all that leads to it where it is missing.</summary>
    private static PathResult MakePlace(Container container, PathWalk walk, string path, bool isDirectory)
    {
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        string sofar = "";
        PathResult at = default;
        for (int i = 0; i < parts.Length; i++)
        {
            sofar += "/" + parts[i];
            int error = walk.Resolve(walk.Root, sofar, true, out PathResult found);
            Inode? inode = found.Inode;
            if (error == 0 && inode is null)
                error = found.Parent.Make(found.Name, (i < parts.Length - 1 || isDirectory ? InodeMode.Directory : InodeMode.Regular) | (i < parts.Length - 1 || isDirectory ? OwnerWrites : 0x1A4), out inode);
            if (error != 0)
                throw new HypervisorException($"Container '{container.Options.Name}': there is no place for a mount at '{path}': '{sofar}' cannot be made ({ErrorName(error)}).");
            at = found with { Inode = inode };
        }

        return at;
    }

    private static PathResult? Existing(PathWalk walk, string path) => walk.Resolve(walk.Root, path, true, out PathResult found) == 0 ? found : null;

    private static string ErrorName(int error) => -error switch
    {
        Errno.ELOOP => "too many links",
        Errno.ENOTDIR => "a part of it is no directory",
        Errno.EROFS => "it is read-only",
        Errno.EACCES or Errno.EPERM => "permission denied",
        Errno.ENAMETOOLONG => "the name is too long",
        _ => $"error {-error}",
    };
}
