using System.Globalization;

namespace Hypervisor.Core.Isa.Assembly;

/// <summary>Parses expressions with the operators and the precedence of GNU as.</summary>
/// <remarks>
/// From the tightest: prefix operators; <c>* / % &lt;&lt; &gt;&gt;</c>; <c>| &amp; ^</c>; <c>+ -</c>; comparisons;
/// <c>&amp;&amp;</c>; <c>||</c>. This differs from C. A symbol that has a constant value now is replaced by it, so that a
/// later <c>.set</c> does not change what was meant here.
/// </remarks>
internal ref struct ExpressionParser
{
    private const int MaximumDepth = 200;

    private readonly ReadOnlySpan<char> _text;
    private readonly SymbolTable _symbols;
    private readonly AssemblyValue _here;
    private int _position;
    private int _depth;

    private ExpressionParser(ReadOnlySpan<char> text, SymbolTable symbols, AssemblyValue here)
    {
        _text = text;
        _symbols = symbols;
        _here = here;
    }

    /// <summary>Parses the whole of <paramref name="text"/>; <paramref name="here"/> is the value of the dot symbol.</summary>
    internal static Expression Parse(ReadOnlySpan<char> text, SymbolTable symbols, AssemblyValue here)
    {
        var parser = new ExpressionParser(text, symbols, here);
        var expression = parser.Binary(0);
        parser.SkipBlanks();
        return parser._position == text.Length
            ? expression
            : throw new AssemblyErrorException($"'{text[parser._position..]}' is not understood in expression '{text}'");
    }

    private static int Rank(string operation) => operation switch
    {
        "*" or "/" or "%" or "<<" or ">>" => 6,
        "|" or "&" or "^" => 5,
        "+" or "-" => 4,
        "&&" => 2,
        "||" => 1,
        "" => 0,
        _ => 3,
    };

    private Expression Binary(int minimumRank)
    {
        var left = Prefix();
        while (true)
        {
            var operation = PeekOperator();
            var rank = Rank(operation);
            if (rank <= minimumRank)
            {
                return left;
            }

            _position += operation.Length;
            left = Fold(new BinaryExpression(operation, left, Binary(rank)));
        }
    }

    private string PeekOperator()
    {
        SkipBlanks();
        var rest = _text[_position..];
        foreach (var candidate in (ReadOnlySpan<string>)
            ["<<", ">>", "&&", "||", "==", "!=", "<>", "<=", ">=", "*", "/", "%", "|", "&", "^", "+", "-", "<", ">"])
        {
            if (rest.StartsWith(candidate, StringComparison.Ordinal))
            {
                return candidate;
            }
        }

        return "";
    }

    private Expression Prefix()
    {
        if (++_depth > MaximumDepth)
        {
            throw new AssemblyErrorException($"expression nested deeper than {MaximumDepth}");
        }

        var result = Term();
        _depth--;
        return result;
    }

    private Expression Term()
    {
        SkipBlanks();
        if (_position == _text.Length)
        {
            throw new AssemblyErrorException(_text.IsEmpty ? "expression missing" : $"expression '{_text}' breaks off");
        }

        var c = _text[_position];
        switch (c)
        {
            case '+':
                _position++;
                return Prefix();
            case '-' or '~' or '!':
                _position++;
                return Fold(new UnaryExpression(c, Prefix()));
            case '(':
                _position++;
                var inner = Binary(0);
                SkipBlanks();
                if (_position == _text.Length || _text[_position] != ')')
                {
                    throw new AssemblyErrorException($"closing parenthesis missing in '{_text}'");
                }

                _position++;
                return inner;
            case '\'':
                return Character();
        }

        if (char.IsAsciiDigit(c))
        {
            return Number();
        }

        var end = _position;
        while (end < _text.Length && SourceLine.IsNameCharacter(_text[end]))
        {
            end++;
        }

        if (end == _position)
        {
            throw new AssemblyErrorException($"'{_text[_position..]}' is not understood in expression '{_text}'");
        }

        var name = _text[_position..end].ToString();
        _position = end;
        return name == "." ? new ValueExpression(_here) : Fold(new SymbolExpression(name, name));
    }

    private Expression Character()
    {
        var length = SourceLine.QuotedLength(_text, _position);
        var body = _text.Slice(_position + 1, length - 1);
        body = body.Length > 1 && body[^1] == '\'' ? body[..^1] : body;
        _position += length;
        if (body.IsEmpty)
        {
            throw new AssemblyErrorException("empty character constant");
        }

        var bytes = StringLiteral.Unescape(body);
        return bytes.Length == 1
            ? new ValueExpression(new AssemblyValue(bytes[0]))
            : throw new AssemblyErrorException($"character constant '{body}' is not one byte");
    }

    private Expression Number()
    {
        var start = _position;
        while (_position < _text.Length && char.IsAsciiLetterOrDigit(_text[_position]))
        {
            _position++;
        }

        var digits = _text[start.._position];
        if (digits[^1] is 'b' or 'f' && int.TryParse(digits[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var local))
        {
            var name = _symbols.LocalReference(local, digits[^1] == 'f');
            return Fold(new SymbolExpression(name, digits.ToString()));
        }

        return TryParseNumber(digits, out var value)
            ? new ValueExpression(new AssemblyValue(value))
            : throw new AssemblyErrorException($"'{digits}' is not a number of at most 64 bits");
    }

    private static bool TryParseNumber(ReadOnlySpan<char> digits, out long value)
    {
        ulong result;
        bool isValid;
        if (digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            isValid = ulong.TryParse(digits[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out result);
        }
        else if (digits.StartsWith("0b", StringComparison.OrdinalIgnoreCase))
        {
            isValid = ulong.TryParse(digits[2..], NumberStyles.AllowBinarySpecifier, CultureInfo.InvariantCulture, out result);
        }
        else if (digits.Length > 1 && digits[0] == '0')
        {
            result = 0;
            isValid = true;
            foreach (var digit in digits)
            {
                isValid &= digit is >= '0' and <= '7' && result >> 61 == 0;
                result = result << 3 | (uint)(digit - '0') & 7;
            }
        }
        else
        {
            isValid = ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out result);
        }

        value = unchecked((long)result);
        return isValid;
    }

    private readonly Expression Fold(Expression expression)
        => expression.Evaluate(_symbols, final: false) is { } value ? new ValueExpression(value) : expression;

    private void SkipBlanks()
    {
        while (_position < _text.Length && char.IsWhiteSpace(_text[_position]))
        {
            _position++;
        }
    }
}
