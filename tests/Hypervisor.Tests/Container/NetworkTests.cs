using System.Text;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Network;
using Hypervisor.Core.Network.Routing;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.Container;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container;

/// <summary>Containers in networks: they reach each other by way of the switch, and not without it.</summary>
public sealed class NetworkTests
{
    private const string Compiler = "riscv64-linux-gnu-gcc";
    private const string Expected = """
        datagram
        connect 0
        10.0.2.3 to 10.0.2.2:80
        back 300000 same 1
        later -1 EINPROGRESS 0
        echo 1
        closed port -1 ECONNREFUSED
        closed later ECONNREFUSED

        """;

    [PeerTheory(Compiler)]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(0.05, true)]
    public void Containers_OnASwitch_TalkToEachOther(double loss, bool onTwoKernels)
    {
        using var network = new Net(new LinkOptions { Loss = loss, LatencyNanoseconds = loss > 0 ? 1_000_000 : 0 });
        StringBuilder server = network.Start("serve", 2, 0, "serve");
        StringBuilder client = network.Start("ask", 3, onTwoKernels ? 1 : 0, "ask", "10.0.2.2");
        network.Finish();
        Assert.Equal(Expected, client.ToString());
        Assert.Equal("served 10.0.2.3\nserved 10.0.2.3\n", server.ToString());
    }

    [PeerFact(Compiler)]
    public void Containers_OnDifferentSwitches_DoNotMeet()
    {
        using var network = new Net(new LinkOptions());
        StringBuilder server = network.Start("serve", 2, 0, "serve");
        StringBuilder alone = network.Start("alone", null, 0, "alone", "10.0.2.2");
        StringBuilder elsewhere = network.Start("elsewhere", 3, 0, other: true, "alone", "10.0.2.2");
        network.Host.RunFor(400_000_000_000);
        Assert.Equal("alone -1 ENETUNREACH\n", alone.ToString());
        Assert.StartsWith("alone -1 ECONNREFUSED", elsewhere.ToString(), StringComparison.Ordinal);
        Assert.Equal("", server.ToString());
    }

    [PeerFact(Compiler)]
    public void Containers_OnASwitch_RepeatToTheInstruction()
    {
        Assert.Equal(Trace(), Trace());

        static (string, long) Trace()
        {
            using var network = new Net(new LinkOptions { Loss = 0.1, LatencyNanoseconds = 200_000 });
            network.Start("serve", 2, 0, "serve");
            StringBuilder client = network.Start("ask", 3, 1, "ask", "10.0.2.2");
            network.Finish();
            return (client.ToString(), network.Kernels.Sum(kernel => kernel.Machine.EndedVCpus.Retired));
        }
    }

    private sealed class Net : IDisposable
    {
        private static readonly Ipv4Network s_subnet = Ipv4Network.Parse("10.0.2.0/24");

        private readonly TemporaryFolder _folder = new();
        private readonly LinkOptions _link;
        private readonly VirtualSwitch _switch;
        private readonly VirtualSwitch _other;
        private readonly byte[] _program;

        public Net(LinkOptions link)
        {
            _link = link;
            Host = new HypervisorHost(new HostOptions());
            _switch = new VirtualSwitch(Host.Timers, seed: 3);
            _other = new VirtualSwitch(Host.Timers);
            Kernels = [.. Enumerable.Range(0, 2).Select(i => new ContainerHost($"kernel{i}", 64 << 20, Host.Timers, new Interpreter(), endWithLastContainer: false))];
            foreach (ContainerHost kernel in Kernels)
                Host.Add(kernel.Machine, SchedulingParameters.Default);
            using (Stream resource = typeof(NetworkTests).Assembly.GetManifestResourceStream("Hypervisor.Tests.Container.Programs.peers.c")!)
            using (FileStream file = File.Create(_folder["peers.c"]))
                resource.CopyTo(file);
            Peer.Run(Compiler, "-O1", "-static", "-w", "-D_GNU_SOURCE", "-o", _folder["peers"], _folder["peers.c"]);
            _program = File.ReadAllBytes(_folder["peers"]);
        }

        public HypervisorHost Host { get; }

        public ContainerHost[] Kernels { get; }

        public StringBuilder Start(string name, uint? address, int kernel, params string[] arguments) => Start(name, address, kernel, other: false, arguments);

        public StringBuilder Start(string name, uint? address, int kernel, bool other, params string[] arguments)
        {
            var output = new StringBuilder();
            Kernels[kernel].Create(new ContainerOptions
            {
                Name = name,
                Program = "/bin/peers",
                ProgramImage = _program,
                Arguments = ["peers", .. arguments],
                MemoryLimit = 16 << 20,
                Link = address is { } own ? new StationLink((other ? _other : _switch).Plug(name, _link), MacAddress.Local(own), s_subnet.Address + own, s_subnet, s_subnet.Address + 1) : null,
                Output = bytes => output.Append(Encoding.UTF8.GetString(bytes)),
            });
            return output;
        }

        public void Finish()
        {
            Host.RunFor(300_000_000_000);
            Assert.All(Kernels.SelectMany(kernel => kernel.Containers), container => Assert.True(container.Exit is { Code: 0 }, $"{container.Options.Name}: {container.Exit}"));
        }

        public void Dispose()
        {
            Host.Dispose();
            foreach (ContainerHost kernel in Kernels)
                kernel.Dispose();
            _switch.Dispose();
            _other.Dispose();
            _folder.Dispose();
        }
    }
}
