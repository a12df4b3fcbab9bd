using Hypervisor.Core;
using Hypervisor.Core.Scheduling;
using Hypervisor.Host.Manifest;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Host;

public sealed class ManifestTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Read_AllThereIs_IsWhatWasWritten()
    {
        MachineManifest manifest = Read("""
            scheduler: round-robin
            cpus: 3
            networks:
              lan: { subnet: 10.7.0.0/24, latency: 1.5ms, rate: 100Mbit, loss: 0.01, seed: 9, capture: lan.pcap }
              dmz:
            routes:
              - { from: lan, to: dmz, protocol: tcp, port: 80 }
              - { from: dmz, to: lan }
            defaults: { memory: 64M, weight: 50 }
            machines:
              web:
                mode: para
                kernel: images/Image
                initrd: /there/initrd
                append: console=hvc0 quiet
                vcpus: 2
                weight: 200
                disks: [a.img, b.img]
                networks:
                  - dmz
                  - { name: lan, address: 10.7.0.20, publish: ["8080:80", 22] }
                console: web.log
              job:
                program: bin/job
                arguments: [one, "2"]
                env: A=B
                cpus: 0.5
            """);
        Assert.Equal(("round-robin", 3), (manifest.Scheduler, manifest.PhysicalCpus));
        Assert.Equal(["lan", "dmz"], manifest.Networks.Select(network => network.Name));
        Assert.Equal((1_500_000L, 100_000_000L, 0.01), (manifest.Networks[0].Link.LatencyNanoseconds, manifest.Networks[0].Link.BitsPerSecond, manifest.Networks[0].Link.Loss));
        Assert.Equal("10.0.3.0/24", manifest.Networks[1].Subnet.ToString());
        Assert.Equal(_folder["lan.pcap"], manifest.Networks[0].CaptureFile);
        Assert.Equal([("lan", "dmz", (byte?)6, (ushort?)80), ("dmz", "lan", null, null)], manifest.Routes.Select(rule => (rule.From, rule.To, rule.Protocol, rule.Port)));
        ManifestGuest web = manifest.Guests[0];
        Assert.Equal(("web", "para", _folder["images/Image"], "/there/initrd"), (web.Name, web.Options.Mode, web.Options.Kernel, web.Options.InitialRamDisk));
        Assert.Equal((64UL << 20, 2, 200, "console=hvc0 quiet"), (web.Options.Memory, web.Options.VCpus, web.Options.Weight, web.Options.CommandLine));
        Assert.Equal([_folder["a.img"], _folder["b.img"]], web.Options.Disks);
        Assert.Equal(["dmz", "lan"], web.Cards.Select(card => card.Network));
        Assert.Equal(0x0a070014u, web.Cards[1].Address);
        Assert.Equal([(8080, 80), (0, 22)], web.Cards[1].Published.Select(port => (port.HostPort, (int)port.GuestPort)));
        Assert.Equal(_folder["web.log"], web.ConsoleFile);
        ManifestGuest job = manifest.Guests[1];
        Assert.Equal(("container", _folder["bin/job"], 50, 0.5), (job.Options.Mode, job.Options.Program, job.Options.Weight, job.Options.Cpus));
        Assert.Equal(["one", "2"], job.Options.Arguments);
        Assert.Equal(["A=B"], job.Options.Environment);
    }

    [Fact]
    public void Read_Groups_MakeEachMachineOne()
    {
        MachineManifest manifest = Read("""
            groups:
              acme: { weight: 300, limit: 1.5, reservation: 5ms/10ms }
              lab: { in: acme, inside: round-robin, slice: 2ms }
            machines:
              a: { program: x, group: lab, weight: 50, limit: 0.5 }
              b: { program: x, reservation: 1ms/10ms }
            """);
        SchedulingGroup a = manifest.Guests[0].Group!, lab = a.Parent!, acme = lab.Parent!, b = manifest.Guests[1].Group!;
        Assert.Equal(("a", 50, new Bandwidth(5_000_000, 10_000_000)), (a.Name, a.Weight, a.Limit));
        Assert.Equal(("lab", 100, 2_000_000L, "round-robin"), (lab.Name, lab.Weight, lab.SliceNanoseconds, lab.Inside));
        Assert.Equal(("acme", 300, new Bandwidth(15_000_000, 10_000_000), new Bandwidth(5_000_000, 10_000_000)), (acme.Name, acme.Weight, acme.Limit, acme.Reservation));
        Assert.Equal((null, 100, new Bandwidth(1_000_000, 10_000_000)), (b.Parent, b.Weight, b.Reservation));
        Assert.Null(Read("machines: { a: { program: x } }").Guests[0].Group);
        Assert.Equal("partitioned:stride", Read("scheduler: partitioned:stride\nmachines: { a: { program: x } }").Scheduler);
    }

    [Theory]
    [InlineData("", "a manifest is one mapping")]
    [InlineData("- a", "a manifest is one mapping")]
    [InlineData("machines: {", ": this is not YAML")]
    [InlineData("cpus: 1", "there is no key 'machines'")]
    [InlineData("machines:", "there is no machine")]
    [InlineData("machines: { a: { program: x } }\nspeed: 9", ":2: the manifest has no key 'speed'")]
    [InlineData("machines:\n  a:\n    progam: x", ":3: machine 'a' has no key 'progam'")]
    [InlineData("machines:\n  a: { program: x }\ncpus: 65", ":3: cpus must be a whole number from 1 to 64")]
    [InlineData("machines:\n  a: { program: x }\nscheduler: magic", "there is no scheduler 'magic'")]
    [InlineData("machines:\n  a: { program: x, group: acme }", "there is no group 'acme'; 'groups' has: none")]
    [InlineData("groups: { a: { in: b } }\nmachines:\n  a: { program: x }", "there is no group 'b'")]
    [InlineData("groups: { a: { inside: magic } }\nmachines:\n  a: { program: x }", "there is no scheduler 'magic'")]
    [InlineData("groups: { a: { limit: 0 } }\nmachines:\n  a: { program: x }", "limit must be a number from 0.001 to 64")]
    [InlineData("scheduler: gang:reservation\ngroups: { a: }\nmachines:\n  a: { program: x }", "no scheduler 'gang:reservation'")]
    [InlineData("machines:\n  a: { mode: fast, program: x }", ":2: machine 'a': There is no mode 'fast'")]
    [InlineData("machines:\n  a: { mode: para }", "name what it boots")]
    [InlineData("machines:\n  a: { program: x, memory: lots }", "memory: 'lots' is no memory size")]
    [InlineData("machines:\n  a: { program: x, weight: 0 }", "weight must be a whole number from 1")]
    [InlineData("machines:\n  a: { program: x, cpus: nan }", "cpus must be a number")]
    [InlineData("machines:\n  a: { program: [x] }", "program must be a text")]
    [InlineData("machines:\n  a: { program: x, networks: lan }", "there is no network 'lan'; 'networks' has: none")]
    [InlineData("networks: { lan: , dmz: }\nmachines:\n  a: { program: x, networks: [lan, dmz] }", "is a container, which is in one network at most")]
    [InlineData("networks: { lan: { subnet: here } }\nmachines: { a: { program: x } }", "subnet: 'here' is not an IPv4 network")]
    [InlineData("networks: { lan: { latency: 5 } }\nmachines: { a: { program: x } }", "latency must be a number with a unit, such as 5ms")]
    [InlineData("networks: { lan: { loss: 2 } }\nmachines: { a: { program: x } }", "loss must be a number from 0 to 1")]
    [InlineData("machines:\n  a: { mode: para, kernel: k, domain: yes }", "domain must be true or false, not 'yes'")]
    [InlineData("machines:\n  a: { mode: bare, kernel: k, domain: true }", "only machines of mode para are domains")]
    [InlineData("networks: { lan: }\nroutes: { from: lan }\nmachines: { a: { program: x } }", "a route needs the key 'to'")]
    [InlineData("networks: { lan: }\nroutes: { from: lan, to: wan }\nmachines: { a: { program: x } }", "there is no network 'wan'")]
    [InlineData("networks: { lan: }\nroutes: { from: lan, to: lan, port: 80 }\nmachines: { a: { program: x } }", "needs the protocol tcp or udp")]
    [InlineData("networks: { lan: }\nmachines:\n  a: { mode: para, kernel: k, networks: { name: lan, address: x } }", "address must be an IPv4 address")]
    [InlineData("networks: { lan: }\nmachines:\n  a: { mode: para, kernel: k, networks: { name: lan, publish: 0 } }", "'0' publishes no port")]
    public void Read_WhatMakesNoSense_SaysWhereAndWhy(string text, string message)
    {
        var error = Assert.Throws<HypervisorException>(() => Read(text));
        Assert.Contains("m.yaml", error.Message);
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Run_ManifestThatIsNotThere_IsBadInput()
    {
        using var hv = new HvProcess("run", _folder["none.yaml"]);
        Assert.Equal(2, hv.WaitForExit());
        Assert.Contains("none.yaml' cannot be read", hv.Errors);
    }

    [Fact]
    public void Run_OptionOfOneGuest_IsRefused()
    {
        _folder.Write("m.yaml", "machines: { a: { program: x } }"u8);
        using var hv = new HvProcess("run", _folder["m.yaml"], "--weight", "7");
        Assert.Equal(2, hv.WaitForExit());
        Assert.Contains("--weight is of one guest", hv.Errors);
    }

    private MachineManifest Read(string text) => ManifestReader.Read(_folder.Write("m.yaml", System.Text.Encoding.UTF8.GetBytes(text)));
}
