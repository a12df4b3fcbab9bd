using System.Text.Json.Nodes;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Oci;

/// <summary>A bundle with Debian's busybox as its root file system, and the runtime to run it.</summary>
internal sealed class OciBundle : IDisposable
{
    private static readonly string[] s_applets =
        ["sh", "ls", "cat", "echo", "mkdir", "rm", "mv", "ln", "touch", "chmod", "stat", "sleep", "ps", "id", "dd", "hostname", "readlink", "env", "true", "false", "stty", "grep", "head", "tail", "wc", "kill", "mount"];

    private readonly TemporaryFolder _folder = new();

    public OciBundle()
    {
        Directory.CreateDirectory(this["rootfs/bin"]);
        File.Copy(Path.Combine(Peer.Run("bash", Path.Combine(Repository, "tests/RealGuests/fetch.sh"), "busybox-static").Trim(), "usr/bin/busybox"), this["rootfs/bin/busybox"]);
        foreach (string applet in s_applets)
            File.CreateSymbolicLink(this[$"rootfs/bin/{applet}"], "busybox");
    }

    public static string Repository { get; } = FindRepository();

    /// <summary>The runtime as podman calls it.</summary>
    public static string Runtime => Path.Combine(AppContext.BaseDirectory, "hv-oci");

    public string Root => _folder.Root;

    public string this[string name] => _folder[name];

    /// <summary>Writes the configuration: this script, and what a test changes of the rest.</summary>
    public void Configure(string script, Action<JsonObject>? change = null)
    {
        JsonObject configuration = JsonNode.Parse("""
            {
              "ociVersion": "1.0.2",
              "process": { "args": ["sh", "-c", ""], "env": ["PATH=/bin"], "cwd": "/", "user": { "uid": 0, "gid": 0 } },
              "root": { "path": "rootfs" },
              "mounts": [{ "destination": "/proc", "type": "proc", "source": "proc" }],
              "linux": { "namespaces": [{ "type": "pid" }, { "type": "uts" }, { "type": "mount" }] }
            }
            """)!.AsObject();
        configuration["process"]!["args"]![2] = script;
        change?.Invoke(configuration);
        File.WriteAllText(this["config.json"], configuration.ToJsonString());
    }

    /// <summary>Runs a command of the runtime to its end.</summary>
    public (int Code, string Output) Try(params string[] arguments) => Peer.Try(Runtime, ["--root", this["s"], .. arguments]);

    /// <summary>Runs one that must succeed.</summary>
    public string Run(params string[] arguments)
    {
        (int code, string output) = Try(arguments);
        Assert.True(code == 0, $"hv oci {string.Join(' ', arguments)} ended with {code}: {output}");
        return output;
    }

    /// <summary>Makes a container whose output goes to a file, as a caller does that does not stay.</summary>
    public string Create(string id, string output)
        => Peer.Run("sh", "-c", $"'{Runtime}' --root '{this["s"]}' --log '{this["log"]}' --log-format json create --bundle '{Root}' --pid-file '{this["pid"]}' {id} > '{this[output]}' 2>&1 < /dev/null");

    public string Status(string id) => JsonNode.Parse(Run("state", id))!["status"]!.GetValue<string>();

    public void WaitFor(string id, string status)
    {
        long end = Environment.TickCount64 + 60_000;
        while (Status(id) != status)
        {
            Assert.True(Environment.TickCount64 < end, $"container {id} is {Status(id)}, not {status}, after a minute");
            Thread.Sleep(50);
        }
    }

    public void Dispose()
    {
        // What a failed test left running goes, too.
        if (Directory.Exists(this["s"]))
        {
            foreach (string container in Directory.GetDirectories(this["s"]))
                Try("delete", "--force", Path.GetFileName(container));
        }

        _folder.Dispose();
    }

    private static string FindRepository()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Hypervisor.sln")))
            folder = folder.Parent;
        return folder!.FullName;
    }
}
