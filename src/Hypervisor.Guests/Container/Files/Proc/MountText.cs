using System.Globalization;
using System.Text;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files.Proc;

/// <summary>What is mounted, as /proc tells it to a process: its namespace's mounts, below its root.</summary>
internal static class MountText
{
    public static string Mounts(Process process)
    {
        var text = new StringBuilder();
        foreach ((MountedTree mount, string path) in Seen(process))
            text.Append(CultureInfo.InvariantCulture, $"{Escape(mount.Source)} {Escape(path)} {mount.Type} {Rights(mount)}{mount.Options} 0 0\n");
        return text.ToString();
    }

    /// <summary>As in proc(5): number, number of the parent, device, root, place, options, a dash, type, source, options.</summary>
    public static string MountInfo(Process process)
    {
        var text = new StringBuilder();
        foreach ((MountedTree mount, string path) in Seen(process))
        {
            text.Append(CultureInfo.InvariantCulture, $"{mount.Id} {mount.Parent?.Id ?? 1} 0:{mount.Device} {Escape(mount.RootPath)} {Escape(path)} {Rights(mount)} - {mount.Type} {Escape(mount.Source)} ")
                .Append(mount.IsReadOnly ? "ro" : "rw").Append(mount.Options).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>The mounts that a process's paths lead to, and how.</summary>
    private static IEnumerable<(MountedTree Mount, string Path)> Seen(Process process)
    {
        Place root = process.RootPlace;
        string top = MountedTree.Join(root.Mount.FullPath, root.PathInMount);
        foreach (MountedTree mount in process.Paths.Mounts)
        {
            string path = mount.FullPath;
            if (top == "/")
                yield return (mount, path);
            else if (path == top)
                yield return (mount, "/");
            else if (path.StartsWith(top + "/", StringComparison.Ordinal))
                yield return (mount, path[top.Length..]);
        }
    }

    private static string Rights(MountedTree mount)
    {
        var text = new StringBuilder(mount.IsReadOnly ? "ro" : "rw");
        foreach ((MountRights right, string name) in new[]
        {
            (MountRights.NoSetId, ",nosuid"), (MountRights.NoDevices, ",nodev"), (MountRights.NoExecute, ",noexec"), (MountRights.NoAccessTimes, ",noatime"),
            (MountRights.NoDirectoryAccessTimes, ",nodiratime"), (MountRights.RelativeAccessTimes, ",relatime"), (MountRights.NoSymlinks, ",nosymfollow"),
        })
            text.Append((mount.Rights & right) != 0 ? name : "");
        return text.ToString();
    }

    private static string Escape(string text)
        => text.Length == 0 ? "none" : text.Replace("\\", "\\134", StringComparison.Ordinal).Replace(" ", "\\040", StringComparison.Ordinal).Replace("\t", "\\011", StringComparison.Ordinal).Replace("\n", "\\012", StringComparison.Ordinal);
}
