using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Common;

/// <summary>What the device tree tells a guest beyond its <see cref="Board"/>.</summary>
internal sealed record BoardTree
{
    /// <summary>What harts offer beyond rv64i, in canonical order.</summary>
    public IReadOnlyList<string> Extensions { get; init; } = HartExtensions.All;

    /// <summary>The kernel's command line; null for none.</summary>
    public string? CommandLine { get; init; }

    /// <summary>Where the initial RAM disk lies; null for none.</summary>
    public MemoryRegion? InitialRamDisk { get; init; }

    /// <summary>Entropy for the kernel; empty for none.</summary>
    public ReadOnlyMemory<byte> RandomSeed { get; init; }

    /// <summary>The hart that boots.</summary>
    public uint BootHart { get; init; }

    /// <summary>Whether the guest owns machine mode and so the CLINT; a guest of an SBI does not.</summary>
    public bool MachineMode { get; init; } = true;

    /// <summary>Memory the kernel must leave alone, as firmware that stays resident.</summary>
    public IReadOnlyList<MemoryRegion> Reserved { get; init; } = [];

    // What the 16550's clock would be; the rate means nothing here, but drivers divide by it.
    private const uint UartClock = 3_686_400;

    /// <summary>Writes the flattened tree that describes a board.</summary>
    public byte[] Build(Board board)
    {
        var tree = new DeviceTreeBuilder { BootHart = BootHart };
        foreach (MemoryRegion region in Reserved)
            tree.ReserveMemory(region.Base, region.Size);
        DeviceTreeNodeBuilder root = tree.Root.SetCells("#address-cells", 2).SetCells("#size-cells", 2)
            .SetStrings("compatible", "riscv-virtio").SetStrings("model", "riscv-virtio,hypervisor");
        DescribeChosen(root.AddNode("chosen"));
        MemoryRegion ram = board.Memory.Region;
        root.AddNode($"memory@{ram.Base:x}").SetStrings("device_type", "memory").SetLongs("reg", ram.Base, ram.Size);
        List<uint> harts = DescribeHarts(root.AddNode("cpus"), board.Options.Harts);
        DeviceTreeNodeBuilder soc = root.AddNode("soc").SetCells("#address-cells", 2).SetCells("#size-cells", 2)
            .SetStrings("compatible", "simple-bus").SetFlag("ranges");
        DescribeDevices(root, soc, harts, board);
        return tree.Build();
    }

    private static DeviceTreeNodeBuilder Device(DeviceTreeNodeBuilder soc, string kind, ulong address, ulong size, params ReadOnlySpan<string> compatible)
        => soc.AddNode($"{kind}@{address:x}").SetLongs("reg", address, size).SetStrings("compatible", compatible);

    private void DescribeChosen(DeviceTreeNodeBuilder chosen)
    {
        chosen.SetStrings("stdout-path", $"/soc/serial@{Board.UartAddress:x}");
        if (CommandLine is not null)
            chosen.SetStrings("bootargs", CommandLine);
        if (InitialRamDisk is { } disk)
            chosen.SetLongs("linux,initrd-start", disk.Base).SetLongs("linux,initrd-end", disk.Base + disk.Size);
        if (!RandomSeed.IsEmpty)
            chosen.SetBytes("rng-seed", RandomSeed.Span);
    }

    /// <summary>Describes the harts and returns the phandles of their interrupt controllers.</summary>
    private List<uint> DescribeHarts(DeviceTreeNodeBuilder cpus, int count)
    {
        cpus.SetCells("#address-cells", 1).SetCells("#size-cells", 0).SetCells("timebase-frequency", HartExtensions.TimebaseFrequency);
        var controllers = new List<uint>();
        for (int hart = 0; hart < count; hart++)
        {
            DeviceTreeNodeBuilder cpu = cpus.AddNode($"cpu@{hart:x}").SetStrings("device_type", "cpu").SetCells("reg", (uint)hart)
                .SetStrings("status", "okay").SetStrings("compatible", "riscv").SetStrings("mmu-type", HartExtensions.TranslationMode);
            foreach (string kind in (string[])["cbom", "cbop", "cboz"])
                cpu.SetCells($"riscv,{kind}-block-size", HartExtensions.CacheBlockBytes);

            // Old kernels read the string, new ones the list; one without the other stops some of them silently.
            cpu.SetStrings("riscv,isa", HartExtensions.IsaString(Extensions)).SetStrings("riscv,isa-base", "rv64i")
                .SetStrings("riscv,isa-extensions", (string[])["i", .. Extensions]);
            controllers.Add(cpu.AddNode("interrupt-controller").SetCells("#interrupt-cells", 1).SetFlag("interrupt-controller")
                .SetCells("#address-cells", 0).SetStrings("compatible", "riscv,cpu-intc").Phandle);
        }

        return controllers;
    }

    private void DescribeDevices(DeviceTreeNodeBuilder root, DeviceTreeNodeBuilder soc, List<uint> harts, Board board)
    {
        DeviceTreeNodeBuilder plic = Device(soc, "plic", Board.PlicAddress, board.Plic.Size, "sifive,plic-1.0.0", "riscv,plic0")
            .SetFlag("interrupt-controller").SetCells("#interrupt-cells", 1).SetCells("#address-cells", 0)
            .SetCells("riscv,ndev", Board.HighestInterrupt)
            .SetCells("interrupts-extended", [.. harts.SelectMany(hart => new[] { hart, 11u, hart, 9u })]);
        if (MachineMode)
        {
            Device(soc, "clint", Board.ClintAddress, board.Clint.Size, "sifive,clint0", "riscv,clint0")
                .SetCells("interrupts-extended", [.. harts.SelectMany(hart => new[] { hart, 3u, hart, 7u })]);
        }

        Device(soc, "serial", Board.UartAddress, board.Uart.Size, "ns16550a").SetCells("clock-frequency", UartClock)
            .SetReferences("interrupt-parent", plic).SetCells("interrupts", Board.UartInterrupt);
        Device(soc, "rtc", Board.RtcAddress, 0x1000, "google,goldfish-rtc")
            .SetReferences("interrupt-parent", plic).SetCells("interrupts", Board.RtcInterrupt);
        for (int slot = 0; slot < board.Options.Devices.Count; slot++)
        {
            Device(soc, "virtio_mmio", Board.FirstSlotAddress + ((ulong)slot * Board.SlotStride), Board.SlotStride, "virtio,mmio")
                .SetReferences("interrupt-parent", plic).SetCells("interrupts", (uint)(Board.FirstSlotInterrupt + slot));
        }

        DeviceTreeNodeBuilder finisher = Device(soc, "test", Board.FinisherAddress, 0x1000, "sifive,test1", "sifive,test0", "syscon");
        foreach ((string name, uint value) in ((string, uint)[])[("poweroff", 0x5555), ("reboot", 0x7777)])
        {
            root.AddNode(name).SetStrings("compatible", "syscon-" + name).SetReferences("regmap", finisher)
                .SetCells("offset", 0).SetCells("value", value);
        }
    }
}
