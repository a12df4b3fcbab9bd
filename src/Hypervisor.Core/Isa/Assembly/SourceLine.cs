using System.Text;

namespace Hypervisor.Core.Isa.Assembly;

/// <summary>One statement with the number of the line it begins on.</summary>
internal readonly record struct SourceLine(string Text, int Number)
{
    /// <summary>Splits a source into statements: comments removed, lines cut at semicolons, empty statements dropped.</summary>
    internal static List<SourceLine> Split(string source, Action<int, string> report)
    {
        var lines = new List<SourceLine>();
        var text = new StringBuilder();
        var number = 1;
        for (var index = 0; index < source.Length; index++)
        {
            var c = source[index];
            var next = index + 1 < source.Length ? source[index + 1] : '\0';
            if (c is '\n' or ';')
            {
                Flush();
                number += c == '\n' ? 1 : 0;
            }
            else if (c == '#' || c == '/' && next == '/')
            {
                var end = source.IndexOf('\n', index);
                index = (end < 0 ? source.Length : end) - 1;
            }
            else if (c == '/' && next == '*')
            {
                var end = source.IndexOf("*/", index + 2, StringComparison.Ordinal);
                if (end < 0)
                {
                    report(number, "comment without its closing */");
                    break;
                }

                number += source.AsSpan(index, end - index).Count('\n');
                text.Append(' ');
                index = end + 1;
            }
            else if (c is '"' or '\'')
            {
                var length = QuotedLength(source, index);
                if (c == '"' && (length < 2 || source[index + length - 1] != '"'))
                {
                    report(number, "string without its closing quote");
                }

                text.Append(source, index, length);
                index += length - 1;
            }
            else
            {
                text.Append(c);
            }
        }

        Flush();
        return lines;

        void Flush()
        {
            var statement = text.ToString().Trim();
            text.Clear();
            if (statement.Length > 0)
            {
                lines.Add(new SourceLine(statement, number));
            }
        }
    }

    /// <summary>
    /// The length of the string or character constant that starts at <paramref name="start"/>, its quotes included. A
    /// character constant may go without its closing quote, as in <c>'a</c>.
    /// </summary>
    internal static int QuotedLength(ReadOnlySpan<char> text, int start)
    {
        var index = start + 1;
        if (text[start] == '\'')
        {
            index += index < text.Length && text[index] == '\\' ? 2 : 1;
            index += index < text.Length && text[index] == '\'' ? 1 : 0;
            return Math.Min(index, text.Length) - start;
        }

        while (index < text.Length && text[index] is not ('"' or '\n'))
        {
            index += text[index] == '\\' ? 2 : 1;
        }

        return Math.Min(index + (index < text.Length && text[index] == '"' ? 1 : 0), text.Length) - start;
    }

    /// <summary>Cuts operands at the commas that stand outside parentheses and quotes.</summary>
    internal static List<string> Operands(ReadOnlySpan<char> text)
    {
        var operands = new List<string>(4);
        text = text.Trim();
        if (text.IsEmpty)
        {
            return operands;
        }

        var depth = 0;
        var start = 0;
        for (var index = 0; index < text.Length; index++)
        {
            switch (text[index])
            {
                case '(':
                    depth++;
                    break;
                case ')':
                    depth--;
                    break;
                case '"' or '\'':
                    index += QuotedLength(text, index) - 1;
                    break;
                case ',' when depth <= 0:
                    operands.Add(text[start..index].Trim().ToString());
                    start = index + 1;
                    break;
            }
        }

        operands.Add(text[start..].Trim().ToString());
        return operands;
    }

    /// <summary>Whether a character may stand in a symbol's name.</summary>
    internal static bool IsNameCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '$';
}
