namespace Hypervisor.Host.Cli;

/// <summary>A file or directory of the host with options behind it: <c>PATH[,key[=value]]…</c>.</summary>
/// <param name="Path">The path. It may have commas itself, as long as no known option follows one.</param>
/// <param name="Options">The options, without value the empty text.</param>
internal sealed record DeviceArgument(string Path, IReadOnlyDictionary<string, string> Options)
{
    /// <summary>Takes known options off the end.</summary>
    public static DeviceArgument Parse(string text, params ReadOnlySpan<string> known)
    {
        var options = new Dictionary<string, string>();
        string path = text;
        while (path.LastIndexOf(',') is >= 0 and var comma)
        {
            string[] parts = path[(comma + 1)..].Split('=', 2);
            if (!known.Contains(parts[0]))
                break;
            options.TryAdd(parts[0], parts.Length == 2 ? parts[1] : "");
            path = path[..comma];
        }

        return new DeviceArgument(path, options);
    }
}
