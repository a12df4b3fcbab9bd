using Hypervisor.Core;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
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
    private const ulong DefaultMemory = 256 << 20;
    private const int SeedBytes = 32;

    /// <summary>Builds a machine ready to run.</summary>
    /// <exception cref="HypervisorException">A file cannot be read or booted.</exception>
    public static IRunningGuest Create(RunOptions options, HypervisorHost host)
    {
        var engine = new Interpreter();
        engine.PrepareInBackground();
        BootImages images = ReadImages(options);
        var parts = new List<IDisposable>();
        try
        {
            var devices = new List<VirtioDevice>();
            foreach (string path in options.Disks)
            {
                var disk = new FileBlockBackend(path);
                parts.Add(disk);
                devices.Add(new VirtioBlock(disk, $"disk{devices.Count}"));
            }

            if (options.Network is { } network)
            {
                var networks = new HostNetworks(host);
                parts.Add(networks);
                networks.Add(new NetworkOptions { Name = network, CaptureFile = options.CaptureFile });
                devices.Add(networks.Connect(network, "guest", options.Published));
            }

            return options.Mode == RunOptions.ParaMode
                ? CreatePara(options, host, engine, images, devices, parts)
                : CreateBoard(options, host, engine, images, devices, parts);
        }
        catch
        {
            foreach (IDisposable part in parts)
                part.Dispose();
            throw;
        }
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

    private static MachineGuest CreateBoard(
        RunOptions options, HypervisorHost host, Interpreter engine, BootImages images, List<VirtioDevice> devices, List<IDisposable> parts)
    {
        BoardGuest guest = MachineFactory.Create(options.Mode, new BoardGuestOptions
        {
            Engine = engine,
            Console = new StandardOutputSink(System.Console.OpenStandardOutput()),
            RamBytes = options.Memory ?? DefaultMemory,
            Harts = options.VCpus,
            Devices = devices,
            EpochNanoseconds = Epoch(),
        }, host.Timers);
        guest.Boot(images);
        if (options.SignatureFile is not null)
            SignatureFile.Check(guest, options.Kernel!);
        return new MachineGuest(DebugTarget.Of(guest), guest, engine.Name, guest.Input, [guest, .. parts]);
    }

    private static MachineGuest CreatePara(
        RunOptions options, HypervisorHost host, Interpreter engine, BootImages images, List<VirtioDevice> devices, List<IDisposable> parts)
    {
        var memory = new GuestMemory(new MemoryRegion(Board.RamAddress, options.Memory ?? DefaultMemory));
        var machine = new VirtualMachine("guest", memory, host.Timers);
        var output = new StandardOutputSink(System.Console.OpenStandardOutput());

        // Kernels without a driver for the SBI's console, such as Debian's, find a hvc0 all the same.
        var console = new VirtioConsole(output);
        devices.Add(console);
        var guest = new ParaGuest(machine, new ParaGuestOptions
        {
            Engine = engine,
            Console = output,
            Harts = options.VCpus,
            Devices = devices,
            EpochNanoseconds = Epoch(),
        });
        guest.Boot(images);
        return new MachineGuest(DebugTarget.Of(machine), null, engine.Name, Input, [guest, machine, .. parts]);

        int Input(ReadOnlySpan<byte> bytes)
        {
            int taken = guest.Input(bytes);
            console.Receive(bytes[..taken]);
            return taken;
        }
    }

    private static ulong Epoch() => (ulong)(DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100;

    private delegate int InputTaker(ReadOnlySpan<byte> bytes);

    private sealed class MachineGuest(DebugTarget target, BoardGuest? board, string engine, InputTaker input, IReadOnlyList<IDisposable> parts) : IRunningGuest
    {
        public VirtualMachine Machine => target.Machine;

        public DebugTarget? DebugTarget => target;

        public BoardGuest? Board => board;

        public string Engine => engine;

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
