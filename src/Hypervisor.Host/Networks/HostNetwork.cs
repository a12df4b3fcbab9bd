using Hypervisor.Core;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Network;
using Hypervisor.Core.Network.Routing;

namespace Hypervisor.Host.Networks;

/// <summary>What a network is made of.</summary>
internal sealed record NetworkOptions
{
    /// <summary>The addresses where nothing else was asked for.</summary>
    public const string DefaultSubnet = "10.0.2.0/24";

    public required string Name { get; init; }

    public Ipv4Network Subnet { get; init; } = Ipv4Network.Parse(DefaultSubnet);

    /// <summary>What links between stations and switch do.</summary>
    public LinkOptions Link { get; init; } = new();

    /// <summary>Decides which frames are lost.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Whether its stations reach the host's own network.</summary>
    public bool IsOpenOutside { get; init; }

    /// <summary>Where a capture of all frames goes; null for none.</summary>
    public string? CaptureFile { get; init; }
}

/// <summary>The networks of one host: a switch each, and the router that joins them.</summary>
internal sealed class HostNetworks : IDisposable
{
    private readonly HypervisorHost _host;
    private readonly VirtualRouter _router;
    private readonly Dictionary<string, HostNetwork> _networks = [];
    private readonly List<PublishedPort> _published = [];
    private uint _stations;

    public HostNetworks(HypervisorHost host)
    {
        _host = host;
        _router = new VirtualRouter(host.Timers);
    }

    /// <summary>The networks, by name.</summary>
    public IReadOnlyDictionary<string, HostNetwork> Networks => _networks;

    /// <summary>Makes a network.</summary>
    /// <exception cref="HypervisorException">Its name or addresses are taken, or its capture cannot be written.</exception>
    public void Add(NetworkOptions options)
    {
        var network = new HostNetwork(options, _host);
        try
        {
            network.Leg = _router.Join(network.Switch.Plug("router"), options.Name, options.Subnet);
            if (options.IsOpenOutside)
                _router.OpenOutside(network.Leg);
        }
        catch
        {
            network.Dispose();
            throw;
        }

        _networks.Add(options.Name, network);
    }

    /// <summary>What passed each station's cable.</summary>
    public IEnumerable<(string Name, long Value)> Counters => _networks.Values.SelectMany(network => network.Ports.SelectMany(port =>
    {
        PortCounters counters = port.Counters;
        string which = $"network '{network.Options.Name}', station '{port.Name}':";
        return ((string, long)[])[
            ($"{which} frames sent", counters.FramesIn), ($"{which} bytes sent", counters.BytesIn),
            ($"{which} frames received", counters.FramesOut), ($"{which} bytes received", counters.BytesOut), ($"{which} frames dropped", counters.Dropped)];
    }));

    /// <summary>Lets something pass between networks.</summary>
    public void Allow(RouteRule rule) => _router.Allow(rule);

    /// <summary>Makes a network card whose cable is in a network.</summary>
    /// <param name="name">The network.</param>
    /// <param name="station">The name under which other stations find this one.</param>
    /// <param name="published">Its ports that the host's loopback leads to.</param>
    /// <param name="address">Its address; null for the next free one.</param>
    /// <param name="mac">Its Ethernet address; null for the next in order.</param>
    /// <exception cref="HypervisorException">There is no such network, the address is taken, or a port cannot be published.</exception>
    public VirtioNet Connect(string name, string station, IReadOnlyList<PortMapping> published, uint? address = null, MacAddress? mac = null)
    {
        (HostNetwork network, Lease lease) = Reserve(name, station, published, address, mac);
        return new VirtioNet(network.Plug(station), lease.Station);
    }

    /// <summary>Makes a place in a network for a container, whose sockets the container kernel serves.</summary>
    /// <inheritdoc cref="Connect"/>
    public StationLink ConnectContainer(string name, string station, IReadOnlyList<PortMapping> published, uint? address = null)
    {
        (HostNetwork network, Lease lease) = Reserve(name, station, published, address, null);
        return new StationLink(network.Plug(station), lease.Station, lease.Address, network.Options.Subnet, network.Leg.Address);
    }

    /// <summary>Leads a port on all addresses of the host to the same port of a station; null where the host's is taken.</summary>
    public IDisposable? TryPublish(string name, ushort port, uint station)
    {
        try
        {
            return new PublishedPort(_router, _networks[name].Leg, port, station, port, everywhere: true);
        }
        catch (HypervisorException)
        {
            return null; // Who asked for the port is told that it is in use.
        }
    }

    private (HostNetwork Network, Lease Lease) Reserve(string name, string station, IReadOnlyList<PortMapping> published, uint? address, MacAddress? mac)
    {
        if (!_networks.TryGetValue(name, out HostNetwork? network))
            throw new HypervisorException($"'{station}' is to join the network '{name}', which does not exist; there are: {string.Join(", ", _networks.Keys)}.");
        Lease lease = network.Leg.Dhcp.Reserve(mac ?? MacAddress.Local(++_stations), address, station);
        foreach (PortMapping mapping in published)
        {
            var port = new PublishedPort(_router, network.Leg, mapping.HostPort, lease.Address, mapping.GuestPort);
            _published.Add(port);
            Console.Error.WriteLine($"hv: localhost:{port.HostPort} leads to port {mapping.GuestPort} of '{station}' ({Ipv4Network.Format(lease.Address)}).");
        }

        return (network, lease);
    }

    /// <summary>Ends connections, ports and captures.</summary>
    public void Dispose()
    {
        foreach (PublishedPort port in _published)
            port.Dispose();
        _router.Dispose();
        foreach (HostNetwork network in _networks.Values)
            network.Dispose();
    }
}

/// <summary>One network.</summary>
internal sealed class HostNetwork : IDisposable
{
    private readonly PcapWriter? _capture;

    public HostNetwork(NetworkOptions options, HypervisorHost host)
    {
        Options = options;
        Switch = new VirtualSwitch(host.Timers, options.Seed);
        if (Cli.InputFile.CreateOutput(options.CaptureFile) is not { } file)
            return;
        _capture = new PcapWriter(file, (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100);
        Switch.Tap = _capture.Write;
    }

    public NetworkOptions Options { get; }

    public VirtualSwitch Switch { get; }

    /// <summary>Where its stations are plugged in.</summary>
    public List<SwitchPort> Ports { get; } = [];

    /// <summary>The router's station in it.</summary>
    public RouterLeg Leg { get; set; } = null!;

    /// <summary>Plugs a station in.</summary>
    public SwitchPort Plug(string station)
    {
        SwitchPort port = Switch.Plug(station, Options.Link);
        Ports.Add(port);
        return port;
    }

    public void Dispose()
    {
        Switch.Dispose();
        if (_capture is null)
            return;
        lock (Switch.Gate)
        {
            Switch.Tap = null;
            _capture.Dispose();
        }

        if (_capture.Lost > 0)
            Console.Error.WriteLine($"hv: {_capture.Lost} frames could not be written to '{Options.CaptureFile}'.");
    }
}
