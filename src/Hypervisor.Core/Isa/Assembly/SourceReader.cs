namespace Hypervisor.Core.Isa.Assembly;

/// <summary>Goes through a source once: labels, conditions, macros, repetitions; hands the rest to its specialists.</summary>
internal sealed class SourceReader
{
    private readonly AssemblyContext _context;
    private readonly Directives _directives;
    private readonly InstructionAssembler _instructions;
    private readonly StatementFeed _feed;
    private readonly Dictionary<string, Macro> _macros = new(StringComparer.Ordinal);
    private readonly Stack<Condition> _conditions = new();

    internal SourceReader(AssemblyContext context, string source)
    {
        _context = context;
        _directives = new Directives(context);
        _instructions = new InstructionAssembler(context);
        _feed = new StatementFeed(SourceLine.Split(source, (line, message) => context.Report(line, message)));
    }

    /// <summary>Reads everything; errors are noted in the context.</summary>
    internal void Read()
    {
        while (TryNext(out var line))
        {
            _context.Line = line.Number;
            _context.Where = _feed.Where;
            try
            {
                Statement(line);
            }
            catch (AssemblyErrorException error)
            {
                _context.Report(line.Number, error.Message, _context.Where);
            }
        }

        if (_conditions.TryPeek(out var open))
        {
            _context.Report(open.Line, ".endif missing for this .if");
        }
    }

    private bool TryNext(out SourceLine line)
    {
        try
        {
            return _feed.TryNext(out line);
        }
        catch (AssemblyErrorException error)
        {
            // More statements than any sane source has: nothing after this point would mean anything.
            _context.Report(_context.Line, error.Message, _feed.Where);
            line = default;
            return false;
        }
    }

    private bool IsSkipping => _conditions.TryPeek(out var condition) && !condition.IsActive;

    private void Statement(SourceLine line)
    {
        var text = line.Text.AsSpan();
        if (!IsSkipping)
        {
            text = Labels(text);
            if (text.IsEmpty)
            {
                return;
            }
        }

        var end = text.IndexOfAny(' ', '\t');
        var word = (end < 0 ? text : text[..end]).ToString();
        var rest = end < 0 ? "" : text[end..].Trim().ToString();
        if (TryCondition(word, rest) || IsSkipping || TryAssignment(text))
        {
            return;
        }

        if (_macros.TryGetValue(word, out var macro))
        {
            _feed.Call(macro, rest, line.Number);
        }
        else if (word[0] != '.')
        {
            _instructions.Assemble(word.ToLowerInvariant(), SourceLine.Operands(rest));
        }
        else if (!TryBlock(word, rest))
        {
            _directives.Run(word, rest);
        }
    }

    private ReadOnlySpan<char> Labels(ReadOnlySpan<char> text)
    {
        while (true)
        {
            var end = 0;
            while (end < text.Length && SourceLine.IsNameCharacter(text[end]))
            {
                end++;
            }

            var colon = end;
            while (colon < text.Length && text[colon] is ' ' or '\t')
            {
                colon++;
            }

            if (end == 0 || colon == text.Length || text[colon] != ':')
            {
                return text;
            }

            var name = text[..end];
            if (!char.IsAsciiDigit(name[0]))
            {
                _context.Symbols.DefineLabel(name.ToString(), _context.Here, _context.Line);
            }
            else if (int.TryParse(name, out var number))
            {
                _context.Symbols.DefineLocal(number, _context.Here, _context.Line);
            }
            else
            {
                throw new AssemblyErrorException($"'{name}' is not a label: a name may not start with a digit");
            }

            text = text[(colon + 1)..].TrimStart();
        }
    }

    private bool TryAssignment(ReadOnlySpan<char> text)
    {
        var end = 0;
        while (end < text.Length && SourceLine.IsNameCharacter(text[end]))
        {
            end++;
        }

        var rest = text[end..].TrimStart();
        if (end == 0 || rest.IsEmpty || rest[0] != '=' || rest.StartsWith("=="))
        {
            return false;
        }

        _context.Symbols.Assign(text[..end].ToString(), _context.Parse(rest[1..].Trim()), _context.Line);
        return true;
    }

    private bool TryBlock(string word, string rest)
    {
        switch (word)
        {
            case ".macro":
                DefineMacro(rest);
                return true;
            case ".rept":
                // The block is taken first, so that a wrong count does not leave its body behind.
                var body = _feed.TakeBlock([".rept", ".irp"], ".endr");
                _feed.Repeat(body, _context.Constant(rest, "the count"));
                return true;
            case ".irp":
                var lines = _feed.TakeBlock([".irp", ".rept"], ".endr");
                var values = StatementFeed.Arguments(rest);
                if (values.Count == 0)
                {
                    throw new AssemblyErrorException(".irp needs a parameter and its values");
                }

                _feed.RepeatFor(lines, values[0], values[1..]);
                return true;
            case ".endm" or ".endr":
                throw new AssemblyErrorException($"{word} without its beginning");
            case ".purgem":
                _macros.Remove(rest);
                return true;
            default:
                return false;
        }
    }

    private void DefineMacro(string text)
    {
        var body = _feed.TakeBlock([".macro"], ".endm");
        var words = StatementFeed.Arguments(text);
        if (words.Count == 0)
        {
            throw new AssemblyErrorException(".macro needs a name");
        }

        var parameters = new List<MacroParameter>();
        foreach (var word in words[1..])
        {
            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var head = (equals < 0 ? word : word[..equals]).Trim();
            var colon = head.IndexOf(':', StringComparison.Ordinal);
            var kind = colon < 0 ? "" : head[(colon + 1)..];
            parameters.Add(new MacroParameter(
                (colon < 0 ? head : head[..colon]).TrimStart('\\'),
                equals < 0 ? "" : word[(equals + 1)..].Trim(),
                kind == "req",
                kind == "vararg"));
        }

        if (!_macros.TryAdd(words[0], new Macro(words[0], parameters, body)))
        {
            throw new AssemblyErrorException($"macro '{words[0]}' is already defined");
        }
    }

    private bool TryCondition(string word, string rest)
    {
        switch (word)
        {
            case ".if" or ".ifdef" or ".ifndef" or ".ifeq" or ".ifne" or ".ifb" or ".ifnb":
                // Inside a skipped part the condition is not looked at: neither of its branches counts.
                var isSkipped = IsSkipping;
                var condition = new Condition { Line = _context.Line, WasActive = true };
                _conditions.Push(condition);
                condition.IsActive = !isSkipped && Holds(word, rest);
                condition.WasActive = isSkipped || condition.IsActive;
                return true;
            case ".elseif" or ".else":
                if (!_conditions.TryPeek(out var current) || current.HasElse)
                {
                    throw new AssemblyErrorException($"{word} without .if");
                }

                current.HasElse = word == ".else";
                current.IsActive = !current.WasActive && (current.HasElse || Holds(".if", rest));
                current.WasActive |= current.IsActive;
                return true;
            case ".endif":
                return _conditions.TryPop(out _) ? true : throw new AssemblyErrorException(".endif without .if");
            default:
                return false;
        }
    }

    private bool Holds(string word, string text) => word switch
    {
        ".ifdef" => _context.Symbols.IsDefined(text),
        ".ifndef" => !_context.Symbols.IsDefined(text),
        ".ifb" => text.Length == 0,
        ".ifnb" => text.Length != 0,
        ".ifeq" => _context.Constant(text, "the condition") == 0,
        _ => _context.Constant(text, "the condition") != 0,
    };

    private sealed class Condition
    {
        internal int Line { get; init; }

        internal bool IsActive { get; set; }

        internal bool WasActive { get; set; }

        internal bool HasElse { get; set; }
    }
}
