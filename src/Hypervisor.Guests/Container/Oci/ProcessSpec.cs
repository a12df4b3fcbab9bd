using Hypervisor.Core;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>A process as a configuration describes it: a container's first, or one that <c>exec</c> adds.</summary>
internal sealed record ProcessSpec
{
    private static readonly string[] s_limits =
    [
        "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC", "RLIMIT_NOFILE",
        "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
    ];

    private static readonly string[] s_capabilities =
    [
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
        "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
    ];

    /// <summary>Its arguments, the program first.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    public IReadOnlyList<string> Environment { get; init; } = [];

    public required string WorkingDirectory { get; init; }

    public bool Terminal { get; init; }

    /// <summary>The terminal's size in lines and characters; 0 where nothing is said.</summary>
    public ushort Rows { get; init; }

    public ushort Columns { get; init; }

    public uint Uid { get; init; }

    public uint Gid { get; init; }

    public IReadOnlyList<uint> Groups { get; init; } = [];

    public uint? Umask { get; init; }

    public IReadOnlyList<ResourceLimit> Limits { get; init; } = [];

    /// <summary>The effective capabilities, a bit each; null where nothing is said of capabilities.</summary>
    public ulong? Capabilities { get; init; }

    /// <summary>The capabilities that programs may ever gain, a bit each; null where nothing is said of capabilities.</summary>
    public ulong? BoundingCapabilities { get; init; }

    public bool NoNewPrivileges { get; init; }

    /// <summary>Reads a process from a file of its own, as <c>exec --process</c> takes it.</summary>
    /// <exception cref="HypervisorException">Something in it is wrong.</exception>
    public static ProcessSpec Parse(ReadOnlyMemory<byte> json) => Read(SpecValue.Parse(json, "process.json"));

    /// <summary>Reads a process.</summary>
    /// <exception cref="HypervisorException">Something in it is wrong.</exception>
    public static ProcessSpec Read(SpecValue process)
    {
        IReadOnlyList<string> arguments = process.TextsOf("args");
        if (arguments.Count == 0)
            throw process.Wrong("args is missing or empty; name the program to run.");
        if (arguments[0].Length == 0)
            throw process.Get("args").Wrong("the first is empty; name the program to run.");
        if (process.Find("commandLine") is { } line)
            throw line.Wrong("is of Windows; give args.");
        SpecValue? user = process.Find("user");
        SpecValue? size = process.Find("consoleSize");
        bool terminal = process.FlagOf("terminal");
        SpecValue? capabilities = process.Find("capabilities");
        return new ProcessSpec
        {
            Arguments = arguments,
            Environment = [.. process.ItemsOf("env").Select(Variable)],
            WorkingDirectory = process.Get("cwd").AbsolutePath(),
            Terminal = terminal,
            Rows = (ushort)(size?.Get("height").Number(0, ushort.MaxValue) ?? 0),
            Columns = (ushort)(size?.Get("width").Number(0, ushort.MaxValue) ?? 0),
            Uid = (uint)(user?.NumberOf("uid", 0, uint.MaxValue - 1) ?? 0),
            Gid = (uint)(user?.NumberOf("gid", 0, uint.MaxValue - 1) ?? 0),
            Groups = [.. user?.ItemsOf("additionalGids").Select(group => (uint)group.Number(0, uint.MaxValue - 1)) ?? []],
            Umask = (uint?)user?.NumberOf("umask", 0, 0x1FF),
            Limits = ReadLimits(process),
            Capabilities = capabilities is { } effective ? Bits(effective, "effective") : null,
            BoundingCapabilities = capabilities is { } bounding ? Bits(bounding, "bounding") : null,
            NoNewPrivileges = process.FlagOf("noNewPrivileges"),
        };
    }

    /// <summary>A variable of an environment. One without a sign of equality is carried on as it is, as other runtimes do.</summary>
    public static string Variable(SpecValue item)
    {
        string text = item.Text();
        return text.StartsWith('=') || text.Length == 0 ? throw item.Wrong($"'{text}' names no variable; write NAME=VALUE.") : text;
    }

    private static List<ResourceLimit> ReadLimits(SpecValue process)
    {
        var limits = new List<ResourceLimit>();
        foreach (SpecValue item in process.ItemsOf("rlimits"))
        {
            SpecValue type = item.Get("type");
            int resource = Array.IndexOf(s_limits, type.Text());
            if (resource < 0)
                throw type.Wrong($"'{type.Text()}' is no resource; they are {string.Join(", ", s_limits)}.");
            if (limits.Any(limit => limit.Resource == resource))
                throw type.Wrong($"'{type.Text()}' is limited twice.");
            (ulong soft, ulong hard) = (item.Get("soft").Unsigned(), item.Get("hard").Unsigned());
            if (soft > hard)
                throw item.Wrong($"the soft limit {soft} is above the hard limit {hard}.");
            if (resource == ResourceLimits.OpenFiles)
                (soft, hard) = (Math.Min(soft, ResourceLimits.MostFiles), Math.Min(hard, ResourceLimits.MostFiles));
            limits.Add(new ResourceLimit(resource, soft, hard));
        }

        return limits;
    }

    /// <summary>A set of capabilities. Names that this kernel does not know are left out, as the specification asks.</summary>
    private static ulong Bits(SpecValue capabilities, string set)
    {
        ulong bits = 0;
        foreach (SpecValue item in capabilities.ItemsOf(set))
        {
            int bit = Array.IndexOf(s_capabilities, item.Text());
            if (bit >= 0)
                bits |= 1UL << bit;
            else if (!item.Text().StartsWith("CAP_", StringComparison.Ordinal))
                throw item.Wrong($"'{item.Text()}' is no capability; their names begin with CAP_.");
        }

        return bits;
    }
}
