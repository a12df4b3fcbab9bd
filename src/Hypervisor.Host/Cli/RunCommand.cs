using System.CommandLine;
using System.Globalization;
using Hypervisor.Core;
using Hypervisor.Core.Scheduling;
using Hypervisor.Host.Manifest;
using Hypervisor.Host.Networks;
using Hypervisor.Host.Run;

namespace Hypervisor.Host.Cli;

/// <summary><c>hv run</c>.</summary>
internal static class RunCommand
{
    /// <summary>The command and what it does.</summary>
    /// <remarks>All options but switches are text: the parser has native code for that alone, and what a number is we can tell better.</remarks>
    /// <param name="guestArguments">What follows the program's name.</param>
    public static Command Create(Func<IReadOnlyList<string>> guestArguments)
    {
        Argument<string?> program = new("program")
        {
            Description = "A riscv64 Linux program to run as a container; what follows it are its arguments. Or a manifest of many guests, FILE.yaml.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string> mode = new("--mode") { Description = $"How to host the guest: {string.Join(", ", RunOptions.Modes)}.", HelpName = "MODE", DefaultValueFactory = _ => RunOptions.ContainerMode };
        Option<string?> memory = new("--memory") { Description = "The guest's memory, such as 256M.", HelpName = "SIZE" };
        Option<string?> balloon = new("--balloon") { Description = "Memory that a para guest is asked to give back, such as 64M.", HelpName = "SIZE" };
        Option<string> vcpus = new("--vcpus") { Description = "Virtual CPUs of a machine.", HelpName = "N", DefaultValueFactory = _ => "1" };
        Option<string> vlen = new("--vlen") { Description = "Give the guest's harts the vector extension, with registers of this many bits: 128, 256 or 512; 0 for none.", HelpName = "BITS", DefaultValueFactory = _ => "0" };
        Option<string?> kernel = new("--kernel") { Description = "What a machine boots: an ELF or a Linux Image.", HelpName = "FILE" };
        Option<string> firmware = new("--firmware")
        {
            Description = "What runs in M-mode before the kernel: none, builtin (our SBI, always so in para), or a file such as OpenSBI.",
            HelpName = "none|builtin|FILE",
            DefaultValueFactory = _ => RunOptions.NoFirmware,
        };
        Option<string?> initrd = new("--initrd") { Description = "Initial RAM disk.", HelpName = "FILE" };
        Option<string[]> disks = new("--disk") { Description = "A disk image, as a virtio block device: qcow2 where its name ends so, else raw. With ro the guest cannot write; with forget its writes are gone when it ends. May be given again.", HelpName = "FILE[,format=raw|qcow2][,ro][,forget]" };
        Option<string[]> shares = new("--share") { Description = "A directory of the host that the guest may mount, by virtio and 9P: mount -t 9p -o trans=virtio share /mnt. May be given again.", HelpName = "DIR[,tag=NAME][,ro]" };
        Option<string?> vsock = new("--vsock") { Description = "Streams without a network: a Unix socket at PATH takes 'CONNECT N' to port N of the guest, and the guest's port N of CID 2 is whoever listens at PATH_N.", HelpName = "PATH[,cid=N]" };
        Option<string[]> ports = new("--port") { Description = "A port beside the console: /dev/virtio-ports/NAME in the guest, a Unix socket at PATH on the host. May be given again.", HelpName = "NAME=PATH" };
        Option<string?> net = new("--net") { Description = "A network of this name for the machine, with a router that is its DHCP and name server.", HelpName = "NAME" };
        Option<string[]> publish = new("--publish") { Description = "A port of the host's loopback that leads to a port of the machine, such as 8080:80; may be repeated.", HelpName = "HOST:GUEST" };
        Option<bool> nat = new("--nat") { Description = "Let the machine's network out to the host's: TCP, UDP and names, as sockets of hv. Never the host's loopback." };
        Option<string?> pcap = new("--pcap") { Description = "Write the network's frames to a capture file for tcpdump or Wireshark.", HelpName = "FILE" };
        Option<string?> dtb = new("--dtb") { Description = "A flattened device tree to show the guest, as it is, in place of the board's own.", HelpName = "FILE" };
        Option<string?> append = new("--append") { Description = "The kernel's command line.", HelpName = "TEXT" };
        Option<string?> rootfs = new("--rootfs") { Description = "A host directory the container sees as / (read-only).", HelpName = "DIR" };
        Option<string?> image = new("--image") { Description = "An image as the container's root: a directory in the OCI image layout, and a tag where it has several.", HelpName = "DIR[:TAG]" };
        Option<bool> writable = new("--writable") { Description = "What the container changes under --rootfs is changed on the host." };
        Option<string?> upper = new("--upper") { Description = "A directory that takes what the container changes of --image or --rootfs, which stay as they are.", HelpName = "DIR" };
        Option<string[]> volume = new("--volume", "-v") { Description = "A directory or file of the host, shown in the container; may be repeated.", HelpName = "HOST:GUEST[:ro]" };
        Option<string[]> mount = new("--mount") { Description = "A mount, such as type=bind,source=HOST,target=GUEST,readonly or type=tmpfs,target=GUEST,size=64M; may be repeated.", HelpName = "…" };
        Option<string[]> environment = new("--env") { Description = "A variable of the container's environment; may be repeated.", HelpName = "K=V" };
        Option<string?> cpus = new("--cpus") { Description = "Processor time a container may use, in CPUs: 0.5 is half of one.", HelpName = "N" };
        Option<string> weight = new("--weight") { Description = "The guest's weight for the scheduler, beside others.", HelpName = "N", DefaultValueFactory = _ => RunOptions.DefaultWeight.ToString(CultureInfo.InvariantCulture) };
        Option<string> scheduler = new("--scheduler")
        {
            Description = $"By which policy vCPUs, or a container's tasks, share physical CPUs: {string.Join(", ", Schedulers.Names)}; or one behind {Schedulers.PartitionedPrefix} (a queue for each CPU) or {Schedulers.GangPrefix} (all vCPUs of a machine at once).",
            HelpName = "NAME",
            DefaultValueFactory = _ => Schedulers.Names[0],
        };
        Option<string?> schedTrace = new("--sched-trace") { Description = "Write who wanted to run, ran and slept, and when, to a file that hv schedule simulate takes.", HelpName = "FILE" };
        Option<string> engine = new("--engine") { Description = $"What executes guest code: {string.Join(", ", RunOptions.Engines)}.", HelpName = "E", DefaultValueFactory = _ => RunOptions.Engines[0] };
        Option<string?> timeout = new("--timeout") { Description = "End the guest after this many seconds, with exit code 124.", HelpName = "S" };
        Option<string?> signature = new("--signature") { Description = "Write memory between begin_signature and end_signature to a file when the program has ended.", HelpName = "FILE" };
        Option<string> granularity = new("--signature-granularity") { Description = "Bytes in a line of the signature: 1, 2, 4, 8 or 16.", HelpName = "N", DefaultValueFactory = _ => "4" };
        Option<bool> noReboot = new("--no-reboot") { Description = "End where the guest reboots, with exit code 0, instead of starting it again." };
        Option<string?> gdb = new("--gdb") { Description = "Hold a machine at its first instruction and wait for gdb-multiarch on this port of the loopback.", HelpName = "PORT" };
        Option<bool> stats = new("--stats") { Description = "Print instructions, MIPS and exits when the guest has ended." };
        Option<string?> statsJson = new("--stats-json") { Description = "Write the same to a file as JSON.", HelpName = "F" };
        var command = new Command("run", "Run a Linux program as a container, or boot a machine, on this terminal. A machine gets every key, Ctrl-C too; Ctrl-A x ends it, Ctrl-A Ctrl-A is one Ctrl-A.")
        {
            program, mode, memory, balloon, vcpus, vlen, kernel, firmware, initrd, disks, shares, vsock, ports, net, nat, publish, pcap, dtb, append, rootfs, image, writable, upper, volume, mount, environment, cpus, weight, scheduler, schedTrace, engine, timeout, signature, granularity, noReboot, gdb, stats, statsJson,
        };
        command.SetAction((parsed, cancellation) => Task.FromResult(parsed.GetValue(program) is { } name && ManifestReader.IsManifest(name)
            ? RunManifest(name, parsed, cancellation)
            : RunOne(parsed, cancellation)));
        return command;

        int RunManifest(string file, ParseResult parsed, CancellationToken cancellation)
        {
            // Whatever else was said is of one guest, and a manifest has its own words for it.
            foreach (Option option in command.Options)
            {
                if (option != timeout && option != stats && option != schedTrace && parsed.GetResult(option) is { Implicit: false })
                    throw new HypervisorException($"{option.Name} is of one guest: write it into '{file}' for the machine it is meant for.");
            }

            return ManifestSession.Run(file, Numbers.Decimal(timeout.Name, parsed.GetValue(timeout)), parsed.GetValue(stats), parsed.GetValue(schedTrace), cancellation);
        }

        int RunOne(ParseResult parsed, CancellationToken cancellation) => RunSession.Run(
            RunOptions.Check(new RunOptions
            {
                Program = parsed.GetValue(program),
                Arguments = guestArguments(),
                Mode = parsed.GetValue(mode)!,
                Memory = parsed.GetValue(memory) is { } size ? MemorySize.ParseRam(size) : null,
                Balloon = parsed.GetValue(balloon) is { } back ? MemorySize.ParseRam(back) : null,
                VCpus = Numbers.Whole(vcpus.Name, parsed.GetValue(vcpus)!),
                VectorBits = Numbers.Whole(vlen.Name, parsed.GetValue(vlen)!),
                Kernel = parsed.GetValue(kernel),
                Firmware = parsed.GetValue(firmware)!,
                InitialRamDisk = parsed.GetValue(initrd),
                Disks = parsed.GetValue(disks) ?? [],
                Shares = parsed.GetValue(shares) ?? [],
                Vsock = parsed.GetValue(vsock),
                Ports = parsed.GetValue(ports) ?? [],
                Network = parsed.GetValue(net),
                Published = Each(parsed.GetValue(publish), PortMapping.Parse),
                CaptureFile = parsed.GetValue(pcap),
                Nat = parsed.GetValue(nat),
                DeviceTree = parsed.GetValue(dtb),
                CommandLine = parsed.GetValue(append),
                RootDirectory = parsed.GetValue(rootfs),
                Image = parsed.GetValue(image),
                Writable = parsed.GetValue(writable),
                Upper = parsed.GetValue(upper),
                Mounts = [.. Each(parsed.GetValue(volume), MountOptions.ParseVolume), .. Each(parsed.GetValue(mount), MountOptions.ParseMount)],
                Environment = parsed.GetValue(environment) ?? [],
                Weight = Numbers.Whole(weight.Name, parsed.GetValue(weight)!),
                Cpus = Numbers.Decimal(cpus.Name, parsed.GetValue(cpus)),
                Scheduler = parsed.GetValue(scheduler)!,
                ScheduleTrace = parsed.GetValue(schedTrace),
                Engine = parsed.GetValue(engine)!,
                TimeoutSeconds = Numbers.Decimal(timeout.Name, parsed.GetValue(timeout)),
                SignatureFile = parsed.GetValue(signature),
                SignatureGranularity = Numbers.Whole(granularity.Name, parsed.GetValue(granularity)!),
                NoReboot = parsed.GetValue(noReboot),
                GdbPort = parsed.GetValue(gdb) is { } port ? Numbers.Whole(gdb.Name, port) : null,
                Stats = parsed.GetValue(stats),
                StatsFile = parsed.GetValue(statsJson),
            }),
            cancellation);
    }

    private static List<T> Each<T>(string[]? texts, Func<string, T> parse) where T : class
    {
        List<T> made = [];
        foreach (string text in texts ?? [])
            made.Add(parse(text));
        return made;
    }
}
