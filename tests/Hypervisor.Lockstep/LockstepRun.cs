using System.Diagnostics;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Guests.Common;

namespace Hypervisor.Lockstep;

/// <summary>A program, or a boot with firmware, on both machines.</summary>
internal sealed record LockstepRun
{
    /// <summary>What the machine boots: an ELF that starts in machine mode, or with firmware the raw image it goes on to.</summary>
    public required string Kernel { get; init; }

    /// <summary>Firmware that finds its next stage by itself, such as fw_jump.bin; null for none.</summary>
    public string? Firmware { get; init; }

    public required string Mode { get; init; }

    public int MemoryMegabytes { get; init; } = 128;

    /// <summary>Steps at most.</summary>
    public long Steps { get; init; } = long.MaxValue;

    /// <summary>Steps between two looks: 1 for every instruction, 0 for a number at random each time.</summary>
    public int Slice { get; init; } = 1;

    public int Seed { get; init; } = 1;

    /// <summary>Where QEMU puts the device tree for the guest to find in a1.</summary>
    private const int DeviceTreeRegister = 11;

    /// <summary>Runs both; null where they never differed.</summary>
    public Divergence? Execute(Interpreter engine, out long made)
    {
        using var own = new OwnMachine(Mode, (ulong)MemoryMegabytes << 20, engine);
        var images = new BootImages { Kernel = File.ReadAllBytes(Kernel), KernelName = Kernel };
        if (Firmware is not null)
            images = images with { Firmware = File.ReadAllBytes(Firmware) };
        own.Guest.Boot(images);
        string[] arguments = ["-m", $"{MemoryMegabytes}M", "-bios", Firmware ?? "none", "-kernel", Kernel];
        byte[] tree = DeviceTreeOf(arguments);
        using var qemu = new QemuTrace(arguments);
        var random = new Random(Seed);
        return Comparison.Run(own, qemu, Steps, () => Slice == 0 ? random.Next(1, 300) : Slice, theirs => own.SetDeviceTree(theirs.X[DeviceTreeRegister], tree), out made);
    }

    /// <summary>The tree QEMU would show its guest, which ours sees too: firmware acts on what it finds there.</summary>
    private static byte[] DeviceTreeOf(string[] arguments)
    {
        string file = Path.GetTempFileName();
        try
        {
            using Process dump = Process.Start(new ProcessStartInfo(QemuTrace.Program, ["-M", $"virt,dumpdtb={file}", "-cpu", QemuTrace.Cpu, "-smp", "1", "-display", "none", .. arguments])
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            })!;
            string said = dump.StandardError.ReadToEnd();
            dump.WaitForExit();
            byte[] tree = File.ReadAllBytes(file);
            return tree.Length > 0 ? tree : throw new InvalidOperationException($"QEMU wrote no device tree: {said}");
        }
        finally
        {
            File.Delete(file);
        }
    }
}
