namespace Hypervisor.Guests.Container.Files.Proc;

/// <summary>What is mounted, as /proc tells it.</summary>
internal static class MountText
{
    public static string Mounts(Container container)
        => string.Concat(container.Paths.Mounts.Select(mount => $"{Escape(mount.Source)} {Escape(mount.Path)} {mount.Type} {(mount.IsReadOnly ? "ro" : "rw")},relatime 0 0\n"));

    /// <summary>As in proc(5): number, number of the parent, device, root, place, options, a dash, type, source, options.</summary>
    public static string MountInfo(Container container)
        => string.Concat(container.Paths.Mounts.Select((mount, i) =>
            $"{i + 20} {(i == 0 ? 1 : 20)} 0:{i + Syscalls.StatCalls.FirstMountDevice} / {Escape(mount.Path)} {(mount.IsReadOnly ? "ro" : "rw")},relatime - {mount.Type} {Escape(mount.Source)} {(mount.IsReadOnly ? "ro" : "rw")}\n"));

    private static string Escape(string text)
        => text.Length == 0 ? "none" : text.Replace("\\", "\\134", StringComparison.Ordinal).Replace(" ", "\\040", StringComparison.Ordinal).Replace("\t", "\\011", StringComparison.Ordinal).Replace("\n", "\\012", StringComparison.Ordinal);
}
