using Hypervisor.Core;
using Hypervisor.Core.Network;
using Hypervisor.Core.Network.Routing;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.Para;
using Hypervisor.Host.Cli;
using Hypervisor.Host.Networks;
using Hypervisor.Host.Run;
using Hypervisor.Host.Schedule;
using YamlDotNet.RepresentationModel;

namespace Hypervisor.Host.Manifest;

/// <summary>Reads manifests (docs/manifest.md).</summary>
internal sealed class ManifestReader
{
    private const int MostPhysicalCpus = 64;

    private static readonly string[] s_guestKeys =
    [
        "mode", "program", "arguments", "env", "rootfs", "cpus", "kernel", "firmware", "initrd", "append", "dtb", "disks", "shares", "vsock", "ports", "memory", "vcpus", "vlen", "weight",
        "group", "limit", "reservation", "engine", "networks", "console", "balloon", "domain",
    ];

    private readonly YamlNodes _yaml;
    private readonly ScheduleYaml _words;
    private readonly string _folder;
    private Dictionary<string, SchedulingGroup> _groups = [];
    private bool _hasGroups;
    private readonly ParaDomains _domains = new();

    private ManifestReader(string path)
    {
        _yaml = new YamlNodes(path);
        _words = new ScheduleYaml(_yaml);
        _folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
    }

    /// <summary>Whether a name given to <c>hv run</c> is that of a manifest.</summary>
    public static bool IsManifest(string program)
        => program.EndsWith(".yaml", StringComparison.OrdinalIgnoreCase) || program.EndsWith(".yml", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads a manifest.</summary>
    /// <exception cref="HypervisorException">It cannot be read, or describes nothing that can run; says where and why.</exception>
    public static MachineManifest Read(string path)
        => new ManifestReader(path).Parse(System.Text.Encoding.UTF8.GetString(InputFile.Read(path, "manifest")));

    private MachineManifest Parse(string text)
    {
        YamlMappingNode root = _yaml.Load(text);
        Dictionary<string, YamlNode> fields = _yaml.Fields(root, "the manifest", "scheduler", "cpus", "groups", "networks", "routes", "defaults", "machines");
        if (!fields.TryGetValue("machines", out YamlNode? machines))
            throw _yaml.Wrong(root, "there is no key 'machines'");
        List<NetworkOptions> networks = fields.TryGetValue("networks", out YamlNode? given)
            ? [.. _yaml.Entries(given, "networks").Select((entry, i) => Network(entry.Key, entry.Value, i))]
            : [];
        Dictionary<string, YamlNode> defaults = fields.TryGetValue("defaults", out YamlNode? common) ? _yaml.Fields(common, "defaults", s_guestKeys) : [];
        if (fields.TryGetValue("groups", out YamlNode? groups))
        {
            _groups = _words.Groups(groups);
            _hasGroups = true;
        }

        List<ManifestGuest> guests = [.. _yaml.Entries(machines, "machines").Select(entry => Guest(entry.Key, entry.Value, defaults, networks))];
        if (guests.Count == 0)
            throw _yaml.Wrong(machines, "there is no machine in 'machines'");
        string? scheduler = fields.TryGetValue("scheduler", out YamlNode? policy) ? _words.Scheduler(policy) : null;
        return new MachineManifest
        {
            Scheduler = scheduler,
            PhysicalCpus = fields.TryGetValue("cpus", out YamlNode? cpus) ? (int)_yaml.Integer(cpus, "cpus", 1, MostPhysicalCpus) : null,
            Networks = networks,
            Routes = fields.TryGetValue("routes", out YamlNode? routes) ? [.. YamlNodes.Items(routes).Select(route => Route(route, networks))] : [],
            Guests = _hasGroups ? guests : [.. guests.Select(guest => guest with { Group = null })],
        };
    }

    private NetworkOptions Network(string name, YamlNode node, int index)
    {
        string what = $"network '{name}'";
        Dictionary<string, YamlNode> fields = _yaml.Fields(node, what, "subnet", "latency", "rate", "loss", "seed", "capture", "nat");
        YamlNode? Field(string key) => fields.GetValueOrDefault(key);
        return new NetworkOptions
        {
            Name = name,
            Subnet = Field("subnet") is { } subnet ? _yaml.Parsed(subnet, "subnet", Ipv4Network.Parse) : Ipv4Network.Parse($"10.0.{2 + index}.0/24"),
            Link = new LinkOptions
            {
                LatencyNanoseconds = Field("latency") is { } latency
                    ? _yaml.WithUnit(latency, "latency", "5ms", ("ns", 1), ("us", 1e3), ("ms", 1e6), ("s", 1e9)) : 0,
                BitsPerSecond = Field("rate") is { } rate
                    ? _yaml.WithUnit(rate, "rate", "100Mbit", ("Kbit", 1e3), ("Mbit", 1e6), ("Gbit", 1e9), ("bit", 1)) : 0,
                Loss = Field("loss") is { } loss ? _yaml.Number(loss, "loss", 0, 1) : 0,
            },
            Seed = Field("seed") is { } seed ? (ulong)_yaml.Integer(seed, "seed", 0, long.MaxValue) : 1,
            IsOpenOutside = Field("nat") is { } nat && _yaml.Flag(nat, "nat"),
            CaptureFile = Field("capture") is { } capture ? PathOf(_yaml.Text(capture, "capture")) : null,
        };
    }

    private RouteRule Route(YamlNode node, List<NetworkOptions> networks)
    {
        Dictionary<string, YamlNode> fields = _yaml.Fields(node, "a route", "from", "to", "protocol", "port");
        string End(string key)
        {
            if (!fields.TryGetValue(key, out YamlNode? end))
                throw _yaml.Wrong(node, $"a route needs the key '{key}', which names a network");
            return KnownNetwork(end, networks);
        }

        byte? protocol = fields.GetValueOrDefault("protocol") is not { } name ? null : _yaml.Text(name, "protocol") switch
        {
            "tcp" => Packet.ProtocolTcp,
            "udp" => Packet.ProtocolUdp,
            "icmp" => Packet.ProtocolIcmp,
            string other => throw _yaml.Wrong(name, $"there is no protocol '{other}' for routes; choose from tcp, udp, icmp"),
        };
        ushort? port = fields.GetValueOrDefault("port") is { } number ? (ushort)_yaml.Integer(number, "port", 1, 65535) : null;
        if (port is not null && protocol is not (Packet.ProtocolTcp or Packet.ProtocolUdp))
            throw _yaml.Wrong(node, "a route with a port needs the protocol tcp or udp");
        return new RouteRule(End("from"), End("to"), protocol, port);
    }

    private ManifestGuest Guest(string name, YamlNode node, Dictionary<string, YamlNode> defaults, List<NetworkOptions> networks)
    {
        string what = $"machine '{name}'";
        Dictionary<string, YamlNode> own = _yaml.Fields(node, what, s_guestKeys);
        YamlNode? Field(string key) => own.GetValueOrDefault(key) ?? defaults.GetValueOrDefault(key);
        string? File(string key) => Field(key) is { } field ? PathOf(_yaml.Text(field, key)) : null;
        string? TextOf(string key) => Field(key) is { } field ? _yaml.Text(field, key) : null;
        IReadOnlyList<string> Texts(string key) => Field(key) is { } field ? _yaml.Texts(field, key) : [];
        string firmware = TextOf("firmware") ?? RunOptions.NoFirmware;
        string? program = TextOf("program");
        string? root = File("rootfs");
        var options = new RunOptions
        {
            Mode = TextOf("mode") ?? RunOptions.ContainerMode,

            // With a root directory a program is a name in there, otherwise a file of the host.
            Program = program is null || root is not null ? program : PathOf(program),
            Arguments = Texts("arguments"),
            Environment = Texts("env"),
            RootDirectory = root,
            Cpus = Field("cpus") is { } cpus ? _yaml.Number(cpus, "cpus", 0.001, 64) : null,
            Kernel = File("kernel"),
            Firmware = firmware is RunOptions.NoFirmware or RunOptions.BuiltInFirmware ? firmware : PathOf(firmware),
            InitialRamDisk = File("initrd"),
            CommandLine = TextOf("append"),
            DeviceTree = File("dtb"),
            Disks = [.. Texts("disks").Select(PathOf)],
            Shares = [.. Texts("shares").Select(PathOf)],
            Vsock = File("vsock"),
            Ports = [.. Texts("ports").Select(port => port.Split('=', 2) is [var portName, var place] ? $"{portName}={PathOf(place)}" : port)],
            Memory = Field("memory") is { } memory ? _yaml.Parsed<ulong?>(memory, "memory", size => MemorySize.ParseRam(size)) : null,
            VCpus = Field("vcpus") is { } vcpus ? (int)_yaml.Integer(vcpus, "vcpus", 1, RunOptions.MostVCpus) : 1,
            VectorBits = Field("vlen") is { } vlen ? (int)_yaml.Integer(vlen, "vlen", 0, Core.Hart.VectorUnit.MaximumLength) : 0,
            Weight = Field("weight") is { } weight ? (int)_yaml.Integer(weight, "weight", 1, Core.Scheduling.SchedulingParameters.MaximumWeight) : RunOptions.DefaultWeight,
            Engine = TextOf("engine") ?? RunOptions.Engines[0],
            Balloon = Field("balloon") is { } balloon ? _yaml.Parsed<ulong?>(balloon, "balloon", size => MemorySize.ParseRam(size)) : null,
            Domains = Field("domain") is { } domain && _yaml.Flag(domain, "domain") ? _domains : null,
            NoReboot = true,
        };
        if (options.Domains is not null && options.Mode != RunOptions.ParaMode && own.ContainsKey("domain"))
            throw _yaml.Wrong(own["domain"], "only machines of mode para are domains: leave 'domain' out, or choose that mode");
        List<ManifestCard> cards = Field("networks") is { } list ? [.. YamlNodes.Items(list).Select(card => Card(card, networks))] : [];
        if (cards.Count > 1 && options.Mode == RunOptions.ContainerMode)
            throw _yaml.Wrong(node, $"{what} is a container, which is in one network at most: name one in 'networks', or choose another mode");
        try
        {
            return new ManifestGuest(name, RunOptions.Check(options), cards, File("console"), Group(name, options.Weight, Field("group"), Field("limit"), Field("reservation")));
        }
        catch (HypervisorException problem)
        {
            throw new HypervisorException($"{_yaml.Place(node)} {what}: {problem.Message}", problem);
        }
    }

    /// <summary>A machine as a group, which has the machine's weight however many vCPUs, or tasks, it has.</summary>
    private SchedulingGroup Group(string name, int weight, YamlNode? parent, YamlNode? limit, YamlNode? reservation)
    {
        _hasGroups |= parent is not null || limit is not null || reservation is not null;
        return new SchedulingGroup(name)
        {
            Parent = parent is null ? null : _words.Group(parent, _groups),
            Weight = weight,
            Limit = limit is null ? default : _words.Cpus(limit, "limit"),
            Reservation = reservation is null ? default : _words.Cpus(reservation, "reservation"),
        };
    }

    private ManifestCard Card(YamlNode node, List<NetworkOptions> networks)
    {
        if (node is YamlScalarNode)
            return new ManifestCard(KnownNetwork(node, networks), null, []);
        Dictionary<string, YamlNode> fields = _yaml.Fields(node, "a network card", "name", "address", "publish");
        if (!fields.TryGetValue("name", out YamlNode? name))
            throw _yaml.Wrong(node, "a network card needs the key 'name', which names its network");
        uint? address = null;
        if (fields.TryGetValue("address", out YamlNode? given))
            address = Ipv4Network.TryParseAddress(_yaml.Text(given, "address"), out uint parsed) ? parsed : throw _yaml.Wrong(given, "address must be an IPv4 address such as 10.0.2.20");
        return new ManifestCard(KnownNetwork(name, networks), address,
            fields.TryGetValue("publish", out YamlNode? published) ? [.. YamlNodes.Items(published).Select(port => _yaml.Parsed(port, "publish", PortMapping.Parse))] : []);
    }

    private string KnownNetwork(YamlNode node, List<NetworkOptions> networks)
    {
        string name = _yaml.Text(node, "a network's name");
        return networks.Exists(network => network.Name == name)
            ? name
            : throw _yaml.Wrong(node, $"there is no network '{name}'; 'networks' has: {(networks.Count == 0 ? "none" : string.Join(", ", networks.Select(each => each.Name)))}");
    }

    /// <summary>Files are named from where the manifest is.</summary>
    private string PathOf(string path)
        => Path.Combine(_folder, path.StartsWith("~/", StringComparison.Ordinal) ? Path.Join(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), path[2..]) : path);
}
