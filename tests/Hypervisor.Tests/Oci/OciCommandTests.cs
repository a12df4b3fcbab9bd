using System.Text.Json.Nodes;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Oci;

/// <summary>The runtime's command line as podman, containerd and people call it.</summary>
public sealed class OciCommandTests
{
    [PeerFact("apt-get", "dpkg-deb")]
    public void Container_FromCreateToDelete_GoesThroughItsStates()
    {
        using var bundle = new OciBundle();
        bundle.Configure("echo started; trap 'echo got TERM; exit 7' TERM; while true; do sleep 0.1; done", configuration =>
        {
            configuration["hostname"] = "box";
            configuration["annotations"] = new JsonObject { ["key"] = "value" };
            configuration["hooks"] = new JsonObject
            {
                ["createRuntime"] = Hook(bundle["hook-create"]),
                ["poststart"] = Hook(bundle["hook-start"]),
                ["poststop"] = Hook(bundle["hook-stop"]),
            };
        });
        bundle.Create("c1", "output");
        JsonNode state = JsonNode.Parse(bundle.Run("state", "c1"))!;
        Assert.Equal("created", state["status"]!.GetValue<string>());
        Assert.Equal("value", state["annotations"]!["key"]!.GetValue<string>());
        Assert.Equal(bundle.Root, state["bundle"]!.GetValue<string>());
        Assert.Equal(File.ReadAllText(bundle["pid"]), state["pid"]!.GetValue<int>().ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal("creating", JsonNode.Parse(File.ReadAllText(bundle["hook-create"]))!["status"]!.GetValue<string>());
        Assert.Equal("", File.ReadAllText(bundle["output"]));
        Assert.Contains("exists already", bundle.Try("create", "--bundle", bundle.Root, "c1").Output, StringComparison.Ordinal);
        Assert.NotEqual(0, bundle.Try("exec", "c1", "true").Code);

        bundle.Run("start", "c1");
        Assert.Equal("running", bundle.Status("c1"));
        Assert.Equal("running", JsonNode.Parse(File.ReadAllText(bundle["hook-start"]))!["status"]!.GetValue<string>());
        Assert.Contains("is running", bundle.Try("start", "c1").Output, StringComparison.Ordinal);
        Assert.Contains("stop it first", bundle.Try("delete", "c1").Output, StringComparison.Ordinal);
        Assert.Equal("box\n", bundle.Run("exec", "c1", "hostname"));
        Assert.Equal((5, "b /bin\n"), ErrorsLast(bundle.Try("exec", "--cwd", "/bin", "--env", "A=b", "c1", "sh", "-c", "echo $A $(pwd); exit 5")));
        Assert.Contains("sleep 0.1", bundle.Run("ps", "c1"), StringComparison.Ordinal);
        Assert.Contains("c1", bundle.Run("list"), StringComparison.Ordinal);
        Assert.Equal("running", JsonNode.Parse(bundle.Run("list", "--format", "json"))![0]!["status"]!.GetValue<string>());

        bundle.Run("pause", "c1");
        Assert.Equal("paused", bundle.Status("c1"));
        bundle.Run("resume", "c1");
        bundle.Run("kill", "c1", "TERM");
        bundle.WaitFor("c1", "stopped");
        Assert.Equal("started\ngot TERM\n", File.ReadAllText(bundle["output"]));
        Assert.Contains("is stopped", bundle.Try("kill", "c1", "TERM").Output, StringComparison.Ordinal);
        bundle.Run("delete", "c1");
        Assert.Equal("stopped", JsonNode.Parse(File.ReadAllText(bundle["hook-stop"]))!["status"]!.GetValue<string>());
        Assert.Contains("does not exist", bundle.Try("state", "c1").Output, StringComparison.Ordinal);
        bundle.Run("delete", "--force", "c1");

        static JsonArray Hook(string file) => new(new JsonObject { ["path"] = "/bin/sh", ["args"] = new JsonArray("sh", "-c", $"cat > '{file}'"), ["env"] = new JsonArray("PATH=/usr/bin:/bin") });
        static (int, string) ErrorsLast((int Code, string Output) result) => result;
    }

    [PeerFact("apt-get", "dpkg-deb")]
    public void Mounts_OfAConfiguration_AreWhatTheContainerSees()
    {
        using var bundle = new OciBundle();
        Directory.CreateDirectory(bundle["volume"]);
        File.WriteAllText(bundle["volume/f"], "from the host\n");
        File.WriteAllText(bundle["hosts"], "bound\n");
        File.CreateSymbolicLink(bundle["rootfs/escape"], bundle["volume"]);
        bundle.Configure("""
            cat /vol/f /etc/hosts; echo back > /vol/g; mkdir /vol/d && echo deep > /vol/d/e; echo more >> /etc/hosts
            touch /rovol/x || echo ro; rm /rovol/f || echo ro; touch /etc/x || echo ro; chmod 600 /rovol/f || echo ro
            dd if=/dev/zero of=/small/big bs=1k count=100 2>/dev/null || echo full
            cat /proc/meminfo | wc -c; ls /escape/f || echo inside; mv /vol/f /moved || echo moved; rm /etc/hosts || echo busy
            echo kept > /kept; ls -d /proc/self /dev/null
            """, configuration =>
        {
            configuration["mounts"] = JsonNode.Parse("""
                [{ "destination": "/proc", "type": "proc" },
                 { "destination": "/small", "type": "tmpfs", "options": ["size=64k"] },
                 { "destination": "/vol", "type": "bind", "source": "volume", "options": ["rbind"] },
                 { "destination": "/rovol", "type": "bind", "source": "volume", "options": ["bind", "ro"] },
                 { "destination": "/etc/hosts", "type": "bind", "source": "hosts", "options": ["bind"] }]
                """);
            configuration["linux"]!["maskedPaths"] = new JsonArray("/proc/meminfo", "/not/there");
            configuration["linux"]!["readonlyPaths"] = new JsonArray("/etc");
        });
        (int code, string output) = bundle.Try("run", "--bundle", bundle.Root, "m1");
        Assert.Equal("from the host\nbound\nro\nro\nro\nro\nfull\n0\ninside\nbusy\n/dev/null\n/proc/self\n", output);
        Assert.Equal(0, code);
        Assert.Equal("back\n", File.ReadAllText(bundle["volume/g"]));
        Assert.Equal("deep\n", File.ReadAllText(bundle["volume/d/e"]));
        Assert.Equal("bound\nmore\n", File.ReadAllText(bundle["hosts"]));
        Assert.Equal("kept\n", File.ReadAllText(bundle["rootfs/kept"]));
        Assert.Equal("from the host\n", File.ReadAllText(bundle["rootfs/moved"]));
        Assert.False(File.Exists(bundle["volume/f"]));
    }

    [PeerFact("apt-get", "dpkg-deb")]
    public void Configuration_ThatIsWrong_IsToldInTheLog()
    {
        using var bundle = new OciBundle();
        bundle.Configure("true", configuration => configuration["process"]!["cwd"] = "relative");
        (int code, _) = bundle.Try("--log", bundle["log"], "--log-format=json", "create", "--bundle", bundle.Root, "bad");
        Assert.NotEqual(0, code);
        JsonNode line = JsonNode.Parse(File.ReadAllText(bundle["log"]))!;
        Assert.Equal("error", line["level"]!.GetValue<string>());
        Assert.Contains("process.cwd", line["msg"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Empty(bundle.Run("list", "--quiet"));

        bundle.Configure("true", configuration => configuration["process"]!["args"]![0] = "nosuch");
        Assert.Contains("'nosuch'", bundle.Try("create", "--bundle", bundle.Root, "bad").Output, StringComparison.Ordinal);
        Assert.Empty(bundle.Run("list", "--quiet"));
        Assert.Contains("no name for a container", bundle.Try("create", "--bundle", bundle.Root, "../bad").Output, StringComparison.Ordinal);
        Assert.Contains("no option --fun", bundle.Try("create", "--fun", "bad").Output, StringComparison.Ordinal);
        Assert.Contains("There is no command", bundle.Try("checkpoint", "bad").Output, StringComparison.Ordinal);
        bundle.Configure("true", configuration => configuration["process"]!["terminal"] = true);
        Assert.Contains("--console-socket", bundle.Try("create", "--bundle", bundle.Root, "bad").Output, StringComparison.Ordinal);
        bundle.Configure("true", configuration => configuration["hooks"] = JsonNode.Parse("""{ "prestart": [{ "path": "/bin/sh", "args": ["sh", "-c", "echo because >&2; exit 3"] }] }"""));
        Assert.Contains("because", bundle.Try("create", "--bundle", bundle.Root, "bad").Output, StringComparison.Ordinal);
        Assert.Empty(bundle.Run("list", "--quiet"));
    }

    [PeerFact("apt-get", "dpkg-deb")]
    public void Seccomp_OfAConfiguration_HoldsForAllThatRunsInside()
    {
        using var bundle = new OciBundle();
        bundle.Configure(
            """
            mkdir /a 2>&1; chmod 600 /made && echo may; chmod 4755 /made 2>&1; busybox hostname x 2>/dev/null; echo $?; touch /up; while true; do sleep 0.1; done
            """, configuration => configuration["linux"]!["seccomp"] = JsonNode.Parse("""
            {
              "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_RISCV64"],
              "syscalls": [
                { "names": ["mkdirat", "mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 },
                { "names": ["fchmodat"], "action": "SCMP_ACT_ERRNO", "args": [{ "index": 2, "value": 2048, "valueTwo": 2048, "op": "SCMP_CMP_MASKED_EQ" }] },
                { "names": ["sethostname"], "action": "SCMP_ACT_KILL_PROCESS" }
              ]
            }
            """));
        File.WriteAllText(bundle["rootfs/made"], "");
        bundle.Create("s1", "out");
        bundle.Run("start", "s1");
        long end = Environment.TickCount64 + 60_000;
        while (!File.Exists(bundle["rootfs/up"]) && Environment.TickCount64 < end)
            Thread.Sleep(20);
        Assert.Equal("mkdir: can't create directory '/a': No space left on device\nmay\nchmod: /made: Operation not permitted\n159\n", File.ReadAllText(bundle["out"]).Replace("Bad system call\n", "", StringComparison.Ordinal));

        // What is added to it later is held by it as well.
        (int code, string output) = bundle.Try("exec", "s1", "sh", "-c", "mkdir /b 2>&1; true");
        Assert.Equal(0, code);
        Assert.Contains("No space left", output, StringComparison.Ordinal);
        bundle.Run("delete", "--force", "s1");
    }

    [PeerFact("apt-get", "dpkg-deb")]
    public void Limits_OfAConfiguration_AreHeld()
    {
        using var bundle = new OciBundle();
        bundle.Configure("""
            i=0; while [ $i -lt 40 ]; do sleep 3 & i=$((i+1)); done 2>/dev/null; echo not all
            """, configuration => configuration["linux"]!["resources"] = JsonNode.Parse("""{ "pids": { "limit": 10 } }"""));
        (int code, string output) = bundle.Try("run", "--bundle", bundle.Root, "l1");
        Assert.True(code != 0 && !output.Contains("not all", StringComparison.Ordinal), output);

        bundle.Configure("head -c 60000000 /dev/zero | tail -c 50000000 > /dev/null; echo survived $?",
            configuration => configuration["linux"]!["resources"] = JsonNode.Parse("""{ "memory": { "limit": 16777216 } }"""));
        (_, output) = bundle.Try("run", "--bundle", bundle.Root, "l2");
        Assert.Contains("survived 137", output, StringComparison.Ordinal);
    }

    [PeerFact("apt-get", "dpkg-deb")]
    public void Limits_OfARunningContainer_AreChangedAndTold()
    {
        using var bundle = new OciBundle();
        bundle.Configure("echo up; while true; do sleep 0.1; done", configuration => configuration["linux"]!["resources"] = JsonNode.Parse("""{ "memory": { "limit": 33554432 } }"""));
        bundle.Create("u1", "output");
        bundle.Run("start", "u1");
        Assert.Equal(33554432, Data()["memory"]!["usage"]!["limit"]!.GetValue<long>());
        bundle.Run("update", "--memory", "64m", "--pids-limit", "9", "--cpu-quota", "50000", "u1");
        Assert.Equal((67108864, 9), (Data()["memory"]!["usage"]!["limit"]!.GetValue<long>(), Data()["pids"]!["limit"]!.GetValue<int>()));
        File.WriteAllText(bundle["resources"], """{ "pids": { "limit": 12 } }""");
        bundle.Run("update", "--resources", bundle["resources"], "u1");
        Assert.Equal(12, Data()["pids"]!["limit"]!.GetValue<int>());
        Assert.Equal(0, bundle.Try("exec", "--user", "5:6", "--additional-gids", "7", "--cap", "CAP_KILL", "u1", "sh", "-c", "[ \"$(id)\" = 'uid=5 gid=6 groups=7' ]").Code);
        Assert.Contains("is no number", bundle.Try("update", "--memory", "much", "u1").Output, StringComparison.Ordinal);
        Assert.Contains("something to change", bundle.Try("update", "u1").Output, StringComparison.Ordinal);
        Assert.Contains("its machine has", bundle.Try("update", "--memory", "99999g", "u1").Output, StringComparison.Ordinal);
        File.WriteAllText(bundle["resources"], """{ "pids": { "limit": "many" } }""");
        Assert.Contains("pids.limit: must be a whole number", bundle.Try("update", "--resources", bundle["resources"], "u1").Output, StringComparison.Ordinal);

        JsonNode Data() => JsonNode.Parse(bundle.Run("events", "--stats", "u1"))!["data"]!;
    }

    [PeerFact("apt-get", "dpkg-deb")]
    public void Hooks_OfTheContainerItself_RunInsideBeforeItsProgram()
    {
        using var bundle = new OciBundle();
        bundle.Configure("cat /made; ps | wc -l", configuration => configuration["hooks"] = Hook("cat > /state; echo made > /made"));
        Assert.Equal((0, "made\n4\n"), bundle.Try("run", "--bundle", bundle.Root, "h1"));
        Assert.Equal("created", JsonNode.Parse(File.ReadAllText(bundle["rootfs/state"]))!["status"]!.GetValue<string>());
        bundle.Configure("echo never", configuration => configuration["hooks"] = Hook("exit 3"));
        (int code, string output) = bundle.Try("run", "--bundle", bundle.Root, "h2");
        Assert.NotEqual(0, code);
        Assert.Contains("failed with exit code 3", output, StringComparison.Ordinal);
        Assert.DoesNotContain("never", output, StringComparison.Ordinal);

        static JsonNode Hook(string script) => new JsonObject { ["startContainer"] = new JsonArray(new JsonObject { ["path"] = "/bin/sh", ["args"] = new JsonArray("sh", "-c", script), ["env"] = new JsonArray("PATH=/bin") }) };
    }

    [PeerFact("apt-get", "dpkg-deb")]
    public void Network_OfTheHost_IsThereWhereTheConfigurationHasNoneOfItsOwn()
    {
        using var bundle = new OciBundle();
        bundle.Configure("busybox nc -l -p 18733 < /bin/ls | wc -c; busybox nc -w 1 10.1.2.3 1 || true; echo x > /done");
        bundle.Create("n1", "output");
        bundle.Run("start", "n1");
        long end = Environment.TickCount64 + 60_000;
        long received = 0;
        while (received == 0 && Environment.TickCount64 < end)
        {
            try
            {
                using var client = new System.Net.Sockets.TcpClient("127.0.0.1", 18733);
                using var bytes = new MemoryStream();
                client.GetStream().CopyTo(bytes);
                received = bytes.Length;
            }
            catch (System.Net.Sockets.SocketException)
            {
                Thread.Sleep(50); // It does not listen yet.
            }
        }

        Assert.Equal(new FileInfo(bundle["rootfs/bin/busybox"]).Length, received);
        bundle.Configure("busybox nc -w 1 10.1.2.3 1", configuration => configuration["linux"]!["namespaces"]!.AsArray().Add(new JsonObject { ["type"] = "network" }));
        Assert.Contains("unreachable", bundle.Try("run", "--bundle", bundle.Root, "n2").Output, StringComparison.Ordinal);
        bundle.Configure("true", configuration => configuration["linux"]!["namespaces"]!.AsArray().Add(new JsonObject { ["type"] = "network", ["path"] = "/no/such" }));
        Assert.Contains("no network namespace '/no/such'", bundle.Try("run", "--bundle", bundle.Root, "n3").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Features_AndSpec_AreJsonThatCanBeRead()
    {
        if (OperatingSystem.IsWindows())
            return;
        using var folder = new TemporaryFolder();
        JsonNode features = JsonNode.Parse(Peer.Run(OciBundle.Runtime, "features"))!;
        Assert.Equal("1.0.0", features["ociVersionMin"]!.GetValue<string>());
        Assert.Contains("exec", Peer.Run(OciBundle.Runtime, "--help"), StringComparison.Ordinal);
        Directory.CreateDirectory(folder["rootfs"]);
        Peer.Run(OciBundle.Runtime, "spec", "--bundle", folder.Root);
        Assert.Equal("sh", Guests.Container.Oci.RuntimeSpec.Load(folder.Root).Process!.Arguments[0]);
        Assert.NotEqual(0, Peer.Try(OciBundle.Runtime, "spec", "--bundle", folder.Root).Code);
    }
}
