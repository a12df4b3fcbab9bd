using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Hypervisor.Core;

namespace Hypervisor.Guests.Common;

/// <summary>The fields of the ELF header that outlive parsing.</summary>
internal readonly record struct ElfHeader(ushort Type, uint Flags, ulong Entry, int ProgramHeaderCount);

/// <summary>What the program headers say beside the loadable segments.</summary>
internal readonly record struct ElfProgramInfo(string? Interpreter, ulong? ProgramHeadersAddress, bool StackIsExecutable);

/// <summary>
/// Parses one image. Every offset from the file is checked against its length before it is used, and every table is
/// bounded, so a hostile file costs time and memory in proportion to its size at most.
/// </summary>
/// <param name="image">The file, or its beginning where its length is given.</param>
/// <param name="name">What messages call it.</param>
/// <param name="maximumMemory">The most bytes its segments may take.</param>
/// <param name="fileLength">The file's length where only its beginning is there: contents and symbols are left alone then.</param>
internal readonly struct ElfReader(ReadOnlyMemory<byte> image, string name, ulong maximumMemory, ulong? fileLength = null)
{
    // Real images have a dozen; the kernel's own limit is a page of them. A bound keeps the overlap check cheap.
    private const int MaximumProgramHeaders = 512;
    private const int MaximumInterpreterPath = 4096;

    private ReadOnlySpan<byte> Bytes => image.Span;

    public ElfImage Read()
    {
        CheckIdentity();
        var type = U16(16);
        CheckTypeAndMachine(type, U16(18));
        var flags = U32(48);
        CheckFlags(flags);
        var entry = U64(24);
        if ((entry & 1) != 0)
        {
            throw Bad($"its entry point {entry:x} is misaligned: instructions start at even addresses; the file is damaged");
        }

        var count = U16(56);
        var headers = ProgramHeaders(U64(32), U16(54), count);
        var segments = LoadableSegments(headers, count);
        var info = ReadProgramInfo(headers, count, segments);
        return new ElfImage(name, new ElfHeader(type, flags, entry, count), segments, info, fileLength is null ? Symbols() : default);
    }

    private void CheckIdentity()
    {
        var bytes = Bytes;
        if (bytes.Length >= 4 && !ElfImage.IsElf(bytes))
        {
            throw Bad("it does not begin with the ELF magic number; give an ELF file (or a Linux Image where a kernel is wanted)");
        }

        if (bytes.Length < 16)
        {
            throw Truncated("the ELF identification", 16);
        }

        switch (bytes[4])
        {
            case ElfFormat.Class64:
                break;
            case ElfFormat.Class32:
                throw Bad("it is a 32-bit ELF file; only 64-bit RISC-V images run here: rebuild it for riscv64");
            default:
                throw Bad($"its ELF class {bytes[4]} is unknown; the file is damaged");
        }

        switch (bytes[5])
        {
            case ElfFormat.LittleEndian:
                break;
            case ElfFormat.BigEndian:
                throw Bad("it is a big-endian ELF file; only little-endian RISC-V images run here: rebuild it for riscv64");
            default:
                throw Bad($"its ELF byte order {bytes[5]} is unknown; the file is damaged");
        }

        if (bytes[6] != 1)
        {
            throw Bad($"its ELF version {bytes[6]} is unknown (only version 1 exists); the file is damaged");
        }

        if (bytes.Length < ElfFormat.HeaderSize)
        {
            throw Truncated("the ELF header", ElfFormat.HeaderSize);
        }
    }

    private void CheckTypeAndMachine(ushort type, ushort machine)
    {
        if (machine != ElfFormat.MachineRiscV)
        {
            throw Bad($"it is built for {ElfFormat.MachineName(machine)}, not for RISC-V; use a riscv64 build of it");
        }

        switch (type)
        {
            case ElfFormat.TypeExecutable or ElfFormat.TypeDynamic:
                return;
            case ElfFormat.TypeRelocatable:
                throw Bad("it is an unlinked object file; link it into a program first");
            case ElfFormat.TypeCore:
                throw Bad("it is a core dump, not a program");
            default:
                throw Bad($"its ELF type {type} is neither an executable nor a position-independent one");
        }
    }

    private void CheckFlags(uint flags)
    {
        if ((flags & ElfFormat.FlagEmbedded) != 0)
        {
            throw Bad("it uses the RV64E calling convention, which is not supported; rebuild it for rv64gc (lp64d)");
        }

        if (((flags >> ElfFormat.FloatAbiShift) & 3) == ElfFormat.FloatAbiQuad)
        {
            throw Bad("it uses the quad-precision calling convention, which is not supported; rebuild it for rv64gc (lp64d)");
        }
    }

    private ReadOnlySpan<byte> ProgramHeaders(ulong offset, int entrySize, int count)
    {
        if (count == 0)
        {
            throw Bad("it has no program headers, so no loadable segment; link it into a program first");
        }

        if (count > MaximumProgramHeaders)
        {
            throw Bad($"it has {count} program headers; at most {MaximumProgramHeaders} are supported");
        }

        if (entrySize != ElfFormat.ProgramHeaderSize)
        {
            throw Bad($"its program headers have {entrySize} bytes each instead of {ElfFormat.ProgramHeaderSize}; the file is damaged");
        }

        return Part(offset, (ulong)(count * ElfFormat.ProgramHeaderSize), "the program headers");
    }

    private ElfSegment[] LoadableSegments(ReadOnlySpan<byte> headers, int count)
    {
        var segments = new List<ElfSegment>(4);
        ulong total = 0;
        for (var i = 0; i < count; i++)
        {
            var header = headers.Slice(i * ElfFormat.ProgramHeaderSize, ElfFormat.ProgramHeaderSize);
            if (BinaryPrimitives.ReadUInt32LittleEndian(header) != ElfFormat.SegmentLoad)
            {
                continue;
            }

            var segment = Segment(header, i);
            if (segment.MemorySize == 0)
            {
                continue;
            }

            if (segment.MemorySize > maximumMemory - total)
            {
                throw Bad($"segment {i} of {segment.MemorySize} bytes takes it over the limit of {maximumMemory} bytes of memory; "
                    + "raise the limit or use a smaller program");
            }

            total += segment.MemorySize;
            segments.Add(segment);
        }

        if (segments.Count == 0)
        {
            throw Bad("it has no loadable segment; link it into a program first");
        }

        segments.Sort((left, right) => left.VirtualAddress.CompareTo(right.VirtualAddress));
        for (var i = 1; i < segments.Count; i++)
        {
            if (segments[i].VirtualAddress < segments[i - 1].VirtualEnd)
            {
                throw Bad($"its segments at {segments[i - 1].VirtualAddress:x} and {segments[i].VirtualAddress:x} overlap; the file is damaged");
            }
        }

        return [.. segments];
    }

    private ElfSegment Segment(ReadOnlySpan<byte> header, int index)
    {
        var flags = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
        var offset = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        var virtualAddress = BinaryPrimitives.ReadUInt64LittleEndian(header[16..]);
        var physicalAddress = BinaryPrimitives.ReadUInt64LittleEndian(header[24..]);
        var fileSize = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        var memorySize = BinaryPrimitives.ReadUInt64LittleEndian(header[40..]);
        var alignment = Math.Max(1, BinaryPrimitives.ReadUInt64LittleEndian(header[48..]));
        if (fileSize != 0)
        {
            CheckPart(offset, fileSize, fileLength ?? (ulong)image.Length, "segment", index);
        }

        var data = fileSize == 0 || fileLength is not null ? default : PartMemory(offset, fileSize, "segment", index);
        if (memorySize < fileSize)
        {
            throw Bad($"segment {index} has {fileSize} bytes in the file but only {memorySize} in memory; the file is damaged");
        }

        if (memorySize > 0 && (virtualAddress > ulong.MaxValue - memorySize || physicalAddress > ulong.MaxValue - memorySize))
        {
            throw Bad($"segment {index} of {memorySize} bytes at {virtualAddress:x} runs past the end of the address space; the file is damaged");
        }

        if (!BitOperations.IsPow2(alignment))
        {
            throw Bad($"segment {index} is misaligned: its alignment {alignment:x} is not a power of two; the file is damaged");
        }

        if (fileSize > 0 && ((virtualAddress - offset) & (alignment - 1)) != 0)
        {
            throw Bad($"segment {index} is misaligned: address {virtualAddress:x} and file offset {offset:x} differ modulo "
                + $"its alignment {alignment:x}; the file is damaged");
        }

        var access = (ElfAccess)(flags & (uint)(ElfAccess.Read | ElfAccess.Write | ElfAccess.Execute));
        return new ElfSegment(virtualAddress, physicalAddress, memorySize, data, offset, access, alignment) { FileSize = fileSize };
    }

    private ElfProgramInfo ReadProgramInfo(ReadOnlySpan<byte> headers, int count, ElfSegment[] segments)
    {
        string? interpreter = null;
        ulong? headersAddress = null;
        var stackIsExecutable = false;
        for (var i = 0; i < count; i++)
        {
            var header = headers.Slice(i * ElfFormat.ProgramHeaderSize, ElfFormat.ProgramHeaderSize);
            switch (BinaryPrimitives.ReadUInt32LittleEndian(header))
            {
                case ElfFormat.SegmentInterpreter when interpreter is not null:
                    throw Bad("it names two interpreters; the file is damaged");
                case ElfFormat.SegmentInterpreter:
                    interpreter = ReadInterpreter(
                        BinaryPrimitives.ReadUInt64LittleEndian(header[8..]),
                        BinaryPrimitives.ReadUInt64LittleEndian(header[32..]));
                    break;
                case ElfFormat.SegmentProgramHeaders:
                    headersAddress = BinaryPrimitives.ReadUInt64LittleEndian(header[16..]);
                    break;
                case ElfFormat.SegmentGnuStack:
                    stackIsExecutable = (BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) & (uint)ElfAccess.Execute) != 0;
                    break;
            }
        }

        return new ElfProgramInfo(interpreter, headersAddress ?? FindHeaders(U64(32), count, segments), stackIsExecutable);
    }

    /// <summary>Without a PT_PHDR the headers are still in memory where a segment covers their place in the file.</summary>
    private static ulong? FindHeaders(ulong offset, int count, ElfSegment[] segments)
    {
        foreach (var segment in segments)
        {
            var length = segment.FileSize;
            if (offset >= segment.FileOffset && offset - segment.FileOffset < length
                && (ulong)(count * ElfFormat.ProgramHeaderSize) <= length - (offset - segment.FileOffset))
            {
                return segment.VirtualAddress + (offset - segment.FileOffset);
            }
        }

        return null;
    }

    private string ReadInterpreter(ulong offset, ulong size)
    {
        if (size is < 2 or > MaximumInterpreterPath)
        {
            throw Bad($"its interpreter path has {size} bytes (2 to {MaximumInterpreterPath} are valid); the file is damaged");
        }

        var path = Part(offset, size, "the interpreter path");
        if (path.IndexOf((byte)0) != path.Length - 1)
        {
            throw Bad("its interpreter path is not one zero-terminated string; the file is damaged");
        }

        return Encoding.UTF8.GetString(path[..^1]);
    }

    private ElfSymbolTable Symbols()
    {
        var offset = U64(40);
        int count = U16(60);
        if (offset == 0 || count == 0)
        {
            return default;
        }

        if (U16(58) != ElfFormat.SectionHeaderSize)
        {
            throw Bad($"its section headers have {U16(58)} bytes each instead of {ElfFormat.SectionHeaderSize}; the file is damaged");
        }

        var table = Part(offset, (ulong)(count * ElfFormat.SectionHeaderSize), "the section headers");
        for (var i = 0; i < count; i++)
        {
            var section = table.Slice(i * ElfFormat.SectionHeaderSize, ElfFormat.SectionHeaderSize);
            if (BinaryPrimitives.ReadUInt32LittleEndian(section[4..]) != ElfFormat.SectionSymbols)
            {
                continue;
            }

            var link = BinaryPrimitives.ReadUInt32LittleEndian(section[40..]);
            if (link >= (uint)count)
            {
                throw Bad($"its symbol table names section {link} of {count} for its strings; the file is damaged");
            }

            var strings = table.Slice((int)link * ElfFormat.SectionHeaderSize, ElfFormat.SectionHeaderSize);
            if (BinaryPrimitives.ReadUInt32LittleEndian(strings[4..]) != ElfFormat.SectionStrings)
            {
                throw Bad($"its symbol table takes its strings from section {link}, which is no string table; the file is damaged");
            }

            return new ElfSymbolTable(SectionPart(section, "the symbol table"), SectionPart(strings, "the symbol names"));
        }

        return default;
    }

    private ReadOnlyMemory<byte> SectionPart(ReadOnlySpan<byte> section, string what) => PartMemory(
        BinaryPrimitives.ReadUInt64LittleEndian(section[24..]), BinaryPrimitives.ReadUInt64LittleEndian(section[32..]), what);

    private ReadOnlySpan<byte> Part(ulong offset, ulong size, string what) => PartMemory(offset, size, what).Span;

    private ReadOnlyMemory<byte> PartMemory(ulong offset, ulong size, string what, int index = -1)
    {
        CheckPart(offset, size, (ulong)image.Length, what, index);
        return image.Slice((int)offset, (int)size);
    }

    /// <summary>Checks that a part is in the file. Its name and number become text only where it is not.</summary>
    private void CheckPart(ulong offset, ulong size, ulong length, string what, int index = -1)
    {
        if (offset > length || size > length - offset)
        {
            throw Bad($"{(index < 0 ? what : $"{what} {index}")} ({size} bytes at offset {offset}) reaches past the end of the file ({length} bytes); "
                + "the file is truncated or damaged: fetch it again");
        }
    }

    private ushort U16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(Bytes[offset..]);

    private uint U32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes[offset..]);

    private ulong U64(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(Bytes[offset..]);

    private HypervisorException Truncated(string what, int needed)
        => Bad($"it is truncated: {what} takes {needed} bytes, the file has {image.Length}; fetch it again");

    private HypervisorException Bad(string reason) => new($"Cannot load '{name}': {reason}.");
}
