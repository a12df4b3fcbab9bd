using System.Globalization;
using Hypervisor.Guests.Container.Files;

namespace Hypervisor.Guests.Container;

/// <summary>Builds what a container sees as its file tree: root, /dev, /proc, /tmp.</summary>
internal static class ContainerTree
{
    public static PathWalk Build(Container container)
    {
        ContainerOptions options = container.Options;
        var root = RootOf(container);
        var walk = new PathWalk(new Place(root.Root, null, "", root));
        ContainerMounts.Build(container, walk);
        if (options.ProgramImage is { } image)
            PutProgram(root.Root, options.Program, image);
        return walk;
    }

    private static MountedTree RootOf(Container container)
    {
        ContainerOptions options = container.Options;
        if (options is { RootIsHosts: true, RootDirectory: { } host })
            return new MountedTree(new HostVolume(container.Store, host).Root, "hostfs", "hostfs", options.RootIsReadOnly);
        HostDirectory? lower = options.Image?.Root ?? (options.RootDirectory is { } path ? new HostDirectory(Path.GetFullPath(path)) : null);
        if (options.UpperDirectory is { } upper)
            return new MountedTree(new OverlayDirectory(new HostVolume(container.Store, Path.GetFullPath(upper)), lower!), "overlay", "overlay", options.RootIsReadOnly);
        var root = new MemoryDirectory(container.Store, 0x1ED, lower);
        return new MountedTree(root, "overlay", "overlay", options.RootIsReadOnly);
    }

    /// <summary>The open file behind a standard stream.</summary>
    public static OpenFile Stream(Container container, Inode inode, int number, int flags)
    {
        if (container.Console is { } console)
            return new TerminalFile(inode, flags, console.Terminal, static () => { });
        return new HostStreamFile(inode, flags, number == 0 ? container.Options.Input ?? ContainerInput.Empty : null,
            number == 2 ? container.Options.Error : container.Options.Output, container.InputReady);
    }

    private static void PutProgram(Inode root, string program, ReadOnlyMemory<byte> image)
    {
        Inode at = root;
        string[] parts = program.Split('/', StringSplitOptions.RemoveEmptyEntries);
        foreach (string part in parts[..^1])
        {
            if (at.Lookup(part) is { } found)
                at = found;
            else if (at.Make(part, InodeMode.Directory | 0x1ED, out Inode? made) == 0)
                at = made!;
        }

        if (at.Lookup(parts[^1]) is not null)
            at.Remove(parts[^1]);
        if (at.Make(parts[^1], InodeMode.Regular | 0x1ED, out Inode? file) != 0 || file!.WriteAt(image.Span, 0) != image.Length)
            throw new Core.HypervisorException($"The program cannot be put at '{program}' in the container.");
    }

    /// <summary>The container's pseudo-terminals by number (devpts).</summary>
    public static GeneratedDirectory Terminals(Container container)
    {
        var master = new PtyMasterInode(container);
        return new GeneratedDirectory(container.Store,
            name => name == "ptmx" ? master : int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? container.Ptys.Find(number)?.Slave : null,
            () => container.Ptys.Numbers.Select(number => number.ToString(CultureInfo.InvariantCulture)).Append("ptmx"));
    }

    public static MemoryDirectory Dev(Container container)
    {
        FileStore store = container.Store;
        var dev = new MemoryDirectory(store, 0x1ED);
        Device("null", 1, 3, (inode, flags) => new NullFile(inode, flags));
        Device("zero", 1, 5, (inode, flags) => new ZeroFile(inode, flags, full: false));
        Device("full", 1, 7, (inode, flags) => new ZeroFile(inode, flags, full: true));
        Device("random", 1, 8, (inode, flags) => new RandomFile(inode, flags, container.Random));
        Device("urandom", 1, 9, (inode, flags) => new RandomFile(inode, flags, container.Random));
        dev.Add("tty", new ControllingTerminalInode(store));
        dev.Add("ptmx", new PtyMasterInode(container));
        GeneratedDirectory pts = Terminals(container);
        pts.Parent = dev;
        dev.Add("pts", pts);
        Device("console", 5, 1, (inode, flags) => Stream(container, inode, 1, flags));
        dev.MakeSymlink("fd", "/proc/self/fd");
        dev.MakeSymlink("stdin", "/proc/self/fd/0");
        dev.MakeSymlink("stdout", "/proc/self/fd/1");
        dev.MakeSymlink("stderr", "/proc/self/fd/2");
        dev.Add("shm", new MemoryDirectory(store, 0x3FF));
        dev.Add("blk", new MemoryFile(store, 0x1B6));
        return dev;

        void Device(string name, uint major, uint minor, Func<DeviceInode, int, OpenFile> open)
            => dev.Add(name, new DeviceInode(store, major, minor, open));
    }
}
