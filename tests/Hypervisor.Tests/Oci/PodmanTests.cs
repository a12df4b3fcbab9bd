using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Oci;

/// <summary>A fact about podman with our runtime.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PodmanFactAttribute() : PrivilegedPeerFactAttribute("podman", "conmon", "script", "apt-get", "dpkg-deb");

/// <summary>Debian's podman runs riscv64 containers through our runtime: images, streams, terminals, signals, volumes.</summary>
public sealed class PodmanTests
{
    [PodmanFact]
    public void Podman_WithOurRuntime_RunsContainersOfAnImage()
    {
        using var podman = new Podman();
        Assert.Equal("hello\nriscv64\n", podman.Run("run", "--rm", "--network", "none", "local/busybox", "sh", "-c", "echo hello; busybox uname -m"));
        (int code, _) = podman.Try("run", "--rm", "--network", "none", "local/busybox", "sh", "-c", "exit 5");
        Assert.Equal(5, code);
        Assert.Equal("/tmp b\n", podman.Run("run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "-w", "/tmp", "-e", "A=b", "--pids-limit", "100", "--memory", "64m", "--cpus", "0.5",
            "local/busybox", "sh", "-c", "touch /bin/x 2>/dev/null || echo $(pwd) $A"));
        Assert.Equal("typed\n", podman.Shell("echo typed | $PODMAN run --rm -i --network none local/busybox cat"));
        (code, string output) = podman.Try("run", "--rm", "--network", "none", "local/busybox", "/no/such");
        Assert.Equal(127, code);
        Assert.Contains("/no/such", output, StringComparison.Ordinal);
    }

    [PodmanFact]
    public void Podman_WithOurRuntime_KeepsWhatContainersChange()
    {
        using var podman = new Podman();
        Directory.CreateDirectory(podman["volume"]);
        File.WriteAllText(podman["volume/in"], "in\n");
        Assert.Equal("in\n", podman.Run("run", "--name", "keep", "--network", "none", "-v", podman["volume"] + ":/v", "local/busybox", "sh", "-c", "cat /v/in; echo out > /v/out; echo kept > /kept"));
        Assert.Equal("out\n", File.ReadAllText(podman["volume/out"]));
        Assert.Contains("A /kept", podman.Run("diff", "keep"), StringComparison.Ordinal);
        podman.Run("commit", "-q", "keep", "local/second");
        Assert.Equal("kept\n", podman.Run("run", "--rm", "--network", "none", "local/second", "cat", "/kept"));
        podman.Run("rm", "keep");
    }

    [PodmanFact]
    public void Podman_WithOurRuntime_ControlsARunningContainer()
    {
        using var podman = new Podman();
        podman.Run("run", "-d", "--name", "busy", "--network", "none", "local/busybox", "sh", "-c", "trap 'echo ended; exit 9' TERM; echo up; while true; do sleep 0.1; done");
        podman.WaitFor("up", "logs", "busy");
        Assert.Equal("x\n", podman.Run("exec", "-e", "V=x", "busy", "sh", "-c", "echo $V"));
        (int code, _) = podman.Try("exec", "busy", "sh", "-c", "exit 6");
        Assert.Equal(6, code);
        podman.Run("pause", "busy");
        Assert.Equal("paused\n", podman.Run("inspect", "--format", "{{.State.Status}}", "busy"));
        podman.Run("unpause", "busy");
        podman.Run("stop", "-t", "30", "busy");
        Assert.Equal("exited 9\n", podman.Run("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "busy"));
        podman.WaitFor("ended", "logs", "busy");
        podman.Run("rm", "busy");
    }

    [PodmanFact]
    public void Podman_WithOurRuntime_GivesATerminal()
    {
        using var podman = new Podman();
        string output = podman.Shell("printf 'stty size; echo $((6*7))\\nexit 4\\n' | script -qfec \"stty rows 33 cols 99; $PODMAN run --rm -it --network none local/busybox sh\" /dev/null; echo");
        Assert.Contains("42", output, StringComparison.Ordinal);
        Assert.Contains("33 99", output, StringComparison.Ordinal);
    }

    [PodmanFact]
    public void Podman_WithOurRuntime_CopiesIntoARunningContainer()
    {
        using var podman = new Podman();
        Directory.CreateDirectory(podman["volume"]);
        File.WriteAllText(podman["copied"], "copied\n");
        podman.Run("run", "-d", "--name", "busy", "--network", "none", "-v", podman["volume"] + ":/v", "--health-cmd", "test -e /copied", "--health-interval", "disable",
            "local/busybox", "sh", "-c", "echo made > /made; while true; do sleep 0.1; done");
        Assert.NotEqual(0, podman.Try("healthcheck", "run", "busy").Code);
        podman.Run("cp", podman["copied"], "busy:/copied");
        podman.Run("cp", podman["copied"], "busy:/v/there");
        Assert.Equal("copied\ncopied\n", podman.Run("exec", "busy", "cat", "/copied", "/v/there"));
        Assert.Equal("copied\n", File.ReadAllText(podman["volume/there"]));
        podman.Run("healthcheck", "run", "busy");
        podman.WaitFor("made", "exec", "busy", "cat", "/made");
        podman.Run("cp", "busy:/made", podman["back"]);
        Assert.Equal("made\n", File.ReadAllText(podman["back"]));
        Assert.False(File.Exists("/copied"));
        if (Directory.Exists("/sys/fs/cgroup"))
            Assert.Contains("busy", podman.Run("stats", "--no-stream", "busy"), StringComparison.Ordinal);
        podman.Run("rm", "-f", "-t", "0", "busy");
    }

    [PodmanFact]
    public void Podman_WithOurRuntime_PutsContainersIntoItsNetworks()
    {
        using var podman = new Podman();
        podman.Run("run", "-d", "--name", "web", "local/busybox", "sh", "-c", "echo served > /page; busybox httpd -f -p 80 -h /");
        string address = podman.Run("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "web").Trim();
        string fetch = $"i=0; while ! busybox wget -q -O - http://{address}/page; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.2; done";
        Assert.Equal("served\n", podman.Run("run", "--rm", "local/busybox", "sh", "-c", fetch));
        Assert.NotEqual(0, podman.Try("run", "--rm", "--network", "none", "local/busybox", "busybox", "wget", "-q", "-O", "-", $"http://{address}/page").Code);
        podman.Run("rm", "-f", "-t", "0", "web");
    }

    [PodmanFact]
    public void Podman_WithOurRuntime_HandsOnWhatItsOptionsSay()
    {
        using var podman = new Podman();
        Assert.Equal("uid=1000(1000) gid=100(100) groups=100(100),5\nhh\n100\nCapEff:\t0000000000000000\n7\nread-only\n", podman.Run("run", "--rm", "--network", "none", "--read-only", "--user", "1000:100",
            "--group-add", "5", "--cap-drop", "all", "--hostname", "hh", "--ulimit", "nofile=100", "--sysctl", "net.core.somaxconn=7", "--device-write-bps", "/dev/null:1mb", "--device-read-iops", "/dev/null:1000", "--tmpfs", "/tmp",
            "local/busybox", "sh", "-c", "id; hostname; ulimit -n; grep CapEff /proc/self/status; cat /proc/sys/net/core/somaxconn; touch /tmp/x && touch /x 2>/dev/null || echo read-only"));
    }

    private sealed class Podman : IDisposable
    {
        private readonly OciBundle _bundle = new();
        private readonly string[] _options;

        public Podman()
        {
            // Locks and state of its own: another podman on this host is neither seen nor disturbed.
            File.WriteAllText(this["containers.conf"], $"""
                [engine]
                cgroup_manager="cgroupfs"
                lock_type="file"
                tmp_dir="{this["tmp"]}"
                events_logger="file"
                runtime="hv"
                [engine.runtimes]
                hv=["{OciBundle.Runtime}"]
                """);
            _options = ["podman", "--storage-driver", "vfs", "--root", this["storage"], "--runroot", this["run"]];
            Peer.Run("tar", "-C", this["rootfs"], "-cf", this["root.tar"], "bin");
            Run("import", "--arch", "riscv64", "-c", "CMD [\"/bin/sh\"]", this["root.tar"], "local/busybox");
        }

        public string this[string name] => _bundle[name];

        public (int Code, string Output) Try(params string[] arguments) => Peer.Try("env", ["CONTAINERS_CONF=" + this["containers.conf"], .. _options, .. arguments]);

        public string Run(params string[] arguments)
        {
            (int code, string output) = Try(arguments);
            Assert.True(code == 0, $"podman {string.Join(' ', arguments)} ended with {code}: {output}");
            return output;
        }

        /// <summary>A shell command in which $PODMAN is podman.</summary>
        public string Shell(string command) => Peer.Run("env", "CONTAINERS_CONF=" + this["containers.conf"], "PODMAN=" + string.Join(' ', _options), "sh", "-c", command);

        public void WaitFor(string text, params string[] arguments)
        {
            long end = Environment.TickCount64 + 60_000;
            while (!Run(arguments).Contains(text, StringComparison.Ordinal))
            {
                Assert.True(Environment.TickCount64 < end, $"'{text}' did not come within a minute: {Run(arguments)}");
                Thread.Sleep(100);
            }
        }

        public void Dispose()
        {
            Try("rm", "--all", "--force", "--time", "0");

            // Mounts of podman's own go with its state.
            Try("system", "reset", "--force");
            _bundle.Dispose();
        }
    }
}
