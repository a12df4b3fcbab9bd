using System.Text;

namespace Hypervisor.Core.Isa.Assembly;

/// <summary>The escapes of strings and character constants.</summary>
internal static class StringLiteral
{
    /// <summary>The bytes of a quoted string operand.</summary>
    internal static byte[] Parse(string operand)
        => operand.Length >= 2 && operand[0] == '"' && operand[^1] == '"'
            ? Unescape(operand.AsSpan(1, operand.Length - 2))
            : throw new AssemblyErrorException($"'{operand}' is not a string in double quotes");

    /// <summary>The bytes, in UTF-8, of text with escapes.</summary>
    internal static byte[] Unescape(ReadOnlySpan<char> text)
    {
        var bytes = new List<byte>(text.Length);
        Span<byte> encoded = stackalloc byte[4];
        for (var index = 0; index < text.Length; index++)
        {
            if (text[index] == '\\' && index + 1 < text.Length)
            {
                index++;
                bytes.Add(Escape(text, ref index));
                continue;
            }

            Rune.DecodeFromUtf16(text[index..], out var rune, out var length);
            bytes.AddRange(encoded[..rune.EncodeToUtf8(encoded)]);
            index += length - 1;
        }

        return [.. bytes];
    }

    // On entry index is at the character after the backslash, on return at the escape's last character.
    private static byte Escape(ReadOnlySpan<char> text, ref int index)
    {
        var c = text[index];
        if (c is >= '0' and <= '7')
        {
            var value = 0;
            var first = index;
            while (index < text.Length && index < first + 3 && text[index] is >= '0' and <= '7')
            {
                value = value * 8 + (text[index++] - '0');
            }

            index--;
            return (byte)value;
        }

        if (c is 'x' or 'X')
        {
            var value = 0;
            while (index + 1 < text.Length && char.IsAsciiHexDigit(text[index + 1]))
            {
                value = value << 4 | Convert.ToInt32(text[++index].ToString(), 16);
            }

            return (byte)value;
        }

        return c switch
        {
            'n' => (byte)'\n',
            't' => (byte)'\t',
            'r' => (byte)'\r',
            'b' => (byte)'\b',
            'f' => (byte)'\f',
            '\\' or '"' or '\'' => (byte)c,
            _ => throw new AssemblyErrorException($"unknown escape '\\{c}'"),
        };
    }
}
