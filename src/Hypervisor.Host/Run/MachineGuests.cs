using System.Globalization;
using Hypervisor.Core;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Images;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Devices.Virtio.Vsock;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Debug;
using Hypervisor.Guests.Para;
using Hypervisor.Host.Cli;
using Hypervisor.Host.Networks;

namespace Hypervisor.Host.Run;

/// <summary>Builds whole machines from what the user named.</summary>
internal static class MachineGuests
{
    public const ulong DefaultMemory = 256 << 20;
    private const int SeedBytes = 32;
    private const string DefaultName = "guest";

    /// <summary>Builds a machine ready to run on this terminal.</summary>
    /// <exception cref="HypervisorException">A file cannot be read or booted.</exception>
    public static IRunningGuest Create(RunOptions options, HypervisorHost host, Engines engines)
    {
        HostNetworks? networks = RunNetwork.Create(options, host);
        try
        {
            List<VirtioDevice> cards = networks is null ? [] : [networks.Connect(options.Network!, DefaultName, options.Published)];
            return Create(options, host, engines, DefaultName, new StandardOutputSink(DescriptorStream.OpenOutput), cards, networks is null ? [] : [networks]);
        }
        catch
        {
            networks?.Dispose();
            throw;
        }
    }

    /// <summary>Builds a machine ready to run.</summary>
    /// <param name="options">What it runs.</param>
    /// <param name="host">The host it will be on.</param>
    /// <param name="engines">Those of the run.</param>
    /// <param name="name">Its name.</param>
    /// <param name="output">Takes what it prints.</param>
    /// <param name="cards">Its network cards.</param>
    /// <param name="owned">What ends with it.</param>
    /// <exception cref="HypervisorException">A file cannot be read or booted.</exception>
    public static IRunningGuest Create(
        RunOptions options, HypervisorHost host, Engines engines, string name, IConsoleSink output, IReadOnlyList<VirtioDevice> cards, params ReadOnlySpan<IDisposable> owned)
    {
        Interpreter engine = engines.Of(options);
        engine.PrepareInBackground(vectors: options.VectorBits != 0);
        BootImages images = ReadImages(options);
        var opened = new List<IDisposable>();
        try
        {
            var devices = new List<VirtioDevice>();
            foreach (string path in options.Disks)
            {
                IBlockBackend disk = OpenDisk(path);
                if (disk is IDisposable file)
                    opened.Add(file);
                devices.Add(new VirtioBlock(disk, $"disk{devices.Count}") { LeavesSlowWork = true });
            }

            devices.AddRange(cards);
            foreach (string share in options.Shares)
            {
                VirtioNineP directory = Share(share, options.Shares.Count == 1 ? "share" : $"share{opened.Count - options.Disks.Count}");
                opened.Add(directory);
                devices.Add(directory);
            }

            if (options.Vsock is { } vsock)
            {
                DeviceArgument place = DeviceArgument.Parse(vsock, "cid");
                string cid = place.Options.GetValueOrDefault("cid", "3");
                var streams = new VirtioVsock(ulong.TryParse(cid, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) ? number : throw new HypervisorException($"'{cid}' is no vsock address: give a number, 3 or more."));
                opened.Add(new VsockSockets(streams, place.Path));
                devices.Add(streams);
            }

            var ports = new List<VirtioConsolePort>();
            foreach (string text in options.Ports)
            {
                string[] parts = text.Split('=', 2);
                if (parts.Length != 2 || parts[1].Length == 0)
                    throw new HypervisorException($"'{text}' is no port: write NAME=PATH.");
                var port = new VirtioConsolePort(parts[0]);
                opened.Add(new ConsolePortSocket(port, parts[1]));
                ports.Add(port);
            }

            // A para guest has a console of this kind anyway, which then carries them.
            if (ports.Count > 0 && options.Mode != RunOptions.ParaMode)
                devices.Add(new VirtioConsole(output, [.. ports]));
            var plan = new Plan(name, output, engine, images, devices, ports, [.. opened, .. owned]);
            return options.Mode == RunOptions.ParaMode ? CreatePara(options, host, plan) : CreateBoard(options, host, plan);
        }
        catch
        {
            foreach (IDisposable each in opened)
                each.Dispose();
            throw;
        }
    }

    private static IBlockBackend OpenDisk(string text)
    {
        DeviceArgument disk = DeviceArgument.Parse(text, "format", "ro", "forget");
        string? format = disk.Options.GetValueOrDefault("format");
        return disk.Options.ContainsKey("forget") ? DiskImage.OpenForgetful(disk.Path, format) : DiskImage.Open(disk.Path, format, disk.Options.ContainsKey("ro"));
    }

    private static VirtioNineP Share(string text, string tag)
    {
        DeviceArgument share = DeviceArgument.Parse(text, "tag", "ro");
        return new VirtioNineP(share.Path, share.Options.GetValueOrDefault("tag", tag), share.Options.ContainsKey("ro"));
    }

    private static BootImages ReadImages(RunOptions options)
    {
        byte[] seed = new byte[SeedBytes];
        System.Security.Cryptography.RandomNumberGenerator.Fill(seed);
        var images = new BootImages
        {
            Kernel = InputFile.Read(options.Kernel!, "kernel"),
            KernelName = options.Kernel!,
            InitialRamDisk = options.InitialRamDisk is { } initrd ? InputFile.Read(initrd, "initial RAM disk") : default,
            CommandLine = options.CommandLine,
            RandomSeed = seed,
            DeviceTree = options.DeviceTree is { } tree ? ReadTree(tree) : default,
        };
        if (options.Firmware is not (RunOptions.NoFirmware or RunOptions.BuiltInFirmware))
            return images with { Firmware = InputFile.Read(options.Firmware, "firmware") };
        if (options.Firmware == RunOptions.BuiltInFirmware)
            return images with { BuiltInFirmware = true };
        if (options.Mode != RunOptions.ParaMode && LinuxImage.TryParse(images.Kernel, images.KernelName, out _))
            throw new HypervisorException(
                $"'{options.Kernel}' is a Linux Image, which stands on a firmware: give one with --firmware, such as OpenSBI's fw_dynamic.bin, or take --firmware builtin.");
        return images;
    }

    /// <summary>A device tree from a file, checked before a guest meets it.</summary>
    private static byte[] ReadTree(string path)
    {
        byte[] tree = InputFile.Read(path, "device tree");
        DeviceTree.Parse(tree, path);
        return tree;
    }

    private static MachineGuest CreateBoard(RunOptions options, HypervisorHost host, Plan plan)
    {
        BoardGuest guest = MachineFactory.Create(options.Mode, new BoardGuestOptions
        {
            Name = plan.Name,
            Engine = plan.Engine,
            Console = plan.Output,
            RamBytes = options.Memory ?? DefaultMemory,
            Harts = options.VCpus,
            Devices = plan.Devices,
            VectorBits = options.VectorBits,
            EpochNanoseconds = Epoch(),
        }, host.Timers);
        guest.Boot(plan.Images);
        if (options.SignatureFile is not null)
            SignatureFile.Check(guest, options.Kernel!);
        return new MachineGuest(DebugTarget.Of(guest), guest, plan.Engine.Name, guest.Input, [guest, .. plan.Parts]);
    }

    private static MachineGuest CreatePara(RunOptions options, HypervisorHost host, Plan plan)
    {
        var memory = new GuestMemory(new MemoryRegion(Board.RamAddress, options.Memory ?? DefaultMemory));
        var machine = new VirtualMachine(plan.Name, memory, host.Timers) { VectorBits = options.VectorBits };
        // Kernels without a driver for the SBI's console, such as Debian's, find a hvc0 all the same.
        var console = new VirtioConsole(plan.Output, [.. plan.Ports]);
        plan.Devices.Add(console);
        var balloon = new VirtioBalloon(memory);
        if (options.Balloon is { } back)
            balloon.TargetPages = (uint)(back / GuestMemory.PageSize);
        plan.Devices.Add(balloon);
        var guest = new ParaGuest(machine, new ParaGuestOptions
        {
            Engine = plan.Engine,
            Console = plan.Output,
            Harts = options.VCpus,
            Devices = plan.Devices,
            EpochNanoseconds = Epoch(),
            Domains = options.Domains,
        });
        if (options.Balloon is not null)
            guest.Para.BalloonTarget = balloon.TargetPages;
        guest.Boot(plan.Images);
        return new MachineGuest(DebugTarget.Of(machine), null, plan.Engine.Name, Input, [guest, machine, .. plan.Parts]);

        int Input(ReadOnlySpan<byte> bytes)
        {
            int taken = guest.Input(bytes);
            console.Receive(bytes[..taken]);
            return taken;
        }
    }

    private static ulong Epoch() => (ulong)(DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100;

    /// <summary>What a machine is put together from, read and opened.</summary>
    private sealed record Plan(string Name, IConsoleSink Output, Interpreter Engine, BootImages Images, List<VirtioDevice> Devices, List<VirtioConsolePort> Ports, IReadOnlyList<IDisposable> Parts);

    private delegate int InputTaker(ReadOnlySpan<byte> bytes);

    private sealed class MachineGuest(DebugTarget target, BoardGuest? board, string engine, InputTaker input, IReadOnlyList<IDisposable> parts) : IRunningGuest
    {
        public VirtualMachine Machine => target.Machine;

        public DebugTarget? DebugTarget => target;

        public BoardGuest? Board => board;

        public string Engine => engine;

        public IEnumerable<(string Name, long Value)> NetworkCounters => parts.OfType<HostNetworks>().SelectMany(networks => networks.Counters);

        public bool WantsKeys => true;

        public int Input(ReadOnlyMemory<byte> bytes) => input(bytes.Span);

        public void InputEnded()
        {
            // A serial line has no end of file: the guest just hears no more.
        }

        public void Dispose()
        {
            foreach (IDisposable part in parts)
                part.Dispose();
        }
    }
}
