using System.Globalization;
using Hypervisor.Core.Scheduling;
using Hypervisor.Host.Run;

namespace Hypervisor.Host.Cli;

/// <summary>The options of <c>hv run</c>: the one list that both its readers have.</summary>
internal static class RunFlags
{
    public static RunOption Mode { get; } = new("--mode", $"How to host the guest: {string.Join(", ", RunOptions.Modes)}.", "MODE", standard: RunOptions.ContainerMode);
    public static RunOption Memory { get; } = new("--memory", "The guest's memory, such as 256M.", "SIZE");
    public static RunOption Balloon { get; } = new("--balloon", "Memory that a para guest is asked to give back, such as 64M.", "SIZE");
    public static RunOption VCpus { get; } = new("--vcpus", "Virtual CPUs of a machine.", "N", standard: "1");
    public static RunOption VectorBits { get; } = new("--vlen", "Give the guest's harts the vector extension, with registers of this many bits: 128, 256 or 512; 0 for none.", "BITS", standard: "0");
    public static RunOption Kernel { get; } = new("--kernel", "What a machine boots: an ELF or a Linux Image.", "FILE");
    public static RunOption Firmware { get; } = new("--firmware", "What runs in M-mode before the kernel: none, builtin (our SBI, always so in para), or a file such as OpenSBI.", "none|builtin|FILE", standard: RunOptions.NoFirmware);
    public static RunOption InitialRamDisk { get; } = new("--initrd", "Initial RAM disk.", "FILE");
    public static RunOption Disks { get; } = new("--disk", "A disk image, as a virtio block device: qcow2 where its name ends so, else raw. With ro the guest cannot write; with forget its writes are gone when it ends. May be given again.", "FILE[,format=raw|qcow2][,ro][,forget]", often: true);
    public static RunOption Shares { get; } = new("--share", "A directory of the host that the guest may mount, by virtio and 9P: mount -t 9p -o trans=virtio share /mnt. May be given again.", "DIR[,tag=NAME][,ro]", often: true);
    public static RunOption Vsock { get; } = new("--vsock", "Streams without a network: a Unix socket at PATH takes 'CONNECT N' to port N of the guest, and the guest's port N of CID 2 is whoever listens at PATH_N.", "PATH[,cid=N]");
    public static RunOption Ports { get; } = new("--port", "A port beside the console: /dev/virtio-ports/NAME in the guest, a Unix socket at PATH on the host. May be given again.", "NAME=PATH", often: true);
    public static RunOption Network { get; } = new("--net", "A network of this name for the machine, with a router that is its DHCP and name server.", "NAME");
    public static RunOption Published { get; } = new("--publish", "A port of the host's loopback that leads to a port of the machine, such as 8080:80; may be repeated.", "HOST:GUEST", often: true);
    public static RunOption Nat { get; } = new("--nat", "Let the machine's network out to the host's: TCP, UDP and names, as sockets of hv. Never the host's loopback.");
    public static RunOption Capture { get; } = new("--pcap", "Write the network's frames to a capture file for tcpdump or Wireshark.", "FILE");
    public static RunOption DeviceTree { get; } = new("--dtb", "A flattened device tree to show the guest, as it is, in place of the board's own.", "FILE");
    public static RunOption CommandLine { get; } = new("--append", "The kernel's command line.", "TEXT");
    public static RunOption RootDirectory { get; } = new("--rootfs", "A host directory the container sees as / (read-only).", "DIR");
    public static RunOption Image { get; } = new("--image", "An image as the container's root: a directory in the OCI image layout, and a tag where it has several.", "DIR[:TAG]");
    public static RunOption Writable { get; } = new("--writable", "What the container changes under --rootfs is changed on the host.");
    public static RunOption Upper { get; } = new("--upper", "A directory that takes what the container changes of --image or --rootfs, which stay as they are.", "DIR");
    public static RunOption Volumes { get; } = new("--volume", "A directory or file of the host, shown in the container; may be repeated.", "HOST:GUEST[:ro]", often: true, alias: "-v");
    public static RunOption Mounts { get; } = new("--mount", "A mount, such as type=bind,source=HOST,target=GUEST,readonly or type=tmpfs,target=GUEST,size=64M; may be repeated.", "…", often: true);
    public static RunOption Environment { get; } = new("--env", "A variable of the container's environment; may be repeated.", "K=V", often: true);
    public static RunOption Cpus { get; } = new("--cpus", "Processor time a container may use, in CPUs: 0.5 is half of one.", "N");
    public static RunOption Weight { get; } = new("--weight", "The guest's weight for the scheduler, beside others.", "N", standard: RunOptions.DefaultWeight.ToString(CultureInfo.InvariantCulture));
    public static RunOption Scheduler { get; } = new("--scheduler", $"By which policy vCPUs, or a container's tasks, share physical CPUs: {string.Join(", ", Schedulers.Names)}; or one behind {Schedulers.PartitionedPrefix} (a queue for each CPU) or {Schedulers.GangPrefix} (all vCPUs of a machine at once).", "NAME", standard: Schedulers.Names[0]);
    public static RunOption ScheduleTrace { get; } = new("--sched-trace", "Write who wanted to run, ran and slept, and when, to a file that hv schedule simulate takes.", "FILE");
    public static RunOption Engine { get; } = new("--engine", $"What executes guest code: {string.Join(", ", RunOptions.Engines)}.", "E", standard: RunOptions.Engines[0]);
    public static RunOption Timeout { get; } = new("--timeout", "End the guest after this many seconds, with exit code 124.", "S");
    public static RunOption Signature { get; } = new("--signature", "Write memory between begin_signature and end_signature to a file when the program has ended.", "FILE");
    public static RunOption Granularity { get; } = new("--signature-granularity", "Bytes in a line of the signature: 1, 2, 4, 8 or 16.", "N", standard: "4");
    public static RunOption NoReboot { get; } = new("--no-reboot", "End where the guest reboots, with exit code 0, instead of starting it again.");
    public static RunOption GdbPort { get; } = new("--gdb", "Hold a machine at its first instruction and wait for gdb-multiarch on this port of the loopback.", "PORT");
    public static RunOption Stats { get; } = new("--stats", "Print instructions, MIPS and exits when the guest has ended.");
    public static RunOption StatsFile { get; } = new("--stats-json", "Write the same to a file as JSON.", "F");

    /// <summary>All of them, in the order of the help.</summary>
    public static IReadOnlyList<RunOption> All { get; } = (RunOption[])
    [
        Mode, Memory, Balloon, VCpus, VectorBits, Kernel, Firmware, InitialRamDisk, Disks, Shares, Vsock, Ports, Network, Published, Nat, Capture, DeviceTree, CommandLine, RootDirectory, Image, Writable, Upper, Volumes, Mounts, Environment, Cpus, Weight, Scheduler, ScheduleTrace, Engine, Timeout, Signature, Granularity, NoReboot, GdbPort, Stats, StatsFile,
    ];

    /// <summary>The option of this name or alias; null where there is none.</summary>
    public static RunOption? Find(string name)
    {
        foreach (RunOption each in All)
        {
            if (each.Name == name || each.Alias == name)
                return each;
        }

        return null;
    }
}
