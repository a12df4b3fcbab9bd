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
        return process.ToJsonString();
    }

    private static JsonObject User(string user)
    {
        string[] parts = user.Split(':');
        uint[] numbers = [.. parts.Select(part => uint.TryParse(part, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out uint number)
            ? number
            : throw new HypervisorException($"--user {user}: give numbers, as UID or UID:GID."))];
        return new JsonObject { ["uid"] = numbers[0], ["gid"] = numbers.Length > 1 ? numbers[1] : 0 };
    }

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
