using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Hypervisor.Host.Oci;

/// <summary>Where complaints go: a file, as lines of text or of JSON, so that the caller can show them; and standard error.</summary>
internal sealed class OciLog(string? file, bool json)
{
    /// <summary>Writes an error.</summary>
    public void Error(string message, TextWriter standardError)
    {
        standardError.WriteLine($"hv: {message}");
        if (file is null)
            return;
        string time = DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        string line = json ? Json(message, time) : $"time=\"{time}\" level=error msg={JsonSerializer.Serialize(message)}";
        try
        {
            File.AppendAllText(file, line + "\n");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            standardError.WriteLine($"hv: the log '{file}' cannot be written: {problem.Message}");
        }
    }

    private static string Json(string message, string time)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("level", "error");
            writer.WriteString("msg", message);
            writer.WriteString("time", time);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}
