using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hypervisor.Core;

namespace Hypervisor.Host.Oci;

/// <summary>What is kept of a container between commands.</summary>
internal sealed record ContainerRecord
{
    public required string Id { get; init; }

    public required string OciVersion { get; init; }

    public required string Bundle { get; init; }

    public required string RootFs { get; init; }

    /// <summary>The process that holds the container; 0 until there is one.</summary>
    public int Pid { get; init; }

    /// <summary>When that process began, so that another with its number is not taken for it.</summary>
    public string PidStarted { get; init; } = "";

    public DateTime Created { get; init; }

    /// <summary>Whether its program was started.</summary>
    public bool Started { get; init; }

    public bool Paused { get; init; }

    /// <summary>Its control group on the host; null for none.</summary>
    public string? CgroupsPath { get; init; }

    public IReadOnlyDictionary<string, string> Annotations { get; init; } = new Dictionary<string, string>();

    /// <summary>What the container is doing, by the process that holds it: creating, created, running, paused or stopped.</summary>
    [JsonIgnore]
    public string Status => Pid == 0 ? "creating" : !IsAlive(Pid, PidStarted) ? "stopped" : Paused ? "paused" : Started ? "running" : "created";

    /// <summary>When a process began, as a text that no other process with its number has; empty where there is none.</summary>
    public static string StartOf(int pid)
    {
        try
        {
            if (OperatingSystem.IsLinux())
            {
                // Fields after the name, which may hold anything: the state first, the start time twentieth.
                string stat = File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat");
                string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                return fields[0] is "Z" or "X" ? "" : fields[19];
            }

            using var process = Process.GetProcessById(pid);
            return process.StartTime.Ticks.ToString(CultureInfo.InvariantCulture);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException or InvalidOperationException)
        {
            return ""; // It has ended.
        }
    }

    private static bool IsAlive(int pid, string started) => started.Length > 0 && StartOf(pid) == started;

    /// <summary>The state that the specification defines (runtime.md, "State"), as JSON.</summary>
    public string ToStateJson(bool indented = false)
    {
        string status = Status;
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = indented }))
        {
            json.WriteStartObject();
            json.WriteString("ociVersion", OciVersion);
            json.WriteString("id", Id);
            json.WriteString("status", status);
            json.WriteNumber("pid", status == "stopped" ? 0 : Pid);
            json.WriteString("bundle", Bundle);
            json.WriteString("rootfs", RootFs);
            json.WriteString("created", Created.ToString("O", CultureInfo.InvariantCulture));
            json.WriteStartObject("annotations");
            foreach ((string name, string value) in Annotations)
                json.WriteString(name, value);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(buffer.ToArray());
    }
}

/// <summary>The directory of containers' records, one directory each.</summary>
internal sealed class ContainerStore
{
    private const string RecordFile = "state.json";

    private readonly string _root;

    /// <summary>Opens a store; its directory is made when the first container is.</summary>
    /// <param name="root">The directory; null for the user's own.</param>
    public ContainerStore(string? root)
    {
        string? runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        _root = Path.GetFullPath(root
            ?? (string.IsNullOrEmpty(runtime) ? OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess ? "/run/hv" : Path.Combine(Path.GetTempPath(), "hv-" + Environment.UserName) : Path.Combine(runtime, "hv")));
    }

    public string Root => _root;

    /// <summary>A container's directory.</summary>
    /// <exception cref="HypervisorException">That is no name for a container.</exception>
    public string DirectoryOf(string id)
    {
        bool good = id.Length is > 0 and <= 255 && id is not ("." or "..") && id.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '+' or '-' or '.');
        return good ? Path.Combine(_root, id) : throw new HypervisorException($"'{id}' is no name for a container: letters, digits, '_', '+', '-' and '.' make one.");
    }

    /// <summary>The socket by which the process that holds a container is told what to do.</summary>
    public string SocketOf(string id)
    {
        const int mostBytes = 104;
        string path = Path.Combine(DirectoryOf(id), "control");
        return System.Text.Encoding.UTF8.GetByteCount(path) < mostBytes
            ? path
            : throw new HypervisorException($"'{path}' is too long for a socket's name: choose a shorter --root or a shorter name of the container.");
    }

    /// <summary>Claims a name.</summary>
    /// <exception cref="HypervisorException">It is taken.</exception>
    public void Claim(ContainerRecord record)
    {
        string directory = DirectoryOf(record.Id);
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(directory);
        else
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        try
        {
            using var file = new FileStream(Path.Combine(directory, RecordFile), FileMode.CreateNew, FileAccess.Write);
            file.Write(JsonSerializer.SerializeToUtf8Bytes(record));
        }
        catch (IOException) when (File.Exists(Path.Combine(directory, RecordFile)))
        {
            throw new HypervisorException($"Container '{record.Id}' exists already; choose another name, or delete it first.");
        }
    }

    /// <summary>Replaces a record in one step.</summary>
    public void Save(ContainerRecord record)
    {
        string file = Path.Combine(DirectoryOf(record.Id), RecordFile);
        string next = $"{file}.{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}";
        File.WriteAllBytes(next, JsonSerializer.SerializeToUtf8Bytes(record));
        File.Move(next, file, overwrite: true);
    }

    /// <summary>A container's record, or null where there is no such container.</summary>
    public ContainerRecord? Find(string id)
    {
        try
        {
            return JsonSerializer.Deserialize<ContainerRecord>(File.ReadAllBytes(Path.Combine(DirectoryOf(id), RecordFile)));
        }
        catch (Exception problem) when (problem is DirectoryNotFoundException or FileNotFoundException)
        {
            return null;
        }
        catch (JsonException problem)
        {
            throw new HypervisorException($"The record of container '{id}' is damaged: {problem.Message} Remove '{DirectoryOf(id)}'.", problem);
        }
    }

    /// <summary>A container's record.</summary>
    /// <exception cref="HypervisorException">There is no such container.</exception>
    public ContainerRecord Get(string id) => Find(id) ?? throw new HypervisorException($"There is no container '{id}' in '{_root}': it does not exist.");

    /// <summary>All records, by name.</summary>
    public IReadOnlyList<ContainerRecord> List() => !Directory.Exists(_root) ? [] : [.. Directory.EnumerateDirectories(_root)
        .Select(directory => Path.GetFileName(directory)!)
        .Order(StringComparer.Ordinal)
        .Select(Find)
        .OfType<ContainerRecord>()];

    /// <summary>Forgets a container.</summary>
    public void Remove(string id)
    {
        string directory = DirectoryOf(id);
        if (Directory.Exists(directory))
            Directory.Delete(directory, recursive: true);
    }
}
