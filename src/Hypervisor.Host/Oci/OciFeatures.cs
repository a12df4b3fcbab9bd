using System.Text.Json;
using System.Text.Json.Nodes;
using Hypervisor.Core;
using Hypervisor.Guests.Container.Oci;

namespace Hypervisor.Host.Oci;

/// <summary>What the runtime says of itself, and the configuration it begins with.</summary>
internal static class OciFeatures
{
    public const string NewestSpecification = "1.2.0";

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    /// <summary>The features structure (features.md), as JSON.</summary>
    public static string Describe() => new JsonObject
    {
        ["ociVersionMin"] = "1.0.0",
        ["ociVersionMax"] = NewestSpecification,
        ["hooks"] = Texts("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"),
        ["mountOptions"] = Texts("bind", "rbind", "ro", "rw", "nosuid", "nodev", "noexec", "suid", "dev", "exec", "relatime", "noatime", "strictatime", "private", "rprivate", "rslave", "slave", "rshared", "shared", "size", "mode"),
        ["linux"] = new JsonObject
        {
            ["namespaces"] = Texts("pid", "network", "mount", "ipc", "uts", "user", "cgroup"),
            ["capabilities"] = Texts(),
            ["cgroup"] = new JsonObject { ["v1"] = false, ["v2"] = false, ["systemd"] = false, ["systemdUser"] = false, ["rdma"] = false },
            ["seccomp"] = new JsonObject
            {
                ["enabled"] = true,
                ["actions"] = Texts([.. SeccompSpec.Actions.Keys]),
                ["operators"] = Texts([.. SeccompSpec.Operators.Keys]),
                ["archs"] = Texts("SCMP_ARCH_RISCV64"),
            },
            ["apparmor"] = new JsonObject { ["enabled"] = false },
            ["selinux"] = new JsonObject { ["enabled"] = false },
        },
        ["annotations"] = new JsonObject { ["org.hypervisor.architecture"] = "riscv64" },
    }.ToJsonString(s_indented);

    /// <summary>Writes a configuration to begin with.</summary>
    /// <exception cref="HypervisorException">There is one already.</exception>
    public static void WriteSpecification(string bundle)
    {
        string file = Path.Combine(bundle, "config.json");
        if (File.Exists(file))
            throw new HypervisorException($"'{file}' exists already; remove it first.");
        File.WriteAllText(file, Specification().ToJsonString(s_indented) + "\n");
    }

    private static JsonObject Specification() => new()
    {
        ["ociVersion"] = NewestSpecification,
        ["process"] = new JsonObject
        {
            ["terminal"] = false,
            ["user"] = new JsonObject { ["uid"] = 0, ["gid"] = 0 },
            ["args"] = Texts("sh"),
            ["env"] = Texts("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"),
            ["cwd"] = "/",
        },
        ["root"] = new JsonObject { ["path"] = "rootfs", ["readonly"] = true },
        ["hostname"] = "hv",
        ["mounts"] = new JsonArray(
            Mount("/proc", "proc", "proc"),
            Mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            Mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec"),
            Mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
            Mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro")),
        ["linux"] = new JsonObject
        {
            ["namespaces"] = new JsonArray([.. new[] { "pid", "network", "ipc", "uts", "mount" }.Select(type => (JsonNode)new JsonObject { ["type"] = type })]),
            ["maskedPaths"] = Texts("/proc/kcore", "/proc/keys", "/sys/firmware"),
            ["readonlyPaths"] = Texts("/proc/sys", "/proc/sysrq-trigger"),
        },
    };

    private static JsonObject Mount(string destination, string type, string source, params string[] options)
        => new() { ["destination"] = destination, ["type"] = type, ["source"] = source, ["options"] = Texts(options) };

    private static JsonArray Texts(params string[] texts) => new([.. texts.Select(text => (JsonNode)text)]);
}
