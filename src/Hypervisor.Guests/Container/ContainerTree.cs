using System.Globalization;
using System.Text;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

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
            return new MountedTree(new HostVolume(container.Store, host).Root, "/", "hostfs", "rootfs", options.RootIsReadOnly);
        var root = new MemoryDirectory(container.Store, 0x1ED, options.RootDirectory is { } path ? new HostDirectory(Path.GetFullPath(path)) : null);
        return new MountedTree(root, "/", "overlay", "rootfs", options.RootIsReadOnly);
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
        var pts = new GeneratedDirectory(store,
            name => name == "ptmx" ? dev.Lookup("ptmx") : int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? container.Ptys.Find(number)?.Slave : null,
            () => container.Ptys.Numbers.Select(number => number.ToString(CultureInfo.InvariantCulture)).Append("ptmx")) { Parent = dev };
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

    public static GeneratedDirectory Proc(Container container)
    {
        FileStore store = container.Store;
        var files = new Dictionary<string, Inode>
        {
            ["self"] = new GeneratedLink(store, () => (container.Host.Current?.Process.Id ?? 0).ToString(CultureInfo.InvariantCulture)),
            ["cpuinfo"] = Text(() => "processor\t: 0\nhart\t\t: 0\nisa\t\t: " + HartExtensions.IsaString(HartExtensions.All) + "\nmmu\t\t: sv39\n\n"),
            ["meminfo"] = Text(() => MemoryInfo(container)),
            ["mounts"] = Text(() => Mounts(container)),
            ["uptime"] = Text(() => FormattableString.Invariant($"{container.Host.Now / 1e9:f2} 0.00\n")),
            ["loadavg"] = Text(() => FormattableString.Invariant($"0.00 0.00 0.00 1/{container.TaskCount} 1\n")),
            ["stat"] = Text(() => "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n"),
            ["version"] = Text(() => $"Linux version {Syscalls.SystemInfo.Release} (container kernel)\n"),
            ["filesystems"] = Text(() => "nodev\tproc\nnodev\ttmpfs\n"),
        };
        return new GeneratedDirectory(store,
            name => files.TryGetValue(name, out Inode? file) ? file
                : int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int id) && container.FindProcess(id) is { } process ? ProcessDirectory(store, process)
                : null,
            () => files.Keys.Concat(container.Processes.Select(process => process.Id.ToString(CultureInfo.InvariantCulture))));

        Inode Text(Func<string> text) => new GeneratedInode(store, () => KernelText.Encode(text()));
    }

    private static GeneratedDirectory ProcessDirectory(FileStore store, Process process)
    {
        string[] names = ["cmdline", "comm", "exe", "cwd", "fd", "maps", "stat", "status", "mounts", "mountinfo"];
        return new GeneratedDirectory(store, name => name switch
        {
            "cmdline" => new GeneratedInode(store, () => KernelText.Encode(string.Concat(process.Arguments.Select(argument => argument + "\0")))),
            "comm" => new GeneratedInode(store, () => KernelText.Encode(process.Name + "\n")),
            "exe" => new GeneratedLink(store, () => process.ExecutablePath),
            "cwd" => new GeneratedLink(store, () => process.WorkingDirectory.Path),
            "mounts" => new GeneratedInode(store, () => KernelText.Encode(Mounts(process.Container))),
            "mountinfo" => new GeneratedInode(store, () => KernelText.Encode(MountInfo(process.Container))),
            "maps" => new GeneratedInode(store, () => KernelText.Encode(Maps(process))),
            "stat" => new GeneratedInode(store, () => KernelText.Encode(Stat(process))),
            "status" => new GeneratedInode(store, () => KernelText.Encode(Status(process))),
            "fd" => new GeneratedDirectory(store,
                fd => int.TryParse(fd, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && process.Files[number] is { } file ? new GeneratedLink(store, () => file.Path, () => file) : null,
                () => process.Files.Numbers.Select(fd => fd.ToString(CultureInfo.InvariantCulture))),
            _ => null,
        }, () => names);
    }

    private static string Mounts(Container container)
        => string.Concat(container.Paths.Mounts.Select(mount => $"{Escape(mount.Source)} {Escape(mount.Path)} {mount.Type} {(mount.IsReadOnly ? "ro" : "rw")},relatime 0 0\n"));

    /// <summary>As in proc(5): number, number of the parent, device, root, place, options, a dash, type, source, options.</summary>
    private static string MountInfo(Container container)
        => string.Concat(container.Paths.Mounts.Select((mount, i) =>
            $"{i + 20} {(i == 0 ? 1 : 20)} 0:{i + 20} / {Escape(mount.Path)} {(mount.IsReadOnly ? "ro" : "rw")},relatime - {mount.Type} {Escape(mount.Source)} {(mount.IsReadOnly ? "ro" : "rw")}\n"));

    private static string Escape(string text)
        => text.Length == 0 ? "none" : text.Replace("\\", "\\134", StringComparison.Ordinal).Replace(" ", "\\040", StringComparison.Ordinal).Replace("\t", "\\011", StringComparison.Ordinal).Replace("\n", "\\012", StringComparison.Ordinal);

    private static string MemoryInfo(Container container)
    {
        long total = (long)(container.Options.MemoryLimit >> 10);
        long free = total - (long)(container.MemoryInUse >> 10);
        return $"MemTotal:       {total,8} kB\nMemFree:        {free,8} kB\nMemAvailable:   {free,8} kB\nBuffers:               0 kB\nCached:                0 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n";
    }

    private static string Maps(Process process)
    {
        var text = new StringBuilder();
        foreach (Mapping mapping in process.Space.Mappings)
        {
            text.Append(CultureInfo.InvariantCulture, $"{mapping.Start:x}-{mapping.End:x} ")
                .Append((mapping.Protection & Protection.Read) != 0 ? 'r' : '-')
                .Append((mapping.Protection & Protection.Write) != 0 ? 'w' : '-')
                .Append((mapping.Protection & Protection.Execute) != 0 ? 'x' : '-')
                .Append(mapping.Shared ? 's' : 'p')
                .Append(CultureInfo.InvariantCulture, $" {mapping.FileOffset:x8} 00:00 0 {mapping.Name}\n");
        }

        return text.ToString();
    }

    private static string Stat(Process process)
        => $"{process.Id} ({process.Name}) {State(process)} {process.Parent?.Id ?? 0} {process.Group} {process.Session} 0 -1 0 0 0 0 0 0 0 0 0 20 0 {process.Tasks.Count} 0 0 {process.Space.ResidentPages * 4096L} {process.Space.ResidentPages} 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    private static string Status(Process process)
        => $"Name:\t{process.Name}\nState:\t{State(process)}\nTgid:\t{process.Id}\nPid:\t{process.Id}\nPPid:\t{process.Parent?.Id ?? 0}\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nVmRSS:\t{process.Space.ResidentPages * 4} kB\nThreads:\t{process.Tasks.Count}\n";

    private static char State(Process process) => process.WaitStatus is null ? 'R' : 'Z';
}
