using System.Text;
using Hypervisor.Core;

namespace Hypervisor.Guests.Common;

/// <summary>
/// A RISC-V ELF-64 program or kernel, checked whole before anything of it is used: static, position-independent, or
/// dynamic with an interpreter. Parsing copies nothing: segments are windows into the given bytes, so those must not change.
/// </summary>
public sealed class ElfImage
{
    /// <summary>The most memory an image may ask for where the caller sets no limit: 4 GiB.</summary>
    public const ulong DefaultMaximumMemory = 4UL << 30;

    private readonly ElfSymbolTable _symbols;

    internal ElfImage(string name, in ElfHeader header, ElfSegment[] segments, ElfProgramInfo info, ElfSymbolTable symbols)
    {
        Name = name;
        Entry = header.Entry;
        IsPositionIndependent = header.Type == ElfFormat.TypeDynamic;
        UsesCompressed = (header.Flags & ElfFormat.FlagCompressed) != 0;
        FloatAbi = (ElfFloatAbi)((header.Flags >> ElfFormat.FloatAbiShift) & 3);
        Segments = segments;
        Interpreter = info.Interpreter;
        ProgramHeadersAddress = info.ProgramHeadersAddress;
        ProgramHeaderCount = header.ProgramHeaderCount;
        StackIsExecutable = info.StackIsExecutable;
        _symbols = symbols;
    }

    /// <summary>What the image was called when it was parsed; used in messages.</summary>
    public string Name { get; }

    /// <summary>The first instruction's virtual address, before any load bias.</summary>
    public ulong Entry { get; }

    /// <summary>Whether the image may be loaded at any (page-aligned) bias.</summary>
    public bool IsPositionIndependent { get; }

    /// <summary>Whether the image holds compressed instructions.</summary>
    public bool UsesCompressed { get; }

    /// <summary>The floating-point calling convention.</summary>
    public ElfFloatAbi FloatAbi { get; }

    /// <summary>The loadable segments in rising address order; at least one, none overlapping.</summary>
    public IReadOnlyList<ElfSegment> Segments { get; }

    /// <summary>The path of the dynamic loader the program asks for, or null when it needs none.</summary>
    public string? Interpreter { get; }

    /// <summary>
    /// Where the program headers lie in the loaded image (what <c>AT_PHDR</c> tells, before any bias), or null when no
    /// segment holds them.
    /// </summary>
    public ulong? ProgramHeadersAddress { get; }

    /// <summary>How many program headers there are (<c>AT_PHNUM</c>).</summary>
    public int ProgramHeaderCount { get; }

    /// <summary>The size of one program header (<c>AT_PHENT</c>).</summary>
    public int ProgramHeaderSize => ElfFormat.ProgramHeaderSize;

    /// <summary>Whether the program asks for an executable stack (<c>PT_GNU_STACK</c>).</summary>
    public bool StackIsExecutable { get; }

    /// <summary>The lowest virtual address of any segment.</summary>
    public ulong LowestAddress => Segments[0].VirtualAddress;

    /// <summary>The first virtual address behind the highest segment.</summary>
    public ulong EndAddress => Segments[^1].VirtualEnd;

    /// <summary>Whether the bytes begin as an ELF file does, whatever its kind.</summary>
    /// <param name="image">The file's bytes.</param>
    public static bool IsElf(ReadOnlySpan<byte> image) => image.StartsWith("\u007fELF"u8);

    /// <summary>Checks and reads an image.</summary>
    /// <param name="image">The whole file.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <param name="maximumMemory">The most bytes its segments may take in memory together.</param>
    /// <exception cref="HypervisorException">The file is not a loadable RISC-V ELF-64 image; the message says why.</exception>
    public static ElfImage Parse(ReadOnlyMemory<byte> image, string name, ulong maximumMemory = DefaultMaximumMemory)
        => new ElfReader(image, name, maximumMemory).Read();

    /// <summary>Checks and reads an image from its beginning alone: its segments have no data, and it no symbols.</summary>
    /// <param name="head">The file's first bytes, with the headers and the interpreter's path among them.</param>
    /// <param name="length">The whole file's length.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <exception cref="HypervisorException">It is not loadable, or its headers lie behind the bytes given.</exception>
    internal static ElfImage ParseHead(ReadOnlyMemory<byte> head, ulong length, string name)
        => new ElfReader(head, name, DefaultMaximumMemory, length).Read();

    /// <summary>Looks up a defined symbol in the image's symbol table; an image without one (stripped) has no symbols.</summary>
    /// <param name="symbol">The exact name, such as <c>tohost</c>.</param>
    /// <param name="address">The symbol's virtual address, before any load bias.</param>
    public bool TryGetSymbol(string symbol, out ulong address)
        => _symbols.TryGet(Encoding.UTF8.GetBytes(symbol), out address);

    /// <summary>The physical address of a virtual one inside a segment, or the same address outside every segment.</summary>
    /// <param name="virtualAddress">An address as the image's symbols and entry give it.</param>
    public ulong ToPhysical(ulong virtualAddress)
    {
        foreach (var segment in Segments)
        {
            if (virtualAddress - segment.VirtualAddress < segment.MemorySize)
            {
                return virtualAddress - segment.VirtualAddress + segment.PhysicalAddress;
            }
        }

        return virtualAddress;
    }
}
