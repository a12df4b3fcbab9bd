using Hypervisor.Core;
using Hypervisor.Guests.Container.Oci;

namespace Hypervisor.Host.Oci;

/// <summary>
/// The namespaces of the host in which the process that holds a container lives. Its container needs none, but callers look
/// into them: <c>podman cp</c> copies to and from the root of that process's mount namespace, and a network is one that was made
/// for it.
/// </summary>
internal static class HostNamespaces
{
    /// <summary>
    /// Puts the container's root, with what is bound into it, over that of a new mount namespace: who joins the namespace finds it,
    /// while this process, which is there already, goes on under the host's. Where namespaces may not be made, the program is run
    /// without.
    /// </summary>
    private const string Script = """
        if [ "$1" != inside ] && unshare -m true 2>/dev/null; then
            exec unshare -m --propagation slave sh -c "$0" "$0" inside "$@"
        fi
        way=; [ "$1" != inside ] || { way=in; shift; }
        root=$1 view=$2 count=$3; shift 3
        [ -z "$way" ] || mount --bind "$root" "$view" 2>/dev/null || way=
        while [ "$count" -gt 0 ]; do
            [ -z "$way" ] || mount --bind "$1" "$view$2" 2>/dev/null
            shift 2; count=$((count - 1))
        done
        [ -z "$way" ] || { mount --rbind "$view" / && umount -R "$view"; } 2>/dev/null
        exec "$@"
        """;

    /// <summary>What has a program start in them: words that stand before its own.</summary>
    /// <param name="spec">The configuration.</param>
    /// <param name="bundle">Its bundle.</param>
    /// <param name="view">A directory at which to put the container's root together, made where it is missing.</param>
    /// <exception cref="HypervisorException">There is no such namespace, or no way into it.</exception>
    public static IReadOnlyList<string> Entrance(RuntimeSpec spec, string bundle, string view)
    {
        if (!OperatingSystem.IsLinux())
            return spec.NetworkNamespace is { Length: > 0 } ? throw NoNetwork(spec) : [];
        List<string> words = [];
        if (spec.NetworkNamespace is { Length: > 0 } path)
        {
            if (!Path.Exists(path))
                throw NoNetwork(spec);
            string nsenter = Find("nsenter")
                ?? throw new HypervisorException("config.json: linux.namespaces: a network namespace is joined by nsenter, which is not installed; it is in the package util-linux.");
            words.AddRange([nsenter, "--net=" + path, "--"]);
        }

        if (Environment.IsPrivilegedProcess && spec.Namespaces.Contains("mount") && Find("unshare") is not null)
        {
            (string Source, string Target)[] binds = [.. spec.Mounts.Where(mount => mount.Type == "bind")
                .Select(mount => (Path.GetFullPath(mount.Source, bundle), PlaceIn(spec.RootPath, mount.Destination, Directory.Exists(Path.GetFullPath(mount.Source, bundle)))))
                .Where(bind => bind.Item2 is not null).Select(bind => (bind.Item1, bind.Item2!))];
            words.AddRange(["/bin/sh", "-c", Script, Script, spec.RootPath, Directory.CreateDirectory(view).FullName, binds.Length.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
            words.AddRange(binds.SelectMany(bind => (string[])[bind.Source, bind.Target]));
        }

        return words;
    }

    /// <summary>A path below the root, made where it is missing; null where a link stands on the way to it, which could lead anywhere.</summary>
    private static string? PlaceIn(string root, string destination, bool isDirectory)
    {
        string place = root;
        string[] names = destination.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < names.Length; i++)
        {
            place = Path.Combine(place, names[i]);
            if (names[i] is "." or ".." || new FileInfo(place).LinkTarget is not null)
                return null;
            try
            {
                if (i < names.Length - 1 || isDirectory)
                    Directory.CreateDirectory(place);
                else if (!File.Exists(place))
                    File.Create(place).Dispose();
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                return null; // A root that nobody may change, or a file in a directory's place.
            }
        }

        return names.Length == 0 ? null : "/" + string.Join('/', names);
    }

    private static HypervisorException NoNetwork(RuntimeSpec spec) => new($"config.json: linux.namespaces: there is no network namespace '{spec.NetworkNamespace}'.");

    private static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Concat(["/usr/bin", "/bin"])
        .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
