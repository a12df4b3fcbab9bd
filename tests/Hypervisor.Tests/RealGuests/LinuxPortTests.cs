using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.RealGuests;

/// <summary>Debian's kernel with ports beside its console.</summary>
public sealed class LinuxPortTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [RealGuestTheory("kernel", "initramfs")]
    [InlineData("para", "hvc0")]
    [InlineData("assisted", "ttyS0")]
    public async Task Ports_OfAMachine_CarryBytesBothWays(string mode, string console)
    {
        const string script = "cat /sys/class/virtio-ports/*p1/name /sys/class/virtio-ports/*p2/name; p=$(echo /dev/vport*p1); exec 3<>$p; echo reading; "
            + "head -c 100000 <&3 | sha256sum; dd if=/dev/zero bs=1000 count=300 2>/dev/null >&3; "
            + "while [ $x. != end. ]; do x=$(head -c 3 <&3); sleep 0.1; done; echo got $x";
        using var hv = new HvProcess(
            ["run", "--mode", mode, "--kernel", RealGuest.File("kernel")!, .. mode == "para" ? (string[])[] : ["--firmware", "builtin"], "--initrd", RealGuest.File("initramfs")!,
            "--append", $"console={console} quiet hv.run=\"{script}\"", "--port", "org.example.agent=" + _folder["agent"], "--port", "other=" + _folder["other"], "--timeout", "150"]);
        byte[] sent = RandomNumberGenerator.GetBytes(100_000);

        // A port that nobody of the host has open reads as ended: so from the beginning.
        using Socket socket = await ConnectAsync();
        Task sending = SendAsync(socket, sent);
        hv.WaitFor("reading", 120);
        Assert.Contains("org.example.agent\nother\n", hv.Output.Replace("\r", "", StringComparison.Ordinal));
        hv.WaitFor(Convert.ToHexStringLower(SHA256.HashData(sent)), 60);
        await sending;
        var buffer = new byte[300_000];
        Array.Fill(buffer, (byte)1);
        for (int got = 0; got < buffer.Length;)
        {
            int count = await socket.ReceiveAsync(buffer.AsMemory(got)).AsTask().WaitAsync(TimeSpan.FromSeconds(60));
            Assert.NotEqual(0, count);
            got += count;
        }

        Assert.DoesNotContain((byte)1, buffer);

        // Another program of the host takes over where this one ended.
        socket.Close();
        using Socket next = await ConnectAsync();
        await SendAsync(next, Encoding.ASCII.GetBytes("end"));
        Assert.Equal(0, hv.WaitForExit());
        Assert.Contains("got end", hv.Output);
        Assert.False(File.Exists(_folder["agent"]));
    }

    /// <summary>Connects as soon as there is something to connect to.</summary>
    private async Task<Socket> ConnectAsync()
    {
        for (DateTime until = DateTime.UtcNow.AddSeconds(30); ; await Task.Delay(20))
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(_folder["agent"]));
                return socket;
            }
            catch (SocketException) when (DateTime.UtcNow < until)
            {
                socket.Dispose();
            }
        }
    }

    private static async Task SendAsync(Socket socket, byte[] bytes)
    {
        for (int sent = 0; sent < bytes.Length;)
            sent += await socket.SendAsync(bytes.AsMemory(sent));
    }
}
