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
            PutProgram(container, root.Root, options.Program, image);
        return walk;
    }

    private static MountedTree RootOf(Container container)
    {
        ContainerOptions options = container.Options;
        if (options is { RootIsHosts: true, RootDirectory: { } host })
            return new MountedTree(new HostVolume(container.Store, host).Root, "hostfs", "hostfs", options.RootIsReadOnly);
        HostDirectory? lower = options.Image?.Root ?? (options.RootDirectory is { } path ? container.Host.SharedContents.Directory(Path.GetFullPath(path)) : null);
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

    private static void PutProgram(Container container, Inode root, string program, ReadOnlyMemory<byte> image)
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
        if (at is MemoryDirectory)
            at.Add(parts[^1], new MemoryFile(container.Store, 0x1ED, container.Host.SharedContents.Keep(image.Span)));
        else if (at.Make(parts[^1], InodeMode.Regular | 0x1ED, out Inode? file) != 0 || file!.WriteAt(image.Span, 0) != image.Length)
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

    /// <summary>/dev, whose entries are made when somebody looks for them.</summary>
    public static MemoryDirectory Dev(Container container) => new(container.Store, 0x1ED, new DeviceList(container));
}
