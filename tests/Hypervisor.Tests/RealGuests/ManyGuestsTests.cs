using System.Text;
using System.Text.RegularExpressions;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.RealGuests;

/// <summary>Several real guests of one manifest, on one host loop and one network.</summary>
public sealed class ManyGuestsTests : IDisposable
{
    private const string Lease = "udhcpc -q -n -S -i eth0 2>/dev/null";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [RealGuestTheory("small-kernel", "initramfs", "busybox")]
    [InlineData("para", "assisted", "")]
    [InlineData("full", "para", "")]
    [InlineData("para", "para", ", latency: 2ms, rate: 50Mbit, loss: 0.02")]
    public void Run_TwoMachinesAndAContainer_TalkAndEnd(string server, string client, string link)
    {
        using var hv = Start($$"""
            networks: { lan: { subnet: 10.7.0.0/24, capture: lan.pcap{{link}} } }
            machines:
              server:
                {{Machine(server)}}
                append: {{Console(server)}} hv.run="{{Lease}}; dd if=/dev/urandom of=/big bs=64k count=32 2>/dev/null; md5sum /big; nc -l -p 98 </big; nc -l -p 99; sleep 2; echo served"
                networks: { name: lan, address: 10.7.0.20 }
              client:
                {{Machine(client)}}
                append: {{Console(client)}} hv.run="{{Lease}}; until ping -c 1 -W 1 server >/dev/null; do :; done; ping -c 20 -i 0.05 -q server; until nc server.internal 98 >/big && [ -s /big ]; do sleep 0.1; done; md5sum /big; until echo thanks | nc server 99; do sleep 0.1; done"
                networks: lan
              job: { program: {{RealGuest.File("busybox")}}, arguments: [sh, -c, "echo from a container; exit 0"], weight: 30 }
            """);
        Assert.Equal(0, hv.WaitForExit(120));
        string output = hv.Output.Replace("\r", "", StringComparison.Ordinal);
        Match sent = Regex.Match(output, "server \\| ([0-9a-f]{32})"), received = Regex.Match(output, "client \\| ([0-9a-f]{32})");
        Assert.True(sent.Success && received.Success, output);
        Assert.Equal(sent.Groups[1].Value, received.Groups[1].Value);
        Assert.Contains("server | thanks\n", output);
        Assert.Contains("job | from a container\n", output);
        if (link.Length == 0)
            Assert.Contains("20 packets transmitted, 20 packets received, 0% packet loss", output);
        foreach (string name in (string[])["server", "client", "job"])
            Assert.Contains($"hv: '{name}' ended.", hv.Errors);
        Assert.True(new FileInfo(_folder["lan.pcap"]).Length > 2 << 20);
    }

    [RealGuestTheory("small-kernel", "initramfs")]
    [InlineData("para")]
    public void Run_TwoNetworks_AreApartUnlessRouted(string mode)
    {
        string Talk(string name, string subnet, string other) => $$"""
              {{name}}:
                {{Machine(mode)}}
                append: {{Console(mode)}} hv.run="{{Lease}}; sleep 2; ping -c 2 -W 1 -q {{other}}; ping -c 1 -W 1 -q {{subnet}}.1; sleep 3"
                networks: { name: {{name}}net, address: {{subnet}}.10 }
            """;
        string machines = $"machines:\n{Talk("red", "10.1.0", "10.2.0.10")}\n{Talk("blue", "10.2.0", "10.1.0.10")}\n";
        const string networks = "networks: { rednet: { subnet: 10.1.0.0/24 }, bluenet: { subnet: 10.2.0.0/24 } }\n";
        using (HvProcess apart = Start(networks + machines))
        {
            Assert.Equal(0, apart.WaitForExit(120));
            Assert.Contains("red | 2 packets transmitted, 0 packets received", apart.Output);
            Assert.Contains("blue | 2 packets transmitted, 0 packets received", apart.Output);
            Assert.Contains("red | 1 packets transmitted, 1 packets received", apart.Output);
        }

        using HvProcess routed = Start(networks + "routes: { from: rednet, to: bluenet, protocol: icmp }\n" + machines);
        Assert.Equal(0, routed.WaitForExit(120));
        Assert.Contains("red | 2 packets transmitted, 2 packets received", routed.Output);
    }

    [RealGuestTheory("small-kernel", "initramfs", "busybox")]
    [InlineData("para")]
    public void Run_GuestThatFailsOrHangs_IsNamed(string mode)
    {
        using var hv = Start($$"""
            machines:
              fails: { program: {{RealGuest.File("busybox")}}, arguments: [sh, -c, "exit 3"] }
              works: { program: {{RealGuest.File("busybox")}}, arguments: [echo, done] }
            """);
        Assert.Equal(1, hv.WaitForExit());
        Assert.Contains("hv: 'fails' ended with 3", hv.Errors);
        Assert.Contains("works | done", hv.Output);
        using var late = Start($$"""
            machines:
              hangs: { {{Machine(mode).Replace("\n", ", ", StringComparison.Ordinal)}}, append: {{Console(mode)}} }
            """, timeout: 2, "--stats");
        Assert.Equal(124, late.WaitForExit());
        Assert.Contains("still running after 2 s and ended (--timeout): 'hangs'", late.Errors);
        Assert.Matches("hangs +para +[0-9]+ ", late.Errors);
    }

    private HvProcess Start(string manifest, int timeout = 110, params string[] more)
        => new(["run", _folder.Write("m.yaml", Encoding.UTF8.GetBytes(manifest)), "--timeout", timeout.ToString(System.Globalization.CultureInfo.InvariantCulture), .. more]);

    private static string Machine(string mode)
        => string.Join("\n    ", [$"mode: {mode}", $"kernel: {RealGuest.File("small-kernel")}", $"initrd: {RealGuest.File("initramfs")}", $"firmware: {(mode == "para" ? "none" : "builtin")}"]);

    private static string Console(string mode) => mode == "para" ? "console=hvc0" : "console=ttyS0";
}
