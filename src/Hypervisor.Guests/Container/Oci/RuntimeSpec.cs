using Hypervisor.Core;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>A program run by the host around a container's life (config.md, "POSIX-platform Hooks").</summary>
/// <param name="Path">The program, an absolute path of the host.</param>
/// <param name="Arguments">Its arguments, its own name first.</param>
/// <param name="Environment">Its whole environment.</param>
/// <param name="TimeoutSeconds">After how long it is ended; null for never.</param>
internal sealed record HookSpec(string Path, IReadOnlyList<string> Arguments, IReadOnlyList<string> Environment, long? TimeoutSeconds);

/// <summary>The hooks by the moment at which they run, in the order they run.</summary>
internal sealed record HooksSpec
{
    public IReadOnlyList<HookSpec> Prestart { get; init; } = [];

    public IReadOnlyList<HookSpec> CreateRuntime { get; init; } = [];

    public IReadOnlyList<HookSpec> CreateContainer { get; init; } = [];

    public IReadOnlyList<HookSpec> StartContainer { get; init; } = [];

    public IReadOnlyList<HookSpec> Poststart { get; init; } = [];

    public IReadOnlyList<HookSpec> Poststop { get; init; } = [];
}

/// <summary>A file tree shown at a place in the container.</summary>
/// <param name="Destination">Where, an absolute path within the container.</param>
/// <param name="Type">Its kind: bind, tmpfs, proc and so on.</param>
/// <param name="Source">What is shown, for a bind a path of the host.</param>
/// <param name="Options">Its options as written.</param>
internal sealed record MountSpec(string Destination, string Type, string Source, IReadOnlyList<string> Options);

/// <summary>
/// A runtime bundle's <c>config.json</c> (OCI runtime specification 1.x), read and checked: what is missing, of the wrong kind,
/// contradictory or beyond what this runtime does is told with its place.
/// </summary>
internal sealed record RuntimeSpec
{
    private static readonly string[] s_namespaces = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"];
    private static readonly string[] s_ipcParameters =
        ["kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"];

    private static readonly string[] s_propagations = ["", "shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable"];

    public required string Version { get; init; }

    /// <summary>What is run; null where the container is only made.</summary>
    public ProcessSpec? Process { get; init; }

    /// <summary>The root's directory on the host, absolute.</summary>
    public required string RootPath { get; init; }

    public bool RootReadOnly { get; init; }

    public string? HostName { get; init; }

    public string? DomainName { get; init; }

    public IReadOnlyList<MountSpec> Mounts { get; init; } = [];

    public HooksSpec Hooks { get; init; } = new();

    public IReadOnlyDictionary<string, string> Annotations { get; init; } = new Dictionary<string, string>();

    public ResourcesSpec Resources { get; init; } = new();

    public IReadOnlyList<string> MaskedPaths { get; init; } = [];

    public IReadOnlyList<string> ReadOnlyPaths { get; init; } = [];

    /// <summary>Where the caller keeps its control group; null where it keeps none.</summary>
    public string? CgroupsPath { get; init; }

    /// <summary>The network namespace to join: empty for one of its own, null for the host's.</summary>
    public string? NetworkNamespace { get; init; } = "";

    /// <summary>The kinds of namespaces that are the container's own.</summary>
    public IReadOnlySet<string> Namespaces { get; init; } = new HashSet<string>();

    /// <summary>Decides which system calls its programs may make; null where all are theirs.</summary>
    public IReadOnlyList<FilterInstruction>? SystemCallFilter { get; init; }

    /// <summary>Kernel parameters, by name.</summary>
    public IReadOnlyDictionary<string, string> Sysctl { get; init; } = new Dictionary<string, string>();

    /// <summary>Reads the bundle's configuration.</summary>
    /// <exception cref="HypervisorException">It cannot be read, or something in it is wrong; the message says what and where.</exception>
    public static RuntimeSpec Load(string bundle)
    {
        string file = Path.Combine(bundle, "config.json");
        byte[] json;
        try
        {
            json = File.ReadAllBytes(file);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new HypervisorException($"The bundle's configuration '{file}' cannot be read: {problem.Message}", problem);
        }

        return Parse(json, bundle);
    }

    /// <summary>Reads a configuration.</summary>
    /// <param name="json">The document.</param>
    /// <param name="bundle">The bundle's directory, which relative paths start from.</param>
    /// <exception cref="HypervisorException">Something in it is wrong.</exception>
    public static RuntimeSpec Parse(ReadOnlyMemory<byte> json, string bundle)
    {
        SpecValue document = SpecValue.Parse(json, "config.json");
        SpecValue version = document.Get("ociVersion");
        CheckVersion(version);
        foreach (string other in (string[])["windows", "solaris", "vm", "zos"])
        {
            if (document.Find(other) is { } section)
                throw section.Wrong("is for another platform; this runtime runs Linux containers.");
        }

        SpecValue root = document.Get("root");
        SpecValue? linux = document.Find("linux");
        var spec = new RuntimeSpec
        {
            Version = version.Text(),
            Process = document.Find("process") is { } process ? ProcessSpec.Read(process) : null,
            RootPath = RootOf(root, bundle),
            RootReadOnly = root.FlagOf("readonly"),
            HostName = document.Find("hostname") is { } name ? HostNameOf(name) : null,
            DomainName = document.Find("domainname") is { } domain ? HostNameOf(domain) : null,
            Mounts = [.. document.ItemsOf("mounts").Select(Mount)],
            Hooks = document.Find("hooks") is { } hooks ? ReadHooks(hooks) : new HooksSpec(),
            Annotations = Texts(document.Find("annotations")),
        };
        return linux is { } section2 ? ReadLinux(spec, section2) : spec;
    }

    private static RuntimeSpec ReadLinux(RuntimeSpec spec, SpecValue linux)
    {
        var namespaces = new HashSet<string>();
        string? network = null;
        foreach (SpecValue item in linux.ItemsOf("namespaces"))
        {
            SpecValue type = item.Get("type");
            if (!s_namespaces.Contains(type.Text()))
                throw type.Wrong($"'{type.Text()}' is no kind of namespace; they are {string.Join(", ", s_namespaces)}.");
            if (!namespaces.Add(type.Text()))
                throw type.Wrong($"'{type.Text()}' is named twice.");
            string path = item.Find("path")?.AbsolutePath() ?? "";
            if (type.Text() == "network")
                network = path;
        }

        if (spec.HostName is not null && !namespaces.Contains("uts"))
            throw new HypervisorException("config.json: hostname is set, but linux.namespaces has no uts namespace for it: the host's own name would change.");
        if (linux.Find("rootfsPropagation") is { } propagation && !s_propagations.Contains(propagation.Text()))
            throw propagation.Wrong($"'{propagation.Text()}' is no propagation.");
        foreach (string map in (string[])["uidMappings", "gidMappings"])
        {
            IReadOnlyList<SpecValue> ranges = linux.ItemsOf(map);
            if (ranges.Count > 0 && !namespaces.Contains("user"))
                throw linux.Get(map).Wrong("is set, but linux.namespaces has no user namespace.");
            foreach (SpecValue range in ranges)
            {
                _ = range.Get("containerID").Number(0, uint.MaxValue);
                _ = range.Get("hostID").Number(0, uint.MaxValue);
                _ = range.Get("size").Number(1, uint.MaxValue);
            }
        }

        return spec with
        {
            Namespaces = namespaces,
            NetworkNamespace = network,
            CgroupsPath = linux.Find("cgroupsPath") is { } group ? CgroupOf(group) : null,
            Resources = linux.Find("resources") is { } resources ? ResourcesSpec.Read(resources) : new ResourcesSpec(),
            MaskedPaths = [.. linux.ItemsOf("maskedPaths").Select(item => item.AbsolutePath())],
            ReadOnlyPaths = [.. linux.ItemsOf("readonlyPaths").Select(item => item.AbsolutePath())],
            SystemCallFilter = linux.Find("seccomp") is { } seccomp ? SeccompCompiler.Compile(SeccompSpec.Read(seccomp)) : null,
            Sysctl = ParametersOf(linux.Find("sysctl"), namespaces),
        };
    }

    /// <summary>Kernel parameters, of which a container has its own only where a namespace keeps them.</summary>
    private static Dictionary<string, string> ParametersOf(SpecValue? sysctl, HashSet<string> namespaces)
    {
        Dictionary<string, string> parameters = Texts(sysctl);
        foreach (string name in parameters.Keys)
        {
            bool isName = name.Split('.') is { Length: > 1 } parts && parts.All(part => part.Length > 0 && part.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-'));
            string? space = !isName ? null
                : name.StartsWith("net.", StringComparison.Ordinal) ? "network"
                : name.StartsWith("fs.mqueue.", StringComparison.Ordinal) || s_ipcParameters.Contains(name) ? "ipc"
                : name is "kernel.domainname" or "kernel.hostname" ? "uts"
                : null;
            if (space is null)
                throw sysctl!.Value.Wrong($"'{name}' is no parameter that a container has of its own.");
            if (!namespaces.Contains(space))
                throw sysctl!.Value.Wrong($"'{name}' is set, but linux.namespaces has no {space} namespace for it.");
        }

        return parameters;
    }

    private static string CgroupOf(SpecValue group)
    {
        string path = group.Text();
        return path.Split('/').Contains("..") ? throw group.Wrong($"'{path}' leads out of the control groups' directory.") : path;
    }

    private static void CheckVersion(SpecValue version)
    {
        string[] parts = version.Text().Split('-', '+')[0].Split('.');
        if (parts.Length != 3 || !parts.All(part => int.TryParse(part, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out _)))
            throw version.Wrong($"'{version.Text()}' is no version of the form 1.2.3.");
        if (parts[0] != "1")
            throw version.Wrong($"version {version.Text()} is not served; versions 1.x are.");
    }

    private static string RootOf(SpecValue root, string bundle)
    {
        SpecValue path = root.Get("path");
        if (path.Text().Length == 0)
            throw path.Wrong("is empty; name the directory of the root file system.");
        string full = Path.GetFullPath(path.Text(), Path.GetFullPath(bundle));
        if (!Directory.Exists(full))
            throw path.Wrong($"there is no directory '{full}'.");
        return full;
    }

    private static string HostNameOf(SpecValue name)
    {
        if (System.Text.Encoding.UTF8.GetByteCount(name.Text()) > 64)
            throw name.Wrong("is longer than 64 bytes, the most a name of a system may have.");
        return name.Text();
    }

    private static MountSpec Mount(SpecValue mount)
    {
        SpecValue destination = mount.Get("destination");
        string where = destination.Text();
        if (where.Length == 0)
            throw destination.Wrong("is empty.");

        // Relative destinations are taken from the root, as runtimes did before the specification forbade them.
        if (!where.StartsWith('/'))
            where = "/" + where;
        IReadOnlyList<string> options = mount.TextsOf("options");
        string type = mount.TextOf("type") ?? (options.Any(option => option is "bind" or "rbind") ? "bind" : "none");
        if (type == "none" && options.Any(option => option is "bind" or "rbind"))
            type = "bind";
        return new MountSpec(where, type, mount.TextOf("source") ?? "", options);
    }

    private static HooksSpec ReadHooks(SpecValue hooks) => new()
    {
        Prestart = Of(hooks, "prestart"),
        CreateRuntime = Of(hooks, "createRuntime"),
        CreateContainer = Of(hooks, "createContainer"),
        StartContainer = Of(hooks, "startContainer"),
        Poststart = Of(hooks, "poststart"),
        Poststop = Of(hooks, "poststop"),
    };

    private static IReadOnlyList<HookSpec> Of(SpecValue hooks, string moment) => [.. hooks.ItemsOf(moment).Select(hook =>
    {
        string path = hook.Get("path").AbsolutePath();
        IReadOnlyList<string> arguments = hook.TextsOf("args");
        return new HookSpec(path, arguments.Count == 0 ? [path] : arguments, [.. hook.ItemsOf("env").Select(ProcessSpec.Variable)], hook.NumberOf("timeout", 1, int.MaxValue));
    })];

    private static Dictionary<string, string> Texts(SpecValue? map)
    {
        var texts = new Dictionary<string, string>();
        if (map is not { } values)
            return texts;
        foreach ((string name, SpecValue value) in values.Members())
        {
            if (name.Length == 0)
                throw values.Wrong("has a member without a name.");
            texts[name] = value.Text();
        }

        return texts;
    }
}
