using System.Text;

namespace Hypervisor.Core.Isa.Assembly;

/// <summary>A macro: its parameters and its body.</summary>
internal sealed record Macro(string Name, IReadOnlyList<MacroParameter> Parameters, IReadOnlyList<SourceLine> Body);

/// <summary>One parameter of a macro.</summary>
internal sealed record MacroParameter(string Name, string Default, bool IsRequired, bool TakesRest);

/// <summary>Hands out statements: of the source, and of the macro calls and repetitions within it.</summary>
internal sealed class StatementFeed
{
    private const int MaximumDepth = 200;
    private const int MaximumLength = 65536;
    private const int MaximumStatements = 4_000_000;

    private readonly Stack<Frame> _frames = new();
    private int _handedOut;
    private int _calls;

    internal StatementFeed(IReadOnlyList<SourceLine> source) => _frames.Push(new Frame(source, "", 1));

    /// <summary>In which macro calls the last statement stands, for messages.</summary>
    internal string Where { get; private set; } = "";

    /// <summary>The next statement; false at the end of the source.</summary>
    internal bool TryNext(out SourceLine line)
    {
        while (_frames.TryPeek(out var frame))
        {
            if (frame.Index < frame.Lines.Count)
            {
                if (++_handedOut > MaximumStatements)
                {
                    throw new AssemblyErrorException($"macros and repetitions make more than {MaximumStatements} statements");
                }

                Where = frame.Where;
                line = frame.Lines[frame.Index++];
                return true;
            }

            frame.Index = 0;
            if (--frame.Remaining <= 0 || frame.Lines.Count == 0)
            {
                _frames.Pop();
            }
        }

        line = default;
        return false;
    }

    /// <summary>Takes the statements up to the directive that closes a block; blocks of the same kind may nest.</summary>
    internal List<SourceLine> TakeBlock(ReadOnlySpan<string> openings, string closing)
    {
        var body = new List<SourceLine>();
        var depth = 1;
        while (TryNext(out var line))
        {
            var word = FirstWord(line.Text);
            if (word.SequenceEqual(closing) && --depth == 0)
            {
                return body;
            }

            foreach (var opening in openings)
            {
                depth += word.SequenceEqual(opening) ? 1 : 0;
            }

            body.Add(line);
        }

        throw new AssemblyErrorException($"{closing} missing for this {openings[0]}");
    }

    /// <summary>The statement's first word: its label, directive or instruction.</summary>
    internal static ReadOnlySpan<char> FirstWord(string text)
    {
        var end = text.AsSpan().IndexOfAny(' ', '\t');
        return end < 0 ? text : text.AsSpan(0, end);
    }

    internal void Repeat(List<SourceLine> body, long count)
    {
        if (count > 0)
        {
            Push(body, Where, count > MaximumStatements ? MaximumStatements : (int)count);
        }
    }

    internal void Call(Macro macro, ReadOnlySpan<char> arguments, int line)
    {
        var values = Bind(macro, Arguments(arguments));
        var call = _calls++;
        var body = new List<SourceLine>(macro.Body.Count);
        foreach (var bodyLine in macro.Body)
        {
            body.Add(bodyLine with { Text = Substitute(bodyLine.Text, values, call) });
        }

        Push(body, $" (in macro {macro.Name}, called in line {line})", 1);
    }

    /// <summary>Repeats a block once for each value of a parameter (<c>.irp</c>).</summary>
    internal void RepeatFor(List<SourceLine> body, string parameter, IReadOnlyList<string> values)
    {
        var lines = new List<SourceLine>();
        foreach (var value in values)
        {
            var bound = new Dictionary<string, string>(StringComparer.Ordinal) { [parameter] = value };
            lines.AddRange(body.Select(line => line with { Text = Substitute(line.Text, bound, call: null) }));
        }

        Push(lines, Where, 1);
    }

    /// <summary>Cuts macro arguments, at commas or at blanks between words; quotes around a whole argument are removed.</summary>
    internal static List<string> Arguments(ReadOnlySpan<char> text)
    {
        var arguments = new List<string>();
        foreach (var part in SourceLine.Operands(text))
        {
            var start = 0;
            for (var index = 1; index + 1 < part.Length; index++)
            {
                if (part[index] is '"')
                {
                    index += SourceLine.QuotedLength(part, index) - 1;
                }
                else if (part[index] is ' ' or '\t' && EndsWord(part.AsSpan(0, index).TrimEnd()[^1]) && StartsWord(part.AsSpan(index).TrimStart()[0]))
                {
                    arguments.Add(Unquote(part[start..index].Trim()));
                    start = index;
                }
            }

            arguments.Add(Unquote(part[start..].Trim()));
        }

        return arguments;

        static bool EndsWord(char c) => SourceLine.IsNameCharacter(c) || c is ')' or '"';
        static bool StartsWord(char c) => SourceLine.IsNameCharacter(c) || c is '"' or '%';
        static string Unquote(string argument)
            => argument.Length >= 2 && argument[0] == '"' && argument[^1] == '"' ? argument[1..^1] : argument;
    }

    private void Push(IReadOnlyList<SourceLine> lines, string where, int times)
    {
        if (_frames.Count >= MaximumDepth)
        {
            throw new AssemblyErrorException($"macros and repetitions nest deeper than {MaximumDepth}");
        }

        _frames.Push(new Frame(lines, where, times));
    }

    private static Dictionary<string, string> Bind(Macro macro, List<string> arguments)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        var position = 0;
        for (var index = 0; index < arguments.Count; index++)
        {
            var argument = arguments[index];
            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            var named = equals > 0 ? macro.Parameters.FirstOrDefault(p => p.Name == argument[..equals].Trim()) : null;
            if (named is not null)
            {
                values[named.Name] = argument[(equals + 1)..].Trim();
            }
            else if (position >= macro.Parameters.Count)
            {
                throw new AssemblyErrorException($"macro {macro.Name} takes {macro.Parameters.Count} arguments, not {arguments.Count}");
            }
            else if (macro.Parameters[position].TakesRest)
            {
                values[macro.Parameters[position].Name] = string.Join(',', arguments[index..]);
                break;
            }
            else
            {
                values[macro.Parameters[position++].Name] = argument;
            }
        }

        foreach (var parameter in macro.Parameters)
        {
            if (!values.TryGetValue(parameter.Name, out var value) || value.Length == 0)
            {
                values[parameter.Name] = parameter.IsRequired
                    ? throw new AssemblyErrorException($"macro {macro.Name} needs its argument '{parameter.Name}'")
                    : parameter.Default;
            }
        }

        return values;
    }

    // \name is a parameter, \@ the number of the call, \() nothing: it ends a name. Other backslashes stay.
    private static string Substitute(string text, Dictionary<string, string> values, int? call)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
        {
            return text;
        }

        var result = new StringBuilder();
        for (var index = 0; index < text.Length; index++)
        {
            var rest = text.AsSpan(index);
            if (rest.StartsWith("\\()"))
            {
                index += 2;
                continue;
            }

            if (call is { } number && rest.StartsWith("\\@"))
            {
                result.Append(number);
                index++;
                continue;
            }

            var end = 1;
            while (rest[0] == '\\' && end < rest.Length && (char.IsAsciiLetterOrDigit(rest[end]) || rest[end] == '_'))
            {
                end++;
            }

            if (end > 1 && values.TryGetValue(rest[1..end].ToString(), out var value))
            {
                if (result.Length + value.Length > MaximumLength)
                {
                    // An argument that doubles with each call would soon fill memory.
                    throw new AssemblyErrorException($"a macro makes a statement longer than {MaximumLength} characters");
                }

                result.Append(value);
                index += end - 1;
                continue;
            }

            result.Append(text[index]);
        }

        return result.ToString();
    }

    private sealed class Frame(IReadOnlyList<SourceLine> lines, string where, int times)
    {
        internal IReadOnlyList<SourceLine> Lines { get; } = lines;

        internal string Where { get; } = where;

        internal int Index { get; set; }

        internal int Remaining { get; set; } = times;
    }
}
