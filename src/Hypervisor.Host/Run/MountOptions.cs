using Hypervisor.Core;
using Hypervisor.Guests.Container;
using Hypervisor.Host.Cli;

namespace Hypervisor.Host.Run;

/// <summary>Mounts as the command line names them.</summary>
internal static class MountOptions
{
    /// <summary>HOST:GUEST, and :ro for one that cannot be changed.</summary>
    /// <exception cref="HypervisorException">It is something else.</exception>
    public static ContainerMount ParseVolume(string text)
    {
        string rest = text;
        bool readOnly = rest.EndsWith(":ro", StringComparison.Ordinal);
        if (readOnly || rest.EndsWith(":rw", StringComparison.Ordinal))
            rest = rest[..^3];

        // The container's path begins with a slash; a host's may hold a colon of its own, as Windows' do.
        int colon = rest.LastIndexOf(":/", StringComparison.Ordinal);
        if (colon <= 0)
            throw new HypervisorException($"--volume {text}: write HOST:GUEST or HOST:GUEST:ro, with GUEST an absolute path.");
        return Host(rest[..colon], rest[(colon + 1)..], readOnly, $"--volume {text}");
    }

    /// <summary>Members separated by commas: type, source, target, readonly, size.</summary>
    /// <exception cref="HypervisorException">It is something else.</exception>
    public static ContainerMount ParseMount(string text)
    {
        (string type, string? source, string? target, bool readOnly, long? size) = ("bind", null, null, false, null);
        foreach (string member in text.Split(','))
        {
            int equals = member.IndexOf('=', StringComparison.Ordinal);
            (string name, string value) = equals < 0 ? (member, "true") : (member[..equals], member[(equals + 1)..]);
            switch (name)
            {
                case "type":
                    type = value;
                    break;
                case "source" or "src":
                    source = value;
                    break;
                case "target" or "dst" or "destination":
                    target = value;
                    break;
                case "readonly" or "ro" when value is "true" or "false":
                    readOnly = value == "true";
                    break;
                case "size" or "tmpfs-size":
                    size = (long)Math.Min(MemorySize.Parse(value), long.MaxValue);
                    break;
                default:
                    throw new HypervisorException($"--mount {text}: '{member}' is no part of a mount; they are type, source, target, readonly and size.");
            }
        }

        if (target is null || !target.StartsWith('/'))
            throw new HypervisorException($"--mount {text}: give target=, an absolute path in the container.");
        return type switch
        {
            "bind" => Host(source ?? throw new HypervisorException($"--mount {text}: give source=, a directory or file of the host."), target, readOnly, $"--mount {text}"),
            "tmpfs" => new ContainerMount { Destination = target, Kind = ContainerMountKind.Memory, SizeLimit = size, IsReadOnly = readOnly },
            _ => throw new HypervisorException($"--mount {text}: there is no type '{type}'; choose bind or tmpfs."),
        };
    }

    private static ContainerMount Host(string source, string target, bool readOnly, string option)
        => Path.Exists(source)
            ? new ContainerMount { Destination = target, Kind = ContainerMountKind.Host, Source = Path.GetFullPath(source), IsReadOnly = readOnly }
            : throw new HypervisorException($"{option}: there is no '{source}' on this host.");
}
