using System.Buffers.Binary;
using Hypervisor.Core;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Common;

/// <summary>Where the harts of a loaded machine start, and what they find in their registers.</summary>
/// <param name="Entry">The first instruction, in machine mode.</param>
/// <param name="DeviceTree">Address of the device tree (a1).</param>
/// <param name="FirmwareInfo">What firmware finds in a2: where the next stage lies.</param>
/// <param name="ToHost">The <c>tohost</c> word of the HTIF convention, where the image has one.</param>
/// <param name="FromHost">The <c>fromhost</c> word, where the image has one.</param>
/// <param name="Signature">Where the image says that its results are: from <c>begin_signature</c> to <c>end_signature</c>.</param>
internal readonly record struct BootLayout(
    ulong Entry, ulong DeviceTree, ulong FirmwareInfo, ulong? ToHost, ulong? FromHost, (ulong Start, ulong End)? Signature);

/// <summary>
/// What a machine boots: a kernel by itself in machine mode, or firmware and the kernel it starts. With firmware the
/// conventions are those of QEMU's virt board, so OpenSBI's images run as they are.
/// </summary>
internal sealed record BootImages
{
    private const ulong FirmwareInfoMagic = 0x4942_534F;
    private const ulong FirmwareInfoVersion = 2;
    private const ulong SupervisorMode = 1;

    /// <summary>How far above the start of RAM a kernel goes that does not say: where fw_jump images look for it.</summary>
    private const ulong DefaultKernelOffset = 0x20_0000;

    /// <summary>The kernel's file: an ELF, a Linux Image, or raw bytes.</summary>
    public required ReadOnlyMemory<byte> Kernel { get; init; }

    /// <summary>What to call it in messages.</summary>
    public string KernelName { get; init; } = "kernel";

    /// <summary>The firmware's file, started in machine mode before the kernel; empty for none.</summary>
    public ReadOnlyMemory<byte> Firmware { get; init; }

    /// <summary>Whether the hypervisor itself serves the SBI beneath the kernel, in place of a firmware file.</summary>
    public bool BuiltInFirmware { get; init; }

    /// <summary>The initial RAM disk; empty for none.</summary>
    public ReadOnlyMemory<byte> InitialRamDisk { get; init; }

    /// <summary>The kernel's command line; null for none.</summary>
    public string? CommandLine { get; init; }

    /// <summary>A flattened device tree to show the guest in place of the board's own, as it is; empty for none.</summary>
    public ReadOnlyMemory<byte> DeviceTree { get; init; }

    /// <summary>Entropy for the kernel; empty for none.</summary>
    public ReadOnlyMemory<byte> RandomSeed { get; init; }

    /// <summary>Further bytes to be put into RAM after the kernel: (address, bytes).</summary>
    public IReadOnlyList<(ulong Address, ReadOnlyMemory<byte> Bytes)> Blobs { get; init; } = [];

    /// <summary>Puts everything into the guest's RAM.</summary>
    /// <exception cref="HypervisorException">Something does not fit.</exception>
    internal BootLayout Load(BoardGuest guest)
    {
        var memory = new BootMemory(guest.Machine.Memory);
        bool hasFirmware = !Firmware.IsEmpty;
        ulong entry = hasFirmware ? LoadImage(memory, Firmware, "firmware", memory.Start, out _) : 0;
        ulong kernel = LoadImage(memory, Kernel, KernelName, hasFirmware ? memory.Start + DefaultKernelOffset : memory.Start, out ElfImage? elf);
        if (!hasFirmware)
            entry = kernel;
        ulong treeAddress = LoadRest(memory, guest.Board, new BoardTree { Extensions = HartExtensions.For(guest.Machine.VectorBits) });
        ulong info = 0;
        if (hasFirmware)
        {
            info = memory.Below(treeAddress, GuestMemory.PageSize, "firmware information");
            WriteFirmwareInfo(memory, info, kernel);
        }

        (ulong, ulong)? signature = Symbol(elf, "begin_signature") is { } start && Symbol(elf, "end_signature") is { } end ? (start, end) : null;
        return new BootLayout(entry, treeAddress, info, Symbol(elf, "tohost"), Symbol(elf, "fromhost"), signature);
    }

    /// <summary>Puts a kernel that stands on an SBI, and all that goes with it, into the guest's RAM: no firmware, no machine mode.</summary>
    /// <param name="board">The board, whose RAM it is.</param>
    /// <param name="extensions">What harts offer beyond rv64i.</param>
    /// <returns>Where to start in supervisor mode, and where the device tree is.</returns>
    /// <exception cref="HypervisorException">Something does not fit.</exception>
    internal (ulong Entry, ulong DeviceTree) LoadForSupervisor(Board board, IReadOnlyList<string> extensions)
    {
        var memory = new BootMemory(board.Memory);
        ulong entry = LoadImage(memory, Kernel, KernelName, memory.Start + DefaultKernelOffset, out _);
        return (entry, LoadRest(memory, board, new BoardTree { MachineMode = false, Extensions = extensions }));
    }

    /// <summary>Loads blobs, RAM disk and device tree, the latter two below the end of RAM; where the tree lies.</summary>
    private ulong LoadRest(BootMemory memory, Board board, BoardTree tree)
    {
        foreach ((ulong place, ReadOnlyMemory<byte> bytes) in Blobs)
            memory.Put(place, bytes.Span, 0, $"data at 0x{place:x}");

        ulong top = memory.End;
        MemoryRegion? disk = null;
        if (!InitialRamDisk.IsEmpty)
        {
            top = memory.Below(top, (ulong)InitialRamDisk.Length, "initial RAM disk");
            disk = new MemoryRegion(top, (ulong)InitialRamDisk.Length);
            memory.Put(top, InitialRamDisk.Span, 0, "initial RAM disk");
        }

        byte[] flat = DeviceTree.IsEmpty
            ? (tree with { CommandLine = CommandLine, InitialRamDisk = disk, RandomSeed = RandomSeed }).Build(board)
            : DeviceTree.ToArray();
        ulong address = memory.Below(top, (ulong)flat.Length, "device tree");
        memory.Put(address, flat, 0, "device tree");
        return address;
    }

    /// <summary>Loads an ELF, a Linux Image or raw bytes; its entry.</summary>
    private static ulong LoadImage(BootMemory memory, ReadOnlyMemory<byte> file, string name, ulong address, out ElfImage? elf)
    {
        elf = null;
        if (file.IsEmpty)
            throw new HypervisorException($"'{name}' is empty; give an ELF, a Linux Image or a raw image.");
        if (ElfImage.IsElf(file.Span))
        {
            elf = ElfImage.Parse(file, name);
            foreach (ElfSegment segment in elf.Segments)
                memory.Put(segment.PhysicalAddress, segment.Data.Span, segment.MemorySize, name);
            return elf.ToPhysical(elf.Entry);
        }

        if (LinuxImage.TryParse(file, name, out LinuxImage? image))
        {
            ulong load = image.LoadAddress(address);
            memory.Put(load, image.Data.Span, image.MemorySize, name);
            return load;
        }

        memory.Put(address, file.Span, 0, name);
        return address;
    }

    /// <summary>The structure by which firmware of the dynamic kind learns of the next stage (OpenSBI, fw_dynamic).</summary>
    private static void WriteFirmwareInfo(BootMemory memory, ulong address, ulong kernel)
    {
        Span<byte> info = stackalloc byte[48];
        ReadOnlySpan<ulong> words = [FirmwareInfoMagic, FirmwareInfoVersion, kernel, SupervisorMode, 0, 0];
        for (int i = 0; i < words.Length; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(info[(i * 8)..], words[i]);
        memory.Put(address, info, 0, "firmware information");
    }

    private static ulong? Symbol(ElfImage? elf, string name)
        => elf is not null && elf.TryGetSymbol(name, out ulong address) ? elf.ToPhysical(address) : null;
}
