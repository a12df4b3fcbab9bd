using System.Text.Json;
using Hypervisor.Core;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>
/// A value of a JSON document and the way to it, so that whatever is wrong is named by its place. Unknown members are no error,
/// as the runtime specification asks; members of the wrong kind are.
/// </summary>
internal readonly struct SpecValue
{
    private readonly JsonElement _element;

    private SpecValue(JsonElement element, string path)
    {
        _element = element;
        Path = path;
    }

    /// <summary>Where in the document it stands, such as <c>process.args</c>; the file's name for the document itself.</summary>
    public string Path { get; }

    /// <summary>Reads a document, which must be an object.</summary>
    /// <exception cref="HypervisorException">It is no JSON object.</exception>
    public static SpecValue Parse(ReadOnlyMemory<byte> json, string name)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 64 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new HypervisorException($"{name} holds no JSON object.");
            return new SpecValue(document.RootElement.Clone(), name);
        }
        catch (JsonException problem)
        {
            throw new HypervisorException($"{name} is no JSON: {problem.Message}", problem);
        }
    }

    /// <summary>What is wrong with it, as an exception.</summary>
    public HypervisorException Wrong(string what) => new($"{Path}: {what}");

    /// <summary>A member, or null where it is missing or null.</summary>
    public SpecValue? Find(string name)
    {
        if (_element.ValueKind != JsonValueKind.Object)
            throw Wrong($"must be an object, not {Kind}.");
        return _element.TryGetProperty(name, out JsonElement member) && member.ValueKind != JsonValueKind.Null
            ? new SpecValue(member, Join(name))
            : null;
    }

    /// <summary>A member that must be there.</summary>
    public SpecValue Get(string name) => Find(name) ?? throw new HypervisorException($"{Join(name)} is missing.");

    /// <summary>Its items, if it is an array.</summary>
    public IReadOnlyList<SpecValue> Items()
    {
        if (_element.ValueKind != JsonValueKind.Array)
            throw Wrong($"must be an array, not {Kind}.");
        var items = new List<SpecValue>();
        foreach (JsonElement item in _element.EnumerateArray())
            items.Add(new SpecValue(item, $"{Path}[{items.Count}]"));
        return items;
    }

    /// <summary>The items of a member; none where it is missing.</summary>
    public IReadOnlyList<SpecValue> ItemsOf(string name) => Find(name)?.Items() ?? [];

    /// <summary>Its members by name, if it is an object.</summary>
    public IEnumerable<(string Name, SpecValue Value)> Members()
    {
        if (_element.ValueKind != JsonValueKind.Object)
            throw Wrong($"must be an object, not {Kind}.");
        foreach (JsonProperty member in _element.EnumerateObject())
            yield return (member.Name, new SpecValue(member.Value, Join(member.Name)));
    }

    /// <summary>Its text. A zero byte in it is an error: no system interface could carry it.</summary>
    public string Text()
    {
        if (_element.ValueKind != JsonValueKind.String)
            throw Wrong($"must be a string, not {Kind}.");
        string text = _element.GetString()!;
        return text.Contains('\0', StringComparison.Ordinal) ? throw Wrong("contains a zero byte.") : text;
    }

    public string? TextOf(string name) => Find(name)?.Text();

    public IReadOnlyList<string> TextsOf(string name) => [.. ItemsOf(name).Select(item => item.Text())];

    public bool Flag() => _element.ValueKind is JsonValueKind.True or JsonValueKind.False
        ? _element.GetBoolean()
        : throw Wrong($"must be true or false, not {Kind}.");

    public bool FlagOf(string name) => Find(name)?.Flag() ?? false;

    /// <summary>A whole number within bounds.</summary>
    public long Number(long least, long most)
    {
        if (_element.ValueKind != JsonValueKind.Number || !_element.TryGetInt64(out long value))
            throw Wrong($"must be a whole number, not {(_element.ValueKind == JsonValueKind.Number ? _element.GetRawText() : Kind)}.");
        return value >= least && value <= most ? value : throw Wrong($"{value} lies outside {least} to {most}.");
    }

    public long? NumberOf(string name, long least, long most) => Find(name)?.Number(least, most);

    /// <summary>A whole number without sign, of all 64 bits.</summary>
    public ulong Unsigned() => _element.ValueKind == JsonValueKind.Number && _element.TryGetUInt64(out ulong value)
        ? value
        : throw Wrong($"must be a whole number of at least 0, not {(_element.ValueKind == JsonValueKind.Number ? _element.GetRawText() : Kind)}.");

    /// <summary>A path from the root, without any way out of it.</summary>
    public string AbsolutePath()
    {
        string path = Text();
        if (!path.StartsWith('/'))
            throw Wrong($"'{path}' must be an absolute path.");
        return path;
    }

    private string Kind => _element.ValueKind.ToString().ToLowerInvariant();

    private string Join(string name) => Path.EndsWith(".json", StringComparison.Ordinal) ? $"{Path}: {name}" : $"{Path}.{name}";
}
