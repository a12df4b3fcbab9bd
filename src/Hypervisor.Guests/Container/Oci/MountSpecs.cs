using System.Globalization;
using Hypervisor.Core;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>From the mounts that a configuration names to those of a container.</summary>
internal static class MountSpecs
{
    private static readonly string[] s_flags =
    [
        "defaults", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync", "remount", "mand", "nomand", "atime", "noatime", "diratime", "nodiratime",
        "relatime", "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime", "silent", "loud", "iversion", "noiversion", "symfollow", "nosymfollow", "tmpcopyup",
        "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable", "rbind", "bind", "copy", "z", "Z", "U", "newinstance",
        "rro", "rrw", "rnosuid", "rsuid", "rnodev", "rdev", "rnoexec", "rexec",
    ];

    private static readonly string[] s_values = ["gid", "uid", "ptmxmode", "nr_inodes", "nr_blocks", "context", "huge", "mpol"];

    /// <summary>A container's mounts. Relative sources of binds start from the bundle.</summary>
    /// <exception cref="HypervisorException">A mount is of a kind or has an option that is not known, or names nothing.</exception>
    public static IReadOnlyList<ContainerMount> From(IReadOnlyList<MountSpec> mounts, string bundle)
    {
        var made = new List<ContainerMount>();
        for (int i = 0; i < mounts.Count; i++)
        {
            string place = $"config.json: mounts[{i.ToString(CultureInfo.InvariantCulture)}]";
            if (From(mounts[i], bundle, place) is { } mount)
                made.Add(mount);
        }

        return made;
    }

    private static ContainerMount? From(MountSpec mount, string bundle, string place)
    {
        (bool readOnly, long? size, uint? mode) = Options(mount, place);
        string where = "/" + string.Join('/', mount.Destination.Split('/', StringSplitOptions.RemoveEmptyEntries));
        switch (mount.Type)
        {
            case "bind":
                if (mount.Source.Length == 0)
                    throw new HypervisorException($"{place}.source is missing; name what is bound to '{mount.Destination}'.");
                string source = Path.GetFullPath(mount.Source, bundle);
                if (!Path.Exists(source))
                    throw new HypervisorException($"{place}.source: '{source}' does not exist.");
                return Of(ContainerMountKind.Host) with { Source = source };
            case "proc":
                return Of(ContainerMountKind.Processes);
            case "tmpfs" or "devtmpfs" when where == "/dev":
                return Of(ContainerMountKind.Devices);
            case "tmpfs" or "ramfs" or "mqueue":
                return Of(ContainerMountKind.Memory) with { SizeLimit = size, Permissions = mode };
            case "sysfs":
                return Of(ContainerMountKind.System);
            case "cgroup" or "cgroup2":
                return Of(ContainerMountKind.Memory) with { IsReadOnly = true, Permissions = 0x16D };
            case "devpts":
                // The container's devices have their terminals at the usual place.
                return where == "/dev/pts" ? null : throw new HypervisorException($"{place}.destination: '{where}': terminals are at /dev/pts only.");
            default:
                throw new HypervisorException(
                    $"{place}.type: '{mount.Type}' is no kind of mount here; they are bind, tmpfs, proc, sysfs, devpts, mqueue and cgroup.");
        }

        ContainerMount Of(ContainerMountKind kind) => new() { Destination = mount.Destination, Kind = kind, IsReadOnly = readOnly };
    }

    private static (bool ReadOnly, long? Size, uint? Mode) Options(MountSpec mount, string place)
    {
        bool readOnly = false;
        long? size = null;
        uint? mode = null;
        foreach (string option in mount.Options)
        {
            int equals = option.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? option : option[..equals];
            string value = equals < 0 ? "" : option[(equals + 1)..];
            if (option is "ro" or "rro")
                readOnly = true;
            else if (option is "rw" or "rrw")
                readOnly = false;
            else if (name == "size")
                size = SizeOf(value) ?? throw Wrong(option, "is no size");
            else if (name == "mode")
                mode = ModeOf(value) ?? throw Wrong(option, "is no octal mode");
            else if (equals < 0 ? !s_flags.Contains(option) : !s_values.Contains(name))
                throw Wrong(option, "is no option of a mount");
        }

        return (readOnly, size, mode);

        HypervisorException Wrong(string option, string what) => new($"{place}.options: '{option}' {what}.");
    }

    private static long? SizeOf(string text)
    {
        if (text.Length == 0)
            return null;
        int shift = char.ToLowerInvariant(text[^1]) switch { 'k' => 10, 'm' => 20, 'g' => 30, _ => 0 };
        string digits = shift == 0 ? text : text[..^1];

        // A share of the memory is as good as no limit: the container's own comes first.
        if (text[^1] == '%')
            return long.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out _) ? long.MaxValue : null;
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long size) && size <= long.MaxValue >> shift ? size << shift : null;
    }

    private static uint? ModeOf(string text)
    {
        uint mode = 0;
        foreach (char digit in text)
        {
            if (digit is < '0' or > '7' || mode > 0x1FF)
                return null;
            mode = mode * 8 + (uint)(digit - '0');
        }

        return text.Length == 0 ? null : mode;
    }
}
