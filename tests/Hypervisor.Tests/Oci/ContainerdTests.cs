using System.Diagnostics;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Oci;

/// <summary>A fact about containerd with our runtime.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ContainerdFactAttribute() : PrivilegedPeerFactAttribute("containerd", "ctr", "containerd-shim-runc-v2", "script", "apt-get", "dpkg-deb");

/// <summary>Debian's containerd runs riscv64 containers by its shim with our runtime in runc's place.</summary>
public sealed class ContainerdTests
{
    [ContainerdFact]
    public void Ctr_WithOurRuntime_RunsAContainerToItsEnd()
    {
        using var containerd = new Containerd();
        (int code, string output) = containerd.Try(containerd.Run(["--rm", "--env", "A=b", "--cwd", "/bin", "--memory-limit", "67108864"], "once", "sh", "-c", "echo $A $(pwd); exit 3"));
        Assert.Equal(3, code);
        Assert.Contains("b /bin\n", output, StringComparison.Ordinal);
        Assert.DoesNotContain("once", containerd.Do("containers", "list", "--quiet"), StringComparison.Ordinal);

        (code, output) = containerd.Try(containerd.Run(["--rm"], "wrong", "/no/such"));
        Assert.NotEqual(0, code);
        Assert.Contains("/no/such", output, StringComparison.Ordinal);
    }

    [ContainerdFact]
    public void Ctr_WithOurRuntime_ControlsARunningContainer()
    {
        using var containerd = new Containerd();
        containerd.Do(containerd.Run(["--detach", "--null-io"], "busy", "sh", "-c", "trap 'exit 7' TERM; echo up > /up; while true; do sleep 0.1; done"));
        containerd.WaitFor(" RUNNING", "tasks", "list");
        Assert.Equal((4, "in\n"), containerd.Try("tasks", "exec", "--exec-id", "e1", "busy", "sh", "-c", "echo in; exit 4"));
        Assert.Contains("1 ", containerd.Do("tasks", "ps", "busy"), StringComparison.Ordinal);
        containerd.Do("tasks", "pause", "busy");
        Assert.Contains("PAUSED", containerd.Do("tasks", "list"), StringComparison.Ordinal);
        containerd.Do("tasks", "resume", "busy");
        containerd.WaitFor("RUNNING", "tasks", "list");
        while (!File.Exists(containerd.Root("up")))
            Thread.Sleep(50);
        containerd.Do("tasks", "kill", "--signal", "SIGTERM", "busy");
        containerd.WaitFor("STOPPED", "tasks", "list");
        containerd.Do("tasks", "delete", "busy");
        containerd.Do("containers", "delete", "busy");
    }

    [ContainerdFact]
    public void Ctr_WithOurRuntime_GivesTerminals()
    {
        using var containerd = new Containerd();
        string command = string.Join(' ', containerd.Run(["--tty", "--rm"], "tty", "/bin/sh"));
        Assert.Contains("42", containerd.Terminal(command), StringComparison.Ordinal);
        containerd.Do(containerd.Run(["--detach", "--null-io"], "busy", "sleep", "1000"));
        containerd.WaitFor(" RUNNING", "tasks", "list");
        Assert.Contains("42", containerd.Terminal("tasks exec --tty --exec-id e1 busy /bin/sh"), StringComparison.Ordinal);
        containerd.Do("tasks", "kill", "--signal", "SIGKILL", "busy");
        containerd.WaitFor("STOPPED", "tasks", "list");
    }

    private sealed class Containerd : IDisposable
    {
        private readonly OciBundle _bundle = new();
        private readonly Process _daemon;

        public Containerd()
        {
            File.WriteAllText(_bundle["containerd.toml"], $"""
                version = 2
                root = "{_bundle["root"]}"
                state = "{_bundle["state"]}"
                disabled_plugins = ["io.containerd.grpc.v1.cri"]
                [grpc]
                  address = "{Socket}"
                """);

            // In a process group of its own, and quiet: it says much.
            _daemon = Process.Start(new ProcessStartInfo("sh", ["-c", "exec containerd -c \"$0\" > \"$1\" 2>&1", _bundle["containerd.toml"], _bundle["daemon.log"]]) { RedirectStandardInput = true })!;
            WaitFor("Server", "version");
        }

        private string Socket => _bundle["c.sock"];

        public string Root(string name) => _bundle["rootfs/" + name];

        /// <summary>The arguments that run a container.</summary>
        public string[] Run(string[] options, string id, params string[] command) => ["run", .. options, "--runc-binary", OciBundle.Runtime, "--rootfs", _bundle["rootfs"], id, .. command];

        public (int Code, string Output) Try(params string[] arguments) => Peer.Try("ctr", ["--address", Socket, .. arguments]);

        public string Do(params string[] arguments)
        {
            (int code, string output) = Try(arguments);
            Assert.True(code == 0, $"ctr {string.Join(' ', arguments)} ended with {code}: {output}");
            return output;
        }

        /// <summary>Types into a command that wants a terminal.</summary>
        public string Terminal(string command)
            => Peer.Run("sh", "-c", $"{{ printf 'echo $((6*7))\\nexit 0\\n'; sleep 5; }} | script -qfec 'ctr --address {Socket} {command}' /dev/null");

        public void WaitFor(string text, params string[] arguments)
        {
            long end = Environment.TickCount64 + 60_000;
            string output = "";
            while (Try(arguments) is var (code, said) && (code != 0 || !(output = said).Contains(text, StringComparison.Ordinal)))
            {
                Assert.True(Environment.TickCount64 < end, $"'{text}' did not come within a minute: {output}\n{(File.Exists(_bundle["daemon.log"]) ? File.ReadAllText(_bundle["daemon.log"]) : "")}");
                Thread.Sleep(100);
            }
        }

        public void Dispose()
        {
            foreach (string id in Try("containers", "list", "--quiet").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                Try("tasks", "kill", "--signal", "SIGKILL", id);
                Try("tasks", "delete", "--force", id);
                Try("containers", "delete", id);
            }

            _daemon.Kill();
            _daemon.WaitForExit();
            _daemon.Dispose();
            _bundle.Dispose();
        }
    }
}
