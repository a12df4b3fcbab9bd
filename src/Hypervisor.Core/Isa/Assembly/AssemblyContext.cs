namespace Hypervisor.Core.Isa.Assembly;

/// <summary>What the parts of the assembler share while a source is read: sections, symbols, waiting places, errors.</summary>
internal sealed class AssemblyContext(AssemblerOptions options)
{
    private const int MaximumErrors = 20;
    private const long MaximumSize = 256L << 20;

    private readonly Dictionary<string, SectionBuffer> _sections = new(StringComparer.Ordinal);
    private readonly List<SectionBuffer> _order = [];
    private readonly Stack<(SectionBuffer Section, SectionBuffer Previous)> _sectionStack = new();
    private readonly List<Fixup> _fixups = [];
    private readonly List<string> _errors = [];
    private SectionBuffer? _section;
    private SectionBuffer? _previous;
    private long _totalSize;

    internal AssemblerOptions Options { get; } = options;

    internal SymbolTable Symbols { get; } = new();

    internal IReadOnlyList<SectionBuffer> Sections => _order;

    internal IReadOnlyList<Fixup> Fixups => _fixups;

    /// <summary>The line of the statement at work.</summary>
    internal int Line { get; set; }

    /// <summary>In which macro call that statement stands; empty outside of macros.</summary>
    internal string Where { get; set; } = "";

    internal bool HasErrors => _errors.Count > 0;

    internal SectionBuffer Section
    {
        get => _section ??= GetSection(".text", null, null);
        set
        {
            _previous = _section ?? value;
            _section = value;
        }
    }

    internal AssemblyValue Here => new(Section.Size, Section);

    /// <summary>Notes an error; with the twentieth gives up.</summary>
    internal void Report(int line, string message, string where = "")
    {
        _errors.Add($"{Options.Name}:{line}: {message}{where}");
        if (_errors.Count == MaximumErrors)
        {
            _errors.Add($"stopped after {MaximumErrors} errors");
            ThrowIfErrors();
        }
    }

    internal void ThrowIfErrors()
    {
        if (HasErrors)
        {
            throw new HypervisorException(string.Join('\n', _errors));
        }
    }

    /// <summary>Finds a section, or makes it with its flags (null: by its name) and whether it is without content.</summary>
    internal SectionBuffer GetSection(string name, string? flags, bool? isZeroed)
    {
        if (!_sections.TryGetValue(name, out var section))
        {
            flags ??= FlagsByName(name);
            section = new SectionBuffer(name, flags.Contains('w'), flags.Contains('x'), isZeroed ?? HasPrefix(name, ".bss", ".sbss"));
            _sections.Add(name, section);
            _order.Add(section);
        }

        return section;
    }

    internal void PushSection(SectionBuffer section)
    {
        _sectionStack.Push((Section, _previous ?? Section));
        Section = section;
    }

    internal void PopSection()
        => (_section, _previous) = _sectionStack.TryPop(out var saved)
            ? saved
            : throw new AssemblyErrorException(".popsection without .pushsection");

    internal void SwapSection() => Section = _previous ?? Section;

    /// <summary>Parses an expression at the current place.</summary>
    internal Expression Parse(ReadOnlySpan<char> text) => ExpressionParser.Parse(text, Symbols, Here);

    /// <summary>The value of an expression that must be a plain number here and now.</summary>
    internal long Constant(ReadOnlySpan<char> text, string what)
        => Parse(text).Evaluate(Symbols, final: false) is { Section: null, Number: var number }
            ? number
            : throw new AssemblyErrorException($"{what} '{text}' must be a constant that is known at this line");

    internal void AddFixup(FixupKind kind, Expression value, Opcode opcode)
    {
        if (Section.IsZeroed)
        {
            throw new AssemblyErrorException($"section {Section.Name} has no content, only zeros fit in; use .data");
        }

        _fixups.Add(new Fixup(kind, Section, Section.Size, value, opcode, Line, Where));
    }

    internal void EmitWord(uint word)
    {
        Reserve(4);
        Section.AppendWord(word);
    }

    internal void Emit(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length);
        Section.Append(bytes);
    }

    internal void EmitFill(byte value, long count)
    {
        Reserve(count);
        Section.AppendFill(value, count);
    }

    private void Reserve(long count)
    {
        if (count < 0 || count > MaximumSize - _totalSize)
        {
            throw new AssemblyErrorException(
                count < 0 ? $"size {count} is negative" : $"the program grows beyond {MaximumSize >> 20} MiB");
        }

        _totalSize += count;
    }

    private static string FlagsByName(string name)
        => HasPrefix(name, ".text", ".init", ".fini") ? "ax"
            : HasPrefix(name, ".rodata", ".srodata") ? "a"
            : HasPrefix(name, ".data", ".sdata", ".bss", ".sbss") ? "aw"
            : throw new AssemblyErrorException($"section {name} needs flags, such as .section {name},\"aw\"");

    private static bool HasPrefix(string name, params ReadOnlySpan<string> prefixes)
    {
        foreach (var prefix in prefixes)
        {
            if (name.StartsWith(prefix, StringComparison.Ordinal) && (name.Length == prefix.Length || name[prefix.Length] == '.'))
            {
                return true;
            }
        }

        return false;
    }
}
