using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Hypervisor.Tests.Architecture;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.RealGuests;

/// <summary>Debian's kernel and a program of its own speak with the host by vsock.</summary>
public sealed class LinuxVsockTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [RealGuestTheory("kernel", "initramfs")]
    [InlineData("para", "hvc0")]
    [InlineData("full", "ttyS0")]
    public async Task Streams_BothWays_BringEveryByte(string mode, string console)
    {
        Directory.CreateDirectory(_folder["share"]);
        Peer.Run("riscv64-linux-gnu-gcc", "-O1", "-static", "-o", _folder["share/vsock"], Path.Combine(Repository.Root, "tests/Hypervisor.Tests/RealGuests/Programs/vsock.c"));
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(_folder["v_7000"]));
        listener.Listen();
        Task<long> echo = EchoAsync(listener);
        const string script = "mkdir /a; mount -t 9p -o trans=virtio share /a; cd /a; ./vsock refused 7001; ./vsock echo 7000 1000000; ./vsock serve 5000 3";
        using var hv = new HvProcess(
            ["run", "--mode", mode, "--kernel", RealGuest.File("kernel")!, .. mode == "para" ? (string[])[] : ["--firmware", "builtin"], "--initrd", RealGuest.File("initramfs")!,
            "--append", $"console={console} quiet hv.run=\"{script}\"", "--share", _folder["share"], "--vsock", _folder["v"], "--timeout", "150"]);
        hv.WaitFor("serving", 120);
        Assert.Contains("refused: Connection reset by peer", hv.Output);
        Assert.Contains("echoed 1000000, sender 0", hv.Output);
        Assert.Equal(1_000_000, await echo.WaitAsync(TimeSpan.FromSeconds(10)));

        // Nobody listens there; then two at once, and a large one.
        using (Socket refused = await ConnectAsync(9999))
            Assert.Equal("", await ReadLineAsync(refused));
        await RoundTripAsync(300_000);
        await RoundTripAsync(1);
        await RoundTripAsync(70_000);
        Assert.Equal(0, hv.WaitForExit());
        Assert.False(File.Exists(_folder["v"]));
    }

    private async Task RoundTripAsync(int length)
    {
        byte[] sent = RandomNumberGenerator.GetBytes(length);
        using Socket socket = await ConnectAsync(5000);
        Assert.StartsWith("OK ", await ReadLineAsync(socket), StringComparison.Ordinal);
        // Before the sender's shutdown, after which .NET takes the socket for not connected.
        using var stream = new NetworkStream(socket);
        Task sending = Task.Run(async () =>
        {
            for (int done = 0; done < sent.Length;)
                done += await socket.SendAsync(sent.AsMemory(done));
            socket.Shutdown(SocketShutdown.Send);
        });
        var received = new MemoryStream();
        await stream.CopyToAsync(received).WaitAsync(TimeSpan.FromSeconds(60));
        await sending;
        Assert.Equal(sent, received.ToArray());
    }

    private async Task<Socket> ConnectAsync(int port)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(_folder["v"]));
        await socket.SendAsync(Encoding.ASCII.GetBytes($"CONNECT {port}\n"));
        return socket;
    }

    private static async Task<string> ReadLineAsync(Socket socket)
    {
        var line = new StringBuilder();
        var one = new byte[1];
        while (await socket.ReceiveAsync(one).WaitAsync(TimeSpan.FromSeconds(30)) == 1 && one[0] != (byte)'\n')
            line.Append((char)one[0]);
        return line.ToString();
    }

    private static async Task<long> EchoAsync(Socket listener)
    {
        using Socket socket = await listener.AcceptAsync();
        var buffer = new byte[8192];
        long total = 0;
        while (true)
        {
            int count = await socket.ReceiveAsync(buffer);
            if (count == 0)
                break;
            total += count;
            for (int done = 0; done < count;)
                done += await socket.SendAsync(buffer.AsMemory(done, count - done));
        }

        socket.Shutdown(SocketShutdown.Both);
        return total;
    }
}
