using System.Text.Json;
using System.Text.Json.Nodes;
using Hypervisor.Core;
using Hypervisor.Host.Cli;

namespace Hypervisor.Host.Oci;

/// <summary>The process that <c>exec</c> is to run: a file's, or the container's own with what the command line says otherwise.</summary>
internal static class ExecSpec
{
    /// <summary>Makes it, as JSON.</summary>
    /// <exception cref="HypervisorException">What was said makes no process.</exception>
    public static string From(OciArguments arguments, ContainerRecord record)
    {
        if (arguments["--process"] is { } file)
            return System.Text.Encoding.UTF8.GetString(InputFile.Read(file, "process's description"));
        if (arguments.Operands.Count < 2)
            throw new HypervisorException("hv oci exec needs a program to run: name it behind the container, or give --process FILE.");
        JsonObject process = BaseOf(record);
        process["terminal"] = arguments.Has("--tty") && arguments["--console-socket"] is not null;
        process["args"] = new JsonArray([.. arguments.Operands.Skip(1).Select(each => (JsonNode)each)]);
        if (arguments["--cwd"] is { } directory)
            process["cwd"] = directory;
        if (arguments.All("--env") is { Count: > 0 } variables)
        {
            var all = (process["env"] as JsonArray)?.DeepClone() as JsonArray ?? [];
            foreach (string variable in variables)
                all.Add(variable);
            process["env"] = all;
        }

        if (arguments["--user"] is { } user)
            process["user"] = User(user);
        if (arguments.All("--additional-gids") is { Count: > 0 } groups)
            ((JsonObject)(process["user"] ??= new JsonObject()))["additionalGids"] = new JsonArray([.. groups.SelectMany(each => each.Split(',')).Select(each => (JsonNode)Id(each, "--additional-gids"))]);
        if (arguments.Has("--no-new-privs"))
            process["noNewPrivileges"] = true;
        if (arguments.All("--cap") is { Count: > 0 } capabilities)
        {
            JsonNode[] Names() => [.. capabilities.Select(each => (JsonNode)(each.StartsWith("CAP_", StringComparison.Ordinal) ? each : "CAP_" + each.ToUpperInvariant()))];
            process["capabilities"] = new JsonObject { ["bounding"] = new JsonArray(Names()), ["effective"] = new JsonArray(Names()), ["permitted"] = new JsonArray(Names()) };
        }

        return process.ToJsonString();
    }

    private static JsonObject User(string user)
    {
        string[] parts = user.Split(':');
        uint[] numbers = [.. parts.Select(part => Id(part, "--user"))];
        return new JsonObject { ["uid"] = numbers[0], ["gid"] = numbers.Length > 1 ? numbers[1] : 0 };
    }

    private static uint Id(string text, string option)
        => uint.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out uint number)
            ? number
            : throw new HypervisorException($"{option} {text}: give numbers, as UID or UID:GID.");

    private static JsonObject BaseOf(ContainerRecord record)
    {
        try
        {
            JsonNode? config = JsonNode.Parse(File.ReadAllBytes(Path.Combine(record.Bundle, "config.json")));
            if (config?["process"] is JsonObject process)
                return (JsonObject)process.DeepClone();
        }
        catch (Exception problem) when (problem is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new HypervisorException($"The bundle of container '{record.Id}' cannot be read: {problem.Message} Give the process with --process FILE.", problem);
        }

        return new JsonObject { ["cwd"] = "/", ["env"] = new JsonArray() };
    }
}
