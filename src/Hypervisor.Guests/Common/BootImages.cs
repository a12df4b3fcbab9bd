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
    private const ulong PageMask = GuestMemory.PageSize - 1;

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

    /// <summary>Entropy for the kernel; empty for none.</summary>
    public ReadOnlyMemory<byte> RandomSeed { get; init; }

    /// <summary>Further bytes to be put into RAM after the kernel: (address, bytes).</summary>
    public IReadOnlyList<(ulong Address, ReadOnlyMemory<byte> Bytes)> Blobs { get; init; } = [];

    /// <summary>Puts everything into the guest's RAM.</summary>
    /// <exception cref="HypervisorException">Something does not fit.</exception>
    internal BootLayout Load(BoardGuest guest)
    {
        GuestMemory memory = guest.Machine.Memory;
        ulong ram = memory.Region.Base;
        bool hasFirmware = !Firmware.IsEmpty;
        ulong entry = hasFirmware ? LoadImage(memory, Firmware, "firmware", ram, out _) : 0;
        ulong kernel = LoadImage(memory, Kernel, KernelName, hasFirmware ? ram + DefaultKernelOffset : ram, out ElfImage? elf);
        if (!hasFirmware)
            entry = kernel;
        ulong treeAddress = LoadRest(memory, guest.Board, new BoardTree());
        ulong info = 0;
        if (hasFirmware)
        {
            info = Below(treeAddress, GuestMemory.PageSize, ram, "firmware information");
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
        GuestMemory memory = board.Memory;
        ulong entry = LoadImage(memory, Kernel, KernelName, memory.Region.Base + DefaultKernelOffset, out _);
        return (entry, LoadRest(memory, board, new BoardTree { MachineMode = false, Extensions = extensions }));
    }

    /// <summary>Loads blobs, RAM disk and device tree, the latter two below the end of RAM; where the tree lies.</summary>
    private ulong LoadRest(GuestMemory memory, Board board, BoardTree tree)
    {
        ulong ram = memory.Region.Base;
        foreach ((ulong place, ReadOnlyMemory<byte> bytes) in Blobs)
            Write(memory, place, bytes.Span, $"data at 0x{place:x}");

        ulong top = ram + memory.Region.Size;
        MemoryRegion? disk = null;
        if (!InitialRamDisk.IsEmpty)
        {
            top = Below(top, (ulong)InitialRamDisk.Length, ram, "initial RAM disk");
            disk = new MemoryRegion(top, (ulong)InitialRamDisk.Length);
            Write(memory, top, InitialRamDisk.Span, "initial RAM disk");
        }

        byte[] flat = (tree with { CommandLine = CommandLine, InitialRamDisk = disk, RandomSeed = RandomSeed }).Build(board);
        ulong address = Below(top, (ulong)flat.Length, ram, "device tree");
        Write(memory, address, flat, "device tree");
        return address;
    }

    /// <summary>Loads an ELF, a Linux Image or raw bytes; its entry.</summary>
    private static ulong LoadImage(GuestMemory memory, ReadOnlyMemory<byte> file, string name, ulong address, out ElfImage? elf)
    {
        elf = null;
        if (ElfImage.IsElf(file.Span))
        {
            elf = ElfImage.Parse(file, name);
            foreach (ElfSegment segment in elf.Segments)
            {
                if (!memory.Contains(segment.PhysicalAddress, segment.MemorySize))
                    throw DoesNotFit(memory, name, segment.PhysicalAddress, segment.MemorySize);
                Write(memory, segment.PhysicalAddress, segment.Data.Span, name);
            }

            return elf.ToPhysical(elf.Entry);
        }

        if (LinuxImage.TryParse(file, name, out LinuxImage? image))
        {
            ulong load = image.LoadAddress(address);
            if (!memory.Contains(load, image.MemorySize))
                throw DoesNotFit(memory, name, load, image.MemorySize);
            Write(memory, load, image.Data.Span, name);
            return load;
        }

        Write(memory, address, file.Span, name);
        return address;
    }

    private static ulong Below(ulong top, ulong length, ulong bottom, string what)
        => length <= top - bottom
            ? (top - length) & ~PageMask
            : throw new HypervisorException($"The {what} of {length} bytes does not fit into the guest's RAM; give it more memory.");

    private static void Write(GuestMemory memory, ulong address, ReadOnlySpan<byte> bytes, string name)
    {
        if (!memory.TryWrite(address, bytes))
            throw DoesNotFit(memory, name, address, (ulong)bytes.Length);
    }

    private static HypervisorException DoesNotFit(GuestMemory memory, string name, ulong address, ulong length)
        => new($"'{name}' needs 0x{length:x} bytes at 0x{address:x}, but the guest's RAM is 0x{memory.Region.Size:x} bytes at 0x{memory.Region.Base:x}; "
            + "give it more memory, or link the image for this address.");

    /// <summary>The structure by which firmware of the dynamic kind learns of the next stage (OpenSBI, fw_dynamic).</summary>
    private static void WriteFirmwareInfo(GuestMemory memory, ulong address, ulong kernel)
    {
        Span<byte> info = stackalloc byte[48];
        ReadOnlySpan<ulong> words = [FirmwareInfoMagic, FirmwareInfoVersion, kernel, SupervisorMode, 0, 0];
        for (int i = 0; i < words.Length; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(info[(i * 8)..], words[i]);
        Write(memory, address, info, "firmware information");
    }

    private static ulong? Symbol(ElfImage? elf, string name)
        => elf is not null && elf.TryGetSymbol(name, out ulong address) ? elf.ToPhysical(address) : null;
}
