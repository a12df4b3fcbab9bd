using System.Globalization;
using Hypervisor.Core;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Hypervisor.Host.Manifest;

/// <summary>Reads YAML strictly: whatever is not known, or not of its kind, is refused with file and line.</summary>
internal sealed class YamlNodes(string file)
{
    /// <summary>Reads a file that holds one mapping.</summary>
    /// <exception cref="HypervisorException">It is not YAML, or no mapping.</exception>
    public YamlMappingNode Load(string text)
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(text));
            if (stream.Documents.Count == 1 && stream.Documents[0].RootNode is YamlMappingNode root)
                return root;
        }
        catch (YamlException problem)
        {
            throw new HypervisorException($"{file}:{problem.Start.Line}: this is not YAML: {problem.InnerException?.Message ?? problem.Message}", problem);
        }

        throw new HypervisorException($"{file}: a manifest is one mapping with the key 'machines'; this is something else.");
    }

    /// <summary>The entries of a mapping, all of whose keys are known.</summary>
    public Dictionary<string, YamlNode> Fields(YamlNode node, string what, params ReadOnlySpan<string> known)
    {
        var fields = new Dictionary<string, YamlNode>();
        foreach ((string key, YamlNode value) in Entries(node, what))
        {
            if (!known.Contains(key))
                throw Wrong(value, $"{what} has no key '{key}'; there are: {string.Join(", ", known.ToArray())}");
            fields.Add(key, value);
        }

        return fields;
    }

    /// <summary>The entries of a mapping with keys of the user's choice.</summary>
    public IEnumerable<(string Key, YamlNode Value)> Entries(YamlNode node, string what)
    {
        if (node is YamlScalarNode { Value: null or "" })
            yield break;
        if (node is not YamlMappingNode mapping)
            throw Wrong(node, $"{what} must be a mapping (key: value)");
        foreach ((YamlNode key, YamlNode value) in mapping)
        {
            yield return key is YamlScalarNode { Value: { Length: > 0 } name }
                ? (name, value)
                : throw Wrong(key, $"{what} has a key that is no name");
        }
    }

    /// <summary>A text.</summary>
    public string Text(YamlNode node, string what)
        => node is YamlScalarNode { Value: { } value } ? value : throw Wrong(node, $"{what} must be a text");

    /// <summary>Texts: a sequence, or one alone.</summary>
    public IReadOnlyList<string> Texts(YamlNode node, string what)
        => node is YamlSequenceNode list ? [.. list.Select(each => Text(each, what))] : [Text(node, what)];

    /// <summary>The nodes of a sequence, or one alone.</summary>
    public static IReadOnlyList<YamlNode> Items(YamlNode node) => node is YamlSequenceNode list ? [.. list] : [node];

    /// <summary>Yes or no.</summary>
    public bool Flag(YamlNode node, string what) => Text(node, what) switch
    {
        "true" => true,
        "false" => false,
        string other => throw Wrong(node, $"{what} must be true or false, not '{other}'"),
    };

    /// <summary>A whole number in a range.</summary>
    public long Integer(YamlNode node, string what, long least, long most)
        => long.TryParse(Text(node, what), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) && value >= least && value <= most
            ? value
            : throw Wrong(node, $"{what} must be a whole number from {least} to {most}");

    /// <summary>A number in a range.</summary>
    public double Number(YamlNode node, string what, double least, double most)
        => double.TryParse(Text(node, what), NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value >= least && value <= most
            ? value
            : throw Wrong(node, $"{what} must be a number from {least.ToString(CultureInfo.InvariantCulture)} to {most.ToString(CultureInfo.InvariantCulture)}");

    /// <summary>A number with a unit, such as 10ms.</summary>
    public long WithUnit(YamlNode node, string what, string example, params ReadOnlySpan<(string Unit, double Factor)> units)
    {
        string text = Text(node, what).Trim();
        foreach ((string unit, double factor) in units)
        {
            if (text.EndsWith(unit, StringComparison.OrdinalIgnoreCase)
                && double.TryParse(text.AsSpan(0, text.Length - unit.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double count)
                && count * factor <= long.MaxValue / 2)
                return (long)(count * factor);
        }

        throw Wrong(node, $"{what} must be a number with a unit, such as {example}, not '{text}'");
    }

    /// <summary>Reads by a function that refuses with a message of its own, which then gets file and line.</summary>
    public T Parsed<T>(YamlNode node, string what, Func<string, T> parse)
    {
        string text = Text(node, what);
        try
        {
            return parse(text);
        }
        catch (HypervisorException problem)
        {
            throw new HypervisorException($"{Place(node)} {what}: {problem.Message}", problem);
        }
    }

    /// <summary>A refusal of something at a place.</summary>
    public HypervisorException Wrong(YamlNode node, string message) => new($"{Place(node)} {message}.");

    /// <summary>A place, for messages.</summary>
    public string Place(YamlNode node) => $"{file}:{node.Start.Line}:";
}
