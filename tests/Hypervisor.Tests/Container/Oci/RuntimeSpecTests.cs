using System.Text;
using System.Text.Json.Nodes;
using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Oci;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container.Oci;

/// <summary>Configurations of bundles: what is right is understood, what is wrong is named by its place.</summary>
public sealed class RuntimeSpecTests
{
    private const string Good = """
        {
          "ociVersion": "1.0.2-dev",
          "process": {
            "terminal": false, "user": { "uid": 1000, "gid": 100, "additionalGids": [5, 6], "umask": 63 },
            "args": ["/bin/sh", "-c", "true"], "env": ["PATH=/bin", "A=b=c"], "cwd": "/tmp",
            "capabilities": { "bounding": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"] },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 }, { "type": "RLIMIT_CORE", "soft": 18446744073709551615, "hard": 18446744073709551615 }],
            "noNewPrivileges": true
          },
          "root": { "path": "rootfs", "readonly": true },
          "hostname": "box",
          "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"] },
            { "destination": "/dev", "type": "tmpfs", "options": ["mode=755", "size=65536k"] },
            { "destination": "/dev/pts", "type": "devpts", "options": ["newinstance", "ptmxmode=0666"] },
            { "destination": "/scratch", "type": "tmpfs", "options": ["size=2m", "mode=1777", "ro"] },
            { "destination": "/data", "source": "rootfs", "options": ["rbind", "ro"] }
          ],
          "annotations": { "a.b": "c" },
          "hooks": { "poststop": [{ "path": "/bin/true", "timeout": 5 }] },
          "linux": {
            "namespaces": [{ "type": "pid" }, { "type": "uts" }, { "type": "mount" }],
            "resources": { "memory": { "limit": 67108864 }, "pids": { "limit": 50 }, "cpu": { "shares": 2048, "quota": 50000, "period": 100000 } },
            "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"]
          },
          "somethingNew": { "of": "a later version" }
        }
        """;

    /// <summary>A change (a member's path and its new value, or nothing to remove it) and what the complaint says.</summary>
    public static TheoryData<string, string?, string> Wrong => new()
    {
        { "ociVersion", null, "ociVersion is missing" },
        { "ociVersion", "\"2.0.0\"", "version 2.0.0 is not served" },
        { "ociVersion", "\"latest\"", "no version" },
        { "root", null, "root is missing" },
        { "root.path", "\"nowhere\"", "root.path: there is no directory" },
        { "root.path", "\"\"", "root.path: is empty" },
        { "root.readonly", "\"yes\"", "root.readonly: must be true or false" },
        { "process.args", "[]", "process: args is missing or empty" },
        { "process.args", "\"sh\"", "process.args: must be an array" },
        { "process.args", "[\"\"]", "the first is empty" },
        { "process.args", "[\"a\\u0000b\"]", "process.args[0]: contains a zero byte" },
        { "process.cwd", null, "process.cwd is missing" },
        { "process.cwd", "\"tmp\"", "must be an absolute path" },
        { "process.env", "[\"=x\"]", "process.env[0]: '=x' names no variable" },
        { "process.env", "[1]", "process.env[0]: must be a string" },
        { "process.user.uid", "-1", "process.user.uid: -1 lies outside" },
        { "process.user.uid", "4294967295", "lies outside" },
        { "process.user.uid", "1.5", "must be a whole number" },
        { "process.rlimits", "[{\"type\":\"RLIMIT_FUN\",\"soft\":1,\"hard\":1}]", "'RLIMIT_FUN' is no resource" },
        { "process.rlimits", "[{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":1}]", "soft limit 2 is above the hard limit 1" },
        { "process.rlimits", "[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1}]", "limited twice" },
        { "process.rlimits", "[{\"type\":\"RLIMIT_CPU\",\"soft\":-1,\"hard\":1}]", "at least 0" },
        { "process.capabilities.effective", "[\"chown\"]", "'chown' is no capability" },
        { "hostname", "\"" + Long + "\"", "longer than 64 bytes" },
        { "linux.namespaces", "[{\"type\":\"pid\"}]", "no uts namespace" },
        { "linux.namespaces", "[{\"type\":\"uts\"},{\"type\":\"uts\"}]", "named twice" },
        { "linux.namespaces", "[{\"type\":\"uts\"},{\"type\":\"fun\"}]", "no kind of namespace" },
        { "linux.namespaces", "[{\"type\":\"uts\",\"path\":\"relative\"}]", "must be an absolute path" },
        { "linux.uidMappings", "[{\"containerID\":0,\"hostID\":0,\"size\":1}]", "no user namespace" },
        { "linux.rootfsPropagation", "\"sideways\"", "no propagation" },
        { "linux.resources.memory", "{\"limit\":100,\"swap\":50}", "cannot be below the limit" },
        { "linux.resources.memory", "{\"limit\":100,\"reservation\":200}", "above the limit" },
        { "linux.resources.unified", "{\"../x\":\"1\"}", "outside the group's directory" },
        { "linux.resources.unified", "{\"cpu.weight\":\"0\"}", "outside 1 to 10000" },
        { "linux.resources.devices", "[{\"access\":\"rwm\"}]", "allow is missing" },
        { "linux.resources.devices", "[{\"allow\":true,\"access\":\"rwx\"}]", "no access" },
        { "linux.resources.unified", "{\"io.max\":\"sda rbps=1\"}", "does not begin with a device's numbers" },
        { "linux.resources.unified", "{\"io.max\":\"8:0 rbps=fast\"}", "no whole number" },
        { "linux.resources.unified", "{\"io.max\":\"8:0 speed=1\"}", "no limit of input and output" },
        { "linux.resources.unified", "{\"cpu.max\":\"1 2 3\"}", "no quota and period" },
        { "linux.resources.unified", "{\"memory.max\":\"-5\"}", "no whole number" },
        { "linux.resources.blockIO", "{\"weight\":5}", "below 10" },
        { "linux.resources.blockIO", "{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0}]}", "rate is missing" },
        { "linux.resources.blockIO", "{\"throttleReadBpsDevice\":[{\"major\":-8,\"minor\":0,\"rate\":1}]}", "lies outside" },
        { "linux.resources.blockIO", "{\"throttleWriteIOPSDevice\":{}}", "must be an array" },
        { "linux.cgroupsPath", "\"/a/../../b\"", "leads out" },
        { "linux.sysctl", "{\"kernel.panic\":\"1\"}", "no parameter that a container has" },
        { "linux.sysctl", "{\"net.ipv4.ip_forward\":\"1\"}", "no network namespace" },
        { "linux.sysctl", "{\"net.../../x\":\"1\"}", "no parameter" },
        { "linux.sysctl", "{\"kernel.domainname\":1}", "must be a string" },
        { "linux.seccomp", "{}", "linux.seccomp.defaultAction is missing" },
        { "linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_PANIC\"}", "'SCMP_ACT_PANIC' is no action" },
        { "linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "not served" },
        { "linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}", "defaultErrnoRet: goes with" },
        { "linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\"}", "notifications" },
        { "linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"riscv\"]}", "'riscv' is no architecture" },
        { "linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[],\"action\":\"SCMP_ACT_LOG\"}]}", "names no system calls" },
        { "linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":5000}]}", "5000 lies outside" },
        { "linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}", "6 lies outside" },
        { "linux.seccomp", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":1,\"value\":1,\"op\":\"SCMP_CMP_XX\"}]}]}", "'SCMP_CMP_XX' is no comparison" },
        { "linux.maskedPaths", "[\"proc\"]", "must be an absolute path" },
        { "mounts", "[{\"type\":\"proc\"}]", "mounts[0].destination is missing" },
        { "hooks", "{\"prestart\":[{\"path\":\"relative\"}]}", "must be an absolute path" },
        { "hooks", "{\"prestart\":[{\"path\":\"/x\",\"timeout\":0}]}", "lies outside" },
        { "windows", "{}", "another platform" },
    };

    public static TheoryData<string, string> WrongMounts => new()
    {
        { "{\"destination\":\"/x\",\"type\":\"ext4\",\"source\":\"/dev/sda\"}", "'ext4' is no kind of mount" },
        { "{\"destination\":\"/x\",\"type\":\"bind\"}", "source is missing" },
        { "{\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"nowhere\"}", "does not exist" },
        { "{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"size=much\"]}", "is no size" },
        { "{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"size=99999999999g\"]}", "is no size" },
        { "{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"mode=9\"]}", "is no octal mode" },
        { "{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"sideways\"]}", "is no option of a mount" },
    };

    private const string Long = "a23456789b23456789c23456789d23456789e23456789f23456789g2345678965";

    [Fact]
    public void Configuration_ThatIsRight_IsUnderstood()
    {
        using var bundle = Bundle();
        RuntimeSpec spec = Read(Good, bundle);
        Assert.Equal(bundle["rootfs"], spec.RootPath);
        Assert.True(spec.RootReadOnly);
        Assert.Equal("box", spec.HostName);
        Assert.Equal(["/bin/sh", "-c", "true"], spec.Process!.Arguments);
        Assert.Equal((1000u, 100u, 63u), (spec.Process.Uid, spec.Process.Gid, spec.Process.Umask!.Value));
        Assert.Equal([5u, 6u], spec.Process.Groups);
        Assert.Equal(1UL << 5, spec.Process.Capabilities);
        Assert.Equal(1UL | 1UL << 5, spec.Process.BoundingCapabilities);
        Assert.Equal([new ResourceLimit(7, 100, 200), new ResourceLimit(4, ulong.MaxValue, ulong.MaxValue)], spec.Process.Limits);
        Assert.Equal((67108864UL, 50, 200, 0.5), (spec.Resources.Memory!.Value, spec.Resources.Tasks!.Value, spec.Resources.Weight!.Value, spec.Resources.Cpus!.Value));
        Assert.Equal("c", spec.Annotations["a.b"]);
        Assert.Equal(5, Assert.Single(spec.Hooks.Poststop).TimeoutSeconds);

        IReadOnlyList<ContainerMount> mounts = MountSpecs.From(spec.Mounts, bundle.Root);
        Assert.Equal([ContainerMountKind.Processes, ContainerMountKind.Devices, ContainerMountKind.Memory, ContainerMountKind.Host], mounts.Select(mount => mount.Kind));
        Assert.Equal((2L << 20, 0x3FFu, true), (mounts[2].SizeLimit!.Value, mounts[2].Permissions!.Value, mounts[2].IsReadOnly));
        Assert.Equal((bundle["rootfs"], true), (mounts[3].Source!, mounts[3].IsReadOnly));
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Configuration_ThatIsWrong_IsRefusedWithThePlace(string member, string? value, string complaint)
    {
        using var bundle = Bundle();
        var document = JsonNode.Parse(Good)!.AsObject();
        JsonObject at = document;
        string[] path = member.Split('.');
        foreach (string name in path[..^1])
            at = at[name]!.AsObject();
        at.Remove(path[^1]);
        if (value is not null)
            at[path[^1]] = JsonNode.Parse(value);
        var problem = Assert.Throws<HypervisorException>(() => Read(document.ToJsonString(), bundle));
        Assert.Contains(complaint, problem.Message, StringComparison.Ordinal);
        Assert.StartsWith("config.json", problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"memory\":{\"limit\":-1},\"cpu\":{\"quota\":-1},\"pids\":{\"limit\":-1}}", ulong.MaxValue, double.PositiveInfinity, 1 << 22)]
    [InlineData("{\"unified\":{\"memory.max\":\"max\",\"cpu.max\":\"max 100000\",\"pids.max\":\"max\"}}", ulong.MaxValue, double.PositiveInfinity, 1 << 22)]
    [InlineData("{\"memory\":{\"limit\":5000000},\"cpu\":{\"quota\":200000},\"pids\":{\"limit\":5},\"unified\":{\"pids.max\":\"6\"}}", 5000000UL, 2.0, 6)]
    public void Resources_InEitherForm_AreLimits(string json, ulong memory, double cpus, int tasks)
    {
        ResourcesSpec spec = ResourcesSpec.Read(SpecValue.Parse(Encoding.UTF8.GetBytes(json), "resources.json"));
        Assert.Equal((memory, cpus, tasks), (spec.Memory!.Value, spec.Cpus!.Value, spec.Tasks!.Value));
    }

    [Theory]
    [InlineData("{\"blockIO\":{\"weight\":500,\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":600},{\"major\":8,\"minor\":16,\"rate\":500},{\"major\":9,\"minor\":0,\"rate\":0}],\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":7}]}}")]
    [InlineData("{\"unified\":{\"io.max\":\"8:0 rbps=600 wiops=7 wbps=max\\n8:16 rbps=500\"}}")]
    public void InputAndOutput_InEitherForm_HaveTheTightestLimits(string json)
        => Assert.Equal(new IoLimits(ReadBytes: 500, Writes: 7), ResourcesSpec.Read(SpecValue.Parse(Encoding.UTF8.GetBytes(json), "resources.json")).Io);

    [Theory]
    [MemberData(nameof(WrongMounts))]
    public void Mount_ThatIsWrong_IsRefusedWithThePlace(string mount, string complaint)
    {
        using var bundle = Bundle();
        JsonNode document = JsonNode.Parse(Good)!;
        document["mounts"] = new JsonArray(JsonNode.Parse(mount));
        RuntimeSpec spec = Read(document.ToJsonString(), bundle);
        var problem = Assert.Throws<HypervisorException>(() => MountSpecs.From(spec.Mounts, bundle.Root));
        Assert.StartsWith("config.json: mounts[0]", problem.Message, StringComparison.Ordinal);
        Assert.Contains(complaint, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Configuration_OfAnyBytes_IsReadOrRefused()
    {
        using var bundle = Bundle();
        byte[] good = Encoding.UTF8.GetBytes(Good);
        var changes = from at in Gen.Choose(0, good.Length - 1)
                      from cut in Gen.Choose(0, 40)
                      from bytes in Gen.ListOf(Gen.Elements("0", "-1", "null", "{}", "[]", "\"\"", "true", ",", "}", "\"", "1e99", "\\u0000", "/../"))
                      select (at, cut, bytes: string.Concat(bytes));
        Property.ForAll(changes, change =>
        {
            byte[] bad = [.. good[..change.at], .. Encoding.UTF8.GetBytes(change.bytes), .. good[Math.Min(good.Length, change.at + change.cut)..]];
            try
            {
                RuntimeSpec spec = RuntimeSpec.Parse(bad, bundle.Root);
                MountSpecs.From(spec.Mounts, bundle.Root);
            }
            catch (HypervisorException)
            {
                // Refused with a reason, as it should be.
            }

            return true;
        }, cases: 500);
    }

    private static RuntimeSpec Read(string json, TemporaryFolder bundle) => RuntimeSpec.Parse(Encoding.UTF8.GetBytes(json), bundle.Root);

    private static TemporaryFolder Bundle()
    {
        var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["rootfs"]);
        return folder;
    }
}
