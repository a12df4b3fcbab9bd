using System.Globalization;

namespace Hypervisor.Host.Oci;

/// <summary>
/// The control group of the host that a container's caller named. The process that holds the container is put there, so that
/// the host's tools count what it uses (<c>podman stats</c>, <c>ctr task metrics</c>) and share CPUs by its weight. The
/// container's limits are the container kernel's own and are not written here.
/// </summary>
/// <remarks>A host without control groups, or a user who may not make any, runs containers all the same: nothing here is an error.</remarks>
internal static class HostCgroup
{
    private const string Root = "/sys/fs/cgroup";
    private const string Unified = "cgroup.controllers";

    /// <summary>Puts a process into the group, which is made where it is missing.</summary>
    /// <param name="path">The group, below the hierarchy's root; null for none.</param>
    /// <param name="pid">The process.</param>
    /// <param name="weight">The container's weight, where 100 is usual; null for none.</param>
    public static void Join(string? path, int pid, int? weight)
    {
        foreach (string directory in Directories(path))
        {
            Try(() =>
            {
                Directory.CreateDirectory(directory);
                if (weight is { } share)
                    SetWeight(directory, share);
                File.WriteAllText(Path.Combine(directory, "cgroup.procs"), pid.ToString(CultureInfo.InvariantCulture));
            });
        }
    }

    /// <summary>Changes the group's weight.</summary>
    public static void SetWeight(string? path, int? weight)
    {
        if (weight is not { } share)
            return;
        foreach (string directory in Directories(path))
            Try(() => SetWeight(directory, share));
    }

    /// <summary>Removes the group where it is empty.</summary>
    public static void Remove(string? path)
    {
        foreach (string directory in Directories(path))
            Try(() => Directory.Delete(directory));
    }

    private static void SetWeight(string directory, int weight)
    {
        string shares = Path.Combine(directory, "cpu.shares");
        string weights = Path.Combine(directory, "cpu.weight");
        if (File.Exists(shares))
            File.WriteAllText(shares, Math.Clamp(weight * 1024L / 100, 2, 262_144).ToString(CultureInfo.InvariantCulture));
        else if (File.Exists(weights))
            File.WriteAllText(weights, Math.Clamp(weight, 1, 10_000).ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>The group's directory in the one hierarchy of today, or in each of those of old but that of CPU sets, whose groups take nobody before they are given CPUs.</summary>
    private static IEnumerable<string> Directories(string? path)
    {
        // A name with colons is for systemd to make a group of: the group that the caller started this in stays.
        if (!OperatingSystem.IsLinux() || string.IsNullOrEmpty(path) || path.Contains(':', StringComparison.Ordinal) || !Directory.Exists(Root))
            return [];
        string relative = path.TrimStart('/');
        if (File.Exists(Path.Combine(Root, Unified)))
            return [Path.Combine(Root, relative)];
        return Directory.EnumerateDirectories(Root)
            .Where(controller => File.Exists(Path.Combine(controller, "cgroup.procs")) && Path.GetFileName(controller) is not ("cpuset" or "unified"))
            .Select(controller => Path.Combine(controller, relative));
    }

    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // See the remarks: what the host does not let us count is not counted.
        }
    }
}
