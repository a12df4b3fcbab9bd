using Hypervisor.Core.Isa.Assembly;

namespace Hypervisor.Core.Isa;

/// <summary>What <see cref="Assembler"/> made of a source: sections with addresses, and symbols.</summary>
public sealed class AssembledProgram
{
    private const ulong MaximumImage = 1UL << 30;

    internal AssembledProgram(
        IReadOnlyList<AssembledSection> sections, IReadOnlyDictionary<string, ulong> symbols,
        IReadOnlySet<string> globalSymbols, IReadOnlySet<string> labelNames)
    {
        Sections = sections;
        Symbols = symbols;
        GlobalSymbols = globalSymbols;
        LabelNames = labelNames;
        Entry = symbols.TryGetValue("_start", out var start)
            ? start
            : (sections.FirstOrDefault(section => section.IsExecutable) ?? sections.FirstOrDefault())?.Address ?? 0;
    }

    /// <summary>The sections in the order of their addresses.</summary>
    public IReadOnlyList<AssembledSection> Sections { get; }

    /// <summary>All named labels by address, and all assigned symbols by value.</summary>
    public IReadOnlyDictionary<string, ulong> Symbols { get; }

    /// <summary>Where to start: <c>_start</c>, or the first code.</summary>
    public ulong Entry { get; }

    /// <summary>The address of the first byte of <see cref="ToImage"/>.</summary>
    public ulong ImageBase => Sections.Count == 0 ? 0 : Sections.Min(section => section.Address);

    internal IReadOnlySet<string> GlobalSymbols { get; }

    internal IReadOnlySet<string> LabelNames { get; }

    /// <summary>
    /// The content of memory from <see cref="ImageBase"/> to the end of the last section that has content, gaps filled
    /// with zeros. Sections like .bss after it are not part of it: they need zeroed memory.
    /// </summary>
    /// <exception cref="HypervisorException">The sections lie so far apart that the image would exceed 1 GiB.</exception>
    public byte[] ToImage()
    {
        var filled = Sections.Where(section => !section.IsZeroed).ToArray();
        if (filled.Length == 0)
        {
            return [];
        }

        var length = filled.Max(section => section.Address + section.Size) - ImageBase;
        if (length > MaximumImage)
        {
            throw new HypervisorException(
                $"the sections span {length} bytes, too far apart for one flat image; place them closer or use ToElf");
        }

        var image = new byte[length];
        foreach (var section in filled)
        {
            section.Bytes.Span.CopyTo(image.AsSpan((int)(section.Address - ImageBase)));
        }

        return image;
    }

    /// <summary>
    /// The program as a static ELF64 executable for RISC-V, one loadable segment for each kind of access, with its symbols.
    /// </summary>
    public byte[] ToElf() => ElfWriter.Write(this);
}

/// <summary>One section of an <see cref="AssembledProgram"/>.</summary>
public sealed class AssembledSection
{
    internal AssembledSection(SectionBuffer section)
    {
        Name = section.Name;
        Address = section.Address;
        Size = (ulong)section.Size;
        Bytes = section.Bytes.ToArray();
        IsWritable = section.IsWritable;
        IsExecutable = section.IsExecutable;
        IsZeroed = section.IsZeroed;
    }

    /// <summary>Its name, such as <c>.text</c>.</summary>
    public string Name { get; }

    /// <summary>The address of its first byte.</summary>
    public ulong Address { get; }

    /// <summary>Its size in memory.</summary>
    public ulong Size { get; }

    /// <summary>Its content; empty where <see cref="IsZeroed"/>.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Whether programs may write to it.</summary>
    public bool IsWritable { get; }

    /// <summary>Whether it holds code.</summary>
    public bool IsExecutable { get; }

    /// <summary>Whether it has only a size, and starts as zeros (.bss).</summary>
    public bool IsZeroed { get; }
}
