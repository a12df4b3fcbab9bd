using Hypervisor.Core.Machine;
using Hypervisor.Core.Network;
using Hypervisor.Core.Network.Routing;
using Hypervisor.Guests.Container.Oci;
using Hypervisor.Host.Networks;

namespace Hypervisor.Host.Oci;

/// <summary>
/// A container's way into the network namespace that its caller made, or into the host's own: what it connects to outside is
/// connected to from there, and a TCP port on which it listens is a port of that namespace. Between stands a router of ours, so
/// that the container has an address of its own.
/// </summary>
internal sealed class OciNetwork : IDisposable
{
    private const string Name = "outside";

    /// <summary>Of the addresses set aside for benchmarks (RFC 2544): no network that is to be reached has them.</summary>
    private const string Subnet = "198.19.255.0/24";

    private readonly HostNetworks _networks;
    private readonly Dictionary<ushort, IDisposable> _ports = [];

    private OciNetwork(HypervisorHost host, string station)
    {
        _networks = new HostNetworks(host);
        _networks.Add(new NetworkOptions { Name = Name, Subnet = Ipv4Network.Parse(Subnet), IsOpenOutside = true });
        Link = _networks.ConnectContainer(Name, station, []);
    }

    /// <summary>The container's place in it.</summary>
    public StationLink Link { get; }

    /// <summary>Makes it; null where the configuration asks for a network namespace with nobody else in it, which has a loopback only.</summary>
    public static OciNetwork? Create(RuntimeSpec spec, HypervisorHost host, string id) => spec.NetworkNamespace is "" ? null : new OciNetwork(host, id);

    /// <summary>Opens a port of the namespace as the container begins to listen, and closes it; whether the port could be had.</summary>
    public bool Listen(ushort port, bool listens)
    {
        if (!listens)
        {
            if (_ports.Remove(port, out IDisposable? open))
                open.Dispose();
            return true;
        }

        if (_ports.ContainsKey(port))
            return true;
        if (_networks.TryPublish(Name, port, Link.Address) is not { } published)
            return false;
        _ports.Add(port, published);
        return true;
    }

    public void Dispose()
    {
        foreach (IDisposable port in _ports.Values)
            port.Dispose();
        _networks.Dispose();
    }
}
