using System.Globalization;
using System.Net;
using System.Net.Http;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.RealGuests;

/// <summary>Linux on a virtual network: its own drivers and programs at one end, the host's at the other.</summary>
public sealed class LinuxNetworkTests : IDisposable
{
    private const string Prompt = "guest# ";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, string> Cases => new()
    {
        { "small-kernel", "full" }, { "small-kernel", "assisted" }, { "small-kernel", "para" }, { "kernel", "assisted" },
    };

    [RealGuestTheory("kernel", "small-kernel", "initramfs")]
    [MemberData(nameof(Cases))]
    public async Task Network_OfAMachine_GivesAddressNamesAndPorts(string kernel, string mode)
    {
        string capture = _folder["frames.pcap"];
        using var hv = new HvProcess(
            ["run", "--mode", mode, "--kernel", RealGuest.File(kernel)!, .. mode == "para" ? (string[])[] : ["--firmware", "builtin"],
            "--initrd", RealGuest.File("initramfs")!, "--append", mode == "para" ? "console=hvc0" : "console=ttyS0",
            "--net", "lan", "--publish", "80", "--publish", "7", "--pcap", capture, "--stats", "--timeout", "150"]);
        hv.WaitFor(Prompt, 120);
        Assert.Contains("lease of 10.0.2.10 obtained from 10.0.2.1", Ask(hv, "udhcpc -i eth0 -n -q -S 2>&1"));
        Assert.Contains("3 packets received", Ask(hv, "ping -c 3 -i 0.1 10.0.2.1"));
        Assert.Matches("Name:\\s+guest.internal\nAddress: 10.0.2.10", Ask(hv, "nslookup guest.internal 10.0.2.1"));
        Assert.Contains("server can't find nobody.internal: NXDOMAIN", Ask(hv, "nslookup nobody.internal"));

        // A web server in the guest, asked from the host: many small connections, then a large one.
        Ask(hv, "mkdir -p /www; echo small > /www/small; dd if=/dev/urandom of=/www/large bs=64k count=64 2>/dev/null; httpd -p 80 -h /www; nc -ll -p 7 -e /bin/cat </dev/null &");
        string sum = Regex.Match(Ask(hv, "sha256sum /www/large"), "[0-9a-f]{64}").Value;
        int port = PublishedPort(hv, 80);
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(60) };
        for (int i = 0; i < 20; i++)
            Assert.Equal("small\n", await client.GetStringAsync(new Uri($"http://127.0.0.1:{port}/small")));
        byte[] large = await client.GetByteArrayAsync(new Uri($"http://127.0.0.1:{port}/large"));
        Assert.Equal(64 * 65536, large.Length);
        Assert.Equal(sum, Convert.ToHexStringLower(SHA256.HashData(large)));

        // The other way round, and back: what the host sends comes back whole.
        byte[] sent = RandomNumberGenerator.GetBytes(500_000);
        using (var echo = new TcpClient())
        {
            await echo.ConnectAsync("127.0.0.1", PublishedPort(hv, 7));
            NetworkStream stream = echo.GetStream();
            Task sending = Task.Run(async () =>
            {
                await stream.WriteAsync(sent);
                echo.Client.Shutdown(SocketShutdown.Send);
            });
            var received = new MemoryStream();
            await stream.CopyToAsync(received);
            await sending;
            Assert.Equal(sent, received.ToArray());
        }

        hv.Type("poweroff -f\n");
        Assert.Equal(0, hv.WaitForExit());
        Assert.True(new FileInfo(capture).Length > large.Length + sent.Length * 2, "the capture holds what passed");
        Assert.Matches(@"[\d,]+ network 'lan', station 'guest': bytes sent", hv.Errors);

        // The capture by somebody who reads such files every day.
        string[] summary = Peer.Run("tshark", "-n", "-r", capture, "-T", "fields", "-e", "_ws.col.Protocol", "-e", "_ws.malformed").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.DoesNotContain(summary, line => line.Contains("alformed", StringComparison.Ordinal));
        foreach (string protocol in (string[])["ARP", "DHCP", "ICMP", "DNS", "HTTP", "TCP"])
            Assert.Contains(summary, line => line.StartsWith(protocol, StringComparison.Ordinal));
    }

    /// <summary>A network that was opened reaches servers of the host's own network; one that was not reaches nobody.</summary>
    [RealGuestTheory("small-kernel", "initramfs")]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Network_OpenedOutside_ReachesTheHostsNetwork(bool isOpen)
    {
        IPAddress own = OwnAddress();
        using var listener = new TcpListener(own, 0);
        listener.Start();
        using var datagrams = new UdpClient(new IPEndPoint(own, 0));
        byte[] page = RandomNumberGenerator.GetBytes(700_000);
        Task<string>? serving = isOpen ? ServeAsync(listener, page) : null;
        Task? files = isOpen ? ServeDatagramsAsync(datagrams) : null;
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        using var hv = new HvProcess(
            ["run", "--mode", "para", "--kernel", RealGuest.File("small-kernel")!, "--initrd", RealGuest.File("initramfs")!, "--append", "console=hvc0",
            "--net", "lan", .. isOpen ? (string[])["--nat"] : [], "--timeout", "150"]);
        hv.WaitFor(Prompt, 120);
        Ask(hv, "udhcpc -i eth0 -n -q -S 2>&1");
        if (isOpen)
        {
            Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(page)), Ask(hv, $"wget -q -O - http://{own}:{port}/page | sha256sum"));
            Assert.StartsWith("GET /page HTTP/1.", await serving!);
            Assert.Contains("by datagrams", Ask(hv, $"tftp -g -r hello -l /tmp/hello {own} {((IPEndPoint)datagrams.Client.LocalEndPoint!).Port}; cat /tmp/hello"));
            await files!;

            // Nobody listens there: told at once, as the host's network tells.
            Assert.Contains("refused", Ask(hv, $"wget -T 20 -O - http://{own}:1/ 2>&1"));
        }
        else
        {
            Assert.Contains("timed out", Ask(hv, $"wget -T 1 -O - http://{own}:{port}/page 2>&1"));
            Assert.False(listener.Pending());
        }

        hv.Type("poweroff -f\n");
        Assert.Equal(0, hv.WaitForExit());
    }

    /// <summary>A container in a network that was opened reaches the same; one in another reaches nobody.</summary>
    [RealGuestTheory("programs")]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Container_InANetworkOpenedOutside_ReachesTheHostsNetwork(bool isOpen)
    {
        IPAddress own = OwnAddress();
        using var listener = new TcpListener(own, 0);
        listener.Start();
        byte[] page = RandomNumberGenerator.GetBytes(300_000);
        Task<string>? serving = isOpen ? ServeAsync(listener, page) : null;
        string request = $"curl -s -m {(isOpen ? 60 : 2)} -o /tmp/page http://{own}:{((IPEndPoint)listener.LocalEndpoint).Port}/page; echo $?; sha256sum /tmp/page";
        using var hv = new HvProcess(
            ["run", "--rootfs", RealGuest.File("programs")!, "--net", "lan", .. isOpen ? (string[])["--nat"] : [], "--timeout", "150", "--", "bash", "-c", request]);
        hv.WaitForExit(150);
        if (isOpen)
        {
            Assert.StartsWith("0\n" + Convert.ToHexStringLower(SHA256.HashData(page)), hv.Output);
            Assert.StartsWith("GET /page HTTP/1.", await serving!);
        }
        else
        {
            Assert.NotEqual('0', hv.Output[0]);
            Assert.False(listener.Pending());
        }
    }

    private static IPAddress OwnAddress()
    {
        IPAddress? own = NetworkInterface.GetAllNetworkInterfaces().Where(each => each.OperationalStatus == OperationalStatus.Up && each.NetworkInterfaceType != NetworkInterfaceType.Loopback)
            .SelectMany(each => each.GetIPProperties().UnicastAddresses).Select(each => each.Address).FirstOrDefault(each => each.AddressFamily == AddressFamily.InterNetwork);
        Assert.True(own is not null, "this host has no network but its loopback, which guests never reach");
        return own;
    }

    private static async Task<string> ServeAsync(TcpListener listener, byte[] page)
    {
        using TcpClient client = await listener.AcceptTcpClientAsync();
        NetworkStream stream = client.GetStream();
        var request = new byte[4096];
        int length = await stream.ReadAsync(request);
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"HTTP/1.0 200 OK\r\nContent-Length: {page.Length}\r\n\r\n"));
        await stream.WriteAsync(page);
        return System.Text.Encoding.ASCII.GetString(request, 0, length);
    }

    /// <summary>Serves one small file by TFTP, from the port it was asked at.</summary>
    private static async Task ServeDatagramsAsync(UdpClient datagrams)
    {
        UdpReceiveResult request = await datagrams.ReceiveAsync();
        Assert.Equal("\0\u0001hello\0octet\0", System.Text.Encoding.ASCII.GetString(request.Buffer)[..14]);
        byte[] answer = [0, 3, 0, 1, .. "by datagrams\n"u8];
        await datagrams.SendAsync(answer, answer.Length, request.RemoteEndPoint);
        UdpReceiveResult received = await datagrams.ReceiveAsync();
        while (received.Buffer.AsSpan().SequenceEqual(request.Buffer))
        {
            // Answered late, it asks again.
            await datagrams.SendAsync(answer, answer.Length, received.RemoteEndPoint);
            received = await datagrams.ReceiveAsync();
        }

        Assert.Equal([0, 4, 0, 1], received.Buffer);
    }

    private static string Ask(HvProcess hv, string command)
    {
        hv.Type(command + "\n");
        return hv.WaitFor(Prompt, 60).Replace("\r", "", StringComparison.Ordinal);
    }

    private static int PublishedPort(HvProcess hv, int guestPort)
        => int.Parse(Regex.Match(hv.Errors, $@"localhost:(\d+) leads to port {guestPort} of 'guest'").Groups[1].Value, CultureInfo.InvariantCulture);
}
