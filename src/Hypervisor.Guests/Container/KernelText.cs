using System.Text;

namespace Hypervisor.Guests.Container;

/// <summary>
/// Text as the kernel keeps it: names and arguments are bytes to Linux, whatever they mean, so that each byte is one character
/// here. Text of the host is changed at the edge.
/// </summary>
internal static class KernelText
{
    private const int MostShort = 128;

    /// <summary>Bytes of a program as text of the kernel.</summary>
    public static string Decode(ReadOnlySpan<byte> bytes)
    {
        // Mostly a name, as in Encode.
        if (bytes.Length > MostShort)
            return Encoding.Latin1.GetString(bytes);
        Span<char> text = stackalloc char[MostShort];
        for (int i = 0; i < bytes.Length; i++)
            text[i] = (char)bytes[i];
        return new string(text[..bytes.Length]);
    }

    /// <summary>Text of the kernel as a program's bytes.</summary>
    public static byte[] Encode(string text)
    {
        // Mostly a name: shorter than what the library does before it begins.
        var bytes = new byte[text.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            if (text[i] > 0xFF)
                return Encoding.Latin1.GetBytes(text);
            bytes[i] = (byte)text[i];
        }

        return bytes;
    }

    /// <summary>Text of the host, in UTF-16, as text of the kernel.</summary>
    public static string FromHost(string text) => IsPlain(text) ? text : Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));

    /// <summary>Text of the kernel as text of the host; what is no UTF-8 names nothing there.</summary>
    public static string ToHost(string text) => IsPlain(text) ? text : Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(text));

    private static bool IsPlain(string text) => Ascii.IsValid(text);
}
